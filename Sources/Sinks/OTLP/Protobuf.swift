// SPDX-License-Identifier: Apache-2.0
import Platform

// The wire format of Protocol Buffers, as far as OTLP needs it: a message is a run of fields, each
// a tag (number << 3 | wire type) and a value; a message inside another stands as its length and
// its bytes. https://protobuf.dev/programming-guides/encoding/
//
//     0A 05 68 65 6C 6C 6F     field 1, wire type 2, five bytes: "hello"
//     10 96 01                 field 2, wire type 0: 150
//     09 01 00 00 00 00 00 00 00    field 1, wire type 1: eight bytes, the least one first

/// Lengths and tags of the wire format.
enum Protobuf {
    /// How many bytes a variable-length integer takes, 1 to 10.
    static func byteCount(varint value: UInt64) -> Int {
        (70 - (value | 1).leadingZeroBitCount) / 7
    }

    /// How many bytes a field with a number below 16 takes around and with `count` bytes.
    static func byteCount(field count: Int) -> Int {
        1 + byteCount(varint: UInt64(count)) + count
    }
}

extension ByteWriter {
    /// Appends a variable-length integer.
    mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Appends an integer field; numbers below 16.
    mutating func append(field number: UInt8, varint value: UInt64) {
        append(number << 3)
        append(varint: value)
    }

    /// Appends a field of eight bytes; numbers below 16.
    mutating func append(field number: UInt8, fixed value: UInt64) {
        append(number << 3 | 1)
        append(littleEndian: value)
    }

    /// Appends the head of a field whose bytes follow; numbers below 16.
    mutating func append(field number: UInt8, byteCount: Int) {
        append(number << 3 | 2)
        append(varint: UInt64(byteCount))
    }

    /// Appends a text or a message that was written elsewhere; numbers below 16.
    mutating func append(field number: UInt8, _ content: borrowing ByteWriter) {
        content.withBytes { bytes in
            append(field: number, byteCount: bytes.count)
            append(bytes)
        }
    }

    /// Appends a text; numbers below 16.
    mutating func append(field number: UInt8, _ text: String) {
        append(field: number, byteCount: text.utf8.count)
        append(text)
    }
}

/// Walks over the fields of a message that somebody else has written, who may mean no good.
///
/// It never reads behind the message and ends at the first thing that is not well-formed.
struct ProtobufReader {
    /// The value of one field.
    enum Value: Equatable {
        /// Wire type 0.
        case integer(UInt64)
        /// Wire type 2: where its bytes stand.
        case bytes(Range<Int>)
        /// Wire types 1 and 5, which nothing that we read has.
        case other
    }

    private var at: Int
    private let end: Int
    /// True when something was not well-formed: then nothing of the message may be relied on.
    private(set) var isDamaged = false

    /// Reads the message at `range`, which must lie inside the bytes that `next` is given.
    init(_ range: Range<Int>) {
        at = range.lowerBound
        end = range.upperBound
    }

    /// The next field; nil at the end and at damage.
    mutating func next(_ bytes: Span<UInt8>) -> (number: UInt64, value: Value)? {
        guard at < end, !isDamaged else { return nil }
        guard let tag = varint(bytes), tag >> 3 != 0, tag <= UInt64(UInt32.max),
            let value = value(UInt8(tag & 7), bytes)
        else {
            isDamaged = true
            return nil
        }
        return (tag >> 3, value)
    }

    private mutating func value(_ wireType: UInt8, _ bytes: Span<UInt8>) -> Value? {
        switch wireType {
        case 0: return varint(bytes).map { .integer($0) }
        case 1: return skip(8) ? .other : nil
        case 2:
            guard let count = varint(bytes), count <= UInt64(end - at) else { return nil }
            let start = at
            at += Int(count)
            return .bytes(start..<at)
        case 5: return skip(4) ? .other : nil
        // 3 and 4 are groups, which proto3 does not have.
        default: return nil
        }
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard end - at >= count else { return false }
        at += count
        return true
    }

    private mutating func varint(_ bytes: Span<UInt8>) -> UInt64? {
        var result: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard at < end else { return nil }
            let byte = bytes[at]
            at += 1
            // The tenth byte has room for one bit.
            if shift == 63, byte > 1 { return nil }
            result |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return result }
        }
        return nil
    }
}
