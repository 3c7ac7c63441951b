// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Turns records into canonical events by a program. One serves one thread.
///
/// It is total: each record gives events, or is ignored for a reason that is counted, or is
/// dropped and counted because it cannot be represented.
public struct RecordParser: ~Copyable {
    // What the hot path calls is `mutating`, inlined or static, also where it changes nothing: for
    // a call of any other method from a mutating one the compiler copies the whole parser.

    let program: ParserProgram
    let context: ParseContext
    let reader = JSONReader()
    let lenient = LenientJSON()
    /// For documents in texts that are wanted in passing.
    let innerReader = JSONReader()
    let innerLenient = LenientJSON()
    /// For the text in which the root is, when it is in one.
    let textReader = JSONReader()
    let match = Match()
    var fingerprinter: Fingerprinter
    var timestamps: TimestampReader
    var constants: [UInt8]
    /// Where the name of the host stands that logged the record at hand; empty when unknown.
    var host: Range<UInt32> = 0..<0
    let fixed: FixedConstants
    var damageLabels: [UInt16: Range<Int>] = [:]
    let severities: [Severity]
    let outcomes: [Outcome]
    var scanners: [PairScanner]

    // State of a batch.
    var scratch = ByteWriter(capacity: 256 << 10)
    var work = ByteWriter(capacity: 8 << 10)
    var other = ByteWriter(capacity: 8 << 10)
    var nestedBytes = ByteWriter(capacity: 8 << 10)
    var values: [FieldValue] = []
    var events: [Event] = []
    var observed = Timestamp(microseconds: 0)
    var reasonCounts: [Int]
    var parsedElementCount = 0
    var elementReasonCounts: [Int]
    var excessElementCount = 0

    // State of a record.
    var slots: [Slot]
    /// What alternatives that may fail have changed.
    var savedSlots: [Slot] = []
    var stamp: UInt32 = 0
    var builder = FieldRow()
    var damage: RecordDamage = []
    var classes: [Int32] = []
    var ignoredReason: Int32 = -1
    var jsonState = JSONState.unread
    /// The node of the document that paths begin at.
    var root = 0
    var isTextRoot = false
    /// How many lists of elements are being gone through, one inside the other.
    var elementDepth = 0
    var fates = ElementFates()
    var nested: [NestedDocument] = []
    /// What patterns found in the whole record while its elements were gone through.
    var wholeMatches: [Int: WholeMatch] = [:]
    private var matchCount = 0
    /// What patterns cost the last record.
    public internal(set) var effort = MatchEffort()
    /// How many events the record has given.
    var ordinal = 0
    var fingerprints: [Fingerprinted] = []
    var textPlace = Slot()
    var parts: [Range<Int>] = []
    var trace: ParseTrace

    enum JSONState { case unread, sound, repaired, none }

    /// The reasons that every parser has beside its own.
    static let noRecordReason = "no_record"
    /// A record that fits nothing because a pattern was given up at a limit of `RegularExpression`,
    /// or because it took too many of them.
    static let patternLimitReason = "pattern_limit"
    /// Elements of a list behind those that gave `eventCountLimit` events are dropped by this.
    public static let excessReason = "events_of_record"
    /// Records of a batch whose texts are too long together are dropped by this.
    public static let tooLargeReason = "batch_too_large"
    /// The most patterns that are tried on one record, or on one element of a list of records.
    public static let matchCountLimit = 10_000
    /// The longest batch whose texts can be referred to.
    static let batchByteLimit = 1 << 30

    /// Makes a parser for one thread.
    public init(program: ParserProgram, context: ParseContext) {
        self.program = program
        self.context = context
        fingerprinter = Fingerprinter(policy: context.privacy)
        timestamps = TimestampReader(zone: context.timezone)
        slots = Array(repeating: Slot(), count: max(program.slotNames.count, 1))
        reasonCounts = Array(repeating: 0, count: program.reasons.count + 4)
        elementReasonCounts = reasonCounts
        var constants = program.constants
        fixed = FixedConstants(program: program, context: context, constants: &constants)
        self.constants = constants
        severities = Action.allCases.map { context.severities[$0] ?? $0.entry.severity }
        outcomes = Action.allCases.map { $0.entry.outcomes[0] }
        scanners = program.keyTables.map {
            PairScanner(table: $0, nullTable: program.nullTable)
        }
        trace = ParseTrace()
    }

    /// Parses a batch; its records, events and counts come back together.
    public mutating func parse(_ batch: consuming RecordBatch) -> EventBatch {
        let records = batch
        observed = records.observed
        scratch.removeAll()
        values.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
        values.reserveCapacity(records.records.count * 28)
        events.reserveCapacity(records.records.count)
        var tally = RecordTally()
        tally.read = records.records.count
        var damageCounts = [16 of Int](repeating: 0)
        let path = records.path.map { appendConstant($0) }
        let block = records.bytes.span
        let (hasBodies, hasTimes) = (!records.bodies.isEmpty, !records.times.isEmpty)
        host = 0..<0
        for (index, record) in records.records.enumerated() {
            tally.bytes += Int(record.count)
            if !records.hosts.isEmpty { host = records.hosts[index] }
            let before = events.count
            if scratch.count < RecordParser.batchByteLimit {
                parse(
                    Subject(
                        record: hasBodies ? record.inside(records.body(of: index)) : record,
                        index: index, path: path,
                        time: hasTimes ? records.time(of: index) : nil), block)
                if events.count > before {
                    tally.parsed += 1
                } else {
                    reasonCounts[Int(ignoredReason)] += 1
                }
                if !fates.isEmpty { settleElements() }
            } else {
                damage = []
                tally.dropped[RecordParser.tooLargeReason, default: 0] += 1
            }
            if damage.rawValue != 0 { RecordParser.count(damage, &tally, &damageCounts) }
        }
        finish(&tally, damageCounts)
        var parsed = EventBatch(
            records: records, parser: program.name, scratch: scratch.makeArray(),
            constants: constants, values: values, events: events, tally: tally)
        if let excess = tally.elements.dropped[RecordParser.excessReason] {
            parsed.records.losses.append(
                InputLoss(path: records.path, reason: .excess, recordCount: UInt64(excess)))
        }
        return parsed
    }

    private mutating func finish(_ tally: inout RecordTally, _ damageCounts: [16 of Int]) {
        tally.events = events.count
        for event in events where event.action == .unclassified { tally.unclassified += 1 }
        for index in reasonCounts.indices where reasonCounts[index] > 0 {
            tally.ignored[reason(Int32(index))] = reasonCounts[index]
            reasonCounts[index] = 0
        }
        tally.elements = takeElementTally()
        for (bit, name) in RecordDamage.names where damageCounts[bit] > 0 {
            tally.damaged[name] = damageCounts[bit]
        }
    }

    private static func count(
        _ damage: RecordDamage, _ tally: inout RecordTally, _ counts: inout [16 of Int]
    ) {
        if damage.contains(.cut) { tally.truncated += 1 }
        var bits = damage.subtracting(.cut).rawValue
        while bits != 0 {
            counts[bits.trailingZeroBitCount] += 1
            bits &= bits - 1
        }
    }

    /// A path is a constant of its batch; the last one is kept for the next batch.
    private mutating func appendConstant(_ text: String) -> Range<Int> {
        let utf8 = Array(text.utf8)
        if constants.count >= utf8.count, fixed.end + utf8.count <= constants.count,
            Array(constants[fixed.end..<fixed.end + utf8.count]) == utf8
        {
            return fixed.end..<fixed.end + utf8.count
        }
        constants.removeSubrange(fixed.end...)
        damageLabels.removeAll()
        constants += utf8
        return fixed.end..<constants.count
    }

    /// The word for a reason by its number; the engine's own stand behind the program's.
    func reason(_ number: Int32) -> String {
        let own = Int(number) - program.reasons.count
        switch own {
        case 0: return RecordParser.noRecordReason
        case 1: return "authorization_pending"
        case 2: return "slow_down"
        case 3: return RecordParser.patternLimitReason
        default: return own < 0 ? program.reasons[Int(number)] : RecordParser.noRecordReason
        }
    }

    // MARK: One record

    private mutating func parse(_ subject: Subject, _ block: Span<UInt8>) {
        forgetValues()
        damage = subject.record.damage
        jsonState = .unread
        textPlace = Slot()
        ignoredReason = Int32(program.reasons.count)
        fingerprints.removeAll(keepingCapacity: true)
        classes.removeAll(keepingCapacity: true)
        ordinal = 0
        effort = MatchEffort()
        matchCount = 0
        let scratchStart = scratch.count
        for number in program.formats.indices {
            fates.isOfFormat = false
            let result = runFormat(program.formats[number].steps, subject, block)
            if case .failed = result {
                forgetValues()
                continue
            }
            // Elements on which a format failed as a whole are none for the one that fits.
            if !fates.isOfFormat, !fates.isEmpty { fates.removeAll() }
            trace.format = number
            break
        }
        guard ordinal == 0 else { return }
        scratch.truncate(to: scratchStart)
        ignoredReason = finalReason
    }

    /// Why what gave no event is ignored, when all was tried.
    var finalReason: Int32 {
        let isUnnamed = Int(ignoredReason) == program.reasons.count
        return isUnnamed && effort.isLimitHit ? ignoredReason + 3 : ignoredReason
    }

    /// Lets no name have a value, for another record or another format.
    private mutating func forgetValues() {
        if !wholeMatches.isEmpty { wholeMatches.removeAll() }
        clearSlots()
    }

    /// Lets no name but these have a value.
    mutating func clearSlots(but kept: [Int32] = []) {
        let before = stamp
        stamp &+= 1
        if stamp == 0 {
            stamp = 1
            for index in slots.indices
            where slots[index].stamp != before || !kept.contains(Int32(index)) {
                slots[index].stamp = 0
            }
        }
        for name in kept where slots[Int(name)].stamp == before { slots[Int(name)].stamp = stamp }
        if textPlace.stamp == before { textPlace.stamp = stamp }
    }

    /// Looks for a pattern in a text; what it found is in `match`.
    mutating func finds(_ number: Int, _ text: Slot, _ block: Span<UInt8>) -> Bool {
        matchCount += 1
        effort.matchCount = max(effort.matchCount, matchCount)
        guard matchCount <= RecordParser.matchCountLimit else {
            effort.isLimitHit = true
            return false
        }
        let expression = program.patterns[number].expression
        let isFound =
            text.form == .block
            ? expression.match(block, text.range, into: match)
            : RecordParser.match(expression, scratch, text.range, match)
        if isFound { return true }
        if match.isLimitHit { effort.isLimitHit = true }
        return false
    }

    private static func match(
        _ expression: RegularExpression, _ text: borrowing ByteWriter, _ range: Range<Int>,
        _ match: borrowing Match
    ) -> Bool {
        text.withBytes { expression.match($0, range, into: match) }
    }

    /// An element has as many patterns to spend as a record of its own.
    mutating func beginElement() {
        matchCount = 0
    }

    /// Lays down the events that were named.
    mutating func layAll(_ subject: Subject, _ block: Span<UInt8>) {
        for number in classes {
            if lay(Int(number), subject, ordinal, block) { ordinal += 1 }
        }
    }
}

/// What a pattern found in a whole record.
struct WholeMatch {
    var isFound: Bool
    var values: [(slot: Int32, value: Slot)]
}

/// What patterns cost a record.
public struct MatchEffort: Sendable, Hashable {
    /// How many were tried, on the costliest element of a list of records.
    public var matchCount = 0
    /// Whether one was given up at a limit of `RegularExpression`, or too many were tried.
    public var isLimitHit = false
}

/// The record that is being parsed, with what its batch says of it.
struct Subject {
    var record: Record
    /// Its number in the batch.
    var index: Int
    /// Where the path of its file stands in the constants.
    var path: Range<Int>?
    /// When whoever wrapped the record says that it was written.
    var time: Timestamp?
}

extension Record {
    /// The same record, with these bytes alone to be read.
    func inside(_ body: Range<Int>) -> Record {
        Record(
            start: UInt32(body.lowerBound), count: UInt32(body.count), offset: offset,
            damage: damage)
    }
}

/// Texts that every event of a parser carries, as places in the constants.
struct FixedConstants: Sendable {
    let vendor: Range<Int>
    let product: Range<Int>
    let policy: Range<Int>
    let key: Range<Int>
    let tenant: Range<Int>?
    let labels: Range<Int>?
    /// Where the constants of a batch begin.
    let end: Int

    static let policyName = "hmac-sha256"

    init(program: ParserProgram, context: ParseContext, constants: inout [UInt8]) {
        func append(_ text: String) -> Range<Int> {
            let start = constants.count
            constants += Array(text.utf8)
            return start..<constants.count
        }
        vendor = append(program.vendor)
        product = append(program.product)
        policy = append(FixedConstants.policyName)
        key = append("h\(context.privacy.generation)")
        tenant = context.tenant.flatMap { $0.isEmpty ? nil : append($0) }
        if context.labels.isEmpty {
            labels = nil
        } else {
            let start = constants.count
            constants += FixedConstants.labels(context.labels)
            labels = start..<constants.count
        }
        end = constants.count
    }

    /// A JSON object of names and texts, sorted as RFC 8785 wants it.
    static func labels(_ labels: [String: String]) -> [UInt8] {
        var writer = ByteWriter()
        writer.append("{")
        for (name, text) in labels.sorted(by: { $0.key < $1.key }) where !text.isEmpty {
            if writer.count > 1 { writer.append(",") }
            writer.append(jsonString: name)
            writer.append(":")
            writer.append(jsonString: text)
        }
        writer.append("}")
        return writer.makeArray()
    }
}

/// A fingerprint that was made for the record at hand.
struct Fingerprinted {
    var kind: FingerprintKind
    var source: Slot
    var place: Range<Int>
}

/// What the last record went through, for `--explain`.
struct ParseTrace {
    var format = -1
    var line: Int32 = 0
}

extension RecordDamage {
    /// The bit and the name of each kind, by name.
    static let names: [(bit: Int, name: String)] = [
        (0, "cut"), (3, "duplicate_key"), (1, "invalid_utf8"), (4, "no_time"),
        (2, "repaired_json"), (6, "suspected_injection"), (5, "truncated"),
    ]

    /// The names of all kinds, sorted.
    public static var allNames: [String] { names.map(\.name) }

    /// The names that apply, sorted, as the label `sealtail_damage` carries them.
    public var text: String {
        RecordDamage.names.filter { rawValue >> UInt16($0.bit) & 1 == 1 }.map(\.name)
            .joined(separator: ",")
    }
}
