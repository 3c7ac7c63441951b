// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

struct RetentionTests {
    private func fill(
        _ disk: MemoryDisk, _ configuration: LedgerConfiguration = .small(), count: Int = 60,
        time: any TimeSource = StandingClock()
    ) throws -> Ledger {
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk, configuration, time: time)
        for _ in 0..<count { try ledger.append(maker.make(count: 5)) }
        return ledger
    }

    private func segments(_ disk: MemoryDisk) -> [UInt64] {
        disk.paths.compactMap { SegmentName.number(of: FileSystem.name(of: $0)) }
    }

    @Test func onlyWhatEverySinkHasPassedIsDeleted() throws {
        let disk = MemoryDisk()
        let ledger = try fill(disk)
        let frames = try ledger.frames()
        let all = segments(disk)
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) == 0)
        try ledger.advance("siem", to: SinkCursor(place: try #require(frames.last).next))
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) == 0)
        let third = try #require(frames.first { $0.place.segment == all[2] })
        try ledger.advance("archive", to: SinkCursor(place: third.place))
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) == 2)
        #expect(segments(disk) == Array(all[2...]))
        #expect(try ledger.read(from: .beginning)?.place == third.place)
    }

    @Test func theEndOfASegmentCountsAsPassed() throws {
        let disk = MemoryDisk()
        let ledger = try fill(disk)
        let all = segments(disk)
        let last = try #require(try ledger.frames().last { $0.place.segment == all[1] })
        for sink in ["siem", "archive"] {
            try ledger.advance(sink, to: SinkCursor(place: last.next))
        }
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) == 2)
    }

    @Test func theNewestStaysAlways() throws {
        let disk = MemoryDisk()
        let ledger = try fill(disk)
        let last = try #require(try ledger.frames().last)
        for sink in ["siem", "archive"] {
            try ledger.advance(sink, to: SinkCursor(place: last.next))
        }
        try ledger.deleteDelivered(now: StandingClock().now())
        #expect(segments(disk).count == 1)
        try ledger.close()
        let (second, recovered) = try openLedger(disk)
        #expect(recovered.nextSequence == 300)
        try second.deleteDelivered(now: StandingClock().now())
        #expect(segments(disk).count <= 2)
    }

    @Test func cursorsAreDurableBeforeASegmentGoes() throws {
        let disk = MemoryDisk()
        let clock = StandingClock()
        let ledger = try fill(disk, time: clock)
        let last = try #require(try ledger.frames().last)
        for sink in ["siem", "archive"] {
            try ledger.advance(sink, to: SinkCursor(place: last.next))
        }
        disk.fail { call, path, _ in
            call == .synchronize && path.hasSuffix("cursors") ? .inputOutput : nil
        }
        let before = segments(disk)
        #expect(throws: LedgerError.self) { try ledger.deleteDelivered(now: clock.now()) }
        #expect(segments(disk) == before)
        disk.heal()
        #expect(try ledger.deleteDelivered(now: clock.now()) == before.count - 1)
        let (second, _) = try openLedger(disk.crash())
        #expect(second.cursor(of: "siem")?.place == last.next)
    }

    @Test func deliveredSegmentsAreKeptForTheRetention() throws {
        let disk = MemoryDisk()
        let clock = StandingClock()
        var configuration = LedgerConfiguration.small()
        configuration.retention = .seconds(3600)
        let ledger = try fill(disk, configuration, time: clock)
        try ledger.deleteDelivered(now: clock.now())
        clock.move(.seconds(7200))
        let last = try #require(try ledger.frames().last)
        for sink in ["siem", "archive"] {
            try ledger.advance(sink, to: SinkCursor(place: last.next))
        }
        // Counted from delivery, not from writing.
        #expect(try ledger.deleteDelivered(now: clock.now()) == 0)
        clock.move(.seconds(3599))
        #expect(try ledger.deleteDelivered(now: clock.now()) == 0)
        clock.move(.seconds(1))
        #expect(try ledger.deleteDelivered(now: clock.now()) > 0)
    }

    @Test func theLimitGoesBeforeTheRetentionAndUndeliveredEventsBlock() throws {
        let disk = MemoryDisk()
        var configuration = LedgerConfiguration.small(limit: 5 * 4096)
        configuration.retention = .seconds(3600)
        var maker = BatchMaker(seed: 2)
        let (ledger, _) = try openLedger(disk, configuration)
        var batch = maker.make(count: 5)
        let error = #expect(throws: LedgerError.self) {
            for _ in 0..<1000 {
                try ledger.append(batch)
                batch = maker.make(count: 5)
            }
        }
        #expect(error?.code == "full" && ledger.statistics.isFull)
        #expect(ledger.statistics.byteCount <= 5 * 4096)
        #expect(disk.byteCount - CursorFile.byteCount <= 5 * 4096)
        // The agent's own events may use the reserve, once.
        try ledger.append(batch, usingReserve: true)
        #expect(ledger.statistics.byteCount <= 5 * 4096)
        let last = try #require(try ledger.frames().last)
        for sink in ["siem", "archive"] {
            try ledger.advance(sink, to: SinkCursor(place: last.next))
        }
        for _ in 0..<200 {
            try ledger.append(maker.make(count: 5))
            let end = try #require(try ledger.frames(from: last.next).last).next
            for sink in ["siem", "archive"] {
                try ledger.advance(sink, to: SinkCursor(place: end))
            }
            #expect(ledger.statistics.byteCount <= 5 * 4096)
        }
    }

    @Test func restartsOfAFullLedgerDoNotPassTheLimit() throws {
        let disk = MemoryDisk()
        let configuration = LedgerConfiguration.small(limit: 5 * 4096)
        var maker = BatchMaker(seed: 3)
        for _ in 0..<20 {
            let (ledger, _) = try openLedger(disk.copy(), configuration)
            #expect(ledger.statistics.byteCount <= 5 * 4096)
            let (real, _) = try openLedger(disk, configuration)
            while (try? real.append(maker.make(count: 5), usingReserve: true)) != nil {}
            maker.next = try openLedger(disk.copy(), configuration).recovered.nextSequence
            #expect(real.statistics.byteCount <= 5 * 4096)
        }
    }

    @Test func aNewSinkBeginsAtThisStartAndALostOneAtTheOldest() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 4)
        let (first, _) = try openLedger(disk, sinks: ["siem"])
        try first.append(maker.make(count: 2))
        try first.close()
        let (second, recovered) = try openLedger(disk, sinks: ["siem", "archive"])
        #expect(!recovered.lostCursors && recovered.retiredSinks.isEmpty)
        #expect(second.cursor(of: "siem")?.place == LedgerPlace(segment: 1))
        #expect(second.cursor(of: "archive")?.place == LedgerPlace(segment: 2))
        try second.append(maker.make(count: 2))
        let new = try #require(second.cursor(of: "archive"))
        #expect(try second.sequence(from: new.place) == [2, 3])
        // The cursor of a new sink is durable before anything is committed for it.
        let (third, _) = try openLedger(disk.crash(), sinks: ["siem", "archive"])
        #expect(third.cursor(of: "archive")?.place == LedgerPlace(segment: 2))
        disk["ledger/cursors"] = nil
        let (fourth, lost) = try openLedger(disk, sinks: ["siem", "archive"])
        #expect(lost.lostCursors)
        #expect(fourth.cursor(of: "archive")?.place == .beginning)
        #expect(try fourth.sequence() == [0, 1, 2, 3])
    }

    @Test func aRetiredSinkKeepsItsCursorAndHoldsNothingBack() throws {
        let disk = MemoryDisk()
        let ledger = try fill(disk)
        let frames = try ledger.frames()
        let totals = SinkTotals(offered: 5, delivered: 4, rejected: 1)
        let kept = SinkCursor(place: frames[1].place, totals: totals)
        try ledger.advance("archive", to: kept)
        try ledger.advance("siem", to: SinkCursor(place: try #require(frames.last).next))
        try ledger.close()
        let (second, recovered) = try openLedger(disk, sinks: ["siem"])
        #expect(recovered.retiredSinks == ["archive"])
        #expect(try second.deleteDelivered(now: StandingClock().now()) > 0)
        try second.close()
        #expect(try openLedger(disk).ledger.cursor(of: "archive") == kept)
    }

    @Test func aCursorNeverMovesBackAndIsWrittenOnceASecond() throws {
        let disk = MemoryDisk()
        let clock = StandingClock()
        let ledger = try fill(disk, count: 3, time: clock)
        let frames = try ledger.frames()
        func stored() throws -> LedgerPlace? {
            try openLedger(disk.crash()).ledger.cursor(of: "siem")?.place
        }
        try ledger.advance("siem", to: SinkCursor(place: frames[1].place))
        #expect(try stored() == LedgerPlace(segment: 1))
        clock.move(.milliseconds(1000))
        try ledger.advance("siem", to: SinkCursor(place: frames[1].place.at(index: 2)))
        #expect(try stored() == frames[1].place.at(index: 2))
        try ledger.advance("siem", to: SinkCursor(place: frames[0].place))
        #expect(ledger.cursor(of: "siem")?.place == frames[1].place.at(index: 2))
        try ledger.advance("siem", to: SinkCursor(place: frames[2].place))
        #expect(try stored() == frames[1].place.at(index: 2))
        try ledger.close()
        #expect(try stored() == frames[2].place)
    }
}
