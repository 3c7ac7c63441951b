// SPDX-License-Identifier: Apache-2.0
import Platform

/// Remembers when a sink was offered its events, as exactly as a few marks allow.
///
/// So it knows since when the oldest waits that is not settled. A backlog of hours takes no more
/// marks than one of minutes: the marks move apart, and an age is then too high by less than one
/// in `markLimit / 2`.
struct OfferHistory: Sendable, Equatable {
    /// The most marks that are kept.
    static let markLimit = 128
    /// How far marks are apart at the least.
    static let shortestInterval = Duration.seconds(1)

    private struct Mark: Equatable {
        /// Events were offered up to this count, and those not before that stand at this mark.
        var count: UInt64
        /// When the first of them was offered.
        let at: MonotonicInstant
    }

    private var marks: [Mark] = []
    private var interval = OfferHistory.shortestInterval

    /// When the oldest of what waits was offered; nil when nothing waits.
    var oldest: MonotonicInstant? { marks.first?.at }

    /// Takes note that `count` events were offered by now, counted from the very first one.
    mutating func offer(upTo count: UInt64, at now: MonotonicInstant) {
        if let last = marks.last, now.duration(since: last.at) < interval {
            marks[marks.count - 1].count = count
            return
        }
        marks.append(Mark(count: count, at: now))
        if marks.count > OfferHistory.markLimit { thin() }
    }

    /// Takes note that the first `count` events wait no longer.
    mutating func settle(upTo count: UInt64) {
        let passed = marks.prefix { $0.count <= count }.count
        marks.removeFirst(passed)
        if marks.isEmpty { interval = OfferHistory.shortestInterval }
    }

    /// Makes one mark of two, with the earlier time: no age is ever too low.
    private mutating func thin() {
        marks = stride(from: 0, to: marks.count, by: 2).map { index in
            Mark(count: marks[min(index + 1, marks.count - 1)].count, at: marks[index].at)
        }
        interval = interval * 2
    }
}
