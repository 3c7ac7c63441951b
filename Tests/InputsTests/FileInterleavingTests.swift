// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// A log is rotated and compressed step by step, and the agent is killed and started again at each
/// point of that: every order of the two, with nothing left to time.
///
/// `FUZZ_SECONDS` asks for all of them; else `SEED` picks some.
struct FileInterleavingTests {
    @Test(arguments: CompressingWriter.Reuse.allCases)
    func noOrderOfRotationAndKillsLosesOrRepeatsALine(reuse: CompressingWriter.Reuse) throws {
        let isFull = ProcessFacts.environment("FUZZ_SECONDS") != nil
        var number = RotationModel.chosenSeed &+ UInt64(reuse.rawValue)
        for before in 0...CompressingWriter.stepCount {
            for plan in Interleaving.plans(after: before, reuse) {
                number &+= 1
                guard isFull || number % 25 == 0 else { continue }
                guard try plan.holds() else { return }
            }
        }
    }
}

/// When the steps of the writer come.
struct Interleaving {
    /// What the steps that are left after the restart go with.
    enum Moment: Equatable {
        /// All of them between the look at the names and the first opening of a file.
        case afterTheFirstLook
        /// All of them at one list of the names: behind the names, and before the files.
        case atList(Int)
        /// One at each list of the names.
        case atEachList
        /// One after each batch.
        case afterEachBatch
    }

    var reuse: CompressingWriter.Reuse
    /// The steps before the kill.
    var before: Int
    /// Whether the agent reads what these wrote, and is killed before it is kept.
    var isReadBeforeTheKill: Bool
    var moment: Moment
    /// After how many batches the agent is killed once more, and the next batch is not kept.
    var batchesToTheSecondKill: Int?

    static func plans(after before: Int, _ reuse: CompressingWriter.Reuse) -> [Interleaving] {
        var moments: [Moment] = [.afterTheFirstLook, .atEachList, .afterEachBatch]
        moments += (1...5).map(Moment.atList)
        if before == CompressingWriter.stepCount { moments = [.afterEachBatch] }
        return moments.flatMap { moment in
            [true, false].flatMap { isRead in
                [nil, 0, 1, 2, 3].map { kill in
                    Interleaving(
                        reuse: reuse, before: before, isReadBeforeTheKill: isRead, moment: moment,
                        batchesToTheSecondKill: kill)
                }
            }
        }
    }

    /// Plays it, and says whether each line came once.
    func holds() throws -> Bool {
        let following = try Following(["*.log"])
        let writer = CompressingWriter(following.folder, reuse)
        try writer.begin()
        try following.read(2)
        for _ in 0..<before { try writer.step() }
        if isReadBeforeTheKill { try readAndForget(following) }
        var kept = Array(following.records.prefix(2))
        try startAgain(following, writer)
        if moment == .afterTheFirstLook {
            following.input.follower.withLock { $0.rescan(SystemClock().monotonic()) }
            try writer.finish()
        }
        if let count = batchesToTheSecondKill {
            try readBatches(count, following, writer)
            kept += following.records
            try readAndForget(following)
            try startAgain(following, writer)
        }
        let missing = CompressingWriter.lines.count - kept.count
        try readBatches(.max, following, writer, enough: missing)
        try writer.finish()
        try following.read(missing)
        try following.readOn(for: .milliseconds(4))
        kept += following.records
        let isWhole = kept.map(\.text).sorted() == CompressingWriter.lines
        let isQuiet = following.losses.isEmpty
        #expect(isWhole && isQuiet, "\(self): \(kept.map(\.text)), \(following.losses)")
        return isWhole && isQuiet
    }

    private func startAgain(_ following: Following, _ writer: CompressingWriter) throws {
        try following.restart()
        let moment = moment
        let count = Monitor(0)
        following.input.follower.withLock { follower in
            follower.folderNames = { (folder) throws(SystemError) -> [String] in
                let names = try FileSystem.names(in: folder)
                let call = count.withLock { count in
                    count += 1
                    return count
                }
                if moment == .atEachList { try? writer.step() }
                if moment == .atList(call) { try? writer.finish() }
                return names
            }
        }
    }

    /// Reads so many batches, or until there is enough or nothing comes.
    private func readBatches(
        _ limit: Int, _ following: Following, _ writer: CompressingWriter, enough: Int = .max
    ) throws {
        var count = 0
        while count < limit, following.records.count < enough {
            guard try following.batch(within: .milliseconds(4)) != nil else { break }
            count += 1
            if moment == .afterEachBatch { try writer.step() }
        }
    }

    /// Reads a batch that is not kept.
    private func readAndForget(_ following: Following) throws {
        let records = following.records
        _ = try following.batch(within: .milliseconds(2), isCommitted: false)
        following.records = records
    }
}

/// Writes `app.log`, renames and compresses it, and gives its inode away; one step at a time.
final class CompressingWriter: Sendable {
    /// What gets the inode of the file that was compressed.
    enum Reuse: Int, CaseIterable, Sendable {
        case nothing, copyOfAnotherLog, newLog, nextArchive
    }

    static let lines = ["five", "four", "one", "other one", "other two", "three", "two"]
    static let stepCount = 11

    private let folder: TemporaryFolder
    private let reuse: Reuse
    private let done = Monitor(0)

    init(_ folder: TemporaryFolder, _ reuse: Reuse) {
        self.folder = folder
        self.reuse = reuse
    }

    /// What the agent reads and keeps before anything happens.
    func begin() throws {
        try folder.write("app.log", "one\n")
        try folder.write("other.log", "other one\n")
    }

    /// The next step, if one is left.
    func step() throws {
        try done.withLock { done in
            guard done < CompressingWriter.stepCount else { return }
            done += 1
            try perform(done)
        }
    }

    /// All steps that are left.
    func finish() throws {
        for _ in 0..<CompressingWriter.stepCount { try step() }
    }

    private func perform(_ step: Int) throws {
        let packed = Packed.bytes(Array("one\ntwo\nthree\n".utf8), ".gz")
        switch step {
        case 1: try folder.append("app.log", "two\n")
        case 2: try folder.rename("app.log", to: "app.log.1")
        case 3: try folder.append("app.log.1", "three\n")
        case 4: try folder.write("app.log", "four\n")
        case 5: try folder.write("app.log.1.gz", [])
        case 6: try folder.write("app.log.1.gz", Array(packed[..<(packed.count / 2)]))
        case 7: try folder.write("app.log.1.gz", packed)
        case 8: try folder.copyTimes(from: "app.log.1", to: "app.log.1.gz")
        case 9: try giveAway()
        case 10: try folder.append("app.log", "five\n")
        default:
            if reuse != .copyOfAnotherLog, reuse != .newLog {
                try folder.append("other.log", "other two\n")
            }
        }
    }

    /// Takes the original of the archive away; the next file gets its inode, if nobody has it open
    /// and the file system does so.
    private func giveAway() throws {
        switch reuse {
        case .nothing:
            try folder.remove("app.log.1")
        case .copyOfAnotherLog:
            try make("other.log.1", Array("other one\nother two\n".utf8))
            try folder.truncate("other.log")
        case .newLog:
            try make("new.log", Array("other two\n".utf8))
        case .nextArchive:
            try folder.rename("app.log", to: "app.log.2")
            try make("app.log.2.gz", Packed.bytes(try folder.read("app.log.2"), ".gz"))
            try folder.remove("app.log.2")
        }
    }

    private func make(_ name: String, _ bytes: [UInt8]) throws {
        let number = try FileSystem.status(folder("app.log.1")).inode
        try folder.remove("app.log.1")
        let tries = (0..<CompressingWriter.inodeTries).map { ".\($0)" }
        for (index, part) in tries.enumerated() {
            try folder.write(part, [])
            let isWanted = try FileSystem.status(folder(part)).inode == number
            guard isWanted || index == tries.count - 1 else { continue }
            for other in tries[..<index] { try folder.remove(other) }
            try folder.write(part, bytes)
            return try folder.rename(part, to: name)
        }
    }

    private static let inodeTries = 8
}
