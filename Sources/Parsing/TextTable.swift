// SPDX-License-Identifier: Apache-2.0
import Platform

/// A closed list of texts, each with a number, found without making a string.
///
/// The hash looks at the ends and the middle only; the lists are known, so that is enough, and
/// every hit is compared in full.
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
    /// The bytes of the longest text.
    private(set) var longestByteCount = 0

    /// Makes a table; of two equal texts the first counts.
    init(_ texts: [(text: String, value: Int)]) {
        reserve(texts.count)
        for (text, value) in texts { append(Array(text.utf8), value: value) }
    }

    /// How many texts there are.
    var count: Int { entries.count }

    var isEmpty: Bool { entries.isEmpty }

    /// Adds a text and answers with its index; one that is known keeps its number.
    @discardableResult
    mutating func append(_ text: [UInt8], value: Int) -> Int {
        let known = findIndex(text.span, 0..<text.count)
        guard known < 0 else { return known }
        entries.append(TextTable.entry(text, offset: bytes.count, value: value))
        bytes += text
        longestByteCount = max(longestByteCount, text.count)
        if entries.count * 4 > places.count { reserve(entries.count) } else { settle(count - 1) }
        return count - 1
    }

    /// Makes room for so many texts.
    private mutating func reserve(_ count: Int) {
        var size = 8
        while size < count * 4 { size *= 2 }
        places = Array(repeating: -1, count: size)
        mask = size - 1
        for index in entries.indices { settle(index) }
    }

    /// Gives an entry its place.
    private mutating func settle(_ index: Int) {
        let start = Int(entries[index].offset)
        let range = start..<start + Int(entries[index].count)
        var place = TextTable.hash(bytes.span, range) & mask
        while places[place] >= 0 { place = (place + 1) & mask }
        places[place] = Int32(index)
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

    // MARK: Looking up

    /// The number of the text `span[range]`, nil when it is not in the list.
    @inline(__always)
    func find(_ span: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let index = findIndex(span, range)
        return index < 0 ? nil : value(at: index)
    }

    /// The index of the text `span[range]`, -1 when it is not in the list.
    @inline(__always)
    func findIndex(_ span: Span<UInt8>, _ range: Range<Int>) -> Int {
        guard !range.isEmpty, range.count <= longestByteCount else { return -1 }
        var place = TextTable.hash(span, range) & mask
        while true {
            let index = Int(places[place])
            guard index >= 0 else { return -1 }
            if Int(entries[index].count) == range.count, holds(entries[index], span, range) {
                return index
            }
            place = (place + 1) & mask
        }
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

    /// True when the text at an index is the beginning of `span[range]`.
    @inline(__always)
    func isPrefix(_ index: Int, of span: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let end = range.lowerBound + Int(entries[index].count)
        return end <= range.upperBound && holds(entries[index], span, range.lowerBound..<end)
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

/// Closed lists of words, each word with a number of its own in every list that has it.
///
/// A declaration asks for one value in many lists: is it one of these, which rule is meant, what is
/// its word in the schema. So all the words stand in one table, where a value is looked up once;
/// what a list has for the word it is then costs a load.
struct WordLists: Sendable {
    /// One list: the words from `first` on, and where its numbers for them begin.
    private struct List: Sendable {
        var first: Int32
        var numbers: Range<Int32>
        var words: Range<Int32>
    }

    private var table = TextTable([])
    private var lists: [List] = []
    /// Of each word between the first and the last of a list its number, -1 for none.
    private var numbers: [Int32] = []
    /// The words of each list.
    private var words: [Int32] = []

    /// A text that is in no list.
    static let none = -1

    /// Adds a list and answers with its number; of two equal texts the first counts.
    mutating func append(_ texts: [(text: String, value: Int)]) -> Int {
        let found = texts.map { (word: table.append(Array($0.text.utf8), value: 0), $0.value) }
        let first = found.map(\.word).min() ?? 0
        let end = (found.map(\.word).max() ?? -1) + 1
        var values = [Int32](repeating: -1, count: end - first)
        for (word, value) in found.reversed() { values[word - first] = Int32(value) }
        let (start, begin) = (Int32(numbers.count), Int32(words.count))
        numbers += values
        words += found.map { Int32($0.word) }
        lists.append(
            List(
                first: Int32(first), numbers: start..<Int32(numbers.count),
                words: begin..<Int32(words.count)))
        return lists.count - 1
    }

    /// Which word of all lists `span[range]` is, `none` when it is none.
    @inline(__always)
    func find(_ span: Span<UInt8>, _ range: Range<Int>) -> Int { table.findIndex(span, range) }

    /// The number that a list has for a word, -1 when it has none.
    @inline(__always)
    func number(of word: Int, in list: Int) -> Int {
        let list = lists[list]
        let place = word - Int(list.first)
        guard place >= 0, place < list.numbers.count else { return -1 }
        return Int(numbers[Int(list.numbers.lowerBound) + place])
    }

    /// True when a word of the list is the beginning of `span[range]`.
    func holdsPrefix(_ list: Int, of span: Span<UInt8>, _ range: Range<Int>) -> Bool {
        for index in lists[list].words
        where table.isPrefix(Int(words[Int(index)]), of: span, range) {
            return true
        }
        return false
    }
}
