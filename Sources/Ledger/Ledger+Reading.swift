// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension Ledger {
    /// The first frame at or behind a place; nil when there is none yet.
    ///
    /// Damaged ranges on the way are set aside and skipped. Throws when a frame was written by a
    /// later version, or when the disk refuses to read; the same call may work later.
    public func read(from place: LedgerPlace) throws(LedgerError) -> LedgerFrame? {
        var place = place
        while true {
            var asked = place
            let (lookup, committed) = state.withLock { state in
                let lookup = state.find(&asked)
                return (lookup, state.statistics.committedFrameCount)
            }
            place = asked
            var found: LedgerFrame?
            switch lookup {
            case .end:
                forgetNewest(from: place, committed: committed)
                return nil
            case .frame(let frame): found = frame
            case .file(let entry, let limit):
                found = try step(&place, in: entry, limit: limit)
            }
            guard let frame = found else { continue }
            // A frame without events, or with all of them passed, has nothing for a reader.
            if Int(frame.place.index) < frame.batch.events.count { return frame }
            place = frame.next
        }
    }

    /// Waits until a frame begins at or behind a place; false when the time is up first.
    ///
    /// It is true as well when the ledger is closed, so that nobody waits for what cannot come.
    public func waitForFrame(after place: LedgerPlace, timeout: Duration) -> Bool {
        state.wait(timeout: timeout) { state in
            if state.isClosed { return true }
            guard let newest = state.newestFrame, newest >= place else { return nil }
            return true
        } ?? false
    }

    /// How many events that may go to a sink stand at or behind a place.
    ///
    /// Looks at the beginning of each frame only, so it is quick, and counts events of a frame
    /// that later turns out to be damaged; `takeDamage` tells how many those were.
    public func countEvents(
        behind place: LedgerPlace, sink: String
    ) throws(LedgerError) -> UInt64 {
        var place = place
        var count: UInt64 = 0
        while true {
            var asked = place
            let lookup = state.withLock { $0.find(&asked) }
            place = asked
            if case .end = lookup { return count }
            if case .file(let entry, let limit) = lookup,
                let next = try peek(place, entry, limit, sink, &count)
            {
                place = next
                continue
            }
            guard let frame = try read(from: place) else { return count }
            if frame.batch.sinks.contains(sink) {
                count += UInt64(frame.batch.events.count) - UInt64(frame.place.index)
            }
            place = frame.next
        }
    }

    /// Counts one frame by its header and the sinks at the beginning of its payload; nil when
    /// these are not there, so that the frame must be read.
    private func peek(
        _ place: LedgerPlace, _ entry: SegmentEntry, _ limit: Int?, _ sink: String,
        _ count: inout UInt64
    ) throws(LedgerError) -> LedgerPlace? {
        guard let reader = try open(entry.number) else { return nil }
        let offset = Int(clamping: place.offset)
        var bytes = [UInt8]()
        do {
            _ = try reader.file.append(to: &bytes, count: Ledger.peekByteCount, at: offset)
        } catch {
            throw .system(error)
        }
        guard case .header(let header) = FrameHeader.read(bytes.span, at: 0),
            header.segment == entry.number, offset + header.frameByteCount <= limit ?? .max
        else { return nil }
        let next = LedgerPlace(
            segment: entry.number, offset: UInt64(offset + header.frameByteCount))
        guard header.type == .batch, header.count > Int(place.index) else { return next }
        guard let sinks = BatchFormat.peekSinks(bytes.span) else { return nil }
        if sinks.contains(sink) { count += UInt64(header.count) - UInt64(place.index) }
        return next
    }

    // Header, stream and sinks at their longest.
    private static let peekByteCount = 8192

    // So that nobody is woken again and again for a frame that turned out to be unreadable.
    private func forgetNewest(from place: LedgerPlace, committed: UInt64) {
        state.withLock { state in
            if state.statistics.committedFrameCount == committed { state.newestFrame = nil }
        }
    }

    /// Looks at one place of a segment's file and moves on; answers with a frame if there is one.
    private func step(
        _ place: inout LedgerPlace, in entry: SegmentEntry, limit: Int?
    ) throws(LedgerError) -> LedgerFrame? {
        guard let reader = try open(entry.number) else {
            state.withLock { $0.forget(entry.number) }
            return nil
        }
        let offset = Int(clamping: place.offset)
        let path = folder + "/" + SegmentName.name(of: entry.number)
        do {
            var end = limit ?? 0
            if limit == nil { end = try reader.file.measure().byteCount }
            switch try reader.step(at: offset, limit: end) {
            case .end:
                if limit == nil {
                    leave(entry.number, end: offset, &place)
                } else {
                    // Something was committed here, so these zeros are no end.
                    report(offset..<end, nil, reader, isTail: false)
                    place = LedgerPlace(segment: entry.number, offset: UInt64(end))
                }
            case .tail(let range, let header):
                report(range, header, reader, isTail: limit == nil)
                if limit == nil {
                    leave(entry.number, end: offset, &place)
                } else {
                    place = LedgerPlace(segment: entry.number, offset: UInt64(end))
                }
            case .damage(let range, let header):
                report(range, header, reader, isTail: false)
                place = LedgerPlace(segment: entry.number, offset: UInt64(range.upperBound))
            case .otherVersion(let version):
                throw LedgerError.unsupported(
                    path: path, offset: offset, reason: "the format has the version \(version)")
            case .frame(let header, let payload):
                let next = offset + header.frameByteCount
                defer {
                    place = LedgerPlace(segment: entry.number, offset: UInt64(next))
                }
                guard header.type == .batch else { return nil }
                let frame = try decode(header, payload, at: place, next: next, reader)
                buffers.give(payload)
                return frame
            }
            return nil
        } catch let error as SystemError {
            throw .system(error)
        } catch let error as LedgerError {
            throw error
        } catch {
            bug("an error of another kind: \(error)")
        }
    }

    private func decode(
        _ header: FrameHeader, _ payload: [UInt8], at place: LedgerPlace, next: Int,
        _ reader: SegmentReader
    ) throws(LedgerError) -> LedgerFrame? {
        do {
            let batch = try BatchFormat.decode(header, payload: payload)
            return LedgerFrame(
                place: place, next: LedgerPlace(segment: place.segment, offset: UInt64(next)),
                batch: batch)
        } catch {
            let offset = Int(clamping: place.offset)
            switch error {
            case .unsupported(let reason):
                throw .unsupported(
                    path: folder + "/" + SegmentName.name(of: reader.number), offset: offset,
                    reason: reason)
            case .damaged:
                report(offset..<next, header, reader, isTail: false)
                return nil
            }
        }
    }

    /// The segment has no frame at or behind `end`.
    private func leave(_ number: UInt64, end: Int, _ place: inout LedgerPlace) {
        state.withLock { state in
            guard number != state.active, let index = state.index(of: number) else { return }
            if state.segments[index].end == nil { state.segments[index].end = end }
        }
        place = LedgerPlace(segment: number + 1)
    }

    /// Opens a segment; nil when its file is gone.
    private func open(_ number: UInt64) throws(LedgerError) -> SegmentReader? {
        if let file = state.withLock({ $0.handles[number] }) {
            return SegmentReader(file: file, number: number, buffers: buffers)
        }
        do {
            let path = folder + "/" + SegmentName.name(of: number)
            let file = try storage.open(path, isWritable: false)
            state.withLock { $0.keep(file, of: number) }
            return SegmentReader(file: file, number: number, buffers: buffers)
        } catch {
            if error.isNotFound { return nil }
            throw .system(error)
        }
    }

    private func report(
        _ range: Range<Int>, _ header: FrameHeader?, _ reader: SegmentReader, isTail: Bool
    ) {
        let isUnknown = state.withLock { state in
            state.damage.insert(segment: reader.number, offset: range.lowerBound)
        }
        guard isUnknown else { return }
        let copy = quarantine.keep(range, of: reader)
        let damage = LedgerDamage(range, header, segment: reader.number, isTail: isTail, copy)
        state.withLock { state in
            state.damage.append(damage)
            state.statistics.damagedFrameCount += 1
            state.statistics.damagedByteCount += UInt64(range.count)
        }
    }
}
