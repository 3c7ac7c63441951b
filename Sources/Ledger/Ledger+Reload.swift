// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension Ledger {
    /// Where each input goes on by what is committed now.
    public var positions: [Position] {
        writer.withLock { $0.positions.positions }
    }

    /// Lets other sinks hold segments back than those named so far.
    ///
    /// A sink without a cursor gets one behind the last committed frame, durable when this
    /// returns. One that is not named holds nothing back any more; its cursor is kept, and when it
    /// is named again it goes on from there. When this throws, everything is as before.
    public func reconfigure(sinks: [String]) throws(LedgerError) {
        guard sinks.allSatisfy({ (1...FrameLimit.sinkByteLimit).contains($0.utf8.count) }) else {
            throw .refused(reason: "the id of a sink must have 1 to 64 bytes")
        }
        let before = state.withLock { state in
            let before = state.cursors
            state.configure(sinks)
            return before
        }
        do throws(LedgerError) {
            try flushCursors()
        } catch {
            state.withLock { state in
                let configured = before.filter(\.value.isConfigured).map(\.key)
                state.cursors = state.cursors.filter { before[$0.key] != nil }
                state.configure(configured)
            }
            throw error
        }
    }
}

extension LedgerState {
    /// Makes these the sinks that are configured; new ones begin behind the last frame.
    fileprivate mutating func configure(_ sinks: [String]) {
        for (sink, entry) in cursors {
            cursors[sink] = CursorState(
                cursor: entry.cursor, isDirty: entry.isDirty, isConfigured: sinks.contains(sink))
        }
        for sink in sinks where cursors[sink] == nil {
            cursors[sink] = CursorState(
                cursor: SinkCursor(place: end), isDirty: true, isConfigured: true)
            areCursorsMoved = true
        }
    }

    /// Behind all that is committed.
    private var end: LedgerPlace {
        if let active { return LedgerPlace(segment: active, offset: UInt64(committedEnd)) }
        return LedgerPlace(segment: (segments.last?.number ?? 0) + 1)
    }
}
