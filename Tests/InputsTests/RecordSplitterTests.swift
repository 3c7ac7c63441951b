// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct RecordSplitterTests {
    private struct Result {
        var texts: [String]
        var offsets: [UInt64]
        var cuts: [Bool]
        var end: Int
        var skip: RecordSplitter.Skip
        var isJoining: Bool
    }

    private func split(
        _ text: String, _ framing: RecordFraming = RecordFraming(), from start: Int = 0,
        origin: UInt64 = 0, skip: RecordSplitter.Skip = .nothing,
        at ending: RecordSplitter.End = .hold
    ) -> Result {
        var splitter = RecordSplitter(framing)
        var skip = skip
        let bytes = Array(text.utf8)
        splitter.split(bytes.span, from: start, origin: origin, skip: &skip, at: ending)
        return Result(
            texts: splitter.records.map { String(decoding: bytes[$0.range], as: UTF8.self) },
            offsets: splitter.records.map(\.offset),
            cuts: splitter.records.map { $0.damage.contains(.cut) }, end: splitter.end,
            skip: skip, isJoining: splitter.isJoining)
    }

    private func joining(byteLimit: Int = 4096, lineLimit: Int = 100) throws -> RecordFraming {
        RecordFraming(
            recordStart: try RegularExpression("^\\d"), recordByteLimit: byteLimit,
            recordLineLimit: lineLimit)
    }

    // MARK: Lines

    @Test func linesEndWithLineFeedOrBoth() {
        let result = split("one\ntwo\r\n\rthree\n", origin: 100)
        #expect(result.texts == ["one", "two", "\rthree"])
        #expect(result.offsets == [100, 104, 109])
        #expect(result.end == 16)
    }

    @Test func anUnfinishedLineIsHeldBack() {
        let result = split("one\ntw")
        #expect(result.texts == ["one"])
        #expect(result.end == 4)
    }

    @Test func theLastLineCountsWhenNothingMoreComes() {
        let result = split("one\ntw", at: .flushAll)
        #expect(result.texts == ["one", "tw"])
        #expect(result.end == 6)
    }

    @Test func anUnfinishedLineWaitsWhenOnlyWholeLinesAreComplete() {
        #expect(split("one\ntw", at: .flushLines).texts == ["one"])
    }

    @Test func emptyLinesAreNoRecords() {
        let result = split("\n\r\none\n\n")
        #expect(result.texts == ["one"])
        #expect(result.offsets == [3])
        #expect(result.end == 8)
    }

    @Test func aHoleOfZerosIsPassedOver() {
        let result = split("\0\0\0one\n\0\0two\n")
        #expect(result.texts == ["one", "two"])
        #expect(result.offsets == [3, 9])
    }

    @Test func aLineLongerThanTheLimitIsCutAndFlagged() {
        let framing = RecordFraming(recordByteLimit: 4)
        let result = split("123456\nabcd\n", framing)
        #expect(result.texts == ["1234", "abcd"])
        #expect(result.cuts == [true, false])
        #expect(result.end == 12)
    }

    @Test func aLineThatNeverEndsIsCutOnceAndItsRestSkipped() {
        let framing = RecordFraming(recordByteLimit: 4)
        let first = split("12345", framing)
        #expect(first.texts == ["1234"])
        #expect(first.cuts == [true])
        #expect(first.skip == .line)
        #expect(first.end == 5)
        let second = split("678", framing, skip: first.skip)
        #expect(second.texts.isEmpty)
        #expect(second.skip == .line)
        #expect(second.end == 3)
        let third = split("9\nnext\n", framing, skip: second.skip)
        #expect(third.texts == ["next"])
        #expect(third.skip == .nothing)
    }

    @Test func aLineOfExactlyTheLimitIsWhole() {
        let framing = RecordFraming(recordByteLimit: 4)
        #expect(split("1234", framing).texts.isEmpty)
        #expect(split("1234\n", framing).cuts == [false])
        #expect(split("1234\r\n", framing).texts == ["1234"])
    }

    @Test func moreRecordsThanABatchHoldsAreLeftForTheNext() {
        let text = String(repeating: "x\n", count: InputLimit.batchRecordLimit + 5)
        let result = split(text, at: .flushAll)
        #expect(result.texts.count == InputLimit.batchRecordLimit)
        #expect(result.end == InputLimit.batchRecordLimit * 2)
    }

    // MARK: Joined lines

    @Test func linesAreJoinedUntilTheNextRecordBegins() throws {
        let result = split("1 a\n  b\r\n  c\n2 d\n", try joining())
        #expect(result.texts == ["1 a\n  b\r\n  c"])
        #expect(result.end == 13)
        #expect(result.isJoining)
    }

    @Test func strayLineBehindAJSONRecordIsNotGluedToIt() throws {
        let framing = RecordFraming(recordStart: try RegularExpression("^(?:\\d|\\{)"))
        let result = split("{\"a\":1}\nstray\nmore\n{\"b\":2}\r\n1 text\n  at x\n", framing)
        #expect(result.texts == ["{\"a\":1}", "stray\nmore", "{\"b\":2}"])
        #expect(result.isJoining)
    }

    @Test func jsonRecordDoesNotWaitForTheNextLine() throws {
        let framing = RecordFraming(recordStart: try RegularExpression("^\\{"))
        let result = split("{\"a\":1}\n", framing)
        #expect(result.texts == ["{\"a\":1}"])
        #expect(!result.isJoining)
        #expect(split("{\n", framing).isJoining)
    }

    @Test func anOpenRecordIsCompleteAfterQuiet() throws {
        let result = split("1 a\n  b\n  unfini", try joining(), at: .flushLines)
        #expect(result.texts == ["1 a\n  b"])
        #expect(result.end == 8)
        #expect(!result.isJoining)
    }

    @Test func everythingCountsAtTheEnd() throws {
        #expect(split("1 a\n  b\n  c", try joining(), at: .flushAll).texts == ["1 a\n  b\n  c"])
        #expect(split("1 a\n2 b", try joining(), at: .flushAll).texts == ["1 a", "2 b"])
    }

    @Test func linesBeforeTheFirstBeginningAreARecord() throws {
        let result = split("x\n  y\n1 a\n", try joining())
        #expect(result.texts == ["x\n  y"])
        #expect(result.end == 6)
    }

    @Test func tooManyLinesAreCutAndTheRestSkipped() throws {
        let framing = try joining(lineLimit: 2)
        let result = split("1 a\n b\n c\n d\n2 e\n3 f\n", framing)
        #expect(result.texts == ["1 a\n b", "2 e"])
        #expect(result.cuts == [true, false])
    }

    @Test func tooManyBytesAreCutAndTheRestSkipped() throws {
        let framing = try joining(byteLimit: 6)
        let result = split("1 a\n bcdef\n g\n2 e\n3", framing)
        #expect(result.texts == ["1 a\n b"])
        #expect(result.cuts == [true])
        #expect(result.isJoining)
    }

    @Test func anEndlessLineAfterABeginningBelongsToItsRecord() throws {
        let framing = try joining(byteLimit: 6)
        let first = split("1 a\n bcdefgh", framing)
        #expect(first.texts == ["1 a\n b"])
        #expect(first.skip == .lineAndContinuation)
        let second = split("hij\n k\n2 l\n3 m\n", framing, skip: first.skip)
        #expect(second.texts == ["2 l"])
    }

    @Test func anEndlessLineThatBeginsARecordEndsTheOneBefore() throws {
        let result = split("1 a\n2bcdefgh", try joining(byteLimit: 6))
        #expect(result.texts == ["1 a", "2bcdef"])
        #expect(result.cuts == [false, true])
    }

    // MARK: Printed JSON

    @Test func printedJSONIsOneRecordWithAndWithoutAStart() throws {
        let text = "one\n{\n  \"a\": \"}{\",\n  \"b\": [\n    1\n  ]\n}\n{\"c\":1}\ntwo\n"
        let printed = "{\n  \"a\": \"}{\",\n  \"b\": [\n    1\n  ]\n}"
        #expect(split(text).texts == ["one", printed, "{\"c\":1}", "two"])
        let framing = RecordFraming(recordStart: try RegularExpression("^(?:\\w|\\{)"))
        #expect(split(text, framing).texts == ["one", printed, "{\"c\":1}"])
    }

    @Test func aListOfObjectsIsOneRecord() {
        let text = "[\n  {\n    \"a\": 1\n  },\n  {}\n]\n[{\n \"b\": 2\n}]\n"
        #expect(split(text).texts.count == 2)
        #expect(split(text).offsets == [0, UInt64(text.utf8.count - 14)])
    }

    @Test func aLineThatCannotBelongToPrintedJSONEndsIt() {
        let bytes = Array("{\n  \"a\": 1,\nother\n".utf8)
        var splitter = RecordSplitter(RecordFraming())
        var skip = RecordSplitter.Skip.nothing
        splitter.split(bytes.span, from: 0, origin: 0, skip: &skip, at: .hold)
        #expect(splitter.records.map(\.damage) == [.truncated, []])
    }

    @Test func linesThatOnlyLookLikePrintedJSONStayAlone() {
        let text = "[2026-11-20] start {\n  x\n{a} {\n}\n"
        #expect(split(text).texts == ["[2026-11-20] start {", "  x", "{a} {", "}"])
    }

    @Test func printedJSONWaitsForItsEndAndIsCutAtTheLimits() {
        let open = "{\n  \"a\": 1,\n"
        #expect(split(open).end == 0)
        #expect(split(open).isJoining)
        #expect(split(open, at: .flushLines).texts == ["{\n  \"a\": 1,"])
        var lines = RecordFraming()
        lines.printedLineLimit = 2
        let result = split(open + "  \"b\": 2\n}\nnext\n", lines)
        #expect(result.texts == ["{\n  \"a\": 1,", "next"])
        #expect(result.cuts == [true, false])
        #expect(result.skip == .nothing)
    }

    /// A line that was too long by itself came into the record although it was one too many.
    @Test func aLineTooLongAndTooManyIsLeftOutWithItsEndAndWithout() throws {
        let framing = try joining(byteLimit: 20, lineLimit: 2)
        let text = "1 a\n b\n " + String(repeating: "c", count: 30)
        for result in [split(text, framing), split(text + "\n2 d\n", framing, at: .flushAll)] {
            #expect(result.texts.first == "1 a\n b" && result.cuts.first == true)
        }
        #expect(split(text, framing).skip == .lineAndContinuation)
    }

    @Test func productsDecideWhereTheirRecordsBegin() throws {
        var framing = RecordFraming()
        framing.products = [
            ProductLines(
                recognition: [try RegularExpression("WARN|INFO")],
                recordStart: try RegularExpression("^\\d{4}-")),
            ProductLines(recognition: [try RegularExpression("^time=")], recordStart: nil),
        ]
        let text = """
            2026-11-20 WARN a
            java.lang.X: b
            \tat c
            2026-11-20 unknown level
            time=1 x
            time=2 y
            no idea
              indented
            Caused by: it
            {"a":1}

            """
        #expect(
            split(text, framing).texts == [
                "2026-11-20 WARN a\njava.lang.X: b\n\tat c", "2026-11-20 unknown level",
                "time=1 x", "time=2 y", "no idea\n  indented\nCaused by: it", #"{"a":1}"#,
            ])
    }

    // MARK: Any split

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func theRecordsDoNotDependOnWhereBlocksEnd(seed: UInt64) throws {
        var random = Xorshift(seed)
        let pieces = ["1", "x", "yy", "\n", "\r\n", " ", "22", "\n\n", "zzzzzzzz"]
        for framing in [RecordFraming(recordByteLimit: 9), try joining(byteLimit: 9)] {
            let text = (0..<60).map { _ in pieces[random.next(pieces.count)] }.joined()
            let bytes = Array(text.utf8)
            let whole = split(text, framing, at: .flushAll)
            var splitter = RecordSplitter(framing)
            var skip = RecordSplitter.Skip.nothing
            var start = 0
            var shown = 0
            var texts: [String] = []
            while start < bytes.count {
                shown = min(bytes.count, shown + 1 + random.next(7))
                let block = Array(bytes[start..<shown])
                splitter.split(
                    block.span, from: 0, origin: UInt64(start), skip: &skip,
                    at: shown == bytes.count ? .flushAll : .hold)
                for record in splitter.records {
                    texts.append(String(decoding: block[record.range], as: UTF8.self))
                }
                if shown == bytes.count { break }
                start += splitter.end
            }
            #expect(texts == whole.texts, "seed \(seed), text \(text.debugDescription)")
        }
    }

    /// Bytes of every kind in blocks of every size: nothing traps, no record is longer than the
    /// limit, records follow each other, and what is shown again is never given twice.
    ///
    /// `SEED` picks another plan, `FUZZ_SECONDS` goes on for that long.
    @Test func mutationOfBytesAndBlocksNeverTrapsNorRepeats() throws {
        let clock = SystemClock()
        let seconds = ProcessFacts.environment("FUZZ_SECONDS").flatMap { Int($0) }
        let end = clock.monotonic().advanced(by: .seconds(seconds ?? 0))
        var seed = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 1
        var rounds = 0
        let framings = [
            RecordFraming(recordByteLimit: 20),
            RecordFraming(
                recordStart: try RegularExpression("^(#|\\{)"), recordByteLimit: 24,
                recordLineLimit: 3),
        ]
        while rounds < 300 || (seconds != nil && clock.monotonic() < end) {
            for framing in framings { fuzz(framing, seed: seed) }
            seed &+= 1
            rounds += 1
        }
    }

    private func fuzz(_ framing: RecordFraming, seed: UInt64) {
        var random = Xorshift(seed)
        let alphabet: [UInt8] = [0, 10, 10, 13, 35, 123, 125, 97, 98, 0xFF, 0xC3, 32]
        let bytes = (0..<200).map { _ in alphabet[random.next(alphabet.count)] }
        var splitter = RecordSplitter(framing)
        var skip = RecordSplitter.Skip.nothing
        var start = 0
        var shown = 0
        var last: UInt64 = 0
        while shown < bytes.count {
            shown = min(bytes.count, max(shown, start) + 1 + random.next(60))
            let block = Array(bytes[start..<shown])
            let isLast = shown == bytes.count
            splitter.split(
                block.span, from: 0, origin: UInt64(start), skip: &skip,
                at: isLast ? .flushAll : random.next(8) == 0 ? .flushLines : .hold)
            #expect(splitter.end >= 0 && splitter.end <= block.count, "seed \(seed)")
            if isLast { #expect(splitter.end == block.count, "seed \(seed)") }
            for record in splitter.records {
                #expect(record.range.upperBound <= splitter.end, "seed \(seed)")
                #expect(record.count > 0 && record.count <= framing.recordByteLimit)
                #expect(record.offset >= last, "seed \(seed)")
                #expect(record.offset == UInt64(start) + UInt64(record.start), "seed \(seed)")
                last = record.offset + UInt64(record.count)
            }
            start += splitter.end
        }
    }

    @Test func theBeginningOfASourceIsWhereItsFirstRecordIs() {
        for text in ["", "a", "\n\na", "\r\na", "\r\ra\n", "\0\0\n\0a\n", "\ra\n"] {
            let expected = split(text + "\n").offsets.first ?? UInt64(text.utf8.count)
            let found = RecordSplitter.firstRecordStart(Array(text.utf8).span)
            #expect(UInt64(found) == expected, "\(text.debugDescription)")
        }
    }
}

/// A small random generator with a seed.
struct Xorshift {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}
