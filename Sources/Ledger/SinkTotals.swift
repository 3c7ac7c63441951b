// SPDX-License-Identifier: Apache-2.0

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
    /// Confirmed once more, out of a replay; no part of what was offered.
    public var replayed: UInt64 = 0
    /// Of each epoch what was not delivered; those that changed last come last.
    public private(set) var epochs: [EpochTotals] = []

    /// The most epochs that are kept; the entry of a cursor has no room for more.
    public static let epochCountLimit = 14

    /// Nothing yet.
    public init(
        offered: UInt64 = 0, delivered: UInt64 = 0, rejected: UInt64 = 0, filtered: UInt64 = 0,
        evicted: UInt64 = 0, replayed: UInt64 = 0, epochs: [EpochTotals] = []
    ) {
        self.offered = offered
        self.delivered = delivered
        self.rejected = rejected
        self.filtered = filtered
        self.evicted = evicted
        self.replayed = replayed
        for epoch in epochs { add(epoch) }
    }

    /// Adds what came to pass.
    public static func += (total: inout SinkTotals, more: SinkTotals) {
        total.offered &+= more.offered
        total.delivered &+= more.delivered
        total.rejected &+= more.rejected
        total.filtered &+= more.filtered
        total.evicted &+= more.evicted
        total.replayed &+= more.replayed
        for epoch in more.epochs { total.add(epoch) }
    }

    /// Adds to the counts of one epoch; the epoch that has not changed for longest may go.
    ///
    /// It changes `epochs` only: a caller that rejects events adds to `rejected` as well.
    public mutating func add(_ more: EpochTotals) {
        var epoch = more
        if let index = epochs.firstIndex(where: { $0.epoch == more.epoch }) {
            epoch.rejected &+= epochs[index].rejected
            epoch.lost &+= epochs[index].lost
            epochs.remove(at: index)
        }
        epochs.append(epoch)
        if epochs.count > SinkTotals.epochCountLimit { epochs.removeFirst() }
    }
}

/// What a sink did not get of one epoch, as checkpoints state it.
public struct EpochTotals: Sendable, Hashable {
    /// The sixteen hexadecimal digits that end the name of the stream.
    public let epoch: String
    /// Events that the receiver refused.
    public var rejected: UInt64
    /// Events that were given up: evicted, or damaged before they could be read.
    public var lost: UInt64

    private static let digitCount = 16

    /// Counts events of an epoch; nil when the name is not sixteen hexadecimal digits.
    public init?(epoch: String, rejected: UInt64 = 0, lost: UInt64 = 0) {
        guard epoch.utf8.count == EpochTotals.digitCount,
            let number = UInt64(epoch, radix: 16)
        else { return nil }
        self.init(number: number, rejected: rejected, lost: lost)
    }

    /// Counts events of the epoch of a stream; nil when its name has no epoch.
    public init?(stream: String, rejected: UInt64 = 0, lost: UInt64 = 0) {
        guard let epoch = stream.split(separator: "/").last else { return nil }
        self.init(epoch: String(epoch), rejected: rejected, lost: lost)
    }

    /// Reads what the entry of a cursor holds.
    init(number: UInt64, rejected: UInt64, lost: UInt64) {
        let digits = String(number, radix: 16)
        epoch = String(repeating: "0", count: EpochTotals.digitCount - digits.utf8.count) + digits
        self.rejected = rejected
        self.lost = lost
    }

    /// The epoch as the entry of a cursor holds it.
    var number: UInt64 { UInt64(epoch, radix: 16) ?? 0 }
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
