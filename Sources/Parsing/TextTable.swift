// SPDX-License-Identifier: Apache-2.0
import Platform

/// A closed list of texts, each with a number, found without making a string.
///
/// The hash looks at the ends and the middle only; the list is known, so that is enough, and every
/// hit is compared in full.
struct TextTable: Sendable {
    private struct Entry: Sendable {
        var offset: Int32
        var count: Int32
        var value: Int32
        /// The first eight bytes, fewer where the text is shorter, and a mask of what counts.
        var head: UInt64
        var headMask: UInt64
        /// The last eight bytes of a text of eight or more.
        var tail: UInt64
    }

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    private var places: [Int32] = []
    private var mask = 0

    /// Makes a table; of two equal texts the first counts.
    init(_ texts: [(text: String, value: Int)]) {
        var size = 8
        while size < texts.count * 4 { size *= 2 }
        mask = size - 1
        places = Array(repeating: -1, count: size)
        for (text, value) in texts {
            let utf8 = Array(text.utf8)
            guard find(utf8.span, 0..<utf8.count) == nil else { continue }
            var place = TextTable.hash(utf8.span, 0..<utf8.count) & mask
            while places[place] >= 0 { place = (place + 1) & mask }
            places[place] = Int32(entries.count)
            entries.append(TextTable.entry(utf8, offset: bytes.count, value: value))
            bytes += utf8
        }
    }

    private static func entry(_ text: [UInt8], offset: Int, value: Int) -> Entry {
        var entry = Entry(
            offset: Int32(offset), count: Int32(text.count), value: Int32(value), head: 0,
            headMask: 0, tail: 0)
        for (index, byte) in text.prefix(8).enumerated() {
            entry.head |= UInt64(byte) << UInt64(index * 8)
            entry.headMask |= 0xFF << UInt64(index * 8)
        }
        if text.count >= 8 { entry.tail = ByteSearch.word(text.span, at: text.count - 8) }
        return entry
    }

    var isEmpty: Bool { entries.isEmpty }

    /// The number of the text `span[range]`, nil when it is not in the list.
    @inline(__always)
    func find(_ span: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let index = findIndex(span, range)
        return index < 0 ? nil : Int(entries[index].value)
    }

    /// How many texts there are.
    var count: Int { entries.count }

    /// The number of the text at an index.
    @inline(__always)
    func value(at index: Int) -> Int { Int(entries[index].value) }

    /// Where the text at an index ends when it stands at `start`; 0 when it does not.
    @inline(__always)
    func end(of index: Int, in span: Span<UInt8>, at start: Int, _ limit: Int) -> Int {
        let entry = entries[index]
        let end = start + Int(entry.count)
        return end < limit && holds(entry, span, start..<end) ? end : 0
    }

    /// True when one of the texts is the beginning of `span[range]`.
    @inline(__always)
    func holdsPrefix(of span: Span<UInt8>, _ range: Range<Int>) -> Bool {
        for entry in entries {
            let end = range.lowerBound + Int(entry.count)
            if end <= range.upperBound, holds(entry, span, range.lowerBound..<end) { return true }
        }
        return false
    }

    /// True when the bytes of `span[range]`, as many as the entry has, are those of the entry.
    @inline(__always)
    private func holds(_ entry: Entry, _ span: Span<UInt8>, _ range: Range<Int>) -> Bool {
        if range.lowerBound + 8 <= span.count, entry.count <= 16 {
            // Two words that overlap cover a text of up to sixteen bytes.
            let head = ByteSearch.word(span, at: range.lowerBound)
            guard (head ^ entry.head) & entry.headMask == 0 else { return false }
            return entry.count <= 8
                || ByteSearch.word(span, at: range.upperBound - 8) == entry.tail
        }
        let from = Int(entry.offset)
        return ByteSearch.equal(
            span, range, bytes.span.extracting(from..<from + Int(entry.count)))
    }

    /// The index of the text `span[range]`, -1 when it is not in the list.
    @inline(__always)
    func findIndex(_ span: Span<UInt8>, _ range: Range<Int>) -> Int {
        guard !range.isEmpty else { return -1 }
        var place = TextTable.hash(span, range) & mask
        while places[place] >= 0 {
            let entry = entries[Int(places[place])]
            if Int(entry.count) == range.count, holds(entry, span, range) {
                return Int(places[place])
            }
            place = (place + 1) & mask
        }
        return -1
    }

    @inline(__always)
    private static func hash(_ span: Span<UInt8>, _ range: Range<Int>) -> Int {
        guard !range.isEmpty else { return 0 }
        var hash = UInt64(range.count) &* 0x9E37_79B9_7F4A_7C15
        if range.count >= 8 {
            // A product's words often share their beginnings, so the end and the middle count too.
            hash ^= ByteSearch.word(span, at: range.lowerBound) &* 0xBF58_476D_1CE4_E5B9
            hash ^= ByteSearch.word(span, at: range.upperBound - 8) &* 0x94D0_49BB_1331_11EB
            hash ^= ByteSearch.word(span, at: range.lowerBound + (range.count - 8) / 2)
            hash = (hash ^ (hash >> 31)) &* 0xD6E8_FEB8_6659_FD93
        } else {
            hash ^= UInt64(span[range.lowerBound]) << 8
            hash ^= UInt64(span[range.upperBound - 1]) << 24
            hash ^= UInt64(span[range.lowerBound + range.count / 2]) << 40
            hash ^= UInt64(span[range.lowerBound + range.count / 4]) << 16
            hash = (hash ^ (hash >> 31)) &* 0xD6E8_FEB8_6659_FD93
        }
        return Int(truncatingIfNeeded: (hash ^ (hash >> 32)) & 0x7FFF_FFFF)
    }
}
