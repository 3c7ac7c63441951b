// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// Bytes that no writer wrote: every reader must come to an end with a value or an error.
struct LedgerFuzzTests {
    /// Some bytes changed, moved, left out or doubled.
    private func mutate(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            let length = min(Int.random(in: 1...24, using: &generator), bytes.count - place)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            case 1: bytes[place] = [0, 0xFF, 0x7F, 0x80].randomElement(using: &generator) ?? 0
            case 2: bytes.removeSubrange(place..<place + length)
            case 3: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
            case 4:
                for index in place..<place + length {
                    bytes[index] = UInt8.random(in: 0...255, using: &generator)
                }
            default: bytes = Array(bytes.prefix(place))
            }
        }
        return bytes
    }

    private func rounds(_ count: Int, _ body: (UInt64) throws -> Void) rethrows {
        for seed in 0..<UInt64(count) { try body(seed) }
        let fuzz = FuzzTime()
        var seed = fuzz.seed
        while fuzz.goesOn {
            try body(seed)
            seed &+= 1
        }
    }

    @Test func mutatedPayloadsAreDecodedOrRefused() throws {
        var maker = BatchMaker(seed: 1)
        var batch = maker.make(count: 5, bodyByteLimit: 12, offset: 7)
        batch.forgotten = [filePosition(offset: 1).identity]
        let plain = frameBytes(batch)
        let zstd = frameBytes(batch, codec: .zstd)
        var output = ByteWriter()
        SegmentSnapshot(
            created: Timestamp(microseconds: 1), stream: maker.stream, nextSequence: 3,
            head: .zero, positions: batch.positions, counts: ["siem": 4]
        ).encode(segment: 1, into: &output)
        let snapshot = output.makeArray()
        var decodedCount = 0
        rounds(600) { seed in
            var generator = SeededGenerator(seed: seed)
            for frame in [plain, zstd, snapshot] {
                guard case .header(let header) = reading(frame) else { continue }
                let payload = mutate(Array(frame[64...]), &generator)
                var changed = header
                if Bool.random(using: &generator) {
                    changed.count = Int.random(in: 0...1 << 20, using: &generator)
                }
                changed.payloadByteCount = payload.count
                if (try? BatchFormat.decode(changed, payload: payload)) != nil { decodedCount += 1 }
                _ = try? BatchFormat.decode(changed, payload: payload, .tables)
                _ = try? SegmentSnapshot(changed, payload: payload)
                _ = BatchFormat.peekSinks(payload.span)
                _ = try? PositionFormat.read(payload, 0..<payload.count)
                _ = try? PositionFormat.readForgotten(payload, 0..<payload.count)
                _ = CursorFile.read(payload.span)
            }
        }
        #expect(decodedCount > 0)
    }

    @Test func mutatedPositionsAreReadOrRefusedAndWrittenBackTheSame() throws {
        let positions =
            (1...4).map { filePosition(key: $0, offset: $0) } + [
                Position(input: "journal", place: .cursor("s=1;i=2")),
                Position(input: "syslog", place: .count(7)),
                Position(input: "later", place: .foreign(tag: 9, version: 2, bytes: [2, 1, 2, 3])),
            ]
        var output = ByteWriter()
        PositionFormat.append(positions, to: &output)
        let bytes = output.makeArray()
        rounds(2000) { seed in
            var generator = SeededGenerator(seed: seed)
            let changed = mutate(bytes, &generator)
            guard let read = try? PositionFormat.read(changed, 0..<changed.count) else { return }
            var again = ByteWriter()
            PositionFormat.append(read, to: &again)
            let written = again.makeArray()
            let twice = try? PositionFormat.read(written, 0..<written.count)
            #expect(twice == read, "seed \(seed)")
        }
    }

    @Test func mutatedSegmentsAreOpenedReadAndGoneOnWith() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 2)
        let configuration = LedgerConfiguration.small(segment: 2048)
        let (ledger, _) = try openLedger(disk, configuration)
        for index in 0..<8 { try ledger.append(maker.make(count: 3, offset: UInt64(index))) }
        try ledger.close()
        let paths = disk.paths.filter { $0.hasSuffix(".seg") }
        try rounds(80) { seed in
            var generator = SeededGenerator(seed: seed)
            let changed = disk.copy()
            for path in paths where Bool.random(using: &generator) {
                changed[path] = mutate(try #require(disk[path]), &generator)
            }
            let (second, _) = try openLedger(changed, configuration)
            let sequence = try second.sequence()
            #expect(Set(sequence).isSubset(of: Set(0..<24)), "seed \(seed)")
            var other = BatchMaker(seed: seed)
            other.stream = "idp1.example.com/main/00000000000000dd"
            let batch = other.make(count: 2)
            try second.append(batch)
            #expect(
                try second.frames().last?.batch.isSame(as: batch) == true, "seed \(seed)")
        }
    }
}
