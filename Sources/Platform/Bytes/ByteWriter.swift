// SPDX-License-Identifier: Apache-2.0
import CSIMD
import Glibc

/// A growing run of bytes that the hot path writes into.
///
/// It is the one place where output is put together: canonical bodies, frames and documents. Every
/// append makes its own room, so no call can write past the end.
public struct ByteWriter: ~Copyable {
    // Safe because `base` always points at `capacity` bytes that this value alone owns, of which
    // the first `count` are initialised; `reserve` is called before every store.
    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @usableFromInline var capacity: Int
    @usableFromInline var written = 0

    /// The number of bytes written so far.
    @inlinable
    public var count: Int { written }

    /// Makes an empty writer with room for `capacity` bytes.
    public init(capacity: Int = 256) {
        self.capacity = max(capacity, 32)
        base = .allocate(capacity: self.capacity)
    }

    deinit {
        base.deallocate()
    }

    /// Makes room for `more` bytes, so that the appends that follow do not allocate.
    @inlinable
    @inline(__always)
    public mutating func reserve(_ more: Int) {
        if capacity - count < more { grow(more) }
    }

    @inline(never)
    @usableFromInline
    mutating func grow(_ more: Int) {
        let bigger = max(capacity * 2, count + more)
        // Safe because the old block is copied whole and freed exactly once.
        let new = UnsafeMutablePointer<UInt8>.allocate(capacity: bigger)
        new.update(from: base, count: count)
        base.deallocate()
        base = new
        capacity = bigger
    }

    /// Forgets what was written behind `count` bytes; the room stays.
    @inlinable
    public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count)
        written = count
    }

    /// Forgets everything; the room stays.
    @inlinable
    public mutating func removeAll() {
        written = 0
    }

    /// Calls `body` with the bytes written so far.
    @inlinable
    @inline(__always)
    public func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe because the span does not leave the call, during which nothing can be appended.
        try body(Span(_unsafeStart: UnsafePointer(base), count: count))
    }

    /// A copy of the bytes written so far.
    public func makeArray() -> [UInt8] {
        makeArray(0..<count)
    }

    /// A copy of a part of what was written.
    public func makeArray(_ range: Range<Int>) -> [UInt8] {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        // Safe because the range was checked and the buffer is copied before it is left.
        return [UInt8](UnsafeBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// The bytes as text; ill-formed UTF-8 is repaired.
    public func makeString() -> String {
        // Safe because the buffer covers exactly the initialised bytes.
        String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
    }

    // MARK: Appending

    /// Appends one byte.
    @inlinable
    @inline(__always)
    public mutating func append(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        written += 1
    }

    /// Appends a run of bytes.
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: Span<UInt8>) {
        let more = bytes.count
        guard more > 0 else { return }
        reserve(more)
        // Safe because room was reserved and a span never overlaps memory owned by this writer.
        bytes.withUnsafeBufferPointer { source in
            if let start = source.baseAddress { memcpy(base + count, start, more) }
        }
        written += more
    }

    /// Appends a part of an array of bytes.
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: borrowing [UInt8], _ range: Range<Int>) {
        append(bytes.span.extracting(range))
    }

    /// Appends an array of bytes.
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: borrowing [UInt8]) {
        append(bytes.span)
    }

    /// How many bytes a table of short texts must have behind the last text.
    @inlinable
    public static var tablePaddingByteCount: Int { 16 }

    /// Appends a part of a table of short texts, in steps of sixteen bytes.
    ///
    /// The table has `tablePaddingByteCount` bytes more behind the part; they are not kept.
    @inlinable
    public mutating func append(fromTable table: borrowing [UInt8], _ range: Range<Int>) {
        reserve(range.count + ByteWriter.tablePaddingByteCount)
        appendPart(of: table, range)
    }

    /// Appends a part of a table of short texts, as above, and a JSON string with its quotes.
    public mutating func append(
        fromTable table: borrowing [UInt8], _ range: Range<Int>, jsonString text: Span<UInt8>
    ) {
        reserve(range.count + ByteWriter.tablePaddingByteCount)
        appendPart(of: table, range)
        append(jsonString: text)
    }

    // The caller has reserved the part and the padding.
    @inlinable
    mutating func appendPart(of table: borrowing [UInt8], _ range: Range<Int>) {
        let step = ByteWriter.tablePaddingByteCount
        precondition(range.lowerBound >= 0 && range.upperBound + step <= table.count)
        // Safe because every step begins inside the part, so it ends inside the padding, both in
        // the table and in the room that was reserved.
        table.withUnsafeBytes { copySteps($0, range) }
    }

    // Copies a part in steps of sixteen bytes.
    // Safe because the caller has made sure that the source and the room that is reserved reach
    // that much further than the part.
    @inlinable
    @inline(__always)
    mutating func copySteps(_ source: UnsafeRawBufferPointer, _ range: Range<Int>) {
        guard let start = source.baseAddress else { return }
        var at = 0
        repeat {
            // Safe because each step begins inside the part.
            UnsafeMutableRawPointer(base + count + at).storeBytes(
                of: start.loadUnaligned(
                    fromByteOffset: range.lowerBound + at, as: SIMD2<UInt64>.self),
                as: SIMD2<UInt64>.self)
            at += ByteWriter.tablePaddingByteCount
        } while at < range.count
        written += range.count
    }

    // A part that is longer than this is left to memcpy(3).
    @usableFromInline static var shortPartByteCount: Int { 64 }

    /// Appends a part of a longer run, in steps of sixteen bytes where it is short and others
    /// stand behind it.
    @inlinable
    @inline(__always)
    public mutating func append(part range: Range<Int>, of bytes: Span<UInt8>) {
        let step = ByteWriter.tablePaddingByteCount
        guard range.count <= ByteWriter.shortPartByteCount, range.lowerBound >= 0,
            range.upperBound <= bytes.count - step
        else { return append(bytes.extracting(range)) }
        reserve(range.count + step)
        // Safe because every step begins inside the part, so it ends inside the span, as was
        // checked, and inside the room that was reserved.
        bytes.withUnsafeBytes { copySteps($0, range) }
    }

    /// Appends the UTF-8 of a literal.
    @inlinable
    @inline(__always)
    public mutating func append(_ text: StaticString) {
        let more = text.utf8CodeUnitCount
        reserve(more)
        // Safe because a static string lives for ever and room was reserved.
        memcpy(base + count, text.utf8Start, more)
        written += more
    }

    /// Appends the UTF-8 of a text; a literal is taken as a static string, which costs less.
    @_disfavoredOverload
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            reserve(utf8.count)
            if let start = utf8.baseAddress { memcpy(base + count, start, utf8.count) }
            written += utf8.count
        }
    }

    /// Appends an integer in decimal, without leading zeros.
    public mutating func append(decimal value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: value.magnitude)
    }

    /// Appends an unsigned integer in decimal, without leading zeros.
    public mutating func append(decimal value: UInt64) {
        reserve(20)
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, value >= bound {
            digits += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        var rest = value
        var at = count + digits
        repeat {
            at -= 1
            base[at] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while at > count
        written += digits
    }

    /// Appends `width` decimal digits of a value that fits, with leading zeros.
    @inlinable
    @inline(__always)
    public mutating func append(padded value: Int, width: Int) {
        reserve(width)
        var rest = value
        var at = count + width
        while at > count {
            at -= 1
            base[at] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        written += width
    }

    /// Appends bytes as lower-case hexadecimal.
    public mutating func append(hex bytes: Span<UInt8>) {
        reserve(bytes.count * 2)
        for index in bytes.indices {
            let byte = bytes[index]
            base[count] = ByteWriter.hexDigit(byte >> 4)
            base[count + 1] = ByteWriter.hexDigit(byte & 15)
            written += 2
        }
    }

    /// Appends the first bytes of a digest as lower-case hexadecimal.
    ///
    /// - Parameter byteCount: 1 to 32.
    public mutating func append(hex digest: Digest, byteCount: Int = Digest.byteCount) {
        precondition(byteCount > 0 && byteCount <= Digest.byteCount)
        // The digest is laid down raw in the upper half of the room and spread from there.
        reserve(2 * Digest.byteCount + Digest.byteCount)
        // Safe because three times the digest's length was reserved behind `count`, four bytes are
        // read and eight written at a time, and `byteCount` rounded up is not above the length.
        let raw = UnsafeMutableRawPointer(base + count)
        digest.store(to: base + count + 2 * Digest.byteCount)
        for index in stride(from: 0, to: byteCount, by: 4) {
            let four = raw.loadUnaligned(
                fromByteOffset: 2 * Digest.byteCount + index, as: UInt32.self)
            raw.storeBytes(
                of: ByteWriter.hexDigits(four.littleEndian).littleEndian,
                toByteOffset: 2 * index, as: UInt64.self)
        }
        written += 2 * byteCount
    }

    // Eight digits of four bytes, first digit lowest: one step for each digit would cost more
    // than the hash of a short text.
    @inline(__always)
    private static func hexDigits(_ bytes: UInt32) -> UInt64 {
        var lanes = UInt64(bytes)
        lanes = (lanes | lanes << 16) & 0x0000_FFFF_0000_FFFF
        lanes = (lanes | lanes << 8) & 0x00FF_00FF_00FF_00FF
        let digits = (lanes >> 4 & 0x000F_000F_000F_000F) | (lanes & 0x000F_000F_000F_000F) << 8
        let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return digits &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }

    /// Appends one byte as two lower-case hexadecimal digits.
    @inline(__always)
    public mutating func append(hex byte: UInt8) {
        reserve(2)
        base[count] = ByteWriter.hexDigit(byte >> 4)
        base[count + 1] = ByteWriter.hexDigit(byte & 15)
        written += 2
    }

    @inline(__always)
    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? 0x30 &+ value : 0x57 &+ value
    }

    /// Appends the thirty-two bytes of a digest.
    @inline(__always)
    public mutating func append(_ digest: Digest) {
        reserve(Digest.byteCount)
        // Safe because room for exactly these bytes was reserved.
        digest.store(to: base + count)
        written += Digest.byteCount
    }

    /// Appends bytes as base64 in the URL-safe alphabet of RFC 4648 §5, without padding.
    public mutating func append(base64URL bytes: Span<UInt8>) {
        reserve((bytes.count + 2) / 3 * 4)
        // Safe because room for every digit was reserved, the source is read inside its count, and
        // a digit's value is below 64, the length of the alphabet.
        bytes.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            let alphabet = ByteWriter.base64URLAlphabet.utf8Start
            var at = sealtail_base64_url(start, source.count, base + count)
            var target = base + count + at / 3 * 4
            while at + 3 <= source.count {
                let word = Int(start[at]) << 16 | Int(start[at + 1]) << 8 | Int(start[at + 2])
                target[0] = alphabet[word >> 18]
                target[1] = alphabet[word >> 12 & 63]
                target[2] = alphabet[word >> 6 & 63]
                target[3] = alphabet[word & 63]
                target += 4
                at += 3
            }
            let rest = source.count - at
            if rest > 0 {
                let word = Int(start[at]) << 16 | (rest == 2 ? Int(start[at + 1]) << 8 : 0)
                target[0] = alphabet[word >> 18]
                target[1] = alphabet[word >> 12 & 63]
                if rest == 2 { target[2] = alphabet[word >> 6 & 63] }
                target += rest + 1
            }
            written = target - base
        }
    }

    private static let base64URLAlphabet: StaticString =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    /// Appends an integer as `count` bytes, least significant first.
    @inlinable
    @inline(__always)
    public mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        let size = MemoryLayout<Value>.size
        reserve(size)
        // Safe because room for exactly these bytes was reserved; the store may be unaligned.
        UnsafeMutableRawPointer(base + count).storeBytes(of: value.littleEndian, as: Value.self)
        written += size
    }

    /// Overwrites bytes already written with an integer, least significant byte first.
    @inlinable
    public mutating func overwrite<Value: FixedWidthInteger>(littleEndian value: Value, at: Int) {
        let size = MemoryLayout<Value>.size
        precondition(at >= 0 && at + size <= count)
        // Safe because the place was checked to lie inside what is written.
        UnsafeMutableRawPointer(base + at).storeBytes(of: value.littleEndian, as: Value.self)
    }

    /// Overwrites bytes already written.
    public mutating func overwrite(_ bytes: Span<UInt8>, at: Int) {
        precondition(at >= 0 && at + bytes.count <= count)
        for index in bytes.indices { base[at + index] = bytes[index] }
    }

    /// Appends a moment in canonical form (RFC 3339, UTC, six digits, `Z`).
    public mutating func append(_ moment: Timestamp) {
        let clamped = min(max(moment, Timestamp.earliest), Timestamp.latest).microseconds
        let day = Int(clamped >= 0 ? clamped : clamped - 86_399_999_999) / 86_400_000_000
        var rest = Int(clamped) - day * 86_400_000_000
        let date = CivilDate(daysSince1970: day)
        let microsecond = rest % 1_000_000
        rest /= 1_000_000
        append("0000-00-00T00:00:00.000000Z")
        let start = count - Timestamp.textByteCount
        storePair(date.year / 100, at: start)
        storePair(date.year % 100, at: start + 2)
        storePair(date.month, at: start + 5)
        storePair(date.day, at: start + 8)
        storePair(rest / 3_600, at: start + 11)
        storePair(rest / 60 % 60, at: start + 14)
        storePair(rest % 60, at: start + 17)
        storePair(microsecond / 10_000, at: start + 20)
        storePair(microsecond / 100 % 100, at: start + 22)
        storePair(microsecond % 100, at: start + 24)
    }

    // Two decimal digits of a value below 100, over bytes that are written already.
    @inline(__always)
    private mutating func storePair(_ value: Int, at place: Int) {
        let value = UInt8(truncatingIfNeeded: value)
        base[place] = 0x30 &+ value / 10
        base[place + 1] = 0x30 &+ value % 10
    }
}
