// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks

/// Prints the fields of events and where other models have them.
enum SchemaCommand {
    private static let usage = "usage: sealtail schema [--json|--markdown]"

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try Options(arguments, flags: ["json", "markdown"])
            guard options.positional.isEmpty, !options.has("json") || !options.has("markdown")
            else { throw UsageError("say --json or --markdown, and nothing else") }
            let page = SchemaPage()
            emit(options.has("json") ? page.json : page.markdown)
            return ExitCode.ok
        } catch {
            talk("sealtail schema: \(error)\n\(usage)")
            return ExitCode.usage
        }
    }
}
