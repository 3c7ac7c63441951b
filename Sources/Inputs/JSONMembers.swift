// SPDX-License-Identifier: Apache-2.0
import Platform

/// Goes through the members of a JSON object that fills a line, without building anything.
///
/// It is as strict as recognising a wrapper needs: what is no object is not gone through to its
/// end, and then `isWhole` is false.
struct JSONMembers {
    /// True when the object ended with the line.
    private(set) var isWhole = false

    private var place: Int
    private let end: Int
    private var isFirst = true
    private var isBroken = false

    init(_ bytes: Span<UInt8>, _ line: Range<Int>) {
        place = line.lowerBound
        end = line.upperBound
        isBroken = !take(UInt8(ascii: "{"), bytes)
    }

    /// The next member: its name between the quotes, and its value with them; nil at the end.
    mutating func next(_ bytes: Span<UInt8>) -> (key: Range<Int>, value: Range<Int>)? {
        guard !isBroken, !isWhole else { return nil }
        if take(UInt8(ascii: "}"), bytes) {
            skipBlanks(bytes)
            isWhole = place == end
            isBroken = !isWhole
            return nil
        }
        isBroken = true
        if !isFirst, !take(UInt8(ascii: ","), bytes) { return nil }
        isFirst = false
        skipBlanks(bytes)
        guard let key = takeText(bytes), take(UInt8(ascii: ":"), bytes) else { return nil }
        skipBlanks(bytes)
        guard let value = takeValue(bytes) else { return nil }
        isBroken = false
        return (key.lowerBound + 1..<key.upperBound - 1, value)
    }

    private mutating func skipBlanks(_ bytes: Span<UInt8>) {
        while place < end, bytes[place] == UInt8(ascii: " ") || bytes[place] == UInt8(ascii: "\t") {
            place += 1
        }
    }

    private mutating func take(_ expected: UInt8, _ bytes: Span<UInt8>) -> Bool {
        skipBlanks(bytes)
        guard place < end, bytes[place] == expected else { return false }
        place += 1
        return true
    }

    /// A text with its quotes.
    private mutating func takeText(_ bytes: Span<UInt8>) -> Range<Int>? {
        guard place < end, bytes[place] == UInt8(ascii: "\"") else { return nil }
        let start = place
        guard let close = JSONMembers.close(bytes, start, end) else { return nil }
        place = close + 1
        return start..<place
    }

    private mutating func takeValue(_ bytes: Span<UInt8>) -> Range<Int>? {
        guard place < end else { return nil }
        switch bytes[place] {
        case UInt8(ascii: "\""): return takeText(bytes)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let start = place
            var depth = 0
            while place < end {
                switch bytes[place] {
                case UInt8(ascii: "\""):
                    guard let close = JSONMembers.close(bytes, place, end) else { return nil }
                    place = close
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
                place += 1
                if depth == 0 { return start..<place }
            }
            return nil
        default:
            let start = place
            while place < end, bytes[place] != UInt8(ascii: ","), bytes[place] != UInt8(ascii: "}")
            {
                place += 1
            }
            return start < place ? start..<place : nil
        }
    }

    /// Where the text ends that begins with the quote at `start`.
    static func close(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        var from = start + 1
        while from < end,
            let quote = ByteSearch.first(UInt8(ascii: "\""), in: bytes, from..<end)
        {
            var slashes = quote
            while slashes > start + 1, bytes[slashes - 1] == UInt8(ascii: "\\") { slashes -= 1 }
            if (quote - slashes) % 2 == 0 { return quote }
            from = quote + 1
        }
        return nil
    }

    // MARK: Values

    /// Whether a name is this one; wrappers escape nothing in names.
    static func isName(_ bytes: Span<UInt8>, _ key: Range<Int>, _ name: String) -> Bool {
        guard key.count == name.utf8.count else { return false }
        var place = key.lowerBound
        for byte in name.utf8 {
            if bytes[place] != byte { return false }
            place += 1
        }
        return true
    }

    /// What stands between the quotes of a text; nil for other values.
    static func text(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Range<Int>? {
        guard value.count >= 2, bytes[value.lowerBound] == UInt8(ascii: "\"") else { return nil }
        return value.lowerBound + 1..<value.upperBound - 1
    }

    /// A whole number, in quotes or not.
    static func number(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Int64? {
        var number: Int64 = 0
        let digits = text(bytes, value) ?? value
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        for index in digits {
            guard SyslogHeader.isDigit(bytes[index]) else { return nil }
            number = number * 10 + Int64(bytes[index] - UInt8(ascii: "0"))
        }
        return number
    }

    /// The bytes of a journal's field: a text, the numbers of its bytes where it is none, or the
    /// first of several values.
    static func bytes(_ bytes: Span<UInt8>, _ value: Range<Int>) -> [UInt8]? {
        if let text = text(bytes, value) { return unescape(bytes, text) }
        guard value.count >= 2, bytes[value.lowerBound] == UInt8(ascii: "[") else { return nil }
        var elements = JSONMembers(elementsOf: value)
        var result: [UInt8] = []
        while let element = elements.nextElement(bytes) {
            switch bytes[element.lowerBound] {
            case UInt8(ascii: "\""), UInt8(ascii: "["):
                return result.isEmpty ? JSONMembers.bytes(bytes, element) : nil
            default:
                guard let number = number(bytes, element), number < 256 else { return nil }
                result.append(UInt8(number))
            }
        }
        return elements.isWhole ? result : nil
    }

    private init(elementsOf value: Range<Int>) {
        place = value.lowerBound + 1
        end = value.upperBound
    }

    private mutating func nextElement(_ bytes: Span<UInt8>) -> Range<Int>? {
        if take(UInt8(ascii: "]"), bytes) {
            isWhole = place == end
            return nil
        }
        if !isFirst, !take(UInt8(ascii: ","), bytes) { return nil }
        isFirst = false
        skipBlanks(bytes)
        guard place < end else { return nil }
        let start = place
        switch bytes[place] {
        case UInt8(ascii: "\""), UInt8(ascii: "["): return takeValue(bytes)
        default:
            while place < end, SyslogHeader.isDigit(bytes[place]) { place += 1 }
            return start < place ? start..<place : nil
        }
    }

    /// The bytes that a text means; nil when an escape is none. Halves of pairs become U+FFFD.
    static func unescape(_ bytes: Span<UInt8>, _ text: Range<Int>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var place = text.lowerBound
        while place < text.upperBound {
            guard
                let slash = ByteSearch.first(
                    UInt8(ascii: "\\"), in: bytes, place..<text.upperBound)
            else { break }
            for index in place..<slash { result.append(bytes[index]) }
            guard slash + 1 < text.upperBound else { return nil }
            place = slash + 2
            if bytes[slash + 1] == UInt8(ascii: "u") {
                guard let next = appendUnit(bytes, place, text.upperBound, to: &result) else {
                    return nil
                }
                place = next
            } else {
                guard let byte = meaning(of: bytes[slash + 1]) else { return nil }
                result.append(byte)
            }
        }
        for index in place..<text.upperBound { result.append(bytes[index]) }
        return result
    }

    private static func meaning(of letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): letter
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        default: nil
        }
    }

    /// Appends what `\u` at `place` means, with its second half if it has one; where it ends.
    private static func appendUnit(
        _ bytes: Span<UInt8>, _ place: Int, _ end: Int, to result: inout [UInt8]
    ) -> Int? {
        guard let unit = unit(bytes, place, end) else { return nil }
        var next = place + 4
        var value = unit
        if unit & 0xFC00 == 0xD800, next + 6 <= end, bytes[next] == UInt8(ascii: "\\"),
            bytes[next + 1] == UInt8(ascii: "u"), let low = JSONMembers.unit(bytes, next + 2, end),
            low & 0xFC00 == 0xDC00
        {
            value = 0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF)
            next += 6
        }
        let scalar = UnicodeScalar(value) ?? "\u{FFFD}"
        result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        return next
    }

    private static func unit(_ bytes: Span<UInt8>, _ place: Int, _ end: Int) -> UInt32? {
        guard place + 4 <= end else { return nil }
        var value: UInt32 = 0
        for index in place..<place + 4 {
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                value = value << 4 | UInt32(bytes[index] - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
                value = value << 4 | UInt32((bytes[index] | 0x20) - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
