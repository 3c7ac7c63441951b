// SPDX-License-Identifier: Apache-2.0
import Platform

/// The value of one field, held without a string of its own.
public struct FieldValue: Sendable {
    /// Which field.
    public var field: Field
    /// How `payload` is read.
    public var form: Form
    /// A reference (`offset` and `count`) or a number, by `form`.
    public var payload: UInt64

    /// The ways in which a value is held.
    public enum Form: UInt8, Sendable {
        /// Well-formed UTF-8 in the record block.
        case block
        /// Well-formed UTF-8 in the batch's scratch.
        case scratch
        /// Well-formed UTF-8 in the parser's constants.
        case constant
        /// A closed word of the batch's `Vocabulary`-typed fields, by raw value.
        case word
        /// An integer, two's complement.
        case integer
        /// 0 or 1.
        case boolean
        /// Microseconds since 1970.
        case time
        /// In scratch: texts, each behind its length as four bytes, sorted and unique.
        case set
        /// In the constants: a JSON object ready to be written (`labels`).
        case map
    }

    /// Names a value by its payload.
    @inline(__always)
    public init(_ field: Field, _ form: Form, payload: UInt64) {
        self.field = field
        self.form = form
        self.payload = payload
    }

    /// Refers to bytes in the block, the scratch or the constants.
    @inline(__always)
    public init(_ field: Field, _ form: Form, offset: Int, count: Int) {
        self.init(field, form, payload: UInt64(offset) << 32 | UInt64(count))
    }

    /// Where the bytes begin, for the forms that refer.
    @inline(__always)
    public var offset: Int { Int(payload >> 32) }

    /// How many bytes there are, for the forms that refer.
    @inline(__always)
    public var count: Int { Int(payload & 0xFFFF_FFFF) }

    /// The range of the bytes, for the forms that refer.
    @inline(__always)
    public var range: Range<Int> { offset..<offset + count }

    /// The number, for the forms that hold one.
    @inline(__always)
    public var number: Int64 { Int64(bitPattern: payload) }
}

/// One canonical event before it is written: a row of references into its batch.
public struct Event: Sendable {
    /// What happened.
    public var action: Action
    /// How it ended.
    public var outcome: Outcome
    /// How much attention it deserves.
    public var severity: Severity
    /// Why it failed, if it did.
    public var errorCode: ErrorCode?
    /// The index of its record in the batch.
    public var record: Int
    /// Which event of its record it is, from 0.
    public var ordinal: Int
    /// Its values in `EventBatch.values`, in the order of `Field`, without `id` and `schema`.
    public var values: Range<Int>

    /// Describes an event whose values stand in the batch.
    public init(
        action: Action, outcome: Outcome, severity: Severity, errorCode: ErrorCode?, record: Int,
        ordinal: Int, values: Range<Int>
    ) {
        self.action = action
        self.outcome = outcome
        self.severity = severity
        self.errorCode = errorCode
        self.record = record
        self.ordinal = ordinal
        self.values = values
    }
}

/// What became of the records of a batch; every record counts exactly once.
///
/// `read = parsed + ignored + dropped`.
public struct RecordTally: Sendable {
    /// Records that came in.
    public var read = 0
    /// Records that gave one event or more.
    public var parsed = 0
    /// Events made of them.
    public var events = 0
    /// Events among these that the parser could not name.
    public var unclassified = 0
    /// Records that are no audit line, by the parser's word for them.
    public var ignored: [String: Int] = [:]
    /// Records that were lost, by reason.
    public var dropped: [String: Int] = [:]
    /// Records that were cut at `max_record_bytes`.
    public var truncated = 0
    /// Records with any other damage, by its name.
    public var damaged: [String: Int] = [:]
    /// Bytes of all records.
    public var bytes = 0
    /// Texts, sets and bodies that were cut to their limits when they were written.
    public var cuts = 0
    /// What became of the elements of records that are or hold lists of records.
    public var elements = ElementTally()

    /// Counts nothing yet.
    public init() {}
}

/// What became of the elements of lists of records; every element counts exactly once.
///
/// `read = parsed + ignored + dropped`. A record that is no list has none. An element that is a
/// list itself does not count, its elements do.
public struct ElementTally: Sendable, Equatable {
    /// Elements that gave one event or more.
    public var parsed = 0
    /// Elements that are no audit record, by the parser's word for them.
    public var ignored: [String: Int] = [:]
    /// Elements that were lost, by reason.
    public var dropped: [String: Int] = [:]
    /// All elements.
    public var read: Int {
        parsed + ignored.values.reduce(0, +) + dropped.values.reduce(0, +)
    }

    /// Counts nothing yet.
    public init() {}

    /// Adds what another batch counted.
    public mutating func add(_ other: ElementTally) {
        parsed += other.parsed
        ignored.merge(other.ignored, uniquingKeysWith: +)
        dropped.merge(other.dropped, uniquingKeysWith: +)
    }
}

/// Canonical events, in the order of their records.
public struct EventBatch: Sendable {
    /// The records that the events were made of.
    public var records: RecordBatch
    /// The parser that made them.
    public var parser: String
    /// Bytes made while parsing: unescaped texts, fingerprints, sets.
    public var scratch: [UInt8]
    /// Bytes that the parser's declaration holds.
    public var constants: [UInt8]
    /// The values of all events, each event's in the order of `Field`.
    public var values: [FieldValue]
    /// The events.
    public var events: [Event]
    /// What became of the records.
    public var tally: RecordTally

    /// Gathers events.
    public init(
        records: RecordBatch, parser: String, scratch: [UInt8] = [], constants: [UInt8] = [],
        values: [FieldValue] = [], events: [Event] = [], tally: RecordTally = RecordTally()
    ) {
        self.records = records
        self.parser = parser
        self.scratch = scratch
        self.constants = constants
        self.values = values
        self.events = events
        self.tally = tally
    }
}
