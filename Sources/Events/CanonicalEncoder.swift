// SPDX-License-Identifier: Apache-2.0
import Platform

/// The limits of a canonical event; what is longer is cut and counted, never refused.
public enum CanonicalLimit {
    /// The most bytes of a text.
    public static let textByteCount = 8 * 1024
    /// The most bytes of `raw`.
    public static let rawByteCount = 32 * 1024
    /// The most bytes of a whole body.
    public static let bodyByteCount = 60 * 1024
    /// The most bytes of a text in a body that would be too long otherwise.
    public static let shortTextByteCount = 1024
    /// The most members of a set in a body that would still be too long.
    public static let shortSetCount = 16
}

/// Writes events as RFC 8785 writes them: the bytes that are hashed, stored and delivered.
///
/// The values of an event stand in the order of `Field`, which is the order of RFC 8785, so one
/// walk writes the body. One encoder serves one thread.
public struct CanonicalEncoder: ~Copyable {
    private let literals = CanonicalLiterals()
    private var scrubber = Scrubber()
    /// How many texts, sets and bodies were cut to a limit since the encoder was made.
    public private(set) var cutCount = 0
    /// Where the values of the bodies stand that were written since `forgetPlaces`.
    public private(set) var places = FieldPlaces()

    /// Makes an encoder.
    public init() {}

    /// Forgets the places of the bodies so far; the room stays.
    public mutating func forgetPlaces() {
        places.removeAll()
    }

    /// Appends the body of an event.
    ///
    /// - Parameters:
    ///   - event: an event of `batch`, with at least `action` and `provider`.
    ///   - batch: what the values of the event refer to.
    ///   - id: the 32 hexadecimal digits of the event's id.
    ///   - output: takes the bytes.
    public mutating func encode(
        _ event: Event, in batch: borrowing EventBatch, id: borrowing [UInt8],
        to output: inout ByteWriter
    ) {
        let start = output.count
        write(event, batch, id: id, limits: .usual, scrubs: false, &output)
        // A secret is rare, so it is looked for once in the whole body; only a body that may
        // hold one is written again with every text scrubbed by itself.
        let isSuspect = output.withBytes { Scrubber.isSuspect($0, start..<$0.count) }
        if isSuspect {
            output.truncate(to: start)
            places.restartEvent()
            write(event, batch, id: id, limits: .usual, scrubs: true, &output)
        }
        var limits = Limits.usual
        while output.count - start > CanonicalLimit.bodyByteCount, limits.tighten() {
            cutCount += 1
            output.truncate(to: start)
            places.restartEvent()
            write(event, batch, id: id, limits: limits, scrubs: isSuspect, &output)
        }
        places.endEvent(byteCount: output.count - start)
    }

    /// What a body that is too long loses, one step after the other.
    private struct Limits {
        var keepsRaw = true
        var textByteCount = CanonicalLimit.textByteCount
        var setCount = Int.max

        static let usual = Limits()

        /// Takes the next step; false when none is left.
        mutating func tighten() -> Bool {
            if keepsRaw {
                keepsRaw = false
            } else if textByteCount > CanonicalLimit.shortTextByteCount {
                textByteCount = CanonicalLimit.shortTextByteCount
            } else if setCount > CanonicalLimit.shortSetCount {
                setCount = CanonicalLimit.shortSetCount
            } else {
                return false
            }
            return true
        }
    }

    private mutating func write(
        _ event: Event, _ batch: borrowing EventBatch, id: borrowing [UInt8], limits: Limits,
        scrubs: Bool, _ output: inout ByteWriter
    ) {
        let start = output.count
        var group: UInt8 = 0
        var writesID = true
        var writesSchema = true
        for index in event.values {
            let value = batch.values[index]
            if value.field == .raw, !limits.keepsRaw { continue }
            if writesID, value.field > .id {
                writesID = false
                let prefix = place(.id, &group)
                let at = output.count + prefix.count - start
                output.append(fromTable: literals.bytes, prefix, jsonString: id.span)
                places.add(.id, at, output.count - start)
            }
            if writesSchema, value.field > .schema {
                writesSchema = false
                output.append(fromTable: literals.bytes, place(.schema, &group))
                let at = output.count - start
                output.append("\"1.0\"")
                places.add(.schema, at, output.count - start)
            }
            let prefix = place(value.field, &group)
            let at = output.count + prefix.count - start
            write(value, behind: prefix, batch, limits: limits, scrubs: scrubs, &output)
            places.add(value.field, at, output.count - start)
        }
        if group != 0 { output.append("}") }
        output.append("}")
    }

    /// Where the literal is that stands before a value; `group` is the one that is open.
    @inline(__always)
    private func place(_ field: Field, _ group: inout UInt8) -> Range<Int> {
        let row = literals.rows[Int(field.rawValue)]
        defer { group = row.group }
        if group == 0 { return row.first }
        return row.group == group ? row.next : row.closing
    }

    @inline(__always)
    private mutating func write(
        _ value: FieldValue, behind prefix: Range<Int>, _ batch: borrowing EventBatch,
        limits: Limits, scrubs: Bool, _ output: inout ByteWriter
    ) {
        switch value.form {
        case .block:
            let text = batch.records.bytes.span.extracting(value.range)
            return writeText(text, behind: prefix, value.field, limits, scrubs, &output)
        case .scratch:
            let text = batch.scratch.span.extracting(value.range)
            return writeText(text, behind: prefix, value.field, limits, scrubs, &output)
        case .constant:
            let text = batch.constants.span.extracting(value.range)
            return writeText(text, behind: prefix, value.field, limits, scrubs, &output)
        case .word, .integer, .boolean, .time, .set, .map:
            output.append(fromTable: literals.bytes, prefix)
        }
        switch value.form {
        case .block, .scratch, .constant: break
        case .word:
            let word = literals.word(value.field, Int(truncatingIfNeeded: value.payload))
            output.append(fromTable: literals.bytes, word)
        case .integer:
            output.append(decimal: value.number)
        case .boolean:
            output.append(value.payload == 0 ? "false" : "true")
        case .time:
            output.append("\"")
            output.append(Timestamp(microseconds: value.number))
            output.append("\"")
        case .set:
            let members = batch.scratch.span.extracting(value.range)
            writeSet(members, limits, scrubs, &output)
        case .map:
            output.append(batch.constants, value.range)
        }
    }

    @inline(__always)
    private mutating func writeText(
        _ text: Span<UInt8>, behind prefix: Range<Int>, _ field: Field, _ limits: Limits,
        _ scrubs: Bool, _ output: inout ByteWriter
    ) {
        let limit = field == .raw ? CanonicalLimit.rawByteCount : limits.textByteCount
        if text.count <= limit, !scrubs {
            output.append(fromTable: literals.bytes, prefix, jsonString: text)
        } else {
            output.append(fromTable: literals.bytes, prefix)
            writeLongOrSuspectText(text, limit: limit, scrubs, &output)
        }
    }

    // Scrubs before cutting, so that a cut never hides half of a secret from the scrubber.
    private mutating func writeLongOrSuspectText(
        _ text: Span<UInt8>, limit: Int, _ scrubs: Bool, _ output: inout ByteWriter
    ) {
        let clean = scrubs ? scrubber.scrubbed(text) : nil
        guard let clean else {
            let count = CanonicalEncoder.scalarBoundary(text, atMost: limit)
            if count < text.count { cutCount += 1 }
            output.append(jsonString: text.extracting(0..<count))
            return
        }
        let count = CanonicalEncoder.scalarBoundary(clean.span, atMost: limit)
        if count < clean.count { cutCount += 1 }
        output.append(jsonString: clean.span.extracting(0..<count))
    }

    private mutating func writeSet(
        _ members: Span<UInt8>, _ limits: Limits, _ scrubs: Bool, _ output: inout ByteWriter
    ) {
        output.append(UInt8(ascii: "["))
        let limit = limits.textByteCount
        var at = 0
        var written = 0
        while at + 4 <= members.count {
            let length = Int(members.littleEndianWord(at: at))
            at += 4
            if written == limits.setCount {
                cutCount += 1
                break
            }
            if written > 0 { output.append(UInt8(ascii: ",")) }
            let text = members.extracting(at..<at + length)
            if length <= limit, !scrubs {
                output.append(jsonString: text)
            } else {
                writeLongOrSuspectText(text, limit: limit, scrubs, &output)
            }
            at += length
            written += 1
        }
        output.append(UInt8(ascii: "]"))
    }

    /// The most bytes, up to a limit, that do not end inside a scalar of well-formed UTF-8.
    static func scalarBoundary(_ text: Span<UInt8>, atMost limit: Int) -> Int {
        guard text.count > limit else { return text.count }
        var count = limit
        while count > 0, text[count] & 0xC0 == 0x80 { count -= 1 }
        return count
    }
}

extension Span<UInt8> {
    /// Four bytes as a number, least significant first.
    @inline(__always)
    public func littleEndianWord(at offset: Int) -> UInt32 {
        UInt32(self[offset]) | UInt32(self[offset + 1]) << 8
            | UInt32(self[offset + 2]) << 16 | UInt32(self[offset + 3]) << 24
    }
}

/// The literal texts of a body: what stands before each value, and the closed words.
private struct CanonicalLiterals {
    struct Row {
        /// The number of the group, 0 for members of the event itself.
        var group: UInt8
        /// What stands before it when no group is open: `,"actor":{"id":`.
        var first: Range<Int>
        /// The same when another group is open and ends here: `},"actor":{"id":`.
        var closing: Range<Int>
        /// What stands before it inside its group: `,"id":`.
        var next: Range<Int>
        /// The words of the field with their quotes, as places in `words`.
        var words: Range<Int>
    }

    let bytes: [UInt8]
    let rows: [Row]
    let words: [Range<Int>]

    init() {
        var bytes: [UInt8] = []
        var rows: [Row] = []
        var words: [Range<Int>] = []
        var groups: [String] = []
        func add(_ text: String) -> Range<Int> {
            let start = bytes.count
            bytes += text.utf8
            return start..<bytes.count
        }
        for field in Field.allCases {
            let entry = field.entry
            let firstWord = words.count
            for word in CanonicalLiterals.words(of: field) { words.append(add("\"\(word)\"")) }
            // `action` is always there and always first, so it opens the event.
            let comma = field == .action ? "{" : ","
            let key = "\"\(entry.key)\":"
            var row = Row(
                group: 0, first: 0..<0, closing: 0..<0, next: 0..<0,
                words: firstWord..<words.count)
            if let group = entry.group.map({ String(describing: $0) }) {
                if groups.last != group { groups.append(group) }
                row.group = UInt8(groups.count)
                row.closing = add("},\"\(group)\":{" + key)
                row.next = add("," + key)
            } else {
                row.closing = add("}" + comma + key)
            }
            row.first = row.closing.lowerBound + 1..<row.closing.upperBound
            rows.append(row)
        }
        bytes += [UInt8](repeating: 0, count: ByteWriter.tablePaddingByteCount)
        self.bytes = bytes
        self.rows = rows
        self.words = words
    }

    /// Where a word is, with its quotes; a number that the list does not have is our own bug.
    @inline(__always)
    func word(_ field: Field, _ index: Int) -> Range<Int> {
        let list = rows[Int(field.rawValue)].words
        guard index >= 0, index < list.count else { bug("word \(index) of \(field)") }
        return words[list.lowerBound + index]
    }

    private static func words(of field: Field) -> [StaticString] {
        switch field {
        case .action: Action.allCases.map(\.entry.name)
        case .outcome: Outcome.allCases.map(\.word)
        case .severity: Severity.allCases.map(\.word)
        case .errorCode: ErrorCode.allCases.map(\.word)
        default: field.entry.words
        }
    }
}
