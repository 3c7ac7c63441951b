// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension Ledger {
    /// The first frame at or behind a place; nil when there is none yet.
    ///
    /// Damaged ranges on the way are set aside and skipped. Throws when a frame was written by a
    /// later version, or when the disk refuses to read; the same call may work later.
    ///
    /// A place that the disk refuses to read is an error for `unreadablePatience`, and damage
    /// from then on.
    ///
    /// - Parameter reader: the sink that reads, so that `waitForReaders` knows how far it is; nil
    ///   for anybody else.
    public func read(
        from place: LedgerPlace, as reader: String? = nil
    ) throws(LedgerError) -> LedgerFrame? {
        try read(from: place, .whole, as: reader)
    }

    func read(
        from place: LedgerPlace, _ part: BatchFormat.Part, as reader: String? = nil
    ) throws(LedgerError) -> LedgerFrame? {
        var place = place
        while true {
            var asked = place
            let (lookup, isAwaited) = state.withLock { state in
                let lookup = state.find(&asked)
                if let reader { state.note(reader, lookup, at: asked) }
                return (lookup, state.recent.isAwaited)
            }
            if isAwaited { state.notifyAll() }
            place = asked
            var found: LedgerFrame?
            switch lookup {
            case .end: return nil
            case .frame(let frame): found = frame
            case .file(let entry, let limit):
                found = try step(&place, in: entry, limit: limit, part)
            }
            guard let frame = found else { continue }
            // A frame without events, or with all of them passed, has nothing for a reader.
            if Int(frame.place.index) < frame.batch.events.count { return frame }
            place = frame.next
        }
    }

    /// Waits until the sinks that read what is new from memory have made room there for the next
    /// commit, but no longer than `patience`.
    ///
    /// Who is late by then is waited for no more until it has caught up, so a sink whose receiver
    /// is down or slow costs this once.
    public func waitForReaders(atMost patience: Duration) {
        let isReady = state.withLock { state in
            state.recent.isAwaited = !state.recent.hasRoom
            return !state.recent.isAwaited
        }
        if isReady { return }
        _ = state.wait(timeout: patience) { state in
            state.isClosed || state.recent.hasRoom ? true : nil
        }
        state.withLock { state in
            state.recent.isAwaited = false
            state.recent.dropLate()
        }
    }

    /// Looks at one place of a segment's file and moves on; answers with a frame if there is one.
    private func step(
        _ place: inout LedgerPlace, in entry: SegmentEntry, limit: Int?, _ part: BatchFormat.Part
    ) throws(LedgerError) -> LedgerFrame? {
        guard let reader = try open(entry.number) else {
            reportMissing(entry.number)
            return nil
        }
        let offset = Int(clamping: place.offset)
        let (step, end) = try look(at: place, reader, limit)
        switch step {
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
            throw .otherVersion(
                version, path: SegmentName.path(of: entry.number, in: folder), offset: offset)
        case .frame(let header, let payload):
            let next = offset + header.frameByteCount
            let start = place
            place = LedgerPlace(segment: entry.number, offset: UInt64(next))
            guard header.type == .batch else { return nil }
            if limit == nil, isGhost(header, next, end, reader) {
                leave(entry.number, end: offset, &place)
                return nil
            }
            let frame = try decode(header, payload, part, at: start, next: next, reader)
            buffers.give(payload)
            return frame
        }
        return nil
    }

    /// What lies at a place, and where the segment ends.
    private func look(
        at place: LedgerPlace, _ reader: SegmentReader, _ limit: Int?
    ) throws(LedgerError) -> (step: SegmentReader.Step, end: Int) {
        var reader = reader
        do throws(SystemError) {
            var end = limit ?? 0
            if limit == nil { end = try reader.file.measure().byteCount }
            let offset = Int(clamping: place.offset)
            do throws(SystemError) {
                return (try reader.step(at: offset, limit: end), end)
            } catch {
                guard error.isUnreadable, isGivenUp(place) else { throw error }
                reader.isTolerant = true
                return (try reader.step(at: offset, limit: end), end)
            }
        } catch {
            throw .system(error)
        }
    }

    /// True when the disk has refused to read this place for a while.
    private func isGivenUp(_ place: LedgerPlace) -> Bool {
        let now = time.monotonic()
        return state.withLock { state in
            let place = place.at(index: 0)
            if let since = state.unreadable[place] {
                return now.duration(since: since) >= LedgerConfiguration.unreadablePatience
            }
            if state.unreadable.count >= LedgerState.unreadableLimit { state.unreadable = [:] }
            state.unreadable[place] = now
            return false
        }
    }

    // A failed write can leave a frame at the end of a segment that is committed again later.
    private func isGhost(
        _ header: FrameHeader, _ next: Int, _ end: Int, _ reader: SegmentReader
    ) -> Bool {
        if let bytes = try? reader.read(FrameHeader.byteCount, at: next).bytes, next < end,
            case .header = FrameHeader.read(bytes.span, at: 0)
        {
            return false
        }
        return probe.isGhost(header, of: reader.number)
    }

    private func decode(
        _ header: FrameHeader, _ payload: [UInt8], _ part: BatchFormat.Part,
        at place: LedgerPlace, next: Int, _ reader: SegmentReader
    ) throws(LedgerError) -> LedgerFrame? {
        let offset = Int(clamping: place.offset)
        do throws(FrameProblem) {
            let batch = try BatchFormat.decode(
                header, payload: payload, part, keys: configuration.encryption)
            return LedgerFrame(
                place: place, next: LedgerPlace(segment: place.segment, offset: UInt64(next)),
                batch: batch)
        } catch {
            let path = SegmentName.path(of: reader.number, in: folder)
            if let refusal = error.refusal(path: path, offset: offset) { throw refusal }
            report(offset..<next, header, reader, isTail: false)
            return nil
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
    func open(_ number: UInt64) throws(LedgerError) -> SegmentReader? {
        if let file = state.withLock({ $0.handles[number] }) {
            return SegmentReader(file: file, number: number, buffers: buffers)
        }
        do {
            let path = SegmentName.path(of: number, in: folder)
            let file = try storage.open(path, isWritable: false)
            state.withLock { $0.keep(file, of: number) }
            return SegmentReader(file: file, number: number, buffers: buffers)
        } catch {
            if error.isNotFound { return nil }
            throw .system(error)
        }
    }

    // MARK: Damage

    private var probe: SequenceProbe {
        SequenceProbe(
            folder: folder, storage: storage,
            segments: state.withLock { $0.segments.map(\.number) })
    }

    private func report(
        _ range: Range<Int>, _ header: FrameHeader?, _ reader: SegmentReader, isTail: Bool
    ) {
        let isUnknown = state.withLock { state in
            state.damage.insert(segment: reader.number, offset: range.lowerBound)
        }
        guard isUnknown else { return }
        let damage = probe.describe(range, header, reader, isTail: isTail)
        add(quarantine.keep(damage, of: reader).damage)
    }

    /// Leaves out a segment whose file somebody else removed.
    private func reportMissing(_ number: UInt64) {
        let isKnown = state.withLock { state in
            state.going.contains(number) || state.index(of: number) == nil
        }
        let damage = isKnown ? nil : probe.describe(missing: number)
        state.withLock { $0.forget(number) }
        if let damage { add(quarantine.note(damage)) }
    }

    private func add(_ damage: LedgerDamage) {
        state.withLock { state in
            state.damage.append(damage)
            state.statistics.damagedFrameCount += 1
            state.statistics.damagedByteCount += UInt64(damage.byteCount)
        }
    }
}
