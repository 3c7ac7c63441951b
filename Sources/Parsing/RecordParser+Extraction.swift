// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension RecordParser {
    enum StepResult {
        case matched
        case failed
        case ignored
    }

    /// Runs the steps of a format or a rule.
    mutating func run(
        _ steps: Range<Int32>, _ record: Record, _ block: Span<UInt8>
    ) -> StepResult {
        for number in steps {
            switch program.steps[Int(number)] {
            case .json(let table):
                guard readJSON(record, block) else { return .failed }
                fillFromJSON(Int(table))
            case .keyValue(let from, let table): splitPairs(Int(from), Int(table), block)
            case .pattern(let pattern, let from, let isOptional):
                if !matchPattern(Int(pattern), from, record, block), !isOptional {
                    return .failed
                }
            case .ignore(let reason, let when):
                if holds(when, block) {
                    ignoredReason = reason
                    return .ignored
                }
            }
        }
        return .matched
    }

    // MARK: Text

    /// Calls `body` with the bytes of a text.
    @inline(__always)
    func withText<Result>(
        _ slot: Slot, _ block: Span<UInt8>, _ body: (Span<UInt8>, Range<Int>) -> Result
    ) -> Result {
        if slot.form == .block { return body(block, slot.range) }
        let range = slot.range
        return scratch.withBytes { body($0, range) }
    }

    /// The value of a name; one without a value when the record has none.
    @inline(__always)
    func slot(_ number: Int32) -> Slot {
        let slot = slots[Int(number)]
        return slot.stamp == stamp ? slot : Slot()
    }

    // MARK: JSON

    private mutating func readJSON(_ record: Record, _ block: Span<UInt8>) -> Bool {
        if jsonState == .unread { jsonState = parseJSON(record, block) }
        return jsonState != .none
    }

    private mutating func parseJSON(_ record: Record, _ block: Span<UInt8>) -> JSONState {
        var start = record.range.lowerBound
        let end = record.range.upperBound
        while start < end, block[start] <= 0x20 { start += 1 }
        guard start < end, block[start] == 0x7B else { return .none }
        if reader.read(block, start..<end) { return .sound }
        guard lenient.read(block, start..<end) else { return .none }
        let found = lenient.damages
        if found.contains(.invalidUTF8) { damage.insert(.invalidUTF8) }
        if found.contains(.truncated) { damage.insert(.truncated) }
        damage.insert(.repairedJSON)
        return .repaired
    }

    private mutating func fillFromJSON(_ table: Int) {
        let tree = jsonState == .sound ? reader.tree : lenient.tree
        tree.withContents { nodes, strings in
            guard nodes.count > 0, nodes[0].kind == .object else { return }
            fill(nodes, strings, 0, 0, table)
        }
    }

    private mutating func fill(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ object: Int, _ state: Int32,
        _ table: Int
    ) {
        let end = nodes[object].next
        var index = object + 1
        while index < end {
            let node = nodes[index]
            let found = program.memberTables.span[table].find(
                node.keyHash, state, strings, node.keyRange)
            if let entry = found {
                if node.kind == .object {
                    if entry.inside >= 0 { fill(nodes, strings, index, entry.inside, table) }
                } else if entry.slot >= 0 {
                    put(nodes, strings, index, Int(entry.slot))
                }
            }
            index = node.next
        }
    }

    private mutating func put(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int, _ number: Int
    ) {
        let node = nodes[index]
        // Several members may fill one name: the first that has a value counts.
        if slots[number].stamp == stamp {
            if node.isDuplicate { damage.insert(.duplicateKey) }
            if slots[number].form != .nothing || node.isDuplicate { return }
        }
        var slot = Slot(form: .nothing, stamp: stamp)
        switch node.kind {
        case .string, .bigNumber:
            let range = node.stringRange
            if range.isEmpty { break }
            if range.count <= 8, program.nullTable.find(strings, range) != nil { break }
            let start = scratch.count
            scratch.append(strings.extracting(range))
            slot = .text(.scratch, start, range.count, stamp: stamp)
        case .integer:
            slot.form = .integer
            slot.payload = UInt64(bitPattern: node.integer ?? 0)
        case .unsigned:
            let start = scratch.count
            scratch.append(decimal: node.unsigned ?? 0)
            slot = .text(.scratch, start, scratch.count - start, stamp: stamp)
        case .double:
            slot.form = .double
            slot.payload = (node.double ?? 0).bitPattern
        case .true, .false:
            slot.form = .boolean
            slot.payload = node.kind == .true ? 1 : 0
        case .array: slot = list(nodes, strings, index)
        case .null, .object: break
        }
        slots[number] = slot
    }

    /// The texts and whole numbers of an array.
    private mutating func list(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int
    ) -> Slot {
        let start = scratch.count
        let end = nodes[index].next
        var child = index + 1
        while child < end {
            let element = nodes[child]
            switch element.kind {
            case .string, .bigNumber:
                let range = element.stringRange
                if !range.isEmpty {
                    scratch.append(littleEndian: UInt32(range.count))
                    scratch.append(strings.extracting(range))
                }
            case .integer:
                let place = scratch.count
                scratch.append(littleEndian: UInt32(0))
                scratch.append(decimal: element.integer ?? 0)
                scratch.overwrite(
                    littleEndian: UInt32(scratch.count - place - 4), at: place)
            case .object, .array, .unsigned, .double, .true, .false, .null: break
            }
            child = element.next
        }
        guard scratch.count > start else { return Slot(form: .nothing, stamp: stamp) }
        return .text(.list, start, scratch.count - start, stamp: stamp)
    }

    static func append(
        _ source: borrowing ByteWriter, _ range: Range<Int>, to target: inout ByteWriter
    ) {
        source.withBytes { target.append($0.extracting(range)) }
    }

    // MARK: Pairs

    private mutating func splitPairs(_ from: Int, _ table: Int, _ block: Span<UInt8>) {
        let source = slot(Int32(from))
        guard source.isText else { return }
        scanners[table].begin(form: source.form, stamp: stamp)
        if source.form == .block {
            scanners[table].scan(block, source.range, into: &slots)
        } else {
            RecordParser.scan(scratch, source.range, &scanners[table], &slots)
        }
        damage.formUnion(scanners[table].damage)
        if scanners[table].hasEscapes { unescape(block) }
    }

    private static func scan(
        _ text: borrowing ByteWriter, _ range: Range<Int>, _ scanner: inout PairScanner,
        _ slots: inout [Slot]
    ) {
        text.withBytes { scanner.scan($0, range, into: &slots) }
    }

    /// Replaces `\"` by `"` in the values that have it. Other backslashes are meant as they are.
    private mutating func unescape(_ block: Span<UInt8>) {
        for number in slots.indices where slots[number].stamp == stamp && slots[number].escape != 0
        {
            let slot = slots[number]
            work.removeAll()
            if slot.form == .block {
                work.append(block.extracting(slot.range))
            } else {
                RecordParser.append(scratch, slot.range, to: &work)
            }
            let start = scratch.count
            for index in 0..<work.count {
                let (byte, next) = work.withBytes { bytes in
                    (bytes[index], index + 1 < bytes.count ? bytes[index + 1] : 0)
                }
                if byte == 0x5C, next == slot.escape { continue }
                scratch.append(byte)
            }
            let made = start..<scratch.count
            let holdsPair = scratch.withBytes { PairScanner.holdsPair($0, made) }
            if holdsPair { damage.insert(.suspectedInjection) }
            slots[number] = .text(.scratch, start, scratch.count - start, stamp: stamp)
        }
    }

    // MARK: Patterns

    /// The record as well-formed text: in the block, or repaired in the scratch.
    private mutating func text(of record: Record, _ block: Span<UInt8>) -> Slot {
        if textPlace.stamp == stamp { return textPlace }
        if UTF8Repair.isValid(block, record.range) {
            textPlace = .text(.block, record.range.lowerBound, record.range.count, stamp: stamp)
        } else {
            damage.insert(.invalidUTF8)
            let start = scratch.count
            scratch.append(UTF8Repair.repair(block.extracting(record.range)))
            textPlace = .text(.scratch, start, scratch.count - start, stamp: stamp)
        }
        return textPlace
    }

    private mutating func matchPattern(
        _ number: Int, _ from: Int32?, _ record: Record, _ block: Span<UInt8>
    ) -> Bool {
        let source = from.map { slot($0) } ?? text(of: record, block)
        guard source.isText else { return false }
        let expression = program.patterns[number].expression
        let isFound = withText(source, block) { expression.match($0, $1, into: match) }
        guard isFound else { return false }
        for (group, slot) in program.patterns[number].groups {
            guard let range = match.range(group) else { continue }
            let isNothing =
                range.isEmpty
                || (range.count <= 8
                    && withText(source, block) { text, _ in
                        program.nullTable.find(text, range) != nil
                    })
            slots[Int(slot)] =
                isNothing
                ? Slot(form: .nothing, stamp: stamp)
                : .text(source.form, range.lowerBound, range.count, stamp: stamp)
        }
        return true
    }

    // MARK: Conditions

    /// True when all conditions hold.
    func holds(_ range: Range<Int32>, _ block: Span<UInt8>) -> Bool {
        for number in range {
            let condition = program.conditions[Int(number)]
            if !holds(condition, slot(condition.slot), block) { return false }
        }
        return true
    }

    private func holds(
        _ condition: ParserProgram.Condition, _ slot: Slot, _ block: Span<UInt8>
    ) -> Bool {
        switch condition.test {
        case .present: slot.form != .nothing
        case .absent: slot.form == .nothing
        case .oneOf(let table): isWord(slot, Int(table), block)
        case .noneOf(let table): !isWord(slot, Int(table), block)
        case .startsWith(let range):
            slot.isText
                && withText(slot, block) { text, place in
                    for number in range {
                        let needle = program.needles[Int(number)]
                        if ByteSearch.hasPrefix(needle.span, text.extracting(place)) { return true }
                    }
                    return false
                }
        case .contains(let range):
            slot.isText
                && withText(slot, block) { text, place in
                    for number in range {
                        let needle = program.needles[Int(number)]
                        if ByteSearch.first(needle, in: text, place) != nil { return true }
                    }
                    return false
                }
        case .matches(let pattern):
            slot.isText
                && withText(slot, block) {
                    program.patterns[Int(pattern)].expression.match($0, $1, into: match)
                }
        }
    }

    private func isWord(_ slot: Slot, _ table: Int, _ block: Span<UInt8>) -> Bool {
        word(slot, table, block) != nil
    }

    /// The number of a value's word in a table.
    func word(_ slot: Slot, _ table: Int, _ block: Span<UInt8>) -> Int? {
        switch slot.form {
        // The tables belong to all threads; borrowing one spares the counting of references.
        case .block: return program.wordTables.span[table].find(block, slot.range)
        case .scratch:
            let tables = program.wordTables.span
            return scratch.withBytes { tables[table].find($0, slot.range) }
        case .integer, .boolean:
            let text =
                slot.form == .boolean
                ? (slot.payload == 1 ? "true" : "false")
                : String(Int64(bitPattern: slot.payload))
            let utf8 = Array(text.utf8)
            return program.wordTables[table].find(utf8.span, 0..<utf8.count)
        case .nothing, .double, .list: return nil
        }
    }
}
