// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension RecordParser {
    /// Gives a field its value, unless it has one.
    @inline(__always)
    mutating func fill(_ assignment: ParserProgram.Assignment, _ block: Span<UInt8>) {
        let field = assignment.field
        guard !builder.contains(field) else { return }
        guard assignment.slot >= 0 else { return fillConstant(assignment, block) }
        let value = slot(assignment.slot)
        guard value.form != .nothing else { return }
        guard assignment.conditions.isEmpty || holds(assignment.conditions, block) else { return }
        if case .text = assignment.source, value.isText {
            return builder.set(textValue(field, value))
        }
        fill(field, assignment.source, value, assignment.slot, block)
    }

    private mutating func fillConstant(
        _ assignment: ParserProgram.Assignment, _ block: Span<UInt8>
    ) {
        let field = assignment.field
        guard assignment.conditions.isEmpty || holds(assignment.conditions, block) else { return }
        switch assignment.source {
        case .constant(let number): builder.set(constantValue(field, Int(number)))
        case .number(let form, let payload):
            builder.set(FieldValue(field, form, payload: payload))
        case .constantSet(let number):
            let start = scratch.count
            scratch.append(program.constantSets[Int(number)])
            builder.set(FieldValue(field, .set, offset: start, count: scratch.count - start))
        default: bug("an assignment without a value")
        }
    }

    @inline(__always)
    private func constantValue(_ field: Field, _ number: Int) -> FieldValue {
        let range = program.constantRanges[number]
        return FieldValue(
            field, .constant, offset: Int(range.lowerBound), count: range.count)
    }

    @inline(__always)
    private func textValue(_ field: Field, _ value: Slot) -> FieldValue {
        FieldValue(
            field, value.form == .block ? .block : .scratch, offset: value.offset,
            count: value.count)
    }

    private mutating func fill(
        _ field: Field, _ source: ParserProgram.Assignment.Source, _ value: Slot, _ name: Int32,
        _ block: Span<UInt8>
    ) {
        switch source {
        case .constant, .number, .constantSet: break
        case .text:
            if let text = text(of: value) { builder.set(textValue(field, text)) }
        case .joined(let list, let separator):
            fillJoined(field, Int(list), Int(separator), block)
        case .word(let table, let otherwise):
            let found = number(ofFirst: value, name, in: table, block)
            let word = found < 0 ? Int(otherwise) : found
            guard word >= 0 else { return }
            builder.set(FieldValue(field, .word, payload: UInt64(word)))
        case .mapped(let table, let otherwise, let keeps):
            let found = number(ofFirst: value, name, in: table, block)
            if found >= 0 {
                builder.set(constantValue(field, found))
            } else if keeps, let text = text(of: value) {
                builder.set(textValue(field, text))
            } else if otherwise >= 0 {
                builder.set(constantValue(field, Int(otherwise)))
            }
        case .set(let separator, let table):
            fillSet(field, value, separator, table.map(Int.init), block)
        case .fingerprint(let kind): fillFingerprint(field, kind, value, block)
        case .token: fillToken(field, value, block)
        case .uri, .path: fillURI(field, value, block)
        case .time(let form, let isUTC):
            timestamps.assumesUTC = isUTC
            setTime(field, time(value, form, block))
        case .layout(let number, let isUTC):
            timestamps.assumesUTC = isUTC
            setTime(field, time(value, layout: Int(number), block))
        case .integer(let range):
            if let number = integer(value, block), range.contains(number) {
                builder.set(FieldValue(field, .integer, payload: UInt64(bitPattern: number)))
            }
        case .boolean: fillBoolean(field, value, block)
        case .address: fillAddress(field, value, block)
        case .method, .country, .traceID: fillChecked(field, source, value, block)
        }
    }

    // MARK: Texts

    /// The first text of a list, or the value itself.
    mutating func firstOfList(_ value: Slot) -> Slot {
        guard value.form == .list, value.count > 4 else { return value }
        let count = scratch.withBytes { RecordParser.length($0, value.offset) }
        return .text(.scratch, value.offset + 4, count, stamp: stamp)
    }

    @inline(__always)
    static func length(_ bytes: Span<UInt8>, _ offset: Int) -> Int {
        Int(bytes[offset]) | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2]) << 16
            | Int(bytes[offset + 3]) << 24
    }

    /// Any value as text; nil when it has none.
    private mutating func text(of value: Slot) -> Slot? {
        switch value.form {
        case .block, .scratch: return value
        case .list:
            let first = firstOfList(value)
            return first.isText && first.count > 0 ? first : nil
        case .integer:
            let start = scratch.count
            scratch.append(decimal: Int64(bitPattern: value.payload))
            return .text(.scratch, start, scratch.count - start, stamp: stamp)
        case .boolean:
            let start = scratch.count
            scratch.append(value.payload == 1 ? "true" : "false")
            return .text(.scratch, start, scratch.count - start, stamp: stamp)
        case .double, .nothing: return nil
        }
    }

    /// Copies a text to `work`.
    mutating func copyToWork(_ value: Slot, _ block: Span<UInt8>) {
        work.removeAll()
        if value.form == .block {
            work.append(block.extracting(value.range))
        } else {
            RecordParser.append(scratch, value.range, to: &work)
        }
    }

    /// All the values of a list with a text between them, if all are there.
    private mutating func fillJoined(
        _ field: Field, _ list: Int, _ separator: Int, _ block: Span<UInt8>
    ) {
        other.removeAll()
        for number in program.slotLists[list] {
            guard let text = text(of: slot(number)) else { return }
            if other.count > 0 {
                let range = program.constantRanges[separator]
                RecordParser.append(
                    program.constants, Int(range.lowerBound)..<Int(range.upperBound), to: &other)
            }
            if text.form == .block {
                other.append(block.extracting(text.range))
            } else {
                RecordParser.append(scratch, text.range, to: &other)
            }
        }
        let start = scratch.count
        let isSet = if case .set = field.entry.kind { true } else { false }
        if isSet { scratch.append(littleEndian: UInt32(other.count)) }
        RecordParser.append(other, 0..<other.count, to: &scratch)
        builder.set(
            FieldValue(
                field, isSet ? .set : .scratch, offset: start, count: scratch.count - start))
    }

    // MARK: Sets

    /// The most members of a set.
    static let setCountLimit = 256

    private mutating func fillSet(
        _ field: Field, _ value: Slot, _ separator: UInt8, _ table: Int?, _ block: Span<UInt8>
    ) {
        guard value.isText || value.form == .list else {
            if let text = text(of: value) { fillSet(field, text, separator, table, block) }
            return
        }
        parts.removeAll(keepingCapacity: true)
        copyToWork(value, block)
        if value.isText { RecordParser.scrub(&work) }
        RecordParser.split(work, value.form == .list ? nil : separator, into: &parts)
        if let table { return fillMappedSet(field, table) }
        RecordParser.sort(&parts, in: work)
        guard !parts.isEmpty else { return }
        let start = scratch.count
        for part in parts {
            scratch.append(littleEndian: UInt32(part.count))
            RecordParser.append(work, part, to: &scratch)
        }
        builder.set(FieldValue(field, .set, offset: start, count: scratch.count - start))
    }

    /// Takes secrets out of a text while what tells them has not been parted from them.
    private static func scrub(_ text: inout ByteWriter) {
        let clean = text.withBytes { bytes in
            Scrubber.isSuspect(bytes, 0..<bytes.count) ? Scrubber().scrubbed(bytes) : nil
        }
        guard let clean else { return }
        text.removeAll()
        text.append(clean)
    }

    /// Only what the table knows comes into the set.
    private mutating func fillMappedSet(_ field: Field, _ table: Int) {
        var found: Set<Int> = []
        for part in parts {
            let word = work.withBytes { program.wordLists.find($0, part) }
            let number = program.wordLists.number(of: word, in: table)
            if number >= 0 { found.insert(number) }
        }
        guard !found.isEmpty else { return }
        let texts = found.map { number in
            let range = program.constantRanges[number]
            return Array(program.constants[Int(range.lowerBound)..<Int(range.upperBound)])
        }.sorted { $0.lexicographicallyPrecedes($1) }
        let start = scratch.count
        for text in texts {
            scratch.append(littleEndian: UInt32(text.count))
            scratch.append(text)
        }
        builder.set(FieldValue(field, .set, offset: start, count: scratch.count - start))
    }

    private static func split(
        _ text: borrowing ByteWriter, _ separator: UInt8?, into parts: inout [Range<Int>]
    ) {
        text.withBytes { bytes in
            if let separator {
                split(bytes, separator, into: &parts)
            } else {
                splitList(bytes, into: &parts)
            }
        }
    }

    private static func sort(_ parts: inout [Range<Int>], in text: borrowing ByteWriter) {
        text.withBytes { sort(&parts, in: $0) }
    }

    private static func split(
        _ bytes: Span<UInt8>, _ separator: UInt8, into parts: inout [Range<Int>]
    ) {
        var start = 0
        while start < bytes.count, parts.count < setCountLimit {
            let end = ByteSearch.first(separator, in: bytes, start..<bytes.count) ?? bytes.count
            // `a, b` and `a b` are both in use.
            var from = start
            while from < end, bytes[from] == 0x20 { from += 1 }
            if end > from { parts.append(from..<end) }
            start = end + 1
        }
    }

    private static func splitList(_ bytes: Span<UInt8>, into parts: inout [Range<Int>]) {
        var start = 0
        while start + 4 <= bytes.count, parts.count < setCountLimit {
            let count = length(bytes, start)
            if count > 0 { parts.append(start + 4..<start + 4 + count) }
            start += 4 + count
        }
    }

    /// Sorts by bytes and takes out what is there twice. Sets are short.
    private static func sort(_ parts: inout [Range<Int>], in bytes: Span<UInt8>) {
        var count = 0
        for index in parts.indices {
            let part = parts[index]
            var place = count
            var isTwice = false
            while place > 0 {
                let order = compare(bytes, parts[place - 1], part)
                if order == 0 { isTwice = true }
                if order <= 0 { break }
                place -= 1
            }
            if isTwice { continue }
            var moving = count
            while moving > place {
                parts[moving] = parts[moving - 1]
                moving -= 1
            }
            parts[place] = part
            count += 1
        }
        parts.removeSubrange(count...)
    }

    private static func compare(
        _ bytes: Span<UInt8>, _ left: Range<Int>, _ right: Range<Int>
    ) -> Int {
        let count = min(left.count, right.count)
        for index in 0..<count {
            let a = bytes[left.lowerBound + index]
            let b = bytes[right.lowerBound + index]
            if a != b { return a < b ? -1 : 1 }
        }
        return left.count - right.count
    }

    // MARK: Fingerprints

    private mutating func fillFingerprint(
        _ field: Field, _ kind: FingerprintKind, _ value: Slot, _ block: Span<UInt8>
    ) {
        guard let text = text(of: value) else { return }
        for made in fingerprints where made.kind == kind {
            if isEqual(made.source, text, block) {
                builder.set(
                    FieldValue(
                        field, .scratch, offset: made.place.lowerBound, count: made.place.count))
                return
            }
        }
        copyToWork(text, block)
        let start = scratch.count
        RecordParser.append(kind, work, &fingerprinter, to: &scratch)
        let place = start..<scratch.count
        fingerprints.append(Fingerprinted(kind: kind, source: text, place: place))
        builder.set(FieldValue(field, .scratch, offset: start, count: place.count))
    }

    private mutating func isEqual(_ left: Slot, _ right: Slot, _ block: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        return withText(left, block) { leftText, leftRange in
            withText(right, block) { rightText, rightRange in
                ByteSearch.equal(
                    leftText, leftRange, rightText.extracting(rightRange))
            }
        }
    }

    /// The `jti` of a signed token in clear; of anything else the fingerprint.
    private mutating func fillToken(_ field: Field, _ value: Slot, _ block: Span<UInt8>) {
        guard let text = text(of: value) else { return }
        copyToWork(text, block)
        if let identifier = work.withBytes(RecordParser.tokenIdentifier) {
            let start = scratch.count
            scratch.append(identifier)
            builder.set(FieldValue(field, .scratch, offset: start, count: scratch.count - start))
            return
        }
        fillFingerprint(field, .token, text, block)
    }

    private static func tokenIdentifier(_ token: Span<UInt8>) -> String? {
        let opening: [UInt8] = [0x65, 0x79, 0x4A]
        guard ByteSearch.hasPrefix(opening.span, token),
            let first = ByteSearch.first(0x2E, in: token),
            let second = ByteSearch.first(0x2E, in: token, first + 1..<token.count),
            let payload = Base64.decode(token.extracting(first + 1..<second), .urlSafe)
        else { return nil }
        let reader = JSONReader()
        guard reader.read(payload.span), let member = reader.tree.member(JSONKey("jti"), of: 0)
        else { return nil }
        return reader.tree.string(of: member).flatMap { $0.isEmpty ? nil : $0 }
    }

    // MARK: Forms

    private mutating func setTime(_ field: Field, _ time: Timestamp?) {
        guard let time else { return }
        builder.set(FieldValue(field, .time, payload: UInt64(bitPattern: time.microseconds)))
    }

    /// Leaves out the query and the fragment.
    private mutating func fillURI(_ field: Field, _ value: Slot, _ block: Span<UInt8>) {
        guard let text = text(of: value) else { return }
        let count = withText(text, block) { bytes, range in
            let query = ByteSearch.first(0x3F, in: bytes, range) ?? range.upperBound
            let fragment = ByteSearch.first(0x23, in: bytes, range) ?? range.upperBound
            return min(query, fragment) - range.lowerBound
        }
        guard count > 0 else { return }
        builder.set(textValue(field, .text(text.form, text.offset, count, stamp: stamp)))
    }

    private mutating func time(
        _ value: Slot, layout number: Int, _ block: Span<UInt8>
    ) -> Timestamp? {
        guard let text = text(of: value) else { return nil }
        copyToWork(text, block)
        return RecordParser.read(work, program.layouts[number], observed, &timestamps)
    }

    private static func read(
        _ text: borrowing ByteWriter, _ layout: TimeLayout, _ observed: Timestamp,
        _ timestamps: inout TimestampReader
    ) -> Timestamp? {
        text.withBytes { timestamps.read($0, layout, observed: observed) }
    }

    private mutating func time(
        _ value: Slot, _ form: TimeForm, _ block: Span<UInt8>
    ) -> Timestamp? {
        switch value.form {
        case .block: return timestamps.read(block.extracting(value.range), form)
        case .scratch: return RecordParser.read(scratch, value.range, form, &timestamps)
        case .integer: return TimestampReader.read(Int64(bitPattern: value.payload), form)
        case .double: return TimestampReader.read(Double(bitPattern: value.payload), form)
        case .nothing, .boolean, .list: return nil
        }
    }

    private static func read(
        _ text: borrowing ByteWriter, _ range: Range<Int>, _ form: TimeForm,
        _ timestamps: inout TimestampReader
    ) -> Timestamp? {
        text.withBytes { timestamps.read($0.extracting(range), form) }
    }

    private mutating func integer(_ value: Slot, _ block: Span<UInt8>) -> Int64? {
        switch value.form {
        case .integer: return Int64(bitPattern: value.payload)
        case .block, .scratch:
            return withText(value, block) { text, range in
                RecordParser.integer(text.extracting(range))
            }
        case .nothing, .double, .boolean, .list: return nil
        }
    }

    private static func integer(_ text: Span<UInt8>) -> Int64? {
        let isNegative = text.count > 0 && text[0] == 0x2D
        let start = isNegative ? 1 : 0
        guard text.count > start, text.count - start <= 16 else { return nil }
        var number: Int64 = 0
        for index in start..<text.count {
            guard ASCII.isDigit(text[index]) else { return nil }
            number = number * 10 + Int64(text[index] - 0x30)
        }
        return isNegative ? -number : number
    }

    private mutating func fillBoolean(_ field: Field, _ value: Slot, _ block: Span<UInt8>) {
        if value.form == .boolean {
            builder.set(FieldValue(field, .boolean, payload: value.payload))
            return
        }
        guard value.isText else { return }
        let truth: UInt64? = withText(value, block) { text, range in
            let yes: [UInt8] = Array("true".utf8)
            let no: [UInt8] = Array("false".utf8)
            let word = text.extracting(range)
            guard word.count == yes.count || word.count == no.count else { return nil }
            var lower: [UInt8] = []
            for index in 0..<word.count { lower.append(ASCII.lowercase(word[index])) }
            if lower == yes { return 1 }
            return lower == no ? 0 : nil
        }
        if let truth { builder.set(FieldValue(field, .boolean, payload: truth)) }
    }

    private mutating func fillAddress(_ field: Field, _ value: Slot, _ block: Span<UInt8>) {
        guard let text = text(of: value), text.count <= AddressText.byteLimit else { return }
        if withText(text, block, AddressText.isCanonicalIPv4) {
            return builder.set(textValue(field, text))
        }
        copyToWork(text, block)
        let start = scratch.count
        guard RecordParser.appendAddress(work, to: &scratch) else {
            scratch.truncate(to: start)
            return
        }
        builder.set(FieldValue(field, .scratch, offset: start, count: scratch.count - start))
    }

    private static func appendAddress(
        _ text: borrowing ByteWriter, to target: inout ByteWriter
    ) -> Bool {
        text.withBytes { AddressText.append($0, to: &target) }
    }

    /// Fields whose texts must have a form: what has not is left out.
    private mutating func fillChecked(
        _ field: Field, _ source: ParserProgram.Assignment.Source, _ value: Slot,
        _ block: Span<UInt8>
    ) {
        guard value.isText else { return }
        let isGood = withText(value, block) { text, range in
            switch source {
            case .method: range.count <= 32 && range.allSatisfy { RecordParser.isCapital(text[$0]) }
            case .country: range.count == 2 && range.allSatisfy { RecordParser.isCapital(text[$0]) }
            default: range.count == 32 && range.allSatisfy { RecordParser.isLowerHex(text[$0]) }
            }
        }
        if isGood { builder.set(textValue(field, value)) }
    }

    private static func isCapital(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        ASCII.isDigit(byte) || (byte >= 0x61 && byte <= 0x66)
    }
}
