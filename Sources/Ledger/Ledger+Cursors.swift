// SPDX-License-Identifier: Apache-2.0
import Platform

extension Ledger {
    /// How far a sink has got, as it stands in memory.
    ///
    /// Only sinks that were named to `open`, or have an entry from before, have one.
    public func cursor(of sink: String) -> SinkCursor? {
        state.withLock { $0.cursors[sink]?.cursor }
    }

    /// Moves a sink's cursor: it survives the process at once, and a power cut within a second.
    ///
    /// A cursor never moves back: an earlier place changes nothing. When writing fails the cursor
    /// has moved in memory all the same, and the next call tries again.
    ///
    /// Answers false, and changes nothing, when `when_full: drop_oldest` has moved the cursor and
    /// the caller does not know it yet: it must go on from `cursor(of:)`.
    @discardableResult
    public func advance(_ sink: String, to cursor: SinkCursor) throws(LedgerError) -> Bool {
        let isKnown = state.withLock { state in
            guard let old = state.cursors[sink] else { return true }
            guard cursor.totals.evicted >= old.cursor.totals.evicted else { return false }
            guard cursor.place >= old.cursor.place, cursor != old.cursor else { return true }
            state.cursors[sink]?.cursor = cursor
            // Counted apart, whoever moves the cursor.
            state.cursors[sink]?.cursor.totals.replayed = old.cursor.totals.replayed
            state.cursors[sink]?.isDirty = true
            return true
        }
        try cursorFile.withLock { file throws(LedgerError) in try write(&file) }
        try flushCursorsIfDue()
        return isKnown
    }

    /// Counts events that a sink confirmed once more, out of a replay; its place stays.
    public func countReplayed(_ count: UInt64, of sink: String) throws(LedgerError) {
        state.withLock { state in
            state.cursors[sink]?.cursor.totals.replayed &+= count
            state.cursors[sink]?.isDirty = true
        }
        try cursorFile.withLock { file throws(LedgerError) in try write(&file) }
        try flushCursorsIfDue()
    }

    /// Makes the cursors durable that have moved, if that was done last a second ago: for a
    /// thread that ticks.
    public func flushCursorsIfDue() throws(LedgerError) {
        let now = time.monotonic()
        let isDue = state.withLock { state in
            guard state.areCursorsMoved else { return false }
            guard let last = state.cursorsSynchronized else { return true }
            return now.duration(since: last) >= Ledger.cursorInterval
        }
        if isDue { try flushCursors() }
    }

    /// Writes the cursors that have moved and returns when they are durable.
    public func flushCursors() throws(LedgerError) {
        try cursorFile.withLock { file throws(LedgerError) in
            let now = time.now()
            state.withLock { state in
                state.cursorsSynchronized = time.monotonic()
                state.areCursorsMoved = false
            }
            do throws(LedgerError) {
                try write(&file)
                guard file.needsSynchronization else { return }
                try file.synchronize()
            } catch {
                state.withLock { $0.areCursorsMoved = true }
                throw error
            }
            state.withLock { $0.statistics.cursorsWritten = now }
        }
    }

    private func write(_ file: inout CursorFile) throws(LedgerError) {
        let (moved, configured) = state.withLock { state in
            let moved = state.takeMovedCursors()
            let configured = Set(state.cursors.filter(\.value.isConfigured).map(\.key))
            if !moved.isEmpty { state.areCursorsMoved = true }
            return (moved, configured)
        }
        guard !moved.isEmpty else { return }
        do throws(LedgerError) {
            try file.write(moved, now: time.now(), keeping: configured)
        } catch {
            state.withLock { state in
                for (sink, _) in moved { state.cursors[sink]?.isDirty = true }
            }
            throw error
        }
    }
}

extension LedgerState {
    /// The cursors that moved since the last call, by sink.
    fileprivate mutating func takeMovedCursors() -> [(sink: String, cursor: SinkCursor)] {
        var moved: [(sink: String, cursor: SinkCursor)] = []
        for (sink, entry) in cursors where entry.isDirty {
            moved.append((sink, entry.cursor))
            cursors[sink]?.isDirty = false
        }
        return moved.sorted { $0.sink < $1.sink }
    }
}
