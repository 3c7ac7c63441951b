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
        var events = 0
        var unclassified = 0
        var cuts = 0
        var parser = ""
    }

    /// What became of the events that one sink was offered since its cursor was made.
    struct SinkSums: Sendable, Equatable {
        var offered: UInt64 = 0
        var delivered: UInt64 = 0
        var rejected: UInt64 = 0
        var filtered: UInt64 = 0
        var evicted: UInt64 = 0
        /// What is neither of the others yet.
        ///
        /// A repeat after a crash could be confirmed twice; that must not end the process.
        var waiting: UInt64 {
            let settled = delivered + rejected + filtered + evicted
            return offered > settled ? offered - settled : 0
        }
        var retries: [String: Int] = [:]
        var rejectedNow: [String: Int] = [:]
        var isUp = true
        var problem: String?
        var oldestWaiting: Timestamp?
    }

    /// All sums at one moment.
    struct Snapshot: Sendable {
        var inputs: [String: InputSums] = [:]
        var sinks: [String: SinkSums] = [:]
        var fromRecords = 0
        var agentEvents = 0
        var sealed: Int { fromRecords + agentEvents }
        var sequence: UInt64 = 0
        var checkpoint: Timestamp?
        var lastCommit: Timestamp?
        var commitProblem: String?
    }

    private let state = Monitor(Snapshot())

    /// Everything as it stands.
    var snapshot: Snapshot { state.withLock { $0 } }

    /// Names an input and its parser, so that its sums are shown from the start.
    func open(input: String, parser: String) {
        state.withLock { $0.inputs[input, default: InputSums()].parser = parser }
    }

    /// Names a sink with the totals that its cursor carries.
    func open(sink: String, sums: SinkSums) {
        state.withLock { $0.sinks[sink] = sums }
    }

    /// Takes note of records that were read and are on their way.
    func read(_ count: Int, bytes: Int, input: String) {
        state.withLock { snapshot in
            snapshot.inputs[input]?.read += count
            snapshot.inputs[input]?.inFlight += count
            snapshot.inputs[input]?.bytes += bytes
        }
    }

    /// Takes note of a commit: what the records became.
    func committed(
        _ tallies: [(input: String, tally: RecordTally)], agentEvents: Int,
        eventCount: Int, nextSequence: UInt64, at now: Timestamp
    ) {
        state.withLock { snapshot in
            for (input, tally) in tallies { snapshot.inputs[input]?.settle(tally) }
            snapshot.fromRecords += eventCount - agentEvents
            snapshot.agentEvents += agentEvents
            snapshot.sequence = nextSequence
            snapshot.lastCommit = now
            snapshot.commitProblem = nil
        }
    }

    /// Takes note that every sink is about to be offered events that are being committed.
    func offer(_ count: Int, at now: Timestamp) {
        guard count > 0 else { return }
        state.withLock { snapshot in
            for sink in snapshot.sinks.keys {
                if snapshot.sinks[sink]?.waiting == 0 { snapshot.sinks[sink]?.oldestWaiting = now }
                snapshot.sinks[sink]?.offered += UInt64(count)
            }
        }
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
            snapshot.sinks[sink] = sums
        }
    }
}

extension Accounts.InputSums {
    fileprivate mutating func settle(_ tally: RecordTally) {
        inFlight -= tally.read
        parsed += tally.parsed
        events += tally.events
        unclassified += tally.unclassified
        truncated += tally.truncated
        cuts += tally.cuts
        ignored.merge(tally.ignored, uniquingKeysWith: +)
        dropped.merge(tally.dropped, uniquingKeysWith: +)
        damaged.merge(tally.damaged, uniquingKeysWith: +)
    }
}

extension Accounts.SinkSums {
    /// Goes on from the totals beside a cursor, with what stands behind it in the ledger.
    init(totals: SinkTotals, waiting: UInt64) {
        self.init()
        offered = totals.offered + waiting
        delivered = totals.delivered
        rejected = totals.rejected
        filtered = totals.filtered
        evicted = totals.evicted
        oldestWaiting = waiting > 0 ? SystemClock().now() : nil
    }
}
