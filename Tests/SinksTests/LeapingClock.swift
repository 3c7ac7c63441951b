// SPDX-License-Identifier: Apache-2.0
import Platform

/// The machine's clock, but for what a test has let it leap.
final class LeapingClock: TimeSource {
    private let leapt = Monitor(Duration.zero)

    func leap(_ duration: Duration) { leapt.withLock { $0 += duration } }
    func now() -> Timestamp { SystemClock().now() }
    func monotonic() -> MonotonicInstant {
        SystemClock().monotonic().advanced(by: leapt.withLock { $0 })
    }
}
