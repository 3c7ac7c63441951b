// SPDX-License-Identifier: Apache-2.0
import Platform

/// Takes tokens out of texts: JSON Web Tokens and what follows the word `Bearer`.
///
/// It is the last net before a body is written; parsers take only what they name to begin with.
public struct Scrubber: Sendable {
    /// What stands in place of a secret.
    public static let mark = Array("[redacted]".utf8)

    /// Makes a scrubber.
    public init() {}

    /// True when the bytes may hold a secret; false is certain.
    ///
    /// A JWT begins with `eyJ`, the base64url form of `{"`; a bearer token stands behind the word
    /// and white space, which a URL writes as `%20` or `+`.
    public static func isSuspect(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var at = range.lowerBound
        while let found = ByteSearch.first(UInt8(ascii: "J"), in: bytes, at..<range.upperBound) {
            if isTokenStart(bytes, found, from: range.lowerBound) { return true }
            at = found + 1
        }
        for byte in separators {
            at = range.lowerBound
            while let found = ByteSearch.first(byte, in: bytes, at..<range.upperBound) {
                if isBehindBearer(bytes, found, from: range.lowerBound) { return true }
                at = found + 1
            }
        }
        return false
    }

    /// The text without its secrets, or nil when it has none.
    public func scrubbed(_ text: Span<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var kept = 0
        var at = 0
        while at < text.count {
            let end = secretEnd(text, at)
            guard let end else {
                at += 1
                continue
            }
            for index in kept..<end.start { result.append(text[index]) }
            result += Scrubber.mark
            at = end.end
            kept = at
        }
        guard kept > 0 else { return nil }
        for index in kept..<text.count { result.append(text[index]) }
        return result
    }

    private static let bearer = Array("bearer".utf8)
    private static let separators: [UInt8] = [
        UInt8(ascii: " "), UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "\\"),
    ]

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
            guard Scrubber.isBehindBearer(text, at, from: 0) else { return nil }
            var end = at
            if text[at] == UInt8(ascii: "%") { end = min(at + 3, text.count) }
            while end < text.count, text[end] == 0x20 || text[end] == 0x09 || text[end] == 0x2B {
                end += 1
            }
            let value = end
            end = Scrubber.tokenEnd(text, end)
            return end > value ? (at - 6, end) : nil
        default:
            return nil
        }
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
