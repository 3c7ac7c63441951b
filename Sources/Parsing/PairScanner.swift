// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A named value of the record that is being parsed.
struct Slot: Sendable {
    enum Form: UInt8, Sendable {
        /// There, but empty or a null word.
        case nothing
        /// Text in the block of records.
        case block
        /// Text in the scratch.
        case scratch
        /// A whole number.
        case integer
        /// Another number, by the bits of a Double.
        case double
        /// 0 or 1.
        case boolean
        /// Texts in the scratch, each behind its length as four bytes, in their order.
        case list
    }

    var form = Form.nothing
    /// The escape that the text still holds, 0 for none.
    var escape: UInt8 = 0
    /// The place of the path that gave it among the paths of its name.
    var rank: UInt8 = 0
    /// The value counts only for the record of this number.
    var stamp: UInt32 = 0
    /// Which word of the declaration it is, and which without what folding leaves out.
    var word = Slot.notLookedUp
    var foldedWord = Slot.notLookedUp
    var payload: UInt64 = 0

    static let notLookedUp: Int32 = -2

    @inline(__always)
    var offset: Int { Int(payload >> 32) }
    @inline(__always)
    var count: Int { Int(payload & 0xFFFF_FFFF) }
    @inline(__always)
    var range: Range<Int> { offset..<offset + count }
    @inline(__always)
    var isText: Bool { form == .block || form == .scratch }

    /// A whole number or truth as JSON writes it.
    var written: String {
        form == .boolean
            ? (payload == 1 ? "true" : "false") : String(Int64(bitPattern: payload))
    }

    @inline(__always)
    static func text(_ form: Form, _ offset: Int, _ count: Int, stamp: UInt32) -> Slot {
        Slot(form: form, stamp: stamp, payload: UInt64(offset) << 32 | UInt64(count))
    }
}

/// Splits `key=value, key="value", key='value'` without copying.
///
/// A quoted value ends at its quote when no backslash stands before it and either the text ends
/// there or `, key=` follows. So a quote inside a value that nobody escaped does no harm, and a
/// value that was not quoted may hold `, ` as long as no key follows.
struct PairScanner {
    /// The longest key.
    static let keyByteLimit = 64

    private let table: TextTable
    private let nullTable: TextTable
    // Of each key, and at the end of the beginning, the key that came behind it the last time.
    // Products write their keys in few orders, so most keys are known before they are read.
    private var successors: [Int32]
    private var previous: Int
    private var form = Slot.Form.nothing
    private var stamp: UInt32 = 0
    private(set) var damage: RecordDamage = []
    private(set) var hasEscapes = false

    /// Looks for the keys of a table.
    init(table: TextTable, nullTable: TextTable) {
        self.table = table
        self.nullTable = nullTable
        successors = Array(repeating: -1, count: table.count + 1)
        previous = table.count
    }

    /// Begins with another text, whose values get this form and stamp.
    mutating func begin(form: Slot.Form, stamp: UInt32) {
        self.form = form
        self.stamp = stamp
        previous = table.count
        damage = []
        hasEscapes = false
    }

    /// Splits `text[range]` and puts the values of known keys into `slots`.
    mutating func scan(_ text: Span<UInt8>, _ range: Range<Int>, into slots: inout [Slot]) {
        let end = range.upperBound
        var key = key(text, range.lowerBound, end)
        while key.end > 0 {
            let start = key.end + 1
            if start < end, text[start] == 0x22 || text[start] == 0x27 {
                key = quoted(text, key, start, end, &slots)
            } else {
                key = plain(text, key, start, end, &slots)
            }
        }
    }

    /// A key in the text; one that ends at 0 is none.
    private struct Key {
        var start: Int
        var end: Int
        /// Its index in the table when that was foreseen, else -1.
        var index = -1
        static let none = Key(start: 0, end: 0)
    }

    /// The key that begins at `start`: the one that was foreseen, or whatever stands there.
    @inline(__always)
    private func key(_ text: Span<UInt8>, _ start: Int, _ end: Int) -> Key {
        let foreseen = Int(successors[previous])
        if foreseen >= 0 {
            let keyEnd = table.end(of: foreseen, in: text, at: start, end)
            if keyEnd > 0, text[keyEnd] == 0x3D {
                return Key(start: start, end: keyEnd, index: foreseen)
            }
        }
        return Key(start: start, end: PairScanner.keyEnd(text, start, end))
    }

    /// Where the key that begins at `start` ends, which is at its `=`; 0 when none begins there.
    @inline(__always)
    private static func keyEnd(_ text: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        var index = start
        let limit = min(end, start + keyByteLimit)
        while index < limit {
            let byte = text[index]
            if byte == 0x3D { return index > start ? index : 0 }
            guard isKeyByte(byte) else { return 0 }
            index += 1
        }
        return 0
    }

    @inline(__always)
    private static func isKeyByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte == 0x5F || byte &- 0x30 < 10 || byte == 0x2D
            || byte == 0x2E || byte == 0x40
    }

    /// The key behind `, `, if `text[index]` is that comma and a key follows.
    @inline(__always)
    private func nextKey(_ text: Span<UInt8>, _ index: Int, _ end: Int) -> Key {
        guard index + 2 < end, text[index] == 0x2C, text[index + 1] == 0x20 else { return .none }
        var start = index + 2
        while start < end, text[start] == 0x20 { start += 1 }
        return key(text, start, end)
    }

    /// True when the text ends in `, ` and the beginning of a key.
    private static func isCutKey(_ text: Span<UInt8>, _ index: Int, _ end: Int) -> Bool {
        guard index < end, text[index] == 0x2C, end - index <= keyByteLimit else { return false }
        guard index + 1 < end else { return true }
        guard text[index + 1] == 0x20 else { return false }
        for place in index + 2..<max(end, index + 2) where !isKeyByte(text[place]) { return false }
        return true
    }

    private mutating func quoted(
        _ text: Span<UInt8>, _ key: Key, _ opening: Int, _ end: Int, _ slots: inout [Slot]
    ) -> Key {
        let quote = text[opening]
        let start = opening + 1
        var key = key
        find(text, &key)
        var from = start
        var escape: UInt8 = 0
        while from < end, let hit = ByteSearch.first(quote, in: text, from..<end) {
            if hit + 1 == end {
                put(text, key, start..<hit, escape, isQuoted: true, &slots)
                return .none
            }
            if hit > start, text[hit - 1] == 0x5C {
                escape = quote
            } else {
                let next = nextKey(text, hit + 1, end)
                if next.end > 0 {
                    put(text, key, start..<hit, escape, isQuoted: true, &slots)
                    return next
                }
                if PairScanner.isCutKey(text, hit + 1, end) {
                    damage.insert(.truncated)
                    put(text, key, start..<hit, escape, isQuoted: true, &slots)
                    return .none
                }
                // Whoever writes double quotes escapes them, so this one is out of order.
                if quote == 0x22 { damage.insert(.suspectedInjection) }
            }
            from = hit + 1
        }
        // A single quote may be the first character of a value that has no quotes.
        if quote == 0x27 { return plain(text, key, opening, end, &slots) }
        // Half a value can be another value, so it is none.
        damage.insert(.truncated)
        put(text, key, start..<start, 0, isQuoted: true, &slots)
        return .none
    }

    private mutating func plain(
        _ text: Span<UInt8>, _ key: Key, _ start: Int, _ end: Int, _ slots: inout [Slot]
    ) -> Key {
        var from = start
        var key = key
        find(text, &key)
        while from < end, let comma = ByteSearch.first(0x2C, in: text, from..<end) {
            let next = nextKey(text, comma, end)
            if next.end > 0 {
                put(text, key, start..<comma, 0, isQuoted: false, &slots)
                return next
            }
            from = comma + 1
        }
        put(text, key, start..<end, 0, isQuoted: false, &slots)
        return .none
    }

    /// Looks a key up that was not foreseen, and remembers what it came behind.
    @inline(__always)
    private mutating func find(_ text: Span<UInt8>, _ key: inout Key) {
        if key.index < 0 {
            key.index = table.findIndex(text, key.start..<key.end)
            successors[previous] = Int32(key.index)
        }
        previous = key.index < 0 ? table.count : key.index
    }

    @inline(__always)
    private mutating func put(
        _ text: Span<UInt8>, _ key: Key, _ value: Range<Int>, _ escape: UInt8,
        isQuoted: Bool, _ slots: inout [Slot]
    ) {
        guard key.index >= 0 else { return }
        let index = table.value(at: key.index)
        if slots[index].stamp == stamp {
            damage.insert(.duplicateKey)
            if !isQuoted { damage.insert(.suspectedInjection) }
            return
        }
        if value.isEmpty || nullTable.findIndex(text, value) >= 0 {
            slots[index] = Slot(form: .nothing, stamp: stamp)
            return
        }
        var slot = Slot.text(form, value.lowerBound, value.count, stamp: stamp)
        slot.escape = escape
        slots[index] = slot
        if escape != 0 { hasEscapes = true }
    }

    /// True when text that looks like `, key=` stands in a value.
    static func holdsPair(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var from = range.lowerBound
        let end = range.upperBound
        while from < end, let comma = ByteSearch.first(0x2C, in: text, from..<end) {
            if comma + 2 < end, text[comma + 1] == 0x20, keyEnd(text, comma + 2, end) > 0 {
                return true
            }
            from = comma + 1
        }
        return false
    }
}
