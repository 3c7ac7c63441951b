// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A range of a segment that could not be read, and was set aside.
public struct LedgerDamage: Sendable, Hashable {
    /// The segment.
    public let segment: UInt64
    /// Where the range begins.
    public let offset: Int
    /// How long it is.
    public let byteCount: Int
    /// How many events were in it, where the header of the frame can still be read.
    public let eventCount: Int?
    /// The sequence number of its first event, where it is known.
    public let firstSequence: UInt64?
    /// True for an unfinished write at the end, which never held anything that was claimed.
    public let isTornTail: Bool
    /// True when it was found for the first time; false when an earlier run had set it aside.
    public internal(set) var isNew: Bool
    /// What is wrong with it.
    public internal(set) var kind: Kind

    /// The kinds of damage.
    public enum Kind: String, Sendable {
        /// The bytes are not those that were written.
        case corrupt
        /// The disk refuses to read them.
        case unreadable
        /// The file of the segment is gone.
        case missing
    }
}

/// Events that a sink will not get, because `when_full: drop_oldest` made room.
public struct LedgerEviction: Sendable, Hashable {
    /// The sink.
    public let sink: String
    /// The stream of the events.
    public let stream: String
    /// How many of them it would have got; what its filter leaves out is not counted.
    public let count: UInt64
    /// How many of them its filter would have left out.
    public let filtered: UInt64
    /// Where the sink goes on.
    public let next: LedgerPlace
}

/// What a start found in the ledger.
public struct RecoveredState: Sendable {
    /// Where each input goes on.
    public let positions: [Position]
    /// The stream that was written last; nil when nothing was ever written.
    public let stream: String?
    /// The size of that stream: the sequence number that would have followed.
    public let nextSequence: UInt64
    /// SHA-256 of its last statement; nil when nothing was ever written.
    public let head: Digest?
    /// True when there was no ledger at all.
    public let isNew: Bool
    /// What had to be set aside.
    public let damage: [LedgerDamage]
    /// What was set aside before and is on nobody's record: see `Ledger.noteStated`.
    public let unstated: [LedgerDamage]
    /// Sinks with a cursor that are no longer configured.
    public let retiredSinks: [String]
    /// True when cursors were lost, so that sinks may get events again.
    public let lostCursors: Bool
}

/// The ledger in numbers.
public struct LedgerStatistics: Sendable, Equatable {
    /// Room that the segments take on the disk.
    public var byteCount = 0
    /// Bytes in them that some sink has still to pass. The rest may go to make room.
    public var undeliveredByteCount = 0
    /// Room that they may take.
    public var byteLimit = 0
    /// How many segments there are.
    public var segmentCount = 0
    /// Damaged ranges found since the start.
    public var damagedFrameCount: UInt64 = 0
    /// Bytes in them.
    public var damagedByteCount: UInt64 = 0
    /// Segments deleted since the start.
    public var deletedSegmentCount: UInt64 = 0
    /// Events evicted since the start, over all sinks.
    public var evictedEventCount: UInt64 = 0
    /// Positions left out since the start because there were too many.
    public var droppedPositionCount: UInt64 = 0
    /// True while room for the agent's own events is set aside.
    public var hasReserve = false
    /// True when the last attempt to append found no room.
    public var isFull = false
    /// The last moment at which cursors became durable.
    public var cursorsWritten: Timestamp?

    /// Nothing yet.
    public init() {}
}
