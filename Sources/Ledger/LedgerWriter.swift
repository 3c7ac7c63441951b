// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The segment that is appended to.
struct ActiveSegment {
    let number: UInt64
    let file: any LedgerFile
    /// Its whole room.
    let byteCount: Int
    /// Behind its last committed frame.
    var end: Int

    /// What is left for frames.
    var room: Int { byteCount - end }
}

/// What only the appending thread knows: where it writes and what the next snapshot says.
struct LedgerWriter: ~Copyable {
    var active: ActiveSegment?
    var nextNumber: UInt64
    var positions: PositionTable
    var stream: String
    var nextSequence: UInt64
    var head: Digest
    private(set) var output = ByteWriter(capacity: 64 << 10)
    private let compressor: BodyCompressor?
    // The hash of a stream's name is made once per stream.
    private var streamID: (stream: String, id: UInt64) = ("", 0)

    /// Goes on from what was recovered.
    init(_ recovery: Recovery, nextNumber: UInt64, codec: FrameCodec) {
        positions = recovery.positions
        stream = recovery.stream ?? ""
        nextSequence = recovery.nextSequence
        head = recovery.head ?? .zero
        self.nextNumber = nextNumber
        compressor = codec == .zstd ? BodyCompressor() : nil
    }

    /// Writes room for the header and the payload of a batch to `output`.
    mutating func encode(
        _ batch: borrowing SealedBatch, configuration: LedgerConfiguration
    ) throws(LedgerError) {
        let expected = batch.stream == stream && !batch.events.isEmpty ? nextSequence : nil
        if let objection = BatchFormat.objection(to: batch, expecting: expected) {
            throw .refused(reason: objection)
        }
        output.removeAll()
        BatchFormat.encode(batch, compressor: compressor, into: &output)
        guard output.count - FrameHeader.byteCount <= FrameLimit.payloadByteLimit else {
            throw .refused(reason: "the frame would have \(output.count) bytes")
        }
    }

    /// Writes the header, once it is known which segment takes the frame.
    mutating func finish(_ batch: borrowing SealedBatch, segment: UInt64, codec: FrameCodec) {
        if streamID.stream != batch.stream {
            streamID = (batch.stream, FrameHeader.streamID(batch.stream))
        }
        BatchFormat.finish(
            &output, codec: codec, segment: segment, streamID: streamID.id,
            first: batch.events.isEmpty ? nextSequence : batch.firstSequence,
            count: batch.events.count)
    }

    /// Takes over what a batch says, after it is durable.
    mutating func commit(_ batch: borrowing SealedBatch, byteCount: Int) {
        active?.end += byteCount
        positions.merge(batch.positions)
        guard !batch.events.isEmpty else { return }
        stream = batch.stream
        nextSequence = batch.firstSequence + UInt64(batch.events.count)
        head = batch.head
    }

    /// What a segment that begins now opens with.
    func snapshot(at now: Timestamp) -> SegmentSnapshot {
        SegmentSnapshot(
            created: now, stream: stream, nextSequence: nextSequence, head: head,
            positions: positions.positions)
    }
}
