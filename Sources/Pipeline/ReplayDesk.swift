// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks

/// Takes requests for replays in a running agent and answers them. The main thread's own.
///
/// The agent does the work itself because it has what the work needs and a command may not have:
/// the secrets, the connection, and the sole right to write dead letters.
final class ReplayDesk: Sendable {
    /// How often the command hears of progress, and is looked after.
    private static let interval = Duration.milliseconds(250)

    private struct Work {
        let mark: String
        let task: ReplayTask
        let loop: DeliveryLoop?
        var told: ReplayTally?
        var next: MonotonicInstant
    }

    private let directory: String
    private let keys: EncryptionKeyRing?
    private let mail: ReplayMail
    private let work = Monitor<Work?>(nil)

    init(directory: String, keys: EncryptionKeyRing?) {
        self.directory = directory
        self.keys = keys
        mail = ReplayMail(directory: directory)
    }

    /// True while a replay is under way.
    var isBusy: Bool { work.withLock { $0 != nil } }

    /// Looks for a request, hands it to the sink's loop, and tells how it goes.
    func attend(_ loops: [DeliveryLoop], at now: MonotonicInstant) {
        work.withLock { work in
            if work == nil { work = begin(loops, at: now) }
            guard let present = work, !tell(present, isLast: false) else {
                work = nil
                return
            }
            guard now >= present.next else { return }
            work?.next = now.advanced(by: ReplayDesk.interval)
            if !mail.isAwaited { present.task.cancel() }
            let tally = present.task.status.tally
            guard present.told != tally else { return }
            work?.told = tally
            // Progress that cannot be told is no reason to stop.
            try? mail.answer(ReplayMail.Answer(mark: present.mark, tally: tally))
        }
    }

    /// Tells the end of what was under way; no loop works any more.
    func close() {
        work.withLock { work in
            if let work { _ = tell(work, isLast: true) }
            work = nil
        }
    }

    private func begin(_ loops: [DeliveryLoop], at now: MonotonicInstant) -> Work? {
        // One that was left by a command that is gone is nobody's wish any more.
        guard let letter = mail.collect(), mail.isAwaited else { return nil }
        let task = ReplayTask(letter.request, directory: directory, keys: keys)
        let loop = loops.first { $0.id == letter.request.sink && !$0.isFinished }
        if let loop {
            loop.replay(task)
        } else {
            let known = loops.map(\.id).joined(separator: ", ")
            task.finish(
                ReplayOutcome(
                    ReplayTally(),
                    problem: (
                        "the agent has no sink \(letter.request.sink); it has \(known)",
                        ReplayOutcome.usageExit
                    )))
        }
        return Work(mark: letter.mark, task: task, loop: loop, told: nil, next: now)
    }

    /// Tells the end if there is one; true then.
    private func tell(_ work: Work, isLast: Bool) -> Bool {
        var status = work.task.status
        if status.outcome == nil, isLast || work.loop?.isFinished == true {
            // It may have come to an end between the two looks.
            status = work.task.status
            status.outcome =
                status.outcome
                ?? ReplayOutcome(
                    status.tally,
                    problem: ("the sink was closed", ReplayOutcome.unavailableExit))
        }
        guard let outcome = status.outcome else { return false }
        try? mail.answer(
            ReplayMail.Answer(mark: work.mark, tally: outcome.tally, outcome: outcome))
        return true
    }
}
