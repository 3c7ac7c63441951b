// SPDX-License-Identifier: Apache-2.0
import Platform

/// Closed lists of texts, each with a number, found without making a string.
///
/// The hash looks at the ends and the middle only; the lists are known, so that is enough, and
/// every hit is compared in full. All lists share their memory: one of an array of lists would have
/// the references to its own counted at each look, by all threads in the same place.
struct TextTables: Sendable {
    /// One list: where its places begin, and its entries.
    private struct List: Sendable {
        var places: Int32
        var mask: Int32
        var entries: Range<Int32>
    }

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
    private var lists: [List] = []

    /// How many lists there are.
    var count: Int { lists.count }

    /// Adds a list and answers with its number; of two equal texts the first counts.
    mutating func append(_ texts: [(text: String, value: Int)]) -> Int {
        var size = 8
        while size < texts.count * 4 { size *= 2 }
        let number = lists.count
        lists.append(
            List(
                places: Int32(places.count), mask: Int32(size - 1),
                entries: Int32(entries.count)..<Int32(entries.count)))
        places += Array(repeating: -1, count: size)
        for (text, value) in texts {
            let utf8 = Array(text.utf8)
            guard findIndex(number, utf8.span, 0..<utf8.count) < 0 else { continue }
            let list = lists[number]
            var place = TextTables.hash(utf8.span, 0..<utf8.count) & Int(list.mask)
            while places[Int(list.places) + place] >= 0 { place = (place + 1) & Int(list.mask) }
            places[Int(list.places) + place] = Int32(entries.count)
            entries.append(TextTables.entry(utf8, offset: bytes.count, value: value))
            lists[number].entries = list.entries.lowerBound..<Int32(entries.count)
            bytes += utf8
        }
        return number
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

    /// How many texts a list has.
    func textCount(_ list: Int) -> Int { lists[list].entries.count }

    /// The number of the text `span[range]`, nil when it is not in the list.
    @inline(__always)
    func find(_ list: Int, _ span: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let index = findIndex(list, span, range)
        return index < 0 ? nil : value(at: index)
    }

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

    /// True when a text of the list is the beginning of `span[range]`.
    // Not inlined, because then the references to all three arrays would be counted.
    @inline(never)
    func holdsPrefix(_ list: Int, of span: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let list = lists[list]
        var index = Int(list.entries.lowerBound)
        while index < Int(list.entries.upperBound) {
            let end = range.lowerBound + Int(entries[index].count)
            if end <= range.upperBound, holds(entries[index], span, range.lowerBound..<end) {
                return true
            }
            index += 1
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
    func findIndex(_ list: Int, _ span: Span<UInt8>, _ range: Range<Int>) -> Int {
        guard !range.isEmpty else { return -1 }
        let list = lists[list]
        var place = TextTables.hash(span, range) & Int(list.mask)
        while true {
            let index = Int(places[Int(list.places) + place])
            guard index >= 0 else { return -1 }
            if Int(entries[index].count) == range.count, holds(entries[index], span, range) {
                return index
            }
            place = (place + 1) & Int(list.mask)
        }
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

/// One closed list of texts.
struct TextTable: Sendable {
    private let tables: TextTables
    /// How many texts there are.
    let count: Int

    /// Makes a table; of two equal texts the first counts.
    init(_ texts: [(text: String, value: Int)]) {
        var tables = TextTables()
        let number = tables.append(texts)
        count = tables.textCount(number)
        self.tables = tables
    }

    var isEmpty: Bool { count == 0 }

    /// The number of the text `span[range]`, nil when it is not in the list.
    @inline(__always)
    func find(_ span: Span<UInt8>, _ range: Range<Int>) -> Int? { tables.find(0, span, range) }

    /// The index of the text `span[range]`, -1 when it is not in the list.
    @inline(__always)
    func findIndex(_ span: Span<UInt8>, _ range: Range<Int>) -> Int {
        tables.findIndex(0, span, range)
    }

    /// The number of the text at an index.
    @inline(__always)
    func value(at index: Int) -> Int { tables.value(at: index) }

    /// Where the text at an index ends when it stands at `start`; 0 when it does not.
    @inline(__always)
    func end(of index: Int, in span: Span<UInt8>, at start: Int, _ limit: Int) -> Int {
        tables.end(of: index, in: span, at: start, limit)
    }
}
