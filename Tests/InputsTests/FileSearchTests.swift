// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Contents that are not where they were when the agent stopped: compressed, renamed, their inode
/// given to another file, all of it while the agent looks.
struct FileSearchTests {
    /// An agent that read and kept `one`, and was stopped; `two` was written after that.
    private func stopped(_ patterns: [String] = ["*.log"]) throws -> Following {
        let following = try Following(patterns)
        try following.folder.write("app.log", "one\n")
        try following.folder.write("other.log", "other one\n")
        try following.read(patterns == ["app.log"] ? 1 : 2)
        following.stop()
        try following.folder.append("app.log", "two\n")
        return following
    }

    /// Compresses `app.log.1`, whose inode then goes to another name and content.
    private func compress(
        _ folder: TemporaryFolder, numberTo name: String, _ bytes: [UInt8]
    ) throws {
        try folder.archive("app.log.1", ".gz")
        try folder.rename("app.log.1", to: name)
        try folder.write(name, bytes)
    }

    private func look(_ following: Following) {
        following.input.follower.withLock { $0.rescan(SystemClock().monotonic()) }
    }

    @Test(arguments: [true, false])
    func aLogCompressedBetweenStartAndReadingIsReadFromItsArchive(isRenamed: Bool) throws {
        let following = try stopped(["app.log"])
        let folder = following.folder
        if isRenamed { try folder.rename("app.log", to: "app.log.1") }
        try following.start()
        look(following)
        if !isRenamed { try folder.rename("app.log", to: "app.log.1") }
        try folder.write("app.log", "three\n")
        try folder.compress("app.log.1", ".gz")
        #expect(Set(try following.read(2)) == ["two", "three"])
        try following.readOn()
        #expect(following.records.count == 2)
        #expect(following.losses == [])
    }

    @Test func aNumberThatWentToARotatedFileOfAnotherLogHidesNothing() throws {
        let following = try stopped()
        let folder = following.folder
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        // What copytruncate makes of the other log.
        try compress(folder, numberTo: "other.log.1", Array("other one\nother two\n".utf8))
        try folder.truncate("other.log")
        try following.start()
        #expect(Set(try following.read(3)) == ["two", "three", "other two"])
        try following.readOn()
        #expect(following.records.count == 3)
        #expect(following.losses == [])
    }

    /// Nobody opened it yet when its number went to the copy of another log, and that copy is
    /// looked for before the names are looked at again.
    @Test func aNumberThatWentToACopyBeforeItsFileWasOpenedHidesNothing() throws {
        let following = try Following(["*.log"])
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try folder.write("other.log", "other one\n")
        try following.read(2)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\n")
        look(following)
        try folder.rename("app.log", to: "app.log.2")
        try folder.archive("app.log.2", ".gz")
        try folder.rename("app.log.2", to: "other.log.1")
        try folder.write("other.log.1", "other one\nother two\n")
        try folder.truncate("other.log")
        try folder.write("app.log", "three\n")
        following.input.follower.withLock { follower in
            for tail in Array(follower.tails.values) where tail.path.hasSuffix("other.log") {
                follower.refresh(tail)
            }
        }
        let expected: Set = ["one", "other one", "two", "three", "other two"]
        #expect(Set(try following.read(5)) == expected)
        try following.readOn()
        #expect(following.records.count == 5)
        #expect(following.losses == [])
    }

    @Test func aRotatedFileIsReadAlthoughItsNumberIsThatOfALostContent() throws {
        let following = try stopped()
        let folder = following.folder
        try folder.rename("other.log", to: "other.log.1")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try compress(folder, numberTo: "other.log.2", Array("other two\n".utf8))
        try folder.rename("other.log.1", to: "other.log.3")
        try folder.write("other.log", "other three\n")
        try following.start()
        let expected: Set = ["two", "three", "other two", "other three"]
        #expect(Set(try following.read(4)) == expected)
        try following.readOn()
        #expect(following.records.count == 4)
        #expect(following.losses == [])
    }

    @Test func aNumberThatWentToTheNextArchiveHidesNothing() throws {
        let following = try stopped(["app.log"])
        let folder = following.folder
        try following.start()
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        // The new content is read and kept, the end of the old one is not.
        following.input.follower.withLock { follower in
            follower.rescan(SystemClock().monotonic())
            for tail in follower.tails.values where tail.path.hasSuffix(".1") {
                tail.trouble = .after(
                    nil, reason: "", now: SystemClock().monotonic(), timing: FileTiming())
            }
        }
        #expect(try following.read(1) == ["three"])
        following.stop()
        try folder.append("app.log", "four\n")
        try folder.rename("app.log", to: "app.log.2")
        try compress(
            folder, numberTo: "app.log.2.gz",
            Packed.bytes(Array("three\nfour\n".utf8), ".gz"))
        try folder.remove("app.log.2")
        try folder.write("app.log", "five\n")
        try following.start()
        #expect(Set(try following.read(3)) == ["two", "four", "five"])
        try following.readOn()
        #expect(following.records.count == 3)
        #expect(following.losses == [])
    }

    /// A copy keeps the number of its original until a later content there has a key. A kill may
    /// come between that and the next batch of the copy.
    @Test func aCopyIsReadOnAlthoughItsNumberHasLaterContent() throws {
        let following = try stopped()
        let folder = following.folder
        let lines = (0..<9000).map { "\($0) " + String(repeating: "c", count: 500) }
        try folder.append("app.log", lines.joined(separator: "\n") + "\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try compress(folder, numberTo: "new.log", Array("new\n".utf8))
        try following.start()
        try following.wait { following.texts.contains("new") }
        let isUnfinished = following.positions.contains { position in
            guard case .file(let file) = position.place else { return false }
            return file.size > file.offset
        }
        #expect(isUnfinished)
        let before = following.texts
        try following.restart()
        try following.read(lines.count + 3 - before.count)
        try following.readOn()
        #expect((before + following.texts).sorted() == (lines + ["two", "three", "new"]).sorted())
        #expect(following.losses == [])
    }

    @Test func aClosedFileThatIsCompressedIsNotReadAgain() throws {
        let following = try Following(["app.log*"], quiet: .seconds(5))
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try following.read(3)
        let packed = Packed.bytes(Array("one\ntwo\n".utf8), ".gz")
        try folder.write("app.log.1.gz", Array(packed[..<10]))
        look(following)
        try following.readOn(for: .milliseconds(10))
        try folder.write("app.log.1.gz", packed)
        try folder.remove("app.log.1")
        following.input.follower.withLock { follower in
            for tail in Array(follower.tails.values) { follower.closeFile(tail) }
            // The archive is opened before the names are looked at again.
            let later = SystemClock().monotonic().advanced(by: .milliseconds(60))
            (follower.earliestRescan, follower.nextRescan) = (later, later)
            for tail in Array(follower.tails.values) where tail.path.hasSuffix(".gz") {
                follower.refresh(tail)
                follower.enqueue(tail)
            }
        }
        try following.readOn(for: .milliseconds(150))
        #expect(following.texts == ["one", "two", "three"])
        #expect(following.losses == [])
    }

    /// Between a rename and the moment its writer opens the log anew, there is no log.
    @Test func whatWasNeverSeenIsReadAlthoughTheLogIsNotThereYet() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        for (number, line) in [(2, "two"), (1, "three")] {
            try folder.rename("app.log", to: "app.log.\(number)")
            try folder.compress("app.log.\(number)", ".gz")
            try folder.write("app.log", line + "\n")
        }
        try folder.rename("app.log", to: "app.log.0")
        try folder.compress("app.log.0", ".gz")
        try following.start()
        #expect(try following.read(2) == ["two", "three"])
        try folder.write("app.log", "four\n")
        #expect(try following.read(3) == ["two", "three", "four"])
        #expect(following.losses == [])
    }

    @Test func anArchiveThatGoesBeforeItWasReadIsALoss() throws {
        let following = try stopped(["app.log"])
        let folder = following.folder
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try folder.compress("app.log.1", ".gz")
        try following.start()
        look(following)
        following.input.follower.withLock { follower in
            for tail in Array(follower.tails.values) { follower.closeFile(tail) }
        }
        try folder.remove("app.log.1.gz")
        look(following)
        try following.read(1)
        try following.wait { !following.losses.isEmpty }
        #expect(following.texts == ["three"])
        #expect(following.losses.map(\.byteCount) == [4])
    }

    /// Who is renamed or compressed between the list of the names and the look at each of them.
    @Test(arguments: 1...6, [true, false])
    func whatIsRenamedWhileItsFolderIsListedIsNotGone(call: Int, isCompressed: Bool) throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "new one\n")
        try following.read(2)
        following.stop()
        try folder.append("app.log.1", "two\n")
        try folder.append("app.log", "three\n")
        if isCompressed { try folder.compress("app.log.1", ".gz") }
        try following.start()
        let count = Monitor(0)
        following.input.follower.withLock { follower in
            follower.folderNames = { (path) throws(SystemError) -> [String] in
                let names = try FileSystem.names(in: path)
                let isNow = count.withLock { count in
                    count += 1
                    return count == call
                }
                if isNow {
                    if isCompressed {
                        try? folder.rename("app.log.1.gz", to: "app.log.2.gz")
                    } else {
                        try? folder.compress("app.log.1", ".gz")
                    }
                }
                return names
            }
        }
        #expect(Set(try following.read(2)) == ["two", "three"])
        try following.readOn(for: .milliseconds(20))
        #expect(following.records.count == 2)
        #expect(following.losses == [])
    }
}
