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
    static let commitByteLimit = 4 << 20
    /// The longest the loop sleeps without looking around.
    static let heartbeat = Duration.milliseconds(500)
    /// How long a commit that failed rests before it is tried again.
    static let retryDelay = Duration.milliseconds(500)

    let handover: Handover
    let ledger: Ledger
    let accounts: Accounts
    let positions: CommittedPositions
    let commitInterval: Duration
    let log: Log
    let status: SealerStatus
    let commitTime: Histogram
    let wakeDelivery: @Sendable () -> Void
    let losses: LossReport
    var keeper: StreamKeeper

    private let clock = SystemClock()
    private var segmentsOpened: UInt64 = 0

    init(
        handover: Handover, ledger: Ledger, accounts: Accounts, positions: CommittedPositions,
        commitInterval: Duration, log: Log, status: SealerStatus, commitTime: Histogram,
        wakeDelivery: @escaping @Sendable () -> Void, losses: LossReport,
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
        self.wakeDelivery = wakeDelivery
        self.losses = losses
        self.keeper = keeper
    }

    /// Opens the stream, seals until the way from the readers is closed and empty, closes it.
    ///
    /// - Parameters:
    ///   - predecessor: what the stream before was.
    ///   - damage: what the start found damaged in the ledger, stated before anything else.
    mutating func run(predecessor: Predecessor, damage: [LedgerDamage]) {
        var isCommitted = commit(keeper.open(predecessor: predecessor, at: clock.now()))
        if isCommitted { isCommitted = commit(losses.state(damage)) }
        var lastCommit = clock.monotonic()
        while isCommitted, !handover.isDrained {
            let now = clock.monotonic()
            status.beat(now)
            let rest = lastCommit.advanced(by: commitInterval).duration(since: now)
            let patience = min(keeper.patience(at: now), SealerLoop.heartbeat)
            let batches = handover.take(
                byteLimit: SealerLoop.commitByteLimit, notBefore: max(rest, .zero),
                patience: patience)
            if !batches.isEmpty {
                isCommitted = commit(batches)
                lastCommit = clock.monotonic()
            }
            if isCommitted { isCommitted = keepStream() }
        }
        guard isCommitted else { return }
        let end = keeper.close(
            reason: status.stopReason, rejected: status.rejectedEntries, at: clock.now(),
            clock.monotonic())
        if commit(end.batch) { noteCheckpoint(end.note) }
    }

    /// Signs a checkpoint or changes streams, when either is due.
    private mutating func keepStream() -> Bool {
        guard commit(losses.take()) else { return false }
        let now = clock.monotonic()
        if keeper.isEpochOver(at: now) {
            let end = keeper.close(
                reason: "the stream is 24 hours old", rejected: status.rejectedEntries,
                at: clock.now(), now)
            guard commit(end.batch) else { return false }
            noteCheckpoint(end.note)
            return commit(keeper.reopen(at: clock.now(), now))
        }
        guard keeper.isCheckpointDue(at: now) else { return true }
        let checkpoint = keeper.checkpoint(
            rejected: status.rejectedEntries, at: clock.now(), now)
        guard commit(checkpoint.batch) else { return false }
        noteCheckpoint(checkpoint.note)
        return true
    }

    private func noteCheckpoint(_ note: String) {
        accounts.checkpointed(at: clock.now())
        log.info("Signed a checkpoint.", ["note": note])
    }

    // MARK: Committing

    /// Commits an `AgentEventsLost` for each loss.
    private mutating func commit(_ losses: [(count: UInt64, reason: String)]) -> Bool {
        losses.allSatisfy { loss in
            commit(keeper.eventsLost(count: loss.count, reason: loss.reason, at: clock.now()))
        }
    }

    private mutating func commit(_ batches: [EncodedBatch]) -> Bool {
        let sealed = keeper.seal(batches)
        guard append(sealed, isAgents: false) else { return false }
        accounts.committed(
            batches.map { ($0.input, $0.tally) }, agentEvents: 0,
            eventCount: sealed.events.count, nextSequence: keeper.nextSequence, at: clock.now())
        positions.committed(sealed.positions)
        handover.settle(batches.count)
        return true
    }

    /// Commits events of the agent itself.
    private mutating func commit(_ sealed: SealedBatch) -> Bool {
        guard append(sealed, isAgents: true) else { return false }
        accounts.committed(
            [], agentEvents: sealed.events.count, eventCount: sealed.events.count,
            nextSequence: keeper.nextSequence, at: clock.now())
        return true
    }

    /// Appends until it succeeds; false when the agent is told to leave at once instead.
    private mutating func append(_ sealed: SealedBatch, isAgents: Bool) -> Bool {
        var saidSo = false
        // Counted first: a sink may deliver them before the commit has even returned.
        accounts.offer(sealed.events.count, at: clock.now())
        while true {
            let start = clock.monotonic()
            status.beat(start)
            do throws(LedgerError) {
                try ledger.append(sealed, usingReserve: isAgents)
                commitTime.observe(clock.monotonic().duration(since: start))
                noteSegments()
                if saidSo { log.info("The ledger takes events again.") }
                wakeDelivery()
                return true
            } catch {
                accounts.commitFailed(error.description)
                if !saidSo {
                    log.error(
                        "The ledger takes nothing; reading waits.",
                        ["reason": error.description])
                    saidSo = true
                }
                guard error.isTemporary, !status.mustLeave else {
                    status.failed()
                    return false
                }
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
        var beat = MonotonicInstant(nanoseconds: 0)
        var mustLeave = false
        var isFinished = false
        var hasFailed = false
        var stopReason = "end of input"
        var rejected: [String: UInt64] = [:]
    }

    private let state: Monitor<State>

    init() {
        var state = State()
        state.beat = SystemClock().monotonic()
        self.state = Monitor(state)
    }

    /// When the sealer was last seen going round.
    var lastBeat: MonotonicInstant { state.withLock { $0.beat } }

    func beat(_ now: MonotonicInstant) {
        state.withLock { $0.beat = now }
    }

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

    /// `agent.rejected`: `<sink> <epoch> <count>`, cumulative.
    var rejectedEntries: [String] {
        state.withLock { state in
            state.rejected.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        }
    }

    /// Takes note that a receiver refused events of a stream.
    func rejected(_ count: Int, sink: String, stream: String) {
        guard let epoch = StreamName.split(stream)?.epoch else { return }
        state.withLock { $0.rejected["\(sink) \(epoch)", default: 0] += UInt64(count) }
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
