// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks

/// One replay on its way to a sink, beside the ordinary delivery or without an agent.
///
/// What an outcome means is decided by `DeliveryPlan`, as in every delivery. It neither moves a
/// cursor nor counts towards what the sink was offered. Whoever holds it hands its requests to the
/// sink, within the sink's limit, and its outcomes back.
struct ReplayCourse {
    /// Tickets of replays begin here, out of the reach of ordinary ones.
    static let firstTicket: UInt64 = 1 << 63
    /// How long a replay goes on without a confirmation, beyond what the sink allows a request.
    static let leastPatience = Duration.seconds(60)
    /// How long it reads at a time, so that the ordinary delivery is not held up.
    static let readingLimit = Duration.milliseconds(20)

    private(set) var tally = ReplayTally()
    private var source: any ReplaySource
    private var plan: DeliveryPlan
    private let limits: SinkConfiguration.Batch
    private let patience: Duration
    private var spanOfTicket: [UInt64: UInt64] = [:]
    private var unsent: [UInt64: Int] = [:]
    private var hasMore = true
    private var problem: (sentence: String, exit: ExitCode)?
    // Since when requests wait for a confirmation; nil when none does.
    private var waitingSince: MonotonicInstant?
    private var lastFailure: String?

    init(
        _ source: any ReplaySource, to configuration: SinkConfiguration
    ) {
        self.source = source
        plan = DeliveryPlan(
            retryPolicy: RetryPolicy(
                initial: configuration.retry.initial, longest: configuration.retry.longest),
            inFlightLimit: configuration.inFlight)
        plan.startTickets(at: ReplayCourse.firstTicket)
        limits = configuration.batch
        patience = ReplayCourse.leastPatience + configuration.options.answerTime
    }

    /// How many requests are on their way.
    var inFlightCount: Int { plan.inFlightCount }

    /// True when nothing is on its way and nothing more is to be sent.
    var isDone: Bool { plan.inFlightCount == 0 && (problem != nil || !hasMore && plan.isIdle) }

    /// How long there is nothing to do but to wait for outcomes.
    func patience(at now: MonotonicInstant, slots: Int) -> Duration {
        if isDone { return .zero }
        if let rest = plan.rest(at: now) { return rest }
        guard problem == nil, hasMore, slots > 0, plan.wantsMore(at: now) else {
            return DeliveryLoop.heartbeat
        }
        return .zero
    }

    /// Gives up what was not sent yet; what is on its way still comes to its outcome.
    mutating func stop(because sentence: String, exit: ExitCode = .unavailable) {
        if problem == nil { problem = (sentence, exit) }
    }

    /// The next request, with its ticket; nil when there is none at this moment.
    mutating func next(
        at now: MonotonicInstant, pausing: () -> Bool
    ) -> (ticket: UInt64, batch: DeliveryBatch)? {
        if let waitingSince, now.duration(since: waitingSince) > patience {
            let seconds = patience.components.seconds
            let reason = lastFailure.map { ": " + $0 } ?? ""
            stop(because: "nothing was confirmed for \(seconds) s\(reason)")
        }
        guard problem == nil else { return nil }
        if plan.wantsMore(at: now), hasMore { gather(pausing) }
        guard problem == nil, let (ticket, piece) = plan.next(at: now) else { return nil }
        spanOfTicket[ticket] = piece.span
        waitingSince = waitingSince ?? now
        tally.sent += unsent.removeValue(forKey: piece.span) ?? 0
        return (ticket, piece.batch)
    }

    private mutating func gather(_ pausing: () -> Bool) {
        do throws(PipelineError) {
            switch try source.next(limits, pausing: pausing) {
            case .batch(let batch, let span):
                plan.add(batch, span: span)
                unsent[span] = batch.count
            case .pause: break
            case .end: hasMore = false
            }
        } catch {
            stop(because: error.description, exit: error.exitCode)
        }
        source.describe(&tally)
    }

    /// Takes the outcome of a request.
    ///
    /// Answers with the number of events that were confirmed by it.
    mutating func settle(
        _ ticket: UInt64, _ result: DeliveryResult, at now: MonotonicInstant,
        time: Timestamp, jitter: Double
    ) -> Int {
        guard let batch = plan.batch(of: ticket),
            let span = spanOfTicket.removeValue(forKey: ticket)
        else { return 0 }
        switch result {
        case .failure(.partial(_, let reject, _)) where !reject.isEmpty:
            source.refuse(reject, of: batch, span: span, at: time)
            tally.refusal = reject.last?.reason
        case .failure(.alarm(let reason, _)): stop(because: reason)
        default: break
        }
        let verdict = plan.finished(ticket, result, at: now, jitter: jitter)
        if verdict.delivered + verdict.rejectedCount > 0 {
            waitingSince = plan.isIdle ? nil : now
        }
        lastFailure = verdict.problem ?? lastFailure
        tally.confirmed += verdict.delivered
        tally.refused += verdict.rejectedCount
        if let settled = verdict.settled {
            do throws(PipelineError) {
                try source.settle(settled.span)
            } catch {
                stop(because: error.description, exit: error.exitCode)
            }
        }
        return verdict.delivered
    }

    /// Ends it; nothing is on its way any more, or nobody waits for it.
    mutating func finish() -> ReplayOutcome {
        do throws(PipelineError) {
            try source.finish()
        } catch {
            stop(because: error.description, exit: error.exitCode)
        }
        source.describe(&tally)
        return ReplayOutcome(tally, problem: problem)
    }
}
