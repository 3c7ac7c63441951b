// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

struct LedgerWalkTests {
    private func fill(
        _ disk: MemoryDisk, _ configuration: LedgerConfiguration = .small()
    ) throws -> [LedgerFrame] {
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk, configuration)
        for _ in 0..<60 { try ledger.append(maker.make(count: 5)) }
        let frames = try ledger.frames()
        try ledger.close()
        return frames
    }

    /// The numbers of all events of a walk.
    private func numbers(
        _ walk: inout LedgerWalk, before each: (Int) -> Void = { _ in }
    ) throws -> [UInt64] {
        var numbers: [UInt64] = []
        while let (batch, events) = try walk.next() {
            numbers += events.map { batch.firstSequence + UInt64($0) }
            each(numbers.count)
        }
        return numbers
    }

    @Test func itEndsExactlyWhereTheCursorStands() throws {
        let disk = MemoryDisk()
        let frames = try fill(disk)
        for frame in [frames[0], frames[17], frames[59]] {
            for index in [0, 1, 4, 5] {
                var walk = try LedgerWalk(
                    folder: "ledger", storage: disk, until: frame.place.at(index: index))
                let end = frame.batch.firstSequence + UInt64(index)
                #expect(try numbers(&walk) == Array(0..<end))
                #expect(walk.progress == 1 && walk.missingCount == 0 && walk.damagedCount == 0)
            }
            var walk = try LedgerWalk(folder: "ledger", storage: disk, until: frame.next)
            #expect(try numbers(&walk).count == Int(frame.batch.firstSequence) + 5)
        }
        var none = try LedgerWalk(folder: "ledger", storage: disk, until: .beginning)
        #expect(try numbers(&none) == [])
    }

    @Test func segmentsThatAreDeletedUnderItAreLeftOutAndCounted() throws {
        let disk = MemoryDisk()
        let frames = try fill(disk)
        let last = try #require(frames.last)
        let gone: UInt64 = 3
        var walk = try LedgerWalk(folder: "ledger", storage: disk, until: last.next)
        let found = try numbers(&walk) { count in
            if count == 5 { disk["ledger/" + SegmentName.name(of: gone)] = nil }
        }
        let expected = frames.filter { $0.place.segment != gone }.flatMap { frame in
            (0..<5).map { frame.batch.firstSequence + $0 }
        }
        #expect(expected.count < 300)
        #expect(found == expected)
        #expect(walk.missingCount == 1)
    }

    @Test func damageIsPassedOverAndCounted() throws {
        let disk = MemoryDisk()
        let frames = try fill(disk)
        let path = "ledger/" + SegmentName.name(of: frames[1].place.segment)
        var bytes = try #require(disk[path])
        bytes[Int(frames[1].place.offset) + 100] ^= 1
        disk[path] = bytes
        let last = try #require(frames.last)
        var walk = try LedgerWalk(folder: "ledger", storage: disk, until: last.next)
        #expect(try numbers(&walk) == Array(0..<5) + Array(10..<300))
        #expect(walk.damagedCount == 1)
    }

    @Test func anEncryptedOneNeedsItsKey() throws {
        let disk = MemoryDisk()
        let ring = try testRing(1)
        let frames = try fill(disk, .small().encrypted(ring))
        let last = try #require(frames.last)
        var walk = try LedgerWalk(folder: "ledger", storage: disk, keys: ring, until: last.next)
        #expect(try numbers(&walk).count == 300)
        var locked = try LedgerWalk(folder: "ledger", storage: disk, until: last.next)
        #expect(throws: LedgerError.self) { try locked.next() }
    }

    @Test func nothingIsWritten() throws {
        let disk = MemoryDisk()
        let last = try #require(try fill(disk).last)
        disk.fail { call, _, _ in
            [.open, .read, .names].contains(call) ? nil : MemoryDisk.Fault.inputOutput
        }
        var walk = try LedgerWalk(folder: "ledger", storage: disk, until: last.next)
        #expect(try numbers(&walk).count == 300)
    }
}

struct LedgerSelectionTests {
    private func batch(_ bodies: [String], first: UInt64 = 10) -> SealedBatch {
        var batch = SealedBatch(
            stream: "a/main/0000000000000000", keyID: 0, sinks: ["siem"], bodies: [], events: [],
            groups: [
                SealedGroup(first: first, count: bodies.count, previous: .zero, signature: [])
            ], positions: [], head: .zero)
        for body in bodies {
            batch.bodies += Array(body.utf8)
            batch.events.append(
                SealedEvent(
                    end: batch.bodies.count, leaf: .zero, action: .loginFailed, severity: .low,
                    sinkBits: 1))
        }
        return batch
    }

    private func body(_ time: String) -> String {
        "{\"a\":\"\\\\\\\"{\",\"labels\":{\"time\":\"2020-01-01T00:00:00.000000Z\"},"
            + "\"time\":\"\(time)\",\"z\":[{\"time\":\"2030-01-01T00:00:00.000000Z\"}]}"
    }

    @Test func bothEndsOfARunOfNumbersBelongToIt() {
        let batch = batch((0..<5).map { _ in "{}" })
        let stream = batch.stream
        func chosen(_ numbers: ClosedRange<UInt64>, _ stream: String, _ among: Range<Int>) -> [Int]
        {
            LedgerSelection.numbers(stream: stream, numbers).events(of: batch, among: among)
        }
        #expect(chosen(11...13, stream, 0..<5) == [1, 2, 3])
        #expect(chosen(0...10, stream, 0..<5) == [0])
        #expect(chosen(14...UInt64.max, stream, 0..<5) == [4])
        #expect(chosen(15...20, stream, 0..<5) == [])
        #expect(chosen(11...13, stream, 2..<3) == [2])
        #expect(chosen(11...13, "a/main/0000000000000001", 0..<5) == [])
    }

    @Test func theFirstMomentBelongsToASpanAndTheLastDoesNot() {
        let times = [
            "2026-11-21T08:00:00.000000Z", "2026-11-21T08:00:00.000001Z",
            "2026-11-21T09:00:00.000000Z",
        ]
        let batch = batch(times.map(body))
        let eight = Timestamp(year: 2026, month: 11, day: 21, hour: 8)
        let nine = Timestamp(year: 2026, month: 11, day: 21, hour: 9)
        func chosen(_ since: Timestamp?, _ until: Timestamp?) -> [Int] {
            LedgerSelection.time(since: since, until: until).events(of: batch, among: 0..<3)
        }
        #expect(chosen(eight, nine) == [0, 1])
        #expect(chosen(eight.advanced(by: .microseconds(1)), nil) == [1, 2])
        #expect(chosen(nil, eight) == [])
        #expect(chosen(nine, nil) == [2])
        #expect(chosen(nil, nil) == [0, 1, 2])
    }

    @Test func onlyTheTimeOfTheEventItselfCounts() {
        for body in ["{}", "{\"labels\":{\"time\":\"2026-11-21T08:00:00.000000Z\"}}", "{\"x\":\"y"]
        {
            #expect(EventTime.bytes(of: Array(body.utf8).span) == nil)
        }
    }
}

struct ReplayedCountTests {
    private func cursor(_ disk: MemoryDisk) throws -> SinkCursor? {
        try LedgerInspection(folder: "ledger", storage: disk).cursors().cursors
            .first { $0.sink == "siem" }?.cursor
    }

    @Test func whatIsCountedWithoutAnAgentIsThereForTheNextOne() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 5))
        let place = try #require(try ledger.frames().last).next
        try ledger.countReplayed(3, of: "siem")
        // Whoever moves the cursor does not know of replays, and must not undo them.
        try ledger.advance(
            "siem", to: SinkCursor(place: place, totals: SinkTotals(offered: 5, delivered: 5)))
        try ledger.close()
        try ReplayedCount.add(4, of: "siem", folder: "ledger", storage: disk)
        try ReplayedCount.add(4, of: "nobody", folder: "ledger", storage: disk)
        let (next, _) = try openLedger(disk)
        let found = try #require(next.cursor(of: "siem"))
        #expect(found.totals == SinkTotals(offered: 5, delivered: 5, replayed: 7))
        #expect(found.place == place)
        #expect(next.cursor(of: "nobody") == nil)
    }

    @Test func aCrashAtAnyCallCostsAtMostTheCount() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 5))
        let place = try #require(try ledger.frames().last).next
        try ledger.advance("siem", to: SinkCursor(place: place))
        try ledger.close()
        var generator = SeededGenerator(seed: 5)
        var outcomes: Set<UInt64> = []
        for stop in 1...8 {
            for _ in 0..<20 {
                let copy = disk.copy()
                let first = copy.callCount
                copy.fail { _, _, number in
                    number >= first + stop ? MemoryDisk.Fault.inputOutput : nil
                }
                try? ReplayedCount.add(9, of: "siem", folder: "ledger", storage: copy)
                copy.heal()
                let after = copy.crash { Bool.random(using: &generator) }
                let found = try #require(try cursor(after))
                #expect(found.place == place)
                outcomes.insert(found.totals.replayed)
            }
        }
        #expect(outcomes == [0, 9])
    }
}
