// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes an Elastic Common Schema document around the signed bytes.
///
/// The body is walked once to find its values, which are then copied as they stand; nothing is
/// decoded. The signed bytes themselves ride along as `event.original`, so that a later `verify`
/// can tell whether the rest of the document still says the same. One rendering serves one thread.
public struct ECSRendering: ~Copyable {
    private let plan: ECSPlan
    private var fields = BodyFields()
    private var integrity = IntegrityWriter()
    // What the event in hand has, made by `select`.
    private var rows = ECSRowSet()
    private var action = Action.unclassified
    private var outcome = Outcome.unknown
    private var severity = Severity.info
    private var names: [Range<Int>] = []

    /// Makes a rendering for one data stream, `type-dataset-namespace`.
    public init(dataStream: String = SinkLimit.defaultIndex) {
        plan = ECSPlan(dataStream: dataStream)
        names.reserveCapacity(ECSComputed.relatedUsers.needs.count)
    }

    /// Appends the document of a sealed event, without a line feed.
    ///
    /// False, with nothing appended, when the body is not in the form that this agent writes.
    public mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        append(batch, event: event, idLine: nil, to: &output)
    }

    /// Appends the document of a body that is not sealed: without `event.sequence` and `integrity`.
    ///
    /// False, with nothing appended, when the body is not in the form that this agent writes.
    public mutating func append(
        body: Span<UInt8>, leaf: Digest, to output: inout ByteWriter
    ) -> Bool {
        guard fields.read(body, 0..<body.count), select(body, hint: .unclassified) else {
            return false
        }
        rows.subtract(plan.sealedRows)
        emit(body, 0..<body.count, leaf, sequence: 0, to: &output)
        output.append("}")
        return true
    }

    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, idLine: EventRendering.IDLine?,
        to output: inout ByteWriter
    ) -> Bool {
        let range = batch.bodyRange(event)
        let sealed = batch.events[event]
        let bodies = batch.bodies.span
        guard fields.read(batch, event: event), select(bodies, hint: sealed.action) else {
            return false
        }
        if let idLine {
            guard idLine.append(fields, bodies, to: &output) else { return false }
        }
        // Room for the document at once: escaping nearly doubles the quotes of the body.
        output.reserve(range.count * 4 + ECSRendering.overheadByteCount)
        let sequence = batch.firstSequence + UInt64(event)
        emit(bodies, range, sealed.leaf, sequence: sequence, to: &output)
        output.append(",\"integrity\":")
        integrity.append(batch, event: event, to: &output)
        output.append("}")
        return true
    }

    private static let overheadByteCount = 2048

    // MARK: Which rows

    private mutating func select(_ bytes: Span<UInt8>, hint: Action) -> Bool {
        guard fields.hasRequired,
            let action = action(bytes, hint), let outcome = outcome(bytes),
            let severity = severity(bytes)
        else { return false }
        self.action = action
        self.outcome = outcome
        self.severity = severity
        rows = plan.constantRows
        var bits = fields.present.low
        while bits != 0 {
            rows.formUnion(plan.rowsOfField[bits.trailingZeroBitCount])
            bits &= bits - 1
        }
        bits = fields.present.high
        while bits != 0 {
            rows.formUnion(plan.rowsOfField[64 + bits.trailingZeroBitCount])
            bits &= bits - 1
        }
        var groups = fields.presentGroups
        while groups != 0 {
            rows.formUnion(plan.rowsOfGroup[groups.trailingZeroBitCount])
            groups &= groups &- 1
        }
        applyConditions(bytes)
        return true
    }

    @inline(__always)
    private mutating func applyConditions(_ bytes: Span<UInt8>) {
        if let type = fields.range(of: .actorType), holds(bytes, type, ECSWords.system) {
            rows.subtract(plan.rows(of: .actorIsUser))
        } else if pseudonym(bytes) == nil {
            rows.subtract(plan.hashRows)
        }
        guard let type = fields.range(of: .targetType) else {
            rows.subtract(plan.rows(of: .targetIsUser))
            rows.subtract(plan.rows(of: .targetIsGroup))
            return
        }
        let isUser = holds(bytes, type, ECSWords.user)
        let isGroup = holds(bytes, type, ECSWords.group)
        if !isUser { rows.subtract(plan.rows(of: .targetIsUser)) }
        if !isGroup { rows.subtract(plan.rows(of: .targetIsGroup)) }
        if isUser || isGroup || holds(bytes, type, ECSWords.agent) {
            rows.subtract(plan.rows(of: .targetIsOther))
        }
    }

    @inline(__always)
    private func holds(_ bytes: Span<UInt8>, _ range: Range<Int>, _ word: QuotedWord) -> Bool {
        let scanner = BodyScanner(at: range.lowerBound + 1, end: range.upperBound)
        return word.matches(scanner.word(bytes, 0), scanner, bytes)
    }

    private func action(_ bytes: Span<UInt8>, _ hint: Action) -> Action? {
        guard let range = fields.range(of: .action) else { return nil }
        let likely = plan.actionNames[Int(hint.rawValue)]
        if ByteSearch.equal(bytes, range, likely.span) { return hint }
        for action in Action.allCases {
            let name = plan.actionNames[Int(action.rawValue)]
            if ByteSearch.equal(bytes, range, name.span) { return action }
        }
        return nil
    }

    private func outcome(_ bytes: Span<UInt8>) -> Outcome? {
        guard let range = fields.range(of: .outcome) else { return nil }
        for outcome in Outcome.allCases
        where holds(bytes, range, ECSWords.outcomes[Int(outcome.rawValue)]) {
            return outcome
        }
        return nil
    }

    private func severity(_ bytes: Span<UInt8>) -> Severity? {
        guard let range = fields.range(of: .severity) else { return nil }
        for severity in Severity.allCases
        where holds(bytes, range, ECSWords.severities[Int(severity.rawValue)]) {
            return severity
        }
        return nil
    }

    // MARK: Writing

    private mutating func emit(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ leaf: Digest, sequence: UInt64,
        to output: inout ByteWriter
    ) {
        var container = plan.outside
        var base = 0
        var bits = rows.low
        while true {
            while bits != 0 {
                let row = base &+ bits.trailingZeroBitCount
                bits &= bits &- 1
                output.append(part: plan.lead(container, row), of: plan.text.span)
                container = plan.rows[row].container
                switch plan.rows[row].step {
                case .nothing: break
                case .copy(let field): output.append(part: fields.range(at: field), of: bytes)
                case .compute(let computed):
                    compute(computed, bytes, range, leaf, sequence, to: &output)
                }
            }
            if base == 64 { break }
            base = 64
            bits = rows.high
        }
        for _ in 0..<plan.depth(container) { output.append(UInt8(ascii: "}")) }
    }

    private mutating func compute(
        _ computed: ECSComputed, _ bytes: Span<UInt8>, _ range: Range<Int>, _ leaf: Digest,
        _ sequence: UInt64, to output: inout ByteWriter
    ) {
        switch computed {
        case .category: output.append(plan.text, plan.categories[Int(action.rawValue)])
        case .type: output.append(plan.text, plan.types[Int(action.rawValue)])
        case .outcome:
            output.append(jsonWord: outcome == .denied ? Outcome.failure.word : outcome.word)
        case .severity: output.append(UInt8(ascii: "1") + severity.rawValue)
        case .original:
            output.append(UInt8(ascii: "\""))
            output.append(escaped: bytes.extracting(range))
            output.append(UInt8(ascii: "\""))
        case .hash:
            output.append(UInt8(ascii: "\""))
            output.append(hex: leaf)
            output.append(UInt8(ascii: "\""))
        case .sequence: output.append(decimal: sequence)
        case .userHash:
            if let range = pseudonym(bytes) { output.append(bytes.extracting(range)) }
        case .relatedUsers: appendNames(bytes, to: &output)
        case .relatedAddresses:
            guard let range = fields.range(of: .sourceIP) else { return }
            output.append(UInt8(ascii: "["))
            output.append(bytes.extracting(range))
            output.append(UInt8(ascii: "]"))
        case .integrity: break
        }
    }

    /// The first identifier of the actor, when it is a fingerprint.
    private func pseudonym(_ bytes: Span<UInt8>) -> Range<Int>? {
        for field in [Field.actorID, .actorName, .actorEmail] {
            if let range = fields.range(of: field), Self.isFingerprint(bytes, range) {
                return range
            }
        }
        return nil
    }

    // `"h1:` and 22 characters of base64url, as schema 1.0 writes fingerprints.
    private static func isFingerprint(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count >= 27, range.count <= 40, bytes[range.lowerBound + 1] == 0x68 else {
            return false
        }
        var at = range.lowerBound + 2
        while at < range.upperBound, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
        return at > range.lowerBound + 2 && bytes[at] == UInt8(ascii: ":")
            && range.upperBound - at == 24
    }

    /// The names of actor and target as a set: sorted by their bytes, each one once.
    private mutating func appendNames(_ bytes: Span<UInt8>, to output: inout ByteWriter) {
        names.removeAll(keepingCapacity: true)
        for field in ECSWords.nameFields {
            guard let range = fields.range(of: field) else { continue }
            var at = names.count
            var isThere = false
            while at > 0, !isThere {
                let order = Self.compare(bytes, range, names[at - 1])
                if order == 0 { isThere = true }
                if order >= 0 { break }
                at -= 1
            }
            if !isThere { names.insert(range, at: at) }
        }
        for index in names.indices {
            output.append(index == 0 ? "[" : ",")
            output.append(bytes.extracting(names[index]))
        }
        output.append(UInt8(ascii: "]"))
    }

    // The closing quote is left out: it would order before some bytes that a name can hold.
    private static func compare(
        _ bytes: Span<UInt8>, _ left: Range<Int>, _ right: Range<Int>
    ) -> Int {
        let count = min(left.count, right.count) - 1
        var index = 1
        while index < count {
            let (a, b) = (bytes[left.lowerBound + index], bytes[right.lowerBound + index])
            if a != b { return a < b ? -1 : 1 }
            index += 1
        }
        return left.count == right.count ? 0 : left.count < right.count ? -1 : 1
    }
}

/// The words of the body that the mapping looks at.
enum ECSWords {
    static let system = QuotedWord("system")
    static let user = QuotedWord("user")
    static let group = QuotedWord("group")
    static let agent = QuotedWord("agent")
    static let outcomes = Outcome.allCases.map { QuotedWord($0.word) }
    static let severities = Severity.allCases.map { QuotedWord($0.word) }
    static let nameFields = ECSComputed.relatedUsers.needs
}

extension ByteWriter {
    @inline(__always)
    mutating func append(jsonWord word: StaticString) {
        append(UInt8(ascii: "\""))
        append(word)
        append(UInt8(ascii: "\""))
    }
}
