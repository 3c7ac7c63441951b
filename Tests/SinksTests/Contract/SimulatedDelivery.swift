// SPDX-License-Identifier: Apache-2.0
import Platform

@testable import Pipeline
@testable import Sinks

/// Carries batches to a sink as the delivery loop does, on a clock that leaps over every rest.
///
/// What is decided is decided by `DeliveryPlan`; the sink and its connections are real.
struct SimulatedDelivery {
    /// Where every wait ends that should not have lasted.
    static let patience = Duration.seconds(30)

    private let sink: any Sink
    private var plan: DeliveryPlan
    private var backlog: ArraySlice<DeliveryBatch>
    private var nextSpan: UInt64 = 0
    /// The simulated time since the beginning.
    private(set) var now = MonotonicInstant(nanoseconds: 0)
    /// How many events were delivered, as far as the sink has said.
    private(set) var deliveredCount = 0
    /// How many spans are settled.
    private(set) var settledCount = 0
    private(set) var rejections: [Rejection] = []
    /// What was not delivered at once, in order.
    private(set) var failures: [DeliveryError] = []
    /// How long the sink rested after each failure.
    private(set) var rests: [Duration] = []

    init(_ sink: any Sink, _ batches: [DeliveryBatch], inFlight: Int = 1) {
        self.sink = sink
        backlog = batches[...]
        plan = DeliveryPlan(
            retryPolicy: RetryPolicy(initial: .milliseconds(500), longest: .seconds(60)),
            inFlightLimit: inFlight)
    }

    /// What the log of the agent says.
    var sentences: [String] { failures.map(\.sentence) + rejections.map(\.reason) }

    /// Delivers until all is settled, or something has failed, or the simulated time has come.
    ///
    /// True when all is settled.
    mutating func run(
        untilFailure: Bool = false,
        until end: MonotonicInstant = MonotonicInstant(nanoseconds: .max)
    ) -> Bool {
        let clock = SystemClock()
        let deadline = clock.monotonic().advanced(by: SimulatedDelivery.patience)
        let failureCount = failures.count
        while clock.monotonic() < deadline {
            while plan.wantsMore(at: now), let batch = backlog.popFirst() {
                plan.add(batch, span: nextSpan)
                nextSpan += 1
            }
            while let (ticket, piece) = plan.next(at: now) {
                sink.deliver(piece.batch, ticket: ticket)
            }
            if plan.isIdle { return backlog.isEmpty }
            if plan.inFlightCount > 0 {
                for (ticket, result) in sink.outcomes(waitingAtMost: .seconds(1)) {
                    settle(ticket, result)
                }
            }
            if untilFailure, failures.count > failureCount { return false }
            guard plan.inFlightCount == 0, let rest = plan.rest(at: now) else { continue }
            now = now.advanced(by: rest)
            if now >= end { return false }
        }
        return false
    }

    private mutating func settle(_ ticket: UInt64, _ result: DeliveryResult) {
        if case .failure(let error) = result {
            if case .partial(_, let reject, _) = error { rejections += reject }
            failures.append(error)
        }
        let verdict = plan.finished(ticket, result, at: now, jitter: 1)
        deliveredCount += verdict.delivered
        if verdict.settled != nil { settledCount += 1 }
        if case .failure = result, let rest = plan.rest(at: now) { rests.append(rest) }
    }
}
