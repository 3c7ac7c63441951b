// SPDX-License-Identifier: Apache-2.0
import Platform

/// How a JSON string is spelled, and what it stands for.
struct StringSpelling {
    /// Without escapes: the spelling is the text.
    var isPlain = true
    /// With the escapes that RFC 8785 writes, and no others.
    var isCanonical = true

    /// Reads over a string; `at` stands on the first quote and is left behind the last.
    static func read(
        _ bytes: Span<UInt8>, _ at: inout Int
    ) throws(StrictRefusal) -> StringSpelling {
        var spelling = StringSpelling()
        var place = at + 1
        let count = bytes.count
        while place < count {
            // Eight bytes at a time as long as they stand for themselves.
            while place + 8 <= count {
                let mask = special(ByteSearch.word(bytes, at: place))
                place += mask == 0 ? 8 : mask.trailingZeroBitCount >> 3
                if mask != 0 { break }
            }
            guard place < count else { break }
            let byte = bytes[place]
            if byte == UInt8(ascii: "\"") {
                at = place + 1
                return spelling
            }
            if byte == UInt8(ascii: "\\") {
                spelling.isPlain = false
                let escape = try Escape.read(bytes, place)
                if !escape.isCanonical { spelling.isCanonical = false }
                place += escape.byteCount
            } else if byte < 0x20 {
                throw StrictRefusal(reason: "a control character in a string", offset: place)
            } else if byte < 0x80 {
                place += 1
            } else {
                place += try scalarByteCount(bytes, place)
            }
        }
        throw StrictRefusal(reason: "it ends inside a string", offset: count)
    }

    /// Marks the first byte of a word that is a quote, a backslash, a control character or above
    /// U+007F; marks above the first one may be false.
    @inline(__always)
    private static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let quote = word ^ 0x2222_2222_2222_2222
        let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let control = word &- 0x2020_2020_2020_2020
        return ((quote &- ones) | (backslash &- ones) | control | word) & highs
    }

    /// The UTF-8 that a string stands for, whose spelling was read before.
    static func decode(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        var at = range.lowerBound
        while at < range.upperBound {
            guard bytes[at] == UInt8(ascii: "\\"), let escape = try? Escape.read(bytes, at) else {
                result.append(bytes[at])
                at += 1
                continue
            }
            result += Array(String(Character(escape.scalar)).utf8)
            at += escape.byteCount
        }
        return result
    }

    /// The bytes of one scalar above U+007F, by the table of well-formed sequences in Unicode.
    private static func scalarByteCount(
        _ bytes: Span<UInt8>, _ at: Int
    ) throws(StrictRefusal) -> Int {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch bytes[at] {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: throw StrictRefusal(reason: "ill-formed UTF-8", offset: at)
        }
        guard at + length <= bytes.count, second.contains(bytes[at + 1]) else {
            throw StrictRefusal(reason: "ill-formed UTF-8", offset: at)
        }
        for index in 2..<max(length, 2) where bytes[at + index] & 0xC0 != 0x80 {
            throw StrictRefusal(reason: "ill-formed UTF-8", offset: at)
        }
        return length
    }

    /// One escape sequence, or two of them that make a surrogate pair.
    private struct Escape {
        var scalar: Unicode.Scalar
        var byteCount: Int
        var isCanonical: Bool

        static func read(_ bytes: Span<UInt8>, _ at: Int) throws(StrictRefusal) -> Escape {
            guard at + 1 < bytes.count else {
                throw StrictRefusal(reason: "it ends inside an escape", offset: at)
            }
            switch bytes[at + 1] {
            case UInt8(ascii: "\""): return Escape("\"")
            case UInt8(ascii: "\\"): return Escape("\\")
            case UInt8(ascii: "/"): return Escape("/", isCanonical: false)
            case UInt8(ascii: "b"): return Escape("\u{8}")
            case UInt8(ascii: "f"): return Escape("\u{c}")
            case UInt8(ascii: "n"): return Escape("\n")
            case UInt8(ascii: "r"): return Escape("\r")
            case UInt8(ascii: "t"): return Escape("\t")
            case UInt8(ascii: "u"): return try readUnicode(bytes, at)
            default: throw StrictRefusal(reason: "an unknown escape", offset: at)
            }
        }

        private init(_ scalar: Unicode.Scalar, byteCount: Int = 2, isCanonical: Bool = true) {
            self.scalar = scalar
            self.byteCount = byteCount
            self.isCanonical = isCanonical
        }

        private static func readUnicode(
            _ bytes: Span<UInt8>, _ at: Int
        ) throws(StrictRefusal) -> Escape {
            let first = try digits(bytes, at + 2)
            if let scalar = Unicode.Scalar(first.value) {
                // RFC 8785 spells this way only control characters that have no short escape.
                let hasShort = [0x08, 0x09, 0x0A, 0x0C, 0x0D].contains(first.value)
                return Escape(
                    scalar, byteCount: 6,
                    isCanonical: first.value < 0x20 && !hasShort && first.isLowercase)
            }
            guard first.value < 0xDC00, at + 7 < bytes.count, bytes[at + 6] == UInt8(ascii: "\\"),
                bytes[at + 7] == UInt8(ascii: "u")
            else { throw StrictRefusal(reason: "an unpaired surrogate", offset: at) }
            let second = try digits(bytes, at + 8)
            guard (0xDC00...0xDFFF).contains(second.value),
                let scalar = Unicode.Scalar(
                    0x10000 + (first.value - 0xD800) << 10 + (second.value - 0xDC00))
            else { throw StrictRefusal(reason: "an unpaired surrogate", offset: at) }
            return Escape(scalar, byteCount: 12, isCanonical: false)
        }

        private static func digits(
            _ bytes: Span<UInt8>, _ at: Int
        ) throws(StrictRefusal) -> (value: UInt32, isLowercase: Bool) {
            guard at + 4 <= bytes.count else {
                throw StrictRefusal(reason: "it ends inside an escape", offset: at)
            }
            var value: UInt32 = 0
            var isLowercase = true
            for index in at..<at + 4 {
                switch bytes[index] {
                case let byte where byte >= 0x30 && byte <= 0x39:
                    value = value << 4 | UInt32(byte - 0x30)
                case let byte where byte >= 0x61 && byte <= 0x66:
                    value = value << 4 | UInt32(byte - 0x57)
                case let byte where byte >= 0x41 && byte <= 0x46:
                    value = value << 4 | UInt32(byte - 0x37)
                    isLowercase = false
                default: throw StrictRefusal(reason: "an unknown escape", offset: at)
                }
            }
            return (value, isLowercase)
        }
    }
}

/// How a JSON number is spelled.
enum NumberSpelling {
    /// Reads over a number; true when it is an integer spelled `0|-?[1-9][0-9]*` within ±(2^53−1).
    static func read(_ bytes: Span<UInt8>, _ at: inout Int) throws(StrictRefusal) -> Bool {
        let start = at
        let isNegative = bytes[at] == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let first = at
        try readDigits(bytes, &at)
        if at - first > 1, bytes[first] == UInt8(ascii: "0") {
            throw StrictRefusal(reason: "a number with a leading zero", offset: first)
        }
        var isExact = !(isNegative && bytes[first] == UInt8(ascii: "0"))
        if let value = ProofText.decimal(bytes.extracting(first..<at)) {
            isExact = isExact && value <= StrictLimit.integer
        } else {
            isExact = false
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            isExact = false
            at += 1
            try readDigits(bytes, &at)
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            isExact = false
            at += 1
            if at < bytes.count,
                bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-")
            {
                at += 1
            }
            try readDigits(bytes, &at)
        }
        guard at > start else { throw StrictRefusal(reason: "no JSON value", offset: start) }
        return isExact
    }

    private static func readDigits(
        _ bytes: Span<UInt8>, _ at: inout Int
    ) throws(StrictRefusal) {
        let start = at
        while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
        guard at > start else { throw StrictRefusal(reason: "a digit is missing", offset: at) }
    }
}
