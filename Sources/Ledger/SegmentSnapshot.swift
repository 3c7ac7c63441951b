// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What the first frame of a segment tells: the whole state at the moment it was begun.
struct SegmentSnapshot: Equatable, Sendable {
    var created: Timestamp
    var stream: String
    var nextSequence: UInt64
    var head: Digest
    var positions: [Position]
    /// How many events named each sink so far; nil when the writer did not count yet.
    var counts: [String: UInt64]?

    /// The most sinks that are counted.
    static let countLimit = 256

    /// Describes a state.
    init(
        created: Timestamp, stream: String, nextSequence: UInt64, head: Digest,
        positions: [Position], counts: [String: UInt64]? = [:]
    ) {
        self.created = created
        self.stream = stream
        self.nextSequence = nextSequence
        self.head = head
        self.positions = positions
        self.counts = counts
    }

    /// Writes the header frame of a segment, alone, into an empty writer.
    func encode(segment: UInt64, cipher: SegmentCipher? = nil, into output: inout ByteWriter) {
        FrameHeader.reserve(in: &output)
        var start = FrameSections.begin(.created, in: &output)
        output.append(littleEndian: created.microseconds)
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.stream, in: &output)
        output.append(stream)
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.head, in: &output)
        output.append(head)
        FrameSections.end(start, in: &output)
        start = FrameSections.begin(.positions, in: &output)
        PositionFormat.append(positions, to: &output)
        FrameSections.end(start, in: &output)
        if let counts {
            start = FrameSections.begin(.counts, in: &output)
            for (sink, count) in counts.sorted(by: { $0.key < $1.key }) {
                output.append(UInt8(sink.utf8.count))
                output.append(sink)
                output.append(littleEndian: count)
            }
            FrameSections.end(start, in: &output)
        }
        let header = FrameHeader(
            type: .segmentHeader, codec: FrameCodec.raw.rawValue, payloadByteCount: 0,
            payloadChecksum: 0, segment: segment, streamID: FrameHeader.streamID(stream),
            first: nextSequence, count: 0)
        header.finish(&output, cipher: cipher)
    }

    /// Reads the payload of a header frame.
    init(
        _ header: FrameHeader, payload: borrowing [UInt8], keys: EncryptionKeyRing? = nil
    ) throws(FrameProblem) {
        try header.requireReadable()
        if header.keyID == 0 {
            try self.init(header, clear: payload)
        } else {
            try self.init(header, clear: try header.decrypt(payload.span, keys))
        }
    }

    private init(_ header: FrameHeader, clear payload: borrowing [UInt8]) throws(FrameProblem) {
        let bytes = payload.span
        let sections = try FrameSections(bytes, 0..<bytes.count)
        var reader = ByteReader(try sections.require(.created))
        created = Timestamp(microseconds: try reader.number(bytes))
        reader = ByteReader(try sections.require(.stream))
        stream = try reader.text(bytes, count: reader.remaining)
        reader = ByteReader(try sections.require(.head))
        head = try reader.digest(bytes)
        positions = try PositionFormat.read(payload, try sections.require(.positions))
        nextSequence = header.first
        counts = try sections.find(.counts).map { range throws(FrameProblem) in
            try SegmentSnapshot.counts(bytes, range)
        }
    }

    private static func counts(
        _ bytes: Span<UInt8>, _ range: Range<Int>
    ) throws(FrameProblem) -> [String: UInt64] {
        var reader = ByteReader(range)
        var counts: [String: UInt64] = [:]
        while reader.remaining > 0 {
            let byteCount = Int(try reader.number(bytes) as UInt8)
            let sink = try reader.text(bytes, count: byteCount)
            counts[sink] = try reader.number(bytes)
            guard counts.count <= countLimit else { throw .damaged("many sinks are counted") }
        }
        return counts
    }
}
