// SPDX-License-Identifier: Apache-2.0
import Events

/// The frames appended last, so that sinks that keep up never read the disk.
///
/// A frame from memory needs no decompression, and its events bring along where their values lie:
/// the thread of a sink that has fallen out of here takes a quarter more CPU for each event.
struct RecentFrames {
    /// What a frame takes in memory beside its bodies.
    private static let frameOverhead = 1024

    private struct Entry {
        let place: LedgerPlace
        let next: LedgerPlace
        /// Bytes of all frames that were ever appended before this one.
        let bytesBefore: UInt64
        /// Nil when the frame was let go of.
        var batch: SealedBatch?
    }

    private var entries: [Entry] = []
    private var first = 0
    private var bytesAppended: UInt64 = 0
    private var bytesReleased: UInt64 = 0
    /// Where the readers that read from here will read next.
    private var followers: [String: LedgerPlace] = [:]
    /// True while somebody waits for followers.
    var isAwaited = false

    /// Keeps a frame; the oldest ones go.
    mutating func append(_ frame: LedgerFrame) {
        entries.append(
            Entry(
                place: frame.place, next: frame.next, bytesBefore: bytesAppended,
                batch: frame.batch))
        bytesAppended += RecentFrames.size(of: frame.batch)
        while bytesAppended - bytesReleased > LedgerConfiguration.recentByteLimit,
            first < entries.count
        {
            if let batch = entries[first].batch { bytesReleased += RecentFrames.size(of: batch) }
            entries[first].batch = nil
            first += 1
        }
        if first > 64, first * 2 > entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }

    private static func size(of batch: SealedBatch) -> UInt64 {
        let tables = batch.events.count * MemoryLayout<SealedEvent>.stride
        return UInt64(batch.bodies.count + tables + frameOverhead)
    }

    /// The frame that begins at this place; the index is taken over.
    func frame(at place: LedgerPlace) -> LedgerFrame? {
        let index = firstEntry(from: place.at(index: 0))
        guard index < entries.count else { return nil }
        let entry = entries[index]
        guard let batch = entry.batch, entry.place.segment == place.segment,
            entry.place.offset == place.offset
        else { return nil }
        return LedgerFrame(place: place, next: entry.next, batch: batch)
    }

    /// The first kept frame that begins at or behind a place.
    private func firstEntry(from place: LedgerPlace) -> Int {
        var low = first
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Followers

    /// A reader was given what lies here, or has seen that nothing does; `place` is its next one.
    mutating func follow(_ reader: String, at place: LedgerPlace) {
        followers[reader] = place
    }

    /// A reader was sent to the disk.
    mutating func leave(_ reader: String) {
        followers[reader] = nil
    }

    /// True when every follower has read so much that the next commit finds room.
    var hasRoom: Bool { !followers.values.contains(where: isLate) }

    /// Waits for those who are late no more, until they have caught up by themselves.
    mutating func dropLate() {
        followers = followers.filter { !isLate($0.value) }
    }

    /// More than half of what is kept lies before this reader.
    private func isLate(_ place: LedgerPlace) -> Bool {
        let index = firstEntry(from: place.at(index: 0))
        guard index < entries.count else { return false }
        return bytesAppended - entries[index].bytesBefore
            > LedgerConfiguration.recentByteLimit / 2
    }
}
