// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Sealed batches as payloads of frames, docs/formats/frame.md §4.
enum BatchFormat {
    private static let eventByteCount = 48
    private static let groupByteCount = 112
    private static let signatureByteCount = 64

    // MARK: Writing

    /// Writes header room and payload into an empty writer; the header follows by `finish`.
    ///
    /// - Parameter compressor: compresses the bodies; without one they are stored as they are.
    static func encode(
        _ batch: borrowing SealedBatch, compressor: BodyCompressor?,
        into output: inout ByteWriter
    ) {
        output.reserve(
            FrameHeader.byteCount + batch.events.count * eventByteCount
                + batch.groups.count * groupByteCount + (compressor == nil ? batch.bodies.count : 0)
                + 4096)
        FrameHeader.reserve(in: &output)
        var start = FrameSections.begin(.stream, in: &output)
        output.append(batch.stream)
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.sinks, in: &output)
        for sink in batch.sinks {
            output.append(UInt8(sink.utf8.count))
            output.append(sink)
        }
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.events, in: &output)
        appendEvents(batch.events, to: &output)
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.groups, in: &output)
        for group in batch.groups {
            output.append(littleEndian: group.first)
            output.append(littleEndian: UInt32(group.count))
            output.append(littleEndian: batch.keyID)
            output.append(group.previous)
            output.append(group.signature)
        }
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.positions, in: &output)
        PositionFormat.append(batch.positions, to: &output)
        FrameSections.end(start, in: &output)
        if !batch.forgotten.isEmpty {
            start = FrameSections.begin(.forgotten, in: &output)
            PositionFormat.append(forgotten: batch.forgotten, to: &output)
            FrameSections.end(start, in: &output)
        }
        start = FrameSections.begin(.head, in: &output)
        output.append(batch.head)
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.bodies, in: &output)
        output.append(littleEndian: UInt32(batch.bodies.count))
        if let compressor {
            compressor.append(batch.bodies.span, to: &output)
        } else {
            output.append(batch.bodies)
        }
        FrameSections.end(start, in: &output)
    }

    private static func appendEvents(_ events: [SealedEvent], to output: inout ByteWriter) {
        var bodyStart = 0
        for event in events {
            output.append(littleEndian: UInt32(event.end - bodyStart))
            // Action, severity and two bytes of flags.
            output.append(
                littleEndian: UInt32(event.action.rawValue)
                    | UInt32(event.severity.rawValue) << 8)
            output.append(littleEndian: event.sinkBits)
            output.append(event.leaf)
            bodyStart = event.end
        }
    }

    /// Writes the header in front of what `encode` wrote.
    static func finish(
        _ output: inout ByteWriter, codec: FrameCodec, segment: UInt64, streamID: UInt64,
        first: UInt64, count: Int, number: UInt64 = 0, cipher: SegmentCipher? = nil
    ) {
        let header = FrameHeader(
            type: .batch, codec: codec.rawValue, payloadByteCount: 0, payloadChecksum: 0,
            segment: segment, streamID: streamID, first: first, count: count, number: number)
        header.finish(&output, cipher: cipher)
    }

    /// Why a batch cannot be written; nil when it can.
    ///
    /// A frame that a reader would refuse must not be committed.
    static func objection(to batch: borrowing SealedBatch, expecting next: UInt64?) -> String? {
        guard batch.events.count <= FrameLimit.eventCountLimit else { return "too many events" }
        guard batch.positions.count <= FrameLimit.positionCountLimit,
            batch.forgotten.count <= FrameLimit.positionCountLimit
        else { return "too many positions" }
        guard batch.stream.utf8.count <= FrameLimit.streamByteLimit else {
            return "the stream's name is too long"
        }
        guard batch.sinks.count <= SealedBatch.sinkCountLimit,
            batch.sinks.allSatisfy({ (1...FrameLimit.sinkByteLimit).contains($0.utf8.count) })
        else { return "the sinks do not fit" }
        guard batch.bodies.count == batch.events.last?.end ?? 0 else {
            return "bodies and events differ"
        }
        guard areWhole(batch.groups, eventCount: batch.events.count) else {
            return "groups and events differ"
        }
        if let next, let first = batch.groups.first?.first, first != next {
            return "the sequence goes on with \(next), not \(first)"
        }
        return nil
    }

    // Every event is in exactly one group, and the groups follow each other.
    private static func areWhole(_ groups: [SealedGroup], eventCount: Int) -> Bool {
        var rest = eventCount
        var next = groups.first?.first ?? 0
        for group in groups {
            guard group.first == next, (1...SealedGroup.countLimit).contains(group.count),
                group.count <= rest, group.signature.count == signatureByteCount
            else { return false }
            let (sum, overflow) = next.addingReportingOverflow(UInt64(group.count))
            if overflow { return false }
            next = sum
            rest -= group.count
        }
        return rest == 0
    }

    // MARK: Reading

    /// Which part of a frame is wanted.
    enum Part {
        /// Everything.
        case whole
        /// Without bodies: quick, and enough for recovery.
        case tables
    }

    /// Reads the payload of a batch frame.
    static func decode(
        _ header: FrameHeader, payload: borrowing [UInt8], _ part: Part = .whole,
        keys: EncryptionKeyRing? = nil
    ) throws(FrameProblem) -> SealedBatch {
        try header.requireReadable()
        if header.keyID == 0 { return try decode(header, clear: payload, part) }
        return try decode(header, clear: try header.decrypt(payload.span, keys), part)
    }

    private static func decode(
        _ header: FrameHeader, clear payload: borrowing [UInt8], _ part: Part
    ) throws(FrameProblem) -> SealedBatch {
        let bytes = payload.span
        let sections = try FrameSections(bytes, 0..<bytes.count)
        var reader = ByteReader(try sections.require(.stream))
        guard reader.remaining <= FrameLimit.streamByteLimit else {
            throw .damaged("the stream's name is too long")
        }
        let stream = try reader.text(bytes, count: reader.remaining)
        let sinks = try sinks(bytes, try sections.require(.sinks))
        let events = try events(bytes, try sections.require(.events), count: header.count)
        let (groups, keyID) = try groups(payload, try sections.require(.groups))
        guard areWhole(groups, eventCount: events.count),
            groups.isEmpty || groups[0].first == header.first
        else { throw .damaged("groups and events differ") }
        let positions = try PositionFormat.read(payload, try sections.require(.positions))
        reader = ByteReader(try sections.require(.head))
        let head = try reader.digest(bytes)
        var bodies = [UInt8]()
        if part == .whole {
            bodies = try self.bodies(
                header, payload, try sections.require(.bodies), byteCount: events.last?.end ?? 0)
        }
        var batch = SealedBatch(
            stream: stream, keyID: keyID, sinks: sinks, bodies: bodies, events: events,
            groups: groups, positions: positions, head: head)
        if let range = sections.find(.forgotten) {
            batch.forgotten = try PositionFormat.readForgotten(payload, range)
        }
        return batch
    }

    /// The sinks of a frame of which only the beginning is there; nil when they are not in it.
    static func peekSinks(_ bytes: Span<UInt8>) -> [String]? {
        guard bytes.count >= FrameHeader.byteCount else { return nil }
        var reader = ByteReader(FrameHeader.byteCount..<bytes.count)
        while let tag: UInt8 = try? reader.number(bytes) {
            guard (try? reader.take(3)) != nil, let length: UInt32 = try? reader.number(bytes),
                let content = try? reader.take(Int(length))
            else { return nil }
            if tag == FrameSections.Tag.sinks.rawValue { return try? sinks(bytes, content) }
        }
        return nil
    }

    private static func sinks(
        _ bytes: Span<UInt8>, _ range: Range<Int>
    ) throws(FrameProblem) -> [String] {
        var reader = ByteReader(range)
        var sinks = [String]()
        while reader.remaining > 0 {
            guard sinks.count < SealedBatch.sinkCountLimit else { throw .damaged("many sinks") }
            let count = Int(try reader.number(bytes) as UInt8)
            guard (1...FrameLimit.sinkByteLimit).contains(count) else {
                throw .damaged("a sink's id has \(count) bytes")
            }
            sinks.append(try reader.text(bytes, count: count))
        }
        return sinks
    }

    private static func events(
        _ bytes: Span<UInt8>, _ range: Range<Int>, count: Int
    ) throws(FrameProblem) -> [SealedEvent] {
        guard range.count == count * eventByteCount else {
            throw .damaged("the table of events has \(range.count) bytes for \(count) events")
        }
        var events = [SealedEvent]()
        events.reserveCapacity(count)
        var end = 0
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: eventByteCount) {
            let byteCount: UInt32 = ByteReader.number(bytes, at: offset)
            end += Int(byteCount)
            guard end <= FrameLimit.payloadByteLimit,
                let action = Action(rawValue: bytes[offset + 4]),
                let severity = Severity(rawValue: bytes[offset + 5])
            else { throw .damaged("event \(events.count) has an unknown word or length") }
            events.append(
                SealedEvent(
                    end: end, leaf: Digest(bytes: bytes, at: offset + 16), action: action,
                    severity: severity, sinkBits: ByteReader.number(bytes, at: offset + 8)))
        }
        return events
    }

    private static func groups(
        _ payload: borrowing [UInt8], _ range: Range<Int>
    ) throws(FrameProblem) -> (groups: [SealedGroup], keyID: UInt32) {
        guard range.count % groupByteCount == 0 else {
            throw .damaged("the table of groups is cut")
        }
        let bytes = payload.span
        var groups = [SealedGroup]()
        groups.reserveCapacity(range.count / groupByteCount)
        var keyID: UInt32?
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: groupByteCount) {
            let key: UInt32 = ByteReader.number(bytes, at: offset + 12)
            guard keyID == nil || keyID == key else { throw .damaged("groups of two keys") }
            keyID = key
            groups.append(
                SealedGroup(
                    first: ByteReader.number(bytes, at: offset),
                    count: Int(ByteReader.number(bytes, at: offset + 8) as UInt32),
                    previous: Digest(bytes: bytes, at: offset + 16),
                    signature: Array(payload[offset + 48..<offset + groupByteCount])))
        }
        return (groups, keyID ?? 0)
    }

    private static func bodies(
        _ header: FrameHeader, _ payload: borrowing [UInt8], _ range: Range<Int>, byteCount: Int
    ) throws(FrameProblem) -> [UInt8] {
        let bytes = payload.span
        var reader = ByteReader(range)
        let announced = Int(try reader.number(bytes) as UInt32)
        // The sum of the events was bounded when they were read.
        guard announced == byteCount else { throw .damaged("bodies and events differ") }
        let stored = reader.at..<reader.end
        if header.codec == FrameCodec.raw.rawValue {
            guard stored.count == byteCount else { throw .damaged("the bodies are cut") }
            return Array(payload[stored])
        }
        var bodies = [UInt8]()
        do {
            try ZstdDecoder().decompress(
                bytes.extracting(stored), byteCount: byteCount, into: &bodies)
        } catch {
            throw .damaged("\(error)")
        }
        return bodies
    }
}

/// Compresses bodies, for one thread; its memory is used again.
final class BodyCompressor {
    // Bodies shrink to 27 % at half the work of level 1, which shrinks them to 17 %.
    private let encoder = ZstdEncoder(level: -7)
    private var compressed: [UInt8] = []

    func append(_ bodies: Span<UInt8>, to output: inout ByteWriter) {
        compressed.removeAll(keepingCapacity: true)
        encoder.compress(bodies, into: &compressed)
        output.append(compressed)
    }
}
