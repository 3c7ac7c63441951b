// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Ledger

struct CursorTrackerTests {
    private func place(_ offset: UInt64) -> LedgerPlace { LedgerPlace(segment: 1, offset: offset) }

    @Test func theCursorWaitsForTheOldestTicket() {
        var tracker = CursorTracker(from: SinkCursor(place: place(0)))
        tracker.begin(1, through: place(10), offered: 5, filtered: 1)
        tracker.begin(2, through: place(20), offered: 3)
        tracker.begin(3, through: place(30), offered: 2)
        #expect(tracker.settle(3, delivered: 2) == nil)
        #expect(tracker.settle(2, delivered: 2, rejected: 1) == nil)
        let cursor = tracker.settle(1, delivered: 4)
        #expect(cursor?.place == place(30))
        #expect(
            cursor?.totals == SinkTotals(offered: 10, delivered: 8, rejected: 1, filtered: 1))
        #expect(tracker.ticketCount == 0)
    }

    @Test func anUnknownOrRepeatedTicketChangesNothing() {
        var tracker = CursorTracker(from: SinkCursor(place: place(0)))
        tracker.begin(1, through: place(10), offered: 1)
        #expect(tracker.settle(9, delivered: 1) == nil)
        #expect(tracker.settle(1, delivered: 1)?.place == place(10))
        #expect(tracker.settle(1, delivered: 1) == nil)
        #expect(tracker.cursor.totals.delivered == 1)
    }

    @Test func skippedRunsMoveTheCursorOnlyInTheirTurn() {
        var tracker = CursorTracker(from: SinkCursor(place: place(0)))
        #expect(tracker.skip(through: place(5), offered: 4, filtered: 4)?.place == place(5))
        tracker.begin(1, through: place(10), offered: 1)
        #expect(tracker.skip(through: place(15), offered: 2, filtered: 2) == nil)
        #expect(tracker.end == place(15))
        let cursor = tracker.settle(1, delivered: 1)
        #expect(cursor?.place == place(15))
        #expect(cursor?.totals == SinkTotals(offered: 7, delivered: 1, filtered: 6))
    }

    @Test func aPartialAnswerKeepsItsRunOpen() {
        var tracker = CursorTracker(from: SinkCursor(place: place(0)))
        tracker.begin(1, through: place(10), offered: 10)
        #expect(tracker.replace(1, by: [7, 8], delivered: 6, rejected: 1) == nil)
        #expect(tracker.settle(8, delivered: 1) == nil)
        #expect(tracker.replace(7, by: [7], delivered: 1) == nil)
        let cursor = tracker.settle(7, delivered: 1)
        #expect(cursor?.place == place(10))
        #expect(cursor?.totals == SinkTotals(offered: 10, delivered: 9, rejected: 1))
    }

    @Test func anyOrderOfConfirmationsGivesTheUnbrokenPrefix() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<200 {
            var tracker = CursorTracker(from: SinkCursor(place: place(0)))
            var settled: Set<UInt64> = []
            var begun: UInt64 = 0
            for _ in 0..<60 {
                if Bool.random(using: &generator) {
                    begun += 1
                    tracker.begin(begun, through: place(begun), offered: 1)
                } else if let ticket = (0..<begun).map({ $0 + 1 }).filter({ !settled.contains($0) })
                    .randomElement(using: &generator)
                {
                    settled.insert(ticket)
                    _ = tracker.settle(ticket, delivered: 1)
                }
                var prefix: UInt64 = 0
                while settled.contains(prefix + 1) { prefix += 1 }
                #expect(tracker.cursor.place == place(prefix))
                #expect(tracker.cursor.totals.delivered == prefix)
            }
        }
    }
}

struct CursorFileTests {
    private func slot(_ sink: String, _ number: UInt64) -> CursorSlot {
        var totals = SinkTotals(
            offered: 10 + number, delivered: 6, rejected: 2, filtered: 1, evicted: 1)
        if let epoch = EpochTotals(epoch: "00f0123456789abc", rejected: 2, lost: number) {
            totals.add(epoch)
        }
        return CursorSlot(
            sink: sink, writeNumber: number,
            cursor: SinkCursor(
                place: LedgerPlace(segment: 3, offset: 4096, index: number == 1 ? 7 : 8),
                totals: totals),
            written: Timestamp(microseconds: 99))
    }

    private func bytes(_ slots: [CursorSlot]) -> [UInt8] {
        var output = ByteWriter()
        for slot in slots { slot.append(to: &output) }
        return output.makeArray()
    }

    private func entry(_ bytes: [UInt8]) -> CursorFile.Entry { CursorFile.read(bytes.span)[0] }

    @Test func aSlotIsReadBackWithItsTotals() {
        let one = slot("siem", 1)
        let encoded = bytes([one])
        #expect(encoded.count == 512)
        let decoded = CursorSlot(encoded.span, at: 0)
        #expect(decoded == one)
    }

    @Test func theHigherWriteNumberCounts() {
        let newest = slot("siem", 2)
        #expect(entry(bytes([newest, slot("siem", 1)])) == .slot(newest))
        #expect(entry(bytes([slot("siem", 1), newest])) == .slot(newest))
    }

    @Test func aTornSlotCostsOnlyItsOwnWrite() {
        let whole = bytes([slot("siem", 2), slot("siem", 1)])
        for place in 0..<512 {
            var torn = whole
            torn[place] ^= 0x55
            #expect(entry(torn) == .slot(slot("siem", 1)))
        }
        for place in 512..<1024 {
            var torn = whole
            torn[place] ^= 0x55
            #expect(entry(torn) == .slot(slot("siem", 2)))
        }
        for cut in 0..<1024 {
            let found = entry(Array(whole.prefix(cut)))
            #expect(found == (cut == 0 ? .empty : cut < 512 ? .damaged : .slot(slot("siem", 2))))
        }
    }

    @Test func bothSlotsTornIsDamageAndZerosAreEmpty() {
        var torn = bytes([slot("siem", 2), slot("siem", 1)])
        torn[20] ^= 1
        torn[600] ^= 1
        #expect(entry(torn) == .damaged)
        #expect(entry([UInt8](repeating: 0, count: 4096)) == .empty)
    }

    @Test func slotsAreWrittenInTurnAndAFailureKeepsTheGoodOne() throws {
        let disk = MemoryDisk()
        let created = try disk.create("cursors", byteCount: CursorFile.byteCount)
        let empty = [UInt8]()
        var file = CursorFile(file: created, entries: CursorFile.read(empty.span))
        let now = Timestamp(microseconds: 5)
        func write(_ offset: UInt64) throws {
            let cursor = SinkCursor(place: LedgerPlace(segment: 1, offset: offset))
            try file.write([(sink: "siem", cursor: cursor)], now: now, keeping: ["siem"])
            try file.synchronize()
        }
        func stored() -> UInt64? {
            guard let bytes = disk["cursors"], case .slot(let slot) = entry(bytes) else {
                return nil
            }
            return slot.cursor.place.offset
        }
        try write(1)
        try write(2)
        #expect(stored() == 2)
        // Twice in a row torn: the second attempt must not touch the slot that holds 2.
        for _ in 0..<2 {
            disk.fail { call, _, _ in
                call == .write ? MemoryDisk.Fault(number: 5, writtenByteCount: 300) : nil
            }
            #expect(throws: LedgerError.self) { try write(3) }
            #expect(stored() == 2)
        }
        disk.heal()
        try write(4)
        #expect(stored() == 4)
    }
}
