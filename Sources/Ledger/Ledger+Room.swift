// SPDX-License-Identifier: Apache-2.0
import Platform

extension Ledger {
    /// The least room of a segment for the agent's own events on a disk that is nearly full.
    static let smallSegmentByteCount = 1 << 20

    // MARK: Deleting

    /// Deletes segments that every configured sink has passed and that need not be kept.
    ///
    /// Returns how many went. The newest segment always stays.
    @discardableResult
    public func deleteDelivered(now: Timestamp) throws(LedgerError) -> Int {
        try delete(now: now, making: 0, byteLimit: configuration.byteLimit)
    }

    private func delete(
        now: Timestamp, making room: Int, byteLimit: Int
    ) throws(LedgerError) -> Int {
        let going = state.withLock { state in
            state.notePassed(now: now)
            let chosen = Retention(retention: configuration.retention, byteLimit: byteLimit)
                .choose(state.segments, now: now, making: room, others: state.reserveByteCount)
                .filter { !state.going.contains($0) }
            // A reader that finds such a file gone must not call it a loss.
            state.going.formUnion(chosen)
            return chosen
        }
        guard !going.isEmpty else { return 0 }
        defer { state.withLock { $0.going.subtract(going) } }
        // Cursors first: a crash in between must not leave a cursor in a segment that is gone
        // with events behind it that were never sent.
        try flushCursors()
        try remove(going)
        return going.count
    }

    /// Removes the files of segments; the cursors behind them are durable.
    func remove(_ numbers: [UInt64]) throws(LedgerError) {
        do throws(SystemError) {
            for number in numbers {
                do {
                    try storage.remove(SegmentName.path(of: number, in: folder))
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
    }

    // MARK: Beginning a segment

    /// Begins a segment that takes a frame of `byteCount` bytes, and ends the one before.
    func openSegment(
        for byteCount: Int, usingReserve: Bool, _ writer: inout LedgerWriter
    ) throws(LedgerError) {
        let now = time.now()
        cut(&writer)
        let header = writer.encodeSnapshot(
            at: now, cipher: makeCipher(), positionCountLimit: configuration.positionCountLimit)
        let segment = try makeSegment(header.count + byteCount, usingReserve, now, &writer)
        if let active = writer.active { end(active) }
        writer.active = segment
        state.withLock { state in
            state.segments.append(
                SegmentEntry(
                    number: segment.number, byteCount: segment.byteCount, start: segment.end,
                    modified: now))
            state.active = segment.number
            state.committedEnd = segment.end
            state.statistics.droppedPositionCount = writer.droppedPositionCount
        }
    }

    private func makeCipher() -> SegmentCipher? {
        configuration.encryption.map { SegmentCipher($0.current) }
    }

    /// Makes the file of the next segment, where it must be out of the reserve.
    private func makeSegment(
        _ need: Int, _ usingReserve: Bool, _ now: Timestamp, _ writer: inout LedgerWriter
    ) throws(LedgerError) -> ActiveSegment {
        let size = max(configuration.segmentByteCount, need)
        do {
            try replenish(beside: size, now: now)
            return try create(isReserve: false, now, &writer) { path, _ throws(LedgerError) in
                try createFile(path, need: need, now: now)
            }
        } catch {
            switch error {
            case .full, .noSpace: break
            default: throw error
            }
            guard usingReserve else { throw error }
            return try makeReserved(need, error, now, &writer)
        }
    }

    private func makeReserved(
        _ need: Int, _ cause: LedgerError, _ now: Timestamp, _ writer: inout LedgerWriter
    ) throws(LedgerError) -> ActiveSegment {
        let (reserve, used) = state.withLock { ($0.reserveByteCount, $0.byteCount) }
        if reserve >= need {
            return try create(isReserve: true, now, &writer) { path, number throws(LedgerError) in
                (try takeReserve(path, number), reserve)
            }
        }
        let size = max(Ledger.smallSegmentByteCount, need)
        guard used + size <= configuration.byteLimit else { throw cause }
        return try create(isReserve: true, now, &writer) { path, _ throws(LedgerError) in
            do throws(SystemError) {
                return (try storage.create(path, byteCount: size), size)
            } catch {
                throw error.isNoSpace ? .noSpace(error) : .notCommitted(error)
            }
        }
    }

    /// Makes a file under the next number and writes its header.
    private func create(
        isReserve: Bool, _ now: Timestamp, _ writer: inout LedgerWriter,
        _ make: (String, UInt64) throws(LedgerError) -> (file: any LedgerFile, byteCount: Int)
    ) throws(LedgerError) -> ActiveSegment {
        let number = writer.nextNumber
        guard number < FrameLimit.segmentNumberLimit else {
            throw .refused(reason: "the numbers of segments have run out")
        }
        let path = SegmentName.path(of: number, in: folder)
        // A new salt for each header that is written, for all of them have the nonce 0.
        let cipher = makeCipher()
        let header = writer.encodeSnapshot(
            at: now, cipher: cipher, positionCountLimit: configuration.positionCountLimit)
        // A number is never tried twice, whatever becomes of this one.
        writer.nextNumber += 1
        let (file, byteCount) = try make(path, number)
        do {
            try file.write(header.span, at: 0)
            try file.synchronizeData()
            try storage.synchronizeFolder(folder)
        } catch {
            // The header may be there after a crash, whole, as the newest one. So nothing may be
            // committed to an older segment any more: a start would not read it.
            if let active = writer.active {
                writer.active = nil
                end(active)
            }
            discard(path, number)
            throw .notCommitted(error)
        }
        return ActiveSegment(
            number: number, file: file, byteCount: byteCount, end: header.count, cipher: cipher,
            isReserve: isReserve)
    }

    /// Gives back the room that the active segment does not use; it takes no frame any more.
    private func cut(_ writer: inout LedgerWriter) {
        guard let active = writer.active, active.room > 0, active.file.isCut(to: active.end)
        else { return }
        writer.active?.byteCount = active.end
        state.withLock { state in
            guard let index = state.index(of: active.number) else { return }
            state.segments[index].byteCount = active.end
        }
    }

    /// Ends the active segment and gives back the room that it does not use.
    func end(_ active: ActiveSegment) {
        // Readers know the end, so it does no harm when the room cannot be given back.
        let isCut = active.file.isCut(to: active.end)
        close(active, byteCount: isCut ? active.end : active.byteCount)
    }

    // MARK: The reserve

    /// Makes sure that there is a reserve and room under the limit for `byteCount` bytes beside it.
    func replenish(beside byteCount: Int, now: Timestamp) throws(LedgerError) {
        let isMissing = state.withLock { $0.reserveByteCount == 0 }
        let usual = configuration.segmentByteCount
        try makeRoom(for: byteCount + (isMissing ? usual : 0), now: now)
        guard isMissing else { return }
        let path = folder + "/" + SegmentName.reserve
        // What an earlier attempt may have left is not known to be empty.
        try? storage.remove(path)
        let (file, size) = try createFile(path, need: 0, now: now)
        do throws(SystemError) {
            try file.synchronizeData()
            try storage.synchronizeFolder(folder)
        } catch {
            throw .notCommitted(error)
        }
        state.withLock { state in
            state.reserveByteCount = size
            state.statistics.hasReserve = true
        }
    }

    /// Renames the reserve; it is empty, and it is written only when its new name is durable.
    private func takeReserve(
        _ path: String, _ number: UInt64
    ) throws(LedgerError) -> any LedgerFile {
        do throws(SystemError) {
            try storage.rename(folder + "/" + SegmentName.reserve, to: path)
        } catch {
            throw .notCommitted(error)
        }
        state.withLock { state in
            state.reserveByteCount = 0
            state.statistics.hasReserve = false
        }
        do throws(SystemError) {
            try storage.synchronizeFolder(folder)
            return try storage.open(path, isWritable: true)
        } catch {
            discard(path, number)
            throw .notCommitted(error)
        }
    }

    /// Removes a segment that could not be begun; if it stays, its room counts.
    private func discard(_ path: String, _ number: UInt64) {
        guard (try? storage.remove(path)) == nil,
            let byteCount = try? storage.open(path, isWritable: false).measure().byteCount
        else { return }
        let now = time.now()
        state.withLock { state in
            var entry = SegmentEntry(number: number, byteCount: byteCount, modified: now)
            entry.end = 0
            state.segments.append(entry)
        }
    }

    // MARK: Making room

    private func makeRoom(for byteCount: Int, now: Timestamp) throws(LedgerError) {
        let limit = configuration.byteLimit
        if state.withLock({ $0.byteCount }) + byteCount <= limit { return }
        _ = try delete(now: now, making: byteCount, byteLimit: limit)
        while true {
            let used = state.withLock { $0.byteCount }
            if used + byteCount <= limit { return }
            guard configuration.whenFull == .dropOldest, try evictOldest(now: now) else {
                throw .full(byteCount: used, byteLimit: limit)
            }
        }
    }

    /// Creates a file with room for a segment, or for a smaller one where the disk has no more.
    ///
    /// Delivered segments go first, then smaller sizes are tried, then the reserve shrinks; what
    /// is undelivered goes last, and only with `drop_oldest`.
    private func createFile(
        _ path: String, need: Int, now: Timestamp
    ) throws(LedgerError) -> (file: any LedgerFile, byteCount: Int) {
        let usual = max(configuration.segmentByteCount, need)
        let least = max(min(Ledger.smallSegmentByteCount, configuration.segmentByteCount), need)
        var size = usual
        while true {
            let cause: SystemError
            do {
                return (try storage.create(path, byteCount: size), size)
            } catch {
                guard error.isNoSpace else { throw .notCommitted(error) }
                cause = error
            }
            // One delivered segment more than the limit asks for.
            let used = state.withLock { $0.byteCount }
            if try delete(now: now, making: 0, byteLimit: used - 1) > 0 { continue }
            if size > least {
                size = max(least, size / 2)
            } else if isReserveShrunk() {
                continue
            } else {
                guard configuration.whenFull == .dropOldest, try evictOldest(now: now) else {
                    throw .noSpace(cause)
                }
                size = usual
            }
        }
    }

    /// Gives back what the reserve does not need for a while; false when it is small already.
    private func isReserveShrunk() -> Bool {
        let path = folder + "/" + SegmentName.reserve
        guard state.withLock({ $0.reserveByteCount }) > Ledger.smallSegmentByteCount,
            let file = try? storage.open(path, isWritable: true),
            file.isCut(to: Ledger.smallSegmentByteCount)
        else { return false }
        state.withLock { $0.reserveByteCount = Ledger.smallSegmentByteCount }
        return true
    }
}

extension LedgerFile {
    /// Cuts the file for good; false when the room may come back after a crash.
    func isCut(to byteCount: Int) -> Bool {
        do throws(SystemError) {
            try truncate(to: byteCount)
            try synchronizeData()
            return true
        } catch {
            return false
        }
    }
}
