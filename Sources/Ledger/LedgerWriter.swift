// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The segment that is appended to.
struct ActiveSegment {
    let number: UInt64
    let file: any LedgerFile
    /// Its whole room.
    var byteCount: Int
    /// Behind its last committed frame.
    var end: Int
    /// Encrypts its frames; nil when they are written in clear.
    let cipher: SegmentCipher?
    /// True while it takes the agent's own events only.
    var isReserve = false
    /// The number of the next frame; the segment header was 0.
    var frameNumber: UInt64 = 1

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
    /// How many events named each sink.
    private(set) var counts: [String: UInt64]
    /// How many positions were left out because there were too many.
    private(set) var droppedPositionCount: UInt64 = 0
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
        counts = recovery.counts ?? [:]
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
        let byteCount = output.count - FrameHeader.byteCount + SegmentCipher.overheadByteCount
        guard byteCount <= FrameLimit.payloadByteLimit else {
            throw .refused(reason: "the frame would have \(byteCount) bytes")
        }
    }

    /// Writes the header, once it is known which segment takes the frame, and encrypts the rest.
    mutating func finish(
        _ batch: borrowing SealedBatch, for segment: ActiveSegment, codec: FrameCodec
    ) {
        if streamID.stream != batch.stream {
            streamID = (batch.stream, FrameHeader.streamID(batch.stream))
        }
        BatchFormat.finish(
            &output, codec: codec, segment: segment.number, streamID: streamID.id,
            first: batch.events.isEmpty ? nextSequence : batch.firstSequence,
            count: batch.events.count, number: segment.frameNumber, cipher: segment.cipher)
    }

    /// Takes over what a batch says, after it is durable.
    mutating func commit(_ batch: borrowing SealedBatch, byteCount: Int) {
        active?.end += byteCount
        active?.frameNumber += 1
        positions.merge(batch.positions)
        positions.remove(batch.forgotten)
        for sink in batch.sinks { counts[sink, default: 0] += UInt64(batch.events.count) }
        guard !batch.events.isEmpty else { return }
        stream = batch.stream
        nextSequence = batch.firstSequence + UInt64(batch.events.count)
        head = batch.head
    }

    /// The header of a segment that begins now; positions that do not fit are left out.
    mutating func encodeSnapshot(
        at now: Timestamp, cipher: SegmentCipher?, positionCountLimit: Int
    ) -> [UInt8] {
        if counts.count > SegmentSnapshot.countLimit { counts = [:] }
        drop(positions.limit(to: positionCountLimit))
        var header = ByteWriter(capacity: 4096)
        while true {
            SegmentSnapshot(
                created: now, stream: stream, nextSequence: nextSequence, head: head,
                positions: positions.positions, counts: counts
            ).encode(segment: nextNumber, cipher: cipher, into: &header)
            if header.count - FrameHeader.byteCount <= FrameLimit.payloadByteLimit {
                return header.makeArray()
            }
            // Very long paths; the files that moved last matter most.
            drop(positions.limit(to: positions.count / 2))
            header.removeAll()
        }
    }

    private mutating func drop(_ count: Int) {
        droppedPositionCount += UInt64(count)
    }
}
