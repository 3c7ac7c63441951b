// SPDX-License-Identifier: Apache-2.0
import Platform

/// A header line whose value may name things of the request: one entry of `headers`.
struct HeaderTemplate: Sendable {
    /// What a value may name, in braces. There are no others.
    enum Placeholder: String, CaseIterable {
        /// The name of the agent that sealed the events.
        case agent
        /// A word that is the same for the same events: SHA-256 over the leaves of their bodies,
        /// half of it, in hexadecimal.
        case batchID = "batch_id"
        /// The id of the sink.
        case sink
    }

    /// What the placeholders stand for in one request.
    struct Values {
        var agent: String
        var batchID: String
        var sink: String

        func text(_ placeholder: Placeholder) -> String {
            switch placeholder {
            case .agent: agent
            case .batchID: batchID
            case .sink: sink
            }
        }
    }

    private enum Piece {
        case text(Secret)
        case placeholder(Placeholder)
    }

    /// The name of the header.
    let name: String
    private let pieces: [Piece]

    /// The most entries, and the longest name and value in bytes.
    static let countLimit = 32
    static let nameByteLimit = 128
    static let valueByteLimit = 8 << 10

    /// True when the value is the same in all requests.
    var isFixed: Bool {
        pieces.allSatisfy { piece in
            if case .text = piece { return true }
            return false
        }
    }

    /// True when the value names this.
    func names(_ wanted: Placeholder) -> Bool {
        pieces.contains { piece in
            if case .placeholder(let found) = piece { return found == wanted }
            return false
        }
    }

    /// The header line of one request.
    func header(_ values: Values) -> HTTPRequest.SecretHeader {
        var bytes: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .text(let text):
                text.withBytes { text in for index in text.indices { bytes.append(text[index]) } }
            case .placeholder(let placeholder):
                bytes += Array(values.text(placeholder).utf8)
            }
        }
        return HTTPRequest.SecretHeader(name: name, value: Secret(wiping: &bytes))
    }

    // MARK: Reading

    /// Reads `headers` and reports every mistake, never with a value.
    static func read(_ reader: inout ConfigurationReader) -> [HeaderTemplate] {
        guard let node = reader.node("headers") else { return [] }
        guard let entries = node.entries else {
            reader.problem("headers", "must be a mapping of header names to texts")
            return []
        }
        if entries.count > countLimit {
            reader.problem("headers", "must be at most \(countLimit) lines")
        }
        return entries.compactMap { key, value in
            let name = key.scalar ?? ""
            if let objection = objection(to: name) {
                reader.problems.add(at: key, objection)
                return nil
            }
            guard let text = value.scalar, isValue(text) else {
                reader.problems.add(
                    at: value,
                    "must be a text of at most \(valueByteLimit) bytes without line breaks")
                return nil
            }
            let (pieces, unknown) = pieces(of: text)
            if !unknown.isEmpty {
                let known = Placeholder.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ")
                reader.problems.add(
                    at: value,
                    "names something in braces that is none of \(known); write one of these")
            }
            return HeaderTemplate(name: name, pieces: pieces)
        }
    }

    private static func objection(to name: String) -> String? {
        // RFC 9110, section 5.6.2.
        let isToken = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
        if name.isEmpty || !isToken || name.utf8.count > nameByteLimit {
            return "must be the name of a header"
        }
        let own = [
            "connection", "content-encoding", "content-length", "expect", "host", "te",
            "transfer-encoding", "upgrade",
        ]
        return own.contains(name.lowercased()) ? "is a header that the agent writes itself" : nil
    }

    private static func isValue(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= valueByteLimit
            && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    /// A brace that does not open a word of small letters and a closing brace stands for itself.
    private static func pieces(of text: String) -> (pieces: [Piece], unknown: [Substring]) {
        var pieces: [Piece] = []
        var unknown: [Substring] = []
        var plain = ""
        var rest = text[...]
        while let first = rest.first {
            let word = rest.dropFirst().prefix { $0 == "_" || ("a"..."z").contains($0) }
            guard first == "{", !word.isEmpty, rest.dropFirst(1 + word.count).first == "}" else {
                plain.append(first)
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst(word.count + 2)
            guard let placeholder = Placeholder(rawValue: String(word)) else {
                unknown.append(word)
                continue
            }
            if !plain.isEmpty { pieces.append(.text(Secret(Array(plain.utf8)))) }
            plain = ""
            pieces.append(.placeholder(placeholder))
        }
        if !plain.isEmpty { pieces.append(.text(Secret(Array(plain.utf8)))) }
        return (pieces, unknown)
    }
}
