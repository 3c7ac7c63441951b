// SPDX-License-Identifier: Apache-2.0
import Platform

/// A clock on which a hundred seconds are one.
///
/// What a sink waits for takes so long that everything else comes first, however busy the machine.
struct SlowClock: TimeSource {
    private let start = SystemClock().monotonic()

    func now() -> Timestamp { SystemClock().now() }

    func monotonic() -> MonotonicInstant {
        let passed = SystemClock().monotonic().duration(since: start)
        return start.advanced(by: passed / 100)
    }
}
