// SPDX-License-Identifier: Apache-2.0
import Platform

/// Reads values of a canonical body where a format wants them as something else than JSON.
///
/// Everything is checked: a value that is not in the form that this agent writes gives nil or
/// false, never a guess.
enum BodyText {
    /// The moment that a quoted text of the canonical form says; nil for anything else.
    static func time(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Timestamp? {
        guard range.count == Timestamp.textByteCount + 2 else { return nil }
        let text = bytes.extracting(range)
        guard text[5] == UInt8(ascii: "-"), text[8] == UInt8(ascii: "-"),
            text[11] == UInt8(ascii: "T"), text[14] == UInt8(ascii: ":"),
            text[17] == UInt8(ascii: ":"), text[20] == UInt8(ascii: "."),
            text[27] == UInt8(ascii: "Z"), let year = number(text, 1..<5),
            let month = number(text, 6..<8), (1...12).contains(month),
            let day = number(text, 9..<11), (1...31).contains(day),
            let hour = number(text, 12..<14), hour < 24, let minute = number(text, 15..<17),
            minute < 60, let second = number(text, 18..<20), second < 60,
            let microsecond = number(text, 21..<27)
        else { return nil }
        return Timestamp(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second,
            microsecond: microsecond)
    }

    @inline(__always)
    private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
        var value = 0
        for index in range {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int(digit)
        }
        return value
    }

    /// The integer that stands there; nil for anything else.
    static func integer(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        let isNegative = !range.isEmpty && bytes[range.lowerBound] == UInt8(ascii: "-")
        let digits = isNegative ? range.dropFirst() : range
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var value: Int64 = 0
        for index in digits {
            guard (0x30...0x39).contains(bytes[index]) else { return nil }
            value = value * 10 + Int64(bytes[index] - 0x30)
        }
        return isNegative ? -value : value
    }

    /// Behind the closing quote of the text whose opening quote is at `start`; nil without one.
    static func end(of start: Int, _ bytes: Span<UInt8>, _ limit: Int) -> Int? {
        guard start < limit, bytes[start] == UInt8(ascii: "\"") else { return nil }
        var at = start + 1
        while at < limit {
            switch bytes[at] {
            case UInt8(ascii: "\""): return at + 1
            case UInt8(ascii: "\\"): at += 2
            default: at += 1
            }
        }
        return nil
    }

    /// Calls `each` with the range of every text of a list; false when it is no list of texts.
    static func forEachText(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ each: (Range<Int>) -> Bool
    ) -> Bool {
        guard range.count > 2, bytes[range.lowerBound] == UInt8(ascii: "[") else { return false }
        var at = range.lowerBound + 1
        while let end = end(of: at, bytes, range.upperBound), end < range.upperBound {
            guard each(at..<end) else { return false }
            at = end + 1
            if bytes[end] == UInt8(ascii: ",") { continue }
            return bytes[end] == UInt8(ascii: "]") && at == range.upperBound
        }
        return false
    }

    /// Calls `each` with the ranges of every name and its text; false when it is no such map.
    static func forEachMember(
        _ bytes: Span<UInt8>, _ range: Range<Int>,
        _ each: (_ name: Range<Int>, _ text: Range<Int>) -> Bool
    ) -> Bool {
        guard range.count > 2, bytes[range.lowerBound] == UInt8(ascii: "{") else { return false }
        var at = range.lowerBound + 1
        while let nameEnd = end(of: at, bytes, range.upperBound), nameEnd < range.upperBound,
            bytes[nameEnd] == UInt8(ascii: ":"),
            let end = end(of: nameEnd + 1, bytes, range.upperBound), end < range.upperBound
        {
            guard each(at..<nameEnd, nameEnd + 1..<end) else { return false }
            at = end + 1
            if bytes[end] == UInt8(ascii: ",") { continue }
            return bytes[end] == UInt8(ascii: "}") && at == range.upperBound
        }
        return false
    }
}

extension ByteWriter {
    /// Appends what a JSON text says, without quotes and escapes.
    ///
    /// `range` is that of the text with its quotes. False, with something or nothing appended,
    /// when there is anything in it that is no text, a half of a surrogate pair for one.
    mutating func append(textOf bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count >= 2, bytes[range.lowerBound] == UInt8(ascii: "\""),
            bytes[range.upperBound - 1] == UInt8(ascii: "\"")
        else { return false }
        let end = range.upperBound - 1
        var at = range.lowerBound + 1
        while let escape = ByteSearch.first(UInt8(ascii: "\\"), in: bytes, at..<end) {
            append(bytes.extracting(at..<escape))
            guard let next = append(escapeOf: bytes, escape, end) else { return false }
            at = next
        }
        append(bytes.extracting(at..<end))
        return true
    }

    private mutating func append(
        escapeOf bytes: Span<UInt8>, _ at: Int, _ end: Int
    ) -> Int? {
        guard at + 1 < end else { return nil }
        switch bytes[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): append(bytes[at + 1])
        case UInt8(ascii: "b"): append(0x08)
        case UInt8(ascii: "f"): append(0x0C)
        case UInt8(ascii: "n"): append(0x0A)
        case UInt8(ascii: "r"): append(0x0D)
        case UInt8(ascii: "t"): append(0x09)
        case UInt8(ascii: "u"):
            // RFC 8785 writes an escape of four digits for control characters only.
            guard at + 6 <= end, bytes[at + 2] == 0x30, bytes[at + 3] == 0x30,
                let code = Hex.decode(bytes.extracting(at + 4..<at + 6))?.first, code < 0x20
            else { return nil }
            append(code)
            return at + 6
        default: return nil
        }
        return at + 2
    }
}
