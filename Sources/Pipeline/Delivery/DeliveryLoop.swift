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

    /// What the loop needs that a reload may replace, all of it at once.
    struct Outlet: Sendable {
        let configuration: SinkConfiguration
        let sink: any Sink
        var deadLetter: DeadLetter
    }

    /// What others have asked the loop to do.
    struct Orders {
        /// Deliver what there is, at the latest until then.
        var deadline: MonotonicInstant?
        /// Take nothing more, settle what is on its way, end.
        var isRetiring = false
        /// Settle what is on its way, then go on with this.
        var next: Outlet?
        /// Send events again, beside what comes.
        var replay: ReplayTask?
    }

    let id: String
    let pulse: Pulse
    private let outlet: Monitor<Outlet>
    let ledger: Ledger
    let accounts: Accounts
    let log: Log
    let clock = SystemClock()
    private let makeDeadLetter: @Sendable (SinkConfiguration) throws(SinkError) -> DeadLetter
    private let latency: Histogram
    let orders = Monitor(Orders())
    private let reach: Monitor<DeliveryReach>
    private let hasEnded = Atomic(false)

    init(
        _ outlet: Outlet, ledger: Ledger, accounts: Accounts,
        makeDeadLetter: @escaping @Sendable (SinkConfiguration) throws(SinkError) -> DeadLetter,
        latency: Histogram, log: Log
    ) {
        self.makeDeadLetter = makeDeadLetter
        id = outlet.configuration.id
        self.outlet = Monitor(outlet)
        self.ledger = ledger
        self.accounts = accounts
        self.latency = latency
        self.log = log
        pulse = Pulse("delivery to \(outlet.configuration.id)")
        let cursor = ledger.cursor(of: outlet.configuration.id)
        reach = Monitor(DeliveryReach(from: cursor?.place ?? .beginning))
    }

    /// The sink's configuration by now.
    var configuration: SinkConfiguration { outlet.withLock { $0.configuration } }

    /// The sink's dead letter.
    var deadLetter: DeadLetter { outlet.withLock { $0.deadLetter } }

    /// How many requests have come to an outcome, and how long they took together, in seconds.
    var requests: (count: UInt64, seconds: Double) {
        let total = latency.total
        return (total.count, total.sum)
    }

    /// Tells the loop that there is something new in the ledger.
    func wake() {
        outlet.withLock { $0.sink }.wake()
    }

    /// Asks the loop to end when everything is delivered, at the latest at `deadline`.
    func stop(deadline: MonotonicInstant) {
        orders.withLock { $0.deadline = deadline }
        wake()
    }

    /// Asks the loop to end as soon as what is on its way has come to an outcome.
    func retire() {
        orders.withLock { $0.isRetiring = true }
        wake()
    }

    /// Lets the loop go on with another configuration, as after a reload.
    ///
    /// Requests that are on their way come to their outcome first, so nothing is sent twice; what
    /// waits to be sent again goes to the new outlet.
    func replace(by next: Outlet) {
        orders.withLock { $0.next = next }
        wake()
    }

    /// True when the frame at this place was never read, and may be damaged now.
    func lacks(_ place: LedgerPlace) -> Bool { reach.withLock { $0.lacks(place) } }

    /// True when the loop has ended.
    var isFinished: Bool { hasEnded.load(ordering: .acquiring) }

    /// Delivers until it is stopped.
    func run() {
        defer { hasEnded.store(true, ordering: .releasing) }
        var present = outlet.withLock { $0 }
        var course = DeliveryCourse(
            from: ledger.cursor(of: id) ?? SinkCursor(place: .beginning),
            configuration: present.configuration)
        var condition = SinkCondition()
        var replay: RunningReplay?
        while true {
            let now = clock.monotonic()
            let order = orders.withLock { (deadline: $0.deadline, isRetiring: $0.isRetiring) }
            let isPausing = order.isRetiring || orders.withLock { $0.next != nil }
            tend(&replay, present, isStopping: isPausing || order.deadline != nil)
            noteEviction(&course, present.configuration)
            if present.deadLetter.takeRoom() { course.plan.endRest() }
            var turn = DeliveryProgress.Turn()
            var isCaughtUp = true
            if !isPausing {
                isCaughtUp = gather(&course, at: now, hurries: order.deadline != nil, &turn)
                send(&course, &replay, present, at: now)
            } else if course.plan.inFlightCount == 0, replay == nil {
                // Taken at this moment: another reload may have come since.
                guard let next = takeNext(), !order.isRetiring else { break }
                present.sink.close()
                present = adopt(next, after: present, &course)
                continue
            }
            if let deadline = order.deadline {
                let isDone =
                    isCaughtUp && course.plan.isIdle && course.parts.isEmpty && replay == nil
                if isDone || now >= deadline { break }
            }
            turn.isCaughtUp = isCaughtUp && course.plan.isIdle
            turn.awaitsReceiver =
                course.plan.inFlightCount > 0 || course.plan.rest(at: now) != nil
                || replay?.course.inFlightCount ?? 0 > 0
            if let activity = DeliveryProgress.activity(after: turn) { pulse.beat(activity) }
            for (ticket, result) in present.sink.outcomes(
                waitingAtMost: patience(&course, replay, present, at: now))
            {
                if ticket >= ReplayCourse.firstTicket {
                    settle(ticket, result, &replay)
                } else {
                    settle(ticket, result, &course, present)
                }
            }
            note(present.sink.condition, after: &condition)
        }
        end(&replay, because: "the agent stops")
        pulse.beat(.waiting)
        present.sink.close()
    }

    private func takeNext() -> Outlet? {
        orders.withLock { orders in
            defer { orders.next = nil }
            return orders.next
        }
    }

    /// Goes on with another outlet; nothing is on its way at this moment.
    private func adopt(
        _ next: Outlet, after present: Outlet, _ course: inout DeliveryCourse
    ) -> Outlet {
        var adopted = next
        let limit = next.configuration.deadLetterByteLimit
        if limit != present.configuration.deadLetterByteLimit {
            // Made here and not before: two that append to one file overwrite each other.
            do throws(SinkError) {
                adopted.deadLetter = try makeDeadLetter(next.configuration)
            } catch {
                log.error(
                    "The dead letter keeps its former limit.", ["sink": id, "reason": error])
            }
        }
        outlet.withLock { $0 = adopted }
        course.adopt(next.configuration)
        log.info("The sink goes on as the new configuration says.", ["sink": id])
        return adopted
    }

    /// Starts over where the ledger has moved the cursor to, because it had to make room.
    ///
    /// What is on its way stays there, but counts as lost: the ledger has counted it so already.
    private func noteEviction(_ course: inout DeliveryCourse, _ configuration: SinkConfiguration) {
        guard let cursor = ledger.cursor(of: id),
            cursor.totals.evicted != course.tracker.cursor.totals.evicted
        else { return }
        let tickets = course.nextTicket
        reach.withLock { $0 = DeliveryReach(from: cursor.place) }
        course = DeliveryCourse(from: cursor, configuration: configuration)
        course.startTickets(at: tickets)
        accounts.update(sink: id) { $0.adopt(cursor.totals) }
        log.error(
            "The ledger was full: the oldest events that waited for the sink are lost.",
            ["sink": id, "count": cursor.totals.evicted])
    }

    /// Hands requests to the sink: what is new first, then what is sent again.
    private func send(
        _ course: inout DeliveryCourse, _ replay: inout RunningReplay?, _ outlet: Outlet,
        at now: MonotonicInstant
    ) {
        let limit = outlet.configuration.inFlight
        func used(_ replay: RunningReplay?) -> Int {
            course.plan.inFlightCount + (replay?.course.inFlightCount ?? 0)
        }
        while used(replay) < limit, let (ticket, piece) = course.plan.next(at: now) {
            course.sentAt[ticket] = now
            outlet.sink.deliver(piece.batch, ticket: ticket)
        }
        let end = now.advanced(by: ReplayCourse.readingLimit)
        while used(replay) < limit,
            let (ticket, batch) = replay?.course.next(
                at: now, pausing: { clock.monotonic() >= end })
        {
            outlet.sink.deliver(batch, ticket: ticket)
        }
    }

    // MARK: Reading

    /// Takes events from the ledger until a request is full; true when none are left there.
    private func gather(
        _ course: inout DeliveryCourse, at now: MonotonicInstant, hurries: Bool,
        _ turn: inout DeliveryProgress.Turn
    ) -> Bool {
        var reachedEnd = false
        while course.wantsMore(at: now), !reachedEnd {
            while !course.isFull, !reachedEnd {
                guard course.frame == nil else {
                    course.takeEvents()
                    continue
                }
                let asked = course.place
                do throws(LedgerError) {
                    course.frame = try ledger.read(from: asked, as: id)
                } catch {
                    accountProblem("the ledger cannot be read: \(error)")
                    return false
                }
                if let frame = course.frame {
                    reach.withLock { $0.read(frame.place, asked: asked, end: frame.next) }
                    course.open(frame, sink: id)
                    turn.moved = true
                } else {
                    reachedEnd = true
                }
            }
            guard course.isFull || hurries || course.isRipe(at: now) else { break }
            guard let span = course.closeSpan() else { break }
            turn.moved = true
            accounts.update(sink: id) { $0.filtered += UInt64(span.filtered) }
            if let cursor = span.cursor { advance(to: cursor) }
            // What is only passed over, filtered or not for this sink, may be the whole ledger.
            pulse.beat(.kernel)
            if mustStop { return false }
        }
        return reachedEnd
    }

    /// True when others have asked for something that cannot wait for the end of the ledger.
    private var mustStop: Bool {
        let now = clock.monotonic()
        return orders.withLock { orders in
            orders.isRetiring || orders.next != nil || orders.deadline.map { now >= $0 } ?? false
        }
    }

    // MARK: Outcomes

    private func settle(
        _ ticket: UInt64, _ result: DeliveryResult, _ course: inout DeliveryCourse,
        _ outlet: Outlet
    ) {
        let now = clock.monotonic()
        if let sent = course.sentAt.removeValue(forKey: ticket) {
            latency.observe(now.duration(since: sent))
        }
        if case .failure(let error) = result {
            log.debug("The sink did not take all.", ["sink": id, "reason": error.sentence])
        }
        guard let batch = course.plan.batch(of: ticket) else { return }
        let (kept, rejections, problem) = bury(batch, result, outlet)
        var verdict = course.plan.finished(
            ticket, kept, at: now, jitter: Double.random(in: 0...1))
        // Other requests that were under way may still succeed; that makes no room.
        if problem != nil || outlet.deadLetter.isFull {
            verdict.isUp = false
            verdict.problem = problem ?? "the dead letter is full"
        }
        report(verdict, rejections)
        if let settled = verdict.settled,
            let cursor = course.tracker.settle(
                settled.span, delivered: settled.delivered, rejected: settled.rejected,
                epochs: settled.epochs)
        {
            advance(to: cursor)
        }
    }

    private func advance(to cursor: SinkCursor) {
        do throws(LedgerError) {
            try ledger.advance(id, to: cursor)
        } catch {
            // Nothing is lost: after a crash these events go out again with the same ids.
            log.error(
                "The cursor of the sink cannot be written.",
                ["sink": id, "reason": error])
        }
    }

    /// Writes rejected events to the dead letter; when it takes none they are to be sent again.
    private func bury(
        _ batch: DeliveryBatch, _ result: DeliveryResult, _ outlet: Outlet
    ) -> (result: DeliveryResult, buried: [Rejection], problem: String?) {
        guard case .failure(.partial(let retry, let reject, let after)) = result, !reject.isEmpty
        else { return (result, [], nil) }
        do {
            try outlet.deadLetter.append(reject, of: batch, at: clock.now())
            return (result, reject, nil)
        } catch {
            log.error(
                "The dead letter takes nothing; the sink rests until it does.",
                ["sink": id, "reason": "\(error)"])
            let again = (retry + reject.map(\.index)).sorted()
            let longest = outlet.configuration.retry.longest
            return (
                .failure(.partial(retry: again, reject: [], after: after ?? longest)), [],
                "the dead letter takes nothing: \(error)"
            )
        }
    }

    private func report(_ verdict: DeliveryPlan.Verdict, _ rejections: [Rejection]) {
        let wasUp = accounts.snapshot.sinks[id]?.isUp ?? true
        accounts.update(sink: id) { sums in
            sums.delivered += UInt64(verdict.delivered)
            sums.rejected += UInt64(verdict.rejectedCount)
            for rejection in rejections {
                sums.rejectedNow[rejection.code.rawValue, default: 0] += 1
            }
            if let code = verdict.retry { sums.retries[code.rawValue, default: 0] += 1 }
            sums.isUp = verdict.isUp
            sums.problem = verdict.isUp ? nil : verdict.problem
        }
        if let problem = verdict.problem {
            log.warning(
                "The sink does not take events; they wait in the ledger.",
                ["sink": id, "reason": problem])
        } else if !wasUp, verdict.isUp {
            log.info("The sink takes events again.", ["sink": id])
        }
        if let first = rejections.first {
            // What it said of them is in the dead letter: it may quote the events.
            log.error(
                "The receiver refused events; they rest in the dead letter.",
                ["sink": id, "count": rejections.count, "code": first.code.rawValue])
        }
    }

    private func note(_ condition: SinkCondition, after former: inout SinkCondition) {
        guard condition != former else { return }
        accounts.update(sink: id) { sums in
            sums.certificateExpiry = condition.certificateExpiry
            sums.certificateProblem = condition.problem
        }
        if let problem = condition.problem, problem != former.problem {
            log.error(
                "The sink goes on with the certificates it had.",
                ["sink": id, "reason": problem])
        } else if former.problem != nil, condition.problem == nil {
            log.info("The certificates on the disk are good again.", ["sink": id])
        }
        former = condition
    }

    private func accountProblem(_ sentence: String) {
        accounts.update(sink: id) { sums in
            sums.isUp = false
            sums.problem = sentence
        }
    }
}
