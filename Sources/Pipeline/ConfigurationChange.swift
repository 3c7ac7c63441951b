// SPDX-License-Identifier: Apache-2.0
import Inputs
import Platform
import Sealing
import Sinks

/// What a reload has to do, by comparing the configuration that runs with the one just read.
///
/// A pure value: it reads no file and touches no thread. What is the same stays untouched, so an
/// input that did not change loses no datagram and a sink that did not change sends nothing twice.
struct ConfigurationChange: Sendable, Equatable {
    /// Inputs that are new.
    private(set) var openedInputs: [String] = []
    /// Inputs that are read in another way or from elsewhere: closed, then opened again.
    private(set) var reopenedInputs: [String] = []
    /// Inputs that are no longer named.
    private(set) var closedInputs: [String] = []
    /// Sinks that are new.
    private(set) var openedSinks: [String] = []
    /// Sinks that are reached in another way, with other secrets or certificates included.
    private(set) var replacedSinks: [String] = []
    /// Sinks that are no longer named.
    private(set) var closedSinks: [String] = []
    /// True when the stream has to be closed and another one opened: other sinks, other filters,
    /// another place to deliver to, or another key.
    private(set) var opensStream = false

    /// Keys of an input that the parse workers obey: the input itself need not be opened again.
    static let parsingKeys: Set<String> = [
        "parser", "parser_options", "timezone", "labels", "tenant",
    ]
    /// Keys of a sink that say how it is reached, not what goes where.
    static let deliveryKeys: Set<String> = [
        "auth", "headers", "tls", "proxy", "timeout", "compression", "batch", "in_flight", "retry",
        "dead_letter", "sasl",
    ]

    /// Compares two setups.
    init(from old: Setup, to new: Setup) {
        compareInputs(old, new)
        compareSinks(old, new)
        if old.keys.signing.verifierKey.text != new.keys.signing.verifierKey.text {
            opensStream = true
        }
    }

    /// Why a configuration cannot be taken over without a restart; empty when it can.
    static func refusals(_ old: AgentConfiguration, _ new: AgentConfiguration) -> [String] {
        var refusals: [String] = []
        func check(_ isSame: Bool, _ key: String, _ reason: String) {
            guard !isSame else { return }
            refusals.append("\(key): cannot change while the agent runs, \(reason); restart it")
        }
        check(old.name == new.name, "agent.name", "it names the streams and the key")
        check(
            old.stateFolder == new.stateFolder, "agent.state_dir", "the ledger there is in use")
        check(old.listen == new.listen, "agent.listen", "monitoring listens there")
        let isSameLog = old.logLevel == new.logLevel && old.logFormat == new.logFormat
        check(isSameLog, "agent.log", "every thread writes to it")
        check(
            ConfigurationNode.areSame(old.node["ledger"], new.node["ledger"]), "ledger",
            "its segments are open")
        return refusals
    }

    private mutating func compareInputs(_ old: Setup, _ new: Setup) {
        let before = Dictionary(uniqueKeysWithValues: old.configuration.inputs.map { ($0.id, $0) })
        for input in new.configuration.inputs {
            guard let former = before[input.id] else {
                openedInputs.append(input.id)
                continue
            }
            let isSame = ConfigurationNode.areSame(
                former.node, input.node, ignoring: ConfigurationChange.parsingKeys)
            let isCutAlike = old.recordStarts(of: input.id) == new.recordStarts(of: input.id)
            if !isSame || !isCutAlike { reopenedInputs.append(input.id) }
        }
        let after = Set(new.configuration.inputs.map(\.id))
        closedInputs = old.configuration.inputs.map(\.id).filter { !after.contains($0) }
    }

    private mutating func compareSinks(_ old: Setup, _ new: Setup) {
        let before = old.configuration.sinkNodes
        let after = new.configuration.sinkNodes
        for sink in new.configuration.sinks.map(\.id) {
            guard let former = before[sink], let node = after[sink] else {
                openedSinks.append(sink)
                opensStream = true
                continue
            }
            let filters = (old.configuration.filters[sink], new.configuration.filters[sink])
            let isSamePlace = ConfigurationNode.areSame(
                former, node, ignoring: ConfigurationChange.deliveryKeys.union(["filter"]))
            if filters.0 != filters.1 || !isSamePlace { opensStream = true }
            let isSame = ConfigurationNode.areSame(former, node, ignoring: ["filter"])
            if !isSame || old.materials(of: former) != new.materials(of: node) {
                replacedSinks.append(sink)
            }
        }
        closedSinks = old.configuration.sinks.map(\.id).filter { after[$0] == nil }
        if !closedSinks.isEmpty { opensStream = true }
    }

    /// True when the two say the same of everything.
    var isEmpty: Bool {
        openedInputs.isEmpty && reopenedInputs.isEmpty && closedInputs.isEmpty
            && openedSinks.isEmpty && replacedSinks.isEmpty && closedSinks.isEmpty && !opensStream
    }
}

extension ConfigurationNode {
    /// True when two values say the same, wherever and in whatever order of keys they were written.
    ///
    /// - Parameter ignoring: keys at the top that do not count.
    static func areSame(
        _ left: ConfigurationNode?, _ right: ConfigurationNode?, ignoring: Set<String> = []
    ) -> Bool {
        guard let left, let right else { return left?.isNull ?? true && right?.isNull ?? true }
        switch (left.content, right.content) {
        case (.null, .null): return true
        case (.scalar(let one, _), .scalar(let other, _)): return one == other
        case (.sequence(let one), .sequence(let other)):
            return one.count == other.count && zip(one, other).allSatisfy { areSame($0, $1) }
        case (.mapping, .mapping):
            let keys = Set(left.keys + right.keys).subtracting(ignoring)
            return keys.allSatisfy { areSame(left[$0], right[$0]) }
        case (.null, _), (.scalar, _), (.sequence, _), (.mapping, _): return false
        }
    }

    private var keys: [String] { (entries ?? []).compactMap(\.key.scalar) }

    /// The files that `${file:…}` in a tree as it is written names.
    var mentionedFiles: Set<String> {
        if let text = scalar {
            var found: Set<String> = []
            var rest = text[...]
            while let start = rest.firstRange(of: "${file:") {
                rest = rest[start.upperBound...]
                if let end = rest.firstIndex(of: "}") { found.insert(String(rest[..<end])) }
            }
            return found
        }
        let inner = (elements ?? []) + (entries ?? []).map(\.value)
        return inner.reduce(into: []) { $0.formUnion($1.mentionedFiles) }
    }

    /// The files that a block names under keys such as `ca_file` and `key_file`, at any depth.
    var namedFiles: [String] {
        (entries ?? []).flatMap { key, value -> [String] in
            if let path = value.scalar {
                return key.scalar?.hasSuffix("_file") == true ? [path] : []
            }
            return value.namedFiles
        }
    }
}
