// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

/// Every parser with records that were changed at random, its own and those of others. `SEED`
/// begins with another seed, `FUZZ_SECONDS` goes on with further ones for that long.
struct ParserMutationTests {
    /// The batches of each parser in the fast suite, and the records of a batch.
    private static let batchCount = 3
    private static let recordCount = 64

    /// The records of all fixtures, each with its parser.
    private static let records: [[UInt8]] = Shipped.names.flatMap { name in
        ((try? Shipped.fixtures(name))?.blocks ?? []).map(\.bytes)
    }

    @Test(arguments: Shipped.names)
    func mutatedRecordsHaveExactlyOneFate(_ name: String) throws {
        let own = try Shipped.fixtures(name).blocks.map(\.bytes)
        let first = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 20_261_121
        let seconds = ProcessFacts.environment("FUZZ_SECONDS").flatMap { Int($0) } ?? 0
        let clock = SystemClock()
        // The parsers share the time.
        let share = Duration.seconds(seconds) / Shipped.names.count
        let end = clock.monotonic().advanced(by: share)
        var parser = RecordParser(
            program: try Shipped.program(name),
            context: Shipped.context(pseudonymized: [.actorName], keepsRaw: true))
        var seed = first
        while seed - first < ParserMutationTests.batchCount || clock.monotonic() < end {
            var random = SplitMix(seed: seed)
            let records = (0..<ParserMutationTests.recordCount).map { _ in
                let isForeign = random.below(8) == 0
                let all = isForeign ? ParserMutationTests.records : own
                return random.mutate(all[random.below(all.count)])
            }
            check(parser.parse(Shipped.batch(records)), records.count, seed)
            seed += 1
        }
    }

    private func check(_ events: EventBatch, _ count: Int, _ seed: UInt64) {
        let tally = events.tally
        let ignored = tally.ignored.values.reduce(0, +)
        let dropped = tally.dropped.values.reduce(0, +)
        #expect(tally.read == tally.parsed + ignored + dropped, "seed \(seed)")
        #expect(tally.events == events.events.count && tally.read == count, "seed \(seed)")
        #expect(tally.elements.parsed <= tally.events, "seed \(seed)")
        for value in events.values { check(value, events, seed) }
        var encoder = CanonicalEncoder()
        for event in events.events {
            var body = ByteWriter()
            encoder.encode(event, in: events, id: Array(repeating: 0x30, count: 32), to: &body)
            let isDocument = body.withBytes { JSONReader().read($0) }
            #expect(isDocument, "seed \(seed): \(body.makeString())")
        }
    }

    private func check(_ value: FieldValue, _ events: EventBatch, _ seed: UInt64) {
        let bytes: ArraySlice<UInt8>
        switch value.form {
        case .block: bytes = events.records.bytes[value.range]
        case .scratch: bytes = events.scratch[value.range]
        case .constant: bytes = events.constants[value.range]
        case .word, .integer, .boolean, .time, .set, .map: return
        }
        if bytes.isEmpty { Issue.record("seed \(seed): \(value.field) is empty") }
        if !UTF8Repair.isValid(Array(bytes).span) {
            Issue.record("seed \(seed): \(value.field) is no UTF-8")
        }
    }
}

/// Random numbers that are the same in every run.
struct SplitMix {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(limit, 1))) }

    /// One to four small changes: bytes set, taken out, put in, doubled, or the end cut off.
    mutating func mutate(_ record: [UInt8]) -> [UInt8] {
        var bytes = record
        let telling: [UInt8] = Array("\"'\\,= {}[]:\u{0}\n".utf8) + [0xFF, 0xC3, 0xED, 0x80]
        for _ in 0...below(4) where !bytes.isEmpty {
            let place = below(bytes.count)
            switch below(7) {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: next())
            case 1: bytes[place] = telling[below(telling.count)]
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(telling[below(telling.count)], at: place)
            case 4: bytes.removeSubrange(place...)
            case 5:
                let end = min(bytes.count, place + below(40))
                bytes.insert(contentsOf: bytes[place..<end], at: below(bytes.count))
            default:
                let end = min(bytes.count, place + below(20))
                bytes.removeSubrange(place..<end)
            }
        }
        return bytes
    }
}
