// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A short name as it stands in a body, with its closing quote, for comparing eight bytes at once.
struct QuotedWord: Sendable {
    private let first: UInt64
    private let firstMask: UInt64
    private let second: UInt64
    private let secondMask: UInt64
    /// The bytes without the quote.
    let count: Int

    /// The longest name, so that the quote still fits.
    static let byteLimit = 15

    /// Prepares a name of at most `byteLimit` bytes without anything that JSON escapes.
    init(_ text: StaticString) {
        var words: (UInt64, UInt64) = (0, 0)
        var masks: (UInt64, UInt64) = (0, 0)
        var index = 0
        for byte in Array(String(describing: text).utf8) + [UInt8(ascii: "\"")] {
            let shift = UInt64(index & 7) * 8
            if index < 8 {
                words.0 |= UInt64(byte) << shift
                masks.0 |= 0xFF << shift
            } else {
                words.1 |= UInt64(byte) << shift
                masks.1 |= 0xFF << shift
            }
            index += 1
        }
        (first, second) = words
        (firstMask, secondMask) = masks
        count = text.utf8CodeUnitCount
        if count > QuotedWord.byteLimit { bug("the name \(text) is too long to be looked up") }
    }

    /// Whether a value in its quotes is this word.
    @inline(__always)
    func isAll(of range: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        guard range.count == count &+ 2 else { return false }
        let scanner = BodyScanner(at: range.lowerBound &+ 1, end: range.upperBound)
        return matches(scanner.word(bytes, 0), scanner, bytes)
    }

    /// Whether a name and its quote begin with this word, which the scanner has loaded.
    @inline(__always)
    func matches(_ word: UInt64, _ scanner: BodyScanner, _ bytes: Span<UInt8>) -> Bool {
        word & firstMask == first
            && (secondMask == 0 || scanner.word(bytes, 8) & secondMask == second)
    }
}

/// The groups of fields that are copied as a whole.
enum BodyGroup: Int, Sendable, CaseIterable {
    case auth, change, grant, scope, session, target, token
}

/// Where the value of each field stands in a canonical body.
///
/// The body is what this agent wrote in RFC 8785 form, but nothing is taken for granted: whatever
/// is not in that form makes `read` answer false. Values are ranges of raw JSON, quotes included.
struct BodyFields {
    /// One bit for each field that was found: 0 to 63, then 64 and up.
    private(set) var present: (low: UInt64, high: UInt64) = (0, 0)
    /// One bit for each group that was found and that is copied as a whole.
    private(set) var presentGroups = 0
    // Start and end of the values: of all fields, then of the groups that are copied.
    private var ends = [UInt64](
        repeating: 0, count: Field.allCases.count + BodyGroup.allCases.count)
    // Held here and not as globals, which would be asked for at every name.
    private let names = BodyNames.shared
    private let required = BodyFields.bits(
        [.action, .id, .observed, .outcome, .severity, .time])

    /// The raw JSON of a field; nil when the body does not have it.
    @inline(__always)
    func range(of field: Field) -> Range<Int>? {
        let index = UInt64(field.rawValue)
        let isPresent =
            index < 64 ? present.low >> index & 1 == 1 : present.high >> (index - 64) & 1 == 1
        return isPresent ? range(at: Int(index)) : nil
    }

    /// The raw JSON of a field that is known to be there.
    @inline(__always)
    func range(at index: Int) -> Range<Int> {
        let both = ends[index]
        return Int(both >> 32)..<Int(both & 0xFFFF_FFFF)
    }

    /// Whether the fields without which no event is one are there.
    @inline(__always)
    var hasRequired: Bool {
        present.low & required.low == required.low
            && present.high & required.high == required.high
    }

    private static func bits(_ fields: [Field]) -> (low: UInt64, high: UInt64) {
        var bits: (low: UInt64, high: UInt64) = (0, 0)
        for field in fields {
            let index = UInt64(field.rawValue)
            if index < 64 { bits.low |= 1 << index } else { bits.high |= 1 << (index - 64) }
        }
        return bits
    }

    /// Where the range of a group is found.
    static func index(of group: BodyGroup) -> Int { Field.allCases.count + group.rawValue }

    /// Finds all fields of an event's body; false when anything about it is surprising.
    ///
    /// Where the agent still knows what it wrote where, nothing has to be looked for.
    @inline(__always)
    mutating func read(_ batch: borrowing SealedBatch, event: Int) -> Bool {
        let places = batch.places.range(of: event)
        let range = batch.bodyRange(event)
        guard !places.isEmpty, range.upperBound <= Int(UInt32.max) else {
            return read(batch.bodies.span, range)
        }
        take(batch.places.places.span.extracting(places), range.lowerBound)
        return true
    }

    private mutating func take(_ places: Span<FieldPlace>, _ base: Int) {
        present = (0, 0)
        presentGroups = 0
        var open = -1
        var groupStart = 0
        var groupEnd = 0
        for index in places.indices {
            let place = places[index]
            let number = Int(place.field.rawValue)
            let start = base &+ Int(place.start)
            let end = base &+ Int(place.end)
            note(number, start, end)
            let copied = Int(names.copied[number])
            if copied != open {
                if open >= 0 { noteGroup(open, groupStart, groupEnd) }
                open = copied
                // Before the first value of a group stand `{"`, its name, and `":`.
                groupStart = start &- names.fields[number].count &- 4
            }
            groupEnd = end &+ 1
        }
        if open >= 0 { noteGroup(open, groupStart, groupEnd) }
    }

    @inline(__always)
    private mutating func noteGroup(_ index: Int, _ start: Int, _ end: Int) {
        ends[index] = UInt64(start) << 32 | UInt64(end)
        presentGroups |= 1 &<< (index &- names.fields.count)
    }

    /// Finds all fields of the body at `range`; false when anything about it is surprising.
    mutating func read(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        present = (0, 0)
        presentGroups = 0
        guard range.lowerBound >= 0, range.upperBound <= bytes.count, range.count >= 2,
            range.upperBound <= Int(UInt32.max)
        else { return false }
        var scanner = BodyScanner(at: range.lowerBound, end: range.upperBound)
        guard scanner.take(UInt8(ascii: "{"), bytes) else { return false }
        var next = 0
        while true {
            guard scanner.take(UInt8(ascii: "\""), bytes) else { return false }
            let found = scanner.find(names.members, 0, next, names.members.count, bytes)
            if found >= 0 {
                next = found + 1
                guard readMember(names.groups[found], &scanner, bytes) else { return false }
            } else {
                guard found == BodyNames.unknown, scanner.skipMember(bytes) else { return false }
            }
            if scanner.take(UInt8(ascii: ","), bytes) { continue }
            return scanner.take(UInt8(ascii: "}"), bytes) && scanner.at == range.upperBound
        }
    }

    @inline(__always)
    private mutating func readMember(
        _ group: BodyNames.Group, _ scanner: inout BodyScanner, _ bytes: Span<UInt8>
    ) -> Bool {
        guard group.isObject else {
            let start = scanner.at
            guard scanner.skipValue(bytes) else { return false }
            note(Int(group.first), start, scanner.at)
            return true
        }
        let groupStart = scanner.at
        guard scanner.take(UInt8(ascii: "{"), bytes) else { return false }
        let first = Int(group.first)
        let end = Int(group.end)
        var next = first
        while true {
            guard scanner.take(UInt8(ascii: "\""), bytes) else { return false }
            let found = scanner.find(names.fields, first, next, end, bytes)
            if found >= 0 {
                next = found + 1
                let start = scanner.at
                guard scanner.skipValue(bytes) else { return false }
                note(found, start, scanner.at)
            } else {
                guard found == BodyNames.unknown, scanner.skipMember(bytes) else { return false }
            }
            if scanner.take(UInt8(ascii: ","), bytes) { continue }
            guard scanner.take(UInt8(ascii: "}"), bytes) else { return false }
            if group.copied >= 0 {
                noteGroup(Int(group.copied), groupStart, scanner.at)
            }
            return true
        }
    }

    @inline(__always)
    private mutating func note(_ index: Int, _ start: Int, _ end: Int) {
        ends[index] = UInt64(start) << 32 | UInt64(end)
        if index < 64 {
            present.low |= 1 &<< UInt64(index)
        } else {
            present.high |= 1 &<< UInt64(index &- 64)
        }
    }
}

/// The names that may stand in a body, in the order in which RFC 8785 writes them.
struct BodyNames: Sendable {
    /// A member of the event: a field of its own, or a group of fields.
    struct Group: Sendable {
        /// The field, or the first one of the group, by raw value.
        let first: UInt8
        /// Behind the last one.
        var end: UInt8
        /// True for a group, even of one field.
        let isObject: Bool
        /// Where the range of the whole group is kept; -1 where it is not wanted.
        let copied: Int16
    }

    /// The name that was looked for is not known.
    static let unknown = -1
    /// The name is known, but stands out of order, or twice, or without a colon.
    static let misplaced = -2

    /// The members of the event itself.
    private(set) var members: [QuotedWord] = []
    /// What each of them is.
    private(set) var groups: [Group] = []
    /// The name of each field in its group, by raw value.
    private(set) var fields: [QuotedWord] = []
    /// By raw value of a field: `Group.copied` of the group that it stands in.
    private(set) var copied: [Int16] = []

    /// The names of this version of the schema.
    static let shared = BodyNames()

    private init() {
        var last: String?
        // `Field` stands in the order of RFC 8785, so the fields of a group are neighbours.
        for field in Field.allCases {
            let entry = field.entry
            fields.append(QuotedWord(entry.key))
            let group = entry.group.map { String(describing: $0) }
            let whole = BodyGroup.allCases.first { String(describing: $0) == group }
            copied.append(whole.map { Int16(BodyFields.index(of: $0)) } ?? -1)
            if let group, group == last {
                groups[groups.count - 1].end = field.rawValue + 1
                continue
            }
            last = group
            members.append(QuotedWord(entry.group ?? entry.key))
            groups.append(
                Group(
                    first: field.rawValue, end: field.rawValue + 1, isObject: group != nil,
                    copied: copied[copied.count - 1]))
        }
    }
}

/// Walks over JSON that has no white space between its tokens.
struct BodyScanner {
    /// The next byte.
    var at: Int
    /// Behind the last byte.
    let end: Int

    init(at: Int, end: Int) {
        self.at = at
        self.end = end
    }

    /// Eight bytes from `at + offset`, the first one lowest; zeros behind the end.
    @inline(__always)
    func word(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        let start = at &+ offset
        if start <= end &- 8 {
            return ByteSearch.word(bytes, at: start)
        }
        var word: UInt64 = 0
        var index = start
        while index < end {
            word |= UInt64(bytes[index]) << UInt64((index - start) * 8)
            index += 1
        }
        return word
    }

    /// The index of the name that begins here, among `names[first..<end]` from `next` on.
    ///
    /// Goes on behind the colon. `BodyNames.unknown` leaves the scanner in place.
    @inline(__always)
    mutating func find(
        _ names: [QuotedWord], _ first: Int, _ next: Int, _ end: Int, _ bytes: Span<UInt8>
    ) -> Int {
        let word = word(bytes, 0)
        var index = next
        while index < end {
            if names[index].matches(word, self, bytes) {
                at += names[index].count + 1
                return take(UInt8(ascii: ":"), bytes) ? index : BodyNames.misplaced
            }
            index += 1
        }
        for index in first..<next where names[index].matches(word, self, bytes) {
            return BodyNames.misplaced
        }
        return BodyNames.unknown
    }

    /// Goes past a byte if it comes next.
    @inline(__always)
    mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard at < end, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    /// Goes past the value of a field: a text, a set or an object of texts, an integer, a truth.
    @inline(__always)
    mutating func skipValue(_ bytes: Span<UInt8>) -> Bool {
        guard at < end else { return false }
        if bytes[at] == UInt8(ascii: "\"") {
            at += 1
            return skipText(bytes)
        }
        return skipOther(bytes)
    }

    /// Goes past a name whose opening quote is behind, its colon and its value.
    mutating func skipMember(_ bytes: Span<UInt8>) -> Bool {
        guard skipText(bytes), take(UInt8(ascii: ":"), bytes), at < end else { return false }
        // A later version may have groups that this one does not know.
        return skipValue(bytes)
    }

    /// Goes past the rest of a text and its closing quote.
    @inline(__always)
    private mutating func skipText(_ bytes: Span<UInt8>) -> Bool {
        while at < end {
            let mask = BodyScanner.stopMask(word(bytes, 0))
            if mask == 0 {
                at += 8
                continue
            }
            at += mask.trailingZeroBitCount >> 3
            guard at < end else { return false }
            if bytes[at] == UInt8(ascii: "\"") {
                at += 1
                return true
            }
            guard bytes[at] == UInt8(ascii: "\\"), skipEscape(bytes) else { return false }
        }
        return false
    }

    private mutating func skipEscape(_ bytes: Span<UInt8>) -> Bool {
        guard at + 1 < end else { return false }
        switch bytes[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 2
            return true
        case UInt8(ascii: "u"):
            guard at + 6 <= end else { return false }
            for index in at + 2..<at + 6 where !BodyScanner.isHexDigit(bytes[index]) {
                return false
            }
            at += 6
            return true
        default:
            return false
        }
    }

    private mutating func skipOther(_ bytes: Span<UInt8>) -> Bool {
        switch bytes[at] {
        case UInt8(ascii: "["): return skipSet(bytes)
        case UInt8(ascii: "{"): return skipMap(bytes)
        case UInt8(ascii: "t"): return skipWord("true", bytes)
        case UInt8(ascii: "f"): return skipWord("false", bytes)
        default: return skipInteger(bytes)
        }
    }

    private mutating func skipSet(_ bytes: Span<UInt8>) -> Bool {
        at += 1
        while true {
            guard take(UInt8(ascii: "\""), bytes), skipText(bytes) else { return false }
            if take(UInt8(ascii: ","), bytes) { continue }
            return take(UInt8(ascii: "]"), bytes)
        }
    }

    private mutating func skipMap(_ bytes: Span<UInt8>) -> Bool {
        at += 1
        while true {
            guard take(UInt8(ascii: "\""), bytes), skipText(bytes),
                take(UInt8(ascii: ":"), bytes), at < end, bytes[at] != UInt8(ascii: "{"),
                skipValue(bytes)
            else { return false }
            if take(UInt8(ascii: ","), bytes) { continue }
            return take(UInt8(ascii: "}"), bytes)
        }
    }

    private mutating func skipWord(_ word: StaticString, _ bytes: Span<UInt8>) -> Bool {
        for byte in String(describing: word).utf8 where !take(byte, bytes) { return false }
        return true
    }

    private mutating func skipInteger(_ bytes: Span<UInt8>) -> Bool {
        _ = take(UInt8(ascii: "-"), bytes)
        let start = at
        while at < end, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
        let count = at - start
        return count == 1 || count > 1 && bytes[start] != 0x30
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x66
            || byte >= 0x41 && byte <= 0x46
    }

    // Marks quotes, backslashes and control characters; only the lowest mark can be relied on.
    // The zeros behind the end count as control characters, so the walk stops there.
    @inline(__always)
    private static func stopMask(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let quote = word ^ 0x2222_2222_2222_2222
        let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let control = (word &- 0x2020_2020_2020_2020) & ~word
        return ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | control) & highs
    }
}
