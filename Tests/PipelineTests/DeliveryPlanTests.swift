// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks
import Testing

@testable import Pipeline

private let start = MonotonicInstant(nanoseconds: 0)

private func batch(_ count: Int) -> DeliveryBatch { PipelineFixture.delivery(count) }

private func plan(inFlight: Int = 2) -> DeliveryPlan {
    DeliveryPlan(
        retryPolicy: RetryPolicy(initial: .seconds(1), longest: .seconds(60)),
        inFlightLimit: inFlight)
}

private func rejection(_ index: Int) -> Rejection {
    Rejection(index: index, reason: "mapping", code: .refused)
}

@Test func deliveredSpanIsSettled() {
    var plan = plan()
    plan.add(batch(3), span: 7)
    let sent = plan.next(at: start)
    #expect(sent?.piece.batch.count == 3)
    let verdict = plan.finished(sent?.ticket ?? 99, .success(()), at: start, jitter: 0)
    #expect(verdict.delivered == 3)
    #expect(verdict.settled?.span == 7)
    #expect(verdict.settled?.delivered == 3)
    #expect(plan.isIdle)
}

@Test func atMostSoManyRequestsAreInFlight() {
    var plan = plan(inFlight: 2)
    for span in 0..<3 { plan.add(batch(1), span: UInt64(span)) }
    #expect(plan.next(at: start) != nil)
    #expect(plan.next(at: start) != nil)
    #expect(plan.next(at: start) == nil)
    #expect(!plan.wantsMore(at: start))
}

@Test func failedRequestRestsAndGoesAgainBeforeAnythingNew() {
    var plan = plan()
    plan.add(batch(2), span: 1)
    let first = plan.next(at: start)
    let failure = DeliveryError.retry(after: nil, reason: "503", code: .server)
    let verdict = plan.finished(first?.ticket ?? 99, .failure(failure), at: start, jitter: 1)
    #expect(verdict.settled == nil)
    #expect(!verdict.isUp)
    #expect(!plan.wantsMore(at: start))
    #expect(plan.next(at: start) == nil)
    let later = start.advanced(by: .seconds(1))
    #expect(plan.rest(at: later) == nil)
    let again = plan.next(at: later)
    #expect(again?.piece.batch.count == 2)
    #expect(again?.ticket != first?.ticket)
}

@Test func requestsThatFailTogetherAreOneFailure() {
    var plan = plan(inFlight: 16)
    for span in 0..<16 { plan.add(batch(1), span: UInt64(span)) }
    let failure = DeliveryError.retry(after: nil, reason: "reset", code: .connection)
    var now = start
    for rest in [1, 2, 4] {
        let tickets = (0..<16).compactMap { _ in plan.next(at: now)?.ticket }
        #expect(tickets.count == 16)
        for ticket in tickets {
            _ = plan.finished(ticket, .failure(failure), at: now, jitter: 1)
        }
        #expect(plan.rest(at: now) == .seconds(rest))
        now = now.advanced(by: .seconds(rest))
    }
}

@Test func onlyTheEventsThatAskForItGoAgain() {
    var plan = plan()
    plan.add(batch(5), span: 1)
    let first = plan.next(at: start)
    let partial = DeliveryError.partial(retry: [1, 4], reject: [rejection(2)], after: nil)
    let verdict = plan.finished(first?.ticket ?? 99, .failure(partial), at: start, jitter: 0)
    #expect(verdict.delivered == 2)
    #expect(verdict.rejectedCount == 1)
    #expect(verdict.settled == nil)
    let again = plan.next(at: start.advanced(by: .seconds(1)))
    #expect(again?.piece.batch.parts.first?.events == [1, 4])
    let end = plan.finished(again?.ticket ?? 99, .success(()), at: start, jitter: 0)
    #expect(end.settled?.delivered == 4)
    #expect(end.settled?.rejected == 1)
}

@Test func spanThatWasSplitIsSettledByItsLastPiece() {
    var plan = plan()
    plan.add(batch(3), span: 1)
    let whole = plan.next(at: start)
    let split = DeliveryError.split(reason: "413", code: .size)
    #expect(
        plan.finished(whole?.ticket ?? 99, .failure(split), at: start, jitter: 0).settled == nil)
    let first = plan.next(at: start)
    let second = plan.next(at: start)
    #expect(first?.piece.batch.count == 2)
    #expect(second?.piece.batch.count == 1)
    let one = plan.finished(second?.ticket ?? 99, .success(()), at: start, jitter: 0)
    #expect(one.settled == nil)
    let two = plan.finished(first?.ticket ?? 99, .success(()), at: start, jitter: 0)
    #expect(two.settled?.delivered == 3)
}

@Test func alarmRestsForTheLongestDelayAndLosesNothing() {
    var plan = plan()
    plan.add(batch(4), span: 1)
    let first = plan.next(at: start)
    let alarm = DeliveryError.alarm(reason: "401", code: .authorization)
    let verdict = plan.finished(first?.ticket ?? 99, .failure(alarm), at: start, jitter: 0)
    #expect(verdict.settled == nil)
    #expect(plan.rest(at: start) == .seconds(60))
    #expect(plan.next(at: start.advanced(by: .seconds(60)))?.piece.batch.count == 4)
}

@Test func outcomeOfAnUnknownTicketChangesNothing() {
    var plan = plan()
    plan.add(batch(1), span: 1)
    _ = plan.next(at: start)
    #expect(plan.finished(42, .success(()), at: start, jitter: 0).settled == nil)
    #expect(plan.inFlightCount == 1)
}

/// One request that hung let the others settle thousands of events behind it, and a kill sent all
/// of them again.
@Test func oneRequestThatHangsBoundsWhatTheOthersMayRunAhead() {
    var plan = plan(inFlight: 2)
    plan.add(batch(1), span: 0)
    let hanging = plan.next(at: start)
    for span in 1...3 {
        plan.add(batch(1), span: UInt64(span))
        let sent = plan.next(at: start)
        _ = plan.finished(sent?.ticket ?? 99, .success(()), at: start, jitter: 0)
    }
    #expect(plan.wantsMore(at: start))
    #expect(plan.spanWindow == 4)
    _ = plan.finished(hanging?.ticket ?? 99, .success(()), at: start, jitter: 0)
    #expect(plan.spanWindow == 0)
}

@Test func otherLimitsHoldFromTheNextRequestOnAndNothingIsForgotten() {
    var plan = plan(inFlight: 1)
    plan.add(batch(3), span: 0)
    let first = plan.next(at: start)
    let failure = DeliveryError.alarm(reason: "401", code: .authorization)
    _ = plan.finished(first?.ticket ?? 99, .failure(failure), at: start, jitter: 0)
    #expect(plan.next(at: start) == nil)
    plan.adopt(RetryPolicy(initial: .seconds(1), longest: .seconds(2)), inFlightLimit: 3)
    let again = plan.next(at: start)
    #expect(again?.piece.batch.count == 3)
    for span in 1...2 { plan.add(batch(1), span: UInt64(span)) }
    #expect(plan.next(at: start) != nil)
    #expect(plan.next(at: start) != nil)
    #expect(plan.next(at: start) == nil)
}

@Test func rejectedEventsAreCountedForTheirEpoch() {
    var plan = plan()
    plan.add(batch(5), span: 1)
    let first = plan.next(at: start)
    let partial = DeliveryError.partial(
        retry: [], reject: [rejection(2), rejection(4)], after: nil)
    let verdict = plan.finished(first?.ticket ?? 99, .failure(partial), at: start, jitter: 0)
    #expect(verdict.settled?.epochs.map(\.epoch) == ["0000000000000000"])
    #expect(verdict.settled?.epochs.map(\.rejected) == [2])
}
