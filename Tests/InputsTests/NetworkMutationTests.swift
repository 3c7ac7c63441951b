// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

/// Seeded mutations of everything that strangers may send. `SEED` begins with another seed,
/// `FUZZ_SECONDS` goes on with further ones for that long.
struct NetworkMutationTests {
    private static let seedCount: UInt64 = 20
    private let clock = SystemClock()

    /// Runs the body with one seed after the other.
    private func withSeeds(_ body: (inout SeededRandom, UInt64) throws -> Void) rethrows {
        let first = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 1
        let seconds = ProcessFacts.environment("FUZZ_SECONDS").flatMap { Int($0) }
        let end = clock.monotonic().advanced(by: .seconds(seconds ?? 0))
        var seed = first
        while seed - first < NetworkMutationTests.seedCount
            || seconds != nil && clock.monotonic() < end
        {
            var random = SeededRandom(seed)
            try body(&random, seed)
            seed += 1
        }
    }

    private func mutated(_ sample: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = sample
        for _ in 0..<random.next(8) { bytes[random.next(bytes.count)] = UInt8(random.next(256)) }
        bytes.removeLast(random.next(bytes.count))
        return bytes
    }

    /// Whatever comes, in whatever pieces: no trap, no message over the limit, and the same
    /// messages as in one piece.
    @Test func syslogFramingIsTotalAndBlindToPieces() {
        let sample = Array(
            ("33 <34>1 2026-11-21T10:00:00Z h a - -\n8 <1>a b\n"
                + "<13>Nov 21 10:00:00 h t: m\n7 <2>\0xy").utf8)
        withSeeds { random, seed in
            for _ in 0..<30 {
                let bytes = mutated(sample + sample + sample, &random)
                let whole = run(bytes, pieces: bytes.count + 1, byteLimit: 20)
                let cut = run(bytes, pieces: 1 + random.next(9), byteLimit: 20)
                #expect(whole.0 == cut.0 && whole.1 == cut.1, "seed \(seed)")
                let isBounded = whole.0.allSatisfy { $0.bytes.count <= 20 && !$0.bytes.isEmpty }
                #expect(isBounded, "seed \(seed)")
            }
        }
    }

    private func run(
        _ bytes: [UInt8], pieces: Int, byteLimit: Int
    ) -> ([SyslogFraming.Message], Bool) {
        var framing = SyslogFraming(byteLimit: byteLimit)
        var list: [SyslogFraming.Message] = []
        var rest = bytes[...]
        do throws(SyslogFraming.Fault) {
            while !rest.isEmpty {
                framing.append(Array(rest.prefix(pieces)))
                rest = rest.dropFirst(pieces)
                while let message = try framing.next() { list.append(message) }
            }
        } catch {
            return (list, true)
        }
        if let last = framing.finish() { list.append(last) }
        return (list, false)
    }

    /// The message is always the end of what came, and the other parts stand before it.
    @Test func syslogHeadersAreTotal() {
        let samples = [
            "<34>1 2026-11-21T10:00:00.003Z h su 123 ID47 [a b=\"c\\\"\"] it works",
            "<13>Nov 21 10:00:00 h keycloak[12]: type=\"LOGIN\"", "<13>2026-11-21T10:00:00Z h a: b",
        ].map { Array($0.utf8) }
        withSeeds { random, seed in
            for _ in 0..<60 {
                let bytes = mutated(samples[random.next(samples.count)], &random)
                // A slice that does not begin at 0, as in a buffer.
                let slice = ([0, 0, 0] + bytes)[3...]
                let header = SyslogHeader(slice)
                var isSound =
                    header.message.upperBound == slice.endIndex
                    && header.message.lowerBound >= slice.startIndex
                for part in [header.host, header.application].compactMap({ $0 }) {
                    isSound =
                        isSound && !part.isEmpty && part.lowerBound >= slice.startIndex
                        && part.upperBound <= header.message.lowerBound
                }
                #expect(isSound, "seed \(seed)")
            }
        }
    }

    /// The records stand apart, in order, inside the body.
    @Test func bodiesOfRequestsAreTotal() {
        let sample = Array(
            "[{\"a\":\"b\\\"c\",\"d\":[1,{\"e\":null}]},{\"f\":-1.5e3}]\n{\"g\":1}".utf8)
        withSeeds { random, seed in
            for _ in 0..<60 {
                let bytes = mutated(sample, &random)
                for form in [HTTPRequestRules.Form.json, .lines, .either] {
                    guard
                        let records = try? HTTPBodyRecords(bytes, form: form, countLimit: 1000)
                    else { continue }
                    var end = 0
                    var isSound = true
                    for range in records.records.map(\.range) {
                        isSound = isSound && !range.isEmpty && range.lowerBound >= end
                        end = range.upperBound
                    }
                    #expect(isSound && end <= bytes.count, "seed \(seed)")
                }
            }
        }
    }

    @Test func cursorsOfJournalsAreTotal() {
        let sample = Array("s=fdb025a5;i=1f;b=0011;m=3e8;t=60a24181e4000;x=828653b4".utf8)
        withSeeds { random, seed in
            for _ in 0..<60 {
                let text = String(decoding: mutated(sample, &random), as: UTF8.self)
                guard var resume = JournalResume(after: text) else { continue }
                let last = resume.last
                let verdict = resume.judge(last, isSame: true)
                #expect(verdict == .skip, "seed \(seed)")
            }
        }
    }
}

/// Numbers that come the same for the same seed.
struct SeededRandom {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    /// 0 up to, and without, the bound.
    mutating func next(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(max(bound, 1)))
    }
}
