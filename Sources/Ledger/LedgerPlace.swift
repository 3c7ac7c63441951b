// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A place between two events in the ledger: the event that it names has not been passed yet.
///
/// Places are ordered as events were committed, across streams.
public struct LedgerPlace: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The number of the segment.
    public var segment: UInt64
    /// Where the frame begins in the segment.
    public var offset: UInt64
    /// The event inside the frame.
    public var index: UInt32

    /// Names a place; offset 0 means the first batch of the segment, or of a later one.
    public init(segment: UInt64, offset: UInt64 = 0, index: UInt32 = 0) {
        self.segment = segment
        self.offset = offset
        self.index = index
    }

    /// Before everything.
    public static let beginning = LedgerPlace(segment: 0)

    /// Earlier places come first.
    public static func < (left: LedgerPlace, right: LedgerPlace) -> Bool {
        (left.segment, left.offset, left.index) < (right.segment, right.offset, right.index)
    }

    /// The place as people see it in messages.
    public var description: String { "\(segment):\(offset):\(index)" }

    /// The same frame, another event.
    public func at(index: Int) -> LedgerPlace {
        LedgerPlace(segment: segment, offset: offset, index: UInt32(clamping: index))
    }
}

/// One commit, as it was read back.
public struct LedgerFrame: Sendable {
    /// Where it lies; the index says with which event to begin.
    public let place: LedgerPlace
    /// Where reading goes on behind it.
    public let next: LedgerPlace
    /// What was committed.
    public let batch: SealedBatch
}

/// What became of the events that a sink has passed, since its cursor was made.
public struct SinkTotals: Sendable, Hashable {
    /// Events that were passed.
    public var offered: UInt64 = 0
    /// Confirmed by the far side.
    public var delivered: UInt64 = 0
    /// Refused for good, hence in the dead letter.
    public var rejected: UInt64 = 0
    /// Left out by the sink's filter.
    public var filtered: UInt64 = 0
    /// Removed undelivered to make room.
    public var evicted: UInt64 = 0
    /// Totals of a later version, carried along.
    public var others: [UInt64] = []

    /// Nothing yet.
    public init(
        offered: UInt64 = 0, delivered: UInt64 = 0, rejected: UInt64 = 0, filtered: UInt64 = 0,
        evicted: UInt64 = 0
    ) {
        self.offered = offered
        self.delivered = delivered
        self.rejected = rejected
        self.filtered = filtered
        self.evicted = evicted
    }

    /// Adds what came to pass.
    public static func += (total: inout SinkTotals, more: SinkTotals) {
        total.offered &+= more.offered
        total.delivered &+= more.delivered
        total.rejected &+= more.rejected
        total.filtered &+= more.filtered
        total.evicted &+= more.evicted
    }
}

/// How far a sink has got.
public struct SinkCursor: Sendable, Hashable {
    /// The next event to deliver.
    public var place: LedgerPlace
    /// What became of the events before it.
    public var totals: SinkTotals

    /// Names a place and what was passed on the way.
    public init(place: LedgerPlace, totals: SinkTotals = SinkTotals()) {
        self.place = place
        self.totals = totals
    }
}

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
    public let isNew: Bool
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
    /// Sinks with a cursor that are no longer configured.
    public let retiredSinks: [String]
    /// True when cursors were lost, so that sinks may get events again.
    public let lostCursors: Bool
}

/// The ledger in numbers.
public struct LedgerStatistics: Sendable, Equatable {
    /// Room that the segments take on the disk.
    public var byteCount = 0
    /// Room that they may take.
    public var byteLimit = 0
    /// How many segments there are.
    public var segmentCount = 0
    /// Frames appended since the start.
    public var committedFrameCount: UInt64 = 0
    /// Events appended since the start.
    public var committedEventCount: UInt64 = 0
    /// Damaged ranges found since the start.
    public var damagedFrameCount: UInt64 = 0
    /// Bytes in them.
    public var damagedByteCount: UInt64 = 0
    /// Segments deleted since the start.
    public var deletedSegmentCount: UInt64 = 0
    /// True when the last attempt to append found no room.
    public var isFull = false
    /// The last moment at which cursors became durable.
    public var cursorsWritten: Timestamp?
}
