// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

struct LedgerRepairTests {
    private func fill(_ disk: MemoryDisk, _ configuration: LedgerConfiguration) throws
        -> [LedgerFrame]
    {
        var maker = BatchMaker(seed: 1)
        let (ledger, _) = try openLedger(disk, configuration)
        for index in 0..<20 { try ledger.append(maker.make(count: 5, offset: UInt64(index))) }
        let frames = try ledger.frames()
        try ledger.close()
        return frames
    }

    @Test(arguments: [false, true])
    func whatIsDamagedIsSetAsideAndNoLongerInTheWay(encrypted: Bool) throws {
        let configuration = LedgerConfiguration.small().encrypted(
            encrypted ? try testRing(1) : nil)
        let disk = MemoryDisk()
        let frames = try fill(disk, configuration)
        let first = "ledger/" + SegmentName.name(of: 1)
        var bytes = try #require(disk[first])
        let damaged = bytes[Int(frames[1].place.offset)..<Int(frames[1].next.offset)]
        bytes[Int(frames[1].place.offset) + 100] ^= 1
        disk[first] = bytes + [1, 2, 3]
        disk["ledger/" + SegmentName.name(of: 90)] = []
        disk["ledger/" + SegmentName.name(of: 91)] = [UInt8](repeating: 0, count: 512)
        let repair = LedgerRepair(folder: "ledger", storage: disk)
        let before = disk.paths.map { disk[$0] }
        let findings = try repair.look()
        #expect(disk.paths.map { disk[$0] } == before)
        #expect(findings.count == 3 && findings.allSatisfy { $0.isRepairable })
        for finding in findings { #expect(try repair.apply(finding)) }
        #expect(try repair.look() == [])
        let name = SegmentName.quarantineName(of: 1, offset: Int(frames[1].place.offset))
        let copy = try #require(disk["ledger/quarantine/" + name])
        #expect(copy.count == damaged.count && zip(copy, damaged).count { $0 != $1 } == 1)
        // Everything else is as it was.
        var inspection = try LedgerInspection(
            folder: "ledger", storage: disk, keys: configuration.encryption)
        let report = try inspection.inspect(1, checking: true)
        #expect(report.damage.isEmpty && report.problems.isEmpty)
        #expect(report.gapByteCount == damaged.count)
        let (ledger, recovered) = try openLedger(disk, configuration)
        #expect(recovered.nextSequence == 100)
        let expected = frames.filter { $0.place != frames[1].place }.flatMap { frame in
            frame.batch.events.indices.map { frame.batch.firstSequence + UInt64($0) }
        }
        #expect(try ledger.sequence() == expected)
        #expect(ledger.takeDamage().isEmpty)
        // Nobody comes upon it any more, so the start states it.
        let due = try #require(recovered.unstated.first)
        #expect(recovered.unstated.count == 1 && due.offset == Int(frames[1].place.offset))
        #expect(due.eventCount == frames[1].batch.events.count)
    }

    @Test func aLongRangeIsCoveredByFramesWithoutALeftover() throws {
        let disk = MemoryDisk()
        _ = try fill(disk, .small())
        let first = "ledger/" + SegmentName.name(of: 1)
        let bytes = try #require(disk[first])
        for length in [64, 65, 127, 128, 300_000] {
            let changed = disk.copy()
            var maker = BatchMaker(seed: 9)
            changed[first] =
                bytes + [UInt8](repeating: 0xAB, count: length) + frameBytes(maker.make(count: 1))
            let repair = LedgerRepair(folder: "ledger", storage: changed)
            for finding in try repair.look() { #expect(try repair.apply(finding)) }
            #expect(try repair.look() == [])
        }
    }

    @Test func nothingIsOverwrittenThatCouldNotBeSetAside() throws {
        let disk = MemoryDisk()
        let frames = try fill(disk, .small())
        let first = "ledger/" + SegmentName.name(of: 1)
        var bytes = try #require(disk[first])
        bytes[Int(frames[1].place.offset) + 100] ^= 1
        disk[first] = bytes
        disk.byteLimit = disk.byteCount
        let repair = LedgerRepair(folder: "ledger", storage: disk)
        for finding in try repair.look() { #expect(try !repair.apply(finding)) }
        #expect(disk[first] == bytes)
    }

    @Test func aLedgerInUseIsNotRepaired() throws {
        let folder = "/tmp/sealtail-repair-" + Hex.encode(RandomBytes.make(8))
        let opened = try Ledger.open(directory: folder, configuration: .small(), sinks: [])
        let error = #expect(throws: LedgerError.self) {
            let repair = try LedgerRepair(directory: folder)
            _ = try repair.look()
        }
        #expect(error?.code == "locked")
        _ = opened
        for file in FileSystem.matches(folder + "/ledger/*") { try? FileSystem.remove(file) }
        try? FileSystem.removeFolder(folder + "/ledger/quarantine")
        try? FileSystem.removeFolder(folder + "/ledger")
        try? FileSystem.remove(folder + "/lock")
        try? FileSystem.removeFolder(folder)
    }
}
