// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What the log of one product looks like and what its lines mean, as written in
/// `parsers/<name>.yaml` and described in docs/formats/parser.md.
public struct ParserDefinition: Sendable {
    /// The name by which inputs choose the parser; the name of the file without `.yaml`.
    public var name: String
    /// `provider.vendor` of every event.
    public var vendor: String
    /// `provider.product` of every event.
    public var product: String
    /// Where the declaration was checked against the product.
    public var verified: [String]
    /// A regular expression that matches where a record of several lines begins.
    public var recordStart: String?
    /// The file it was read from.
    public var file: String

    var recognition: [Word] = []
    var isGeneric = false
    var nullWords: [String] = []
    var formats: [FormatDefinition] = []
    var fields: [FieldDefinition] = []
    var events: [RuleDefinition] = []
    var withoutRaw: [[ConditionDefinition]] = []

    /// The version of the declarations that this agent reads.
    public static let formatVersion = 1
}

/// A word of the declaration that knows where it stands.
struct Word: Sendable {
    var text: String
    var node: ConfigurationNode
}

/// One of the forms in which the product writes its records.
struct FormatDefinition: Sendable {
    var name: Word
    var steps: [StepDefinition]
}

/// One step from the bytes of a record to named values.
enum StepDefinition: Sendable {
    case json([ValueDefinition])
    case keyValue(from: Word, values: [ValueDefinition])
    case pattern(from: Word?, expression: Word, isOptional: Bool)
    case ignore(reason: Word, when: [ConditionDefinition])
}

/// A named value and the places where an extractor finds it.
struct ValueDefinition: Sendable {
    var name: Word
    var sources: [String]
}

/// Something that holds for a named value or does not.
struct ConditionDefinition: Sendable {
    enum Test: Sendable {
        case present
        case absent
        case oneOf([String])
        case noneOf([String])
        case startsWith([String])
        case contains([String])
        case matches(Word)
    }

    var name: Word
    var test: Test
}

/// How a field gets its value: alternatives, of which the first that gives one counts.
struct FieldDefinition: Sendable {
    var field: Field
    var node: ConfigurationNode
    var alternatives: [AssignmentDefinition]
}

/// One way to get the value of a field.
struct AssignmentDefinition: Sendable {
    enum Otherwise: Sendable {
        case leaveOut
        case keep
        case word(String)
    }

    var node: ConfigurationNode
    var sources: [Word] = []
    var constant: [String] = []
    var map: [(word: String, value: String)] = []
    var otherwise = Otherwise.leaveOut
    var separator: UInt8?
    var join: String?
    var fingerprint: FingerprintKind?
    var timeForm: TimeForm?
    var conditions: [ConditionDefinition] = []
}

/// A branch of the decision that names events.
struct RuleDefinition: Sendable {
    indirect enum Verdict: Sendable {
        case action(Action)
        case ignore(Word)
        case table(
            by: Word, isFolded: Bool, words: [(words: [Word], rule: RuleDefinition)],
            otherwise: RuleDefinition?)
        case rules([RuleDefinition])
    }

    var node: ConfigurationNode
    var conditions: [ConditionDefinition] = []
    var steps: [StepDefinition] = []
    var fields: [FieldDefinition] = []
    var also: [RuleDefinition] = []
    var verdict: Verdict
}
