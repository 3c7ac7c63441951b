// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

struct FileRestartTests {
    @Test func readingGoesOnAtTheExactByte() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\ntwo\nthr")
        try following.read(2)
        let source = following.records[0].source
        following.stop()
        try following.folder.append("app.log", "ee\nfour\n")
        try following.start()
        #expect(try following.read(2) == ["three", "four"])
        #expect(following.records.map(\.offset) == [8, 14])
        #expect(following.records[0].source == source)
    }

    @Test func whatWasNotCommittedIsReadAgainWithTheSamePlaces() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\n")
        try following.read(1)
        try following.folder.append("app.log", "two\nthree\n")
        try following.read(3, isCommitted: false)
        let before = Array(following.records.suffix(2))
        try following.restart()
        try following.read(2)
        #expect(following.records == before)
    }

    @Test func aCrashBeforeTheFirstCommitGivesTheSamePlaces() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\ntwo\n")
        try following.read(2, isCommitted: false)
        let before = following.records
        try following.restart()
        try following.read(2)
        #expect(following.records == before)
    }

    @Test func everyPlaceInAFileIsAGoodPlaceToStop() throws {
        let folder = try TemporaryFolder()
        let lines = (0..<40).map { "\($0)" + String(repeating: "s", count: $0 * 13 % 90) }
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        let following = try Following(in: folder)
        var all: [String] = []
        for start in stride(from: 0, to: text.count, by: 37) {
            let file = try File(folder("app.log"), .write, [.create, .append])
            try file.writeNext(Array(text[start..<min(start + 37, text.count)]).span)
            try following.readOn(for: .milliseconds(6))
            following.stop()
            all += following.texts
            try following.start()
        }
        try following.read(lines.count - all.count)
        all += following.texts
        #expect(all == lines)
    }

    @Test func aFileRenamedWhileTheAgentWasDownIsDrainedFirst() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        let source = following.records[0].source
        try following.start()
        #expect(try following.read(2) == ["two", "three"])
        #expect(following.records[0].source == source)
        #expect(following.records[0].offset == 4)
        #expect(following.records[0].path == folder("app.log.1"))
    }

    @Test func severalRotationsWhileTheAgentWasDownLoseNothing() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "app.log.3")
        try folder.write("app.log.2", "three\n")
        try folder.write("app.log.1", "four\n")
        try folder.write("app.log", "five\n")
        // What no rotation of this log is, stays out.
        try folder.write("app.log.lock", "no\n")
        try folder.write("app.log.9.bz2", "no\n")
        try folder.write("application.log", "no\n")
        try following.start()
        #expect(try following.read(4) == ["two", "three", "four", "five"])
        try following.readOn()
        #expect(following.records.count == 4)
    }

    @Test func aRotatedFileIsNotReadAgainAtTheNextStart() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\n")
        try following.read(2)
        for _ in 0..<2 {
            try following.restart()
            try following.readOn()
            #expect(following.texts == [])
        }
        following.stop()
        try folder.rename("app.log.1", to: "app.log.2")
        try folder.append("app.log", "three\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "four\n")
        try following.start()
        #expect(try following.read(2) == ["three", "four"])
        try following.readOn()
        #expect(following.records.count == 2)
    }

    @Test func aTruncationWhileTheAgentWasDownIsNoticed() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        let source = following.records[0].source
        following.stop()
        try folder.write("app.log", "one\nother and longer\n")
        try following.start()
        #expect(try following.read(2) == ["one", "other and longer"])
        #expect(following.records[0].source != source)
        #expect(following.input.state.truncationCount == 1)
    }

    @Test func aReusedInodeIsANewFile() throws {
        let folder = try TemporaryFolder()
        let following = try Following(in: folder)
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        let source = following.records[0].source
        following.stop()
        // The same inode with other content is what a reused inode looks like.
        try folder.write("app.log", "uno\ndos\ntres\n")
        try following.start()
        #expect(try following.read(3) == ["uno", "dos", "tres"])
        #expect(following.records[0].offset == 0)
        #expect(following.records[0].source != source)
    }

    @Test func contentsOfOneInodeNeverShareAKey() throws {
        let following = try Following()
        let folder = following.folder
        var sources: [String] = []
        for round in 0..<6 {
            try folder.write("app.log", round % 2 == 0 ? "one\n" : "two\n")
            try following.read(1)
            sources.append(following.records[0].source)
            following.stop()
            try folder.truncate("app.log")
            try following.start()
            if round % 3 == 0 { try following.readOn(for: .milliseconds(10)) }
        }
        #expect(Set(sources).count == 6)
    }

    @Test func aCutLineStaysCutAfterARestart() throws {
        let following = try Following(framing: RecordFraming(recordByteLimit: 2000))
        let folder = following.folder
        try folder.write("app.log", String(repeating: "a", count: 10_000))
        try following.read(1)
        #expect(following.records[0].isCut)
        following.stop()
        try folder.append("app.log", String(repeating: "b", count: 3000) + "\nnext\n")
        try following.start()
        #expect(try following.read(1) == ["next"])
        try following.readOn()
        #expect(following.records.count == 1)
    }

    @Test func theSecondHalfOfALineIsReadAfterARestart() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\nhal")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        #expect(try following.read(2) == ["one", "hal"])
        following.stop()
        try folder.append("app.log.1", "f\nmore\n")
        try following.start()
        #expect(try following.read(2) == ["f", "more"])
    }

    @Test func startingAtTheEndIsForFilesThatWereNeverSeen() throws {
        let following = try Following(startAt: .end)
        let folder = following.folder
        try folder.write("app.log", "old\n")
        try following.readOn()
        try folder.append("app.log", "one\n")
        try following.read(1)
        following.stop()
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try following.start()
        #expect(try following.read(2) == ["two", "three"])
    }

    @Test func theEndIsKeptBeforeTheFirstRecord() throws {
        let following = try Following(startAt: .end)
        let folder = following.folder
        try folder.write("app.log", "old\n")
        try following.readOn()
        following.stop()
        try folder.append("app.log", "between\n")
        try following.start()
        #expect(try following.read(1) == ["between"])
    }

    @Test func theDeviceNumberMayChangeBetweenStarts() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        guard case .file(var file) = following.positions.first?.place else {
            Issue.record("no position")
            return
        }
        file.device += 77
        file.path = "/elsewhere/app.log"
        try folder.append("app.log", "two\n")
        let again = try Following(in: folder)
        again.input = try FileInput(
            InputConfiguration(id: "test", kind: .file, paths: [folder("app.log")]),
            framing: RecordFraming(),
            context: InputContext(positions: [Position(input: "test", place: .file(file))]))
        #expect(try again.read(1) == ["two"])
    }

    @Test func manyFilesNeedFewDescriptors() throws {
        let following = try Following(["*.log"])
        let folder = following.folder
        let count = 3000
        for number in 0..<count { try folder.write("\(number).log", "first \(number)\n") }
        while following.records.count < count {
            guard try following.batch(within: .seconds(5)) != nil else { break }
            #expect(following.input.state.openFileCount <= InputLimit.openFileLimit + 1)
        }
        try following.readOn(for: .milliseconds(5))
        let state = following.input.state
        #expect(state.fileCount == count)
        #expect(state.openFileCount <= InputLimit.openFileLimit + 1)
        try folder.append("7.log", "second\n")
        try folder.append("2999.log", "second\n")
        #expect(Set(try following.read(count + 2).suffix(2)) == ["second"])
    }
}
