// SPDX-License-Identifier: Apache-2.0
import Platform

/// Takes secrets out of texts: JSON Web Tokens, what follows the word `Bearer`, tokens that their
/// product marks by a prefix, and the values of parameters, members and headers with the name of a
/// secret (`SecretName`).
///
/// It is the last net before a body is written; parsers take only what they name to begin with.
public struct Scrubber: Sendable {
    /// What stands in place of a secret.
    public static let mark = Array("[redacted]".utf8)

    /// Makes a scrubber.
    public init() {}

    /// True when the bytes may hold a secret; false is certain.
    ///
    /// The bytes may be those of a text or of a whole body, where quotes have a backslash.
    public static func isSuspect(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var at = range.lowerBound
        while let found = suspects.next(in: bytes, at..<range.upperBound) {
            if isSuspect(bytes, found, range) { return true }
            at = found + 1
        }
        return false
    }

    // Two bytes in a row that every secret has, at the end of what tells it.
    private static let suspects = BytePairs([
        ("y", "J"),  // eyJ, the base64url form of {"
        ("rR", " %+\\"),  // bearer and white space, which a URL writes as %20 or +
        ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "="),
        ("neyNEY", ":"),  // the ends of the headers' names
        ("TCU", "-"),  // the ends of the tickets' kinds
        ("y", "_"),  // ory_
        ("\\", "\""),  // the end of a name in a JSON text
        ("%", "3"),  // an encoded =
    ])

    private static func isSuspect(
        _ bytes: Span<UInt8>, _ at: Int, _ range: Range<Int>
    ) -> Bool {
        switch bytes[at] {
        case UInt8(ascii: "J"): isTokenStart(bytes, at, from: range.lowerBound)
        case UInt8(ascii: "="): isAssignment(bytes, at, range)
        case UInt8(ascii: ":"): isHeader(bytes, at, range)
        case UInt8(ascii: "-"), UInt8(ascii: "_"):
            TokenPrefix.start(bytes, at, from: range.lowerBound) != nil
        case UInt8(ascii: "\""): at > range.lowerBound && isQuotedName(bytes, at - 1, range)
        case UInt8(ascii: "3"): at > range.lowerBound && isAssignment(bytes, at - 1, range)
        default: isBehindBearer(bytes, at, from: range.lowerBound)
        }
    }

    /// Whether `=`, or `%3D`, stands behind the name of a secret.
    private static func isAssignment(
        _ text: Span<UInt8>, _ at: Int, _ range: Range<Int>
    ) -> Bool {
        if text[at] == percent {
            guard at + 2 < range.upperBound, text[at + 1] == UInt8(ascii: "3"),
                text[at + 2] | 0x20 == UInt8(ascii: "d")
            else { return false }
        }
        return SecretName.ends(at, in: text, from: range.lowerBound)
    }

    /// Whether `:` stands behind the name of a header that carries a secret.
    private static func isHeader(_ text: Span<UInt8>, _ at: Int, _ range: Range<Int>) -> Bool {
        guard at > range.lowerBound, (text[at - 1] | 0x20) &- 0x61 < 26 else { return false }
        return SecretName.headerEnds(at, in: text, from: range.lowerBound)
    }

    /// Whether the quote that is escaped at `at` closes the name of a secret, in a JSON text.
    private static func isQuotedName(
        _ text: Span<UInt8>, _ at: Int, _ range: Range<Int>
    ) -> Bool {
        guard at + 2 < range.upperBound, text[at + 1] == UInt8(ascii: "\"") else { return false }
        return SecretName.ends(at, in: text, from: range.lowerBound)
    }

    /// The text without its secrets, or nil when it has none.
    public func scrubbed(_ text: Span<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var kept = 0
        var at = 0
        while at < text.count {
            // What tells one secret may stand in another.
            guard let secret = secretEnd(text, at), secret.end > at, secret.end > kept else {
                at += 1
                continue
            }
            if secret.start >= kept {
                for index in kept..<secret.start { result.append(text[index]) }
                result += Scrubber.mark
            }
            (at, kept) = (secret.end, secret.end)
        }
        guard kept > 0 else { return nil }
        for index in kept..<text.count { result.append(text[index]) }
        return result
    }

    private static let bearer = Array("bearer".utf8)
    private static let percent = UInt8(ascii: "%")

    /// Where a secret begins and ends that is recognised at `at`.
    private func secretEnd(_ text: Span<UInt8>, _ at: Int) -> (start: Int, end: Int)? {
        switch text[at] {
        case UInt8(ascii: "J"):
            guard Scrubber.isTokenStart(text, at, from: 0) else { return nil }
            // A token has parts with dots between them; without one it is part of a name.
            let end = Scrubber.tokenEnd(text, at)
            let dot = ByteSearch.first(UInt8(ascii: "."), in: text, at..<end)
            return dot == nil ? nil : (at - 2, end)
        case UInt8(ascii: " "), UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "\t"):
            guard Scrubber.isBehindBearer(text, at, from: 0) else {
                return text[at] == Scrubber.percent ? encodedSecretEnd(text, at) : nil
            }
            var end = at
            if text[at] == UInt8(ascii: "%") { end = min(at + 3, text.count) }
            while end < text.count, text[end] == 0x20 || text[end] == 0x09 || text[end] == 0x2B {
                end += 1
            }
            let value = end
            end = Scrubber.tokenEnd(text, end)
            guard end > value, !Scrubber.isPlainWord(text, value..<end) else { return nil }
            return (at - 6, end)
        case UInt8(ascii: "="):
            guard Scrubber.isAssignment(text, at, 0..<text.count) else { return nil }
            return SecretName.value(behind: at + 1, in: text)
        case UInt8(ascii: ":"):
            if at > 0, text[at - 1] == UInt8(ascii: "\"") {
                guard SecretName.ends(at - 1, in: text, from: 0) else { return nil }
                return SecretName.value(behind: at + 1, in: text)
            }
            guard Scrubber.isHeader(text, at, 0..<text.count) else { return nil }
            return SecretName.line(behind: at + 1, in: text)
        case UInt8(ascii: "-"), UInt8(ascii: "_"):
            guard let start = TokenPrefix.start(text, at, from: 0) else { return nil }
            return (start, Scrubber.tokenEnd(text, at))
        default:
            return nil
        }
    }

    /// What an encoded `=` stands behind.
    private func encodedSecretEnd(_ text: Span<UInt8>, _ at: Int) -> (start: Int, end: Int)? {
        guard Scrubber.isAssignment(text, at, 0..<text.count) else { return nil }
        return SecretName.value(behind: at + 3, in: text)
    }

    /// What stands behind `bearer` where the scheme itself is spoken of.
    private static let plainWords: Set<String> = [
        "auth", "authentication", "authorization", "error=", "realm=", "scheme", "token", "tokens",
    ]

    private static func isPlainWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count <= 16 else { return false }
        var word = ""
        for index in range { word.unicodeScalars.append(Unicode.Scalar(text[index])) }
        if let last = word.last, last == "." || last == "," { word.removeLast() }
        return plainWords.contains(word)
    }

    // The `J` of `eyJ`.
    private static func isTokenStart(_ text: Span<UInt8>, _ at: Int, from start: Int) -> Bool {
        at >= start + 2 && text[at - 1] == UInt8(ascii: "y") && text[at - 2] == UInt8(ascii: "e")
    }

    private static func isBehindBearer(_ text: Span<UInt8>, _ at: Int, from start: Int) -> Bool {
        guard at >= start + 6 else { return false }
        for index in 0..<6 where text[at - 6 + index] | 0x20 != bearer[index] { return false }
        return true
    }

    // The letters of base64, base64url, percent-encoding and the dots between them.
    private static func tokenEnd(_ text: Span<UInt8>, _ at: Int) -> Int {
        var end = at
        while end < text.count {
            switch text[end] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"),
                UInt8(ascii: "="):
                end += 1
            default:
                return end
            }
        }
        return end
    }
}
