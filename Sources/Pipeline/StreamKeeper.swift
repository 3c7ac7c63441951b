// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Sealing

/// The life of the agent's streams: opens them, seals into them, signs checkpoints, closes them.
///
/// It only makes sealed batches; whoever holds it commits them, in the order in which they came.
struct StreamKeeper: ~Copyable {
    /// How long a stream may be.
    static let epochLength = Duration.seconds(24 * 3600)

    private let key: SigningKey
    private let host: String
    private let sinks: [(id: String, filter: SinkFilter?)]
    private var sealer: Sealer
    private var agentEvents: AgentEvents
    private var schedule: CheckpointSchedule
    private var epochEnd: MonotonicInstant

    /// Prepares the first stream of a start; `open` seals its first event.
    init(
        key: SigningKey, host: String, sinks: [(id: String, filter: SinkFilter?)],
        at now: MonotonicInstant
    ) {
        self.key = key
        self.host = host
        self.sinks = sinks
        sealer = Sealer(key: key, epoch: StreamKeeper.newEpoch(), sinks: sinks)
        agentEvents = AgentEvents(
            agentName: key.name, host: host, stream: sealer.stream, version: sealtailVersion)
        schedule = CheckpointSchedule(at: now)
        epochEnd = now.advanced(by: StreamKeeper.epochLength)
    }

    /// The present stream.
    var stream: String { sealer.stream }

    /// The number of the next event.
    var nextSequence: UInt64 { sealer.nextSequence }

    /// True when a filter asks for the tenants of events.
    var needsTenants: Bool { sealer.needsTenants }

    /// Seals `AgentStarted`, always the first event of a stream.
    mutating func open(predecessor: Predecessor, at time: Timestamp) -> SealedBatch {
        sealer.sealAlone(
            agentEvents.started(
                predecessor: predecessor, verifierKey: key.verifierKey, at: time))
    }

    /// Seals what the parse workers made, in order.
    mutating func seal(_ batches: [EncodedBatch]) -> SealedBatch {
        if batches.contains(where: { !$0.events.isEmpty }) { schedule.sealed() }
        return sealer.seal(batches)
    }

    /// Seals that records were lost.
    mutating func eventsLost(count: UInt64, reason: String, at time: Timestamp) -> SealedBatch {
        schedule.sealed()
        return sealer.sealAlone(agentEvents.eventsLost(count: count, reason: reason, at: time))
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
    ///
    /// - Parameter rejected: per sink what its receiver refused, for `agent.rejected`.
    mutating func checkpoint(
        rejected: [String], at time: Timestamp, _ now: MonotonicInstant
    ) -> (batch: SealedBatch, note: String) {
        let note = sealer.checkpointNote()
        let event = agentEvents.checkpoint(
            note: note, filtered: sealer.filteredEntries, rejected: rejected, lost: [], at: time)
        schedule.signed(at: now)
        return (sealer.sealAlone(event), note)
    }

    /// Closes the stream: `AgentStopped`, then the last checkpoint.
    mutating func close(
        reason: String, rejected: [String], at time: Timestamp, _ now: MonotonicInstant
    ) -> (batch: SealedBatch, note: String) {
        let stopped = sealer.sealAlone(agentEvents.stopped(reason: reason, at: time))
        let last = checkpoint(rejected: rejected, at: time, now)
        return (SealedBatch.merge([stopped, last.batch]), last.note)
    }

    /// Begins the next stream after `close` and seals its first event.
    mutating func reopen(at time: Timestamp, _ now: MonotonicInstant) -> SealedBatch {
        let predecessor = sealer.end
        sealer = Sealer(key: key, epoch: StreamKeeper.newEpoch(), sinks: sinks)
        agentEvents = AgentEvents(
            agentName: key.name, host: host, stream: sealer.stream, version: sealtailVersion)
        schedule = CheckpointSchedule(at: now)
        epochEnd = now.advanced(by: StreamKeeper.epochLength)
        return open(predecessor: predecessor, at: time)
    }

    private static func newEpoch() -> String {
        Hex.encode(RandomBytes.make(8).span)
    }
}
