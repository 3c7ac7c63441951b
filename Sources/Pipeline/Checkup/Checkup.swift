// SPDX-License-Identifier: Apache-2.0
import Inputs
import Parsing
import Platform
import Sealing
import Sinks

/// What `sealtail check` looks at beyond the text of the configuration.
public struct Checkup {
    /// What was found: sentences with a place and a way out.
    public struct Report: Sendable {
        /// What would keep the agent from its work.
        public internal(set) var findings: [String] = []
        /// What lets it work and its trail have holes, or trouble come.
        public internal(set) var warnings: [String] = []
    }

    private let configuration: AgentConfiguration
    private let assembly: Assembly
    private let mistakes: [ConfigurationProblem]
    private let rights: RightsCheckup

    /// Looks at the surroundings of a configuration.
    ///
    /// A sink whose credential is not here, see `ConfigurationProblem.isElsewhere`, is not tried.
    ///
    /// - Parameters:
    ///   - assembly: that of the configuration.
    ///   - mistakes: what is wrong in it; a sink with one is not tried either.
    ///   - account: the account that the agent runs with; nil is the one who asks.
    ///   - unit: the unit that it runs in, when there is one.
    public init(
        _ configuration: AgentConfiguration, _ assembly: Assembly,
        mistakes: [ConfigurationProblem] = [], account: Account? = nil, unit: ServiceUnit? = nil
    ) {
        self.configuration = configuration
        self.mistakes = mistakes
        self.assembly = assembly
        rights = RightsCheckup(configuration, account: account, unit: unit)
    }

    /// Looks at keys and parsers, and beyond them at logs, state, clock and receivers.
    ///
    /// It changes nothing anywhere, stores nothing at a receiver, and takes no longer than
    /// `SinkProbes.timeLimit` and the reading of a few thousand records.
    ///
    /// - Parameter offline: leave out all that a start must not wait for.
    public func report(offline: Bool) -> Report {
        var report = Report()
        report.findings = keyFindings
        report.warnings = assembly.warnings
        if !offline {
            rights.look(into: &report)
            report.warnings += BlindSpots(
                configuration, assembly.plans(privacy: Checkup.nobodysPrivacy)
            ).warnings()
            report.warnings += Checkup.clockWarnings
        }
        let sinks = configuration.sinks.filter(isTried)
        SinkProbes(sinks, rights).look(into: &report, offline: offline)
        return report
    }

    private func isTried(_ sink: SinkConfiguration) -> Bool {
        guard let node = configuration.sinkNodes[sink.id] else { return mistakes.isEmpty }
        let isMistaken = mistakes.contains {
            $0.file == node.file && ($0.keyPath + ".").hasPrefix(node.keyPath + ".")
        }
        // Without its secret a sink would only be refused.
        return !isMistaken && !node.holdsBroken
    }

    /// What each sink can promise about delivery, in one sentence each.
    public func promises() -> [String] {
        configuration.sinks.compactMap { sink in
            SinkCatalog.promise(of: sink.type).map { "sinks.\(sink.id): \($0)" }
        }
    }

    /// Fingerprints by a key that is nobody's, for events that nobody gets.
    private static var nobodysPrivacy: PrivacyPolicy {
        PrivacyPolicy(key: Secret([UInt8](repeating: 0, count: PrivacyPolicy.keyByteCount)))
    }

    private var keyFindings: [String] {
        let path = configuration.keyFolder + "/signing.key"
        guard configuration.signingKey == nil, configuration.node["signing"]?["key"] == nil,
            FileSystem.exists(path)
        else { return [] }
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

    private static var clockWarnings: [String] {
        guard SystemClock.isKept == false else { return [] }
        return [
            "the clock: nothing keeps it right, and events are ordered by it; turn on time "
                + "synchronisation, as with timedatectl set-ntp true"
        ]
    }
}
