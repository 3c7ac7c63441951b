// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Pipeline

@Test func delaysDoubleUpToTheLongest() {
    var policy = RetryPolicy(initial: .milliseconds(500), longest: .seconds(3))
    let delays = (0..<6).map { _ in policy.failed(jitter: 1) }
    #expect(
        delays == [
            .milliseconds(500), .seconds(1), .seconds(2), .seconds(3), .seconds(3), .seconds(3),
        ])
}

@Test func jitterKeepsHalfOfTheDelay() {
    var policy = RetryPolicy(initial: .seconds(4), longest: .seconds(60))
    #expect(policy.failed(jitter: 0) == .seconds(2))
    #expect(policy.failed(jitter: 0.5) == .seconds(6))
}

@Test func whatTheReceiverAsksForIsFollowedUpToTheLongest() {
    var policy = RetryPolicy(initial: .milliseconds(1), longest: .seconds(60))
    #expect(policy.failed(asked: .seconds(7), jitter: 0.3) == .seconds(7))
    #expect(policy.failed(asked: .seconds(3600), jitter: 0.3) == .seconds(60))
}

@Test func successBeginsAnew() {
    var policy = RetryPolicy(initial: .seconds(1), longest: .seconds(60))
    for _ in 0..<40 { _ = policy.failed(jitter: 1) }
    #expect(policy.failed(jitter: 1) == .seconds(60))
    policy.succeeded()
    #expect(policy.failed(jitter: 1) == .seconds(1))
    #expect(policy.alarmed() == .seconds(60))
}
