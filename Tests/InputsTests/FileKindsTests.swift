// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Files and file systems of all kinds: links, holes, folders that come and go, no inotify.
struct FileKindsTests {
    // MARK: Short files

    @Test func aFileWithOneShortLineIsRead() throws {
        let following = try Following(["*.log"])
        try following.folder.write("a.log", "x\n")
        #expect(try following.read(1) == ["x"])
    }

    @Test func oneLineWithoutAnEndIsReadOnceItsFileIsRotatedAway() throws {
        let following = try Following()
        try following.folder.write("app.log", "fatal: no more memory")
        try following.readOn()
        #expect(following.texts == [])
        try following.folder.rename("app.log", to: "app.log.1")
        #expect(try following.read(1) == ["fatal: no more memory"])
    }

    @Test func emptyFilesAreNotTakenForOneAnother() throws {
        let following = try Following(["*.log"])
        for name in ["a.log", "b.log", "c.log"] { try following.folder.write(name, "") }
        try following.readOn()
        #expect(following.input.state.fileCount == 3)
        for name in ["a.log", "b.log", "c.log"] { try following.folder.append(name, "same\n") }
        try following.read(3)
        #expect(Set(following.records.map(\.source)).count == 3)
        #expect(!following.input.state.hasUnread)
    }

    @Test func anEmptyFileThatIsRotatedLeavesNothing() throws {
        let following = try Following()
        try following.folder.write("app.log", "")
        try following.readOn(for: .milliseconds(20))
        try following.folder.rename("app.log", to: "app.log.1")
        try following.folder.write("app.log", "one\n")
        #expect(try following.read(1) == ["one"])
        try following.wait { following.input.state.fileCount == 1 }
        #expect(following.input.state.openFileCount == 1)
    }

    // MARK: Holes

    @Test func aHoleOfManyGigabytesIsPassedOverAtOnce() throws {
        let following = try Following()
        let file = try File(following.folder("app.log"), .write, .create)
        try file.write(Array("one\n".utf8).span, at: 0)
        try following.read(1)
        let far = 40 << 30
        try file.write(Array("two\n".utf8).span, at: far)
        #expect(try following.read(2) == ["one", "two"])
        #expect(following.records[1].offset == UInt64(far))
        following.stop()
        try file.write(Array("three\n".utf8).span, at: far + 4)
        try following.start()
        #expect(try following.read(1) == ["three"])
    }

    @Test func roomThatAWriterMadeIsNotPassedOverBeforeItIsFilled() throws {
        let following = try Following()
        let file = try File(following.folder("app.log"), .write, .create)
        try file.truncate(to: 8192)
        try file.write(Array("one\n".utf8).span, at: 0)
        try following.read(1)
        try following.readOn()
        try file.write(Array("two\n".utf8).span, at: 4)
        #expect(try following.read(2) == ["one", "two"])
        #expect(following.records[1].offset == 4)
        #expect(following.records[1].source == following.records[0].source)
    }

    // MARK: Links

    @Test(arguments: [true, false])
    func aLinkThatIsSwitchedLeadsToTheNewFileAfterTheOldOne(isWatching: Bool) throws {
        let following = try Following(["current.log"], isWatching: isWatching)
        let folder = following.folder
        try folder.write("day-1", "one\n")
        try FileSystem.createLink(folder("current.log"), to: "day-1")
        try following.read(1)
        try folder.append("day-1", "two\n")
        try folder.write("day-2", "three\n")
        try FileSystem.createLink(folder("next"), to: "day-2")
        try folder.rename("next", to: "current.log")
        #expect(try following.read(3) == ["one", "two", "three"])
        try folder.append("day-2", "four\n")
        #expect(try following.read(4).last == "four")
    }

    @Test func theTargetOfALinkIsRotated() throws {
        let following = try Following(["a.log"], rescan: .milliseconds(50))
        let folder = following.folder
        try folder.createFolder("real")
        try folder.write("real/0.log", "one\n")
        try FileSystem.createLink(folder("a.log"), to: "real/0.log")
        try following.read(1)
        for round in 0..<3 {
            try folder.append("real/0.log", "old \(round)\n")
            try folder.rename("real/0.log", to: "real/0.log.\(round)")
            try folder.write("real/0.log", "new \(round)\n")
            try following.read(3 + round * 2)
        }
        #expect(
            following.texts == ["one", "old 0", "new 0", "old 1", "new 1", "old 2", "new 2"])
    }

    @Test func aFolderBehindALinkMayBeAnotherOne() throws {
        let following = try Following(["current/app.log"], rescan: .milliseconds(50))
        let folder = following.folder
        for name in ["v1", "v2"] {
            try folder.createFolder(name)
            try folder.write(name + "/app.log", name + "\n")
        }
        try FileSystem.createLink(folder("current"), to: "v1")
        try following.read(1)
        try FileSystem.createLink(folder("next"), to: "v2")
        try folder.rename("next", to: "current")
        #expect(try following.read(2) == ["v1", "v2"])
    }

    @Test func twoNamesOfOneFileAreReadOnce() throws {
        let following = try Following(["*.log"])
        try following.folder.write("a.log", "one\n")
        try FileSystem.createLink(following.folder("b.log"), to: "a.log")
        try following.read(1)
        try following.readOn()
        #expect(following.texts == ["one"])
    }

    // MARK: Names

    @Test func aFileThatIsMovedToAnotherFolderIsDrained() throws {
        let following = try Following()
        let folder = following.folder
        try folder.createFolder("old")
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "old/app.log.1")
        try folder.append("old/app.log.1", "three\n")
        try folder.write("app.log", "four\n")
        #expect(try following.read(4) == ["one", "two", "three", "four"])
    }

    @Test func whoeverKeepsWritingToTheRotatedFileIsFollowed() throws {
        let following = try Following(linger: .seconds(60))
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\n")
        try following.read(2)
        try following.wait { following.input.state.openFileCount == 1 }
        #expect(following.input.state.fileCount == 2)
        try folder.append("app.log.1", "late\n")
        #expect(try following.read(3) == ["one", "two", "late"])
        #expect(following.records[2].source == following.records[0].source)
    }

    @Test func aDateBeforeTheExtensionIsARotation() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "app-20260101.log")
        try folder.write("app-20260102.log", "three\n")
        try folder.write("app.log", "four\n")
        try following.start()
        #expect(try following.read(3) == ["two", "three", "four"])
    }

    @Test func anotherFileWithTheInodeOfAKnownOneIsNotReadUnlessItIsNamed() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        // The inode is in use by a file of another kind now.
        try folder.rename("app.log", to: "notes.txt")
        try folder.write("notes.txt", "private\n")
        try following.start()
        try following.readOn()
        #expect(following.texts == [])
        #expect(following.input.state.fileCount == 0)
    }

    // MARK: Without inotify

    @Test func aFileSystemThatReportsNothingIsLookedAtAgainAndAgain() throws {
        let following = try Following(["*.log"], reportsChanges: { _ in false })
        let folder = following.folder
        try folder.write("a.log", "one\n")
        try following.read(1)
        #expect(following.input.state.isPolling)
        try folder.append("a.log", "two\n")
        try folder.rename("a.log", to: "a.log.1")
        try folder.write("a.log", "three\n")
        #expect(try following.read(3) == ["one", "two", "three"])
    }

    @Test func aLookAtManyFilesTakesASmallShareOfTheTime() {
        // A look that takes 20 ms is followed by a rest that makes it half a percent.
        #expect(FileFollower.restPerWork >= 100)
        let timing = FileTiming()
        #expect(timing.longestPoll <= .seconds(5))
        #expect(timing.longestRescan <= .seconds(60))
    }
}
