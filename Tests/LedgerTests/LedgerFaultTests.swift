// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

private func isSegment(_ path: String) -> Bool { path.hasSuffix(".seg") }

struct LedgerFaultTests {
    @Test(arguments: [MemoryDisk.Call.write, .synchronize])
    func aFailedCommitClaimsNothingAndTheNextGoesIntoANewSegment(call: MemoryDisk.Call) throws {
        for writtenByteCount in [0, 10, 64, 200, 1 << 20] {
            let disk = MemoryDisk()
            var maker = BatchMaker(seed: 1)
            let (ledger, _) = try openLedger(disk)
            try ledger.append(maker.make(count: 2, offset: 1))
            let end = try #require(try ledger.read(from: .beginning)).next
            let batch = maker.make(count: 2, offset: 2)
            disk.fail { kind, path, _ in
                kind == call && isSegment(path)
                    ? MemoryDisk.Fault(number: 5, writtenByteCount: writtenByteCount) : nil
            }
            let error = #expect(throws: LedgerError.self) { try ledger.append(batch) }
            #expect(error?.code == "not_committed" && error?.isTemporary == true)
            #expect(try ledger.read(from: end) == nil)
            disk.heal()
            // What a crash at this moment leaves is the state before, or what failed as a whole.
            #expect([2, 4].contains(try openLedger(disk.crash()).recovered.nextSequence))
            try ledger.append(batch)
            #expect(try ledger.sequence() == [0, 1, 2, 3])
            #expect(try #require(try ledger.read(from: end)).place.segment > end.segment)
            let (second, recovered) = try openLedger(disk.crash())
            #expect(recovered.nextSequence == 4 && recovered.damage.isEmpty)
            #expect(try second.sequence() == [0, 1, 2, 3])
        }
    }

    @Test func aFailedSynchronisationIsNeverTriedTwiceOnOneFile() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 2)
        let (ledger, _) = try openLedger(disk)
        let first = "ledger/0000000000000001.seg"
        disk.fail { call, path, _ in
            call == .synchronize && path == first ? .inputOutput : nil
        }
        let batch = maker.make(count: 1)
        #expect(throws: LedgerError.self) { try ledger.append(batch) }
        disk.fail { call, path, _ in
            if path == first && (call == .write || call == .synchronize) {
                Issue.record("the failed segment was used again")
            }
            return nil
        }
        try ledger.append(batch)
    }

    @Test func aFullDiskStopsAppendingAndNothingElse() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk)
        for index in 0..<10 { try ledger.append(maker.make(count: 5, offset: UInt64(index))) }
        disk.fail { call, _, _ in call == .create ? .noSpace : nil }
        var batch = maker.make(count: 20, offset: 100)
        let error = #expect(throws: LedgerError.self) {
            for _ in 0..<10 {
                try ledger.append(batch)
                batch = maker.make(count: 20, offset: 100)
            }
        }
        #expect(error?.code == "no_space" && ledger.statistics.isFull)
        let frames = try ledger.frames()
        let last = try #require(frames.last)
        try ledger.advance("siem", to: SinkCursor(place: last.next))
        try ledger.advance("archive", to: SinkCursor(place: last.next))
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) > 0)
        disk.heal()
        try ledger.append(batch)
        #expect(!ledger.statistics.isFull)
        #expect(try ledger.sequence(from: last.next).first == batch.firstSequence)
    }

    @Test func aStartOnAFullDiskStillDelivers() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 4)
        try openLedger(disk).ledger.append(maker.make(count: 3))
        disk.fail { call, path, _ in call == .create ? .noSpace : nil }
        let (ledger, recovered) = try openLedger(disk)
        #expect(recovered.nextSequence == 3)
        #expect(try ledger.sequence() == [0, 1, 2])
        // The reserve takes what the agent itself has to say, and nothing else.
        #expect(!ledger.statistics.hasReserve)
        try ledger.append(maker.make(count: 1), usingReserve: true)
        let batch = maker.make(count: 1)
        let error = #expect(throws: LedgerError.self) { try ledger.append(batch) }
        #expect(error?.code == "no_space" && error?.isTemporary == true)
        #expect(ledger.statistics.isFull)
        disk.heal()
        try ledger.append(batch)
        #expect(try ledger.sequence() == [0, 1, 2, 3, 4])
        #expect(ledger.statistics.hasReserve && !ledger.statistics.isFull)
    }

    @Test func aCrashKeepsEverythingThatWasClaimed() throws {
        // Any part of what was not synchronised may survive, and none of it may do harm.
        for seed in 0..<120 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let disk = MemoryDisk()
            var maker = BatchMaker(seed: seed)
            let (ledger, _) = try openLedger(disk)
            let stop = Int.random(in: 1...60, using: &generator) + disk.callCount
            disk.fail { _, _, number in number >= stop ? .inputOutput : nil }
            var claimed: UInt64 = 0
            var offset: UInt64 = 0
            while true {
                let batch = maker.make(
                    count: Int.random(in: 1...30, using: &generator), offset: maker.next)
                guard (try? ledger.append(batch)) != nil else { break }
                claimed = maker.next
                offset = batch.firstSequence
            }
            let keptCount = Int.random(in: 0...4, using: &generator)
            var coin = generator
            let after = disk.crash { Int.random(in: 0..<4, using: &coin) < keptCount }
            let (second, recovered) = try openLedger(after)
            #expect(recovered.nextSequence >= claimed, "seed \(seed)")
            #expect(try second.sequence().prefix(Int(claimed)) == Array(0..<claimed)[...])
            if recovered.nextSequence == claimed, claimed > 0 {
                #expect(recovered.positions == [filePosition(offset: offset)])
            }
        }
    }

    @Test func cursorsThatCannotBeWrittenAreTriedAgain() throws {
        let disk = MemoryDisk()
        let clock = StandingClock()
        var maker = BatchMaker(seed: 5)
        let (ledger, _) = try openLedger(disk, time: clock)
        try ledger.append(maker.make(count: 2))
        let next = try #require(try ledger.read(from: .beginning)).next
        clock.move(.seconds(2))
        disk.fail { call, path, _ in
            call == .synchronize && path.hasSuffix("cursors") ? .inputOutput : nil
        }
        #expect(throws: LedgerError.self) {
            try ledger.advance("siem", to: SinkCursor(place: next))
        }
        #expect(ledger.cursor(of: "siem")?.place == next)
        disk.heal()
        try ledger.flushCursors()
        #expect(try openLedger(disk.crash()).ledger.cursor(of: "siem")?.place == next)
    }

    @Test func aSegmentThatIsGoneIsPassedOver() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 6)
        for _ in 0..<3 {
            let (ledger, _) = try openLedger(disk)
            try ledger.append(maker.make(count: 2))
            try ledger.close()
        }
        let (ledger, _) = try openLedger(disk)
        disk["ledger/0000000000000002.seg"] = nil
        #expect(try ledger.sequence() == [0, 1, 4, 5])
    }
}
