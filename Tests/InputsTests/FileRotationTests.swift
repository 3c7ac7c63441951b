// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

struct FileRotationTests {
    @Test(arguments: [true, false])
    func aRenamedFileIsDrainedBeforeTheNewOne(isWatching: Bool) throws {
        let following = try Following(isWatching: isWatching)
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.append("app.log.1", "three\n")
        try folder.write("app.log", "four\n")
        #expect(try following.read(4) == ["one", "two", "three", "four"])
        #expect(following.records[2].source == following.records[0].source)
        #expect(following.records[3].source != following.records[0].source)
        #expect(following.records[3].offset == 0)
    }

    @Test(arguments: [true, false])
    func whatCameJustBeforeTheRotationComesBeforeTheNewFile(isWatching: Bool) throws {
        // The rename is found by the look at the names, long before the next look at the file.
        let following = try Following(isWatching: isWatching, poll: .milliseconds(300))
        let folder = following.folder
        var expected: [String] = []
        for round in 0..<3 {
            expected += ["old \(round)", "new \(round)"]
            try folder.append("app.log", "old \(round)\n")
            if FileSystem.exists(folder("app.log.1")) { try folder.remove("app.log.1") }
            try folder.rename("app.log", to: "app.log.1")
            try folder.write("app.log", "new \(round)\n")
            if round == 0 { expected.removeFirst() }
            #expect(try following.read(expected.count) == expected)
        }
    }

    @Test func aBacklogOfManyBatchesComesBeforeTheNewFile() throws {
        let following = try Following()
        let folder = following.folder
        let lines = (0..<4000).map { "\($0) " + String(repeating: "b", count: 500) }
        try folder.write("app.log", lines.joined(separator: "\n") + "\n")
        _ = try following.batch(within: .seconds(5))
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "new\n")
        #expect(try following.read(lines.count + 1) == lines + ["new"])
    }

    @Test func linesWrittenToTheOldFileAfterItsRotationAreRead() throws {
        let following = try Following(quiet: .seconds(5))
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\n")
        try following.read(2)
        try folder.append("app.log.1", "late\n")
        #expect(try following.read(3) == ["one", "two", "late"])
        #expect(following.records[2].source == following.records[0].source)
        #expect(following.records[2].path == folder("app.log.1"))
    }

    @Test func aRotatedFileIsLetGoOnceItIsQuiet() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\n")
        try following.read(2)
        try following.wait { following.input.state.openFileCount == 1 }
        #expect(following.input.state.openFileCount == 1)
        #expect(following.input.state.fileCount == 1)
        try following.readOn()
        #expect(following.texts == ["one", "two"])
    }

    @Test func aChainOfRenamesKeepsEveryLine() throws {
        let following = try Following(["app.log*"], quiet: .seconds(5))
        let folder = following.folder
        var expected: [String] = []
        for round in 0..<6 {
            let lines = (0..<5).map { "round \(round) line \($0)" }
            expected += lines
            try folder.append("app.log", lines.joined(separator: "\n") + "\n")
            try following.read(expected.count)
            for number in stride(from: round, through: 1, by: -1) {
                try folder.rename("app.log.\(number)", to: "app.log.\(number + 1)")
            }
            try folder.rename("app.log", to: "app.log.1")
        }
        try following.readOn()
        #expect(following.texts == expected)
    }

    @Test func rotationsBetweenTwoLooksLoseNothing() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        // Three rotations before the input looks again.
        try folder.append("app.log", "two\n")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "three\n")
        try folder.rename("app.log.1", to: "app.log.2")
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "four\n")
        #expect(try following.read(4) == ["one", "two", "three", "four"])
        try following.readOn()
        #expect(following.records.count == 4)
    }

    @Test func rotationDuringAPartialLineKeepsBothHalves() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\nhal")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try folder.write("app.log", "two\n")
        #expect(Set(try following.read(3)) == ["one", "two", "hal"])
        #expect(following.records.first { $0.text == "hal" }?.offset == 4)
    }

    @Test func aPartialLineThatIsFinishedAfterTheRotationIsWhole() throws {
        let following = try Following(quiet: .seconds(5))
        let folder = following.folder
        try folder.write("app.log", "one\nhal")
        try following.read(1)
        try folder.rename("app.log", to: "app.log.1")
        try following.readOn(for: .milliseconds(20))
        try folder.append("app.log.1", "f\n")
        #expect(try following.read(2) == ["one", "half"])
    }

    @Test func aFileThatIsDeletedWhileItIsOpenIsDrained() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        let writer = try File(folder("app.log"), .write, .append)
        try writer.writeNext(Array("two\n".utf8).span)
        try folder.remove("app.log")
        try writer.writeNext(Array("three\nrest".utf8).span)
        #expect(try following.read(4) == ["one", "two", "three", "rest"])
        try following.wait { following.input.state.fileCount == 0 }
        #expect(following.input.state.openFileCount == 0)
        #expect(following.input.state.lagByteCount == 0)
    }

    @Test func aFileThatIsDeletedAndMadeAgainIsNew() throws {
        let following = try Following()
        for round in 0..<5 {
            try following.folder.write("app.log", "same first line\n\(round)\n")
            try following.read(round * 2 + 2)
            try following.folder.remove("app.log")
            try following.wait { following.input.state.fileCount == 0 }
        }
        #expect(following.texts.count == 10)
        // The file system may give one inode to all of them: the keys differ all the same.
        let places = following.records.map { "\($0.source) \($0.offset)" }
        #expect(Set(places).count == 10)
    }

    // MARK: Truncation

    @Test func aTruncatedFileIsReadFromItsBeginningUnderANewKey() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\nthree\n")
        try following.read(3)
        try folder.truncate("app.log")
        try following.readOn()
        try folder.append("app.log", "one\n")
        #expect(try following.read(4).last == "one")
        #expect(following.records[3].offset == 0)
        #expect(following.records[3].source != following.records[0].source)
        #expect(following.input.state.truncationCount == 1)
    }

    @Test func contentThatOutgrowsTheOldOneBeforeTheNextLookIsNoticed() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        try folder.write("app.log", "one\nother two\nthree\n")
        #expect(try following.read(5) == ["one", "two", "one", "other two", "three"])
    }

    @Test func contentOfTheSameSizeIsNoticed() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        // The file's clock has to move on for a change of the same size to show.
        try following.readOn(for: .milliseconds(20))
        try folder.write("app.log", "uno\ndos\n")
        #expect(try following.read(4).suffix(2) == ["uno", "dos"])
    }

    @Test func aCopyAndTruncationLosesNothingThatWasRead() throws {
        let following = try Following()
        let folder = following.folder
        var expected: [String] = []
        for round in 0..<4 {
            let lines = (0..<50).map { "\(round) \($0)" }
            expected += lines
            try folder.append("app.log", lines.joined(separator: "\n") + "\n")
            try following.read(expected.count)
            try folder.write("app.log.1", try folder.read("app.log"))
            try folder.truncate("app.log")
        }
        #expect(following.texts == expected)
        #expect(Set(following.records.map(\.source)).count == 4)
        #expect(following.input.state.lostByteCount == 0)
    }

    @Test func aWriterThatKeepsItsPlaceLeavesAHoleThatIsPassedOver() throws {
        let following = try Following()
        let folder = following.folder
        let writer = try File(folder("app.log"), .write, .create)
        try writer.writeNext(Array("one\ntwo\n".utf8).span)
        try following.read(2)
        try folder.truncate("app.log")
        try writer.writeNext(Array("three\n".utf8).span)
        #expect(try following.read(3) == ["one", "two", "three"])
        #expect(following.records[2].offset == 8)
    }

    @Test func whatIsTruncatedBeforeItWasReadIsCounted() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\nunfinished")
        try following.read(1)
        try folder.truncate("app.log")
        try following.wait { following.input.state.truncationCount == 1 }
        #expect(following.input.state.lostByteCount == 10)
    }

    @Test func theSameContentAfterATruncationIsNewThoughItWasAwayInBetween() throws {
        let following = try Following()
        let folder = following.folder
        try folder.createFolder("away")
        try folder.write("app.log", "same\n")
        try following.read(1)
        try folder.truncate("app.log")
        try following.wait { following.input.state.truncationCount == 1 }
        try folder.rename("app.log", to: "away/app.log")
        try following.wait { following.input.state.fileCount == 0 }
        try folder.append("away/app.log", "same\n")
        try folder.rename("away/app.log", to: "app.log")
        #expect(try following.read(2) == ["same", "same"])
        #expect(following.records[0].source != following.records[1].source)
    }
}
