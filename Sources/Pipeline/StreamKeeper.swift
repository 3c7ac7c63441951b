// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Sealing

/// What a stream is signed with and who gets its events.
struct StreamTerms: Sendable {
    /// The key of groups and checkpoints.
    var key: SigningKey
    /// The sinks in the order of the sink bits, each with its filter if it has one.
    var sinks: [(id: String, filter: SinkFilter?)]
    /// The text of `agent.reason` in the `AgentStopped` of the stream before.
    var reason = "the configuration was reloaded"

    /// True when a filter asks for the tenants of events.
    var needsTenants: Bool { sinks.contains { $0.filter?.needsTenants ?? false } }
}

/// The life of the agent's streams: opens them, seals into them, signs checkpoints, closes them.
///
/// It only makes sealed batches; whoever holds it commits them, in the order in which they came.
struct StreamKeeper: ~Copyable {
    /// How long a stream may be.
    static let epochLength = Duration.seconds(24 * 3600)

    /// What a checkpoint says of events that receivers did not get.
    struct Settlements {
        /// The entries of `agent.rejected`.
        var rejected: [String] = []
        /// The entries of `agent.lost`.
        var lost: [String] = []
    }

    private let host: String
    private(set) var terms: StreamTerms
    private var sealer: Sealer
    private var agentEvents: AgentEvents
    private var schedule: CheckpointSchedule
    private var epochEnd: MonotonicInstant

    /// Prepares the first stream of a start; `open` seals its first event.
    init(_ terms: StreamTerms, host: String, epoch: String, at now: MonotonicInstant) {
        self.terms = terms
        self.host = host
        sealer = Sealer(key: terms.key, epoch: epoch, sinks: terms.sinks)
        agentEvents = AgentEvents(
            agentName: terms.key.name, host: host, stream: sealer.stream, version: sealtailVersion)
        schedule = CheckpointSchedule(at: now)
        epochEnd = now.advanced(by: StreamKeeper.epochLength)
    }

    /// The present stream.
    var stream: String { sealer.stream }

    /// The number of the next event.
    var nextSequence: UInt64 { sealer.nextSequence }

    /// Seals `AgentStarted`, always the first event of a stream.
    mutating func open(predecessor: Predecessor, at time: Timestamp) -> SealedBatch {
        sealer.sealAlone(
            agentEvents.started(
                predecessor: predecessor, verifierKey: terms.key.verifierKey, at: time))
    }

    /// Seals what the parse workers made, in order, and behind it what was lost on the way there.
    ///
    /// All of it is one batch, because a loss is stated by the very commit that makes the place
    /// behind it the one from which reading goes on: so it is stated exactly once.
    mutating func seal(
        _ batches: [EncodedBatch], losses: [LossStatement], at time: Timestamp
    ) -> SealedBatch {
        if !losses.isEmpty || batches.contains(where: { !$0.events.isEmpty }) { schedule.sealed() }
        var pieces = [sealer.seal(batches)]
        for loss in losses {
            pieces.append(
                sealer.sealAlone(
                    agentEvents.eventsLost(count: loss.count, reason: loss.reason, at: time)))
        }
        return SealedBatch.merge(pieces)
    }

    /// How long until a checkpoint or a new stream is due.
    func patience(at now: MonotonicInstant) -> Duration {
        min(schedule.wait(at: now), max(epochEnd.duration(since: now), .zero))
    }

    /// True when a checkpoint is due.
    func isCheckpointDue(at now: MonotonicInstant) -> Bool { schedule.isDue(at: now) }

    /// True when the stream has lasted long enough.
    func isEpochOver(at now: MonotonicInstant) -> Bool { now >= epochEnd }

    /// Takes note that the ledger began a segment, which asks for a checkpoint.
    mutating func segmentOpened() {
        schedule.segmentOpened()
    }

    /// Seals a checkpoint over everything so far.
    mutating func checkpoint(
        _ settlements: Settlements, at time: Timestamp, _ now: MonotonicInstant
    ) -> (batch: SealedBatch, note: String) {
        let note = sealer.checkpointNote()
        let event = agentEvents.checkpoint(
            note: note, filtered: sealer.filteredEntries, rejected: settlements.rejected,
            lost: settlements.lost, at: time)
        schedule.signed(at: now)
        return (sealer.sealAlone(event), note)
    }

    /// Closes the stream: `AgentStopped`, then the last checkpoint.
    ///
    /// - Parameter next: the key of the stream that follows; where it is another one,
    ///   `AgentKeyRotated` vouches for it first.
    mutating func close(
        reason: String, _ settlements: Settlements, next: SigningKey? = nil, at time: Timestamp,
        _ now: MonotonicInstant
    ) -> (batch: SealedBatch, note: String) {
        var pieces: [SealedBatch] = []
        if let next, next.verifierKey.text != terms.key.verifierKey.text {
            pieces.append(
                sealer.sealAlone(agentEvents.keyRotated(to: next.verifierKey, at: time)))
        }
        pieces.append(sealer.sealAlone(agentEvents.stopped(reason: reason, at: time)))
        let last = checkpoint(settlements, at: time, now)
        pieces.append(last.batch)
        return (SealedBatch.merge(pieces), last.note)
    }

    /// Begins the next stream after `close`, on other terms if any, and seals its first event.
    mutating func reopen(
        _ next: StreamTerms? = nil, at time: Timestamp, _ now: MonotonicInstant
    ) -> SealedBatch {
        let predecessor = sealer.end
        if let next { terms = next }
        sealer = Sealer(key: terms.key, epoch: StreamName.makeEpoch(), sinks: terms.sinks)
        agentEvents = AgentEvents(
            agentName: terms.key.name, host: host, stream: sealer.stream, version: sealtailVersion)
        schedule = CheckpointSchedule(at: now)
        epochEnd = now.advanced(by: StreamKeeper.epochLength)
        return open(predecessor: predecessor, at: time)
    }
}
