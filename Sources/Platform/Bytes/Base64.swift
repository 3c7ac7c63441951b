// SPDX-License-Identifier: Apache-2.0

/// Base64 of RFC 4648: the standard alphabet with padding, the URL-safe one without.
///
/// Decoding is strict: a text decodes only if encoding the result gives the same text.
public enum Base64 {
    /// Which of the two forms a text is in.
    public enum Alphabet: Sendable {
        /// `+` and `/`, padded with `=` to a multiple of four.
        case standard
        /// `-` and `_`, without padding.
        case urlSafe
    }

    /// The text for some bytes.
    public static func encode(_ bytes: Span<UInt8>, _ alphabet: Alphabet = .standard) -> String {
        var text = [UInt8]()
        append(bytes, to: &text, alphabet)
        return String(decoding: text, as: UTF8.self)
    }

    /// The text for some bytes.
    public static func encode(_ bytes: [UInt8], _ alphabet: Alphabet = .standard) -> String {
        encode(bytes.span, alphabet)
    }

    /// Appends the text for some bytes.
    public static func append(
        _ bytes: Span<UInt8>, to text: inout [UInt8], _ alphabet: Alphabet = .standard
    ) {
        text.reserveCapacity(text.count + (bytes.count + 2) / 3 * 4)
        var index = 0
        while index + 3 <= bytes.count {
            let word =
                UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8
                | UInt32(bytes[index + 2])
            for shift: UInt32 in [18, 12, 6, 0] { text.append(digit(word >> shift, alphabet)) }
            index += 3
        }
        let rest = bytes.count - index
        guard rest > 0 else { return }
        let word = UInt32(bytes[index]) << 16 | (rest == 2 ? UInt32(bytes[index + 1]) << 8 : 0)
        text.append(digit(word >> 18, alphabet))
        text.append(digit(word >> 12, alphabet))
        if rest == 2 { text.append(digit(word >> 6, alphabet)) }
        guard alphabet == .standard else { return }
        for _ in rest..<3 { text.append(UInt8(ascii: "=")) }
    }

    /// The bytes of a text; nil when it is not exactly what encoding would have written.
    public static func decode(_ text: String, _ alphabet: Alphabet = .standard) -> [UInt8]? {
        decode(Array(text.utf8).span, alphabet)
    }

    /// The bytes of a text; nil when it is not exactly what encoding would have written.
    public static func decode(
        _ text: Span<UInt8>, _ alphabet: Alphabet = .standard
    ) -> [UInt8]? {
        var count = text.count
        if alphabet == .standard {
            guard count % 4 == 0 else { return nil }
            var padding = 0
            while padding < 2, count > 0, text[count - 1] == UInt8(ascii: "=") {
                count -= 1
                padding += 1
            }
        }
        guard count % 4 != 1 else { return nil }
        var bytes = [UInt8]()
        bytes.reserveCapacity(count / 4 * 3 + 2)
        var word: UInt32 = 0
        var bitCount: UInt32 = 0
        for index in 0..<count {
            guard let value = value(text[index], alphabet) else { return nil }
            word = word << 6 | value
            bitCount += 6
            guard bitCount >= 8 else { continue }
            bitCount -= 8
            bytes.append(UInt8(truncatingIfNeeded: word >> bitCount))
            word &= (1 << bitCount) - 1
        }
        // Left-over bits that are not zero would be lost on encoding again.
        return word == 0 ? bytes : nil
    }

    private static func digit(_ value: UInt32, _ alphabet: Alphabet) -> UInt8 {
        let value = UInt8(value & 63)
        switch value {
        case 0..<26: return UInt8(ascii: "A") + value
        case 26..<52: return UInt8(ascii: "a") + value - 26
        case 52..<62: return UInt8(ascii: "0") + value - 52
        case 62: return alphabet == .standard ? UInt8(ascii: "+") : UInt8(ascii: "-")
        default: return alphabet == .standard ? UInt8(ascii: "/") : UInt8(ascii: "_")
        }
    }

    private static func value(_ digit: UInt8, _ alphabet: Alphabet) -> UInt32? {
        switch (digit, alphabet) {
        case (UInt8(ascii: "A")...UInt8(ascii: "Z"), _): UInt32(digit - UInt8(ascii: "A"))
        case (UInt8(ascii: "a")...UInt8(ascii: "z"), _): UInt32(digit - UInt8(ascii: "a")) + 26
        case (UInt8(ascii: "0")...UInt8(ascii: "9"), _): UInt32(digit - UInt8(ascii: "0")) + 52
        case (UInt8(ascii: "+"), .standard), (UInt8(ascii: "-"), .urlSafe): 62
        case (UInt8(ascii: "/"), .standard), (UInt8(ascii: "_"), .urlSafe): 63
        default: nil
        }
    }
}
