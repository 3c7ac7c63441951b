// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Puts the state together from what the newest segments hold. It decides only.
///
/// Feed it, from the first segment that has a whole header, each frame in order.
struct Recovery {
    private(set) var positions = PositionTable()
    private(set) var stream: String?
    private(set) var nextSequence: UInt64 = 0
    private(set) var head: Digest?
    /// How many events named each sink; nil when that was not counted yet.
    private(set) var counts: [String: UInt64]?

    /// The numbers of the segments among the names in the folder, in order.
    ///
    /// Any other name is somebody else's file.
    static func segments(among names: [String]) -> [UInt64] {
        names.compactMap { SegmentName.number(of: $0) }.sorted()
    }

    /// A segment's header: it tells everything that went before.
    mutating func take(_ snapshot: SegmentSnapshot) {
        positions = PositionTable()
        positions.merge(snapshot.positions)
        counts = snapshot.counts
        guard !snapshot.stream.isEmpty else { return }
        stream = snapshot.stream
        nextSequence = snapshot.nextSequence
        head = snapshot.head
    }

    /// A batch, bodies not needed.
    mutating func take(_ batch: borrowing SealedBatch) {
        positions.merge(batch.positions)
        positions.remove(batch.forgotten)
        for sink in batch.sinks { counts?[sink, default: 0] += UInt64(batch.events.count) }
        guard !batch.events.isEmpty else { return }
        stream = batch.stream
        nextSequence = batch.firstSequence + UInt64(batch.events.count)
        head = batch.head
    }

    /// A frame that was lost: it had been counted for every sink, as far as anybody knows.
    mutating func lose(_ eventCount: Int) {
        for sink in (counts ?? [:]).keys { counts?[sink, default: 0] += UInt64(eventCount) }
    }

    /// The number of the segment that comes next; nil when numbers have run out.
    ///
    /// - Parameter others: further numbers that must not come again, as those in cursors.
    static func nextNumber(after segments: [UInt64], _ others: [UInt64]) -> UInt64? {
        let last = max(segments.last ?? 0, others.max() ?? 0)
        guard last < FrameLimit.segmentNumberLimit - 1 else { return nil }
        return last + 1
    }
}

/// The names of segments and of what is set aside.
enum SegmentName {
    /// Room for one more segment.
    static let reserve = "reserve"
    private static let suffix = ".seg"
    private static let dueSuffix = ".due"
    private static let digitCount = 16

    /// `00000000000000a1.seg`.
    static func name(of number: UInt64) -> String { digits(number) + suffix }

    /// The path of a segment in the folder of a ledger.
    static func path(of number: UInt64, in folder: String) -> String {
        folder + "/" + name(of: number)
    }

    /// `00000000000000a1-00000000000004c0.bad`, or with `.due` for what is still to be stated.
    static func quarantineName(
        of number: UInt64, offset: Int, isDue: Bool = false
    ) -> String {
        digits(number) + "-" + digits(UInt64(offset)) + (isDue ? dueSuffix : ".bad")
    }

    /// What the name of a note stands for; nil when it is no note's name.
    static func due(_ name: String) -> (number: UInt64, offset: Int)? {
        guard name.utf8.count == 2 * digitCount + 1 + dueSuffix.utf8.count,
            let number = number(of: name.prefix(digitCount) + suffix),
            let offset = Hex.decode(String(name.dropFirst(digitCount + 1).prefix(digitCount)))?
                .reduce(UInt64(0), { $0 << 8 | UInt64($1) }),
            name == quarantineName(of: number, offset: Int(clamping: offset), isDue: true)
        else { return nil }
        return (number, Int(clamping: offset))
    }

    /// The number that a name stands for; nil when it is no segment's name.
    static func number(of name: String) -> UInt64? {
        guard name.hasSuffix(suffix), name.utf8.count == digitCount + suffix.utf8.count,
            let bytes = Hex.decode(String(name.dropLast(suffix.count)))
        else { return nil }
        let number = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return number > 0 && number < FrameLimit.segmentNumberLimit ? number : nil
    }

    private static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digitCount - text.utf8.count) + text
    }
}
