// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension Ledger {
    /// Removes the oldest segment although sinks have not passed it, and moves their cursors.
    ///
    /// False when there is only the newest one. A sink may still be sending events of the segment
    /// while it goes; they count as evicted all the same, and get there twice at the worst.
    func evictOldest(now: Timestamp) throws(LedgerError) -> Bool {
        let (victim, behind) = state.withLock { state -> (SegmentEntry?, [String: LedgerPlace]) in
            guard state.segments.count > 1, let victim = state.segments.first,
                victim.number != state.active
            else { return (nil, [:]) }
            state.going.insert(victim.number)
            let next = LedgerPlace(segment: victim.number + 1)
            let behind = state.cursors.filter {
                $0.value.isConfigured && $0.value.cursor.place < next
            }
            return (victim, behind.mapValues(\.cursor.place))
        }
        guard let victim else { return false }
        defer { state.withLock { _ = $0.going.remove(victim.number) } }
        var tally = EvictionTally(sinks: Array(behind.keys))
        var place = behind.values.min() ?? LedgerPlace(segment: victim.number + 1)
        while let frame = try read(from: place, .tables), frame.place.segment == victim.number {
            tally.take(frame.batch, at: frame.place)
            place = frame.next
        }
        let next = LedgerPlace(segment: victim.number + 1)
        state.withLock { $0.evict(tally, to: next) }
        // The same order as after delivery: cursors, then the file.
        try flushCursors()
        try remove([victim.number])
        return true
    }
}

extension LedgerState {
    /// Moves the cursors of sinks that still stand before `next`.
    fileprivate mutating func evict(_ tally: EvictionTally, to next: LedgerPlace) {
        for sink in tally.sinks.sorted() {
            // A sink that moved on meanwhile keeps what it has settled; the rest is evicted.
            guard let place = cursors[sink]?.cursor.place, place < next else { continue }
            move(sink, to: next, tally.counts(of: sink, from: place))
        }
    }

    private mutating func move(
        _ sink: String, to next: LedgerPlace, _ counts: [EvictionTally.Count]
    ) {
        for count in counts {
            var totals = SinkTotals(
                offered: count.evicted + count.filtered, filtered: count.filtered,
                evicted: count.evicted)
            if count.evicted > 0, let epoch = EpochTotals(stream: count.stream, lost: count.evicted)
            {
                totals.add(epoch)
            }
            cursors[sink]?.cursor.totals += totals
            statistics.evictedEventCount += count.evicted
            evictions.append(
                LedgerEviction(
                    sink: sink, stream: count.stream, count: count.evicted,
                    filtered: count.filtered, next: next))
        }
        cursors[sink]?.cursor.place = next
        cursors[sink]?.isDirty = true
    }
}

/// What sinks that stand inside a segment, or before it, have not got of it.
private struct EvictionTally {
    struct Count {
        let stream: String
        var evicted: UInt64
        var filtered: UInt64
    }

    private struct Frame {
        let place: LedgerPlace
        let stream: String
        let sinks: [String]
        let bits: [UInt64]
    }

    let sinks: [String]
    private var frames: [Frame] = []

    init(sinks: [String]) {
        self.sinks = sinks
    }

    mutating func take(_ batch: SealedBatch, at place: LedgerPlace) {
        frames.append(
            Frame(
                place: place, stream: batch.stream, sinks: batch.sinks,
                bits: batch.events.map(\.sinkBits)))
    }

    /// What a sink that stands at `start` misses, by stream.
    func counts(of sink: String, from start: LedgerPlace) -> [Count] {
        var counts: [Count] = []
        for frame in frames where frame.place.at(index: frame.bits.count) > start {
            // A sink that was not configured when the frame was sealed was never offered it.
            guard let bit = frame.sinks.firstIndex(of: sink) else { continue }
            let isInside =
                (start.segment, start.offset) == (frame.place.segment, frame.place.offset)
            let rest = frame.bits.dropFirst(isInside ? Int(start.index) : 0)
            let evicted = UInt64(rest.count { $0 >> UInt64(bit) & 1 == 1 })
            let filtered = UInt64(rest.count) - evicted
            if let last = counts.indices.last, counts[last].stream == frame.stream {
                counts[last].evicted += evicted
                counts[last].filtered += filtered
            } else if !rest.isEmpty {
                counts.append(Count(stream: frame.stream, evicted: evicted, filtered: filtered))
            }
        }
        return counts
    }
}
