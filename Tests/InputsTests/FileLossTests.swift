// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// What is gone before it could be read is stated once, and what is kept about files ends some day.
struct FileLossTests {
    /// Has the input see how long the files are, without reading them.
    private func look(_ following: Following) {
        following.input.follower.withLock { follower in
            for tail in Array(follower.tails.values) { follower.refresh(tail) }
        }
    }

    private func expectSums(_ following: Following) {
        let audit = following.input.state.audit
        #expect(audit.unaccountedByteCount == 0)
        #expect(audit.byteCount == audit.passedByteCount + audit.lostByteCount)
    }

    @Test func aTruncationStatesExactlyWhatWasNotRead() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.append("app.log", "two\nthree\n")
        look(following)
        try folder.truncate("app.log")
        try following.wait { !following.losses.isEmpty }
        #expect(
            following.losses
                == [InputLoss(path: folder("app.log"), reason: .truncated, byteCount: 10)])
        #expect(following.input.state.audit.lostByteCount == 10)
        #expect(following.input.state.audit.passedByteCount == 4)
        expectSums(following)
    }

    @Test func aLossIsNotStatedAgainAfterARestart() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\n")
        try following.read(1)
        try folder.append("app.log", "two\n")
        look(following)
        try folder.truncate("app.log")
        try following.wait { !following.losses.isEmpty }
        following.stop()
        following.losses = []
        try folder.append("app.log", "three\n")
        try following.start()
        #expect(try following.read(1) == ["three"])
        #expect(following.losses == [])
        #expect(following.records[0].offset == 0)
    }

    @Test func aLossThatWasNotCommittedIsStatedByTheNextStart() throws {
        let following = try Following()
        let folder = following.folder
        let lines = (0..<9000).map { "line \($0)" }
        try folder.write("app.log", lines.joined(separator: "\n") + "\n")
        // One batch, with more in the file than a batch holds: the position says so.
        _ = try following.batch(within: .seconds(5))
        #expect(following.records.count < lines.count)
        following.stop()
        try folder.truncate("app.log")
        try following.start()
        try following.wait { !following.losses.isEmpty }
        #expect(following.losses.map(\.reason) == [.truncated])
        #expect(following.losses[0].byteCount > 0)
    }

    @Test func aFileThatIsDeletedWhileTheAgentIsDownStatesWhatWasKnownToBeThere() throws {
        let following = try Following()
        let folder = following.folder
        let lines = (0..<9000).map { "line \($0)" }
        try folder.write("app.log", lines.joined(separator: "\n") + "\n")
        let size = UInt64(try folder.read("app.log").count)
        _ = try following.batch(within: .seconds(5))
        guard case .file(let position) = following.positions.first?.place else {
            Issue.record("no position")
            return
        }
        following.stop()
        try folder.remove("app.log")
        try following.start()
        try following.wait { !following.losses.isEmpty }
        #expect(
            following.losses == [
                InputLoss(
                    path: folder("app.log"), reason: .deleted,
                    byteCount: size - position.offset)
            ])
        following.stop()
        following.losses = []
        try following.start()
        try following.readOn()
        #expect(following.losses == [])
    }

    @Test func theEndOfAFileThatIsCutOffIsLostAndTheFileGoesOn() throws {
        let following = try Following()
        let folder = following.folder
        try folder.write("app.log", "one\nunfinished")
        try following.read(1)
        try folder.truncate("app.log", to: 6)
        try following.wait { !following.losses.isEmpty }
        #expect(following.losses.map(\.byteCount) == [8])
        try folder.append("app.log", " two\n")
        #expect(try following.read(2) == ["one", "un two"])
        #expect(following.records[0].source == following.records[1].source)
    }

    @Test func whatWasReadIsNoLoss() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        for round in 0..<5 {
            try folder.append("app.log", "line \(round)\n")
            try following.read(round + 1)
            if round % 2 == 0 {
                try folder.truncate("app.log")
            } else {
                try folder.remove("app.log")
            }
            try following.readOn()
        }
        #expect(following.losses == [])
        #expect(following.input.state.audit.contentCount == 5)
        #expect(following.input.state.audit.byteCount == 35)
        expectSums(following)
    }

    @Test func aTruncationBeforeTheFirstReadAfterARestartIsNoLossWhenThereIsACopy() throws {
        let following = try Following(["app.log", "zzz.log"])
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\n")
        try following.read(2)
        try folder.truncate("app.log")
        try following.readOn(for: .milliseconds(20))
        try folder.append("app.log", "three\n")
        try following.read(3)
        following.stop()
        try folder.append("app.log", "four\n")
        try following.start()
        // The file is seen, and not read yet, when it is copied and truncated.
        following.input.follower.withLock { follower in
            follower.rescan(SystemClock().monotonic())
        }
        try folder.write("app.log.1", try folder.read("app.log"))
        try folder.truncate("app.log")
        look(following)
        try folder.append("app.log", "five\n")
        #expect(try following.read(2) == ["four", "five"])
        #expect(following.losses == [])
        try following.restart()
        try following.readOn()
        #expect(following.texts == [])
        #expect(following.losses == [])
    }

    @Test func aCopyThatIsOverwrittenByTheNextOneIsNoLoss() throws {
        let following = try Following(["app.log*"])
        let folder = following.folder
        try folder.write("app.log", "one\ntwo\nthree\n")
        try following.read(3)
        try folder.write("app.log.1", "one\ntwo\n")
        try following.readOn()
        for text in ["", "one\n", "one\ntwo\nthree\n"] {
            try folder.write("app.log.1", text)
            look(following)
            try following.readOn(for: .milliseconds(15))
        }
        try folder.truncate("app.log")
        try following.readOn()
        #expect(following.losses == [])
        #expect(following.texts == ["one", "two", "three"])
    }

    @Test func aRestartNeverTakesAnOlderContentOfAnInodeForTheNewerOne() throws {
        let following = try Following(["*.log"])
        let folder = following.folder
        var expected: [String] = []
        for round in 0..<6 {
            // One inode, a new name and a new content each time, as after a deletion.
            let lines = (0..<(20 - round * 3)).map { "round \(round) line \($0)" }
            if round > 0 { try folder.rename("\(round - 1).log", to: "\(round).log") }
            try folder.write("\(round).log", lines.joined(separator: "\n") + "\n")
            expected = lines
            try following.read(lines.count)
            #expect(following.texts == expected)
            try following.restart()
            try following.readOn(for: .milliseconds(20))
            #expect(following.texts == [])
        }
        #expect(following.losses == [])
    }

    // MARK: Forgotten positions

    @Test func positionsOfFilesThatAreGoneAreGivenUp() throws {
        let following = try Following(review: .milliseconds(20))
        let folder = following.folder
        for round in 0..<20 {
            try folder.append("app.log", "round \(round)\n")
            try following.read(round + 1)
            try folder.truncate("app.log")
            try following.readOn(for: .milliseconds(25))
        }
        // The one of the newest content stays: it keeps later keys apart.
        #expect(following.positions.count <= 4)
        try folder.append("app.log", "last\n")
        try following.read(21)
        #expect(Set(following.records.map(\.source)).count == 21)
    }

    @Test func theHighestGenerationOfAnInodeIsKept() {
        func position(_ key: UInt64, inode: UInt64, generation: UInt32) -> Position {
            Position(
                input: "a",
                place: .file(
                    FilePosition(
                        key: FileKey(high: key, low: 0), inode: inode, device: 1,
                        generation: generation, size: 0, firstRecord: .zero,
                        firstRecordByteCount: 0, tail: .zero, offset: 0, path: "/x/\(key)")))
        }
        var known = KnownFiles(
            [
                position(1, inode: 7, generation: 0), position(2, inode: 7, generation: 1),
                position(3, inode: 8, generation: 4), position(4, inode: 9, generation: 0),
            ], input: "a")
        func superfluous(_ limit: Int) -> [UInt64] {
            known.superfluous(keeping: limit, most: 10) { _ in false }.map(\.high)
        }
        #expect(superfluous(10) == [1])
        // Beyond the limit the oldest go first.
        #expect(superfluous(1) == [1, 2, 3])
        #expect(known.superfluous(keeping: 1, most: 2) { _ in false }.map(\.high) == [1, 2])
        #expect(known.superfluous(keeping: 0, most: 10) { $0.inode == 7 }.map(\.high) == [3, 4])
    }

    @Test func aRotatedFileThatIsStillThereIsNotForgotten() throws {
        let following = try Following(["app.log*"], review: .milliseconds(20))
        let folder = following.folder
        for round in 0..<3 {
            try folder.append("app.log", "round \(round)\n")
            try following.read(round + 1)
            try folder.write("app.log.\(round + 1)", try folder.read("app.log"))
            try folder.truncate("app.log")
            try following.readOn(for: .milliseconds(60))
        }
        try folder.append("app.log", "last\n")
        try following.read(4)
        try following.restart()
        try following.readOn(for: .milliseconds(100))
        #expect(following.texts == [])
    }

    // MARK: Quiet

    @Test func aSidecarCanSeeWhenEverythingIsReadAndNobodyWrites() throws {
        let following = try Following()
        let folder = following.folder
        #expect(following.input.state.quietSince == nil)
        let lines = String(repeating: "line\n", count: 9000)
        try folder.write("app.log", lines)
        _ = try following.batch(within: .seconds(5))
        #expect(following.input.state.hasUnread)
        try following.read(9000)
        try following.wait { !following.input.state.hasUnread }
        let first = try #require(following.input.state.quietSince)
        try following.readOn()
        #expect(following.input.state.quietSince == first)
        try folder.append("app.log", "more\n")
        try following.read(9001)
        let second = try #require(following.input.state.quietSince)
        #expect(second > first)
        #expect(!following.input.state.hasUnread)
    }
}
