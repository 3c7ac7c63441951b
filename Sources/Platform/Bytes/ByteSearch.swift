// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Finding and comparing bytes at the speed of the C library, with checked ranges.
public enum ByteSearch {
    /// Where `byte` occurs first in `bytes[range]`.
    @inlinable
    public static func first(
        _ byte: UInt8, in bytes: Span<UInt8>, _ range: Range<Int>
    ) -> Int? {
        check(range, bytes.count)
        // Safe because the range was checked, and the answer lies in it.
        return bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress,
                let hit = memchr(start + range.lowerBound, Int32(byte), range.count)
            else { return nil }
            return UnsafeRawPointer(hit) - UnsafeRawPointer(start)
        }
    }

    /// Where `byte` occurs first.
    public static func first(_ byte: UInt8, in bytes: Span<UInt8>) -> Int? {
        first(byte, in: bytes, 0..<bytes.count)
    }

    /// Where `byte` occurs last in `bytes[range]`.
    public static func last(
        _ byte: UInt8, in bytes: Span<UInt8>, _ range: Range<Int>
    ) -> Int? {
        check(range, bytes.count)
        // Safe because the range was checked, and the answer lies in it.
        return bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress,
                let hit = sealtail_find_last_byte(
                    start + range.lowerBound, byte, range.count)
            else { return nil }
            return hit - start
        }
    }

    /// Where `needle` begins first in `bytes[range]`, whole. An empty needle is found at once.
    public static func first(
        _ needle: Span<UInt8>, in bytes: Span<UInt8>, _ range: Range<Int>
    ) -> Int? {
        check(range, bytes.count)
        guard needle.count > 0 else { return range.lowerBound }
        // Safe because the range was checked, and the answer lies in it.
        return bytes.withUnsafeBufferPointer { buffer in
            needle.withUnsafeBufferPointer { needle in
                guard let start = buffer.baseAddress,
                    let hit = sealtail_find_bytes(
                        start + range.lowerBound, range.count, needle.baseAddress, needle.count)
                else { return nil }
                return hit - start
            }
        }
    }

    /// Where `needle` begins first in `bytes[range]`, whole. An empty needle is found at once.
    public static func first(
        _ needle: [UInt8], in bytes: Span<UInt8>, _ range: Range<Int>
    ) -> Int? {
        first(needle.span, in: bytes, range)
    }

    /// Whether two spans hold the same bytes.
    public static func equal(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        return equal(left, 0..<left.count, right)
    }

    /// Whether `bytes[range]` is the same as all of `other`.
    @inlinable
    public static func equal(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ other: Span<UInt8>
    ) -> Bool {
        check(range, bytes.count)
        guard range.count == other.count else { return false }
        guard range.count > 0 else { return true }
        // Safe because both ranges were checked and have the same count.
        return bytes.withUnsafeBufferPointer { left in
            other.withUnsafeBufferPointer { right in
                guard let start = left.baseAddress, let end = right.baseAddress
                else { return false }
                return memcmp(start + range.lowerBound, end, range.count) == 0
            }
        }
    }

    /// Whether the bytes from `offset` begin with `prefix`; false when too few are left.
    public static func hasPrefix(
        _ prefix: Span<UInt8>, _ bytes: Span<UInt8>, at offset: Int = 0
    ) -> Bool {
        guard offset >= 0, bytes.count - offset >= prefix.count else { return false }
        return equal(bytes, offset..<(offset + prefix.count), prefix)
    }

    @usableFromInline
    static func check(_ range: Range<Int>, _ count: Int) {
        if range.lowerBound < 0 || range.upperBound > count {
            bug("a search in \(range) of \(count) bytes")
        }
    }
}

extension ByteSearch {
    /// Eight bytes as a number, least significant first; all of them must be there.
    @inlinable
    @inline(__always)
    public static func word(_ bytes: Span<UInt8>, at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset + 8 <= bytes.count)
        // Safe because the eight bytes were checked to lie inside the span, and any bits are an
        // integer.
        return bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            .littleEndian
    }
}
