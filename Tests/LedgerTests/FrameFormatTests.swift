// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// A batch frame as bytes.
func frameBytes(
    _ batch: SealedBatch, segment: UInt64 = 1, codec: FrameCodec = .raw
) -> [UInt8] {
    var output = ByteWriter()
    BatchFormat.encode(
        batch, compressor: codec == .zstd ? BodyCompressor() : nil, into: &output)
    BatchFormat.finish(
        &output, codec: codec, segment: segment, streamID: FrameHeader.streamID(batch.stream),
        first: batch.firstSequence, count: batch.events.count)
    return output.makeArray()
}

func reading(_ bytes: [UInt8]) -> FrameHeader.Reading { FrameHeader.read(bytes.span, at: 0) }

func decodeFrame(_ bytes: [UInt8]) throws -> SealedBatch {
    guard case .header(let header) = FrameHeader.read(bytes.span, at: 0) else {
        throw FrameProblem.damaged("no header")
    }
    let payload = Array(bytes[64...])
    guard header.matches(payload: payload.span) else { throw FrameProblem.damaged("payload") }
    return try BatchFormat.decode(header, payload: payload)
}

struct FrameFormatTests {
    @Test(arguments: FrameCodec.allCases)
    func whatWasEncodedIsDecoded(codec: FrameCodec) throws {
        var maker = BatchMaker(seed: 1)
        for round in 0..<60 {
            let batch = maker.make(count: (round * 7) % 150, offset: UInt64(round))
            let decoded = try decodeFrame(frameBytes(batch, codec: codec))
            if batch.events.isEmpty {
                #expect(decoded.bodies.isEmpty && decoded.positions == batch.positions)
            } else {
                #expect(decoded.isSame(as: batch))
            }
        }
    }

    @Test func tablesComeWithoutBodies() throws {
        var maker = BatchMaker(seed: 2)
        let batch = maker.make(count: 3, offset: 9)
        let bytes = frameBytes(batch, codec: .zstd)
        guard case .header(let header) = FrameHeader.read(bytes.span, at: 0) else {
            Issue.record("no header")
            return
        }
        let tables = try BatchFormat.decode(header, payload: Array(bytes[64...]), .tables)
        #expect(tables.bodies.isEmpty && tables.events == batch.events)
        #expect(tables.positions == batch.positions && tables.head == batch.head)
    }

    @Test func aSnapshotIsDecoded() throws {
        let snapshot = SegmentSnapshot(
            created: Timestamp(microseconds: 1), stream: "a/main/0", nextSequence: 7,
            head: .zero, positions: [filePosition(offset: 3)])
        var output = ByteWriter()
        snapshot.encode(segment: 5, into: &output)
        let bytes = output.makeArray()
        guard case .header(let header) = FrameHeader.read(bytes.span, at: 0) else {
            Issue.record("no header")
            return
        }
        #expect(header.type == .segmentHeader && header.segment == 5)
        #expect(try SegmentSnapshot(header, payload: Array(bytes[64...])) == snapshot)
    }

    @Test func unknownPositionsAreCarriedAlong() throws {
        let places: [Position.Place] = [
            .foreign(tag: 99, version: 3, bytes: [2, 7, 8, 1, 2, 3]),
            .foreign(tag: 1, version: 2, bytes: [0]), .cursor("s=1;i=2"), .count(77),
        ]
        let positions = places.map { Position(input: "later", place: $0) }
        var output = ByteWriter()
        PositionFormat.append(positions, to: &output)
        let bytes = output.makeArray()
        #expect(try PositionFormat.read(bytes, 0..<bytes.count) == positions)
    }

    @Test func unknownPositionsAreMergedByTheirKey() {
        func foreign(_ bytes: [UInt8]) -> Position {
            Position(input: "later", place: .foreign(tag: 99, version: 1, bytes: bytes))
        }
        var table = PositionTable()
        table.merge([foreign([1, 10, 0]), foreign([1, 20, 0]), filePosition(offset: 1)])
        table.merge([foreign([1, 10, 9]), filePosition(key: 0xB2, offset: 5)])
        table.merge([filePosition(offset: 2)])
        #expect(
            table.positions == [
                foreign([1, 20, 0]), foreign([1, 10, 9]), filePosition(key: 0xB2, offset: 5),
                filePosition(offset: 2),
            ])
        table.remove([filePosition(offset: 0).identity, foreign([1, 20, 5]).identity])
        #expect(table.positions == [foreign([1, 10, 9]), filePosition(key: 0xB2, offset: 5)])
        // Too many: those that moved last stay.
        #expect(table.limit(to: 1) == 1)
        #expect(table.positions == [filePosition(key: 0xB2, offset: 5)])
    }

    @Test func anUnknownSectionIsSkipped() throws {
        var maker = BatchMaker(seed: 3)
        let batch = maker.make(count: 2, offset: 1)
        let bytes = frameBytes(batch)
        let payload = [200, 9, 0, 0, 3, 0, 0, 0, 1, 2, 3] + Array(bytes[64...])
        guard case .header(let header) = FrameHeader.read(bytes.span, at: 0) else {
            Issue.record("no header")
            return
        }
        #expect(try BatchFormat.decode(header, payload: payload).isSame(as: batch))
    }

    @Test func aLaterVersionOfASectionIsRefusedAndIsNoDamage() throws {
        var maker = BatchMaker(seed: 4)
        let bytes = frameBytes(maker.make(count: 2))
        var payload = Array(bytes[64...])
        payload[1] = 2
        guard case .header(var header) = FrameHeader.read(bytes.span, at: 0) else {
            Issue.record("no header")
            return
        }
        let changed = payload
        #expect(throws: FrameProblem.unsupported("section 1 has the version 2")) {
            try BatchFormat.decode(header, payload: changed)
        }
        header.codec = 9
        #expect(throws: FrameProblem.unsupported("the codec has the number 9")) {
            try BatchFormat.decode(header, payload: Array(bytes[64...]))
        }
        header.codec = 0
        header.keyID = 1
        #expect(throws: FrameProblem.locked(1)) {
            try BatchFormat.decode(header, payload: Array(bytes[64...]))
        }
    }

    @Test func hostileBytesNeverTrap() {
        var generator = SeededGenerator(seed: 5)
        var maker = BatchMaker(seed: 6)
        let original = frameBytes(maker.make(count: 5, offset: 4))
        guard case .header(let header) = FrameHeader.read(original.span, at: 0) else {
            Issue.record("no header")
            return
        }
        var decoded = 0
        for _ in 0..<5_000 {
            var payload = Array(original[64...])
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<payload.count, using: &generator)
                let any = UInt8.random(in: 0...255, using: &generator)
                payload[place] = [0, 1, 0x7F, 0xFF, any].randomElement(using: &generator) ?? 0
            }
            if Int.random(in: 0...9, using: &generator) == 0 {
                payload.removeLast(Int.random(in: 0...payload.count, using: &generator))
            }
            if (try? BatchFormat.decode(header, payload: payload)) != nil { decoded += 1 }
        }
        // Changes inside bodies, leaves and signatures still decode; the others must not.
        #expect(decoded > 250 && decoded < 4_750)
    }

    @Test func aHeaderOfAnotherVersionIsNamed() {
        var maker = BatchMaker(seed: 7)
        var bytes = frameBytes(maker.make(count: 1))
        bytes[4] = 2
        #expect(reading(bytes) == .nothing)
        let checksum = CRC32C.checksum(bytes.span.extracting(0..<60))
        for index in 0..<4 {
            bytes[60 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(index * 8))
        }
        #expect(reading(bytes) == .otherVersion(2))
    }

    @Test func batchesThatAReaderWouldRefuseAreNotWritten() {
        var maker = BatchMaker(seed: 8)
        let good = maker.make(count: 70)
        #expect(BatchFormat.objection(to: good, expecting: nil) == nil)
        #expect(BatchFormat.objection(to: good, expecting: 5) != nil)
        var bad = good
        bad.groups.removeLast()
        #expect(BatchFormat.objection(to: bad, expecting: nil) == "groups and events differ")
        bad = good
        bad.bodies.append(0)
        #expect(BatchFormat.objection(to: bad, expecting: nil) == "bodies and events differ")
        bad = good
        bad.sinks = [String(repeating: "s", count: 65)]
        #expect(BatchFormat.objection(to: bad, expecting: nil) == "the sinks do not fit")
        bad = good
        bad.groups[0].signature.removeLast()
        #expect(BatchFormat.objection(to: bad, expecting: nil) != nil)
    }
}
