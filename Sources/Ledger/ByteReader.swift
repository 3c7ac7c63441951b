// SPDX-License-Identifier: Apache-2.0
import Platform

/// Walks over a range of bytes from disk and hands out only what is really there.
struct ByteReader {
    private(set) var at: Int
    let end: Int

    init(_ range: Range<Int>) {
        at = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - at }

    /// The next `count` bytes as a range.
    mutating func take(_ count: Int) throws(FrameProblem) -> Range<Int> {
        guard count >= 0, count <= remaining else {
            throw .damaged("\(count) bytes are announced where \(remaining) are left")
        }
        let range = at..<at + count
        at += count
        return range
    }

    /// The next number, least significant byte first.
    @inline(__always)
    mutating func number<Number: FixedWidthInteger>(
        _ bytes: Span<UInt8>
    ) throws(FrameProblem) -> Number {
        let range = try take(MemoryLayout<Number>.size)
        return ByteReader.number(bytes, at: range.lowerBound)
    }

    /// The next number, where the caller knows that it is there.
    @inline(__always)
    mutating func unchecked<Number: FixedWidthInteger>(_ bytes: Span<UInt8>) -> Number {
        let value: Number = ByteReader.number(bytes, at: at)
        at += MemoryLayout<Number>.size
        return value
    }

    /// The next thirty-two bytes.
    mutating func digest(_ bytes: Span<UInt8>) throws(FrameProblem) -> Digest {
        Digest(bytes: bytes, at: try take(Digest.byteCount).lowerBound)
    }

    /// The next `count` bytes as text; they must be well-formed UTF-8.
    mutating func text(_ bytes: Span<UInt8>, count: Int) throws(FrameProblem) -> String {
        let range = try take(count)
        do {
            return String(copying: try UTF8Span(validating: bytes.extracting(range)))
        } catch {
            throw .damaged("a name is not UTF-8")
        }
    }

    /// A number at a place that the caller has checked; the span checks it again.
    @inline(__always)
    static func number<Number: FixedWidthInteger>(_ bytes: Span<UInt8>, at offset: Int) -> Number {
        var value: Number = 0
        for index in 0..<MemoryLayout<Number>.size {
            value |= Number(truncatingIfNeeded: bytes[offset + index]) << Number(index * 8)
        }
        return value
    }
}
