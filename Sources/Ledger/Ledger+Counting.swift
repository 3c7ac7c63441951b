// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension Ledger {
    // Header, stream and sinks at their longest.
    private static let peekByteCount = 8192

    /// How many events that may go to a sink stand at or behind a place.
    ///
    /// Each segment's header says how many there had been when it was begun, so this reads one
    /// segment at most, however much waits. Events of frames that turn out to be damaged later
    /// are counted; `takeDamage` tells how many those were.
    public func countEvents(
        behind place: LedgerPlace, sink: String
    ) throws(LedgerError) -> UInt64 {
        let total = state.withLock { state in state.counts.map { $0[sink] ?? 0 } }
        if let total, let passed = try countPassed(place, sink, total: total), total >= passed {
            return total - passed
        }
        return try countWalking(from: place, sink)
    }

    /// How many events that named a sink stand before a place; nil when no header tells.
    private func countPassed(
        _ place: LedgerPlace, _ sink: String, total: UInt64
    ) throws(LedgerError) -> UInt64? {
        var asked = place
        let lookup = state.withLock { $0.find(&asked) }
        let entry: SegmentEntry
        switch lookup {
        case .end: return total
        case .file(let found, _): entry = found
        case .frame:
            guard
                let found = state.withLock({ state in
                    state.index(of: asked.segment).map { state.segments[$0] }
                })
            else { return nil }
            entry = found
        }
        guard let reader = try open(entry.number), var count = snapshot(reader, sink) else {
            return nil
        }
        var at = LedgerPlace(segment: entry.number)
        while at.offset < asked.offset {
            guard let next = try peek(at, reader, entry.end, sink, &count) else { return nil }
            at = next
        }
        if at.offset == asked.offset, asked.index > 0 {
            var whole: UInt64 = 0
            guard try peek(at, reader, entry.end, sink, &whole) != nil else { return nil }
            count += min(whole, UInt64(asked.index))
        }
        return count
    }

    /// What the header of a segment says about a sink.
    private func snapshot(_ reader: SegmentReader, _ sink: String) -> UInt64? {
        guard let limit = try? reader.file.measure().byteCount,
            case .frame(let header, let payload) = try? reader.step(at: 0, limit: limit),
            header.type == .segmentHeader,
            let snapshot = try? SegmentSnapshot(
                header, payload: payload, keys: configuration.encryption)
        else { return nil }
        return snapshot.counts.map { $0[sink] ?? 0 }
    }

    /// Counts from a place to the end, frame by frame.
    private func countWalking(
        from place: LedgerPlace, _ sink: String
    ) throws(LedgerError) -> UInt64 {
        var place = place
        var count: UInt64 = 0
        while true {
            var asked = place
            let lookup = state.withLock { $0.find(&asked) }
            place = asked
            if case .end = lookup { return count }
            if case .file(let entry, let limit) = lookup, let reader = try open(entry.number) {
                var whole: UInt64 = 0
                if let next = try peek(place, reader, limit, sink, &whole) {
                    count += whole - min(whole, UInt64(place.index))
                    place = next
                    continue
                }
            }
            guard let frame = try read(from: place, .tables) else { return count }
            if frame.batch.sinks.contains(sink) {
                count += UInt64(frame.batch.events.count) - UInt64(frame.place.index)
            }
            place = frame.next
        }
    }

    /// Counts one frame by its header and its sinks; nil when these cannot be read.
    private func peek(
        _ place: LedgerPlace, _ reader: SegmentReader, _ limit: Int?, _ sink: String,
        _ count: inout UInt64
    ) throws(LedgerError) -> LedgerPlace? {
        let offset = Int(clamping: place.offset)
        guard let bytes = try? reader.read(Ledger.peekByteCount, at: offset).bytes,
            case .header(let header) = FrameHeader.read(bytes.span, at: 0),
            header.segment == reader.number, offset + header.frameByteCount <= limit ?? .max
        else { return nil }
        let next = LedgerPlace(
            segment: reader.number, offset: UInt64(offset + header.frameByteCount))
        guard header.type == .batch, header.count > 0 else { return next }
        guard let sinks = sinks(header, bytes, reader, offset) else { return nil }
        if sinks.contains(sink) { count += UInt64(header.count) }
        return next
    }

    private func sinks(
        _ header: FrameHeader, _ bytes: [UInt8], _ reader: SegmentReader, _ offset: Int
    ) -> [String]? {
        if header.keyID == 0 { return BatchFormat.peekSinks(bytes.span) }
        guard
            let payload = try? reader.read(
                header.payloadByteCount, at: offset + FrameHeader.byteCount
            ).bytes,
            let batch = try? BatchFormat.decode(
                header, payload: payload, .tables, keys: configuration.encryption)
        else { return nil }
        return batch.sinks
    }
}
