// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

struct LedgerTests {
    @Test func whatWasAppendedIsReadFromMemoryAndFromDisk() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 1)
        let (ledger, recovered) = try openLedger(disk)
        #expect(recovered.isNew && recovered.stream == nil && recovered.head == nil)
        var batches = [SealedBatch]()
        for index in 0..<40 {
            batches.append(maker.make(count: 5, offset: UInt64(index)))
            try ledger.append(batches[index])
        }
        let fromMemory = try ledger.frames()
        #expect(fromMemory.count == 40)
        #expect(zip(fromMemory, batches).allSatisfy { $0.batch.isSame(as: $1) })
        try ledger.close()
        let (second, again) = try openLedger(disk)
        #expect(!again.isNew && again.damage.isEmpty)
        let fromDisk = try second.frames()
        #expect(fromDisk.map(\.place) == fromMemory.map(\.place))
        #expect(zip(fromDisk, batches).allSatisfy { $0.batch.isSame(as: $1) })
    }

    @Test func aStartGoesOnWithNumbersPositionsAndHead() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 2)
        for round in 1...4 {
            let (ledger, recovered) = try openLedger(disk.crash(), .small(codec: .zstd))
            _ = ledger
            #expect(recovered.nextSequence == maker.next)
            let (real, _) = try openLedger(disk, .small(codec: .zstd))
            for step in 0..<10 {
                try real.append(maker.make(count: 7, offset: UInt64(round * 100 + step)))
            }
            let (_, after) = try openLedger(disk.crash(), .small(codec: .zstd))
            #expect(after.positions == [filePosition(offset: UInt64(round * 100 + 9))])
            #expect(after.head == maker.head && after.stream == maker.stream)
            #expect(after.nextSequence == maker.next)
        }
        let numbers = disk.paths.compactMap {
            SegmentName.number(of: FileSystem.name(of: $0))
        }
        #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
    }

    @Test func aStartReadsOneSegmentOnly() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk)
        for index in 0..<60 { try ledger.append(maker.make(count: 5, offset: UInt64(index))) }
        let segments = disk.paths.filter { $0.hasSuffix(".seg") }
        #expect(segments.count > 3)
        let next = disk.crash()
        let newest = segments.last
        next.fail { call, path, _ in
            call == .read && path.hasSuffix(".seg") && path != newest ? .inputOutput : nil
        }
        #expect(try openLedger(next).recovered.nextSequence == 300)
    }

    @Test func aTornHeaderOfTheNewestFallsBackToTheOneBefore() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 4)
        let (ledger, _) = try openLedger(disk)
        for index in 0..<3 { try ledger.append(maker.make(count: 2, offset: UInt64(index))) }
        try ledger.close()
        let path = "ledger/0000000000000002.seg"
        for torn in [[], [UInt8](repeating: 0, count: 4096), [0xF5, 0x53, 0x4C, 0x46, 1, 1, 0]] {
            let next = disk.copy()
            next[path] = torn
            let (second, recovered) = try openLedger(next)
            #expect(recovered.nextSequence == 6 && recovered.positions.count == 1)
            #expect(recovered.damage.count == (torn.contains(1) ? 1 : 0))
            #expect(next.paths.contains("ledger/0000000000000003.seg"))
            #expect(try second.sequence() == [0, 1, 2, 3, 4, 5])
        }
    }

    @Test func framesBehindADamagedHeaderAreKept() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 5)
        for _ in 0..<2 {
            let (ledger, _) = try openLedger(disk)
            for _ in 0..<2 { try ledger.append(maker.make(count: 2, offset: maker.next)) }
            try ledger.close()
        }
        disk["ledger/0000000000000002.seg"]?[70] ^= 1
        let (ledger, recovered) = try openLedger(disk)
        #expect(recovered.nextSequence == 8 && recovered.damage.count == 1)
        #expect(recovered.positions == [filePosition(offset: 6)])
        #expect(try ledger.sequence() == Array(0..<8))
    }

    @Test func aTornTailIsSetAsideAndCut() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 6)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 2, offset: 1))
        let torn = frameBytes(maker.make(count: 2, offset: 2))
        let path = "ledger/0000000000000001.seg"
        let end = Int(try #require(try ledger.frames().last).next.offset)
        disk[path]?.replaceSubrange(end..<end + 100, with: torn.prefix(100))
        let (second, recovered) = try openLedger(disk)
        let damage = try #require(recovered.damage.first)
        #expect(damage.isTornTail && damage.offset == end && damage.isNew)
        #expect(damage.eventCount == 2 && damage.firstSequence == 2)
        #expect(disk[path]?.count == end)
        let kept = disk["ledger/quarantine/" + SegmentName.quarantineName(of: 1, offset: end)]
        #expect(kept == Array(torn.prefix(damage.byteCount)))
        #expect(try second.sequence() == [0, 1])
        #expect(try openLedger(disk).recovered.damage.isEmpty)
    }

    @Test func damageInTheMiddleIsSetAsideOnceAndReported() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 7)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<3 { try ledger.append(maker.make(count: 2)) }
        let places = try ledger.frames().map { Int($0.place.offset) }
        try ledger.close()
        for _ in 0..<2 { try openLedger(disk).ledger.close() }
        disk["ledger/0000000000000001.seg"]?[places[1] + 200] ^= 1
        let (second, recovered) = try openLedger(disk)
        #expect(recovered.damage.isEmpty)
        for _ in 0..<2 { #expect(try second.sequence() == [0, 1, 4, 5]) }
        let damage = second.takeDamage()
        #expect(damage.count == 1 && damage.first?.eventCount == 2)
        #expect(damage.first?.isNew == true && damage.first?.isTornTail == false)
        #expect(second.takeDamage().isEmpty && second.statistics.damagedFrameCount == 1)
        let copies = disk.paths.filter { $0.hasSuffix(".bad") }
        #expect(copies.count == 1)
        let (third, _) = try openLedger(disk)
        _ = try third.frames()
        #expect(third.takeDamage().first?.isNew == false)
    }

    /// A kill between setting damage aside and stating it, or a stop that found it when nothing was
    /// sealed any more, kept it from the record for ever.
    @Test func damageIsNamedByEachStartUntilSomebodyHasStatedIt() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 7)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<3 { try ledger.append(maker.make(count: 2)) }
        let frames = try ledger.frames()
        try ledger.close()
        try openLedger(disk).ledger.close()
        disk["ledger/0000000000000001.seg"]?[Int(frames[1].place.offset) + 200] ^= 1
        var finder: Ledger? = try openLedger(disk).ledger
        _ = try finder?.frames()
        // All sinks pass it, so nobody comes upon it again.
        for sink in ["siem", "archive"] {
            try finder?.advance(sink, to: SinkCursor(place: try #require(frames.last).next))
        }
        let found = try #require(finder?.takeDamage().first)
        try finder?.close()
        finder = nil
        for isPowerCut in [false, true, false] {
            let left = isPowerCut ? disk.crash() : disk
            let (next, recovered) = try openLedger(left)
            let due = try #require(recovered.unstated.first)
            #expect(recovered.unstated.count == 1 && recovered.damage.isEmpty)
            #expect((due.segment, due.offset) == (found.segment, found.offset))
            #expect(due.byteCount == found.byteCount && due.eventCount == 2 && due.isNew)
            try next.close()
        }
        // A note that is no note any more is read as far as it goes.
        let note = try #require(disk.paths.first { $0.hasSuffix(".due") })
        for text in ["", "corrupt", "missing -1 -1", "corrupt 99999999999999999999 x"] {
            disk[note] = Array(text.utf8)
            let (next, recovered) = try openLedger(disk)
            let due = try #require(recovered.unstated.first)
            #expect(due.offset == found.offset && due.byteCount == 0 && due.eventCount == nil)
            try next.close()
        }
        let (last, recovered) = try openLedger(disk)
        last.noteStated(recovered.unstated)
        try last.close()
        #expect(try openLedger(disk).recovered.unstated.isEmpty)
    }

    @Test func aLostLastFrameOfASegmentWhoseEndIsKnownIsDamage() throws {
        let path = "ledger/0000000000000001.seg"
        for isZeroed in [false, true] {
            let disk = MemoryDisk()
            var maker = BatchMaker(seed: 17)
            let (ledger, _) = try openLedger(disk)
            for _ in 0..<2 { try ledger.append(maker.make(count: 2)) }
            let last = try #require(try ledger.frames().last)
            try ledger.close()
            let (second, _) = try openLedger(disk)
            var bytes = try #require(disk[path])
            for place in Int(last.place.offset)..<Int(last.next.offset) {
                bytes[place] = isZeroed ? 0 : bytes[place] ^ 0x11
            }
            disk[path] = bytes
            try second.append(maker.make(count: 1))
            #expect(try second.sequence() == [0, 1, 4])
            let damage = try #require(second.takeDamage().first)
            #expect(damage.offset == Int(last.place.offset) && !damage.isTornTail)
        }
    }

    @Test func whatIsKeptInMemoryHasALimit() throws {
        var maker = BatchMaker(seed: 18)
        var recent = RecentFrames()
        let batch = maker.make(count: 0, offset: 1)
        for index in 0..<20_000 as Range<UInt64> {
            let place = LedgerPlace(segment: 1, offset: index)
            let next = LedgerPlace(segment: 1, offset: index + 1)
            recent.append(LedgerFrame(place: place, next: next, batch: batch))
        }
        #expect(recent.frame(at: LedgerPlace(segment: 1, offset: 19_999, index: 3)) != nil)
        // Frames without events take memory as well.
        #expect(recent.frame(at: LedgerPlace(segment: 1, offset: 0)) == nil)
        var large = maker.make(count: 1)
        large.bodies += [UInt8](repeating: 32, count: LedgerConfiguration.recentByteLimit)
        let place = LedgerPlace(segment: 2)
        recent.append(LedgerFrame(place: place, next: place, batch: large))
        #expect(recent.frame(at: place) == nil)
    }

    @Test func unknownFramesAndFootersAreSkipped() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 8)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 1, offset: 3))
        let path = "ledger/0000000000000001.seg"
        var end = Int(try #require(try ledger.frames().last).next.offset)
        for type in [FrameType.footer, FrameType(rawValue: 77)] {
            var output = ByteWriter()
            FrameHeader.reserve(in: &output)
            output.append("whatever a later version keeps here")
            let payload = output.makeArray(64..<output.count)
            FrameHeader(
                type: type, codec: 200, payloadByteCount: payload.count,
                payloadChecksum: CRC32C.checksum(payload.span), segment: 1, streamID: 0,
                first: 0, count: 0, keyID: 9
            ).write(to: &output, at: 0)
            disk[path]?.replaceSubrange(end..<end + output.count, with: output.makeArray())
            end += output.count
        }
        let last = frameBytes(maker.make(count: 1, offset: 4))
        disk[path]?.replaceSubrange(end..<end + last.count, with: last)
        let (second, recovered) = try openLedger(disk)
        #expect(recovered.nextSequence == 2 && recovered.damage.isEmpty)
        #expect(try second.sequence() == [0, 1])
    }

    @Test func aLaterFormatIsRefusedWithASentence() throws {
        let disk = MemoryDisk()
        let (ledger, _) = try openLedger(disk)
        try ledger.close()
        let path = "ledger/0000000000000001.seg"
        var bytes = try #require(disk[path])
        bytes[4] = 2
        let checksum = CRC32C.checksum(bytes.span.extracting(0..<60))
        for index in 0..<4 {
            bytes[60 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(index * 8))
        }
        disk[path] = bytes
        let error = #expect(throws: LedgerError.self) { try openLedger(disk) }
        #expect(
            error?.description == "ledger/0000000000000001.seg: at byte 0: the format has the "
                + "version 2; run the version of sealtail that wrote it, or a newer one")
    }

    @Test func foreignFilesAreLeftAlone() throws {
        let disk = MemoryDisk()
        let names = [
            "notes.txt", "1.seg", "00000000000000ZZ.seg", "ffffffffffffffff.seg",
            "0000000000000000.seg", "0000000000000001.seg.bak",
        ]
        for name in names { disk["ledger/" + name] = [1, 2, 3] }
        let (ledger, recovered) = try openLedger(disk)
        #expect(recovered.isNew)
        var maker = BatchMaker(seed: 9)
        try ledger.append(maker.make(count: 1))
        #expect(try ledger.sequence() == [0])
        for name in names { #expect(disk["ledger/" + name] == [1, 2, 3]) }
    }

    @Test func unknownPositionsLiveThroughStartsUnchanged() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 10)
        let foreign = Position(
            input: "later", place: .foreign(tag: 99, version: 4, bytes: [1, 5, 6, 7]))
        let (ledger, _) = try openLedger(disk)
        var batch = maker.make(count: 1)
        batch.positions = [foreign, filePosition(offset: 1)]
        try ledger.append(batch)
        for _ in 0..<3 {
            let (next, recovered) = try openLedger(disk)
            #expect(recovered.positions == [foreign, filePosition(offset: 1)])
            try next.close()
        }
    }

    @Test func forgottenPositionsAreGoneFromTheNextSegmentOn() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 11)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 1, offset: 1))
        var batch = maker.make(count: 1)
        batch.positions = [filePosition(key: 7, offset: 3)]
        batch.forgotten = [filePosition(offset: 0).identity]
        try ledger.append(batch)
        // At once, and in the snapshots of later segments.
        let rest = [filePosition(key: 7, offset: 3)]
        #expect(try openLedger(disk.copy()).recovered.positions == rest)
        for _ in 0..<30 { try ledger.append(maker.make(count: 5)) }
        #expect(try openLedger(disk.copy()).recovered.positions == rest)
        let frame = try #require(try openLedger(disk.copy()).ledger.frames().dropFirst().first)
        #expect(frame.batch.forgotten == batch.forgotten)
    }

    @Test func positionsMoveWithoutEvents() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 12)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 2, offset: 1))
        let head = maker.head
        var empty = maker.make(count: 0, offset: 2)
        empty.head = .zero
        try ledger.append(empty)
        #expect(try ledger.sequence() == [0, 1])
        let recovered = try openLedger(disk).recovered
        #expect(recovered.positions == [filePosition(offset: 2)])
        #expect(recovered.nextSequence == 2 && recovered.head == head)
        try ledger.append(maker.make(count: 1, offset: 3))
        #expect(try ledger.sequence() == [0, 1, 2])
    }

    @Test func aFrameLargerThanASegmentGetsOneOfItsOwn() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 13)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 1))
        try ledger.append(maker.make(count: 1, bodyByteLimit: 60_000))
        try ledger.append(maker.make(count: 200))
        try ledger.append(maker.make(count: 1))
        #expect(try ledger.sequence() == Array(0..<203))
        #expect(try openLedger(disk).ledger.sequence() == Array(0..<203))
    }

    @Test func aPlaceInTheMiddleOfAFrameKeepsItsIndex() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 14)
        let (ledger, _) = try openLedger(disk)
        for _ in 0..<2 { try ledger.append(maker.make(count: 3)) }
        let first = try #require(try ledger.read(from: .beginning))
        #expect(try ledger.sequence(from: first.place.at(index: 2)) == [2, 3, 4, 5])
        #expect(try ledger.sequence(from: first.place.at(index: 3)) == [3, 4, 5])
        let (second, _) = try openLedger(disk)
        #expect(try second.sequence(from: first.place.at(index: 2)) == [2, 3, 4, 5])
        #expect(try second.sequence(from: LedgerPlace(segment: 1, offset: 1 << 60)) == [])
        #expect(try second.read(from: LedgerPlace(segment: .max, offset: .max)) == nil)
    }

    @Test func aClosedLedgerTakesNothing() throws {
        var maker = BatchMaker(seed: 15)
        let (ledger, _) = try openLedger(MemoryDisk())
        try ledger.close()
        #expect(throws: LedgerError.self) { try ledger.append(maker.make(count: 1)) }
    }

    @Test func eventsBehindACursorAreCountedWithoutReadingThem() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 19)
        let (ledger, _) = try openLedger(disk)
        for index in 0..<40 {
            if index == 20 { maker.sinks = ["siem"] }
            try ledger.append(maker.make(count: index % 3 == 0 ? 0 : 7, offset: 1))
        }
        let frames = try ledger.frames()
        try ledger.close()
        let (second, _) = try openLedger(disk)
        try second.append(maker.make(count: 2))
        for frame in frames {
            let expected = try second.sequence(from: frame.place.at(index: 3)).count
            let place = frame.place.at(index: 3)
            #expect(try second.countEvents(behind: place, sink: "siem") == UInt64(expected))
        }
        let archived = frames.filter { $0.batch.sinks.contains("archive") }.count * 7
        #expect(try second.countEvents(behind: .beginning, sink: "archive") == UInt64(archived))
        #expect(try second.countEvents(behind: .beginning, sink: "nobody") == 0)
    }

    @Test func aGapInTheNumbersIsRefused() throws {
        let (ledger, _) = try openLedger(MemoryDisk())
        var maker = BatchMaker(seed: 16)
        try ledger.append(maker.make(count: 1))
        maker.next += 1
        let error = #expect(throws: LedgerError.self) { try ledger.append(maker.make(count: 1)) }
        #expect(error?.code == "refused")
    }
}
