// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct DeadLetterTests {
    private static let now = Timestamp(microseconds: 1_795_258_927_118_000)

    @Test func aRejectedEventRestsWithItsReasonAndItsSealedLine() throws {
        let folder = try TemporaryFolder()
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let batch = Samples.delivery(3)
        try letter.append(
            [
                Rejection(index: 0, reason: "field \"x\"\nis bad", code: .refused),
                Rejection(index: 2, reason: "no", code: .size),
            ], of: batch, at: Self.now)
        #expect(letter.count == 2)
        let first = try #require(try letter.entry(at: 0))
        let lines = Samples.lines(batch, .canonical).split(separator: UInt8(ascii: "\n"))
        #expect(Array(first.line.utf8) == Array(lines[0]))
        #expect(first.reason == "field \"x\" is bad")
        #expect(first.code == "refused")
        #expect(first.time == Self.now.text)
        let second = try #require(try letter.entry(at: first.end))
        #expect(Array(second.line.utf8) == Array(lines[2]))
        #expect(try letter.entry(at: second.end) == nil)
        #expect(try FileSystem.status(folder("dead/siem.ndjson")).permissions == 0o600)
    }

    // An editor's blank line hid all letters behind it.
    @Test func aBlankLineIsPassedOver() throws {
        let folder = try TemporaryFolder()
        let one = [Rejection(index: 0, reason: "no", code: .refused)]
        let first = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        try first.append(one, of: Samples.delivery(1), at: Self.now)
        let line = try folder.read("dead/siem.ndjson")
        let blank = [UInt8(ascii: "\n")]
        try folder.write("dead/siem.ndjson", blank + line + blank + blank + line + blank)
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let front = try #require(try letter.entry(at: 0))
        let two = try #require(try letter.entry(at: front.end))
        #expect(front.line == two.line)
        #expect(try letter.entry(at: two.end) == nil)
    }

    // The pages of monitoring waited while a long file was written.
    @Test func whoOnlyLooksDoesNotWaitForTheDisk() throws {
        let folder = try TemporaryFolder()
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let one = [Rejection(index: 0, reason: "no", code: .refused)]
        try letter.append(one, of: Samples.delivery(1), at: Self.now)
        let seen = Monitor<Int?>(nil)
        let found: Int? = letter.change { _ in
            _ = try? Thread.start(name: "look") {
                let count = letter.byteCount > 0 ? letter.count : 0
                seen.update { $0 = count }
            }
            return seen.wait(timeout: .seconds(10)) { $0 }
        }
        #expect(found == 1)
    }

    @Test func aFullOneTakesNothingAndSaysSo() throws {
        let folder = try TemporaryFolder()
        let letter = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1500)
        let batch = Samples.delivery(2)
        let one = [Rejection(index: 0, reason: "no", code: .refused)]
        try letter.append(one, of: batch, at: Self.now)
        let byteCount = letter.byteCount
        #expect {
            try letter.append(one, of: batch, at: Self.now)
        } throws: { error in
            "\(error)".contains("is full")
        }
        #expect(letter.byteCount == byteCount)
        #expect(try folder.read("dead/siem.ndjson").count == byteCount)
        #expect(letter.count == 1)
        try folder.rename("dead/siem.ndjson", to: "moved")
        #expect(letter.count == 0)
        try letter.append(one, of: batch, at: Self.now)
        #expect(letter.count == 1)
    }

    @Test func aHalfLineOfACrashIsCutOffAtTheNextStart() throws {
        let folder = try TemporaryFolder()
        let first = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        let batch = Samples.delivery(1)
        let one = [Rejection(index: 0, reason: "no", code: .refused)]
        try first.append(one, of: batch, at: Self.now)
        let whole = try folder.read("dead/siem.ndjson")
        for cut in [1, whole.count / 2, whole.count - 1] {
            try folder.write("dead/siem.ndjson", whole + whole[..<cut])
            let next = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
            #expect(next.count == 1)
            #expect(try folder.read("dead/siem.ndjson") == whole)
            try next.append(one, of: batch, at: Self.now)
            #expect(try folder.read("dead/siem.ndjson") == whole + whole)
        }
    }
}
