// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// A disk that refuses to give back some of its blocks.
struct LedgerReadErrorTests {
    private let path = "ledger/" + SegmentName.name(of: 1)

    /// From now on every read that touches the block fails.
    private func breakBlock(_ disk: MemoryDisk, _ path: String, _ block: Range<Int>) {
        disk.refuseToRead(path, block)
    }

    private func fill(_ disk: MemoryDisk) throws -> [LedgerFrame] {
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk, .small(segment: 1 << 16))
        for index in 0..<30 { try ledger.append(maker.make(count: 10, offset: UInt64(index))) }
        let frames = try ledger.frames()
        try ledger.close()
        return frames
    }

    @Test func anUnreadableBlockCostsItsFramesAfterAWhileAndNotMore() throws {
        let disk = MemoryDisk()
        let frames = try fill(disk)
        let clock = StandingClock()
        let (ledger, _) = try openLedger(disk, time: clock)
        breakBlock(disk, path, 8192..<12288)
        let hit = frames.filter { $0.place.offset < 12288 && $0.next.offset > 8192 }
        let good = try #require(frames.last { $0.next.offset <= 8192 })
        // At first it may be a hiccup of the disk.
        for _ in 0..<3 {
            let error = #expect(throws: LedgerError.self) { try ledger.read(from: good.next) }
            #expect(error?.code == "system")
            clock.move(.seconds(3))
        }
        #expect(ledger.takeDamage().isEmpty)
        clock.move(.seconds(1))
        var place = good.next
        var sequence: [UInt64] = []
        while true {
            do {
                guard let frame = try ledger.read(from: place) else { break }
                sequence += frame.batch.events.indices.map {
                    frame.batch.firstSequence + UInt64($0)
                }
                place = frame.next
            } catch {
                // Another place of the same block has its own ten seconds.
                clock.move(.seconds(10))
            }
        }
        let lostCount = hit.reduce(0) { $0 + $1.batch.events.count }
        #expect(sequence.count == 300 - Int(good.batch.firstSequence) - 10 - lostCount)
        #expect(sequence.last == 299)
        let damage = ledger.takeDamage()
        #expect(damage.compactMap(\.eventCount).reduce(0, +) == lostCount)
        #expect(damage.allSatisfy { $0.kind == .unreadable && $0.isNew && !$0.isTornTail })
        // What could be read is set aside, with zeros for the rest.
        let copies = disk.paths.filter { $0.hasSuffix(".bad") }
        #expect(copies.count == damage.count)
    }

    @Test func aHiccupCostsNothing() throws {
        let disk = MemoryDisk()
        _ = try fill(disk)
        let (ledger, _) = try openLedger(disk)
        disk.failOnce(.read, .inputOutput)
        #expect(throws: LedgerError.self) { try ledger.read(from: .beginning) }
        #expect(try ledger.sequence().count == 300)
        #expect(ledger.takeDamage().isEmpty)
    }

    @Test func aStartWithAnUnreadableBlockGoesOnAndCutsNothing() throws {
        for block in [0..<4096, 4096..<8192] {
            let disk = MemoryDisk()
            _ = try fill(disk)
            let before = try #require(disk[path])
            breakBlock(disk, path, block)
            let (ledger, recovered) = try openLedger(disk)
            #expect(!recovered.damage.isEmpty)
            #expect(disk[path] == before)
            var maker = BatchMaker(seed: 2)
            maker.stream = "idp1.example.com/main/00000000000000ee"
            try ledger.append(maker.make(count: 1))
        }
    }

    @Test func unreadableCursorsCostPlacesAndNotTheStart() throws {
        let disk = MemoryDisk()
        _ = try fill(disk)
        breakBlock(disk, "ledger/cursors", 0..<4096)
        let (ledger, recovered) = try openLedger(disk)
        #expect(recovered.lostCursors)
        #expect(try ledger.sequence().count == 300)
    }
}
