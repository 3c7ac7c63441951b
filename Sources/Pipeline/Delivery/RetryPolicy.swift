// SPDX-License-Identifier: Apache-2.0
import Platform

/// Decides how long a sink rests after a failure: exponential, with jitter, up to a longest delay.
///
/// A pure value: randomness comes in with each call, time is the caller's.
public struct RetryPolicy: Sendable {
    /// The delay after the first failure.
    public let initial: Duration
    /// The longest delay.
    public let longest: Duration
    /// How many failures came since the last success.
    public private(set) var failureCount = 0

    /// Starts with no failure.
    public init(initial: Duration, longest: Duration) {
        self.initial = initial
        self.longest = longest
    }

    /// Takes a success: the next failure waits `initial` again.
    public mutating func succeeded() {
        failureCount = 0
    }

    /// Takes a failure and answers with the time to rest.
    ///
    /// - Parameters:
    ///   - asked: what the receiver asked for (`Retry-After`); followed up to `longest`.
    ///   - jitter: a random number from 0 to 1; the answer lies between half and all of the delay,
    ///     so that many agents do not come back at the same moment.
    public mutating func failed(asked: Duration? = nil, jitter: Double) -> Duration {
        failureCount += 1
        if let asked { return min(max(asked, .zero), longest) }
        let doublings = min(failureCount - 1, 30)
        let full = min(initial * (1 << doublings), longest)
        return full / 2 + (full / 2) * min(max(jitter, 0), 1)
    }

    /// Takes a failure that somebody must mend, such as a refused key: the longest delay at once.
    public mutating func alarmed() -> Duration {
        failureCount += 1
        return longest
    }
}
