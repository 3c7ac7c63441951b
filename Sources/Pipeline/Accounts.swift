// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform

/// The sums that must hold at every moment, under one lock.
///
/// Per input `read = parsed + ignored + dropped + inFlight`; over all `sealed = fromRecords +
/// agentEvents`; per sink `offered = delivered + rejected + filtered + waiting + evicted`. Each
/// change below moves whole batches from one term to another, so no scrape sees half of one.
final class Accounts: Sendable {
    /// What became of the records of one input.
    struct InputSums: Sendable {
        var read = 0
        var parsed = 0
        var ignored: [String: Int] = [:]
        var dropped: [String: Int] = [:]
        var damaged: [String: Int] = [:]
        var inFlight = 0
        var truncated = 0
        var bytes = 0
        var cuts = 0
        /// What became of the elements of records that are lists.
        var elements = ElementTally()
        /// What each parser made, by its name.
        var parsers: [String: ParserSums] = [:]
        /// Events of all parsers.
        var events: Int { parsers.values.reduce(0) { $0 + $1.events } }
        /// What was gone before it could be read, by the reason, since the start.
        var losses: [String: LossSums] = [:]
    }

    /// What one parser made of the records of one input.
    struct ParserSums: Sendable, Equatable {
        var events = 0
        var unclassified = 0
        var ignored = 0
    }

    /// Losses of one kind that were stated.
    struct LossSums: Sendable, Equatable {
        var count = 0
        var bytes: UInt64 = 0
        var records: UInt64 = 0
    }

    /// What became of the events that one sink was offered since its cursor was made.
    struct SinkSums: Sendable, Equatable {
        var offered: UInt64 = 0
        var delivered: UInt64 = 0
        var rejected: UInt64 = 0
        var filtered: UInt64 = 0
        /// Given up by the ledger to make room; kept beside the cursor.
        var evicted: UInt64 = 0
        /// In ranges of the ledger that were found damaged before the sink had come there.
        var damaged: UInt64 = 0
        /// Confirmed once more, out of replays; no part of the other sums.
        var replayed: UInt64 = 0
        /// What the sink will never get, without being refused or filtered.
        var lost: UInt64 { evicted + damaged }
        /// What is neither of the others yet.
        ///
        /// A repeat after a crash could be confirmed twice; that must not end the process.
        var waiting: UInt64 {
            let settled = delivered + rejected + filtered + lost
            return offered > settled ? offered - settled : 0
        }
        var retries: [String: Int] = [:]
        var rejectedNow: [String: Int] = [:]
        var isUp = true
        var problem: String?
        /// When the first certificate on the way to the receiver expires; nil without TLS.
        var certificateExpiry: Timestamp?
        /// Why certificates on the disk are not in use.
        var certificateProblem: String?
        /// Since when the oldest event waits, since the start at most; nil when none does.
        var waitingSince: MonotonicInstant? { history.oldest }
        fileprivate var history = OfferHistory()
    }

    /// All sums at one moment.
    struct Snapshot: Sendable {
        var inputs: [String: InputSums] = [:]
        var sinks: [String: SinkSums] = [:]
        /// Events that the ledger took, counted where it takes them.
        var sealed = 0
        /// Events that parsers made, counted where records are settled.
        var fromRecords = 0
        /// Events that the agent made of itself.
        var agentEvents = 0
        var sequence: UInt64 = 0
        /// The present stream and the key that verifies it; nil before the first one is open.
        var chain: (stream: String, verifierKey: String)?
        var checkpoint: Timestamp?
        var lastCommit: Timestamp?
        var commitProblem: String?
    }

    /// What one commit did, for the sums.
    struct Commit: Sendable {
        /// What became of the records, by input.
        var tallies: [(input: String, parser: String, tally: RecordTally)] = []
        /// What inputs found gone.
        var losses: [(input: String, loss: InputLoss)] = []
        /// How many of the events the agent made of itself.
        var agentEvents = 0
        /// All events of the commit.
        var eventCount = 0
        /// The number of the event that comes next.
        var nextSequence: UInt64 = 0
    }

    private let state = Monitor(Snapshot())

    /// Everything as it stands.
    var snapshot: Snapshot { state.withLock { $0 } }

    /// Names an input and its parser, so that its sums are shown from the start.
    func open(input: String, parser: String) {
        state.withLock { snapshot in
            var sums = snapshot.inputs[input] ?? InputSums()
            if sums.parsers[parser] == nil { sums.parsers[parser] = ParserSums() }
            snapshot.inputs[input] = sums
        }
    }

    /// Names a sink with the totals that its cursor carries.
    func open(sink: String, sums: SinkSums) {
        state.withLock { $0.sinks[sink] = sums }
    }

    /// Forgets a sink that a reload took away; its totals stay beside its cursor.
    func close(sink: String) {
        state.withLock { $0.sinks[sink] = nil }
    }

    /// Takes note of records that were read and are on their way, or takes that back.
    func read(_ count: Int, bytes: Int, input: String) {
        state.withLock { snapshot in
            snapshot.inputs[input]?.read += count
            snapshot.inputs[input]?.inFlight += count
            snapshot.inputs[input]?.bytes += bytes
        }
    }

    /// Takes note of a commit: what the records became.
    func committed(_ commit: Commit, at now: Timestamp) {
        state.withLock { snapshot in
            for (input, parser, tally) in commit.tallies {
                snapshot.inputs[input]?.settle(tally, parser)
                snapshot.fromRecords += tally.events
            }
            for (input, loss) in commit.losses { snapshot.inputs[input]?.settle(loss) }
            snapshot.sealed += commit.eventCount
            snapshot.agentEvents += commit.agentEvents
            snapshot.sequence = commit.nextSequence
            snapshot.lastCommit = now
            snapshot.commitProblem = nil
        }
    }

    /// Takes note that sinks are about to be offered events that are being committed.
    func offer(_ count: Int, to sinks: [String], at now: MonotonicInstant) {
        guard count > 0 else { return }
        state.withLock { snapshot in
            for sink in sinks {
                guard var sums = snapshot.sinks[sink] else { continue }
                sums.offered += UInt64(count)
                sums.history.offer(upTo: sums.offered, at: now)
                snapshot.sinks[sink] = sums
            }
        }
    }

    /// Takes note of the stream that is sealed into from now on.
    func opened(stream: String, verifierKey: String) {
        state.withLock { $0.chain = (stream, verifierKey) }
    }

    /// Takes note of a checkpoint.
    func checkpointed(at now: Timestamp) {
        state.withLock { $0.checkpoint = now }
    }

    /// Takes note that the ledger takes nothing, with the reason; the next commit clears it.
    func commitFailed(_ reason: String) {
        state.withLock { $0.commitProblem = reason }
    }

    /// Changes the sums of one sink.
    func update(sink: String, _ change: @Sendable (inout SinkSums) -> Void) {
        state.withLock { snapshot in
            guard var sums = snapshot.sinks[sink] else { return }
            change(&sums)
            // In the order of the ledger, but for the few requests that are on their way.
            sums.history.settle(upTo: sums.offered - sums.waiting)
            snapshot.sinks[sink] = sums
        }
    }
}

extension Accounts.InputSums {
    fileprivate mutating func settle(_ tally: RecordTally, _ parser: String) {
        inFlight -= tally.read
        parsed += tally.parsed
        var sums = parsers[parser] ?? Accounts.ParserSums()
        sums.events += tally.events
        sums.unclassified += tally.unclassified
        sums.ignored += tally.ignored.values.reduce(0, +)
        parsers[parser] = sums
        truncated += tally.truncated
        cuts += tally.cuts
        elements.add(tally.elements)
        ignored.merge(tally.ignored, uniquingKeysWith: +)
        dropped.merge(tally.dropped, uniquingKeysWith: +)
        damaged.merge(tally.damaged, uniquingKeysWith: +)
    }

    fileprivate mutating func settle(_ loss: InputLoss) {
        var sums = losses[loss.reason.rawValue] ?? Accounts.LossSums()
        sums.count += 1
        sums.bytes &+= loss.byteCount
        sums.records &+= loss.recordCount
        losses[loss.reason.rawValue] = sums
    }
}

extension Accounts.SinkSums {
    /// Goes on from the totals beside a cursor, with what stands behind it in the ledger.
    init(totals: SinkTotals, waiting: UInt64, at now: MonotonicInstant) {
        self.init()
        offered = totals.offered + waiting
        adopt(totals)
        if waiting > 0 { history.offer(upTo: offered, at: now) }
    }

    /// Takes the settled terms from a cursor that somebody else has moved.
    ///
    /// What was offered stays as it is, so the difference is what waits behind that cursor.
    mutating func adopt(_ totals: SinkTotals) {
        delivered = totals.delivered
        rejected = totals.rejected
        filtered = totals.filtered
        evicted = totals.evicted
        replayed = totals.replayed
    }
}
