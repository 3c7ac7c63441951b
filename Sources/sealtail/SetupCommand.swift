// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform
import Sinks

/// `sealtail setup elasticsearch`: puts the templates of the package into a sink's cluster.
enum SetupCommand {
    static let usage =
        "elasticsearch [--config FILE] [--sink ID] [--templates DIR] [--dry-run]"

    static func run(_ arguments: [String]) -> Int32 {
        let options: Options
        do {
            options = try Options(
                arguments, flags: ["dry-run"], values: ["config", "sink", "templates"])
        } catch {
            talk("sealtail setup: \(error)")
            return ExitCode.usage
        }
        guard options.positional == ["elasticsearch"] else {
            talk("usage: sealtail setup \(usage)")
            return ExitCode.usage
        }
        let path = options.value("config") ?? ConfigurationFile.defaultPath
        let problems = ConfigurationProblems()
        let read = ConfigurationFile.load(path, problems)
        guard let configuration = read, problems.isEmpty else {
            for problem in problems.list { talk("\(problem)") }
            return ExitCode.configuration
        }
        do throws(UsageError) {
            let sink = try choose(options.value("sink"), among: configuration.sinks)
            return install(sink, options)
        } catch {
            talk("sealtail setup: \(path): \(error)")
            return ExitCode.usage
        }
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

    private static func install(_ sink: SinkConfiguration, _ options: Options) -> Int32 {
        let setup: ElasticsearchSetup
        do throws(SinkError) {
            setup = try ElasticsearchSetup(
                sink, folder: options.value("templates") ?? ElasticsearchSetup.systemFolder)
        } catch {
            talk("sealtail setup: \(error)")
            return ExitCode.configuration
        }
        if options.has("dry-run") {
            for template in setup.templates {
                emit("PUT \(template.path) \(template.byteCount) bytes from \(template.file)\n")
            }
            talk("nothing was sent")
            return ExitCode.ok
        }
        do throws(SinkError) {
            try setup.install { template in emit("PUT \(template.path)\n") }
        } catch {
            talk("sealtail setup: \(error)")
            return ExitCode.unavailable
        }
        talk("installed; a data stream that is there already takes them up at its next rollover:")
        talk("POST /\(setup.stream)/_rollover")
        return ExitCode.ok
    }
}
