// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform
import Sinks

/// Does a replay for a command: by the agent that runs, or else by itself.
public struct Replayer {
    /// How long an agent may take to take a request.
    public static let agentPatience = Duration.seconds(15)
    /// How long a process may take to lose its locks: when it is killed, they go one by one.
    static let endingPatience = Duration.seconds(2)
    /// How often somebody looks for an answer, a signal, a dead agent.
    static let interval = Duration.milliseconds(50)

    private let directory: String
    private let request: ReplayRequest
    private let signals: Signals
    private let report: (ReplayTally) -> Void
    private let clock = SystemClock()

    /// Prepares a replay.
    ///
    /// - Parameters:
    ///   - directory: the state directory.
    ///   - signals: SIGINT and SIGTERM end the replay in good order.
    ///   - report: told now and then how far it is.
    public init(
        _ request: ReplayRequest, directory: String, signals: Signals,
        report: @escaping (ReplayTally) -> Void
    ) {
        self.request = request
        self.directory = directory
        self.signals = signals
        self.report = report
    }

    /// Does it.
    ///
    /// - Parameter configuration: read only when no agent runs: it may name secrets that only the
    ///   agent can read. It answers nil when it has mistakes, which it has told then.
    public func run(
        configuration: () -> AgentConfiguration?
    ) throws(PipelineError) -> ReplayOutcome {
        try checkOwner()
        let mail = ReplayMail(directory: directory)
        let claim = try PipelineError.wrapping { () throws(SystemError) in try mail.claim() }
        guard let claim else {
            throw .stage(
                "\(directory): another replay is under way; wait for its end",
                exit: .unavailable)
        }
        defer { withExtendedLifetime(claim) {} }
        let lock = try PipelineError.wrapping { () throws(SystemError) in
            try FileLock.take(directory + "/lock", permissions: 0o600)
        }
        guard let lock else { return try ask(mail) }
        defer { withExtendedLifetime(lock) {} }
        guard let configuration = configuration() else {
            throw .stage(
                "no agent runs, so the replay needs a configuration without mistakes; "
                    + "run sealtail check, which names them",
                exit: .configuration)
        }
        return try work(configuration)
    }

    /// Files that another user makes in the state directory would be in the agent's way.
    private func checkOwner() throws(PipelineError) {
        let owner = try PipelineError.wrapping { () throws(SystemError) in
            try FileSystem.status(directory).userID
        }
        guard owner != ProcessFacts.effectiveUserID else { return }
        let name = AccountNames.user(owner) ?? "#\(owner)"
        throw .stage(
            "\(directory) belongs to \(name); run this as that user: sudo -u \(name) sealtail …",
            exit: .permission)
    }

    private var isInterrupted: Bool {
        let signal = signals.poll()
        return signal == .interrupt || signal == .terminate
    }

    // MARK: By the agent

    private func ask(_ mail: ReplayMail) throws(PipelineError) -> ReplayOutcome {
        let mark = Hex.encode(RandomBytes.make(8).span)
        try PipelineError.wrapping { () throws(SystemError) in
            try mail.post(ReplayMail.Letter(mark: mark, request: request))
        }
        let deadline = clock.monotonic().advanced(by: Replayer.agentPatience)
        var tally = ReplayTally()
        var silence: MonotonicInstant?
        while true {
            let signal = signals.poll(timeout: Replayer.interval)
            if let answer = mail.answer(to: mark) {
                tally = answer.tally
                if let outcome = answer.outcome { return outcome }
                report(tally)
            }
            if signal == .interrupt || signal == .terminate {
                // The lock goes with this process, and that is what the agent looks at.
                _ = mail.withdraw()
                return end(tally, "it was interrupted")
            }
            let wasPosted = mail.isPosted
            let now = clock.monotonic()
            let isSilent = !wasPosted && !mail.isServed
            silence = isSilent ? silence ?? now : nil
            let isDone =
                silence.map { now >= $0.advanced(by: Replayer.endingPatience) } ?? false
            guard
                let reason = Replayer.reason(
                    mail, directory: directory, isLate: now >= deadline, isDone: isDone)
            else { continue }
            if let outcome = mail.answer(to: mark)?.outcome { return outcome }
            // Taken at this very moment?
            if wasPosted, !mail.withdraw(), !mail.isPosted { continue }
            return end(tally, reason)
        }
    }

    /// Why there is nothing to wait for any more; nil while there is.
    ///
    /// - Parameters:
    ///   - isLate: whether the agent has had its time to take the request.
    ///   - isDone: whether nobody has been at work for `endingPatience`.
    static func reason(
        _ mail: ReplayMail, directory: String, isLate: Bool, isDone: Bool
    ) -> String? {
        if isAgentGone(directory) { return "the agent ended; replay again" }
        // In this order: the agent is at work before it takes the request.
        if mail.isPosted {
            guard isLate else { return nil }
            return mail.isServed
                ? "the agent still settles what a replay that was interrupted has on its way; "
                    + "replay again in a minute"
                : "no agent took the request, though somebody holds \(directory)/lock"
        }
        guard isDone, !mail.isServed else { return nil }
        return "the agent is done with the request but could not say how it ended: its log does; "
            + "is the disk of \(directory) full?"
    }

    private static func isAgentGone(_ directory: String) -> Bool {
        do throws(SystemError) {
            return try FileLock.take(directory + "/lock", permissions: 0o600) != nil
        } catch {
            return false
        }
    }

    private func end(_ tally: ReplayTally, _ sentence: String) -> ReplayOutcome {
        ReplayOutcome(tally, problem: (sentence, .unavailable))
    }

    // MARK: Without an agent

    private func work(_ configuration: AgentConfiguration) throws(PipelineError) -> ReplayOutcome {
        guard let settings = configuration.sinks.first(where: { $0.id == request.sink }) else {
            let known = configuration.sinks.map(\.id).joined(separator: ", ")
            throw .stage(
                "there is no sink \(request.sink); there are \(known)",
                exit: .usage)
        }
        let cursor = try PipelineError.wrapping { () throws(LedgerError) in
            try LedgerInspection(directory: directory).cursors().cursors
                .first { $0.sink == request.sink }?.cursor.place
        }
        let sink: any Sink
        let deadLetter: DeadLetter
        do throws(SinkError) {
            sink = try SinkCatalog.make(settings)
            deadLetter = try DeadLetter(
                folder: configuration.deadLetterFolder, sink: settings.id,
                byteLimit: settings.deadLetterByteLimit,
                encryption: configuration.ledger.encryption)
        } catch {
            throw .stage(error.description, exit: .configuration)
        }
        defer { sink.close() }
        let task = ReplayTask(
            request, directory: directory, keys: configuration.ledger.encryption)
        let source = try task.source(deadLetter, until: cursor ?? .beginning)
        var course = ReplayCourse(source, to: settings)
        deliver(&course, to: sink, limit: settings.inFlight)
        let outcome = course.finish()
        if outcome.tally.confirmed > 0 {
            try PipelineError.wrapping { () throws(LedgerError) in
                try ReplayedCount.add(
                    UInt64(outcome.tally.confirmed), of: settings.id, directory: directory)
            }
        }
        return outcome
    }

    private func deliver(_ course: inout ReplayCourse, to sink: any Sink, limit: Int) {
        while !course.isDone {
            if isInterrupted { course.stop(because: "it was interrupted") }
            let now = clock.monotonic()
            let end = now.advanced(by: ReplayCourse.readingLimit)
            while course.inFlightCount < limit,
                let (ticket, batch) = course.next(
                    at: now, pausing: { clock.monotonic() >= end })
            {
                sink.deliver(batch, ticket: ticket)
            }
            let slots = limit - course.inFlightCount
            let patience = min(
                course.patience(at: now, slots: slots), Replayer.interval)
            for (ticket, result) in sink.outcomes(waitingAtMost: patience) {
                _ = course.settle(
                    ticket, result, at: clock.monotonic(), time: clock.now(),
                    jitter: Double.random(in: 0...1))
            }
            report(course.tally)
        }
    }

    // MARK: Dry

    /// What a replay would send, found out without touching anything.
    ///
    /// - Parameter keys: what encrypted segments are read with.
    public static func look(
        _ request: ReplayRequest, directory: String, keys: EncryptionKeyRing?
    ) throws(PipelineError) -> ReplayTally {
        var tally = ReplayTally()
        switch request.origin {
        case .deadLetter:
            tally.sent = try PipelineError.wrapping { () throws(SystemError) in
                try DeadLetter.count(folder: directory + "/dead_letter", sink: request.sink)
            }
        case .ledger(let selection):
            let walk = try PipelineError.wrapping { () throws(LedgerError) in
                let place = try LedgerInspection(directory: directory).cursors().cursors
                    .first { $0.sink == request.sink }?.cursor.place
                return try LedgerWalk(
                    directory: directory, keys: keys, until: place ?? .beginning)
            }
            var source = LedgerReplay(sink: request.sink, selection, walk)
            while case .batch(let batch, _) = try source.next(.usual, pausing: { false }) {
                tally.sent += batch.count
            }
            source.describe(&tally)
        }
        return tally
    }
}
