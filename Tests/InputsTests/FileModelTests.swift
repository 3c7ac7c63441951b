// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Rotation of every kind by a seeded plan, compared with what was written.
///
/// `SEED` picks another plan, `FUZZ_SECONDS` goes on with further ones for that long.
struct FileModelTests {
    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6])
    func everyLineComesOnceAndInOrderThroughRotationsAndRestarts(seed: UInt64) throws {
        var model = try RotationModel(seed: seed + RotationModel.chosenSeed)
        try model.run(60)
    }

    @Test func longModelRun() throws {
        guard let text = ProcessFacts.environment("FUZZ_SECONDS"), let seconds = Int(text) else {
            return
        }
        let clock = SystemClock()
        let end = clock.monotonic().advanced(by: .seconds(seconds))
        var seed = RotationModel.chosenSeed &+ 100
        while clock.monotonic() < end {
            seed &+= 1
            var model = try RotationModel(seed: seed)
            try model.run(120)
            if model.hasFailed { return }
        }
    }
}

/// One log, who writes and rotates it, and an agent that is stopped and started.
struct RotationModel {
    private let seed: UInt64
    private var random: Xorshift
    private let following: Following
    private let folder: TemporaryFolder
    private let rotatedLimit = 5

    private var rotated: [String] = []
    private var written: [String] = []
    private var committedCount = 0
    private var isCommitting = true
    private var lineNumber = 0
    private var lostByteCount: UInt64 = 0
    private var lost: Set<String> = []
    private var trace: [String] = []
    private var hasLooked = true
    private(set) var hasFailed = false

    /// What `SEED` says.
    static let chosenSeed = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 0

    init(seed: UInt64) throws {
        self.seed = seed
        random = Xorshift(seed &* 7919 &+ 17)
        let patterns = [["app.log"], ["app.log*"], ["app.log", "app.log.1"]]
        following = try Following(
            patterns[Int(seed % 3)], isWatching: seed % 4 != 0, rescan: .milliseconds(100),
            quiet: .milliseconds(100), linger: .milliseconds(300), review: .milliseconds(150))
        folder = following.folder
    }

    mutating func run(_ count: Int) throws {
        try write()
        try settle()
        for _ in 0..<count where !hasFailed {
            switch random.next(12) {
            case 0: try rename()
            case 1: try copyAndTruncate()
            case 2: try compress()
            case 3: try truncate()
            case 4: try restart()
            case 5: isCommitting = isCommitting && random.next(2) == 0
            case 6: try settle()
            default: try write()
            }
            if random.next(3) == 0 { try look(.milliseconds(Int64(random.next(12)))) }
        }
        try settle()
        let places = following.records.map { "\($0.source) \($0.offset)" }
        #expect(Set(places).count == places.count, "seed \(seed): two records share a place")
        let audit = following.input.state.audit
        #expect(audit.unaccountedByteCount == 0, "seed \(seed): \(audit)")
        #expect(audit.byteCount == audit.passedByteCount + audit.lostByteCount)
    }

    // MARK: The writer

    private mutating func write() throws {
        var text = ""
        for _ in 0..<1 + random.next(20) {
            lineNumber += 1
            let line = "\(lineNumber) " + String(repeating: "m", count: random.next(60))
            written.append(line)
            text += line + "\n"
        }
        trace.append("write to \(lineNumber)")
        try folder.append("app.log", text)
    }

    /// Makes room for the name of the newest rotated file.
    private mutating func shift() throws {
        if rotated.count >= rotatedLimit {
            // What goes away has been read, or it would be lost by right.
            try settle()
            try folder.remove(rotated.removeLast())
        }
        hasLooked = false
        for index in rotated.indices.reversed() {
            let old = rotated[index]
            let suffix = old.hasSuffix(".gz") ? ".gz" : old.hasSuffix(".zst") ? ".zst" : ""
            rotated[index] = "app.log.\(index + 2)" + suffix
            try folder.rename(old, to: rotated[index])
        }
    }

    private mutating func rename() throws {
        guard FileSystem.exists(folder("app.log")) else { return }
        trace.append("rename")
        try shift()
        try folder.rename("app.log", to: "app.log.1")
        rotated.insert("app.log.1", at: 0)
        if random.next(2) == 0 { try folder.write("app.log", "") }
    }

    private mutating func copyAndTruncate() throws {
        guard FileSystem.exists(folder("app.log")) else { return }
        trace.append("copytruncate")
        try shift()
        let bytes = try folder.read("app.log")
        // The copy takes its time, and the agent may look at it.
        try folder.write("app.log.1", Array(bytes[..<(bytes.count / 2)]))
        if random.next(3) == 0 { try look(.milliseconds(8)) }
        try folder.write("app.log.1", bytes)
        if random.next(3) == 0 { try look(.milliseconds(8)) }
        try folder.truncate("app.log")
        rotated.insert("app.log.1", at: 0)
    }

    private mutating func compress() throws {
        let plain = rotated.indices.filter { rotated[$0].last?.isNumber == true }
        guard let index = plain.last else { return }
        // A content that is compressed before anybody looked once leaves no trace to follow.
        if !hasLooked { try settle() }
        let name = rotated[index]
        let suffix = random.next(2) == 0 ? ".gz" : ".zst"
        let target = name + suffix
        trace.append("compress \(target)")
        let bytes = Packed.bytes(try folder.read(name), suffix)
        try folder.write(target, Array(bytes[..<(bytes.count / 2)]))
        if random.next(3) == 0 { try look(.milliseconds(8)) }
        try folder.write(target, bytes)
        try folder.copyTimes(from: name, to: target)
        if random.next(3) == 0 { try look(.milliseconds(8)) }
        try folder.remove(name)
        rotated[index] = target
    }

    /// Empties the log without a copy, sometimes with lines in it that nobody read yet.
    private mutating func truncate() throws {
        guard FileSystem.exists(folder("app.log")), isCommitting else { return }
        try settle()
        trace.append("truncate")
        let number = try FileSystem.status(folder("app.log")).inode
        let size = UInt64(try folder.read("app.log").count)
        try following.wait {
            following.input.follower.withLock { follower in
                follower.tails.values.contains {
                    $0.number.inode == number && $0.isBegun && $0.byteCount == size
                }
            }
        }
        // What is unread must not be taken for the end of what was there before.
        try look(.milliseconds(30))
        committedCount = following.records.count
        let before = (try folder.read("app.log")).count
        if random.next(2) == 0 {
            let from = written.count
            try write()
            // The input sees that they are there, and not more than that.
            following.input.follower.withLock { follower in
                for tail in Array(follower.tails.values) { follower.refresh(tail) }
            }
            let after = (try folder.read("app.log")).count
            lost.formUnion(written[from...])
            lostByteCount += UInt64(after - before)
            trace.append("lost \(after - before)")
        }
        try folder.truncate("app.log")
        try look(.milliseconds(30))
    }

    // MARK: The agent

    private mutating func look(_ time: Duration) throws {
        let clock = SystemClock()
        let end = clock.monotonic().advanced(by: time)
        while clock.monotonic() < end {
            _ = try following.batch(within: .milliseconds(2), isCommitted: isCommitting)
            if isCommitting { committedCount = following.records.count }
        }
    }

    private mutating func restart() throws {
        trace.append("restart, \(committedCount) of \(following.records.count) committed")
        following.stop()
        let kept = Array(following.records.prefix(committedCount))
        let keptLosses = following.losses
        try following.start()
        following.records = kept
        following.losses = keptLosses
        isCommitting = true
    }

    private var statedByteCount: UInt64 { following.losses.reduce(0) { $0 + $1.byteCount } }

    /// Reads all there is, and compares.
    private mutating func settle() throws {
        if !isCommitting { try restart() }
        let expected = written.filter { !lost.contains($0) }
        let clock = SystemClock()
        let end = clock.monotonic().advanced(by: .seconds(5))
        while following.records.count < expected.count || statedByteCount < lostByteCount,
            clock.monotonic() < end
        {
            try look(.milliseconds(5))
        }
        try look(.milliseconds(20))
        hasLooked = true
        let texts = following.texts
        let numbers = texts.map { Int($0.prefix { $0 != " " }) ?? 0 }
        // Files of one log are read in turn, but the turn of one that came and went between two
        // looks cannot be known. Inside a content the order is kept whatever happens.
        var last: [String: Int] = [:]
        var isInOrder = true
        for (record, number) in zip(following.records, numbers) {
            if let before = last[record.source], before >= number { isInOrder = false }
            last[record.source] = number
        }
        guard texts.sorted() != expected.sorted() || !isInOrder else {
            if statedByteCount != lostByteCount { hasFailed = true }
            #expect(statedByteCount == lostByteCount, "seed \(seed): \(trace)")
            return
        }
        hasFailed = true
        let place = zip(texts, expected).prefix { $0 == $1 }.count
        Issue.record(
            """
            seed \(seed): \(texts.count) records for \(expected.count) lines, \
            differing at \(place): \(texts.dropFirst(place).prefix(3)) \
            in place of \(expected.dropFirst(place).prefix(3)); \(trace)
            """)
    }
}
