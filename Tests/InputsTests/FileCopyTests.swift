// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Copies of logs: what copytruncate leaves and what rotated files are compressed to.
struct FileCopyTests {
    private func copyTruncate(_ folder: TemporaryFolder, _ copy: String = "app.log.1") throws {
        try folder.write(copy, try folder.read("app.log"))
        try folder.truncate("app.log")
    }

    // MARK: copytruncate

    @Test(arguments: ["app.log", "app.log*"], [true, false])
    func theCopyOfCopytruncateIsNotReadAgain(pattern: String, isWatching: Bool) throws {
        let following = try Following([pattern], isWatching: isWatching)
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        try copyTruncate(folder)
        try following.readOn()
        try folder.append("app.log", "three\n")
        try following.read(3)
        try following.readOn()
        #expect(following.texts == ["one", "two", "three"])
        #expect(following.losses == [])
    }

    @Test func aCopyThatTurnsUpLateIsReadOnAndNotAgain() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.write("copy", "one\ntwo\n")
        try folder.truncate("app.log")
        try following.readOn()
        try folder.append("app.log", "three\n")
        #expect(try following.read(2) == ["one", "three"])
        try folder.rename("copy", to: "app.log.2")
        #expect(try following.read(3) == ["one", "three", "two"])
        try following.readOn()
        #expect(following.records.count == 3)
        #expect(following.records[2].source == following.records[0].source)
    }

    @Test func aLogCompressedBetweenSeeingAndReadingItIsNoLoss() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\nthree\n")
        following.input.follower.withLock { $0.rescan(SystemClock().monotonic()) }
        try folder.rename("app.log", to: "app.log.2")
        try folder.write("app.log", "four\n")
        try folder.compress("app.log.2", ".gz")
        #expect(try following.read(4) == ["one", "two", "three", "four"])
        try following.readOn()
        #expect(following.losses == [])
    }

    @Test func linesThatOnlyTheCopyHasAreReadFromIt() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.append("app.log", "two\nthree\n")
        try copyTruncate(folder)
        try folder.append("app.log", "four\n")
        #expect(try following.read(4) == ["one", "two", "three", "four"])
        #expect(following.records[1].source == following.records[0].source)
        #expect(following.records[1].offset == 4)
        #expect(following.records[3].source != following.records[0].source)
        #expect(following.input.state.lostByteCount == 0)
    }

    @Test func theCopyIsNotReadAgainAfterARestart() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        try copyTruncate(folder)
        try following.readOn()
        try folder.append("app.log", "three\n")
        try following.read(3)
        for _ in 0..<2 {
            try following.restart()
            try following.readOn()
            #expect(following.texts == [])
        }
    }

    @Test(arguments: ["app.log", "app.log*"])
    func copytruncateWhileTheAgentWasDownLosesNothing(pattern: String) throws {
        let following = try Following([pattern])
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        let source = following.records[0].source
        following.stop()
        try folder.append("app.log", "two\n")
        try copyTruncate(folder)
        try folder.append("app.log", "three\n")
        try following.start()
        #expect(try following.read(2) == ["two", "three"])
        #expect(following.records[0].source == source)
        #expect(following.records[0].offset == 4)
    }

    @Test func aCopyThatEndsBeforeThePositionIsRecognisedAllTheSame() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        let copy = try folder.read("app.log")
        // What is written between the copy and the truncation is in no copy.
        try folder.append("app.log", "three\n")
        try following.read(3)
        try folder.write("app.log.1", copy)
        try folder.truncate("app.log")
        try following.readOn()
        #expect(following.texts == ["one", "two", "three"])
        #expect(following.losses == [])
    }

    @Test func aCopyInTheMakingIsNotReadBeforeItShowsWhatItIs() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\nthree\n")
        try following.read(3)
        for piece in ["", "on", "one\ntw", "one\ntwo\nthree\n"] {
            try folder.write("app.log.1", piece)
            try following.readOn(for: .milliseconds(10))
        }
        try folder.truncate("app.log")
        try folder.append("app.log", "four\n")
        try following.read(4)
        try following.readOn()
        #expect(following.texts == ["one", "two", "three", "four"])
    }

    @Test func aCopyThatGoesItsOwnWayIsAFileOfItsOwn() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "same\n")
        try following.read(1)
        try folder.write("app.log.1", "same\n")
        try following.readOn()
        try folder.append("app.log.1", "other\n")
        try following.read(3)
        #expect(following.texts.contains("other"))
    }

    @Test func aScriptThatCopiesOverTheLastCopyLosesNothing() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        var expected: [String] = []
        for round in 0..<4 {
            expected += ["round \(round)", "same line"]
            try folder.append("app.log", "round \(round)\nsame line\n")
            try following.read(expected.count)
            // As `cp app.log app.log.1; : > app.log` does, into the inode that is there.
            try copyTruncate(folder)
        }
        try following.readOn()
        #expect(following.texts == expected)
    }

    // MARK: The same beginning

    @Test func twoLogsWithTheSameContentAreBothRead() throws {
        let following = try Following(["*.log"])
        let text = String(repeating: "the same line in both\n", count: 100)
        try following.folder.write("a.log", text)
        try following.folder.write("b.log", text)
        try following.read(200)
        #expect(following.records.count == 200)
        #expect(Set(following.records.map(\.source)).count == 2)
    }

    @Test func aHeaderLineInEachRotatedFileMakesThemNoCopies() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        let header = "#Version 1.0 " + String(repeating: "h", count: 1100)
        var expected: [String] = []
        for round in 0..<4 {
            expected += [header, "round \(round)"]
            try folder.append("app.log", header + "\nround \(round)\n")
            if round % 2 == 0 { try following.read(expected.count) }
            for number in stride(from: round, through: 1, by: -1) {
                try folder.rename("app.log.\(number)", to: "app.log.\(number + 1)")
            }
            try folder.rename("app.log", to: "app.log.1")
        }
        try following.read(expected.count)
        try following.readOn()
        #expect(following.texts == expected)
        #expect(Set(following.records.map(\.source)).count == 4)
    }

    @Test func theSameFirstKilobyteAfterCopytruncateIsNoticed() throws {
        let following = try Following()
        let folder = following.folder
        let head = String(repeating: "j", count: 1200) + "\n"
        try folder.write("app.log", head + "one\n")
        try following.read(2)
        try folder.truncate("app.log")
        try folder.append("app.log", head + "two\nthree and more\n")
        #expect(try following.read(5).suffix(2) == ["two", "three and more"])
        #expect(following.records[2].source != following.records[0].source)
    }

    // MARK: Compression

    @Test(arguments: [".gz", ".zst"], ["app.log", "app.log*"])
    func aCompressedSiblingGoesOnAtTheUncompressedOffset(
        suffix: String, pattern: String
    ) throws {
        let following = try Following([pattern])
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        let source = following.records[0].source
        following.stop()
        try folder.append("app.log", "two\nthree\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.compress("app.log.1", suffix)
        try folder.write("app.log", "four\n")
        try following.start()
        #expect(try following.read(3) == ["two", "three", "four"])
        #expect(following.records.map(\.offset) == [4, 8, 0])
        #expect(following.records[0].source == source)
        try following.readOn()
        #expect(following.losses == [])
        try following.restart()
        try following.readOn()
        #expect(following.texts == [])
    }

    @Test(arguments: [".gz", ".zst"])
    func aRotatedFileThatIsCompressedIsNotReadAgain(suffix: String) throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try following.read(3)
        try folder.compress("app.log.1", suffix)
        try following.readOn()
        try folder.rename("app.log.1" + suffix, to: "app.log.2" + suffix)
        try following.readOn()
        #expect(following.texts == ["one", "two", "three"])
        try following.restart()
        try following.readOn()
        #expect(following.texts == [])
    }

    @Test func anArchiveThatIsBeingWrittenIsNotReadAsText() throws {
        let following = try Following(["app.log*"], quiet: .seconds(5))
        let folder = following.folder
        try folder.write("app.log", "live\n")
        try following.read(1)
        let packed = Packed.bytes(Array("old one\nold two\n".utf8), ".gz")
        for count in [0, 1, 3, 10, packed.count - 1, packed.count] {
            try folder.write("app.log.7.gz", Array(packed[..<count]))
            try following.readOn(for: .milliseconds(15))
        }
        try following.read(3)
        #expect(following.texts == ["live", "old one", "old two"])
    }

    @Test func generationsThatWereNeverSeenAreReadFromTheirArchives() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        try folder.rename("app.log", to: "app.log.3")
        try folder.compress("app.log.3", ".gz")
        try folder.write("app.log.2", "two\n")
        try folder.compress("app.log.2", ".gz")
        try folder.write("app.log.1", "three\n")
        try folder.write("app.log", "four\n")
        try following.start()
        #expect(try following.read(3) == ["two", "three", "four"])
        try following.readOn()
        #expect(following.records.count == 3)
    }

    @Test func siblingsAreReadAlthoughTheOneThatWasReadIsGone() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        following.stop()
        try folder.remove("app.log")
        try folder.write("app.log.2", "two\n")
        try folder.write("app.log.1", "three\n")
        try folder.write("app.log", "four\n")
        try following.start()
        #expect(try following.read(3) == ["two", "three", "four"])
    }

    @Test func aLongArchiveIsReadInBoundedMemory() throws {
        let folder = try TemporaryFolder()
        let line = String(repeating: "0123456789abcdef", count: 64) + "\n"
        let bytes = [UInt8](String(repeating: line, count: 12_000).utf8)
        try folder.write("a.gz", Packed.bytes(bytes, ".gz"))
        let content = try FileContent(folder("a.gz"))
        #expect(content.isCompressed)
        #expect(try content.byteCount() == UInt64(bytes.count))
        #expect(content.end == .whole)
        for offset in [bytes.count - 10, 0, 5_000_000, 4_999_000, bytes.count] {
            let expected = Array(bytes[offset..<min(bytes.count, offset + 100)])
            #expect(try content.read(count: 100, at: offset) == expected)
            #expect(content.heldByteCount <= 4 << 20)
        }
    }

    @Test func whatFollowsAWholeArchiveIsPadding() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.gz", Packed.bytes([1, 2], ".gz") + [0, 0, 0, 0, 0, 0])
        let content = try FileContent(folder("a.gz"))
        #expect(try content.byteCount() == 2)
        #expect(content.end == .whole)
        var damaged = Packed.bytes([UInt8](repeating: 7, count: 100), ".gz")
        damaged[damaged.count - 5] ^= 1
        try folder.write("b.gz", damaged)
        let other = try FileContent(folder("b.gz"))
        _ = try other.byteCount()
        #expect(other.end == .damaged)
    }

    @Test func aDamagedArchiveIsReadAsFarAsItGoesAndSaid() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        let lines = (0..<20_000).map { "line \($0) \($0 &* 2_654_435_761 % 1_000_003)" }
        var packed = Packed.bytes(Array((lines.joined(separator: "\n") + "\n").utf8), ".gz")
        packed[packed.count * 3 / 4] ^= 0xFF
        try folder.write("app.log.2.gz", packed)
        try folder.write("app.log", "live\n")
        try following.wait {
            !following.input.state.isReadable && following.records.count > 10
        }
        #expect(following.texts.contains("live"))
        #expect(following.records.count > 10)
        #expect(following.input.state.reasons.first?.contains("damaged archive") == true)
        try folder.remove("app.log.2.gz")
        try following.wait { following.input.state.isReadable }
        #expect(following.input.state.isReadable)
    }
}
