// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks

/// Prints the fields of events and where other models have them.
enum SchemaCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        guard !options.has("json") || !options.has("markdown") else {
            throw UsageError("--json and --markdown exclude each other")
        }
        let page = SchemaPage()
        emit(options.has("json") ? page.json : page.markdown)
        return .ok
    }
}
