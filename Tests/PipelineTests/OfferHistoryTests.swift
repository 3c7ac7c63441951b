// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Pipeline

private func moment(_ seconds: Int) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: 0).advanced(by: .seconds(seconds))
}

@Suite struct OfferHistoryTests {
    @Test func whatWaitsIsAsOldAsItsOwnOffer() {
        var history = OfferHistory()
        #expect(history.oldest == nil)
        history.offer(upTo: 10, at: moment(0))
        history.offer(upTo: 30, at: moment(5))
        history.settle(upTo: 9)
        #expect(history.oldest == moment(0))
        history.settle(upTo: 10)
        #expect(history.oldest == moment(5))
        history.settle(upTo: 30)
        #expect(history.oldest == nil)
    }

    @Test func offersOfOneSecondShareAMarkAndTheEarlierTime() {
        var history = OfferHistory()
        history.offer(upTo: 1, at: moment(7))
        history.offer(upTo: 2, at: moment(7).advanced(by: .milliseconds(999)))
        history.settle(upTo: 1)
        #expect(history.oldest == moment(7))
    }

    /// A receiver that takes half of what comes, for a day: the age is never too low and never
    /// much too high.
    @Test func ageOfALongBacklogStaysNearTheTruth() {
        var history = OfferHistory()
        for second in 0..<86_400 {
            history.offer(upTo: UInt64(second + 1) * 10, at: moment(second))
            let settled = UInt64(second) * 5
            history.settle(upTo: settled)
            let truth = second - Int(settled / 10)
            guard let oldest = history.oldest else {
                Issue.record("nothing waits at second \(second)")
                return
            }
            let age = Int(moment(second).duration(since: oldest).components.seconds)
            #expect(age >= truth && age <= truth + truth / 16 + 1, "second \(second)")
        }
    }
}
