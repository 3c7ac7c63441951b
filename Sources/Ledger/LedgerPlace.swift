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
