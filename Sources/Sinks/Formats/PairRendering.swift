// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes events as a header and a list of keys and values: CEF and LEEF.
///
/// One event is one line whatever its values hold: the ends of lines are escaped or replaced, other
/// control characters become spaces. One rendering serves one thread.
struct PairRendering: ~Copyable {
    private let mapping: PairMapping
    private let labels: [String]
    // Whether a row has the key of the row before it.
    private let isAlternative: [Bool]
    private var fields = BodyFields()
    private var integrity = IntegrityWriter()
    private var text: [UInt8] = []
    private var proof = ByteWriter(capacity: 1024)

    init(_ mapping: PairMapping) {
        self.mapping = mapping
        labels = mapping.rows.map { row in
            guard let label = row.label else { return "" }
            let separator = Character(Unicode.Scalar(mapping.delimiter))
            return "\(separator)\(row.key)Label=\(label)"
        }
        let keys = mapping.rows.map { String(describing: $0.key) }
        isAlternative = keys.indices.map { $0 > 0 && keys[$0] == keys[$0 - 1] }
    }

    /// Appends one event, without a line feed.
    ///
    /// False, with nothing appended, when the body is not in the form that this agent writes.
    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        guard fields.read(batch, event: event), fields.hasRequired else { return false }
        appendHeader(batch, event: event, to: &output)
        var isFirst = true
        var hasValue = false
        for index in mapping.rows.indices {
            let row = mapping.rows[index]
            if !isAlternative[index] { hasValue = false }
            guard !hasValue, take(row.source, batch, event: event) else { continue }
            hasValue = true
            if !isFirst { output.append(mapping.delimiter) }
            isFirst = false
            output.append(row.key)
            output.append("=")
            appendValue(row.byteLimit, to: &output)
            output.append(labels[index])
        }
        return true
    }

    private mutating func appendHeader(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) {
        output.append(mapping.head)
        _ = take(.field(.action), batch, event: event)
        appendName(to: &output)
        if mapping.hasNameAndSeverity {
            output.append("|")
            appendName(to: &output)
            output.append("|")
            _ = take(.severity, batch, event: event)
            appendName(to: &output)
        }
        output.append(mapping.tail)
    }

    // MARK: Values

    /// Puts the value of a source into `text`; false when the event has none.
    private mutating func take(
        _ source: PairSource, _ batch: borrowing SealedBatch, event: Int
    ) -> Bool {
        text.removeAll(keepingCapacity: true)
        switch source {
        case .field(let field): takeField(field, batch.bodies.span)
        case .milliseconds(let field):
            takeField(field, batch.bodies.span)
            text = Self.milliseconds(text)
        case .version4(let field), .version6(let field):
            takeField(field, batch.bodies.span)
            var isVersion6 = false
            if case .version6 = source { isVersion6 = true }
            if !Self.isAddress(text, isVersion6: isVersion6) { return false }
        case .category:
            let entry = ActionEntry.table[Int(batch.events[event].action.rawValue)]
            text += (entry.ecsCategories.first.map { String(describing: $0) } ?? "").utf8
        case .severity: text += Self.severity(batch.events[event].severity).utf8
        case .stream: text += batch.stream.utf8
        case .sequence: text += String(batch.firstSequence + UInt64(event)).utf8
        case .proof:
            proof.removeAll()
            integrity.appendProof(batch, event: event, to: &proof)
            text = proof.makeArray()
        }
        return !text.isEmpty
    }

    private mutating func takeField(_ field: Field, _ bytes: Span<UInt8>) {
        guard let range = fields.range(of: field) else { return }
        let raw = bytes.extracting(range)
        switch raw[0] {
        case UInt8(ascii: "\""): JSONString.append(raw, to: &text)
        case UInt8(ascii: "["): takeSet(raw)
        default: for index in raw.indices { text.append(raw[index]) }
        }
    }

    private mutating func takeSet(_ raw: Span<UInt8>) {
        var start = 1
        while start < raw.count - 1 {
            var end = start + 1
            while end < raw.count, raw[end] != UInt8(ascii: "\"") {
                end += raw[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard end < raw.count else { return }
            if start > 1 { text.append(UInt8(ascii: " ")) }
            JSONString.append(raw.extracting(start..<end + 1), to: &text)
            start = end + 2
        }
    }

    /// 0 to 10, as both formats count.
    private static func severity(_ severity: Severity) -> String {
        switch severity {
        case .info: "1"
        case .low: "3"
        case .medium: "5"
        case .high: "8"
        case .critical: "10"
        }
    }

    /// Milliseconds since 1970 of a canonical time; empty when it is none.
    static func milliseconds(_ time: [UInt8]) -> [UInt8] {
        guard time.count == Timestamp.textByteCount else { return [] }
        func number(_ range: Range<Int>) -> Int {
            time[range].reduce(0) { $0 * 10 + Int($1 & 15) }
        }
        let date = CivilDate(year: number(0..<4), month: number(5..<7), day: number(8..<10))
        let seconds =
            date.daysSince1970 * 86_400 + number(11..<13) * 3600 + number(14..<16) * 60
            + number(17..<19)
        return Array(String(seconds * 1000 + number(20..<23)).utf8)
    }

    /// A pseudonym is no address, and a receiver that expects one would stumble over it.
    static func isAddress(_ text: [UInt8], isVersion6: Bool) -> Bool {
        guard text.contains(UInt8(ascii: ":")) == isVersion6 else { return false }
        return !text.isEmpty
            && text.allSatisfy { byte in
                byte >= 0x30 && byte <= 0x39 || byte == UInt8(ascii: ".")
                    || isVersion6
                        && (byte == UInt8(ascii: ":") || byte >= 0x61 && byte <= 0x66)
            }
    }

    // MARK: Spelling

    /// Appends `text` as a part of the header: without pipes of its own, on one line.
    private func appendName(to output: inout ByteWriter) {
        for byte in text {
            if byte == UInt8(ascii: "|") || byte == UInt8(ascii: "\\") {
                output.append(UInt8(ascii: "\\"))
            }
            output.append(Self.isControl(byte) ? 0x20 : byte)
        }
    }

    /// Appends `text` as a value, cut to a limit between two characters.
    private func appendValue(_ byteLimit: Int, to output: inout ByteWriter) {
        var end = min(text.count, byteLimit)
        if end < text.count {
            while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
        }
        for byte in text[..<end] {
            switch mapping.spelling {
            case .escaped: appendEscaped(byte, to: &output)
            case .spaced:
                let isTaken = byte == mapping.delimiter || Self.isControl(byte)
                output.append(isTaken ? 0x20 : byte)
            }
        }
    }

    private func appendEscaped(_ byte: UInt8, to output: inout ByteWriter) {
        switch byte {
        case UInt8(ascii: "\n"): output.append("\\n")
        case UInt8(ascii: "\r"): output.append("\\r")
        case UInt8(ascii: "\\"): output.append("\\\\")
        case UInt8(ascii: "="): output.append("\\=")
        default: output.append(Self.isControl(byte) ? 0x20 : byte)
        }
    }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
}
