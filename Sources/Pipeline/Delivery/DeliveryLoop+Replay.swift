// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform
import Sinks

/// A replay that a delivery loop works on beside its own work.
struct RunningReplay {
    let task: ReplayTask
    var course: ReplayCourse
}

// A replay uses the sink that is open, on the thread that owns it: no second connection, no second
// writer of a file or of a dead letter. What is new goes first; the replay takes the requests in
// flight that it leaves.
extension DeliveryLoop {
    /// Asks the loop to send events again, beside its own work.
    func replay(_ task: ReplayTask) {
        orders.withLock { $0.replay = task }
        wake()
    }

    /// Begins a replay that was asked for, and ends one that is over.
    func tend(_ replay: inout RunningReplay?, _ outlet: Outlet, isStopping: Bool) {
        if replay == nil, let task = takeReplay() { replay = begin(task, outlet) }
        if isStopping {
            replay?.course.stop(because: "the agent stops, or was given another configuration")
        } else if replay?.task.isCancelled == true {
            replay?.course.stop(because: "it was interrupted")
        }
        if let running = replay {
            running.task.note(running.course.tally)
            if running.course.isDone { end(&replay, because: nil) }
        }
    }

    private func takeReplay() -> ReplayTask? {
        orders.withLock { orders in
            defer { orders.replay = nil }
            return orders.replay
        }
    }

    private func begin(_ task: ReplayTask, _ outlet: Outlet) -> RunningReplay? {
        do throws(PipelineError) {
            let place = ledger.cursor(of: id)?.place ?? .beginning
            let source = try task.source(outlet.deadLetter, until: place)
            log.info("A replay begins.", ["sink": id, "of": task.request.origin.summary])
            return RunningReplay(
                task: task,
                course: ReplayCourse(source, to: outlet.configuration))
        } catch {
            task.finish(ReplayOutcome(ReplayTally(), problem: (error.description, error.exitCode)))
            return nil
        }
    }

    /// Ends a replay: what was confirmed leaves the dead letter.
    func end(_ replay: inout RunningReplay?, because reason: String?) {
        guard var running = replay else { return }
        replay = nil
        if let reason { running.course.stop(because: reason) }
        pulse.beat(.kernel)
        let outcome = running.course.finish()
        running.task.finish(outcome)
        let tally = outcome.tally
        log.info(
            "The replay has ended.",
            [
                "sink": id, "sent": tally.sent, "confirmed": tally.confirmed,
                "refused": tally.refused, "waiting": tally.waiting,
                "reason": outcome.problem ?? "everything was sent",
            ])
    }

    /// How long the loop may wait for outcomes.
    func patience(
        _ course: inout DeliveryCourse, _ replay: RunningReplay?, _ outlet: Outlet,
        at now: MonotonicInstant
    ) -> Duration {
        let own = course.patience(at: now)
        guard let replay else { return own }
        let used = course.plan.inFlightCount + replay.course.inFlightCount
        let slots = outlet.configuration.inFlight - used
        return min(own, replay.course.patience(at: now, slots: slots))
    }

    /// Takes the outcome of a request that was sent again.
    func settle(
        _ ticket: UInt64, _ result: DeliveryResult, _ replay: inout RunningReplay?
    ) {
        let confirmed =
            replay?.course.settle(
                ticket, result, at: clock.monotonic(), time: clock.now(),
                jitter: Double.random(in: 0...1)) ?? 0
        guard confirmed > 0 else { return }
        accounts.update(sink: id) { $0.replayed += UInt64(confirmed) }
        do throws(LedgerError) {
            try ledger.countReplayed(UInt64(confirmed), of: id)
        } catch {
            log.error(
                "What was replayed cannot be counted beside the cursor.",
                ["sink": id, "reason": error])
        }
    }
}

extension ReplayRequest.Origin {
    /// What is sent, as it stands in the log.
    var summary: String {
        switch self {
        case .deadLetter: "the dead letter"
        case .ledger(.numbers(let stream, let numbers)):
            "\(stream) \(numbers.lowerBound)..\(numbers.upperBound)"
        case .ledger(.time(let since, let until)):
            "\(since?.text ?? "the beginning") to \(until?.text ?? "the present")"
        }
    }
}
