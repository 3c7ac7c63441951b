// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

private func segment(_ number: UInt64) -> String { "ledger/" + SegmentName.name(of: number) }

/// A small ledger on a disk, written and closed: segments of a few frames each.
private struct SmallLedger {
    let disk = MemoryDisk()
    let configuration: LedgerConfiguration
    var bodies: [UInt64: [UInt8]] = [:]
    /// The places of all frames, and what they hold.
    var frames: [LedgerFrame] = []

    init(batches: Int = 5, segment: Int = 1100, encrypted: Bool = false) throws {
        var configuration = LedgerConfiguration.small(segment: segment)
        if encrypted { configuration.encryption = try testRing(1) }
        self.configuration = configuration
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk, configuration, sinks: ["siem"])
        for index in 0..<batches {
            try ledger.append(maker.make(count: 1 + index % 2, bodyByteLimit: 4))
        }
        frames = try ledger.frames()
        try ledger.close()
    }

    var sequence: [UInt64] {
        frames.flatMap { frame in
            frame.batch.events.indices.map { frame.batch.firstSequence + UInt64($0) }
        }
    }

    /// What a start and a sink find, and what damage they report.
    func open(
        _ disk: MemoryDisk
    ) throws -> (sequence: [UInt64], damage: [LedgerDamage], recovered: RecoveredState) {
        let (ledger, recovered) = try openLedger(disk, configuration, sinks: ["siem"])
        let sequence = try ledger.sequence()
        return (sequence, recovered.damage + ledger.takeDamage(), recovered)
    }
}

struct LedgerCorruptionTests {
    /// What happens to one byte.
    enum Harm: CaseIterable, Sendable {
        case flipped, zeroed, cut
    }

    // Each byte gets one of the three in clear, and all of them in both ways with FUZZ_SECONDS.
    private static let isThorough = ProcessFacts.environment("FUZZ_SECONDS") != nil

    @Test(arguments: isThorough ? [false, true] : [false])
    func anyByteCostsAtMostItsFrameAndIsCounted(encrypted: Bool) throws {
        let small = try SmallLedger(batches: 3, encrypted: encrypted)
        let newest = try #require(small.frames.last).place.segment
        for number in 1...newest {
            let bytes = try #require(small.disk[segment(number)])
            for place in bytes.indices {
                for (turn, harm) in Harm.allCases.enumerated()
                where LedgerCorruptionTests.isThorough || place % 3 == turn {
                    try check(small, number, bytes, place, harm, isNewest: number == newest)
                }
            }
        }
    }

    private func check(
        _ small: SmallLedger, _ number: UInt64, _ bytes: [UInt8], _ place: Int, _ harm: Harm,
        isNewest: Bool
    ) throws {
        var changed = bytes
        switch harm {
        case .flipped: changed[place] ^= 0x41
        case .zeroed: changed[place] = 0
        case .cut: changed = Array(bytes.prefix(place))
        }
        let disk = small.disk.copy()
        disk[segment(number)] = changed
        let (sequence, damage, recovered) = try small.open(disk)
        let comment: Comment = "segment \(number), byte \(place) \(harm)"
        let hit = small.frames.filter { frame in
            guard frame.place.segment == number, changed != bytes else { return false }
            return harm == .cut
                ? frame.next.offset > UInt64(place)
                : frame.place.offset <= UInt64(place) && UInt64(place) < frame.next.offset
        }
        let lost = Set(
            hit.flatMap { frame in
                frame.batch.events.indices.map { frame.batch.firstSequence + UInt64($0) }
            })
        #expect(sequence == small.sequence.filter { !lost.contains($0) }, comment)
        // At the end of the newest segment a lost frame looks like one that was never finished.
        let stated = damage.filter { !$0.isTornTail }.compactMap(\.eventCount).reduce(0, +)
        // A file that ends between two frames shows nothing; verification finds what is missing.
        let ends = [0] + small.frames.filter { $0.place.segment == number }.map(\.place.offset)
        if harm == .cut, ends.contains(UInt64(place)) { return }
        if isNewest, lost.contains(small.sequence.last ?? 0) {
            #expect(recovered.nextSequence < UInt64(small.sequence.count), comment)
        } else {
            #expect(stated == lost.count, comment)
            #expect(recovered.nextSequence == UInt64(small.sequence.count), comment)
        }
        // A cut leaves nothing to set aside when it falls between two frames.
        if !lost.isEmpty, harm != .cut {
            #expect(disk.paths.contains { $0.contains("/quarantine/") }, comment)
        }
    }

    @Test func aPageOfZerosCostsTheFramesInItAndTheyAreCounted() throws {
        let small = try SmallLedger(batches: 40, segment: 8192)
        let bytes = try #require(small.disk[segment(1)])
        for start in stride(from: 0, to: bytes.count - 4096, by: 1024) {
            let disk = small.disk.copy()
            var changed = bytes
            for place in start..<start + 4096 { changed[place] = 0 }
            disk[segment(1)] = changed
            let (sequence, damage, _) = try small.open(disk)
            let lostCount = small.sequence.count - sequence.count
            #expect(lostCount > 0 && Set(sequence).isSubset(of: Set(small.sequence)))
            #expect(damage.compactMap(\.eventCount).reduce(0, +) == lostCount)
            // The next start knows it already.
            let again = try small.open(disk)
            #expect(again.damage.allSatisfy { !$0.isNew } && again.sequence == sequence)
        }
    }

    @Test func aLengthOfAllOnesIsNeverUsed() throws {
        let small = try SmallLedger(batches: 12, segment: 8192)
        for frame in small.frames.dropLast() where frame.place.segment == 1 {
            let disk = small.disk.copy()
            var bytes = try #require(disk[segment(1)])
            for index in 0..<4 { bytes[Int(frame.place.offset) + 8 + index] = 0xFF }
            disk[segment(1)] = bytes
            let (sequence, damage, _) = try small.open(disk)
            #expect(sequence.count == small.sequence.count - frame.batch.events.count)
            #expect(damage.map(\.eventCount) == [frame.batch.events.count])
            #expect(damage.map(\.firstSequence) == [frame.batch.firstSequence])
        }
    }

    @Test func aDuplicateOfASegmentIsSetAsideAndDeliversNothingTwice() throws {
        let small = try SmallLedger()
        let disk = small.disk.copy()
        let newest = try #require(small.frames.last).place.segment
        disk[segment(newest + 5)] = disk[segment(1)]
        let (sequence, damage, recovered) = try small.open(disk)
        #expect(sequence == small.sequence)
        #expect(recovered.nextSequence == UInt64(small.sequence.count))
        #expect(damage.count == 1 && damage.allSatisfy { ($0.eventCount ?? 0) == 0 })
        #expect(disk.paths.contains { $0.contains("/quarantine/") })
    }

    @Test func foreignFilesAreNoReasonToStop() throws {
        let small = try SmallLedger()
        let disk = small.disk.copy()
        let others = [
            "notes.txt", "0000000000000002.seg.bak", "abc.seg", "0000000000000000.seg",
            "lost+found", "ffffffffffffffff.seg", "000000000000000G.seg",
        ]
        for name in others { disk["ledger/" + name] = Array("somebody else's".utf8) }
        let (sequence, damage, _) = try small.open(disk)
        #expect(sequence == small.sequence && damage.isEmpty)
        for name in others { #expect(disk["ledger/" + name] == Array("somebody else's".utf8)) }
    }

    @Test func aSegmentMissingInTheMiddleIsCountedOnce() throws {
        let small = try SmallLedger(batches: 12)
        let newest = try #require(small.frames.last).place.segment
        #expect(newest > 3)
        for number in 2..<newest {
            let disk = small.disk.copy()
            disk[segment(number)] = nil
            let (sequence, damage, _) = try small.open(disk)
            let lostCount = small.sequence.count - sequence.count
            #expect(lostCount > 0)
            #expect(damage.map(\.eventCount) == [lostCount], "segment \(number)")
            #expect(damage.allSatisfy { $0.kind == .missing && $0.isNew && !$0.isTornTail })
            let again = try small.open(disk)
            #expect(again.damage.allSatisfy { !$0.isNew })
        }
    }

    @Test func aSegmentThatVanishesWhileTheAgentRunsIsCounted() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 2)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<40 { try ledger.append(maker.make(count: 5)) }
        try ledger.close()
        let (second, _) = try openLedger(disk)
        disk[segment(3)] = nil
        let sequence = try second.sequence()
        #expect(sequence.count < 200)
        let damage = second.takeDamage()
        #expect(damage.map(\.eventCount) == [200 - sequence.count])
        #expect(damage.map(\.kind) == [.missing])
    }

    // The cases that broke the disk buffers of others.

    @Test func anEmptyFileAtTheStartIsNoReasonToStop() throws {
        let small = try SmallLedger()
        let newest = try #require(small.frames.last).place.segment
        for number in 1...newest + 1 {
            let disk = small.disk.copy()
            let isThere = disk[segment(number)] != nil
            if isThere, number < newest { continue }
            disk[segment(number)] = []
            let (sequence, _, _) = try small.open(disk)
            let expected = small.frames.filter { $0.place.segment != number }
            #expect(sequence.count == expected.reduce(0) { $0 + $1.batch.events.count })
        }
    }

    @Test func recordsBehindACorruptOneAreStillRead() throws {
        // Leading, in the middle, and the last of a file that was finished.
        let small = try SmallLedger(batches: 12)
        for frame in small.frames where frame.place.segment < 3 {
            let disk = small.disk.copy()
            var bytes = try #require(disk[segment(frame.place.segment)])
            for place in Int(frame.place.offset)..<Int(frame.next.offset) { bytes[place] = 0x5A }
            disk[segment(frame.place.segment)] = bytes
            let (sequence, damage, _) = try small.open(disk)
            #expect(sequence.count == small.sequence.count - frame.batch.events.count)
            #expect(sequence.last == small.sequence.last)
            #expect(damage.map(\.eventCount) == [frame.batch.events.count])
        }
    }

    @Test func aTruncatedRecordInAFinishedFileIsCounted() throws {
        let small = try SmallLedger(batches: 12)
        let last = try #require(small.frames.last { $0.place.segment == 2 })
        for cut in [1, 30, 64, 70] {
            let disk = small.disk.copy()
            let bytes = try #require(disk[segment(2)])
            disk[segment(2)] = Array(bytes.prefix(Int(last.place.offset) + cut))
            let (sequence, damage, _) = try small.open(disk)
            #expect(sequence.count == small.sequence.count - last.batch.events.count)
            #expect(damage.filter { !$0.isTornTail }.map(\.eventCount) == [last.batch.events.count])
        }
    }

    @Test func aDurableRecordBehindAStaleCursorIsSentAgainAndNotLost() throws {
        let small = try SmallLedger(batches: 12)
        let disk = small.disk.copy()
        let (ledger, _) = try openLedger(disk, small.configuration, sinks: ["siem"])
        let middle = small.frames[6].place
        try ledger.advance("siem", to: SinkCursor(place: middle))
        try ledger.close()
        let stale = try #require(disk["ledger/cursors"])
        let (second, _) = try openLedger(disk, small.configuration, sinks: ["siem"])
        try second.advance("siem", to: SinkCursor(place: try #require(small.frames.last).next))
        try second.close()
        disk["ledger/cursors"] = stale
        let (third, _) = try openLedger(disk, small.configuration, sinks: ["siem"])
        let cursor = try #require(third.cursor(of: "siem"))
        #expect(cursor.place == middle)
        #expect(try third.sequence(from: cursor.place).last == small.sequence.last)
    }

    @Test func aCursorIntoTheMiddleOfAFrameOrBehindTheEndDoesNoHarm() throws {
        let small = try SmallLedger(batches: 12)
        let (ledger, _) = try openLedger(small.disk.copy(), small.configuration, sinks: ["siem"])
        let all = Set(small.sequence)
        for frame in small.frames {
            for shift in [1, 63, 64, 65, 5000] {
                let place = LedgerPlace(
                    segment: frame.place.segment, offset: frame.place.offset + UInt64(shift))
                #expect(Set(try ledger.sequence(from: place)).isSubset(of: all))
            }
        }
        #expect(try ledger.read(from: LedgerPlace(segment: UInt64.max, offset: .max)) == nil)
    }

    @Test func lostCursorsAreFoundOnceAndSendFromTheOldest() throws {
        let small = try SmallLedger(batches: 12)
        let disk = small.disk.copy()
        disk["ledger/cursors"] = [UInt8](repeating: 0x33, count: CursorFile.byteCount)
        let (first, recovered) = try openLedger(disk, small.configuration, sinks: ["siem"])
        #expect(recovered.lostCursors && first.cursor(of: "siem")?.place == .beginning)
        try first.close()
        let (_, again) = try openLedger(disk, small.configuration, sinks: ["siem"])
        #expect(!again.lostCursors)
    }

    /// All that waited was passed over: an entry that was not there looked like a new sink's.
    @Test func cursorsThatWereCutOffOrZeroedAreLostAndNotNew() throws {
        let small = try SmallLedger(batches: 12)
        let sinks = ["siem", "archive"]
        let zeros = [UInt8](repeating: 0, count: CursorFile.byteCount)
        for cursors in [nil, Array(zeros.prefix(700)), zeros] {
            for lastCall in 0...40 {
                let disk = small.disk.copy()
                disk["ledger/cursors"] = cursors
                // A power cut at each call of the start that finds it, and what it leaves.
                let count = Monitor(0)
                disk.fail { _, _, _ in
                    count.withLock { count in
                        count += 1
                        return count > lastCall ? .powerCut : nil
                    }
                }
                _ = try? openLedger(disk, small.configuration, sinks: sinks)
                var generator = SeededGenerator(seed: UInt64(lastCall))
                let left = disk.crash { Bool.random(using: &generator) }
                let (ledger, _) = try openLedger(left, small.configuration, sinks: sinks)
                for sink in sinks { #expect(ledger.cursor(of: sink)?.place == .beginning) }
                try ledger.close()
                let (_, again) = try openLedger(left, small.configuration, sinks: sinks + ["late"])
                #expect(!again.lostCursors)
            }
        }
    }
}
