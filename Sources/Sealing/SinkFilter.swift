// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Which sealed events a sink gets: a pure function of the event, never of time or load.
///
/// An event passes when every member that is set lets it pass. The agent's own events pass always.
public struct SinkFilter: Sendable, Equatable {
    /// The sink it belongs to.
    public let sink: String
    /// What was configured.
    public let configuration: FilterConfiguration
    /// The first sixteen digits of SHA-256 over the filter in RFC 8785: checkpoints state it, so
    /// that a later change of the filter shows.
    public let digest: String

    private let actions: [Bool]
    private let outcomeBits: UInt8
    private let errorCodeBits: UInt64
    private let severity: Severity
    private let tenants: Set<String>

    /// True when the tenants of events must be known to evaluate it.
    public var needsTenants: Bool { !tenants.isEmpty }

    /// Prepares the filter of a sink.
    public init(sink: String, _ configuration: FilterConfiguration) {
        self.sink = sink
        self.configuration = configuration
        digest = configuration.digest
        let chosen = Set(configuration.actions)
        actions = Action.allCases.map { chosen.isEmpty || chosen.contains($0) }
        outcomeBits = configuration.outcomes.reduce(0) { $0 | 1 << $1.rawValue }
        errorCodeBits = configuration.errorCodes.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
        severity = configuration.minimumSeverity ?? .info
        tenants = Set(configuration.tenants)
    }

    /// True when the sink gets the event.
    public func matches(event: EncodedEvent, tenant: String?) -> Bool {
        matches(
            event.action, event.outcome, event.severity, event.errorCode, tenant: tenant)
    }

    /// The same by what stands in the event.
    func matches(
        _ action: Action, _ outcome: Outcome, _ severity: Severity, _ errorCode: ErrorCode?,
        tenant: String?
    ) -> Bool {
        if action.isAgentAction { return true }
        guard severity >= self.severity, actions[Int(action.rawValue)] else { return false }
        if outcomeBits != 0, outcomeBits >> outcome.rawValue & 1 == 0 { return false }
        if errorCodeBits != 0 {
            guard let code = errorCode, errorCodeBits >> UInt64(code.rawValue) & 1 == 1
            else { return false }
        }
        if !tenants.isEmpty {
            guard let tenant, tenants.contains(tenant) else { return false }
        }
        return true
    }
}

/// The `filter` of a sink as somebody wrote it; an empty member does not filter.
public struct FilterConfiguration: Sendable, Equatable {
    /// The actions that pass.
    public var actions: [Action] = []
    /// The outcomes that pass.
    public var outcomes: [Outcome] = []
    /// The error codes that pass; events without one do not.
    public var errorCodes: [ErrorCode] = []
    /// The tenants whose events pass; events without one do not.
    public var tenants: [String] = []
    /// The least severity that passes.
    public var minimumSeverity: Severity?

    /// Lets everything pass.
    public init() {}

    /// True when no member is set, so that the sink has no filter.
    public var isEmpty: Bool { self == FilterConfiguration() }

    /// Reads `filter` of a sink and reports every mistake at its place.
    public init(reading node: ConfigurationNode, _ problems: ConfigurationProblems) {
        var reader = ConfigurationReader(node, problems)
        actions = FilterConfiguration.words(
            "actions", &reader, "an action",
            known: Action.allCases.filter { !$0.isAgentAction }.map { ($0.name, $0) })
        outcomes = FilterConfiguration.words(
            "outcomes", &reader, "an outcome",
            known: Outcome.allCases.map { (String(describing: $0.word), $0) })
        errorCodes = FilterConfiguration.words(
            "error_codes", &reader, "an error code",
            known: ErrorCode.allCases.map { (String(describing: $0.word), $0) })
        tenants = FilterConfiguration.tenants(&reader)
        minimumSeverity = reader.choice(
            "min_severity",
            of: Dictionary(
                uniqueKeysWithValues: Severity.allCases.map { (String(describing: $0.word), $0) }))
        reader.finish()
    }

    /// The first sixteen digits of SHA-256 over the members that are set, in RFC 8785.
    public var digest: String {
        var writer = ByteWriter(capacity: 256)
        var separator: StaticString = "{"
        func begin(_ name: StaticString, _ writer: inout ByteWriter) {
            writer.append(separator)
            separator = ","
            writer.append("\"")
            writer.append(name)
            writer.append("\":")
        }
        func list(_ name: StaticString, _ words: [String], _ writer: inout ByteWriter) {
            guard !words.isEmpty else { return }
            begin(name, &writer)
            let sorted = Set(words).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for (index, word) in sorted.enumerated() {
                writer.append(index == 0 ? "[" : ",")
                writer.append(jsonString: word)
            }
            writer.append("]")
        }
        list("actions", actions.map(\.name), &writer)
        list("error_codes", errorCodes.map { String(describing: $0.word) }, &writer)
        if let minimumSeverity {
            begin("min_severity", &writer)
            writer.append(jsonString: String(describing: minimumSeverity.word))
        }
        list("outcomes", outcomes.map { String(describing: $0.word) }, &writer)
        list("tenants", tenants, &writer)
        if isEmpty { writer.append("{") }
        writer.append("}")
        let digest = writer.withBytes { SHA256.digest($0) }
        return String(digest.hex().prefix(SinkFilterLimit.digestDigitCount))
    }

    private static func words<Word>(
        _ key: String, _ reader: inout ConfigurationReader, _ what: String,
        known: [(name: String, word: Word)]
    ) -> [Word] {
        let table = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0.word) })
        let nodes = list(key, &reader)
        return nodes.compactMap { node in
            guard let text = node.scalar, let word = table[text] else {
                let isAgents = node.scalar.flatMap { Action(name: $0) }?.isAgentAction ?? false
                let sentence =
                    isAgents
                    ? "must not name \(node.shown), because the agent's own events pass always"
                    : "must be \(what) of docs/formats/event.md, is \(node.shown)"
                let near = node.scalar.flatMap {
                    ConfigurationText.closest(to: $0, among: known.map(\.name))
                }
                reader.problems.add(
                    at: node, sentence, suggestion: node.isSecret || isAgents ? nil : near)
                return nil
            }
            return word
        }
    }

    private static func tenants(_ reader: inout ConfigurationReader) -> [String] {
        list("tenants", &reader).compactMap { node in
            guard let text = node.scalar, !text.isEmpty else {
                reader.problems.add(at: node, "must be the name of a tenant, is \(node.shown)")
                return nil
            }
            return text
        }
    }

    private static func list(
        _ key: String, _ reader: inout ConfigurationReader
    ) -> [ConfigurationNode] {
        guard let node = reader.node(key) else { return [] }
        let nodes = reader.nodes(key)
        if let elements = node.elements, elements.isEmpty {
            reader.problems.add(at: node, "must name at least one, or be left out to let all pass")
        }
        if nodes.count > SinkFilterLimit.memberCount {
            reader.problems.add(
                at: node, "must have at most \(SinkFilterLimit.memberCount) members")
        }
        return nodes
    }
}

/// The limits of filters.
public enum SinkFilterLimit {
    /// The most members of one list.
    public static let memberCount = 1000
    /// The hexadecimal digits of a digest.
    static let digestDigitCount = 16
}
