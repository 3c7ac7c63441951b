// SPDX-License-Identifier: Apache-2.0

/// The spelling rules of RFC 8259 that the readers written in Swift share.
enum JSONText {
    /// What an escape in a string stands for, and how many bytes it takes.
    enum Escape {
        case character(UInt32, Int)
        case loneSurrogate(Int)
        case bad
        /// The input ends inside it.
        case cut
    }

    /// Whether a byte of a string stands for itself: ASCII, no quote, backslash or control.
    @inline(__always)
    static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Reads the escape whose backslash is at `index`.
    static func escape(_ bytes: Span<UInt8>, at index: Int) -> Escape {
        guard index + 1 < bytes.count else { return .cut }
        switch bytes[index + 1] {
        case UInt8(ascii: "\""): return .character(0x22, 2)
        case UInt8(ascii: "\\"): return .character(0x5C, 2)
        case UInt8(ascii: "/"): return .character(0x2F, 2)
        case UInt8(ascii: "b"): return .character(0x08, 2)
        case UInt8(ascii: "f"): return .character(0x0C, 2)
        case UInt8(ascii: "n"): return .character(0x0A, 2)
        case UInt8(ascii: "r"): return .character(0x0D, 2)
        case UInt8(ascii: "t"): return .character(0x09, 2)
        case UInt8(ascii: "u"): return unicode(bytes, index)
        default: return .bad
        }
    }

    private static func unicode(_ bytes: Span<UInt8>, _ index: Int) -> Escape {
        guard index + 6 <= bytes.count else { return .cut }
        guard let unit = hex(bytes, index + 2) else { return .bad }
        guard unit & 0xF800 == 0xD800 else { return .character(unit, 6) }
        guard unit & 0xFC00 == 0xD800 else { return .loneSurrogate(6) }
        guard index + 12 <= bytes.count, bytes[index + 6] == UInt8(ascii: "\\"),
            bytes[index + 7] == UInt8(ascii: "u"), let low = hex(bytes, index + 8),
            low & 0xFC00 == 0xDC00
        else { return .loneSurrogate(6) }
        return .character(0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF), 12)
    }

    private static func hex(_ bytes: Span<UInt8>, _ index: Int) -> UInt32? {
        var value: UInt32 = 0
        for offset in 0..<4 {
            let digit: UInt8
            switch bytes[index + offset] {
            case let byte where byte >= 0x30 && byte <= 0x39: digit = byte - 0x30
            case let byte where byte >= 0x41 && byte <= 0x46: digit = byte - 0x41 + 10
            case let byte where byte >= 0x61 && byte <= 0x66: digit = byte - 0x61 + 10
            default: return nil
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    /// The UTF-8 of a character that is no surrogate.
    static func forEachByte(of scalar: UInt32, _ body: (UInt8) -> Void) {
        func trail(_ shift: UInt32) { body(UInt8(0x80 | scalar >> shift & 0x3F)) }
        switch scalar {
        case 0..<0x80: body(UInt8(scalar))
        case 0x80..<0x800:
            body(UInt8(0xC0 | scalar >> 6))
            trail(0)
        case 0x800..<0x10000:
            body(UInt8(0xE0 | scalar >> 12))
            trail(6)
            trail(0)
        default:
            body(UInt8(0xF0 | scalar >> 18 & 7))
            trail(12)
            trail(6)
            trail(0)
        }
    }
}

/// A number as RFC 8259 spells it.
struct JSONNumber {
    enum Value {
        case integer(Int64)
        case unsigned(UInt64)
        case double(Double)
        case big
    }

    /// The index behind the last character.
    let end: Int
    /// It has neither a fraction nor an exponent.
    let isInteger: Bool

    /// Reads the number that begins at `start`; nil when none is spelt there.
    init?(_ bytes: Span<UInt8>, at start: Int) {
        var index = start
        if index < bytes.count, bytes[index] == UInt8(ascii: "-") { index += 1 }
        let digits = JSONNumber.digits(bytes, index)
        guard digits > 0, digits == 1 || bytes[index] != UInt8(ascii: "0") else { return nil }
        index += digits
        var isInteger = true
        if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
            let fraction = JSONNumber.digits(bytes, index + 1)
            guard fraction > 0 else { return nil }
            index += 1 + fraction
            isInteger = false
        }
        if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
            index += 1
            if index < bytes.count,
                bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-")
            {
                index += 1
            }
            let exponent = JSONNumber.digits(bytes, index)
            guard exponent > 0 else { return nil }
            index += exponent
            isInteger = false
        }
        end = index
        self.isInteger = isInteger
    }

    /// The value, when one of the machine's types can hold it.
    func value(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Value {
        let text = String(copying: bytes.extracting(range))
        if isInteger {
            if let value = Int64(text) { return .integer(value) }
            if let value = UInt64(text) { return .unsigned(value) }
            return .big
        }
        guard let value = Double(text), value.isFinite else { return .big }
        return .double(value)
    }

    /// Whether nothing but characters of a number lies between `start` and the end.
    static func reachesEnd(_ bytes: Span<UInt8>, from start: Int) -> Bool {
        for index in start..<bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
                UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
                continue
            default: return false
            }
        }
        return true
    }

    private static func digits(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 { index += 1 }
        return index - start
    }
}
