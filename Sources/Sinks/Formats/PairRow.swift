// SPDX-License-Identifier: Apache-2.0
import Events

/// One key of a format that is a list of keys and values, and what its value is made of.
///
/// Of neighbouring rows with the same key the first that has a value is written.
struct PairRow: Sendable {
    /// The key as the format spells it.
    let key: StaticString
    /// What its value is.
    let source: PairSource
    /// What CEF calls the meaning of a custom key; written as a pair of its own, `cs1Label=…`.
    let label: StaticString?
    /// The most bytes of the value, before anything in it is escaped; longer ones are cut.
    let byteLimit: Int

    init(
        _ key: StaticString, _ source: PairSource, label: StaticString? = nil,
        byteLimit: Int = PairRow.usualByteLimit
    ) {
        self.key = key
        self.source = source
        self.label = label
        self.byteLimit = byteLimit
    }

    /// What most texts of CEF may have.
    static let usualByteLimit = 1023
    /// What the custom texts of CEF may have.
    static let customByteLimit = 4000
}

/// What the value of a key is.
enum PairSource: Sendable {
    /// The value of a field; the members of a set stand behind each other with spaces.
    case field(Field)
    /// A moment in milliseconds since 1970; what is finer is cut.
    case milliseconds(Field)
    /// The text of a field when it is an address of IPv4.
    case version4(Field)
    /// The text of a field when it is an address of IPv6.
    case version6(Field)
    /// The first ECS category of the action.
    case category
    /// The severity on a scale from 0 to 10: 1, 3, 5, 8, 10.
    case severity
    /// The stream that the event is a part of.
    case stream
    /// The number in that stream.
    case sequence
    /// The proof, `integrity.proof`.
    case proof
}

/// A format that is a header and a list of keys and values.
struct PairMapping: Sendable {
    /// How a value is written.
    enum Spelling: Sendable {
        /// CEF: a backslash before `\` and `=`; `\n` and `\r` for the ends of lines.
        case escaped
        /// LEEF: what stands between the pairs cannot stand inside one and becomes a space.
        case spaced
    }

    /// The header up to the action's name.
    let head: String
    /// Whether the header goes on with the action as a name, and the severity.
    let hasNameAndSeverity: Bool
    /// What ends the header: in LEEF it names the delimiter.
    let tail: String
    /// What stands between two pairs.
    let delimiter: UInt8
    /// How a value is written.
    let spelling: Spelling
    /// The keys, in order.
    let rows: [PairRow]
}
