// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform

/// `sealtail run --config agent.yaml`: the agent, until a signal ends it.
enum RunCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        MemoryTuning.apply()
        let path = options.configurationPath
        let configuration = try ConfigurationFile.loadWhole(path)
        let log = Log(level: configuration.logLevel, format: configuration.logFormat)
        do {
            let pipeline = try Pipeline(configuration, log: log) { problems in
                ConfigurationFile.read(path, problems)
            }
            return try pipeline.run() ? .ok : .inputOutput
        } catch {
            log.error("The agent cannot start.", ["reason": error])
            return error.exitCode
        }
    }
}

/// Finds and reads the configuration for the commands.
enum ConfigurationFile {
    static let defaultPath = "/etc/sealtail/agent.yaml"

    /// The configuration with its parsers bound, all mistakes in `problems`; nil when the file is
    /// no YAML.
    static func load(_ path: String, _ problems: ConfigurationProblems) -> AgentConfiguration? {
        guard let configuration = read(path, problems) else { return nil }
        Checkup(configuration).findParsers(problems)
        return configuration
    }

    /// The configuration with its parsers bound, where it has no mistake at all.
    static func loadWhole(_ path: String) throws(Mistakes) -> AgentConfiguration {
        let problems = ConfigurationProblems()
        let read = load(path, problems)
        guard let configuration = read, problems.isEmpty else { throw Mistakes(problems.list) }
        return configuration
    }

    /// A configuration that is in memory; every mistake goes to `problems`.
    static func read(_ bytes: [UInt8], called path: String, _ problems: ConfigurationProblems) {
        let node = ConfigurationLoader.load(
            bytes, file: path, environment: .process, problems: problems)
        guard let node else { return }
        _ = AgentConfiguration(
            reading: node, hostName: ProcessFacts.hostName, problems: problems)
    }

    /// The configuration alone, for a reload that knows the parsers that are in use.
    static func read(_ path: String, _ problems: ConfigurationProblems) -> AgentConfiguration? {
        guard let node = ConfigurationLoader.load(path, problems: problems) else { return nil }
        return AgentConfiguration(
            reading: node, hostName: ProcessFacts.hostName, problems: problems)
    }
}
