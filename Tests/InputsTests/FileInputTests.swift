// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Platform
import TestSupport
import Testing

@testable import Inputs

struct FileInputTests {
    @Test func aFileThatIsThereIsReadFromItsBeginning() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\ntwo\r\nthree\n")
        #expect(try following.read(3) == ["one", "two", "three"])
        #expect(following.records.map(\.offset) == [0, 4, 9])
        #expect(following.records.allSatisfy { $0.path == following.folder("app.log") })
    }

    @Test func appendedLinesFollow() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\n")
        try following.read(1)
        try following.folder.append("app.log", "two\nthree\n")
        #expect(try following.read(3) == ["one", "two", "three"])
        #expect(following.records.map(\.offset) == [0, 4, 8])
    }

    @Test func linesThatAreWrittenOneByOneComeTogether() throws {
        let following = try Following(gather: .seconds(600))
        try following.folder.write("app.log", "one\n")
        let first = try #require(try following.input.next(waitingAtMost: .seconds(30)))
        #expect(first.records.count == 1)
        let input = following.input
        let batch = Monitor<[RecordBatch]>([])
        let reader = try Thread.start(name: "reader") {
            guard let next = try? input.next(waitingAtMost: .seconds(600)) else { return }
            batch.withLock { $0.append(next) }
        }
        for line in ["two", "three", "four"] {
            try following.folder.append("app.log", line + "\n")
            usleep(5_000)
        }
        #expect(batch.withLock { $0.isEmpty })
        input.wake()
        reader.join()
        #expect(batch.withLock { $0.map(\.records.count) } == [3])
    }

    @Test func anUnfinishedLineIsHeldBackUntilItsEnd() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\ntw")
        try following.read(1)
        try following.readOn()
        #expect(following.texts == ["one"])
        try following.folder.append("app.log", "o\n")
        #expect(try following.read(2) == ["one", "two"])
        #expect(following.records[1].offset == 4)
    }

    @Test(arguments: [true, false])
    func filesThatAppearLaterAreRead(isWatching: Bool) throws {
        let following = try Following(["*.log"], isWatching: isWatching)
        try following.readOn(for: .milliseconds(5))
        try following.folder.write("a.log", "one\n")
        try following.read(1)
        try following.folder.write("b.log", "two\n")
        #expect(try following.read(2) == ["one", "two"])
        #expect(following.input.state.fileCount == 2)
        #expect(following.input.state.isPolling == !isWatching)
    }

    @Test(arguments: [true, false])
    func foldersThatAppearLaterAreRead(isWatching: Bool) throws {
        let following = try Following(["*/app.log", "deep/er/app.log"], isWatching: isWatching)
        try following.readOn(for: .milliseconds(5))
        try following.folder.createFolder("a")
        try following.folder.write("a/app.log", "one\n")
        #expect(try following.read(1) == ["one"])
        try following.folder.createFolder("deep")
        try following.readOn(for: .milliseconds(5))
        try following.folder.createFolder("deep/er")
        try following.folder.write("deep/er/app.log", "two\n")
        #expect(try following.read(2) == ["one", "two"])
        try following.folder.append("deep/er/app.log", "three\n")
        #expect(try following.read(3).last == "three")
    }

    @Test func excludedFilesAreNotRead() throws {
        let following = try Following(["*"], exclude: ["*.gz", "b*"])
        try following.folder.write("a.log", "one\n")
        try following.folder.write("a.log.1.gz", "two\n")
        try following.folder.write("b.log", "three\n")
        try following.read(1)
        try following.readOn()
        #expect(following.texts == ["one"])
    }

    @Test func filesTakeTurns() throws {
        let following = try Following(["*.log"])
        let line = String(repeating: "x", count: 999) + "\n"
        for name in ["a.log", "b.log"] {
            try following.folder.write(name, String(repeating: line, count: 1000))
        }
        var paths: [String?] = []
        for _ in 0..<6 { paths.append(try following.batch(within: .seconds(5))?.path) }
        #expect(Set(paths[0..<2]).count == 2)
        #expect(paths[0] == paths[2] && paths[2] == paths[4])
        #expect(paths[1] == paths[3] && paths[3] == paths[5])
    }

    @Test func blocksAreBoundedAndEachRecordIsWhole() throws {
        let following = try Following()
        let lines = (0..<3000).map { "\($0) " + String(repeating: "y", count: $0 % 700) }
        try following.folder.write("app.log", lines.joined(separator: "\n") + "\n")
        while following.records.count < lines.count {
            guard let batch = try following.batch(within: .seconds(5)) else { break }
            #expect(batch.bytes.count <= InputLimit.blockByteCount + 1024)
        }
        #expect(following.texts == lines)
    }

    @Test func aLineLongerThanABlockIsWhole() throws {
        let following = try Following()
        let long = String(repeating: "z", count: 900_000)
        try following.folder.write("app.log", "one\n" + long + "\ntwo\n")
        #expect(try following.read(3) == ["one", long, "two"])
    }

    @Test func aLongLineInPiecesIsWhole() throws {
        let following = try Following()
        let piece = String(repeating: "z", count: 50_000)
        for _ in 0..<6 {
            try following.folder.append("app.log", piece)
            try following.readOn(for: .milliseconds(8))
        }
        try following.folder.append("app.log", "!\nnext\n")
        let expected = String(repeating: piece, count: 6) + "!"
        #expect(try following.read(2) == [expected, "next"])
    }

    @Test func aLineThatNeverEndsIsCutAndTheFileGoesOn() throws {
        let following = try Following(framing: RecordFraming(recordByteLimit: 2000))
        try following.folder.write("app.log", "one\n" + String(repeating: "a", count: 300_000))
        #expect(try following.read(2).last == String(repeating: "a", count: 2000))
        #expect(following.records[1].isCut)
        try following.folder.append("app.log", String(repeating: "b", count: 300_000))
        try following.readOn()
        #expect(following.records.count == 2)
        try following.folder.append("app.log", "\ntwo\n")
        #expect(try following.read(3).last == "two")
        #expect(following.input.state.cutRecordCount == 1)
    }

    @Test func manyShortLinesComeInSeveralBatches() throws {
        let following = try Following()
        let count = InputLimit.batchRecordLimit * 2 + 10
        try following.folder.write("app.log", String(repeating: "x\n", count: count))
        #expect(try following.read(count).count == count)
        #expect(following.records.last?.offset == UInt64(count * 2 - 2))
    }

    @Test func joinedRecordsWaitForTheNextOneOrForQuiet() throws {
        let framing = RecordFraming(
            recordStart: try RegularExpression("^\\d"), joinTimeout: .milliseconds(40))
        let following = try Following(framing: framing)
        try following.folder.write("app.log", "1 a\n  b\n2 c\n")
        #expect(try following.read(1) == ["1 a\n  b"])
        #expect(try following.read(2) == ["1 a\n  b", "2 c"])
        try following.folder.append("app.log", "3 d\n")
        #expect(try following.read(3).last == "3 d")
    }

    // MARK: Where to begin

    @Test func startingAtTheEndLeavesOutWhatIsThere() throws {
        let following = try Following(startAt: .end)
        try following.folder.write("app.log", "one\ntwo\n")
        try following.readOn()
        try following.folder.append("app.log", "three\n")
        #expect(try following.read(1) == ["three"])
        #expect(following.records[0].offset == 8)
    }

    @Test func startingAtTheEndKeepsALineThatIsBeingWritten() throws {
        let following = try Following(startAt: .end)
        try following.folder.write("app.log", "one\ntw")
        try following.readOn()
        try following.folder.append("app.log", "o\n")
        #expect(try following.read(1) == ["two"])
    }

    @Test func startingAtTheEndReadsFilesThatComeLaterFromTheirBeginning() throws {
        let following = try Following(["*.log"], startAt: .end)
        try following.folder.write("a.log", "one\n")
        try following.readOn()
        try following.folder.write("b.log", "two\n")
        #expect(try following.read(1) == ["two"])
    }

    @Test func theKeyIsTheSameWhereverReadingBegan() throws {
        let folder = try TemporaryFolder()
        try folder.write("app.log", "one\ntwo\n")
        let first = try Following(in: folder)
        try first.read(2)
        let second = try Following(in: folder, startAt: .end)
        try second.readOn()
        try folder.append("app.log", "three\n")
        try second.read(1)
        #expect(second.records[0].source == first.records[0].source)
        #expect(second.texts == ["three"])
    }

    @Test func theKeyIsMadeAsTheFormatSays() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\r\ntwo\n")
        try following.read(2)
        let inode = try FileSystem.status(following.folder("app.log")).inode
        let record = SHA256.digest(Array("one".utf8)).hex()
        let text = "sealtail-file/v1\ntest\n\(inode)\n0\n" + record
        let expected = SHA256.digest(Array(text.utf8)).hex().prefix(32)
        #expect(following.records[0].source == String(expected))
    }

    @Test func onlyTheFirstKibibyteOfTheFirstRecordCountsForTheKey() throws {
        let following = try Following()
        let long = String(repeating: "k", count: 3000)
        try following.folder.write("app.log", "\n" + long + "\n")
        try following.read(1)
        guard case .file(let file) = following.positions.first?.place else {
            Issue.record("no position")
            return
        }
        #expect(file.firstRecordByteCount == 1024)
        #expect(
            file.firstRecord
                == SHA256.digest([UInt8](repeating: UInt8(ascii: "k"), count: 1024)))
    }

    // MARK: State and wake-up

    @Test func theLagIsWhatIsThereAndNotHandedOut() throws {
        let following = try Following(["*.log"])
        try following.folder.write("a.log", "one\n")
        try following.folder.write("b.log", "three\nfo")
        _ = try following.batch(within: .seconds(5))
        #expect([6, 8].contains(following.input.state.lagByteCount))
        try following.read(2)
        try following.wait { following.input.state.lagByteCount == 2 }
        let state = following.input.state
        #expect(state.lagByteCount == 2)
        #expect(state.isReadable)
        #expect(state.recordCount == 2)
        #expect(state.readByteCount == 10)
        #expect(state.openFileCount == 2)
        #expect(state.lastRecord != nil)
    }

    @Test func whatCannotBeReadIsSaidAndTriedAgain() throws {
        let following = try Following(["*.log"])
        // A link that points at itself fails like a file without permission, for root as well.
        try FileSystem.createLink(following.folder("a.log"), to: "a.log")
        try following.folder.write("b.log", "one\n")
        try following.read(1)
        try following.wait { !following.input.state.isReadable }
        #expect(following.input.state.reasons.first?.contains("a.log") == true)
        try following.folder.remove("a.log")
        try following.folder.write("a.log", "two\n")
        #expect(try following.read(2) == ["one", "two"])
        try following.wait { following.input.state.isReadable }
        #expect(following.input.state.reasons == [])
    }

    @Test(.enabled(if: ProcessFacts.effectiveUserID != 0))
    func aFileWithoutPermissionIsReadOnceItIsGranted() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\n")
        try FileSystem.setPermissions(following.folder("app.log"), 0)
        try following.wait { following.input.state.unreadableFileCount == 1 }
        #expect(following.input.state.fileCount == 1)
        #expect(following.input.state.lagByteCount == 4)
        try FileSystem.setPermissions(following.folder("app.log"), 0o600)
        #expect(try following.read(1) == ["one"])
        #expect(following.input.state.isReadable)
    }

    @Test func aLinkIsFollowedToAFileInAnotherFolder() throws {
        let following = try Following(["*.log"])
        try following.folder.createFolder("real")
        try following.folder.write("real/data", "one\n")
        try FileSystem.createLink(following.folder("a.log"), to: "real/data")
        try following.read(1)
        try following.folder.append("real/data", "two\n")
        #expect(try following.read(2) == ["one", "two"])
    }

    @Test func wakingEndsAWait() throws {
        let following = try Following()
        let input = following.input
        let waker = try Thread.start(name: "waker") { input.wake() }
        let clock = SystemClock()
        let start = clock.monotonic()
        #expect(try input.next(waitingAtMost: .seconds(60))?.records.count == nil)
        #expect(clock.monotonic().duration(since: start) < .seconds(30))
        waker.join()
    }

    @Test func nothingComesAfterClosing() throws {
        let following = try Following()
        try following.folder.write("app.log", "one\n")
        following.input.close()
        #expect(try following.input.next(waitingAtMost: .seconds(60))?.records.count == nil)
    }

    @Test func theContractOfInputsHolds() throws {
        let folder = try TemporaryFolder()
        let configuration = InputConfiguration(
            id: "test", kind: .file, paths: [folder("app.log")])
        let contract = InputContract(
            make: { positions in
                ContractInput(
                    try InputCatalog.make(
                        configuration, framing: RecordFraming(),
                        context: InputContext(positions: positions)))
            }, feed: { try folder.append("app.log", $0) })
        #expect(try contract.failures() == [])
    }
}
