// SPDX-License-Identifier: Apache-2.0
import Platform

/// Which of several endpoints the next request goes to.
///
/// All requests go to one of them for as long as it answers, at first to the first. When it fails
/// the next in the list takes its place, and after the last the first. While another one serves,
/// a single request now and then tries the first again, which takes over when it answers.
struct EndpointChoice {
    private let count: Int
    private let returnTime: Duration
    private var current = 0
    private var nextTrial: MonotonicInstant?
    // Those that have failed since the last answer of any.
    private var failed: Set<Int> = []

    /// Begins with the first of `count` endpoints.
    init(count: Int, returnTime: Duration = HTTPLimit.endpointReturnTime) {
        self.count = count
        self.returnTime = returnTime
    }

    /// The index of the endpoint for a request that starts now.
    mutating func pick(at now: MonotonicInstant) -> Int {
        guard let due = nextTrial, now >= due else { return current }
        nextTrial = now.advanced(by: returnTime)
        return 0
    }

    /// Takes note that an endpoint gave an answer, be it a refusal.
    mutating func answered(_ index: Int) {
        failed.removeAll()
        guard index == 0 else { return }
        current = 0
        nextTrial = nil
    }

    /// Takes note that an endpoint could not be reached or has a fault of its own.
    ///
    /// True when a next request goes to another one that has not failed as well. Of several
    /// requests that fail together only the first moves on.
    mutating func failed(_ index: Int, at now: MonotonicInstant) -> Bool {
        failed.insert(index)
        if index == current {
            current = (current + 1) % count
            let trial = nextTrial ?? now.advanced(by: returnTime)
            nextTrial = current == 0 ? nil : trial
        }
        return failed.count < count
    }
}
