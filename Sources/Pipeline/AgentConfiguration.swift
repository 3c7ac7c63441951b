// SPDX-License-Identifier: Apache-2.0
import Inputs
import Ledger
import Parsing
import Platform
import Sealing
import Sinks

/// All that `agent.yaml` says, checked whole before anything starts.
public struct AgentConfiguration: Sendable {
    /// The name of the key and of all streams.
    public var name: String
    /// Where keys, ledger and dead letters are.
    public var stateFolder: String
    /// Where `/metrics` is answered; nil turns it off.
    public var listen: ListenAddress?
    /// Who may see the status page.
    public var status: StatusConfiguration
    /// What the agent says about itself.
    public var logLevel: Log.Level
    /// How it says it.
    public var logFormat: Log.Format
    /// How long a stop tries to deliver what waits.
    public var grace: Duration
    /// How a stop begins.
    public var shutdown: ShutdownConfiguration
    /// Where parsers are looked for first.
    public var parserFolder: String?
    /// Where records come from.
    public var inputs: [InputConfiguration]
    /// What is replaced by fingerprints.
    public var privacy: PrivacyConfiguration
    /// The file of the signing key, nil for the one in the state folder.
    public var signingKey: Secret?
    /// How the ledger is kept.
    public var ledger: LedgerConfiguration
    /// Where events go.
    public var sinks: [SinkConfiguration]
    /// The filter of each sink that has one, by id.
    public var filters: [String: SinkFilter]
    /// All of it as it was written, to be compared with what a reload reads.
    public var node: ConfigurationNode

    /// Reads a whole configuration; every mistake goes into `problems`.
    ///
    /// What is wrong is read as its default, so the value is of use only when there is no problem.
    public init(
        reading node: ConfigurationNode, hostName: String, problems: ConfigurationProblems
    ) {
        self.node = node
        var root = ConfigurationReader(node, problems)
        let emptyMapping = node.replacing(content: .mapping([]))
        var agent = root.child("agent") ?? ConfigurationReader(emptyMapping, problems)
        name = agent.string("name", default: hostName)
        if let objection = KeyName.objection(to: name) { agent.problem("name", objection) }
        stateFolder = agent.string("state_dir", default: "/var/lib/sealtail")
        if !stateFolder.hasPrefix("/") {
            agent.problem("state_dir", "must be an absolute path, is \"\(stateFolder)\"")
        }
        listen = AgentConfiguration.readListen(&agent)
        status = StatusConfiguration(reading: agent.child("status"))
        var log = agent.child("log")
        logLevel = log?.choice("level", default: Log.Level.info) ?? .info
        logFormat = log?.choice("format", default: Log.Format.text) ?? .text
        log?.finish()
        grace = agent.duration("grace", in: .zero ... .seconds(3600), default: .seconds(30))
        shutdown = ShutdownConfiguration(reading: agent.child("shutdown"))
        parserFolder = agent.string("parsers_dir")
        agent.finish()

        inputs = InputConfiguration.list(reading: &root)
        if inputs.isEmpty { root.problem("inputs", "must name one input or more") }
        var privacyReader = root.child("privacy") ?? ConfigurationReader(emptyMapping, problems)
        privacy = PrivacyConfiguration(reading: &privacyReader)
        privacyReader.finish()
        var signing = root.child("signing")
        signingKey = signing?.secret("key")
        signing?.finish()
        var ledgerReader = root.child("ledger") ?? ConfigurationReader(emptyMapping, problems)
        ledger = LedgerConfiguration(reading: &ledgerReader)

        var sinks: [SinkConfiguration] = []
        for var reader in root.children("sinks") {
            sinks.append(SinkConfiguration(reading: &reader))
        }
        self.sinks = sinks
        if sinks.isEmpty { root.problem("sinks", "must name one sink or more") }
        AgentConfiguration.refuseRepeats(sinks.map(\.id), "sinks", &root)
        filters = [:]
        for sink in sinks {
            guard let filter = sink.filter else { continue }
            let configuration = FilterConfiguration(reading: filter, problems)
            if configuration.isEmpty { continue }
            filters[sink.id] = SinkFilter(sink: sink.id, configuration)
        }
        root.finish()
    }

    private static func readListen(_ agent: inout ConfigurationReader) -> ListenAddress? {
        let text = agent.string("listen", default: "127.0.0.1:9464")
        if text == "none" { return nil }
        guard let address = ListenAddress(text) else {
            agent.problem(
                "listen",
                "must be a numeric address and a port such as 127.0.0.1:9464 or [::1]:9464, "
                    + "or none; is \"\(text)\"")
            return nil
        }
        return address
    }

    private static func refuseRepeats(
        _ ids: [String], _ key: String, _ root: inout ConfigurationReader
    ) {
        var seen: Set<String> = []
        for id in ids where !id.isEmpty && !seen.insert(id).inserted {
            root.problem(key, "two have the id \"\(id)\"; give each one its own")
        }
    }

    /// Where the agent's own keys are.
    public var keyFolder: String { stateFolder + "/keys" }

    /// The block of each sink as it was written, by id.
    var sinkNodes: [String: ConfigurationNode] {
        var nodes: [String: ConfigurationNode] = [:]
        for block in node["sinks"]?.elements ?? [] {
            if let id = block["id"]?.scalar { nodes[id] = block }
        }
        return nodes
    }

    /// Where dead letters rest.
    public var deadLetterFolder: String { stateFolder + "/dead_letter" }
}

extension ConfigurationNode {
    /// The same place with other content.
    fileprivate func replacing(content: Content) -> ConfigurationNode {
        var copy = self
        copy.content = content
        return copy
    }
}
