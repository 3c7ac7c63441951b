// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension RecordParser {
    // MARK: Deciding

    /// Goes through a list of rules; true when one of them named events, which are in `classes`.
    mutating func decide(_ list: Int32, _ block: Span<UInt8>, _ record: Record) -> Bool {
        for place in program.ruleLists[Int(list)] {
            switch apply(program.ruleNumbers[Int(place)], block, record) {
            case .matched: return true
            case .ignored: return false
            case .failed: continue
            }
        }
        return false
    }

    private mutating func apply(
        _ number: Int32, _ block: Span<UInt8>, _ record: Record
    ) -> StepResult {
        let rule = program.rules[Int(number)]
        guard rule.conditions.isEmpty || holds(rule.conditions, block) else { return .failed }
        if !rule.steps.isEmpty {
            switch run(rule.steps, record, block) {
            case .matched: break
            case .failed: return .failed
            case .ignored: return .ignored
            }
        }
        let result = verdict(rule.verdict, block, record)
        if case .matched = result, let also = rule.also { addAll(also, block, record) }
        return result
    }

    private mutating func verdict(
        _ verdict: ParserProgram.Rule.Verdict, _ block: Span<UInt8>, _ record: Record
    ) -> StepResult {
        switch verdict {
        case .event(let number):
            classes.append(number)
            return .matched
        case .ignore(let reason):
            ignoredReason = reason
            return .ignored
        case .rules(let list):
            let before = ignoredReason
            if decide(list, block, record) { return .matched }
            return ignoredReason == before ? .failed : .ignored
        case .table(let name, let table, let isFolded, let otherwise):
            let found =
                isFolded
                ? foldedNumber(of: name, in: table, block) : number(of: name, in: table, block)
            if found >= 0 { return apply(Int32(found), block, record) }
            return otherwise.map { apply($0, block, record) } ?? .failed
        }
    }

    /// The events that a record gives beside the one that was named.
    private mutating func addAll(_ list: Int32, _ block: Span<UInt8>, _ record: Record) {
        for place in program.ruleLists[Int(list)] {
            _ = apply(program.ruleNumbers[Int(place)], block, record)
        }
    }

    // MARK: Laying down

    /// Fills an event of a class; false when it is left out on purpose.
    mutating func lay(
        _ number: Int, _ subject: Subject, _ ordinal: Int, _ block: Span<UInt8>
    ) -> Bool {
        let eventClass = program.classes[number]
        trace.line = eventClass.line
        builder.reset()
        let assignments = program.assignments
        for number in eventClass.assignments {
            let index = Int(number)
            // Most names have no value in a record, so that is asked before a row is copied.
            let name = Int(assignments[index].slot)
            if name >= 0, slots[name].stamp != stamp || slots[name].form == .nothing { continue }
            fill(assignments[index], block)
        }
        let action = eventClass.action
        var outcome = outcomes[Int(action.rawValue)]
        var errorCode: ErrorCode?
        if outcome == .success {
            builder.remove(.errorCode)
            builder.remove(.errorReason)
        } else {
            errorCode = builder.value(.errorCode).flatMap { ErrorCode(rawValue: UInt8($0.payload)) }
            if errorCode == nil, outcome != .unknown { errorCode = .unknown }
            if errorCode == nil { builder.remove(.errorReason) }
        }
        if let code = errorCode {
            // A device that polls would otherwise be most of the log.
            if code == .authorizationPending || code == .slowDown {
                ignoredReason = Int32(program.reasons.count) + (code == .slowDown ? 2 : 1)
                return false
            }
            builder.set(FieldValue(.errorCode, .word, payload: UInt64(code.rawValue)))
            if action == .authorizationFailed { outcome = code.isDenial ? .denied : .failure }
        }
        var severity = severities[Int(action.rawValue)]
        if let forced = errorCode?.severity, context.severities[action] == nil {
            severity = forced
        }
        builder.set(FieldValue(.action, .word, payload: UInt64(action.rawValue)))
        builder.set(FieldValue(.outcome, .word, payload: UInt64(outcome.rawValue)))
        builder.set(FieldValue(.severity, .word, payload: UInt64(severity.rawValue)))
        complete(subject, block)
        let range = builder.lay(into: &values)
        events.append(
            Event(
                action: action, outcome: outcome, severity: severity, errorCode: errorCode,
                record: subject.index, ordinal: ordinal, values: range))
        return true
    }

    /// Adds what every event has, and what the schema asks of the groups.
    private mutating func complete(
        _ subject: Subject, _ block: Span<UInt8>
    ) {
        let (record, path) = (subject.record, subject.path)
        if let time = builder.value(.time), isPlausible(time.number) {
            // It stays as it is.
        } else if let time = subject.time, isPlausible(time.microseconds) {
            builder.set(FieldValue(.time, .time, payload: UInt64(bitPattern: time.microseconds)))
        } else {
            damage.insert(.noTime)
            builder.set(
                FieldValue(.time, .time, payload: UInt64(bitPattern: observed.microseconds)))
        }
        builder.set(
            FieldValue(.observed, .time, payload: UInt64(bitPattern: observed.microseconds)))
        if record.offset <= 9_007_199_254_740_991 {
            builder.set(FieldValue(.originOffset, .integer, payload: record.offset))
        }
        if let path, !path.isEmpty { setConstant(.originPath, path) }
        setConstant(.providerVendor, fixed.vendor)
        setConstant(.providerProduct, fixed.product)
        if let tenant = fixed.tenant { setConstant(.providerTenant, tenant) }
        if !host.isEmpty, !builder.contains(.providerHost) {
            builder.set(
                FieldValue(.providerHost, .block, offset: Int(host.lowerBound), count: host.count))
        }
        completeGroups()
        if context.keepsRaw { addRaw(record, block) }
        if !context.privacy.pseudonymized.isEmpty { pseudonymize(block) }
        if damage.rawValue != 0 {
            let labels = labels(with: damage)
            builder.set(FieldValue(.labels, .map, offset: labels.lowerBound, count: labels.count))
        } else if let labels = fixed.labels {
            builder.set(FieldValue(.labels, .map, offset: labels.lowerBound, count: labels.count))
        }
    }

    /// From 2000 to a day after the record was read.
    private func isPlausible(_ microseconds: Int64) -> Bool {
        microseconds >= 946_684_800_000_000
            && microseconds <= observed.microseconds + 86_400_000_000
    }

    @inline(__always)
    private mutating func setConstant(_ field: Field, _ range: Range<Int>) {
        builder.set(FieldValue(field, .constant, offset: range.lowerBound, count: range.count))
    }

    /// `actor` and `target` need a type, and a type alone says nothing of an actor.
    private mutating func completeGroups() {
        let hasActor =
            builder.contains(.actorID) || builder.contains(.actorName)
            || builder.contains(.actorEmail)
        if hasActor {
            if !builder.contains(.actorType) {
                builder.set(FieldValue(.actorType, .word, payload: ActorWord.unknown))
            }
        } else if let type = builder.value(.actorType), type.payload != ActorWord.system {
            builder.remove(.actorType)
        }
        let hasTarget =
            builder.contains(.targetID) || builder.contains(.targetName)
            || builder.contains(.targetEmail)
        if hasTarget {
            if !builder.contains(.targetType) {
                builder.remove(.targetID)
                builder.remove(.targetName)
                builder.remove(.targetEmail)
            }
        } else if let type = builder.value(.targetType), type.payload != TargetWord.configuration {
            builder.remove(.targetType)
        }
    }

    private enum ActorWord {
        static let system: UInt64 = 3
        static let unknown: UInt64 = 4
    }

    private enum TargetWord {
        static let configuration: UInt64 = 8
    }

    /// The place of the configured labels with the damage added.
    private mutating func labels(with damage: RecordDamage) -> Range<Int> {
        if let range = damageLabels[damage.rawValue] { return range }
        var labels = context.labels
        labels[RecordParser.damageLabel] = damage.text
        let start = constants.count
        constants += FixedConstants.labels(labels)
        damageLabels[damage.rawValue] = start..<constants.count
        return start..<constants.count
    }

    /// The label that names what was wrong with a record.
    static let damageLabel = "sealtail_damage"

    private mutating func addRaw(_ record: Record, _ block: Span<UInt8>) {
        for when in program.withoutRaw where holds(when, block) { return }
        var range = record.range
        if range.count > ParseContext.rawByteLimit {
            var end = range.lowerBound + ParseContext.rawByteLimit
            while end > range.lowerBound, block[end] & 0xC0 == 0x80 { end -= 1 }
            range = range.lowerBound..<end
        }
        guard !range.isEmpty else { return }
        if UTF8Repair.isValid(block, range) {
            builder.set(FieldValue(.raw, .block, offset: range.lowerBound, count: range.count))
        } else {
            let start = scratch.count
            scratch.append(UTF8Repair.repair(block.extracting(range)))
            builder.set(FieldValue(.raw, .scratch, offset: start, count: scratch.count - start))
        }
    }

    /// Replaces the fields that the operator named by their fingerprints.
    private mutating func pseudonymize(_ block: Span<UInt8>) {
        var names: [String] = []
        for field in context.privacy.pseudonymized {
            guard let value = builder.value(field) else { continue }
            work.removeAll()
            switch value.form {
            case .block: work.append(block.extracting(value.range))
            case .scratch: RecordParser.append(scratch, value.range, to: &work)
            case .constant:
                let copy = constants
                work.append(copy, value.range)
            case .word, .integer, .boolean, .time, .set, .map: continue
            }
            // What is a fingerprint already, as a session that is a target, stays.
            let start = scratch.count
            RecordParser.append(
                PrivacyPolicy.kind(of: field), work, &fingerprinter, to: &scratch)
            builder.set(FieldValue(field, .scratch, offset: start, count: scratch.count - start))
            names.append(field.path)
        }
        guard !names.isEmpty else { return }
        setConstant(.privacyPolicy, fixed.policy)
        setConstant(.privacyKey, fixed.key)
        let start = scratch.count
        for name in names.sorted() {
            scratch.append(littleEndian: UInt32(name.utf8.count))
            scratch.append(name)
        }
        builder.set(
            FieldValue(.privacyFields, .set, offset: start, count: scratch.count - start))
    }

    static func append(
        _ kind: FingerprintKind, _ source: borrowing ByteWriter,
        _ fingerprinter: inout Fingerprinter, to target: inout ByteWriter
    ) {
        source.withBytes { fingerprinter.append(kind, of: $0, to: &target) }
    }
}
