// SPDX-License-Identifier: Apache-2.0
import Platform

// `#expect` cannot take apart a call that is given a span, so tests call with arrays.

extension JSONReader {
    func read(_ bytes: [UInt8]) -> Bool { read(bytes.span) }
    func read(_ bytes: [UInt8], _ range: Range<Int>) -> Bool { read(bytes.span, range) }
}

extension LenientJSON {
    func read(_ bytes: [UInt8]) -> Bool { read(bytes.span) }
}

extension UTF8Repair {
    static func isValid(_ bytes: [UInt8]) -> Bool { isValid(bytes.span) }
    static func isValid(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        isValid(bytes.span, range)
    }
    static func repair(_ bytes: [UInt8]) -> [UInt8] { repair(bytes.span) }
}

extension ByteSearch {
    static func first(_ byte: UInt8, in bytes: [UInt8]) -> Int? { first(byte, in: bytes.span) }
    static func first(_ byte: UInt8, in bytes: [UInt8], _ range: Range<Int>) -> Int? {
        first(byte, in: bytes.span, range)
    }
    static func last(_ byte: UInt8, in bytes: [UInt8], _ range: Range<Int>) -> Int? {
        last(byte, in: bytes.span, range)
    }
    static func first(_ needle: [UInt8], in bytes: [UInt8], _ range: Range<Int>) -> Int? {
        first(needle, in: bytes.span, range)
    }
    static func equal(_ bytes: [UInt8], _ range: Range<Int>, _ other: [UInt8]) -> Bool {
        equal(bytes.span, range, other.span)
    }
    static func hasPrefix(_ prefix: [UInt8], _ bytes: [UInt8], at offset: Int) -> Bool {
        hasPrefix(prefix.span, bytes.span, at: offset)
    }
}

extension CRC32C {
    static func checksum(_ bytes: [UInt8], continuing: UInt32 = 0) -> UInt32 {
        checksum(bytes.span, continuing: continuing)
    }
}

extension SHA256 {
    static func leaf(_ bytes: [UInt8]) -> Digest { leaf(bytes.span) }
}

extension Digest {
    init(array bytes: [UInt8], at offset: Int) { self.init(bytes: bytes.span, at: offset) }
}

extension HMACSHA256 {
    func tag(_ message: [UInt8]) -> Digest { tag(message.span) }
    func tag(_ first: [UInt8], _ second: [UInt8]) -> Digest { tag(first.span, second.span) }
}

extension Ed25519SigningKey {
    func sign(_ message: [UInt8]) -> [UInt8] { sign(message.span) }
}

extension Ed25519PublicKey {
    func verify(_ signature: [UInt8], _ message: [UInt8]) -> Bool {
        verify(signature, message.span)
    }
}

/// Holds a `Match`, which cannot be copied.
final class MatchBox {
    let match = Match()
    var isLimitHit: Bool { match.isLimitHit }
    func range(_ group: Int) -> Range<Int>? { match.range(group) }
}

extension RegularExpression {
    func match(_ bytes: [UInt8], _ range: Range<Int>, into box: MatchBox) -> Bool {
        match(bytes.span, range, into: box.match)
    }
}
