// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The disk buffer and the local audit trail in one: an append-only log of sealed batches.
///
/// One thread appends; any number read and move cursors. A batch is visible, and its positions
/// are resume points, only after `append` has returned. No reader ever waits for the disk on
/// behalf of the writer. The bytes on disk are docs/formats/frame.md.
public final class Ledger: Sendable {
    /// The most time between two writes of the cursors while they move.
    public static let cursorInterval = Duration.seconds(1)

    let folder: String
    let configuration: LedgerConfiguration
    let storage: any LedgerStorage
    let time: any TimeSource
    let quarantine: Quarantine
    let buffers = PayloadBuffers()
    // Three locks, taken in this order and never the other way round.
    let writer: Monitor<LedgerWriter>
    let cursorFile: Monitor<CursorFile>
    let state: Monitor<LedgerState>
    // Held as long as the ledger lives.
    private let lock: FileLock?

    init(
        folder: String, configuration: LedgerConfiguration, storage: any LedgerStorage,
        time: any TimeSource, lock: FileLock?, quarantine: Quarantine,
        writer: consuming sending LedgerWriter, cursorFile: sending CursorFile,
        state: sending LedgerState
    ) {
        self.folder = folder
        self.configuration = configuration
        self.storage = storage
        self.time = time
        self.lock = lock
        self.quarantine = quarantine
        self.writer = Monitor(writer)
        self.cursorFile = Monitor(cursorFile)
        self.state = Monitor(state)
    }

    // MARK: Appending

    /// Appends one batch and returns only when it is safe against power loss.
    ///
    /// The positions inside the batch become the resume points, so a caller must not acknowledge
    /// anything to its own upstream before this returns. When it throws, nothing was committed;
    /// after an error that `isTemporary` the same batch may be appended again.
    ///
    /// - Parameter usingReserve: true for the agent's own events, which may take the last segment
    ///   that `max_size` allows.
    public func append(
        _ batch: borrowing SealedBatch, usingReserve: Bool = false
    ) throws(LedgerError) {
        let batch = copy batch
        do throws(LedgerError) {
            try writer.withLock { writer throws(LedgerError) in
                try append(batch, usingReserve: usingReserve, &writer)
            }
        } catch {
            if error.isNoRoom { state.withLock { $0.statistics.isFull = true } }
            throw error
        }
    }

    private func append(
        _ batch: SealedBatch, usingReserve: Bool, _ writer: inout LedgerWriter
    ) throws(LedgerError) {
        if state.withLock({ $0.isClosed }) { throw .closed }
        try writer.encode(batch, configuration: configuration)
        // Encryption adds to what is there so far.
        let byteCount =
            writer.output.count
            + (configuration.encryption == nil ? 0 : SegmentCipher.overheadByteCount)
        if writer.active?.isReserve == true, !usingReserve {
            try replenish(beside: 0, now: time.now())
            writer.active?.isReserve = false
        }
        if (writer.active?.room ?? 0) < byteCount {
            try openSegment(for: byteCount, usingReserve: usingReserve, &writer)
        }
        guard let active = writer.active else { bug("no segment to append to") }
        writer.finish(batch, for: active, codec: configuration.codec)
        do {
            try writer.output.withBytes { bytes throws(SystemError) in
                try active.file.write(bytes, at: active.end)
            }
            try active.file.synchronizeData()
        } catch {
            abandon(active, &writer)
            throw .notCommitted(error)
        }
        writer.commit(batch, byteCount: byteCount)
        let place = LedgerPlace(segment: active.number, offset: UInt64(active.end))
        let next = LedgerPlace(
            segment: active.number, offset: UInt64(active.end + byteCount))
        let counts = writer.counts
        state.withLock { state in
            state.committedEnd = active.end + byteCount
            if state.counts != nil { state.counts = counts }
            state.recent.append(LedgerFrame(place: place, next: next, batch: batch))
            state.statistics.isFull = false
        }
    }

    /// Ends a segment of which the kernel has said that it may not hold what was written.
    private func abandon(_ active: ActiveSegment, _ writer: inout LedgerWriter) {
        writer.active = nil
        // The batch is refused either way; a remainder that stays is read as one frame too many.
        end(active)
    }

    // MARK: Facts

    /// The ledger in numbers, all of one moment.
    public var statistics: LedgerStatistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.byteCount = state.byteCount
            statistics.undeliveredByteCount = state.undeliveredByteCount
            statistics.byteLimit = configuration.byteLimit
            statistics.segmentCount = state.segments.count
            return statistics
        }
    }

    /// What was set aside since the last call, so that somebody can put it on the record.
    public func takeDamage() -> [LedgerDamage] {
        state.withLock { $0.damage.take() }
    }

    /// Takes note that damage is on the record; until then each start names it as `unstated`.
    public func noteStated(_ damage: [LedgerDamage]) {
        quarantine.forget(damage)
    }

    /// What was removed undelivered since the last call, so that somebody can put it on the record.
    ///
    /// It is in the totals of the cursors already.
    public func takeEvictions() -> [LedgerEviction] {
        state.withLock { state in
            defer { state.evictions = [] }
            return state.evictions
        }
    }

    /// Writes the cursors, gives back the room behind the last frame and wakes who waits.
    ///
    /// Afterwards nothing can be appended or advanced.
    public func close() throws(LedgerError) {
        let wasClosed = state.update { state in
            defer { state.isClosed = true }
            return state.isClosed
        }
        guard !wasClosed else { return }
        writer.withLock { writer in
            guard let active = writer.active else { return }
            writer.active = nil
            end(active)
        }
        try flushCursors()
    }

    /// Nothing is appended to the segment any more.
    func close(_ segment: ActiveSegment, byteCount: Int) {
        let now = time.now()
        state.withLock { state in
            state.active = nil
            guard let index = state.index(of: segment.number) else { return }
            state.segments[index].end = segment.end
            state.segments[index].byteCount = byteCount
            state.segments[index].modified = now
        }
    }
}
