// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A set of rows of the mapping.
struct ECSRowSet: Sendable {
    var low: UInt64 = 0
    var high: UInt64 = 0

    mutating func insert(_ row: Int) {
        if row < 64 { low |= 1 << UInt64(row) } else { high |= 1 << UInt64(row - 64) }
    }

    @inline(__always)
    mutating func formUnion(_ other: ECSRowSet) {
        low |= other.low
        high |= other.high
    }

    @inline(__always)
    mutating func subtract(_ other: ECSRowSet) {
        low &= ~other.low
        high &= ~other.high
    }
}

/// The mapping made ready for running: which rows a field wakes, and the text between the values.
///
/// A document is the values of its rows in order with text between them. That text depends on two
/// things only: the object that the value before stood in, and the row. So all of it is put
/// together here, once, and running the plan is copying.
struct ECSPlan: Sendable {
    /// What comes behind the text of a row.
    enum Step: Sendable {
        /// Nothing: the text holds the value.
        case nothing
        /// The raw JSON of the field or the group of this number.
        case copy(Int)
        /// Code decides.
        case compute(ECSComputed)
    }

    /// One member of the document.
    struct Row: Sendable {
        let step: Step
        /// The object it stands in.
        let container: Int
    }

    /// All texts, one behind the other.
    private(set) var text: [UInt8] = []
    /// The rows, in the order of the document.
    private(set) var rows: [Row] = []
    /// By field: the rows that it gives a value to.
    private(set) var rowsOfField: [ECSRowSet]
    /// By group: the rows that it gives a value to.
    private(set) var rowsOfGroup: [ECSRowSet]
    /// The rows that always have a value.
    private(set) var constantRows = ECSRowSet()
    /// The rows that only a sealed event has.
    private(set) var sealedRows = ECSRowSet()
    /// The rows that need a pseudonym.
    private(set) var hashRows = ECSRowSet()
    /// `["api","authentication"]` and the like, by action.
    private(set) var categories: [Range<Int>] = []
    /// `["creation","info"]` and the like, by action.
    private(set) var types: [Range<Int>] = []
    /// The name of each action with its quotes.
    let actionNames = Action.allCases.map { Array("\"\($0.name)\"".utf8) }
    private var rowsOfCondition: [ECSRowSet]
    // Start and end in `text`, packed: the fewer cache lines the better.
    private var leads: [UInt64] = []
    private var paths: [[String]] = [[]]
    // `"name":` of each row, with the value where that is constant.
    private var names: [String] = []

    /// The most rows that a mapping can have.
    static let rowLimit = 128

    /// Makes the plan for one data stream, `type-dataset-namespace`.
    ///
    /// A name that is not of this form is an index of its own, and documents name no data stream.
    init(dataStream: String) {
        let stream = ECSPlan.members(of: dataStream)
        let rows = ECSMapping.rows.filter { row in
            switch row.source {
            case .dataStream: stream != nil
            // The last member; it is written behind the rows, because it needs the whole batch.
            case .computed(.integrity): false
            case .field, .group, .constant, .computed: true
            }
        }
        if rows.count > ECSPlan.rowLimit { bug("the mapping has more rows than a set can hold") }
        rowsOfField = Array(repeating: ECSRowSet(), count: Field.allCases.count)
        rowsOfGroup = Array(repeating: ECSRowSet(), count: BodyGroup.allCases.count)
        rowsOfCondition = Array(repeating: ECSRowSet(), count: ECSCondition.allCases.count)
        for (index, row) in rows.enumerated() { add(row, index, stream ?? "") }
        for entry in ActionEntry.table {
            categories.append(add(ECSPlan.list(entry.ecsCategories)))
            types.append(add(ECSPlan.list(entry.ecsTypes)))
        }
        for from in paths.indices {
            for (row, name) in zip(self.rows, names) {
                leads.append(pack(ECSPlan.lead(paths[from], paths[row.container]) + name))
            }
        }
        for (row, name) in zip(self.rows, names) {
            leads.append(pack("{" + ECSPlan.opening(paths[row.container]) + name))
        }
    }

    /// Where the document has not begun yet.
    var outside: Int { paths.count }

    /// The text between the end of a value in the object `from` and the value of a row.
    @inline(__always)
    func lead(_ from: Int, _ row: Int) -> Range<Int> {
        let both = leads[from &* rows.count &+ row]
        return Int(both >> 32)..<Int(both & 0xFFFF_FFFF)
    }

    /// In how many objects of the document a value of this object stands.
    @inline(__always)
    func depth(_ container: Int) -> Int { paths[container].count }

    /// The rows to leave out when a condition does not hold.
    @inline(__always)
    func rows(of condition: ECSCondition) -> ECSRowSet { rowsOfCondition[condition.rawValue] }

    private mutating func add(_ row: ECSRow, _ index: Int, _ stream: String) {
        var path = String(describing: row.path).split(separator: ".").map { String($0) }
        var name = "\"\(path.removeLast())\":"
        let step: Step
        switch row.source {
        case .field(let field):
            step = .copy(Int(field.rawValue))
            rowsOfField[Int(field.rawValue)].insert(index)
        case .constant(let value):
            step = .nothing
            name += String(describing: value)
            constantRows.insert(index)
        case .group(let group):
            step = .copy(BodyFields.index(of: group))
            rowsOfGroup[group.rawValue].insert(index)
        case .dataStream:
            step = .nothing
            name += stream
            constantRows.insert(index)
        case .computed(let computed):
            step = .compute(computed)
            for field in computed.needs { rowsOfField[Int(field.rawValue)].insert(index) }
            if computed.needs.isEmpty { constantRows.insert(index) }
            if case .sequence = computed { sealedRows.insert(index) }
            if case .userHash = computed { hashRows.insert(index) }
        }
        rows.append(Row(step: step, container: container(path)))
        names.append(name)
        rowsOfCondition[row.condition.rawValue].insert(index)
    }

    private mutating func pack(_ piece: String) -> UInt64 {
        let range = add(piece)
        return UInt64(range.lowerBound) << 32 | UInt64(range.upperBound)
    }

    private mutating func add(_ piece: String) -> Range<Int> {
        let start = text.count
        text.append(contentsOf: piece.utf8)
        return start..<text.count
    }

    private mutating func container(_ path: [String]) -> Int {
        if let known = paths.firstIndex(of: path) { return known }
        // Every object on the way is known before the one inside it.
        if !path.isEmpty { _ = container(Array(path.dropLast())) }
        paths.append(path)
        return paths.count - 1
    }

    /// What closes the objects of one path and opens those of another.
    private static func lead(_ from: [String], _ to: [String]) -> String {
        var common = 0
        while common < min(from.count, to.count), from[common] == to[common] { common += 1 }
        let closed = String(repeating: "}", count: from.count - common)
        return closed + "," + opening(Array(to[common...]))
    }

    private static func opening(_ path: [String]) -> String {
        path.map { "\"\($0)\":{" }.joined()
    }

    private static func list(_ words: [StaticString]) -> String {
        "[" + words.map { "\"\($0)\"" }.joined(separator: ",") + "]"
    }

    private static func members(of dataStream: String) -> String? {
        let parts = dataStream.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        let members = zip(["type", "dataset", "namespace"], parts).map { "\"\($0)\":\"\($1)\"" }
        return "{" + members.joined(separator: ",") + "}"
    }
}
