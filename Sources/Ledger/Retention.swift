// SPDX-License-Identifier: Apache-2.0
import Platform

extension LedgerState {
    /// Notes which segments all configured sinks have left behind.
    mutating func notePassed(now: Timestamp) {
        let slowest = slowest
        for index in segments.indices.dropLast() {
            let entry = segments[index]
            guard isPassed(entry, by: slowest) else {
                // A sink that was named again may stand before what the others had passed.
                segments[index].passed = nil
                continue
            }
            // What was passed before this start was delivered about when it was written.
            if entry.passed == nil {
                segments[index].passed = isPastFirstDeletion ? now : entry.modified
            }
        }
        isPastFirstDeletion = true
    }

    private func isPassed(_ entry: SegmentEntry, by slowest: LedgerPlace?) -> Bool {
        guard let slowest, entry.number >= slowest.segment else { return true }
        guard entry.number == slowest.segment, let end = entry.end else { return false }
        return slowest.offset >= UInt64(end)
    }
}

/// Decides which segments go. It decides only.
struct Retention {
    let retention: Duration
    let byteLimit: Int

    /// The segments to delete, oldest first: those passed longer ago than the retention, and more
    /// of those passed until `room` bytes fit below the limit. Never the newest.
    ///
    /// - Parameter others: bytes that count towards the limit beside the segments.
    func choose(
        _ segments: [SegmentEntry], now: Timestamp, making room: Int, others: Int = 0
    ) -> [UInt64] {
        var byteCount = segments.reduce(others) { $0 + $1.byteCount }
        var chosen: [UInt64] = []
        for entry in segments.dropLast() {
            guard let passed = entry.passed else { break }
            let isOld = now.since(max(passed, entry.modified)) >= retention
            guard isOld || byteCount + room > byteLimit else { break }
            byteCount -= entry.byteCount
            chosen.append(entry.number)
        }
        return chosen
    }
}
