// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension RecordParser {
    /// True when all conditions hold.
    mutating func holds(_ range: Range<Int32>, _ block: Span<UInt8>) -> Bool {
        for index in range where !holds(Int(index), block) { return false }
        return true
    }

    private mutating func holds(_ index: Int, _ block: Span<UInt8>) -> Bool {
        let condition = program.conditions[index]
        switch condition.test {
        case .present: return hasValue(condition.slot)
        case .absent: return !hasValue(condition.slot)
        case .oneOf(let list): return number(of: condition.slot, in: list, block) >= 0
        case .noneOf(let list): return number(of: condition.slot, in: list, block) < 0
        case .startsWith(let list):
            let text = written(slot(condition.slot))
            return text.isText
                && RecordParser.holdsPrefix(program.wordLists, Int(list), text, block, scratch)
        case .contains(let needles):
            let text = written(slot(condition.slot))
            return text.isText
                && RecordParser.holds(program.needles, needles, text, block, scratch)
        case .matches(let pattern):
            let text = written(slot(condition.slot))
            return text.isText && finds(Int(pattern), text, block)
        }
    }

    /// Whether a name has a value.
    @inline(__always)
    func hasValue(_ name: Int32) -> Bool {
        let slot = slots[Int(name)]
        return slot.stamp == stamp && slot.form != .nothing
    }

    private static func holdsPrefix(
        _ lists: WordLists, _ list: Int, _ text: Slot, _ block: Span<UInt8>,
        _ scratch: borrowing ByteWriter
    ) -> Bool {
        if text.form == .block { return lists.holdsPrefix(list, of: block, text.range) }
        return scratch.withBytes { lists.holdsPrefix(list, of: $0, text.range) }
    }

    private static func holds(
        _ needles: [[UInt8]], _ wanted: Range<Int32>, _ text: Slot, _ block: Span<UInt8>,
        _ scratch: borrowing ByteWriter
    ) -> Bool {
        for number in wanted {
            let needle = needles[Int(number)]
            let hit =
                text.form == .block
                ? ByteSearch.first(needle, in: block, text.range)
                : scratch.withBytes { ByteSearch.first(needle, in: $0, text.range) }
            if hit != nil { return true }
        }
        return false
    }

    // MARK: Words

    /// The number that a list has for a name's value, -1 when it has none.
    mutating func number(of name: Int32, in list: Int32, _ block: Span<UInt8>) -> Int {
        // What looks a word up changes the parser, so the lists are asked for behind it.
        let word = word(of: name, block)
        return program.wordLists.number(of: word, in: Int(list))
    }

    /// The number that a list of words has for the first text of a list, or for the value itself.
    mutating func number(
        ofFirst value: Slot, _ name: Int32, in list: Int32, _ block: Span<UInt8>
    ) -> Int {
        guard value.form == .list else { return number(of: name, in: list, block) }
        let word = word(of: firstOfList(value), block)
        return program.wordLists.number(of: word, in: Int(list))
    }

    /// Which word of the declaration a name's value is; it is looked up once.
    private mutating func word(of name: Int32, _ block: Span<UInt8>) -> Int {
        let value = slot(name)
        if value.word != Slot.notLookedUp { return Int(value.word) }
        let found = word(of: value, block)
        if value.form != .nothing { slots[Int(name)].word = Int32(truncatingIfNeeded: found) }
        return found
    }

    /// Which word of the declaration a value is.
    mutating func word(of value: Slot, _ block: Span<UInt8>) -> Int {
        let text = written(value)
        switch text.form {
        case .block: return program.wordLists.find(block, text.range)
        case .scratch: return RecordParser.word(program.wordLists, scratch, text.range)
        case .nothing, .integer, .double, .boolean, .list: return WordLists.none
        }
    }

    private static func word(
        _ lists: WordLists, _ text: borrowing ByteWriter, _ range: Range<Int>
    ) -> Int {
        text.withBytes { lists.find($0, range) }
    }

    /// The same as `number(of:in:)` by the value's letters alone, large ones as small ones.
    mutating func foldedNumber(of name: Int32, in list: Int32, _ block: Span<UInt8>) -> Int {
        let value = slot(name)
        guard value.isText, value.count <= 256 else { return number(of: name, in: list, block) }
        if value.foldedWord == Slot.notLookedUp {
            slots[Int(name)].foldedWord = Int32(truncatingIfNeeded: foldedWord(of: value, block))
        }
        let word = Int(slots[Int(name)].foldedWord)
        return program.wordLists.number(of: word, in: Int(list))
    }

    private mutating func foldedWord(of value: Slot, _ block: Span<UInt8>) -> Int {
        var folded = [128 of UInt8](repeating: 0)
        let count = withText(value, block) { text, range in
            var count = 0
            for index in range {
                guard let byte = ParserCompiler.foldedByte(text[index]) else { continue }
                guard count < ParserCompiler.foldedByteLimit else { return 0 }
                folded[count] = byte
                count += 1
            }
            return count
        }
        return program.wordLists.find(folded.span, 0..<count)
    }
}
