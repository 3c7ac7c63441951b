// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A declaration compiled into flat tables that threads share and never change.
public struct ParserProgram: Sendable {
    /// The name of the parser.
    public let name: String
    /// `provider.vendor`.
    public let vendor: String
    /// `provider.product`.
    public let product: String

    /// The most named values of a declaration.
    static let slotLimit = 512
    /// The deepest nesting of rules.
    static let ruleDepthLimit = 8

    var slotNames: [String] = []
    /// The values that become fingerprints, because they are live credentials.
    var credentialSlots: Set<Int32> = []
    var nullTable = TextTable([])
    var formats: [Format] = []
    var steps: [Step] = []
    var conditions: [Condition] = []
    var members = MemberTables()
    var keyTables: [TextTable] = []
    var logfmtTables: [TextTable] = []
    var columnPlans: [ColumnPlan] = []
    var paths: [[[JSONKey]]] = []
    var alternatives: [Alternative] = []
    var layouts: [TimeLayout] = []
    var patterns: [Pattern] = []
    var wordLists = WordLists()
    var needles: [[UInt8]] = []
    var rules: [Rule] = []
    var ruleLists: [Range<Int32>] = []
    /// The rules of all lists.
    var ruleNumbers: [Int32] = []
    var classes: [EventClass] = []
    var assignments: [Assignment] = []
    var constants: [UInt8] = []
    var constantRanges: [Range<Int32>] = []
    var slotLists: [[Int32]] = []
    /// The names that alternatives may have to give back.
    var savedSlots: [Int32] = []
    var constantSets: [[UInt8]] = []
    var reasons: [String] = []
    var rootRules: Int32 = 0
    var withoutRaw: [Range<Int32>] = []

    init(name: String, vendor: String, product: String) {
        self.name = name
        self.vendor = vendor
        self.product = product
    }

    /// The names of the formats, in the order in which they are tried.
    public var formatNames: [String] { formats.map(\.name) }

    /// The actions that the declaration can name, in the order of the closed list.
    public var actions: [Action] {
        let named = Set(classes.map(\.action))
        return Action.allCases.filter(named.contains)
    }

    struct Format: Sendable {
        var name: String
        var steps: Range<Int32>
    }

    enum Step: Sendable {
        /// Reads members of the JSON root, or of the JSON that stands in a value.
        case json(table: Int32, from: Int32?)
        /// Makes the first of these members that is an object the JSON root.
        case unwrap(paths: Int32)
        /// Runs the steps behind it and the rules for every element of an array. What the steps
        /// before it gave to these names holds for all elements.
        case each(paths: Int32, kept: Int32)
        case keyValue(from: Int32, table: Int32)
        case logfmt(from: Int32?, table: Int32)
        case columns(Int32, from: Int32?)
        case pattern(Int32, from: Int32?, isOptional: Bool)
        case set(slot: Int32, constant: Int32)
        case require(Range<Int32>)
        case firstOf(Range<Int32>)
        case ignore(reason: Int32, when: Range<Int32>)
    }

    /// Steps of which the first list that succeeds counts.
    struct Alternative: Sendable {
        var steps: Range<Int32>
        /// What of `savedSlots` the steps may have given when they fail; it is then as before.
        var slots: Range<Int32>
    }

    struct Pattern: Sendable {
        var expression: RegularExpression
        var groups: [(group: Int, slot: Int32)]
    }

    struct Condition: Sendable {
        enum Test: Sendable {
            case present
            case absent
            case oneOf(table: Int32)
            case noneOf(table: Int32)
            case startsWith(table: Int32)
            case contains(Range<Int32>)
            case matches(pattern: Int32)
        }

        var slot: Int32
        var test: Test
    }

    struct Rule: Sendable {
        enum Verdict: Sendable {
            case event(class: Int32)
            case ignore(reason: Int32)
            case table(slot: Int32, table: Int32, isFolded: Bool, otherwise: Int32?)
            case rules(list: Int32)
        }

        var conditions: Range<Int32>
        var steps: Range<Int32>
        var verdict: Verdict
        /// Further rules whose events the record gives as well.
        var also: Int32?
        var line: Int32
    }

    struct EventClass: Sendable {
        var action: Action
        var assignments: Range<Int32>
        var line: Int32
    }

    /// One way to fill a field; skipped when the field is filled already.
    struct Assignment: Sendable {
        enum Source: Sendable {
            case constant(Int32)
            case number(FieldValue.Form, UInt64)
            case constantSet(Int32)
            case text
            case joined(list: Int32, separator: Int32)
            case word(table: Int32, otherwise: Int32)
            case mapped(table: Int32, otherwise: Int32, keeps: Bool)
            case set(separator: UInt8, table: Int32?)
            case fingerprint(FingerprintKind)
            case token
            case uri
            case path
            case time(TimeForm, isUTC: Bool)
            case layout(Int32, isUTC: Bool)
            case integer(ClosedRange<Int64>)
            case boolean
            case address
            case method
            case country
            case traceID
        }

        var field: Field
        var slot: Int32
        var conditions: Range<Int32>
        var source: Source
    }
}
