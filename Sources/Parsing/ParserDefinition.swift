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
    /// What the declaration was checked against.
    public var verification = Verification()
    /// What the product logs, where, and what it never does.
    public var coverage = Coverage()
    /// Where the product and its log are found on a machine.
    public var whereabouts = Whereabouts()
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

    /// Whether the operator may say which columns the log has.
    public var hasConfigurableColumns: Bool {
        formats.flatMap(\.steps).contains { $0.hasConfigurableColumns }
    }

    /// The version of the declarations that this agent reads.
    public static let formatVersion = 1
}

/// What a declaration was checked against, the strongest first.
public struct Verification: Sendable, Hashable {
    /// Real lines of the product: of which version and form.
    public var samples: [String] = []
    /// Files of the product's own source.
    public var sources: [String] = []
    /// What the vendor says in its documentation.
    public var documentation: [String] = []

    /// The strongest kind there is, in the words of the declaration.
    public var kind: String {
        if !samples.isEmpty { return sources.isEmpty ? "sample" : "sample, source" }
        return sources.isEmpty ? "documentation" : "source"
    }
}

/// What the log of a product shows and what it does not.
public struct Coverage: Sendable, Hashable {
    /// Where the product writes the log, in one sentence.
    public var log = ""
    /// What has to be switched on, and how.
    public var settings: [String] = []
    /// What the product never logs although an auditor would look for it.
    public var neverLogged: [String] = []
    /// Reasons for which records are ignored, each with why it is right to.
    public var ignored: [String: String] = [:]
    /// What makes successes visible where a default installation logs none; nil where it does.
    public var successesNeed: String?
}

/// Where a product and its log are found on a machine that runs it.
public struct Whereabouts: Sendable, Hashable {
    /// The names of its programs.
    public var processes: [String] = []
    /// Parts of the command line where an interpreter runs it, as java or python.
    public var arguments: [String] = []
    /// Where it writes its log, as shell patterns of absolute paths.
    public var files: [String] = []
    /// Whether its standard output is a log worth reading, in the journal or of a container.
    public var isOnStandardOutput = false
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
    case json(from: Word?, values: [ValueDefinition])
    case unwrap([Word])
    case each([Word])
    case keyValue(from: Word, values: [ValueDefinition])
    case logfmt(from: Word?, values: [ValueDefinition])
    case columns(ColumnsDefinition)
    case pattern(from: Word?, expression: Word, isOptional: Bool)
    case set([(name: Word, text: String)])
    case require([ConditionDefinition])
    case firstOf([[StepDefinition]])
    case ignore(reason: Word, when: [ConditionDefinition])
}

extension StepDefinition {
    /// Whether a record may fail it; then it has given nothing.
    var canFail: Bool {
        switch self {
        case .json, .unwrap, .logfmt, .columns, .require, .firstOf: true
        case .pattern(_, _, let isOptional): !isOptional
        case .each, .keyValue, .set, .ignore: false
        }
    }

    var hasConfigurableColumns: Bool {
        switch self {
        case .columns(let definition): definition.isConfigurable
        case .firstOf(let alternatives):
            alternatives.joined().contains { $0.hasConfigurableColumns }
        default: false
        }
    }
}

/// How a text is split into columns and which of them are wanted.
struct ColumnsDefinition: Sendable {
    var from: Word?
    var separator: String
    var quote: UInt8?
    var columns: [Word]
    var leastCount: Int
    /// Whether the operator may name other columns.
    var isConfigurable: Bool
    var values: [ValueDefinition]
}

/// A named value and the places where an extractor finds it.
struct ValueDefinition: Sendable {
    var name: Word
    var sources: [Word]
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
    var timeForms: [Word] = []
    /// Whether a time without a zone is in UTC, whatever the zone of the input.
    var isUTC = false
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
