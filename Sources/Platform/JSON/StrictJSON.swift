// SPDX-License-Identifier: Apache-2.0

/// Where a document is not what it must be, and how.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong; the raw value is a bounded word for metrics.
    public enum Reason: String, Sendable, CaseIterable {
        case badSyntax = "bad_syntax"
        case truncated
        case trailingBytes = "trailing_bytes"
        case tooDeep = "too_deep"
        case tooLong = "too_long"
        case illFormedUTF8 = "ill_formed_utf8"
        case unpairedSurrogate = "unpaired_surrogate"
        case controlCharacter = "control_character"
        case badEscape = "bad_escape"
        case badNumber = "bad_number"
        /// Only where integers are asked for: spelt otherwise, or beyond 64 bits.
        case notInteger = "not_integer"
        /// Only where keys must differ.
        case duplicateMember = "duplicate_member"
    }

    /// What is wrong.
    public let reason: Reason
    /// The byte at which it was noticed, counted from 0.
    public let offset: Int

    /// Names a mistake and its place.
    public init(reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// A bounded word for metrics.
    public var code: String { reason.rawValue }

    /// One sentence with the place.
    public var description: String {
        let text =
            switch reason {
            case .badSyntax: "a character that cannot be there"
            case .truncated: "the document ends too early"
            case .trailingBytes: "something follows the document"
            case .tooDeep: "nested deeper than \(JSONReader.depthLimit)"
            case .tooLong: "longer than \(JSONReader.byteLimit) bytes"
            case .illFormedUTF8: "bytes that are not UTF-8"
            case .unpairedSurrogate: "half of a surrogate pair"
            case .controlCharacter: "a control character that is not escaped"
            case .badEscape: "a backslash that begins no escape"
            case .badNumber: "a number that is not spelt as JSON spells it"
            case .notInteger: "a number that is not an integer in its shortest form"
            case .duplicateMember: "a member whose name came before"
            }
        return "byte \(offset): \(text)"
    }
}

/// Reads JSON and refuses everything that is doubtful, slowly and exactly.
public enum StrictJSON {
    /// How much is refused.
    public enum Rules: Sendable {
        /// What RFC 8259 refuses.
        case standard
        /// Besides, what signed events must not have: members of one name, numbers that are not
        /// integers in their shortest form and within 64 bits.
        case sealed
    }

    /// Reads one document that fills the span, spaces around it apart.
    public static func read(
        _ bytes: Span<UInt8>, _ rules: Rules = .sealed
    ) throws(JSONError) -> JSONDocument {
        guard bytes.count <= JSONReader.byteLimit else {
            throw JSONError(reason: .tooLong, offset: JSONReader.byteLimit)
        }
        var parser = StrictParser(rules: rules)
        let document = try parser.readValue(bytes, depth: 0)
        parser.skipSpace(bytes)
        guard parser.index == bytes.count else { throw parser.failure(.trailingBytes) }
        return document
    }

    /// Reads one document.
    public static func read(
        _ bytes: [UInt8], _ rules: Rules = .sealed
    ) throws(JSONError) -> JSONDocument {
        try read(bytes.span, rules)
    }
}

/// Calls itself for what is nested, at most `JSONReader.depthLimit` deep.
private struct StrictParser {
    let rules: StrictJSON.Rules
    var index = 0

    init(rules: StrictJSON.Rules) {
        self.rules = rules
    }

    func failure(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, offset: index)
    }

    mutating func skipSpace(_ bytes: Span<UInt8>) {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return
            }
        }
    }

    mutating func readValue(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> JSONDocument {
        skipSpace(bytes)
        guard index < bytes.count else { throw failure(.truncated) }
        switch bytes[index] {
        case UInt8(ascii: "{"): return .object(try readMembers(bytes, depth: depth + 1))
        case UInt8(ascii: "["): return .array(try readElements(bytes, depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try readString(bytes))
        case UInt8(ascii: "t"):
            try readWord("true", bytes)
            return .bool(true)
        case UInt8(ascii: "f"):
            try readWord("false", bytes)
            return .bool(false)
        case UInt8(ascii: "n"):
            try readWord("null", bytes)
            return .null
        default: return try readNumber(bytes)
        }
    }

    private mutating func readMembers(
        _ bytes: Span<UInt8>, depth: Int
    ) throws(JSONError) -> [JSONDocument.Member] {
        guard depth <= JSONReader.depthLimit else { throw failure(.tooDeep) }
        var members = [JSONDocument.Member]()
        // Compared byte by byte: Swift's own equality would take two spellings of é for one.
        var keys = Set<[UInt8]>()
        index += 1
        skipSpace(bytes)
        if take(UInt8(ascii: "}"), bytes) { return members }
        while true {
            skipSpace(bytes)
            guard index < bytes.count else { throw failure(.truncated) }
            guard bytes[index] == UInt8(ascii: "\"") else { throw failure(.badSyntax) }
            let start = index
            let key = try readString(bytes)
            if rules == .sealed, !keys.insert(Array(key.utf8)).inserted {
                throw JSONError(reason: .duplicateMember, offset: start)
            }
            skipSpace(bytes)
            try need(UInt8(ascii: ":"), bytes)
            members.append(
                JSONDocument.Member(key: key, value: try readValue(bytes, depth: depth)))
            skipSpace(bytes)
            if take(UInt8(ascii: "}"), bytes) { return members }
            try need(UInt8(ascii: ","), bytes)
        }
    }

    private mutating func readElements(
        _ bytes: Span<UInt8>, depth: Int
    ) throws(JSONError) -> [JSONDocument] {
        guard depth <= JSONReader.depthLimit else { throw failure(.tooDeep) }
        var elements = [JSONDocument]()
        index += 1
        skipSpace(bytes)
        if take(UInt8(ascii: "]"), bytes) { return elements }
        while true {
            elements.append(try readValue(bytes, depth: depth))
            skipSpace(bytes)
            if take(UInt8(ascii: "]"), bytes) { return elements }
            try need(UInt8(ascii: ","), bytes)
        }
    }

    private mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func need(_ byte: UInt8, _ bytes: Span<UInt8>) throws(JSONError) {
        guard index < bytes.count else { throw failure(.truncated) }
        guard take(byte, bytes) else { throw failure(.badSyntax) }
    }

    private mutating func readWord(_ word: String, _ bytes: Span<UInt8>) throws(JSONError) {
        for letter in word.utf8 { try need(letter, bytes) }
    }

    private mutating func readNumber(_ bytes: Span<UInt8>) throws(JSONError) -> JSONDocument {
        switch bytes[index] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): break
        default: throw failure(.badSyntax)
        }
        let start = index
        guard let number = JSONNumber(bytes, at: start) else { throw failure(.badNumber) }
        index = number.end
        // A digit behind a whole number is a leading zero before it.
        if index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 {
            throw JSONError(reason: .badNumber, offset: start)
        }
        let text = String(copying: bytes.extracting(start..<number.end))
        if number.isInteger, text != "-0", let value = Int64(text) { return .integer(value) }
        if rules == .sealed { throw JSONError(reason: .notInteger, offset: start) }
        return .number(text)
    }

    private mutating func readString(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        var text = [UInt8]()
        index += 1
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try readEscape(bytes, &text)
            case 0x00..<0x20: throw failure(.controlCharacter)
            default:
                let step = UTF8Repair.next(bytes, index, bytes.count)
                guard step.isWellFormed else { throw failure(.illFormedUTF8) }
                for offset in 0..<step.count { text.append(bytes[index + offset]) }
                index += step.count
            }
        }
        throw failure(.truncated)
    }

    private mutating func readEscape(
        _ bytes: Span<UInt8>, _ text: inout [UInt8]
    ) throws(JSONError) {
        switch JSONText.escape(bytes, at: index) {
        case .cut: throw failure(.truncated)
        case .bad: throw failure(.badEscape)
        case .loneSurrogate: throw failure(.unpairedSurrogate)
        case .character(let scalar, let count):
            JSONText.forEachByte(of: scalar) { text.append($0) }
            index += count
        }
    }
}
