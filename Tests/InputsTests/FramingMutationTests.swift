// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct FramingMutationTests {
    private static let alphabet: [String] = {
        var lines = [
            "2026-11-20 raw a\n", "\tat raw b\n", "{\n", "  \"a\": [\n", "  ]\n", "}\n", "\n",
            "{\"whole\":1}\n", "text\n", "\u{1B}[1mcolour\u{1B}[0m\n", "kc-1  | 2026-11-20 x\n",
            "kc-1  |   more\n", "db-1  | 2026-11-20 y\n", "unfinished", "[{\"x\": {\n",
            "Nov  3 12:30:37 h app[1]: 2026-11-20 s\n", "Nov  3 12:30:39 h app[1]: \tat s\n",
        ]
        for second in [1, 2, 9] {
            for output in ["stdout", "stderr"] {
                for log in ["2026-11-20 d", "2026-11-20 d\\n", "\\tat d\\n", "{\\n", "}\\n"] {
                    lines.append(WrappedSplitterTests.docker(log, output, at: second))
                }
                for tag in ["P", "F"] {
                    lines.append(WrappedSplitterTests.cri("2026-11-20 c", tag, output, at: second))
                    lines.append(
                        WrappedSplitterTests.cri(" c c c c c c c c", tag, output, at: second))
                }
            }
        }
        return lines
    }()

    private static func framings() throws -> [RecordFraming] {
        var products = RecordFraming(wrapper: .auto, recordByteLimit: 300)
        products.products = [
            ProductLines(
                recognition: [try RegularExpression("^2026")],
                recordStart: try RegularExpression("^\\d{4}-")),
            ProductLines(recognition: [try RegularExpression("^text")], recordStart: nil),
        ]
        return [
            RecordFraming(wrapper: .auto), RecordFraming(wrapper: .auto, recordByteLimit: 40),
            RecordFraming(wrapper: .docker, recordByteLimit: 60),
            try WrappedSplitterTests.joining(.auto),
            try WrappedSplitterTests.joining(.auto, byteLimit: 40, lineLimit: 3),
            try WrappedSplitterTests.joining(.raw, byteLimit: 30),
            try WrappedSplitterTests.joining(.cri, byteLimit: 50), products,
        ]
    }

    /// `SEED` picks another plan, `FUZZ_SECONDS` goes on for that long.
    @Test func mutationOfWrappedLinesGivesTheSameRecordsHoweverTheyAreShown() throws {
        let clock = SystemClock()
        let seconds = ProcessFacts.environment("FUZZ_SECONDS").flatMap { Int($0) }
        let end = clock.monotonic().advanced(by: .seconds(seconds ?? 0))
        var seed = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 1
        var rounds = 0
        let framings = try Self.framings()
        while rounds < 300 || (seconds != nil && clock.monotonic() < end) {
            for (number, framing) in framings.enumerated() {
                guard Self.isSame(framing, number, seed) else { return }
            }
            seed &+= 1
            rounds += 1
        }
    }

    private static func isSame(_ framing: RecordFraming, _ number: Int, _ seed: UInt64) -> Bool {
        var random = Xorshift(seed)
        let text = (0..<2 + random.next(24)).map { _ in alphabet[random.next(alphabet.count)] }
            .joined()
        let whole = WrappedSplitterTests.split(text, framing)
        #expect(whole.end == text.utf8.count)
        let followed = WrappedSplitterTests.follow(text, framing, seed: seed)
        guard followed != whole.seen else { return true }
        let same = zip(followed, whole.seen).prefix { $0 == $1 }.count
        Issue.record(
            """
            seed \(seed), framing \(number), record \(same): \
            \(followed.dropFirst(same).first.debugDescription) instead of \
            \(whole.seen.dropFirst(same).first.debugDescription) in \(text.debugDescription)
            """)
        return false
    }

    /// Lines of every kind with bytes changed, left out and put in: nothing traps, every byte is
    /// accounted for, and what is cut out lies in its block.
    @Test func mutatedWrappersNeverTrap() throws {
        let clock = SystemClock()
        let seconds = ProcessFacts.environment("FUZZ_SECONDS").flatMap { Int($0) }
        let end = clock.monotonic().advanced(by: .seconds(seconds ?? 0))
        var seed = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 1
        var rounds = 0
        let framings = try Self.framings()
        while rounds < 300 || (seconds != nil && clock.monotonic() < end) {
            for framing in framings { Self.mutate(framing, seed) }
            seed &+= 1
            rounds += 1
        }
    }

    private static let seeds: [String] =
        alphabet + [
            #"{"__REALTIME_TIMESTAMP":"1795161600123456","_HOSTNAME":"h","MESSAGE":[104,228]}"#
                + "\n",
            #"{"log":"\ud83d\ude00\u00fc\\\"","stream":"stdout","attrs":{"a":[1]},"time":"#
                + #""2026-11-20T08:00:00.1+01:00"}"# + "\n",
            "<34>1 2026-11-20T08:00:00Z h a - - [x y=\"]\\\"\"] \u{FEFF}m\n",
        ]

    private static func mutate(_ framing: RecordFraming, _ seed: UInt64) {
        var random = Xorshift(seed)
        var bytes: [UInt8] = []
        for _ in 0..<1 + random.next(8) { bytes += Array(seeds[random.next(seeds.count)].utf8) }
        for _ in 0..<random.next(6) where !bytes.isEmpty {
            let place = random.next(bytes.count)
            switch random.next(3) {
            case 0: bytes[place] = UInt8(random.next(256))
            case 1: bytes.remove(at: place)
            default: bytes.insert(UInt8(random.next(256)), at: place)
            }
        }
        var splitter = RecordSplitter(framing)
        var skip = RecordSplitter.Skip.nothing
        var start = 0
        repeat {
            var block = Array(bytes[start...])
            let count = block.count
            splitter.split(
                block.span, from: 0, origin: UInt64(start), skip: &skip, at: .flushAll)
            #expect(splitter.end <= count, "seed \(seed)")
            #expect(splitter.hasMore || splitter.end == count, "seed \(seed)")
            start += splitter.end
            guard !splitter.records.isEmpty else { continue }
            let cut = splitter.take(from: &block)
            let most = cut.bytes.count - RecordBatch.paddingByteCount
            for (index, record) in cut.records.enumerated() {
                #expect(record.count > 0 && record.count <= framing.recordByteLimit)
                #expect(record.range.upperBound <= most, "seed \(seed)")
                let body = cut.bodies.isEmpty ? nil : cut.bodies[index]
                #expect(Int(body?.upperBound ?? 0) <= most, "seed \(seed)")
            }
        } while splitter.hasMore
    }
}
