// SPDX-License-Identifier: Apache-2.0
import Platform

/// What is said about an input of type journal only.
public struct JournalConfiguration: Sendable, Hashable {
    /// Which journal files are read.
    public var source = Journal.Source.machine
    /// The services whose entries are wanted; empty for all.
    public var units: [String] = []
    /// The programs whose entries are wanted, by the name they log under; empty for all.
    public var identifiers: [String] = []
    /// Fields with the values they may have; an entry must have one for each.
    public var matches: [Match] = []

    /// A field of the journal with a value it may have.
    public struct Match: Sendable, Hashable {
        /// Its name, as `_TRANSPORT`.
        public var field: String
        /// The value.
        public var value: String
    }

    /// The keys under an input of this type.
    static let keys = ["directory", "files", "identifiers", "matches", "start_at", "units"]

    /// Every entry of this machine's journal.
    public init() {}

    init(reading reader: inout ConfigurationReader) {
        readSource(&reader)
        units = JournalConfiguration.words("units", &reader).map { unit in
            unit.contains(".") ? unit : unit + ".service"
        }
        identifiers = JournalConfiguration.words("identifiers", &reader)
        for element in reader.nodes("matches") {
            guard let text = element.scalar, let match = Match(text) else {
                reader.problems.add(
                    at: element,
                    "must be a field and a value such as _TRANSPORT=stdout, is \(element.shown)")
                continue
            }
            matches.append(match)
        }
        if units.count + identifiers.count + matches.count > InputLimit.matchLimit {
            reader.problem(
                "matches",
                "must be at most \(InputLimit.matchLimit), units and identifiers included")
        }
    }

    private mutating func readSource(_ reader: inout ConfigurationReader) {
        let folder = reader.string("directory")
        let files = reader.strings("files")
        if let folder {
            source = .folder(folder)
            if !folder.hasPrefix("/") {
                reader.problem(
                    "directory",
                    "must be an absolute path such as /var/log/journal, is \"\(folder)\"")
            }
        }
        guard !files.isEmpty else { return }
        if folder != nil { reader.problem("files", "cannot go with directory; leave one out") }
        for element in reader.node["files"]?.elements ?? [] {
            guard let text = element.scalar, !text.hasPrefix("/") else { continue }
            reader.problems.add(at: element, "must be an absolute path, is \"\(text)\"")
        }
        if files.count > InputLimit.patternLimit {
            reader.problem("files", "must be at most \(InputLimit.patternLimit) files")
        }
        source = .files(files)
    }

    private static func words(_ key: String, _ reader: inout ConfigurationReader) -> [String] {
        let words = reader.strings(key)
        for element in reader.node[key]?.elements ?? [] {
            guard let text = element.scalar else { continue }
            if text.isEmpty || text.utf8.count > InputLimit.wordLimit || text.utf8.contains(0) {
                reader.problems.add(
                    at: element, "must be 1 to \(InputLimit.wordLimit) bytes without a zero byte")
            }
        }
        return words
    }

    /// The values that each field may have, in the order of the fields.
    var wanted: [(field: String, values: [String])] {
        var values: [String: [String]] = [:]
        values["_SYSTEMD_UNIT", default: []] += units
        values["SYSLOG_IDENTIFIER", default: []] += identifiers
        for match in matches { values[match.field, default: []].append(match.value) }
        return values.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
            .map { (field: $0.key, values: $0.value) }
    }
}

extension JournalConfiguration.Match {
    /// Reads `FIELD=value`; nil when the field is no name of the journal.
    init?(_ text: String) {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let field = text[..<equals]
        let value = text[text.index(after: equals)...]
        let isName = field.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isName, !field.isEmpty, field.utf8.count <= InputLimit.idLimit, !value.isEmpty,
            value.utf8.count <= InputLimit.wordLimit
        else { return nil }
        self.init(field: String(field), value: String(value))
    }
}
