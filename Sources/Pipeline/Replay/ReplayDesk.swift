// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks
import Synchronization

/// Takes requests for replays in a running agent and answers them.
///
/// The agent does the work itself because it has what the work needs and a command may not have:
/// the secrets, the connection, and the sole right to write dead letters. The main thread only
/// looks whether there is a request; a disk that hangs must not hold up signals and the watchdog,
/// so a thread that lives as long as the request reads it and writes the answers.
final class ReplayDesk: Sendable {
    /// How often the command hears of progress, and is looked after.
    private static let interval = Duration.milliseconds(250)

    private let directory: String
    private let keys: EncryptionKeyRing?
    private let mail: ReplayMail
    private let isBusy = Atomic(false)
    private let thread = Monitor<Thread?>(nil)

    init(directory: String, keys: EncryptionKeyRing?) {
        self.directory = directory
        self.keys = keys
        mail = ReplayMail(directory: directory)
    }

    /// Looks for a request, and lets a thread of its own see to it.
    func attend(
        _ loops: [DeliveryLoop], on start: (@escaping @Sendable () -> Void) -> Thread?
    ) {
        guard !isBusy.load(ordering: .acquiring), mail.isPosted else { return }
        // The one before has ended.
        close()
        isBusy.store(true, ordering: .relaxed)
        let next = start { [self] in
            serve(loops)
            isBusy.store(false, ordering: .releasing)
        }
        // Without a thread the request stays where it is, for the next look.
        if next == nil { isBusy.store(false, ordering: .relaxed) }
        thread.withLock { $0 = next }
    }

    /// Returns when the end of what was under way is told; no loop works any more.
    func close() {
        let last = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        last?.join()
    }

    /// Takes the request, hands it to the sink's loop, and tells how it goes until it has ended.
    func serve(_ loops: [DeliveryLoop]) {
        // Held until the end: it tells the command what a full disk keeps from being written.
        guard let work = try? mail.serve() else { return }
        defer { withExtendedLifetime(work) {} }
        // One that was left by a command that is gone is nobody's wish any more.
        guard let letter = mail.collect(), mail.isAwaited else { return }
        let task = ReplayTask(letter.request, directory: directory, keys: keys)
        let loop = hand(task, to: loops)
        var told: ReplayTally?
        while true {
            let isClosed = loop?.isFinished == true
            let tally = task.tally
            if let outcome = task.outcome(waitingAtMost: isClosed ? .zero : ReplayDesk.interval) {
                tell(letter, outcome.tally, outcome)
                return
            }
            if isClosed {
                let problem = ("the sink was closed", ExitCode.unavailable)
                tell(letter, tally, ReplayOutcome(tally, problem: problem))
                return
            }
            if !mail.isAwaited { task.cancel() }
            if told != tally { tell(letter, tally, nil) }
            told = tally
        }
    }

    private func hand(_ task: ReplayTask, to loops: [DeliveryLoop]) -> DeliveryLoop? {
        let sink = task.request.sink
        if let loop = loops.first(where: { $0.id == sink && !$0.isFinished }) {
            loop.replay(task)
            return loop
        }
        let known = loops.map(\.id).joined(separator: ", ")
        let problem = ("the agent has no sink \(sink); it has \(known)", ExitCode.usage)
        task.finish(ReplayOutcome(ReplayTally(), problem: problem))
        return nil
    }

    private func tell(_ letter: ReplayMail.Letter, _ tally: ReplayTally, _ end: ReplayOutcome?) {
        // What cannot be told is no reason to stop; the command sees the end by the lock.
        try? mail.answer(ReplayMail.Answer(mark: letter.mark, tally: tally, outcome: end))
    }
}
