// SPDX-License-Identifier: Apache-2.0
import Platform

/// Decides when the next checkpoint is due; the caller seals it and says so.
public struct CheckpointSchedule: Sendable {
    /// How long sealed events wait for a checkpoint at most.
    public static let busyInterval: Duration = .seconds(60)
    /// How often a stream shows that it lives while nothing happens.
    public static let idleInterval: Duration = .seconds(15 * 60)

    private var last: MonotonicInstant
    private var hasUnproven = false
    private var isForced = false

    /// Begins at the opening of a stream.
    public init(at now: MonotonicInstant) {
        last = now
    }

    /// Events other than checkpoints were sealed.
    public mutating func sealed() {
        hasUnproven = true
    }

    /// The ledger opened a segment, whose beginning a checkpoint marks.
    public mutating func segmentOpened() {
        isForced = true
    }

    /// A checkpoint was sealed.
    public mutating func signed(at now: MonotonicInstant) {
        last = now
        hasUnproven = false
        isForced = false
    }

    /// True when a checkpoint should be sealed now.
    public func isDue(at now: MonotonicInstant) -> Bool {
        isForced || now >= dueTime
    }

    /// How long the caller may wait before it must ask again, never negative.
    public func wait(at now: MonotonicInstant) -> Duration {
        isDue(at: now) ? .zero : dueTime.duration(since: now)
    }

    private var dueTime: MonotonicInstant {
        last.advanced(
            by: hasUnproven
                ? CheckpointSchedule.busyInterval : CheckpointSchedule.idleInterval)
    }
}
