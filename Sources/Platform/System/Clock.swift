// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A moment on the clock that never jumps; it counts from an arbitrary start and only differences
/// have a meaning.
public struct MonotonicInstant: Sendable, Hashable, Comparable {
    /// Nanoseconds since the clock's own start.
    public var nanoseconds: Int64

    /// Names a moment by its distance from the clock's start.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The earlier of two moments comes first.
    public static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The moment this much later; it stops at the end of the scale and does not wrap.
    public func advanced(by duration: Duration) -> MonotonicInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        if overflow { return MonotonicInstant(nanoseconds: duration < .zero ? .min : .max) }
        return MonotonicInstant(nanoseconds: sum)
    }

    /// How much later this moment is than the other; negative when it is earlier.
    public func duration(since other: MonotonicInstant) -> Duration {
        .nanoseconds(nanoseconds) - .nanoseconds(other.nanoseconds)
    }
}

extension Duration {
    /// The duration in nanoseconds, cut to what 64 bits hold (about 292 years).
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, second) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || second ? (seconds < 0 ? .min : .max) : sum
    }

    /// Seconds with their fraction, as metrics and status pages have them.
    public var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

/// Where code asks for the time, so that tests can say what time it is.
public protocol TimeSource: Sendable {
    /// The time of day in UTC; it may jump when somebody sets the clock.
    func now() -> Timestamp
    /// The time for measuring how long something takes; it never goes back.
    func monotonic() -> MonotonicInstant
}

/// The machine's own clocks.
public struct SystemClock: TimeSource {
    /// Makes a source that reads the machine's clocks.
    public init() {}

    /// Whether something keeps the machine's clock right; nil where the kernel does not say.
    public static var isKept: Bool? {
        let answer = sealtail_clock_is_kept()
        return answer < 0 ? nil : answer == 1
    }

    /// Reads CLOCK_REALTIME.
    public func now() -> Timestamp {
        let time = SystemClock.read(CLOCK_REALTIME)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    /// Reads CLOCK_MONOTONIC, the clock that pthread and poll timeouts run on as well.
    public func monotonic() -> MonotonicInstant {
        let time = SystemClock.read(CLOCK_MONOTONIC)
        return MonotonicInstant(
            nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The processor time that the calling thread has used.
    public static func threadTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        // Safe because `time` outlives the call, which writes nothing else.
        guard clock_gettime(clock, &time) == 0 else { bug("clock_gettime failed") }
        return time
    }
}
