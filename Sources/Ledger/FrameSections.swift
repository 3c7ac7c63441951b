// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The parts of a payload, docs/formats/frame.md §4.
struct FrameSections {
    /// The known tags.
    enum Tag: UInt8, CaseIterable {
        case stream = 1
        case sinks = 2
        case events = 3
        case groups = 4
        case positions = 5
        case head = 6
        case bodies = 7
        case created = 8
        /// Reserved for the salt of a segment's key.
        case salt = 9
    }

    static let version: UInt8 = 1
    private static let headByteCount = 8

    // Indexed by tag, the first is unused.
    private var ranges = [Range<Int>?](repeating: nil, count: Tag.allCases.count + 1)

    /// Finds the sections of a payload.
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(FrameProblem) {
        var reader = ByteReader(range)
        while reader.remaining > 0 {
            let tag: UInt8 = try reader.number(bytes)
            let version: UInt8 = try reader.number(bytes)
            _ = try reader.take(2)
            let length: UInt32 = try reader.number(bytes)
            let content = try reader.take(Int(length))
            guard let known = Tag(rawValue: tag) else { continue }
            guard version == FrameSections.version else {
                throw .unsupported("section \(tag) has the version \(version)")
            }
            guard ranges[Int(known.rawValue)] == nil else {
                throw .damaged("section \(tag) is there twice")
            }
            ranges[Int(known.rawValue)] = content
        }
    }

    /// The content of a section; nil when the payload has none.
    func find(_ tag: Tag) -> Range<Int>? { ranges[Int(tag.rawValue)] }

    /// The content of a section that must be there.
    func require(_ tag: Tag) throws(FrameProblem) -> Range<Int> {
        guard let range = find(tag) else { throw .damaged("section \(tag.rawValue) is missing") }
        return range
    }

    /// Begins a section and answers where its length belongs.
    static func begin(_ tag: Tag, in output: inout ByteWriter) -> Int {
        output.append(tag.rawValue)
        output.append(version)
        output.append(littleEndian: UInt16(0))
        output.append(littleEndian: UInt32(0))
        return output.count
    }

    /// Ends the section that began at `start`.
    static func end(_ start: Int, in output: inout ByteWriter) {
        output.overwrite(littleEndian: UInt32(output.count - start), at: start - 4)
    }
}

/// What the first frame of a segment tells: the whole state at the moment it was begun.
struct SegmentSnapshot: Equatable, Sendable {
    var created: Timestamp
    var stream: String
    var nextSequence: UInt64
    var head: Digest
    var positions: [Position]

    /// Writes the header frame of a segment, alone, into an empty writer.
    func encode(segment: UInt64, into output: inout ByteWriter) {
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
        let checksum = output.withBytes { bytes in
            CRC32C.checksum(bytes.extracting(FrameHeader.byteCount..<bytes.count))
        }
        let header = FrameHeader(
            type: .segmentHeader, codec: FrameCodec.raw.rawValue,
            payloadByteCount: output.count - FrameHeader.byteCount, payloadChecksum: checksum,
            segment: segment, streamID: FrameHeader.streamID(stream), first: nextSequence,
            count: 0)
        header.write(to: &output, at: 0)
    }

    /// Reads the payload of a header frame.
    init(_ header: FrameHeader, payload: borrowing [UInt8]) throws(FrameProblem) {
        try header.requireReadable()
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
    }

    /// Describes a state.
    init(
        created: Timestamp, stream: String, nextSequence: UInt64, head: Digest,
        positions: [Position]
    ) {
        self.created = created
        self.stream = stream
        self.nextSequence = nextSequence
        self.head = head
        self.positions = positions
    }
}

extension FrameHeader {
    /// Throws when the payload needs more than this version knows.
    func requireReadable() throws(FrameProblem) {
        guard keyID == 0 else { throw .unsupported("the frame is encrypted") }
        guard FrameCodec(rawValue: codec) != nil else {
            throw .unsupported("the codec has the number \(codec)")
        }
    }
}
