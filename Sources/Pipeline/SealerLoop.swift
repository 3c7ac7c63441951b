// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sealing

/// Numbers, signs and commits what the parse workers made, on a thread of its own.
///
/// One turn is one commit: all that is ready, sealed in order, one frame, one fsync. What cannot be
/// committed now is tried again as it is, numbers and signatures included, until it can be: so
/// nothing that was signed is ever signed differently.
struct SealerLoop: ~Copyable {
    /// The most bytes of bodies of one commit, but for the batch that crosses it.
    ///
    /// A quarter of what the ledger keeps in memory, so that sinks have some commits to be late by.
    static let commitByteLimit = 1 << 20
    /// The longest the loop sleeps without looking around.
    static let heartbeat = Duration.milliseconds(500)
    /// How long a commit that failed rests before it is tried again.
    static let retryDelay = Duration.milliseconds(500)
    /// The longest a commit waits for sinks that keep up, and for no longer than this times what it
    /// took itself: enough for a thread that the kernel lets run late.
    static let readerPatience = (longest: Duration.milliseconds(50), turns: 4)

    let handover: Handover
    let ledger: Ledger
    let accounts: Accounts
    let positions: CommittedPositions
    let commitInterval: Duration
    let log: Log
    let status: SealerStatus
    let commitTime: Histogram
    /// Called after each commit with the inputs that were read on by it.
    let noteCommit: @Sendable (_ inputs: Set<String>) -> Void
    let losses: LossReport
    var keeper: StreamKeeper

    private let clock = SystemClock()
    private var statement = SettlementStatement()
    private var formerSinks: [String] = []
    private var segmentsOpened: UInt64 = 0

    init(
        handover: Handover, ledger: Ledger, accounts: Accounts, positions: CommittedPositions,
        commitInterval: Duration, log: Log, status: SealerStatus, commitTime: Histogram,
        noteCommit: @escaping @Sendable (Set<String>) -> Void, losses: LossReport,
        keeper: consuming StreamKeeper
    ) {
        self.handover = handover
        self.ledger = ledger
        self.accounts = accounts
        self.positions = positions
        self.commitInterval = commitInterval
        self.log = log
        self.status = status
        self.commitTime = commitTime
        self.noteCommit = noteCommit
        self.losses = losses
        self.keeper = keeper
    }

    /// Opens the stream, seals until the way from the readers is closed and empty, closes it.
    ///
    /// - Parameters:
    ///   - predecessor: what the stream before was.
    ///   - recovered: what the start found; damage in the ledger is stated before anything else.
    mutating func run(predecessor: Predecessor, recovered: RecoveredState) {
        var isCommitted = commit(keeper.open(predecessor: predecessor, at: clock.now()))
        noteStream()
        if isCommitted {
            isCommitted = commit(
                losses.stateOnly(recovered.unstated) + losses.state(recovered.damage))
        }
        var lastCommit = clock.monotonic()
        while isCommitted, !handover.isDrained {
            let now = clock.monotonic()
            status.pulse.beat(.working)
            let rest = lastCommit.advanced(by: commitInterval).duration(since: now)
            let patience = min(keeper.patience(at: now), SealerLoop.heartbeat)
            let taken = handover.take(
                byteLimit: SealerLoop.commitByteLimit, notBefore: max(rest, .zero),
                patience: patience)
            if !taken.batches.isEmpty {
                isCommitted = commit(taken.batches)
                lastCommit = clock.monotonic()
                // What is read was paid for; to read the disk for it again costs more than to wait.
                let patience = SealerLoop.readerPatience
                let turn = lastCommit.duration(since: now)
                ledger.waitForReaders(atMost: min(turn * patience.turns, patience.longest))
            }
            if isCommitted, let terms = taken.terms {
                isCommitted = changeStream(because: terms.reason, to: terms)
                handover.changed()
            }
            if isCommitted { isCommitted = keepStream() }
        }
        guard isCommitted else { return }
        let end = keeper.close(
            reason: status.stopReason, settlements(), at: clock.now(), clock.monotonic())
        if commit(end.batch) { noteCheckpoint(end.note) }
    }

    /// Signs a checkpoint or changes streams, when either is due.
    private mutating func keepStream() -> Bool {
        guard commit(losses.take()) else { return false }
        let now = clock.monotonic()
        if keeper.isEpochOver(at: now) {
            return changeStream(because: "the stream is 24 hours old", to: nil)
        }
        guard keeper.isCheckpointDue(at: now) else { return true }
        let checkpoint = keeper.checkpoint(settlements(), at: clock.now(), now)
        guard commit(checkpoint.batch) else { return false }
        noteCheckpoint(checkpoint.note)
        return true
    }

    /// Closes the stream and opens the next one, on other terms if any.
    private mutating func changeStream(because reason: String, to terms: StreamTerms?) -> Bool {
        let now = clock.monotonic()
        let end = keeper.close(
            reason: reason, settlements(), next: terms?.key, at: clock.now(), now)
        guard commit(end.batch) else { return false }
        noteCheckpoint(end.note)
        if let terms {
            // What a sink that goes had outstanding is settled by the next stream at the latest.
            let staying = Set(terms.sinks.map(\.id))
            formerSinks = keeper.terms.sinks.map(\.id).filter { !staying.contains($0) }
        }
        statement.streamOpened()
        defer { noteStream() }
        return commit(keeper.reopen(terms, at: clock.now(), now))
    }

    private func noteStream() {
        accounts.opened(
            stream: keeper.stream, verifierKey: keeper.terms.key.verifierKey.text)
    }

    /// What a checkpoint says of events that receivers did not get.
    private mutating func settlements() -> StreamKeeper.Settlements {
        let sinks = keeper.terms.sinks.map(\.id) + formerSinks
        return statement.next(
            sinks.flatMap { sink in
                (ledger.cursor(of: sink)?.totals.epochs ?? []).map { totals in
                    Settlement(
                        sink: sink, epoch: totals.epoch, rejected: totals.rejected,
                        lost: totals.lost)
                }
            })
    }

    private func noteCheckpoint(_ note: String) {
        accounts.checkpointed(at: clock.now())
        log.info("Signed a checkpoint.", ["note": note])
    }

    // MARK: Committing

    /// Commits an `AgentEventsLost` for each loss.
    private mutating func commit(_ statements: [LossStatement]) -> Bool {
        guard !statements.isEmpty else { return true }
        guard commit(keeper.seal([], losses: statements, at: clock.now())) else { return false }
        losses.committed()
        return true
    }

    private mutating func commit(_ batches: [EncodedBatch]) -> Bool {
        let found = batches.flatMap { batch in batch.losses.map { (batch.input, $0) } }
        let sealed = keeper.seal(
            batches, losses: found.map { LossStatement($0.1, input: $0.0) }, at: clock.now())
        guard append(sealed, isAgents: false) else { return false }
        for (input, loss) in found {
            log.warning(
                "Records were lost before they could be read.",
                ["input": input, "reason": LossStatement(loss, input: input).reason])
        }
        accounts.committed(
            Accounts.Commit(
                tallies: batches.map { ($0.input, $0.parser, $0.tally) }, losses: found,
                agentEvents: found.count, eventCount: sealed.events.count,
                nextSequence: keeper.nextSequence), at: clock.now())
        positions.committed(sealed.positions)
        handover.settle(batches)
        noteCommit(Set(batches.map(\.input)))
        return true
    }

    /// Commits events of the agent itself.
    private mutating func commit(_ sealed: SealedBatch) -> Bool {
        guard append(sealed, isAgents: true) else { return false }
        let count = sealed.events.count
        accounts.committed(
            Accounts.Commit(
                agentEvents: count, eventCount: count, nextSequence: keeper.nextSequence),
            at: clock.now())
        noteCommit([])
        return true
    }

    /// Appends until it succeeds; false when the agent is told to leave at once instead.
    private mutating func append(_ sealed: SealedBatch, isAgents: Bool) -> Bool {
        var saidSo = false
        // Counted first: a sink may deliver them before the commit has even returned.
        accounts.offer(sealed.events.count, to: sealed.sinks, at: clock.monotonic())
        while true {
            let start = clock.monotonic()
            status.pulse.beat(.kernel)
            do throws(LedgerError) {
                try ledger.append(sealed, usingReserve: isAgents)
                commitTime.observe(clock.monotonic().duration(since: start))
                noteSegments()
                if saidSo { log.info("The ledger takes events again.") }
                return true
            } catch {
                accounts.commitFailed(error.description)
                if !saidSo {
                    log.error(
                        "The ledger takes nothing; reading waits.",
                        ["reason": error.description])
                    saidSo = true
                }
                guard error.isTemporary else {
                    status.failed()
                    return false
                }
                // Left to the next start: files are read again from the last commit.
                guard !status.mustLeave else { return false }
                status.pulse.beat(.waiting)
                status.rest(SealerLoop.retryDelay)
            }
        }
    }

    /// A new segment asks for a checkpoint.
    private mutating func noteSegments() {
        let statistics = ledger.statistics
        let opened = UInt64(statistics.segmentCount) + statistics.deletedSegmentCount
        if opened > segmentsOpened, segmentsOpened > 0 { keeper.segmentOpened() }
        segmentsOpened = opened
    }
}

/// What other threads tell the sealer and see of it.
final class SealerStatus: Sendable {
    private struct State {
        var mustLeave = false
        var isFinished = false
        var hasFailed = false
        var stopReason = "end of input"
    }

    private let state = Monitor(State())
    /// The sealer's sign of progress.
    let pulse = Pulse("the sealer")

    /// Sleeps, unless somebody says to leave.
    func rest(_ duration: Duration) {
        _ = state.wait(timeout: duration) { $0.mustLeave ? true : nil }
    }

    /// True when what cannot be committed is to be left to the next start.
    var mustLeave: Bool { state.withLock { $0.mustLeave } }

    func leave() {
        state.update { $0.mustLeave = true }
    }

    /// True when everything has stopped, in order or not.
    var isFinished: Bool { state.withLock { $0.isFinished } }

    func finish() {
        state.update { $0.isFinished = true }
    }

    /// True when the sealer gave up.
    var hasFailed: Bool { state.withLock { $0.hasFailed } }

    func failed() {
        state.update { $0.hasFailed = true }
    }

    /// The text of `agent.reason` in `AgentStopped`.
    var stopReason: String { state.withLock { $0.stopReason } }

    func stop(because reason: String) {
        state.withLock { $0.stopReason = reason }
    }
}

/// The last committed positions of each input, for readers that answer their upstream.
final class CommittedPositions: Sendable {
    private let latest = Monitor<[String: [Position]]>([:])

    /// Takes note of a commit.
    func committed(_ positions: [Position]) {
        guard !positions.isEmpty else { return }
        latest.withLock { latest in
            for position in positions { latest[position.input, default: []].append(position) }
        }
    }

    /// What was committed for an input since the last call.
    func take(input: String) -> [Position] {
        latest.withLock { $0.removeValue(forKey: input) ?? [] }
    }
}
