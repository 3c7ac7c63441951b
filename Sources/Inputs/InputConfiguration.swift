// SPDX-License-Identifier: Apache-2.0
import Platform

/// One element of `inputs`: where records come from and how they are read.
public struct InputConfiguration: Sendable {
    /// The kinds of inputs.
    public enum Kind: String, Sendable, CaseIterable {
        case file, stdin, journal, syslog, http
    }

    /// How records are wrapped in their source.
    public enum Framing: String, Sendable, CaseIterable {
        case raw, docker, cri, syslog, compose, journal, auto
    }

    /// Where a file begins that is there when it is seen for the first time.
    public enum Start: String, Sendable, CaseIterable {
        case beginning, end
    }

    /// The unique name of the input.
    public var id: String
    /// What kind of input it is.
    public var kind: Kind
    /// The shell patterns of the files to follow.
    public var paths: [String]
    /// Shell patterns of what is left out: of the name, or of the whole path when with a slash.
    public var exclude: [String]
    /// The name of the parser, or `auto`; checked by whoever knows the parsers.
    public var parser: String
    /// The columns of a log whose layout the operator has changed; empty as long as it is the
    /// product's own.
    public var columns: [String] = []
    /// How records are wrapped.
    public var framing: Framing
    /// The time zone for logs that name none; checked by whoever knows the zones.
    public var timezone: String?
    /// Where new files begin at the first start.
    public var startAt: Start
    /// Fixed labels of every event.
    public var labels: [String: String]
    /// The tenant of every event, in place of what the log says.
    public var tenant: String?
    /// The most bytes of a record.
    public var recordByteLimit: Int
    /// What is said about a journal only.
    public var journal = JournalConfiguration()
    /// What is said about a receiver of syslog only.
    public var syslog = SyslogConfiguration()
    /// What is said about a receiver of requests only.
    public var http = HTTPInputConfiguration()
    /// Where it was written, to report what other parts find wrong with it.
    public var node: ConfigurationNode

    /// Reads one element and reports every mistake; the reader is finished.
    public init(reading reader: inout ConfigurationReader) {
        node = reader.node
        id = reader.requiredString("id")
        kind = InputConfiguration.readKind(&reader)
        paths = []
        exclude = []
        framing = .auto
        startAt = .beginning
        parser = reader.string("parser", default: "auto")
        timezone = reader.string("timezone")
        labels = reader.stringMap("labels")
        tenant = reader.string("tenant")
        recordByteLimit = reader.byteCount(
            "max_record_bytes", in: InputLimit.recordByteLimits,
            default: InputLimit.defaultRecordByteLimit)
        if var options = reader.child("parser_options") {
            columns = options.strings("columns")
            options.finish()
        }
        readOwnKeys(&reader)
        check(&reader)
        reader.finish()
    }

    /// Describes an input without a configuration file.
    public init(
        id: String, kind: Kind, paths: [String] = [], exclude: [String] = [],
        parser: String = "auto", startAt: Start = .beginning,
        recordByteLimit: Int = InputLimit.defaultRecordByteLimit
    ) {
        self.id = id
        self.kind = kind
        self.paths = paths
        self.exclude = exclude
        self.parser = parser
        self.startAt = startAt
        self.recordByteLimit = recordByteLimit
        framing = .auto
        labels = [:]
        node = ConfigurationNode(file: "", line: 0, column: 0, keyPath: "", content: .null)
    }

    /// What the input may hold in memory besides the batches that it has handed out.
    public var memoryByteLimit: Int {
        switch kind {
        case .file, .stdin:
            // What is wrapped is held until it is whole, and copied out of its wrappers.
            InputLimit.blockByteCount
                + (framing == .raw
                    ? recordByteLimit : 2 * RecordSplitter.wrappedByteLimit(recordByteLimit))
        case .journal:
            InputLimit.blockByteCount + recordByteLimit
                + MessageJoiner.heldByteLimit(recordByteLimit)
        case .syslog:
            MessageJoiner.heldByteLimit(recordByteLimit)
                + (syslog.transport == .udp
                    ? Socket.datagramByteLimit * Socket.datagramCountLimit
                    : InputLimit.unfinishedByteLimit
                        + (syslog.connectionLimit + 1) * InputLimit.connectionReadByteCount)
        // Bodies that are received, and as many that wait for their commit.
        case .http: 2 * InputLimit.bodyCount * http.bodyByteLimit
        }
    }

    /// Reads the list under `inputs` of the top mapping, and reports ids that come twice.
    public static func list(reading reader: inout ConfigurationReader) -> [InputConfiguration] {
        var list: [InputConfiguration] = []
        for var child in reader.children("inputs") {
            let input = InputConfiguration(reading: &child)
            if !input.id.isEmpty, list.contains(where: { $0.id == input.id }) {
                child.problem("id", "must be another one: \"\(input.id)\" is taken")
            }
            if input.kind == .stdin, list.contains(where: { $0.kind == .stdin }) {
                child.problem("type", "stdin can be read by one input only; leave one out")
            }
            if let place = input.place, let other = list.first(where: { $0.place == place }) {
                child.problem("listen", "is taken by the input \"\(other.id)\"; use another port")
            }
            list.append(input)
        }
        return list
    }

    /// What no other input may listen on; nil for inputs that do not listen.
    private var place: String? {
        switch kind {
        case .file, .stdin, .journal: nil
        case .syslog:
            syslog.listener.map { place in
                (syslog.transport == .udp ? "udp " : "tcp ") + place.address.text
            }
        case .http: http.listener.map { "tcp " + $0.address.text }
        }
    }

    // MARK: Keys of one kind

    private static let fileKeys = ["exclude", "framing", "paths", "start_at"]

    private static func keys(of kind: Kind) -> [String] {
        switch kind {
        case .file: fileKeys
        case .stdin: ["framing"]
        case .journal: JournalConfiguration.keys
        case .syslog: SyslogConfiguration.keys
        case .http: HTTPInputConfiguration.keys
        }
    }

    /// Reads what only inputs of this kind have, and says so of what only others have.
    private mutating func readOwnKeys(_ reader: inout ConfigurationReader) {
        let own = InputConfiguration.keys(of: kind)
        let others = Set(Kind.allCases.flatMap { InputConfiguration.keys(of: $0) })
        for key in others.subtracting(own).sorted() where reader.node[key] != nil {
            reader.allow(key)
            reader.problem(key, "has no meaning for type \(kind.rawValue); leave it out")
        }
        if own.contains("framing") { framing = InputConfiguration.readFraming(&reader) }
        if own.contains("start_at") {
            startAt = reader.choice("start_at", default: Start.beginning)
        }
        switch kind {
        case .file:
            paths = reader.strings("paths")
            exclude = reader.strings("exclude")
        case .stdin: break
        case .journal: journal = JournalConfiguration(reading: &reader)
        case .syslog: syslog = SyslogConfiguration(reading: &reader)
        case .http: http = HTTPInputConfiguration(reading: &reader)
        }
    }

    // MARK: Words

    private static func readKind(_ reader: inout ConfigurationReader) -> Kind {
        if reader.node("type") == nil {
            reader.problem("type", "must be set to file, stdin, journal, syslog or http")
            return .file
        }
        return reader.choice("type", default: Kind.file)
    }

    private static func readFraming(_ reader: inout ConfigurationReader) -> Framing {
        return reader.choice("framing", default: Framing.auto)
    }

    // MARK: Checks

    private func check(_ reader: inout ConfigurationReader) {
        if !id.isEmpty, !InputConfiguration.isWord(id) {
            reader.problem(
                "id", "must be 1 to \(InputLimit.idLimit) of a-z, 0-9 and _, is \"\(id)\"")
        }
        if parser.isEmpty { reader.problem("parser", "must be the name of a parser, or auto") }
        checkColumns(&reader)
        if let tenant, tenant.isEmpty || tenant.utf8.count > InputLimit.wordLimit {
            reader.problem("tenant", "must be 1 to \(InputLimit.wordLimit) bytes")
        }
        checkLabels(reader)
        switch kind {
        case .file: checkPaths(&reader)
        case .stdin, .journal, .syslog, .http: break
        }
    }

    private func checkColumns(_ reader: inout ConfigurationReader) {
        if columns.count > InputLimit.columnLimit {
            reader.problem(
                "parser_options", "must name at most \(InputLimit.columnLimit) columns")
        }
        if !columns.isEmpty, parser == "auto" {
            reader.problem("parser_options", "needs a parser; name the product of the log")
        }
    }

    private func checkPaths(_ reader: inout ConfigurationReader) {
        if paths.isEmpty {
            reader.problem("paths", "must name at least one file, as [/var/log/idp/*.log]")
        }
        for key in ["paths", "exclude"] {
            let list = reader.node[key]?.elements ?? []
            if list.count > InputLimit.patternLimit {
                reader.problem(key, "must be at most \(InputLimit.patternLimit) patterns")
            }
            for element in list {
                guard let text = element.scalar else { continue }
                if let sentence = InputConfiguration.objection(text, isPath: key == "paths") {
                    reader.problems.add(at: element, sentence)
                }
            }
        }
    }

    private static func objection(_ text: String, isPath: Bool) -> String? {
        if text.isEmpty { return "must not be empty" }
        if text.utf8.contains(0) { return "must not hold a zero byte" }
        if isPath, !text.hasPrefix("/") {
            return "must be an absolute path, is \"\(text)\"; begin it with a slash"
        }
        if isPath, text.hasSuffix("/") { return "must name files; write \(text)* for all in it" }
        if text.split(separator: "/").contains("**") {
            return "must not hold **; write one * for each folder"
        }
        return nil
    }

    private func checkLabels(_ reader: ConfigurationReader) {
        guard let entries = reader.node["labels"]?.entries else { return }
        if entries.count > InputLimit.labelLimit {
            reader.problem("labels", "must be at most \(InputLimit.labelLimit) labels")
        }
        for (key, value) in entries {
            guard let name = key.scalar, let text = value.scalar else { continue }
            if !InputConfiguration.isWord(name) {
                reader.problems.add(
                    at: key, "a label must be 1 to \(InputLimit.idLimit) of a-z, 0-9 and _")
            }
            if text.utf8.count > InputLimit.wordLimit {
                reader.problems.add(at: value, "must be at most \(InputLimit.wordLimit) bytes")
            }
        }
    }

    private static func isWord(_ text: String) -> Bool {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isPlain && !text.isEmpty && text.utf8.count <= InputLimit.idLimit
    }
}
