// SPDX-License-Identifier: Apache-2.0
import CSIMD

/// The strings of JSON as RFC 8785 writes them.
extension ByteWriter {
    /// Appends the inside of a JSON string as RFC 8785 §3.2.2.2 writes it, without the quotes.
    ///
    /// Escaped are `"`, `\` and what is below U+0020; everything else stands as it is. The caller
    /// hands in well-formed UTF-8.
    public mutating func append(escaped text: Span<UInt8>) {
        let length = text.count
        // Most texts need few escapes or, as JSON in JSON, one for every few bytes.
        reserve(length + length / 4 + 16)
        text.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            // Safe because every load of eight bytes is checked to end inside the span, and before
            // each store there is room for all that is left and one escape, sixteen bytes more.
            let raw = UnsafeRawPointer(start)
            var at = escapePieces(start, length)
            while at + 8 <= length {
                let word = raw.loadUnaligned(fromByteOffset: at, as: UInt64.self).littleEndian
                let mask = ByteWriter.escapeMask(word)
                // Safe because of what is said above.
                UnsafeMutableRawPointer(base + count).storeBytes(
                    of: word.littleEndian, as: UInt64.self)
                if mask == 0 {
                    at += 8
                    written += 8
                    continue
                }
                // Growing keeps what is counted only, so the word is written once more.
                reserve(length - at + 32)
                // Safe because thirty-two bytes and more were just reserved.
                UnsafeMutableRawPointer(base + count).storeBytes(
                    of: word.littleEndian, as: UInt64.self)
                if ByteWriter.hasControl(word) {
                    let clean = mask.trailingZeroBitCount >> 3
                    written += clean
                    at += clean
                    appendEscape(start[at])
                    at += 1
                } else {
                    spreadWord(word)
                    at += 8
                }
            }
            if length >= 8, at < length {
                // The last word again, shifted so that only what is left of it counts; the room
                // above is filled with spaces, which need no escape.
                let left = length - at
                let word = raw.loadUnaligned(fromByteOffset: length - 8, as: UInt64.self)
                let shift = UInt64(8 - left) * 8
                let rest = word.littleEndian >> shift | 0x2020_2020_2020_2020 << (UInt64(left) * 8)
                if ByteWriter.escapeMask(rest) == 0 {
                    // Safe because eight bytes and more are reserved behind `count` here.
                    UnsafeMutableRawPointer(base + count).storeBytes(
                        of: rest.littleEndian, as: UInt64.self)
                    written += left
                    return
                }
            }
            while at < length {
                let byte = start[at]
                at += 1
                if byte >= 0x20, byte != 0x22, byte != 0x5C {
                    base[count] = byte
                    written += 1
                } else {
                    appendEscape(byte)
                    reserve(length - at + 16)
                }
            }
        }
    }

    // From here on it pays to make room for the worst case and to take many bytes at once.
    private static let pieceByteCount = 64

    // Escapes the beginning of a long text as far as that goes fast; answers how far.
    // Safe because the caller hands in the start of a span that it holds, and its length.
    @inline(__always)
    private mutating func escapePieces(_ start: UnsafePointer<UInt8>, _ length: Int) -> Int {
        guard length >= ByteWriter.pieceByteCount else { return 0 }
        reserve(2 * length + 64)
        var consumed = 0
        // Safe because the room that the function asks for was just reserved.
        written += sealtail_escape_json(start, length, base + count, &consumed)
        reserve(length - consumed + (length - consumed) / 4 + 16)
        return consumed
    }

    /// Appends a JSON string with its quotes.
    @inlinable
    @inline(__always)
    public mutating func append(jsonString text: Span<UInt8>) {
        append(UInt8(ascii: "\""))
        append(escaped: text)
        append(UInt8(ascii: "\""))
    }

    /// Appends a JSON string with its quotes.
    public mutating func append(jsonString text: String) {
        append(jsonString: Array(text.utf8).span)
    }

    // The lowest marked byte is the first one that needs an escape; marks above it may be false.
    @inline(__always)
    private static func escapeMask(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let quote = word ^ 0x2222_2222_2222_2222
        let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let control = (word &- 0x2020_2020_2020_2020) & ~word
        return ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | control) & highs
    }

    // True when one of the eight bytes is below U+0020.
    @inline(__always)
    private static func hasControl(_ word: UInt64) -> Bool {
        (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080 != 0
    }

    // Marks every quote and every backslash, and nothing else.
    @inline(__always)
    private static func quoteMask(_ word: UInt64) -> UInt64 {
        let lows: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        let quote = word ^ 0x2222_2222_2222_2222
        let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let isOther = ((quote & lows) &+ lows | quote) & ((backslash & lows) &+ lows | backslash)
        return ~(isOther | lows)
    }

    // Writes eight bytes that stand at `count` already, and a backslash before each quote and
    // each backslash among them. The caller has reserved what the eight bytes can become, sixteen,
    // and the eight by which the last store may reach further.
    @inline(__always)
    private mutating func spreadWord(_ word: UInt64) {
        var word = word
        var mask = ByteWriter.quoteMask(word)
        var left = 8
        while mask != 0 {
            let clean = mask.trailingZeroBitCount >> 3
            written += clean
            base[count] = 0x5C
            // Safe because the caller has reserved what this store can reach.
            word &>>= UInt64(clean) &* 8
            UnsafeMutableRawPointer(base + count + 1).storeBytes(
                of: word.littleEndian, as: UInt64.self)
            written += 2
            left &-= clean &+ 1
            word &>>= 8
            mask = (mask &>> (UInt64(clean) &* 8)) &>> 8
        }
        written += left
    }

    // The caller has reserved sixteen bytes.
    @inline(__always)
    private mutating func appendEscape(_ byte: UInt8) {
        base[count] = 0x5C
        if byte == 0x22 || byte == 0x5C {
            base[count + 1] = byte
            written += 2
        } else {
            appendControlEscape(byte)
        }
    }

    @inline(never)
    private mutating func appendControlEscape(_ byte: UInt8) {
        let short: UInt8
        switch byte {
        case 0x08: short = UInt8(ascii: "b")
        case 0x09: short = UInt8(ascii: "t")
        case 0x0A: short = UInt8(ascii: "n")
        case 0x0C: short = UInt8(ascii: "f")
        case 0x0D: short = UInt8(ascii: "r")
        default:
            append("\\u00")
            append(hex: byte)
            return
        }
        base[count + 1] = short
        written += 2
    }
}
