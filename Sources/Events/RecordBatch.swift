// SPDX-License-Identifier: Apache-2.0
import Platform

/// The raw bytes of one log entry: a place in the block of its batch and in its source.
public struct Record: Sendable {
    /// Where its bytes begin in the block.
    public var start: UInt32
    /// How many bytes it has, without the final LF or CRLF.
    public var count: UInt32
    /// Its position in the source: the offset of its first byte in a file, else a running number.
    public var offset: UInt64
    /// What is known to be wrong with it.
    public var damage: RecordDamage

    /// Names a place in the block.
    public init(start: UInt32, count: UInt32, offset: UInt64, damage: RecordDamage = []) {
        self.start = start
        self.count = count
        self.offset = offset
        self.damage = damage
    }

    /// Its bytes' range in the block.
    @inline(__always)
    public var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
}

/// What is wrong with a record or was repaired in it.
public struct RecordDamage: OptionSet, Sendable, Hashable {
    /// One bit a kind.
    public let rawValue: UInt16
    /// Wraps the bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Longer than `max_record_bytes`: the rest was left out.
    public static let cut = RecordDamage(rawValue: 1)
    /// Ill-formed UTF-8 was replaced.
    public static let invalidUTF8 = RecordDamage(rawValue: 2)
    /// The JSON library refused it; it was read by the lenient reader.
    public static let repairedJSON = RecordDamage(rawValue: 4)
    /// A member or key that the parser uses came twice; the first one counts.
    public static let duplicateKey = RecordDamage(rawValue: 8)
    /// The time is missing or absurd; `time` is the time of reading.
    public static let noTime = RecordDamage(rawValue: 16)
    /// It ends before it should.
    public static let truncated = RecordDamage(rawValue: 32)
    /// Text that looks like further fields stands inside a value.
    public static let suspectedInjection = RecordDamage(rawValue: 64)
}

/// Bytes or records that were gone before they could be read, or were too many to be.
///
/// It travels in the batch whose position stands behind the loss, so both are committed by the
/// same fsync and each loss is stated exactly once.
public struct InputLoss: Sendable, Hashable {
    /// How it came about.
    public enum Reason: String, Sendable, CaseIterable {
        /// A file was truncated with bytes in it that had not been read.
        case truncated
        /// A file was deleted, or rotated out of reach, before it was read to its end.
        case deleted
        /// A journal no longer holds the entry from which reading was to go on.
        case vanished
        /// The kernel dropped datagrams, because they came faster than they were read.
        case datagram
        /// A record was a list of more elements than one record may give events.
        case excess
    }

    /// The path of the file, nil for other inputs.
    public var path: String?
    /// How it came about.
    public var reason: Reason
    /// How many bytes are gone, 0 where that is unknown.
    public var byteCount: UInt64
    /// How many records, or elements of a list of records, are gone, 0 where that is unknown.
    public var recordCount: UInt64

    /// Describes a loss.
    public init(path: String?, reason: Reason, byteCount: UInt64 = 0, recordCount: UInt64 = 0) {
        self.path = path
        self.reason = reason
        self.byteCount = byteCount
        self.recordCount = recordCount
    }
}

/// What the id of an event takes for the source and the place of its record.
public enum RecordNaming: Sendable, Hashable {
    /// The source of the batch and the offset of the record.
    case offset
    /// The source of the batch and a text for each record, as the cursor of a journal's entry.
    case cursors([String])
    /// This source and the event's own id in its log, where it has one; else as `offset`.
    case eventIDs(source: String)
}

/// Whole records of one source, read together.
public struct RecordBatch: Sendable {
    /// The id of the input.
    public var input: String
    /// What event ids call the source: the file key as text, or what schema.md names.
    public var source: String
    /// The path of the file, nil for other inputs.
    public var path: String?
    /// When the records were read.
    public var observed: Timestamp
    /// The block that holds the records, with `paddingByteCount` readable bytes behind the last.
    public var bytes: [UInt8]
    /// The records, in the order of the source.
    public var records: [Record]
    /// The places from which reading goes on after this batch.
    public var positions: [Position]
    /// What was gone before it could be read, up to `positions`.
    public var losses: [InputLoss] = []
    /// The files that are gone for good: their positions need not be kept any longer.
    public var forgotten: [Position.Identity] = []
    /// What event ids take for the place of a record.
    public var naming = RecordNaming.offset
    /// Where in the block the names of the hosts stand that logged the records, one for each
    /// record and empty where that is unknown; none at all for inputs that are told no hosts.
    public var hosts: [Range<UInt32>] = []
    /// Where in the block stands what the parser reads, one for each record; none at all where
    /// that is the record itself. A record that was wrapped by syslog is the line as it was read,
    /// and its body is the message in it.
    public var bodies: [Range<UInt32>] = []
    /// When the wrappers of the records say they were logged, one for each record and nil where
    /// that is unknown; none at all for records without wrappers.
    public var times: [Timestamp?] = []

    /// The bytes behind the last record that a fast reader may touch.
    public static let paddingByteCount = 64

    /// Gathers records; `bytes` includes the padding.
    public init(
        input: String, source: String, path: String?, observed: Timestamp, bytes: [UInt8],
        records: [Record], positions: [Position]
    ) {
        self.input = input
        self.source = source
        self.path = path
        self.observed = observed
        self.bytes = bytes
        self.records = records
        self.positions = positions
    }

    /// Some of the records, with all that is said of them.
    ///
    /// - Parameter isLast: whether they are the last of the batch: they carry the positions, and
    ///   what was lost before them.
    public func part(_ range: Range<Int>, isLast: Bool) -> RecordBatch {
        var part = self
        part.records = Array(records[range])
        if !hosts.isEmpty { part.hosts = Array(hosts[range]) }
        if !bodies.isEmpty { part.bodies = Array(bodies[range]) }
        if !times.isEmpty { part.times = Array(times[range]) }
        if case .cursors(let cursors) = naming { part.naming = .cursors(Array(cursors[range])) }
        guard !isLast else { return part }
        part.positions = []
        part.losses = []
        part.forgotten = []
        return part
    }

    /// What the parser reads of a record: the range in the block.
    @inline(__always)
    public func body(of index: Int) -> Range<Int> {
        guard !bodies.isEmpty else { return records[index].range }
        return Int(bodies[index].lowerBound)..<Int(bodies[index].upperBound)
    }

    /// When the wrapper of a record says it was logged; nil where that is unknown.
    @inline(__always)
    public func time(of index: Int) -> Timestamp? {
        times.isEmpty ? nil : times[index]
    }
}
