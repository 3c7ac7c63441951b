// SPDX-License-Identifier: Apache-2.0
import Platform
import Synchronization

extension Ledger {
    // MARK: Cursors

    /// How far a sink has got, as it stands in memory.
    ///
    /// Only sinks that were named to `open` have one.
    public func cursor(of sink: String) -> SinkCursor? {
        state.withLock { $0.cursors[sink]?.cursor }
    }

    /// Moves a sink's cursor, in memory at once and on disk when a second has passed.
    ///
    /// A cursor never moves back: an earlier place changes nothing. When writing fails the cursor
    /// has moved in memory all the same, and the next call tries again.
    public func advance(_ sink: String, to cursor: SinkCursor) throws(LedgerError) {
        state.withLock { state in
            guard let old = state.cursors[sink], cursor.place >= old.cursor.place,
                cursor != old.cursor
            else { return }
            state.cursors[sink]?.cursor = cursor
            state.cursors[sink]?.isDirty = true
        }
        try flushCursorsIfDue()
    }

    /// Writes the cursors that have moved if the last write is a second ago, for a ticking thread.
    public func flushCursorsIfDue() throws(LedgerError) {
        let now = time.monotonic()
        let isDue = state.withLock { state in
            guard state.cursors.values.contains(where: \.isDirty) else { return false }
            guard let last = state.cursorsWritten else { return true }
            return now.duration(since: last) >= Ledger.cursorInterval
        }
        if isDue { try flushCursors() }
    }

    /// Writes the cursors that have moved and returns when they are durable.
    public func flushCursors() throws(LedgerError) {
        try cursorFile.withLock { file throws(LedgerError) in try flush(&file) }
    }

    private func flush(_ file: inout CursorFile) throws(LedgerError) {
        let now = time.now()
        let moved = takeMovedCursors(at: time.monotonic())
        guard !moved.isEmpty else { return }
        let configured = state.withLock { state in
            Set(state.cursors.filter(\.value.isConfigured).map(\.key))
        }
        do {
            try file.write(moved, now: now, keeping: configured)
        } catch {
            state.withLock { state in
                for (sink, _) in moved { state.cursors[sink]?.isDirty = true }
            }
            throw error
        }
        state.withLock { $0.statistics.cursorsWritten = now }
    }

    private func takeMovedCursors(
        at now: MonotonicInstant
    ) -> [(sink: String, cursor: SinkCursor)] {
        state.withLock { state in
            state.cursorsWritten = now
            var moved: [(sink: String, cursor: SinkCursor)] = []
            for (sink, entry) in state.cursors where entry.isDirty {
                moved.append((sink, entry.cursor))
                state.cursors[sink]?.isDirty = false
            }
            return moved.sorted { $0.sink < $1.sink }
        }
    }

    // MARK: Room

    /// Deletes segments that every configured sink has passed and that need not be kept.
    ///
    /// Returns how many went. The newest segment always stays.
    @discardableResult
    public func deleteDelivered(now: Timestamp) throws(LedgerError) -> Int {
        try delete(now: now, making: 0)
    }

    private func delete(now: Timestamp, making room: Int) throws(LedgerError) -> Int {
        let going = state.withLock { state in
            state.notePassed(now: now)
            return Retention(
                retention: configuration.retention, byteLimit: configuration.byteLimit
            ).choose(state.segments, now: now, making: room)
        }
        guard !going.isEmpty else { return 0 }
        // Cursors first: a crash in between must not leave a cursor in a segment that is gone
        // with events behind it that were never sent.
        try flushCursors()
        do throws(SystemError) {
            for number in going {
                do {
                    try storage.remove(folder + "/" + SegmentName.name(of: number))
                } catch {
                    guard error.isNotFound else { throw error }
                }
                state.withLock { state in
                    state.forget(number)
                    state.statistics.deletedSegmentCount += 1
                }
            }
            try storage.synchronizeFolder(folder)
        } catch {
            throw .system(error)
        }
        return going.count
    }

    /// Begins a segment that takes a frame of `byteCount` bytes, and ends the one before.
    func openSegment(
        for byteCount: Int, usingReserve: Bool, _ writer: inout LedgerWriter
    ) throws(LedgerError) {
        let now = time.now()
        var header = ByteWriter(capacity: 4096)
        writer.snapshot(at: now).encode(segment: writer.nextNumber, into: &header)
        guard header.count <= FrameLimit.payloadByteLimit,
            writer.positions.positions.count <= FrameLimit.positionCountLimit
        else { throw .refused(reason: "too many positions are kept; watch fewer files") }
        let size = max(configuration.segmentByteCount, header.count + byteCount)
        // What the segment before does not use is given back, so it does not count.
        let unused = writer.active?.room ?? 0
        try makeRoom(for: size - unused, usingReserve: usingReserve, now: now)
        let number = writer.nextNumber
        guard number < FrameLimit.segmentNumberLimit else {
            throw .refused(reason: "the numbers of segments have run out")
        }
        let path = folder + "/" + SegmentName.name(of: number)
        // A number is never tried twice, whatever becomes of this one.
        writer.nextNumber += 1
        let file: any LedgerFile
        do {
            file = try create(path, byteCount: size, header)
        } catch {
            if error.isNoSpace { state.withLock { $0.statistics.isFull = true } }
            throw error.isNoSpace ? .noSpace(error) : .notCommitted(error)
        }
        if let active = writer.active {
            // Readers know the end, so it does no harm when the room cannot be given back.
            let isCut = (try? active.file.truncate(to: active.end)) != nil
            close(active, byteCount: isCut ? active.end : active.byteCount)
        }
        writer.active = ActiveSegment(
            number: number, file: file, byteCount: size, end: header.count)
        let start = header.count
        state.withLock { state in
            state.segments.append(
                SegmentEntry(number: number, byteCount: size, start: start, modified: now))
            state.active = number
            state.committedEnd = start
        }
    }

    private func create(
        _ path: String, byteCount: Int, _ header: borrowing ByteWriter
    ) throws(SystemError) -> any LedgerFile {
        let file = try storage.create(path, byteCount: byteCount)
        do {
            try header.withBytes { bytes throws(SystemError) in try file.write(bytes, at: 0) }
            try file.synchronizeData()
            try storage.synchronizeFolder(folder)
            return file
        } catch {
            // Without a frame in it nobody misses it; if it stays it is read as empty.
            try? storage.remove(path)
            throw error
        }
    }

    private func makeRoom(
        for byteCount: Int, usingReserve: Bool, now: Timestamp
    ) throws(LedgerError) {
        let reserve = usingReserve ? 0 : configuration.segmentByteCount
        let needed = byteCount + reserve
        let limit = configuration.byteLimit
        if state.withLock({ $0.byteCount }) + needed <= limit { return }
        _ = try delete(now: now, making: needed)
        let used = state.withLock { $0.byteCount }
        guard used + needed > limit else { return }
        state.withLock { $0.statistics.isFull = true }
        throw .full(byteCount: used, byteLimit: limit)
    }
}

extension LedgerState {
    /// Notes which segments all configured sinks have left behind.
    mutating func notePassed(now: Timestamp) {
        let slowest = slowest
        for index in segments.indices.dropLast() where segments[index].passed == nil {
            let entry = segments[index]
            guard isPassed(entry, by: slowest) else { break }
            // What was passed before this start was delivered about when it was written.
            segments[index].passed = isPastFirstDeletion ? now : entry.modified
        }
        isPastFirstDeletion = true
    }

    private func isPassed(_ entry: SegmentEntry, by slowest: LedgerPlace?) -> Bool {
        guard let slowest, entry.number >= slowest.segment else { return true }
        guard entry.number == slowest.segment, let end = entry.end else { return false }
        return slowest.offset >= UInt64(end)
    }
}

/// Decides which segments go. It decides only.
struct Retention {
    let retention: Duration
    let byteLimit: Int

    /// The segments to delete, oldest first: those passed longer ago than the retention, and more
    /// of those passed until `room` bytes fit below the limit. Never the newest.
    func choose(_ segments: [SegmentEntry], now: Timestamp, making room: Int) -> [UInt64] {
        var byteCount = segments.reduce(0) { $0 + $1.byteCount }
        var chosen: [UInt64] = []
        for entry in segments.dropLast() {
            guard let passed = entry.passed else { break }
            let isOld = now.since(max(passed, entry.modified)) >= retention
            guard isOld || byteCount + room > byteLimit else { break }
            byteCount -= entry.byteCount
            chosen.append(entry.number)
        }
        return chosen
    }
}
