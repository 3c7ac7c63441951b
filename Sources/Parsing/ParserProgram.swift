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
    /// A regular expression that matches where a record begins; nil when each line is a record.
    public let recordStart: String?

    /// The most named values of a declaration.
    static let slotLimit = 512
    /// The deepest nesting of rules.
    static let ruleDepthLimit = 8

    var slotNames: [String] = []
    var nullTable = TextTable([])
    var formats: [Format] = []
    var steps: [Step] = []
    var conditions: [Condition] = []
    var memberTables: [MemberTable] = []
    var keyTables: [TextTable] = []
    var patterns: [Pattern] = []
    var wordTables: [TextTable] = []
    var needles: [[UInt8]] = []
    var rules: [Rule] = []
    var ruleLists: [[Int32]] = []
    var classes: [EventClass] = []
    var assignments: [Assignment] = []
    var constants: [UInt8] = []
    var constantRanges: [Range<Int32>] = []
    var slotLists: [[Int32]] = []
    var constantSets: [[UInt8]] = []
    var reasons: [String] = []
    var rootRules: Int32 = 0
    var withoutRaw: [Range<Int32>] = []
    var recognition: [RegularExpression] = []
    var isGeneric = false

    init(name: String, vendor: String, product: String, recordStart: String?) {
        self.name = name
        self.vendor = vendor
        self.product = product
        self.recordStart = recordStart
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
        case json(table: Int32)
        case keyValue(from: Int32, table: Int32)
        case pattern(Int32, from: Int32?, isOptional: Bool)
        case ignore(reason: Int32, when: Range<Int32>)
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
            case startsWith(Range<Int32>)
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
            case time(TimeForm)
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

/// Finds the members of JSON objects that a declaration names, however their paths are split.
///
/// The path `a.b` is the member `a.b`, or the member `b` of the object `a`.
struct MemberTable: Sendable {
    struct Entry: Sendable {
        var hash: UInt64
        var state: Int32
        var offset: Int32
        var count: Int32
        /// The value that the member gives, -1 for none.
        var slot: Int32
        /// The state inside the member when it is an object, -1 when nothing in it is wanted.
        var inside: Int32
    }

    private var entries: [Entry] = []
    private var places: [Int32] = []
    private var mask = 0
    private var bytes: [UInt8] = []

    init(_ paths: [(path: String, slot: Int)]) {
        var states = 1
        for (path, slot) in paths {
            let parts = path.split(separator: ".", omittingEmptySubsequences: false)
                .map(String.init)
            MemberTable.insert(
                parts[...], state: 0, slot: slot, entries: &entries, bytes: &bytes,
                states: &states)
        }
        var size = 8
        while size < entries.count * 4 { size *= 2 }
        mask = size - 1
        places = Array(repeating: -1, count: size)
        for (index, entry) in entries.enumerated() {
            var place = MemberTable.place(entry.hash, entry.state) & mask
            while places[place] >= 0 { place = (place + 1) & mask }
            places[place] = Int32(index)
        }
    }

    private static func insert(
        _ parts: ArraySlice<String>, state: Int32, slot: Int, entries: inout [Entry],
        bytes: inout [UInt8], states: inout Int
    ) {
        for cut in 1...parts.count {
            let key = parts.prefix(cut).joined(separator: ".")
            let utf8 = Array(key.utf8)
            var index = entries.firstIndex { entry in
                entry.state == state
                    && Array(bytes[Int(entry.offset)..<Int(entry.offset + entry.count)]) == utf8
            }
            if index == nil {
                entries.append(
                    Entry(
                        hash: JSONKey(key).hash, state: state, offset: Int32(bytes.count),
                        count: Int32(utf8.count), slot: -1, inside: -1))
                bytes += utf8
                index = entries.count - 1
            }
            guard let index else { continue }
            if cut == parts.count {
                if entries[index].slot < 0 { entries[index].slot = Int32(slot) }
            } else {
                if entries[index].inside < 0 {
                    entries[index].inside = Int32(states)
                    states += 1
                }
                insert(
                    parts.dropFirst(cut), state: entries[index].inside, slot: slot,
                    entries: &entries, bytes: &bytes, states: &states)
            }
        }
    }

    @inline(__always)
    private static func place(_ hash: UInt64, _ state: Int32) -> Int {
        Int(truncatingIfNeeded: hash ^ (hash >> 32) &+ UInt64(state) &* 0x9E37_79B9)
            & 0x7FFF_FFFF
    }

    /// The entry of a member in an object that is in a state.
    @inline(__always)
    func find(_ hash: UInt64, _ state: Int32, _ strings: Span<UInt8>, _ key: Range<Int>) -> Entry? {
        var place = MemberTable.place(hash, state) & mask
        while places[place] >= 0 {
            let entry = entries[Int(places[place])]
            if entry.hash == hash, entry.state == state, Int(entry.count) == key.count {
                let start = Int(entry.offset)
                if ByteSearch.equal(
                    strings, key, bytes.span.extracting(start..<start + key.count))
                {
                    return entry
                }
            }
            place = (place + 1) & mask
        }
        return nil
    }
}
