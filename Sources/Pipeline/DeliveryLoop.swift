// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks
import Synchronization

/// Carries the events of the ledger to one sink, on a thread of its own.
///
/// It is the shell around `DeliveryPlan`: it reads the ledger, hands requests to the sink, writes
/// dead letters and moves the cursor. Retry, batching and counting happen here, once for all sinks.
final class DeliveryLoop: Sendable {
    /// The longest the loop sleeps without looking around.
    static let heartbeat = Duration.milliseconds(500)

    let configuration: SinkConfiguration
    private let sink: any Sink
    private let ledger: Ledger
    private let accounts: Accounts
    let deadLetter: DeadLetter
    private let log: Log
    private let clock = SystemClock()
    private let latency: Histogram
    private let sealer: SealerStatus
    private let stopAt = Mutex<MonotonicInstant?>(nil)
    private let beat: Atomic<Int64>

    init(
        _ configuration: SinkConfiguration, sink: any Sink, ledger: Ledger, accounts: Accounts,
        deadLetter: DeadLetter, sealer: SealerStatus, latency: Histogram, log: Log
    ) {
        self.configuration = configuration
        self.sink = sink
        self.ledger = ledger
        self.accounts = accounts
        self.deadLetter = deadLetter
        self.latency = latency
        self.sealer = sealer
        self.log = log
        beat = Atomic(SystemClock().monotonic().nanoseconds)
    }

    /// Tells the loop that there is something new in the ledger.
    func wake() {
        sink.wake()
    }

    /// Asks the loop to end when everything is delivered, at the latest at `deadline`.
    func stop(deadline: MonotonicInstant) {
        stopAt.withLock { $0 = deadline }
        sink.wake()
    }

    /// When the loop was last seen going round; waiting for the outside counts.
    var lastBeat: MonotonicInstant {
        MonotonicInstant(nanoseconds: beat.load(ordering: .relaxed))
    }

    /// Delivers until it is stopped.
    func run() {
        var course = DeliveryCourse(
            from: ledger.cursor(of: configuration.id) ?? SinkCursor(place: .beginning),
            configuration: configuration)
        while true {
            let now = clock.monotonic()
            beat.store(now.nanoseconds, ordering: .relaxed)
            let deadline = stopAt.withLock { $0 }
            let gathered = gather(&course, at: now, hurries: deadline != nil)
            while let (ticket, piece) = course.plan.next(at: now) {
                course.sentAt[ticket] = now
                sink.deliver(piece.batch, ticket: ticket)
            }
            if let deadline {
                let isDone = !gathered && course.plan.isIdle && course.parts.isEmpty
                if isDone || now >= deadline { break }
            }
            for (ticket, result) in sink.outcomes(waitingAtMost: course.patience(at: now)) {
                settle(ticket, result, &course)
            }
        }
        sink.close()
    }

    // MARK: Reading

    /// Takes events from the ledger until a request is full; true when there may be more.
    private func gather(
        _ course: inout DeliveryCourse, at now: MonotonicInstant, hurries: Bool
    ) -> Bool {
        var reachedEnd = false
        while course.plan.wantsMore(at: now), !reachedEnd {
            while !course.isFull, !reachedEnd {
                guard course.frame == nil else {
                    course.takeEvents()
                    continue
                }
                do throws(LedgerError) {
                    course.frame = try ledger.read(from: course.place)
                } catch {
                    accountProblem("the ledger cannot be read: \(error)")
                    return false
                }
                if let frame = course.frame {
                    course.open(frame, sink: configuration.id)
                } else {
                    reachedEnd = true
                }
            }
            guard course.isFull || hurries || course.isRipe(at: now) else { break }
            guard let span = course.closeSpan() else { break }
            accounts.update(sink: configuration.id) { $0.filtered += UInt64(span.filtered) }
            if let cursor = span.cursor { advance(to: cursor) }
        }
        return !reachedEnd
    }

    // MARK: Outcomes

    private func settle(
        _ ticket: UInt64, _ result: Result<Void, DeliveryError>, _ course: inout DeliveryCourse
    ) {
        let now = clock.monotonic()
        if let sent = course.sentAt.removeValue(forKey: ticket) {
            latency.observe(now.duration(since: sent))
        }
        guard let batch = course.plan.batch(of: ticket) else { return }
        let (kept, rejections) = bury(batch, result)
        let verdict = course.plan.finished(
            ticket, kept, at: now, jitter: Double.random(in: 0...1))
        report(verdict, rejections)
        if let settled = verdict.settled,
            let cursor = course.tracker.settle(
                settled.span, delivered: settled.delivered, rejected: settled.rejected)
        {
            advance(to: cursor)
        }
    }

    private func advance(to cursor: SinkCursor) {
        do throws(LedgerError) {
            try ledger.advance(configuration.id, to: cursor)
        } catch {
            // Nothing is lost: after a crash these events go out again with the same ids.
            log.error(
                "The cursor of the sink cannot be written.",
                ["sink": configuration.id, "reason": error])
        }
    }

    /// Writes rejected events to the dead letter; when it takes none they are to be sent again.
    private func bury(
        _ batch: DeliveryBatch, _ result: Result<Void, DeliveryError>
    ) -> (result: Result<Void, DeliveryError>, buried: [Rejection]) {
        guard case .failure(.partial(let retry, let reject, let after)) = result, !reject.isEmpty
        else { return (result, []) }
        do {
            try deadLetter.append(reject, of: batch, at: clock.now())
            noteRejections(reject, of: batch)
            return (result, reject)
        } catch {
            log.error(
                "The dead letter takes nothing; the sink rests until it does.",
                ["sink": configuration.id, "reason": "\(error)"])
            let again = (retry + reject.map(\.index)).sorted()
            let longest = configuration.retry.longest
            accountProblem("the dead letter takes nothing: \(error)")
            return (.failure(.partial(retry: again, reject: [], after: after ?? longest)), [])
        }
    }

    /// States the rejections by stream, for the checkpoints.
    private func noteRejections(_ rejections: [Rejection], of batch: DeliveryBatch) {
        for part in batch.selecting(rejections.map(\.index)).parts {
            sealer.rejected(
                part.events.count, sink: configuration.id, stream: part.batch.stream)
        }
    }

    private func report(_ verdict: DeliveryPlan.Verdict, _ rejections: [Rejection]) {
        let now = clock.now()
        let wasUp = accounts.snapshot.sinks[configuration.id]?.isUp ?? true
        accounts.update(sink: configuration.id) { sums in
            sums.delivered += UInt64(verdict.delivered)
            sums.rejected += UInt64(verdict.rejectedCount)
            for rejection in rejections {
                sums.rejectedNow[rejection.code.rawValue, default: 0] += 1
            }
            if let code = verdict.retry { sums.retries[code.rawValue, default: 0] += 1 }
            sums.isUp = verdict.isUp
            sums.problem = verdict.isUp ? nil : verdict.problem
            if verdict.delivered > 0 { sums.oldestWaiting = sums.waiting > 0 ? now : nil }
        }
        if let problem = verdict.problem {
            log.warning(
                "The sink does not take events; they wait in the ledger.",
                ["sink": configuration.id, "reason": problem])
        } else if !wasUp, verdict.isUp {
            log.info("The sink takes events again.", ["sink": configuration.id])
        }
        if let first = rejections.first {
            log.error(
                "The receiver refused events; they rest in the dead letter.",
                ["sink": configuration.id, "count": rejections.count, "reason": first.reason])
        }
    }

    private func accountProblem(_ sentence: String) {
        accounts.update(sink: configuration.id) { sums in
            sums.isUp = false
            sums.problem = sentence
        }
    }
}

/// What a delivery loop has in its hands: the frame it reads, the request it fills, its plan.
private struct DeliveryCourse {
    var plan: DeliveryPlan
    var tracker: CursorTracker
    var place: LedgerPlace
    var frame: LedgerFrame?
    var parts: [DeliveryBatch.Part] = []
    var sentAt: [UInt64: MonotonicInstant] = [:]

    private let limits: SinkConfiguration.Batch
    private var sinkBit: UInt64 = 0
    private var nextEvent = 0
    private var nextSpan: UInt64 = 0
    private var offered = 0
    private var filtered = 0
    private var byteCount = 0
    private var firstTakenAt: MonotonicInstant?

    init(from cursor: SinkCursor, configuration: SinkConfiguration) {
        plan = DeliveryPlan(
            retryPolicy: RetryPolicy(
                initial: configuration.retry.initial, longest: configuration.retry.longest),
            inFlightLimit: configuration.inFlight)
        tracker = CursorTracker(from: cursor)
        place = cursor.place
        limits = configuration.batch
    }

    private var taken: Int { offered - filtered }

    /// True when the request has as much as the configuration allows.
    ///
    /// What a filter leaves out is bounded too, so that the cursor moves over a quiet stretch.
    var isFull: Bool {
        taken >= limits.countLimit || byteCount >= limits.byteLimit
            || filtered >= limits.countLimit * 10
    }

    /// True when the request has waited long enough to be sent as it is.
    mutating func isRipe(at now: MonotonicInstant) -> Bool {
        guard offered > 0 else { return false }
        let since = firstTakenAt ?? now
        firstTakenAt = since
        return now >= since.advanced(by: limits.waitLimit)
    }

    /// How long there is nothing to do but to wait for outcomes or new events.
    mutating func patience(at now: MonotonicInstant) -> Duration {
        if let rest = plan.rest(at: now) { return min(rest, DeliveryLoop.heartbeat) }
        guard let since = firstTakenAt, plan.wantsMore(at: now) else {
            return DeliveryLoop.heartbeat
        }
        let ripe = since.advanced(by: limits.waitLimit).duration(since: now)
        return min(max(ripe, .zero), DeliveryLoop.heartbeat)
    }

    /// Begins with a frame that was read.
    mutating func open(_ frame: LedgerFrame, sink: String) {
        nextEvent = Int(frame.place.index)
        if let bit = frame.batch.sinks.firstIndex(of: sink) {
            sinkBit = 1 << UInt64(bit)
        } else {
            // The sink was not configured when the frame was sealed: it was never offered these.
            nextEvent = frame.batch.events.count
        }
        place = frame.place
    }

    /// Takes events of the frame until the request is full or the frame is through.
    mutating func takeEvents() {
        guard let frame else { return }
        var events: [Int] = []
        while nextEvent < frame.batch.events.count, !isFull {
            offered += 1
            if frame.batch.events[nextEvent].sinkBits & sinkBit != 0 {
                events.append(nextEvent)
                byteCount += frame.batch.bodyRange(nextEvent).count
            } else {
                filtered += 1
            }
            nextEvent += 1
        }
        if !events.isEmpty {
            parts.append(DeliveryBatch.Part(batch: frame.batch, events: events))
        }
        if nextEvent == frame.batch.events.count {
            place = frame.next
            self.frame = nil
        } else {
            place = frame.place.at(index: nextEvent)
        }
    }

    /// Hands the request to the plan as a span; nil when there is nothing in it.
    mutating func closeSpan() -> (filtered: Int, cursor: SinkCursor?)? {
        guard offered > 0 else { return nil }
        let result: (filtered: Int, cursor: SinkCursor?)
        if parts.isEmpty {
            result = (filtered, tracker.skip(through: place, offered: offered, filtered: filtered))
        } else {
            tracker.begin(nextSpan, through: place, offered: offered, filtered: filtered)
            plan.add(DeliveryBatch(parts: parts), span: nextSpan)
            nextSpan += 1
            result = (filtered, nil)
        }
        parts = []
        offered = 0
        filtered = 0
        byteCount = 0
        firstTakenAt = nil
        return result
    }
}
