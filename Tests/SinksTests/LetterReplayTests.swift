// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct LetterReplayTests {
    private static let now = Timestamp(microseconds: 1_795_258_927_118_000)

    private func ring(_ first: UInt8) throws -> EncryptionKeyRing {
        EncryptionKeyRing(
            current: try #require(EncryptionKey(Secret((0..<32).map { first &+ $0 }))))
    }

    private func make(
        _ folder: TemporaryFolder, count: Int, keys: EncryptionKeyRing? = nil
    ) throws -> DeadLetter {
        let letter = try DeadLetter(
            folder: folder("dead"), sink: "siem", byteLimit: 1 << 20, encryption: keys)
        try reject(Samples.delivery(count), by: letter)
        return letter
    }

    private func reject(_ batch: DeliveryBatch, by letter: DeadLetter) throws {
        try letter.append(
            (0..<batch.count).map { Rejection(index: $0, reason: "first", code: .refused) },
            of: batch, at: Self.now)
    }

    /// The sealed lines and the reasons that rest in the file.
    private func rest(_ letter: DeadLetter) throws -> [(line: String, reason: String)] {
        var found: [(line: String, reason: String)] = []
        var offset = 0
        while let entry = try letter.entry(at: offset) {
            found.append((entry.line, entry.reason))
            offset = entry.end
        }
        return found
    }

    private func lines(_ batch: DeliveryBatch, _ format: SinkFormat = .canonical) -> [String] {
        Samples.lines(batch, format).split(separator: UInt8(ascii: "\n")).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    @Test(arguments: [false, true])
    func whatWasConfirmedLeavesAndWhatWasRefusedStaysWithTheNewReason(encrypted: Bool) throws {
        let folder = try TemporaryFolder()
        let letter = try make(folder, count: 5, keys: encrypted ? try ring(1) : nil)
        let all = lines(Samples.delivery(5))
        let replay = LetterReplay(letter)
        let (first, one) = try #require(try replay.next(countLimit: 2, byteLimit: 1 << 20))
        let (second, two) = try #require(try replay.next(countLimit: 2, byteLimit: 1 << 20))
        #expect(lines(one) + lines(two) == Array(all[0..<4]))
        replay.refuse(
            [Rejection(index: 1, reason: "second", code: .size)], of: one, span: first,
            at: Self.now)
        // The later one comes back first; the file is not touched before the end.
        try replay.settle(second)
        try replay.settle(first)
        #expect(letter.count == 5)
        try reject(Samples.delivery(1, first: 5), by: letter)
        try replay.finish()
        let found = try rest(letter)
        #expect(found.map(\.line) == [all[1], all[4]] + lines(Samples.delivery(1, first: 5)))
        #expect(found.map(\.reason) == ["second", "first", "first"])
        #expect(letter.count == 3)
        #expect(letter.byteCount == (try folder.read("dead/siem.ndjson")).count)
        #expect(try FileSystem.status(folder("dead/siem.ndjson")).permissions == 0o600)
        try reject(Samples.delivery(1, first: 6), by: letter)
        #expect(try rest(letter).count == 4)
    }

    @Test(arguments: SinkFormat.allCases)
    func aLetterIsRenderedAsTheEventWas(format: SinkFormat) throws {
        let folder = try TemporaryFolder()
        let bodies = [
            Samples.plain(1), Samples.full(target: "user", actor: "user"), Samples.plain(3),
        ]
        var sealed = Samples.batch(bodies, first: 70)
        sealed.events[1].severity = .critical
        let batch = DeliveryBatch(batch: sealed, events: [0, 1, 2])
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        try reject(batch, by: letter)
        let (_, found) = try #require(
            try LetterReplay(letter).next(countLimit: 10, byteLimit: 1 << 20))
        #expect(Samples.lines(found, format) == Samples.lines(batch, format))
        #expect(Samples.lines(batch, format).count > 500)
    }

    @Test func aSpanThatIsNotSettledStaysAndSoDoesAllBehindIt() throws {
        let folder = try TemporaryFolder()
        let letter = try make(folder, count: 3)
        let replay = LetterReplay(letter)
        var spans: [UInt64] = []
        while let (span, _) = try replay.next(countLimit: 1, byteLimit: 1) { spans.append(span) }
        try replay.settle(spans[0])
        try replay.settle(spans[2])
        try replay.finish()
        #expect(try rest(letter).map(\.line) == Array(lines(Samples.delivery(3))[1...]))
    }

    @Test func linesThatNobodyCanReadStayAsTheyAre() throws {
        let folder = try TemporaryFolder()
        _ = try make(folder, count: 2)
        let good = try folder.read("dead/siem.ndjson")
        let end = try #require(good.firstIndex(of: UInt8(ascii: "\n"))) + 1
        let odd = Array("not JSON\n{\"event\":\"{}\"}\n".utf8)
        try folder.write("dead/siem.ndjson", Array(good[..<end]) + odd + Array(good[end...]))
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let replay = LetterReplay(letter)
        let (span, batch) = try #require(try replay.next(countLimit: 9, byteLimit: 1 << 20))
        #expect(batch.count == 2 && replay.unreadableCount == 2)
        try replay.settle(span)
        try replay.finish()
        #expect(try folder.read("dead/siem.ndjson") == odd)
    }

    @Test func blankLinesAreNoLettersAndHoldNothingUp() throws {
        let folder = try TemporaryFolder()
        _ = try make(folder, count: 2)
        let good = try folder.read("dead/siem.ndjson")
        let end = try #require(good.firstIndex(of: UInt8(ascii: "\n"))) + 1
        let blank = Array("\n\n".utf8)
        try folder.write("dead/siem.ndjson", Array(good[..<end]) + blank + Array(good[end...]))
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let replay = LetterReplay(letter)
        var sent = 0
        for _ in 0..<4 {
            guard let (span, batch) = try replay.next(countLimit: 1, byteLimit: 1 << 20) else {
                break
            }
            sent += batch.count
            try replay.settle(span)
        }
        #expect(sent == 2 && replay.unreadableCount == 0 && replay.progress == 1)
        try replay.finish()
        #expect(try folder.read("dead/siem.ndjson") == [])
    }

    // A file of nothing else must not come into memory at once.
    @Test func linesThatNobodyCanReadCountTowardsTheBytesOfASpan() throws {
        let folder = try TemporaryFolder()
        try FileSystem.createFolder(folder("dead"))
        let odd = Array("not JSON\n".utf8)
        try folder.write("dead/siem.ndjson", odd + odd + odd)
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let replay = LetterReplay(letter)
        _ = try replay.next(countLimit: 9, byteLimit: 1)
        #expect(replay.unreadableCount == 1)
    }

    @Test func aMissingKeyIsAnErrorAndNoDamage() throws {
        let folder = try TemporaryFolder()
        _ = try make(folder, count: 1, keys: try ring(1))
        let letter = try DeadLetter(
            folder: folder("dead"), sink: "siem", byteLimit: 1 << 20, encryption: try ring(2))
        #expect(throws: SinkError.self) {
            try LetterReplay(letter).next(countLimit: 9, byteLimit: 1 << 20)
        }
    }

    @Test func aLetterThatWasChangedIsNotSent() throws {
        let folder = try TemporaryFolder()
        _ = try make(folder, count: 1)
        let text = String(decoding: try folder.read("dead/siem.ndjson"), as: UTF8.self)
        // White space would be lost on the way, so the bytes would not be the same.
        try folder.write(
            "dead/siem.ndjson",
            text.replacing("\\\"integrity\\\":{", with: "\\\"integrity\\\": {"))
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let replay = LetterReplay(letter)
        #expect(try replay.next(countLimit: 9, byteLimit: 1 << 20)?.batch.count == 0)
        #expect(replay.unreadableCount == 1)
    }

    // All that a crash can leave: before the rename the old letters and a beginning of the new
    // file, of any length, and after it the new ones.
    @Test func aCrashAtAnyMomentLosesNoLetter() throws {
        let folder = try TemporaryFolder()
        let letter = try make(folder, count: 4)
        let before = try folder.read("dead/siem.ndjson")
        let replay = LetterReplay(letter)
        let (span, batch) = try #require(try replay.next(countLimit: 2, byteLimit: 1 << 20))
        replay.refuse(
            [Rejection(index: 0, reason: "second", code: .refused)], of: batch, span: span,
            at: Self.now)
        try replay.settle(span)
        try replay.finish()
        let after = try folder.read("dead/siem.ndjson")
        for length in stride(from: 0, through: after.count, by: 97) {
            let other = try TemporaryFolder()
            try FileSystem.createFolder(other("dead"))
            try other.write("dead/siem.ndjson", before)
            try other.write("dead/siem.ndjson.new", Array(after[..<length]))
            let next = try DeadLetter(folder: other("dead"), sink: "siem", byteLimit: 1 << 20)
            #expect(next.count == 4)
            let again = LetterReplay(next)
            while let (span, _) = try again.next(countLimit: 3, byteLimit: 1 << 20) {
                try again.settle(span)
            }
            try again.finish()
            #expect(try other.read("dead/siem.ndjson") == [])
            #expect(!FileSystem.exists(other("dead/siem.ndjson.new")))
        }
    }

    @Test func aDiskThatRefusesAndAFileThatWasMovedLeaveAllLetters() throws {
        let folder = try TemporaryFolder()
        let letter = try make(folder, count: 2)
        let before = try folder.read("dead/siem.ndjson")
        try FileSystem.createFolder(folder("dead/siem.ndjson.new"))
        let replay = LetterReplay(letter)
        let (span, _) = try #require(try replay.next(countLimit: 9, byteLimit: 1 << 20))
        try replay.settle(span)
        #expect(throws: SinkError.self) { try replay.finish() }
        #expect(try folder.read("dead/siem.ndjson") == before)
        #expect(letter.count == 2)
        try FileSystem.removeFolder(folder("dead/siem.ndjson.new"))
        let moved = LetterReplay(letter)
        let (last, _) = try #require(try moved.next(countLimit: 9, byteLimit: 1 << 20))
        try moved.settle(last)
        try folder.rename("dead/siem.ndjson", to: "kept")
        #expect(throws: SinkError.self) { try moved.finish() }
        #expect(try folder.read("kept") == before)
    }

    @Test func roomThatCameBackIsSaidOnce() throws {
        let folder = try TemporaryFolder()
        let size = try make(TemporaryFolder(), count: 1).byteCount
        let letter = try DeadLetter(
            folder: folder("dead"), sink: "siem", byteLimit: size * 3 / 2)
        #expect(!letter.takeRoom() && !letter.isFull)
        try reject(Samples.delivery(1), by: letter)
        #expect(throws: SinkError.self) { try reject(Samples.delivery(1, first: 1), by: letter) }
        #expect(!letter.takeRoom() && letter.isFull)
        let replay = LetterReplay(letter)
        let (span, _) = try #require(try replay.next(countLimit: 9, byteLimit: 1 << 20))
        try replay.settle(span)
        try replay.finish()
        #expect(letter.takeRoom())
        #expect(!letter.takeRoom())
        try reject(Samples.delivery(1), by: letter)
        #expect(throws: SinkError.self) { try reject(Samples.delivery(1, first: 1), by: letter) }
        try folder.rename("dead/siem.ndjson", to: "kept")
        #expect(letter.takeRoom())
    }
}
