// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension RecordParser {
    enum StepResult {
        case matched
        case failed
        case ignored
    }

    /// Runs the steps of a format, then names and lays down the events of each of its elements.
    mutating func runFormat(
        _ steps: Range<Int32>, _ subject: Subject, _ block: Span<UInt8>
    ) -> StepResult {
        for number in steps {
            let behind = number + 1..<steps.upperBound
            switch program.steps[Int(number)] {
            case .each(let paths, let kept):
                guard readJSON(subject.record, block) else { return .failed }
                if tree.duplicateCount > 0 { damage.insert(.duplicateKey) }
                return runEach(
                    elements(program.paths[Int(paths)]), behind, program.slotLists[Int(kept)],
                    subject, block)
            case .json(_, nil), .unwrap:
                // A document that is a list of records has its steps run for each of them.
                if readJSON(subject.record, block), isRootArray {
                    return runEach(
                        (tree.children(of: root), true), number..<steps.upperBound, [], subject,
                        block)
                }
            default: break
            }
            let result = run(number..<number + 1, subject.record, block)
            guard case .matched = result else { return result }
        }
        guard decide(program.rootRules, block, subject.record) else { return .ignored }
        layAll(subject, block)
        return .matched
    }

    /// Runs the steps of a rule, or one of a format.
    mutating func run(
        _ steps: Range<Int32>, _ record: Record, _ block: Span<UInt8>
    ) -> StepResult {
        for number in steps {
            switch program.steps[Int(number)] {
            case .json(let table, nil):
                guard readJSON(record, block), fillFromRoot(Int(table)) else { return .failed }
            case .json(let table, let from?):
                guard fillFromText(slot(from), Int(table), block) else { return .failed }
            case .unwrap(let paths):
                guard readJSON(record, block) else { return .failed }
                unwrap(program.paths[Int(paths)])
            case .each: bug("a step that belongs to a format stands in a rule")
            case .keyValue(let from, let table): splitPairs(Int(from), Int(table), block)
            case .logfmt(let from, let table):
                guard splitLogfmt(from, Int(table), record, block) else { return .failed }
            case .columns(let plan, let from):
                guard splitColumns(from, Int(plan), record, block) else { return .failed }
            case .pattern(let pattern, let from, let isOptional):
                if !matchPattern(Int(pattern), from, record, block), !isOptional {
                    return .failed
                }
            case .set(let slot, let constant): set(Int(slot), Int(constant))
            case .require(let conditions):
                guard holds(conditions, block) else { return .failed }
            case .firstOf(let list):
                let result = runFirst(list, record, block)
                guard case .matched = result else { return result }
            case .ignore(let reason, let when):
                if holds(when, block) {
                    ignoredReason = reason
                    return .ignored
                }
            }
        }
        return .matched
    }

    private mutating func runFirst(
        _ list: Range<Int32>, _ record: Record, _ block: Span<UInt8>
    ) -> StepResult {
        for number in list {
            let alternative = program.alternatives[Int(number)]
            let before = savedSlots.count
            for place in alternative.slots {
                savedSlots.append(slots[Int(program.savedSlots[Int(place)])])
            }
            let result = run(alternative.steps, record, block)
            if case .failed = result {
                for (index, place) in alternative.slots.enumerated() {
                    slots[Int(program.savedSlots[Int(place)])] = savedSlots[before + index]
                }
            }
            if savedSlots.count > before {
                savedSlots.removeLast(savedSlots.count - before)
            }
            if case .failed = result { continue }
            return result
        }
        return .failed
    }

    private mutating func set(_ slot: Int, _ constant: Int) {
        let range = program.constantRanges[constant]
        let start = scratch.count
        RecordParser.append(
            program.constants, Int(range.lowerBound)..<Int(range.upperBound), to: &scratch)
        slots[slot] = .text(.scratch, start, range.count, stamp: stamp)
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

    static func append(
        _ source: [UInt8], _ range: Range<Int>, to target: inout ByteWriter
    ) {
        target.append(source, range)
    }

    static func append(
        _ source: borrowing ByteWriter, _ range: Range<Int>, to target: inout ByteWriter
    ) {
        source.withBytes { target.append(part: range, of: $0) }
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
    mutating func text(of record: Record, _ block: Span<UInt8>) -> Slot {
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

    /// A text, or a number or truth as a text.
    @inline(__always)
    mutating func written(_ value: Slot) -> Slot {
        value.form == .integer || value.form == .boolean ? write(value) : value
    }

    private mutating func write(_ value: Slot) -> Slot {
        let start = scratch.count
        scratch.append(value.written)
        return .text(.scratch, start, scratch.count - start, stamp: stamp)
    }

    private mutating func matchPattern(
        _ number: Int, _ from: Int32?, _ record: Record, _ block: Span<UInt8>
    ) -> Bool {
        guard from == nil, elementDepth > 0 else {
            return matchPattern(number, in: from, record, block)
        }
        // The whole record is the same for each of its elements.
        if let known = wholeMatches[number] {
            for value in known.values {
                var slot = value.value
                if slot.stamp != 0 { slot.stamp = stamp }
                slots[Int(value.slot)] = slot
            }
            return known.isFound
        }
        let isFound = matchPattern(number, in: nil, record, block)
        var values: [(slot: Int32, value: Slot)] = []
        if isFound {
            for group in program.patterns[number].groups {
                values.append((group.slot, slot(group.slot)))
            }
        }
        wholeMatches[number] = WholeMatch(isFound: isFound, values: values)
        return isFound
    }

    private mutating func matchPattern(
        _ number: Int, in from: Int32?, _ record: Record, _ block: Span<UInt8>
    ) -> Bool {
        let source = from.map { written(slot($0)) } ?? text(of: record, block)
        guard source.isText else { return false }
        guard finds(number, source, block) else { return false }
        // The last group may go on behind what was looked at.
        if source.count > RegularExpression.textByteLimit { damage.insert(.truncated) }
        for (group, number) in program.patterns[number].groups {
            guard let range = match.range(group) else { continue }
            slots[Int(number)] = part(range, of: source, block)
        }
        return true
    }

    /// A part of a text as a value; nothing when it is empty or a null word.
    mutating func part(_ range: Range<Int>, of source: Slot, _ block: Span<UInt8>) -> Slot {
        let part = Slot.text(source.form, range.lowerBound, range.count, stamp: stamp)
        let isNothing = range.isEmpty || withText(part, block) { isNullWord($0, $1) }
        return isNothing ? Slot(form: .nothing, stamp: stamp) : part
    }
}
