// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform
import Sinks

/// `sealtail setup elasticsearch`: puts the templates of the package into a sink's cluster.
enum SetupCommand {
    static func run(_ options: Options) throws -> ExitCode {
        guard options.operands == ["elasticsearch"] else {
            throw UsageError("say elasticsearch, the only receiver that takes templates")
        }
        let configuration = try ConfigurationFile.readWhole(options.configurationPath)
        let sink = try choose(options.value("sink"), among: configuration.sinks)
        return try install(sink, options)
    }

    private static func choose(
        _ id: String?, among sinks: [SinkConfiguration]
    ) throws(UsageError) -> SinkConfiguration {
        let fitting = sinks.filter { $0.type == "elasticsearch" }
        if let id {
            guard let found = sinks.first(where: { $0.id == id }) else {
                let known = sinks.map(\.id).joined(separator: ", ")
                throw UsageError("there is no sink \(id); there are \(known)")
            }
            return found
        }
        guard fitting.count == 1, let only = fitting.first else {
            let known = fitting.map(\.id).joined(separator: ", ")
            throw UsageError(
                fitting.isEmpty
                    ? "there is no sink of type elasticsearch"
                    : "there are several sinks of type elasticsearch, say --sink: \(known)")
        }
        return only
    }

    private static func install(
        _ sink: SinkConfiguration, _ options: Options
    ) throws(CommandFailure) -> ExitCode {
        let setup = try ended(.configuration) { () throws(SinkError) in
            try ElasticsearchSetup(
                sink, folder: options.value("templates") ?? ElasticsearchSetup.systemFolder)
        }
        if options.has("dry-run") {
            for template in setup.templates {
                emit("PUT \(template.path) \(template.byteCount) bytes from \(template.file)\n")
            }
            talk("nothing was sent")
            return .ok
        }
        try ended(.unavailable) { () throws(SinkError) in
            try setup.install { template in emit("PUT \(template.path)\n") }
        }
        talk("installed; a data stream that is there already takes them up at its next rollover:")
        talk("POST /\(setup.stream)/_rollover")
        return .ok
    }

    private static func ended<Value>(
        _ code: ExitCode, _ body: () throws(SinkError) -> Value
    ) throws(CommandFailure) -> Value {
        do throws(SinkError) {
            return try body()
        } catch {
            throw CommandFailure(error.description, code)
        }
    }
}
