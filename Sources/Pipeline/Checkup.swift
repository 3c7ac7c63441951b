// SPDX-License-Identifier: Apache-2.0
import Inputs
import Parsing
import Platform
import Sealing
import Sinks

/// What `sealtail check` looks at beyond the text of the configuration.
public struct Checkup {
    private let configuration: AgentConfiguration

    /// Looks at the surroundings of a configuration without mistakes.
    public init(_ configuration: AgentConfiguration) {
        self.configuration = configuration
    }

    /// What would keep the agent from its work: sentences with a place and a way out.
    ///
    /// - Parameter offline: leave out the receivers, as a start does that must not wait for them.
    public func findings(offline: Bool) -> [String] {
        var findings = keyFindings + sinkFindings(offline: offline)
        if !offline { findings += stateFindings + inputFindings }
        return findings
    }

    /// What lets the agent work and its trail have holes: sentences with a place and a way out.
    ///
    /// - Parameter offline: leave out the logs, as a start does that must not wait for them.
    public func warnings(offline: Bool) -> [String] {
        let assembly = assemble(ConfigurationProblems())
        return assembly.warnings
            + (offline ? [] : BlindSpots(configuration, assembly.plans).warnings())
    }

    /// What each sink can promise about delivery, in one sentence each.
    public func promises() -> [String] {
        configuration.sinks.compactMap { sink in
            SinkCatalog.promise(of: sink.type).map { "sinks.\(sink.id): \($0)" }
        }
    }

    /// Looks for the parser and the time zone of each input and reports what is not there.
    public func findParsers(_ problems: ConfigurationProblems) {
        _ = assemble(problems)
    }

    /// The parsers as they would be at a start, but with a key that is nobody's.
    private func assemble(_ problems: ConfigurationProblems) -> Assembly {
        let privacy = PrivacyPolicy(
            key: Secret([UInt8](repeating: 0, count: PrivacyPolicy.keyByteCount)))
        return Assembly(configuration, privacy: privacy, problems: problems)
    }

    private var keyFindings: [String] {
        let path = configuration.keyFolder + "/signing.key"
        guard configuration.signingKey == nil, FileSystem.exists(path) else { return [] }
        do throws(SealingError) {
            let key = try SigningKey.load(path)
            guard key.name != configuration.name else { return [] }
            return [
                "agent.name: is \(configuration.name), but \(path) belongs to \(key.name); "
                    + "use that name or move the key away"
            ]
        } catch {
            return [error.description]
        }
    }

    private func sinkFindings(offline: Bool) -> [String] {
        configuration.sinks.compactMap { sink in
            do throws(SinkError) {
                let made = try SinkCatalog.make(sink)
                defer { made.close() }
                guard !offline, let refusal = made.probe() else { return nil }
                return "sinks.\(sink.id): \(refusal.sentence)"
            } catch {
                return error.description
            }
        }
    }

    private var stateFindings: [String] {
        let folder = configuration.stateFolder
        var existing = folder
        while !FileSystem.exists(existing) { existing = FileSystem.folder(of: existing) }
        guard !FileSystem.isWritable(existing) else { return [] }
        return [
            "agent.state_dir: \(folder): cannot be written by this user; create it with 0700 "
                + "and the agent's user as its owner"
        ]
    }

    private var inputFindings: [String] {
        configuration.inputs.flatMap { input in
            guard input.kind == .file else {
                return InputCatalog.findings(input).map { "inputs.\(input.id): \($0)" }
            }
            return input.paths.flatMap { FileSystem.matches($0) }.compactMap { path in
                do throws(SystemError) {
                    _ = try File(path, .read, .nonBlocking)
                    return nil
                } catch {
                    return "inputs.\(input.id): \(error); add the agent's user to the file's group"
                }
            }
        }
    }
}
