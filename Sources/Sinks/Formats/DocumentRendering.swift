// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes a document of another model around the signed bytes.
///
/// The body is walked once to find its values, which are then copied as they stand; nothing is
/// decoded. The signed bytes themselves ride along as one string, so that a later `verify` can
/// tell whether the rest of the document still says the same. One rendering serves one thread.
public struct DocumentRendering: ~Copyable {
    // By action where the model has classes, else one for all.
    private let plans: [DocumentPlan]
    private let plan: DocumentPlan?
    private var fields = BodyFields()
    private var facts = EventFactFinder()
    private var integrity = IntegrityWriter()
    private var values = DocumentValues()
    // The rows that the event in hand has, made by `select`.
    private var rows = RowSet()

    private init(_ plan: DocumentPlan?, byAction plans: [DocumentPlan]) {
        self.plan = plan
        self.plans = plans
    }

    /// Makes a rendering of ECS documents for one data stream, `type-dataset-namespace`.
    public static func ecs(
        dataStream: String = SinkLimit.defaultIndex
    ) -> DocumentRendering {
        DocumentRendering(DocumentPlan(.ecs(dataStream: dataStream), nil), byAction: [])
    }

    /// Makes a rendering of OCSF events.
    public static func ocsf() -> DocumentRendering {
        DocumentRendering(nil, byAction: ocsfPlans)
    }

    // The same for every sink, and worth making once.
    private static let ocsfPlans: [DocumentPlan] = {
        let byClass = OCSFClass.allCases.map { ($0, DocumentPlan(.ocsf, $0)) }
        return ActionEntry.table.map { entry in
            guard let found = byClass.first(where: { $0.0 == entry.ocsfClass }) else {
                bug("there is no plan for the class of \(entry.name)")
            }
            return found.1
        }
    }()

    /// Appends the document of a sealed event, without a line feed.
    ///
    /// False, with nothing appended, when the body is not in the form that this agent writes.
    public mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        append(batch, event: event, idLine: nil, to: &output)
    }

    /// Appends the document of a body that is not sealed: without its number and `integrity`.
    ///
    /// False, with nothing appended, when the body is not in the form that this agent writes.
    public mutating func append(
        body: Span<UInt8>, leaf: Digest, to output: inout ByteWriter
    ) -> Bool {
        guard fields.read(body, 0..<body.count),
            let plan = select(body, hint: .unclassified, isSealed: false)
        else { return false }
        let container = emit(plan, body, 0..<body.count, leaf, sequence: 0, to: &output)
        close(plan, container, to: &output)
        return true
    }

    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, idLine: EventRendering.IDLine?,
        to output: inout ByteWriter
    ) -> Bool {
        let range = batch.bodyRange(event)
        let sealed = batch.events[event]
        let bodies = batch.bodies.span
        guard fields.read(batch, event: event),
            let plan = select(bodies, hint: sealed.action, isSealed: true)
        else { return false }
        if let idLine {
            guard idLine.append(fields, bodies, to: &output) else { return false }
        }
        // Room for the document at once: escaping nearly doubles the quotes of the body.
        output.reserve(range.count * 4 + DocumentRendering.overheadByteCount)
        let sequence = batch.firstSequence + UInt64(event)
        let container = emit(plan, bodies, range, sealed.leaf, sequence: sequence, to: &output)
        // The last row: it takes the whole batch.
        integrity.append(batch, event: event, to: &output)
        close(plan, container, to: &output)
        return true
    }

    private static let overheadByteCount = 2048

    // MARK: Which rows

    private mutating func select(
        _ bytes: Span<UInt8>, hint: Action, isSealed: Bool
    ) -> DocumentPlan? {
        guard fields.hasRequired, facts.read(fields, bytes, hint: hint) else { return nil }
        let plan = plan ?? plans[Int(facts.action.rawValue)]
        if self.plan == nil {
            guard facts.findMore(fields, bytes) else { return nil }
        }
        facts.set(.isSealed, isSo: isSealed)
        rows = plan.constantRows
        var bits = fields.present.low
        while bits != 0 {
            rows.formUnion(plan.rowsOfValue[bits.trailingZeroBitCount])
            bits &= bits &- 1
        }
        bits = fields.present.high
        while bits != 0 {
            rows.formUnion(plan.rowsOfValue[64 &+ bits.trailingZeroBitCount])
            bits &= bits &- 1
        }
        var groups = fields.presentGroups
        while groups != 0 {
            rows.formUnion(plan.rowsOfValue[plan.groupBase &+ groups.trailingZeroBitCount])
            groups &= groups &- 1
        }
        for condition in plan.conditions {
            let isSo = facts.facts.contains(condition.fact)
            rows.subtract(isSo ? condition.thereupon : condition.otherwise)
        }
        for absence in plan.absences where fields.range(of: absence.field) != nil {
            rows.subtract(absence.thereupon)
        }
        return plan
    }

    // MARK: Writing

    /// Writes all rows but the integrity, of which it writes the name; answers where it stopped.
    private mutating func emit(
        _ plan: DocumentPlan, _ bytes: Span<UInt8>, _ range: Range<Int>, _ leaf: Digest,
        sequence: UInt64, to output: inout ByteWriter
    ) -> Int {
        let table = plan.text
        let text = table.span
        var container = plan.outside
        var base = 0
        var bits = rows.low
        while true {
            while bits != 0 {
                let row = base &+ bits.trailingZeroBitCount
                bits &= bits &- 1
                output.append(part: plan.lead(container, row), of: text)
                container = plan.rows[row].container
                switch plan.rows[row].step {
                case .nothing, .integrity: break
                case .copy(let value):
                    output.append(part: fields.range(at: value), of: bytes)
                case .byAction(let first):
                    output.append(
                        part: plan.choices[first + Int(facts.action.rawValue)], of: text)
                case .byOutcome(let first):
                    output.append(
                        part: plan.choices[first + Int(facts.outcome.rawValue)], of: text)
                case .bySeverity(let first):
                    output.append(
                        part: plan.choices[first + Int(facts.severity.rawValue)], of: text)
                case .signedBytes:
                    output.append(UInt8(ascii: "\""))
                    output.append(escaped: bytes.extracting(range))
                    output.append(UInt8(ascii: "\""))
                case .leaf:
                    output.append(UInt8(ascii: "\""))
                    output.append(hex: leaf)
                    output.append(UInt8(ascii: "\""))
                case .sequence: output.append(decimal: sequence)
                case .translate(let index):
                    translate(plan.translations[index], text, bytes, to: &output)
                case .gathered(let index):
                    values.gather(plan.sources[index], fields, bytes, to: &output)
                case .pseudonym(let index):
                    let found = EventFactFinder.pseudonym(plan.sources[index], fields, bytes)
                    if let found { output.append(bytes.extracting(found)) }
                case .milliseconds(let value):
                    DocumentValues.milliseconds(bytes, fields.range(at: value), to: &output)
                case .first(let value):
                    DocumentValues.first(bytes, fields.range(at: value), to: &output)
                case .pairs(let value):
                    DocumentValues.pairs(bytes, fields.range(at: value), to: &output)
                case .identifiers(let value):
                    DocumentValues.identifiers(bytes, fields.range(at: value), to: &output)
                case .factors(let value):
                    DocumentValues.factors(bytes, fields.range(at: value), to: &output)
                }
            }
            if base == 64 { return container }
            base = 64
            bits = rows.high
        }
    }

    private func close(_ plan: DocumentPlan, _ container: Int, to output: inout ByteWriter) {
        let table = plan.text
        output.append(part: plan.closings[container], of: table.span)
    }

    private func translate(
        _ translation: DocumentPlan.Translation, _ text: Span<UInt8>, _ bytes: Span<UInt8>,
        to output: inout ByteWriter
    ) {
        let range = fields.range(at: translation.value)
        for (word, replacement) in translation.words where word.isAll(of: range, bytes) {
            return output.append(part: replacement, of: text)
        }
        if let otherwise = translation.otherwise {
            output.append(part: otherwise, of: text)
        } else {
            output.append(part: range, of: bytes)
        }
    }
}
