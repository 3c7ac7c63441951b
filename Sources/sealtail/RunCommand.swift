// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform

/// `sealtail run --config agent.yaml`: the agent, until a signal ends it.
enum RunCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        MemoryTuning.apply()
        let path = options.configurationPath
        let (configuration, assembly) = try ConfigurationFile.loadWhole(path, isThorough: false)
        let log = Log(level: configuration.logLevel, format: configuration.logFormat)
        do {
            let pipeline = try Pipeline(configuration, assembly, log: log) { problems in
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

    /// The configuration and its parsers, all mistakes in `problems`; nil when the file is no YAML.
    ///
    /// - Parameter isThorough: see `Assembly`.
    static func load(
        _ path: String, isThorough: Bool = true, _ problems: ConfigurationProblems
    ) -> (AgentConfiguration, Assembly)? {
        guard let configuration = read(path, problems) else { return nil }
        return (
            configuration,
            Assembly(configuration, isThorough: isThorough, problems: problems)
        )
    }

    /// The configuration and its parsers, where there is no mistake at all.
    static func loadWhole(
        _ path: String, isThorough: Bool
    ) throws(Mistakes) -> (AgentConfiguration, Assembly) {
        let problems = ConfigurationProblems()
        let read = load(path, isThorough: isThorough, problems)
        guard let whole = read, problems.isEmpty else { throw Mistakes(problems.list) }
        return whole
    }

    /// The configuration for those who parse nothing, where it has no mistake.
    static func readWhole(_ path: String) throws(Mistakes) -> AgentConfiguration {
        let problems = ConfigurationProblems()
        let read = read(path, problems)
        guard let whole = read, problems.isEmpty else { throw Mistakes(problems.list) }
        return whole
    }

    /// A configuration that is in memory; every mistake goes to `problems`.
    static func read(_ bytes: [UInt8], called path: String, _ problems: ConfigurationProblems) {
        let node = ConfigurationLoader.load(
            bytes, file: path, environment: .process, problems: problems)
        guard let node else { return }
        _ = AgentConfiguration(
            reading: node, hostName: ProcessFacts.hostName, problems: problems)
    }

    /// The configuration alone, for those who parse nothing and for a reload, which finds the
    /// parsers itself.
    static func read(_ path: String, _ problems: ConfigurationProblems) -> AgentConfiguration? {
        guard let node = ConfigurationLoader.load(path, problems: problems) else { return nil }
        return AgentConfiguration(
            reading: node, hostName: ProcessFacts.hostName, problems: problems)
    }
}
