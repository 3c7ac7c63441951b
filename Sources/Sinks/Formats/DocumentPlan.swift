// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A set of rows of a plan.
struct RowSet: Sendable {
    var low: UInt64 = 0
    var high: UInt64 = 0

    mutating func insert(_ row: Int) {
        if row < 64 { low |= 1 << UInt64(row) } else { high |= 1 << UInt64(row - 64) }
    }

    @inline(__always)
    mutating func formUnion(_ other: RowSet) {
        low |= other.low
        high |= other.high
    }

    @inline(__always)
    mutating func subtract(_ other: RowSet) {
        low &= ~other.low
        high &= ~other.high
    }
}

/// The mapping to one class of documents made ready for running: which rows a field wakes, and the
/// text between the values.
///
/// A document is the values of its rows in order with text between them. That text depends on two
/// things only: the object that the value before stood in, and the row. So all of it is put
/// together here, once, and running the plan is copying.
final class DocumentPlan: Sendable {
    /// What comes behind the text of a row.
    enum Step: Sendable {
        /// Nothing: the text holds the value.
        case nothing
        /// The raw JSON of the field or the group of this number.
        case copy(Int)
        /// The text that goes with the action, the outcome or the severity: from here on in
        /// `choices`, by raw value.
        case byAction(Int)
        case byOutcome(Int)
        case bySeverity(Int)
        /// The text that goes with the word of a field: which of `translations`.
        case translate(Int)
        /// The value of this number, as the form says.
        case milliseconds(Int)
        case first(Int)
        case pairs(Int)
        case identifiers(Int)
        case factors(Int)
        /// The values of several fields: which of `sources`.
        case gathered(Int)
        case pseudonym(Int)
        /// What the event is beside its fields.
        case signedBytes
        case leaf
        case sequence
        case integrity
    }

    /// Texts for some words, and for all others; those are copied where there is none.
    struct Translation: Sendable {
        var value: Int
        var words: [(word: QuotedWord, text: Range<Int>)]
        var otherwise: Range<Int>?
    }

    /// One member of the document.
    struct Row: Sendable {
        let step: Step
        /// The object it stands in.
        let container: Int
    }

    /// All texts, one behind the other.
    let text: [UInt8]
    /// The rows, in the order of the document.
    let rows: [Row]
    /// By field, and behind them by group: the rows that it gives a value to.
    let rowsOfValue: [RowSet]
    /// The rows that need no field.
    let constantRows: RowSet
    /// What to leave out when something is not so, and when it is.
    let conditions: [(fact: EventFact, otherwise: RowSet, thereupon: RowSet)]
    /// What to leave out when the event has a field.
    let absences: [(field: Field, thereupon: RowSet)]
    /// The texts that an action, an outcome or a severity chooses from.
    let choices: [Range<Int>]
    /// Texts for words of fields.
    let translations: [Translation]
    /// The fields of the rows that are made of several.
    let sources: [[Field]]
    /// The number of the first group in `rowsOfValue`.
    let groupBase = Field.allCases.count
    /// What closes an object and all it stands in; of each container.
    let closings: [Range<Int>]
    /// Where the document has not begun yet.
    let outside: Int
    // Start and end in `text`, packed: the fewer cache lines the better.
    private let leads: [UInt64]

    /// The most rows that a plan can have.
    static let rowLimit = 128

    /// Makes the plan for one class of a model; nil for a model without classes.
    init(_ model: DocumentModel, _ ocsfClass: OCSFClass?) {
        let outline = DocumentOutline(model, ocsfClass)
        if outline.entries.count > DocumentPlan.rowLimit {
            bug("the mapping has more rows than a set can hold")
        }
        guard case .integrity? = outline.entries.last?.member.form else {
            bug("the integrity is not the last member of a document")
        }
        var writer = PlanWriter()
        for (index, entry) in outline.entries.enumerated() { writer.add(entry, index) }
        rows = writer.rows
        rowsOfValue = writer.rowsOfValue
        constantRows = writer.constantRows
        choices = writer.choices
        translations = writer.translations
        sources = writer.sources
        conditions = zip(EventFact.allCases, writer.rowsOfFact).compactMap { fact, sets in
            sets.otherwise.isEmpty && sets.thereupon.isEmpty
                ? nil : (fact, sets.otherwise, sets.thereupon)
        }
        absences = Field.allCases.compactMap { field in
            let rows = writer.rowsWithout[Int(field.rawValue)]
            return rows.isEmpty ? nil : (field, rows)
        }
        outside = writer.paths.count
        leads = writer.leads()
        closings = writer.closings()
        text = writer.text
    }

    /// The text between the end of a value in the object `from` and the value of a row.
    @inline(__always)
    func lead(_ from: Int, _ row: Int) -> Range<Int> {
        let both = leads[from &* rows.count &+ row]
        return Int(both >> 32)..<Int(both & 0xFFFF_FFFF)
    }
}

extension RowSet {
    var isEmpty: Bool { low | high == 0 }
}

/// Puts a plan together.
private struct PlanWriter {
    var text: [UInt8] = []
    var rows: [DocumentPlan.Row] = []
    var rowsOfValue = Array(
        repeating: RowSet(), count: Field.allCases.count + BodyGroup.allCases.count)
    var rowsWithout = Array(repeating: RowSet(), count: Field.allCases.count)
    var rowsOfFact = Array(
        repeating: (otherwise: RowSet(), thereupon: RowSet()), count: EventFact.allCases.count)
    var constantRows = RowSet()
    var choices: [Range<Int>] = []
    var translations: [DocumentPlan.Translation] = []
    var sources: [[Field]] = []
    var paths: [[String]] = [[]]
    // `"name":` of each row, with the value where that is constant.
    private var names: [String] = []
    // Where each text stands: most ways from one object to another read the same.
    private var known: [String: Range<Int>] = [:]

    mutating func add(_ entry: DocumentOutline.Entry, _ index: Int) {
        var name = "\"\(entry.name)\":"
        let values = entry.values
        let step: DocumentPlan.Step
        switch entry.member.form {
        case .copy: step = .copy(values[0])
        case .constant(let value):
            step = .nothing
            name += value
        case .byAction(let make): step = .byAction(add(ActionEntry.table.map(make)))
        case .byOutcome(let make): step = .byOutcome(add(Outcome.allCases.map(make)))
        case .bySeverity(let make): step = .bySeverity(add(Severity.allCases.map(make)))
        case .translated(let words, let otherwise):
            let texts = words.map { (QuotedWord($0), add(String(describing: $1))) }
            let rest = otherwise.map { add(String(describing: $0)) }
            step = .translate(translations.count)
            translations.append(.init(value: values[0], words: texts, otherwise: rest))
        case .milliseconds: step = .milliseconds(values[0])
        case .first: step = .first(values[0])
        case .pairs: step = .pairs(values[0])
        case .identifiers: step = .identifiers(values[0])
        case .factors: step = .factors(values[0])
        case .gathered: step = .gathered(add(entry.fields))
        case .pseudonym: step = .pseudonym(add(entry.fields))
        case .signedBytes: step = .signedBytes
        case .leaf: step = .leaf
        case .sequence: step = .sequence
        case .integrity: step = .integrity
        }
        if values.isEmpty { constantRows.insert(index) }
        for value in values { rowsOfValue[value].insert(index) }
        for field in entry.member.without { rowsWithout[Int(field.rawValue)].insert(index) }
        for fact in EventFact.allCases {
            if entry.member.needs.contains(fact) {
                rowsOfFact[fact.rawValue].otherwise.insert(index)
            }
            if entry.member.excludes.contains(fact) {
                rowsOfFact[fact.rawValue].thereupon.insert(index)
            }
        }
        rows.append(DocumentPlan.Row(step: step, container: container(entry.container)))
        names.append(name)
    }

    /// The texts before each row: behind each container, and at the start of the document.
    mutating func leads() -> [UInt64] {
        var leads: [UInt64] = []
        for from in paths.indices {
            for (row, name) in zip(rows, names) {
                leads.append(pack(PlanWriter.lead(paths[from], paths[row.container]) + name))
            }
        }
        for (row, name) in zip(rows, names) {
            leads.append(pack("{" + PlanWriter.opening(paths[row.container][...]) + name))
        }
        return leads
    }

    mutating func closings() -> [Range<Int>] {
        paths.map { add(PlanWriter.closing($0[...]) + "}") }
    }

    private mutating func pack(_ piece: String) -> UInt64 {
        let range = add(piece)
        return UInt64(range.lowerBound) << 32 | UInt64(range.upperBound)
    }

    private mutating func add(_ piece: String) -> Range<Int> {
        if let found = known[piece] { return found }
        let start = text.count
        text.append(contentsOf: piece.utf8)
        known[piece] = start..<text.count
        return start..<text.count
    }

    private mutating func add(_ pieces: [String]) -> Int {
        let start = choices.count
        for piece in pieces { choices.append(add(piece)) }
        return start
    }

    private mutating func add(_ fields: [Field]) -> Int {
        sources.append(fields)
        return sources.count - 1
    }

    private mutating func container(_ path: [String]) -> Int {
        if let known = paths.firstIndex(of: path) { return known }
        paths.append(path)
        return paths.count - 1
    }

    /// What closes the objects of one path and opens those of another.
    private static func lead(_ from: [String], _ to: [String]) -> String {
        var common = 0
        while common < min(from.count, to.count), from[common] == to[common] { common += 1 }
        return closing(from[common...]) + "," + opening(to[common...])
    }

    private static func opening(_ path: ArraySlice<String>) -> String {
        path.map { $0.hasSuffix("[]") ? "\"\($0.dropLast(2))\":[{" : "\"\($0)\":{" }.joined()
    }

    private static func closing(_ path: ArraySlice<String>) -> String {
        path.reversed().map { $0.hasSuffix("[]") ? "}]" : "}" }.joined()
    }
}
