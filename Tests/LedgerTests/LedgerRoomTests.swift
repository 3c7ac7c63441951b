// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// A full ledger, a full disk, and what goes when there is no room.
struct LedgerRoomTests {
    private func dropping(limit: Int = 6 * 4096) -> LedgerConfiguration {
        var configuration = LedgerConfiguration.small(limit: limit)
        configuration.whenFull = .dropOldest
        return configuration
    }

    @Test func dropOldestMovesTheSlowestSinkAndCountsWhatItMisses() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk, dropping())
        var batches: [SealedBatch] = []
        for _ in 0..<60 {
            let batch = maker.make(count: 5)
            batches.append(batch)
            try ledger.append(batch)
            #expect(ledger.statistics.byteCount <= 6 * 4096)
            // One sink keeps up, the other one does not move at all.
            let cursor = try #require(ledger.cursor(of: "siem"))
            var totals = cursor.totals
            totals += SinkTotals(offered: 5, delivered: 5)
            let frame = try #require(try ledger.read(from: cursor.place))
            #expect(try ledger.advance("siem", to: SinkCursor(place: frame.next, totals: totals)))
        }
        let evictions = ledger.takeEvictions()
        #expect(!evictions.isEmpty && evictions.allSatisfy { $0.sink == "archive" })
        #expect(evictions.allSatisfy { $0.stream == maker.stream })
        #expect(ledger.takeEvictions().isEmpty)
        let cursor = try #require(ledger.cursor(of: "archive"))
        let missed = Int(cursor.totals.offered)
        let events = batches.flatMap(\.events).prefix(missed)
        let evicted = events.count { $0.sinkBits & 2 != 0 }
        #expect(cursor.totals.evicted == UInt64(evicted) && evicted > 0)
        #expect(cursor.totals.filtered == UInt64(missed - evicted))
        #expect(evictions.reduce(0) { $0 + $1.count } == UInt64(evicted))
        #expect(ledger.statistics.evictedEventCount == UInt64(evicted))
        #expect(
            cursor.totals.epochs
                == [try #require(EpochTotals(stream: maker.stream, lost: UInt64(evicted)))])
        #expect(evictions.last?.next == cursor.place)
        // What is left is everything else, and that is what the next start says too.
        #expect(try ledger.sequence(from: cursor.place) == Array(UInt64(missed)..<300))
        let waiting = try ledger.countEvents(behind: cursor.place, sink: "archive")
        #expect(waiting == 300 - UInt64(missed))
        #expect(try openLedger(disk.crash()).ledger.cursor(of: "archive") == cursor)
        #expect(ledger.cursor(of: "siem")?.totals.evicted == 0)
    }

    /// What was delivered and is kept because there is room must not look like a backlog.
    @Test func whatWaitsIsMeasuredApartFromWhatIsKept() throws {
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(MemoryDisk(), .small(limit: 16 * 4096))
        #expect(ledger.statistics.undeliveredByteCount == 0)
        for _ in 0..<40 { try ledger.append(maker.make(count: 5)) }
        let whole = ledger.statistics.undeliveredByteCount
        #expect(whole > 2 * 4096 && whole <= ledger.statistics.byteCount)
        var former = whole
        for sink in ["siem", "archive"] {
            while let cursor = ledger.cursor(of: sink),
                let frame = try ledger.read(from: cursor.place)
            {
                #expect(try ledger.advance(sink, to: SinkCursor(place: frame.next)))
                let waiting = ledger.statistics.undeliveredByteCount
                // The slowest sink counts, so nothing changes while one stands still.
                #expect(sink == "siem" ? waiting == whole : waiting < former)
                former = waiting
            }
        }
        #expect(ledger.statistics.undeliveredByteCount == 0)
        #expect(ledger.statistics.byteCount > 2 * 4096)
    }

    @Test func aSinkThatDoesNotKnowOfAnEvictionIsToldSo() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 2)
        let (ledger, _) = try openLedger(disk, dropping())
        for _ in 0..<5 { try ledger.append(maker.make(count: 5)) }
        var tracker = CursorTracker(from: try #require(ledger.cursor(of: "archive")))
        let frame = try #require(try ledger.read(from: tracker.end))
        tracker.begin(1, through: frame.next, offered: 5)
        for _ in 0..<60 { try ledger.append(maker.make(count: 5)) }
        let moved = try #require(ledger.cursor(of: "archive"))
        #expect(moved.totals.evicted > 0)
        let settled = tracker.settle(1, delivered: 5)
        let stale = try #require(settled)
        #expect(try !ledger.advance("archive", to: stale))
        // Nor with a place that would be further on.
        let far = SinkCursor(
            place: LedgerPlace(segment: 1000), totals: SinkTotals(offered: 999, delivered: 999))
        #expect(try !ledger.advance("archive", to: far))
        #expect(ledger.cursor(of: "archive") == moved)
        tracker = CursorTracker(from: moved)
        let next = try #require(try ledger.read(from: tracker.end))
        tracker.begin(2, through: next.next, offered: next.batch.events.count)
        let again = tracker.settle(2, delivered: next.batch.events.count)
        let fresh = try #require(again)
        #expect(try ledger.advance("archive", to: fresh))
        #expect(ledger.cursor(of: "archive") == fresh)
    }

    @Test func blockNeverEvicts() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk, .small(limit: 6 * 4096))
        var claimed: UInt64 = 0
        for _ in 0..<60 {
            let batch = maker.make(count: 5)
            do {
                try ledger.append(batch)
                claimed = maker.next
            } catch {
                #expect(error.code == "full")
                break
            }
        }
        #expect(ledger.takeEvictions().isEmpty)
        #expect(try ledger.sequence() == Array(0..<claimed))
    }

    @Test func aDiskThatIsReallyFullDeliversFirstAndThenTakesEventsAgain() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 4)
        let configuration = LedgerConfiguration.small(limit: 1 << 20)
        let (first, _) = try openLedger(disk, configuration)
        for _ in 0..<20 { try first.append(maker.make(count: 5)) }
        // Somebody else fills the disk to the last byte, and the agent is killed.
        disk.byteLimit = disk.byteCount
        let after = disk.copy()
        after["other/filler"] = [UInt8](repeating: 1, count: 8192)
        after.byteLimit = after.byteCount
        let (ledger, recovered) = try openLedger(after, configuration)
        #expect(recovered.nextSequence == 100)
        // What the last start left unused may be used by others at once.
        after.byteLimit = after.byteCount
        try ledger.append(maker.make(count: 1), usingReserve: true)
        let batch = maker.make(count: 5)
        let error = #expect(throws: LedgerError.self) { try ledger.append(batch) }
        #expect(error?.code == "no_space" && ledger.statistics.isFull)
        // Agent events go on, while nothing but the reserve is there.
        var agents = BatchMaker(seed: 5)
        agents.stream = maker.stream
        #expect(after.byteCount <= after.byteLimit)
        #expect(try ledger.sequence() == Array(0..<101))
        let end = try #require(try ledger.frames().last).next
        for sink in ["siem", "archive"] { try ledger.advance(sink, to: SinkCursor(place: end)) }
        // Deleting needs no room, and then there is some.
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) > 0)
        try ledger.append(batch)
        #expect(!ledger.statistics.isFull && ledger.statistics.hasReserve)
        #expect(after.byteCount <= after.byteLimit)
        #expect(try ledger.sequence(from: end) == Array(101..<106))
    }

    @Test func aDiskThatIsNeverLargeEnoughForAWholeSegmentIsNoReasonToStop() throws {
        // Room for the reserve, a delivered segment that is the newest, and not much more.
        for room in [5 << 20, 7 << 20, 9 << 20, 11 << 20] {
            let disk = MemoryDisk()
            var maker = BatchMaker(seed: 13)
            let configuration = LedgerConfiguration.small(segment: 4 << 20, limit: 32 << 20)
            disk.byteLimit = room
            for _ in 0..<3 {
                let (ledger, recovered) = try openLedger(disk.copy(limited: true), configuration)
                #expect(recovered.nextSequence == 0)
                _ = ledger
            }
            let (ledger, _) = try openLedger(disk, configuration)
            for _ in 0..<40 {
                let first = maker.next
                try ledger.append(maker.make(count: 60, bodyByteLimit: 4000))
                let end = try #require(try ledger.frames().last)
                #expect(end.batch.firstSequence == first)
                for sink in ["siem", "archive"] {
                    try ledger.advance(sink, to: SinkCursor(place: end.next))
                }
            }
            #expect(ledger.statistics.hasReserve && disk.byteCount <= room)
        }
    }

    @Test func aFullDiskTakesDeliveredSegmentsBeforeTheirRetentionEnds() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 6)
        var configuration = LedgerConfiguration.small(limit: 1 << 20)
        configuration.retention = .seconds(86_400)
        let (ledger, _) = try openLedger(disk, configuration)
        for _ in 0..<20 { try ledger.append(maker.make(count: 5)) }
        let end = try #require(try ledger.frames().last).next
        for sink in ["siem", "archive"] { try ledger.advance(sink, to: SinkCursor(place: end)) }
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) == 0)
        disk.byteLimit = disk.byteCount
        for _ in 0..<8 { try ledger.append(maker.make(count: 5)) }
        #expect(ledger.statistics.deletedSegmentCount > 0)
        #expect(try ledger.sequence(from: end) == Array(100..<140))
    }

    @Test func tooManyPositionsDropTheOldestAndDoNotEndTheAgent() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 7)
        var configuration = LedgerConfiguration.small(segment: 1 << 18, limit: 1 << 24)
        configuration.positionCountLimit = 300
        let (ledger, _) = try openLedger(disk, configuration)
        let count = 400
        for start in stride(from: 0, to: count, by: 150) {
            var batch = maker.make(count: 1)
            batch.positions = (start..<min(start + 150, count)).map {
                filePosition(key: UInt64($0), offset: UInt64($0))
            }
            try ledger.append(batch)
        }
        try ledger.close()
        let (second, recovered) = try openLedger(disk, configuration)
        try second.append(maker.make(count: 1))
        #expect(recovered.positions.count == count)
        #expect(second.statistics.droppedPositionCount == 100)
        let (_, third) = try openLedger(disk.copy(), configuration)
        #expect(third.positions.count == 300)
        #expect(third.positions.first == filePosition(key: 100, offset: 100))
    }

    @Test func killingTheAgentCostsNoMoveOfACursor() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 8)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<10 { try ledger.append(maker.make(count: 5)) }
        for frame in try ledger.frames() {
            try ledger.advance("siem", to: SinkCursor(place: frame.next))
            // No second has passed, so nothing is synchronised.
            #expect(try openLedger(disk.copy()).ledger.cursor(of: "siem")?.place == frame.next)
            #expect(
                try openLedger(disk.crash()).ledger.cursor(of: "siem")?.place
                    == LedgerPlace(segment: 1))
        }
        try ledger.flushCursors()
        let end = try #require(try ledger.frames().last).next
        #expect(try openLedger(disk.crash()).ledger.cursor(of: "siem")?.place == end)
    }

    @Test func whatWaitsIsCountedByReadingOneSegmentOnly() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 9)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<300 { try ledger.append(maker.make(count: 5)) }
        try ledger.close()
        for configuration in [LedgerConfiguration.small(), .small().encrypted(try testRing(1))] {
            let (second, _) = try openLedger(disk, configuration)
            let frames = try second.frames()
            let middle = frames[150]
            let before = disk.callCount
            #expect(try second.countEvents(behind: .beginning, sink: "siem") == 1500)
            #expect(
                try second.countEvents(behind: middle.place.at(index: 2), sink: "siem")
                    == 1500 - middle.batch.firstSequence - 2)
            #expect(disk.callCount - before < 40)
        }
    }

    @Test func aLedgerThatCountedNothingYetIsCountedByWalking() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 10)
        var output = ByteWriter()
        SegmentSnapshot(
            created: Timestamp(microseconds: 1), stream: "", nextSequence: 0, head: .zero,
            positions: [], counts: nil
        ).encode(segment: 1, into: &output)
        disk["ledger/" + SegmentName.name(of: 1)] =
            output.makeArray() + frameBytes(maker.make(count: 3)) + frameBytes(maker.make(count: 4))
        let (ledger, recovered) = try openLedger(disk)
        #expect(recovered.nextSequence == 7)
        try ledger.append(maker.make(count: 2))
        #expect(try ledger.countEvents(behind: .beginning, sink: "siem") == 9)
        #expect(try ledger.countEvents(behind: LedgerPlace(segment: 2), sink: "siem") == 2)
    }

    @Test func aRestoredFolderNeverHidesNewEventsBehindAnOldCursor() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 11)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<30 { try ledger.append(maker.make(count: 5)) }
        let end = try #require(try ledger.frames().last).next
        for sink in ["siem", "archive"] { try ledger.advance(sink, to: SinkCursor(place: end)) }
        try ledger.close()
        // Only the first segments come back, with the newest cursors.
        for path in disk.paths {
            guard let number = SegmentName.number(of: FileSystem.name(of: path)) else { continue }
            if number > 3 { disk[path] = nil }
        }
        let (second, recovered) = try openLedger(disk)
        #expect(recovered.nextSequence < 150)
        var other = BatchMaker(seed: 12)
        other.stream = "idp1.example.com/main/00000000000000ff"
        try second.append(other.make(count: 3))
        let cursor = try #require(second.cursor(of: "siem"))
        #expect(try second.frames(from: cursor.place).map(\.batch.stream) == [other.stream])
    }
}
