// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct JournalResumeTests {
    private func cursor(_ number: UInt64, writer: String = "aa", time: Int64 = 1000) -> String {
        "s=\(writer);i=\(String(number, radix: 16));b=bb;m=1;t=\(String(time, radix: 16));x=cc"
    }

    private func found(
        _ number: UInt64, writer: String = "aa", time: Int64 = 1000
    ) throws -> JournalCursor {
        try #require(JournalCursor(cursor(number, writer: writer, time: time)))
    }

    private func check(
        _ resume: inout JournalResume, _ entry: JournalCursor, isSame: Bool,
        _ expected: JournalResume.Verdict, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let verdict = resume.judge(entry, isSame: isSame)
        #expect(verdict == expected, sourceLocation: sourceLocation)
    }

    @Test func cursorsAreRead() throws {
        let entry = try found(0x1F, time: 0x60a24181e4000)
        #expect(entry.writer == "aa")
        #expect(entry.number == 31)
        #expect(entry.time == Timestamp(microseconds: 1_700_000_000_000_000))
        for text in ["", "s=aa", "s=aa;i=zz;t=1", "nonsense"] {
            #expect(JournalCursor(text) == nil)
        }
    }

    @Test func theEntryItselfIsSkippedAndTheNextIsTaken() throws {
        var resume = try #require(JournalResume(after: cursor(5)))
        try check(&resume, try found(5), isSame: true, .skip)
        try check(&resume, try found(6), isSame: false, .take)
    }

    @Test func anOlderEntryMakesALookByTimeOnceThenStepsForward() throws {
        var resume = try #require(JournalResume(after: cursor(5)))
        try check(&resume, try found(2), isSame: false, .seek(Timestamp(microseconds: 1000)))
        try check(&resume, try found(4), isSame: false, .skip)
        try check(&resume, try found(6), isSame: false, .take)
    }

    @Test func anotherWriterIsJudgedByTime() throws {
        var resume = try #require(JournalResume(after: cursor(5)))
        try check(
            &resume, try found(9, writer: "dd", time: 999), isSame: false,
            .seek(Timestamp(microseconds: 1000)))
        try check(&resume, try found(1, writer: "dd", time: 1001), isSame: false, .take)
    }

    @Test func lossesAreCountedWhereTheNumbersTell() throws {
        let resume = try #require(JournalResume(after: cursor(5)))
        #expect(resume.loss(first: try found(6), isFiltered: false) == nil)
        #expect(resume.loss(first: try found(6), isFiltered: true) == nil)
        let gap = resume.loss(first: try found(9), isFiltered: false)
        #expect(gap == InputLoss(path: nil, reason: .vanished, recordCount: 3))
        let some = resume.loss(first: try found(9), isFiltered: true)
        #expect(some == InputLoss(path: nil, reason: .vanished))
        let other = resume.loss(first: try found(6, writer: "dd"), isFiltered: false)
        #expect(other == InputLoss(path: nil, reason: .vanished))
    }
}
