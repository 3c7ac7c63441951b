// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// The memory in front of the disk, and who reads from it.
struct RecentFramesTests {
    private static let frameByteCount = 256 << 10
    private static let frameCount = UInt64(LedgerConfiguration.recentByteLimit / frameByteCount)

    private func place(_ index: UInt64) -> LedgerPlace {
        LedgerPlace(segment: 1, offset: index)
    }

    /// Frames of a quarter of a megabyte, one behind the other.
    private func append(_ range: Range<UInt64>, to recent: inout RecentFrames) {
        var maker = BatchMaker(seed: 31)
        var batch = maker.make(count: 0, offset: 1)
        batch.bodies = [UInt8](repeating: 32, count: RecentFramesTests.frameByteCount)
        for index in range {
            recent.append(
                LedgerFrame(place: place(index), next: place(index + 1), batch: batch))
        }
    }

    @Test func nobodyIsWaitedForBeforeHalfOfTheMemoryLiesBeforeHim() {
        var recent = RecentFrames()
        append(0..<1, to: &recent)
        recent.follow("siem", at: place(1))
        append(1..<RecentFramesTests.frameCount / 2, to: &recent)
        #expect(recent.hasRoom)
        append(RecentFramesTests.frameCount / 2..<RecentFramesTests.frameCount, to: &recent)
        #expect(!recent.hasRoom)
        recent.follow("siem", at: place(RecentFramesTests.frameCount))
        #expect(recent.hasRoom)
    }

    @Test func whoIsLateOrReadsTheDiskIsNotWaitedFor() {
        var recent = RecentFrames()
        append(0..<RecentFramesTests.frameCount, to: &recent)
        recent.follow("slow", at: place(1))
        recent.follow("down", at: place(0))
        recent.follow("quick", at: place(RecentFramesTests.frameCount))
        recent.leave("down")
        #expect(!recent.hasRoom)
        recent.dropLate()
        #expect(recent.hasRoom)
        // Who keeps up is followed as before.
        let more = RecentFramesTests.frameCount..<RecentFramesTests.frameCount * 2
        append(more, to: &recent)
        #expect(!recent.hasRoom)
        recent.follow("slow", at: place(more.upperBound))
        #expect(!recent.hasRoom)
        recent.follow("quick", at: place(more.upperBound))
        #expect(recent.hasRoom)
    }

    @Test func aReaderThatReadsEndsTheWaitAndOneThatDoesNotIsWaitedForOnce() throws {
        var maker = BatchMaker(seed: 32)
        let (ledger, _) = try openLedger(MemoryDisk(), LedgerConfiguration())
        try ledger.append(maker.make(count: 1))
        let first = try #require(try ledger.read(from: .beginning, as: "siem"))
        for _ in 0..<4 {
            try ledger.append(maker.makeLarge(byteCount: 700 << 10))
        }
        let reader = try Thread.start(name: "reader") {
            var place = first.next
            while let frame = try? ledger.read(from: place, as: "siem") { place = frame.next }
        }
        // Would be nearly for ever, if the reader ended nothing.
        ledger.waitForReaders(atMost: .seconds(3600))
        reader.join()
        for _ in 0..<4 {
            try ledger.append(maker.makeLarge(byteCount: 700 << 10))
        }
        #expect(ledger.state.withLock { !$0.recent.hasRoom })
        ledger.waitForReaders(atMost: .milliseconds(1))
        ledger.waitForReaders(atMost: .seconds(3600))
        #expect(ledger.state.withLock { !$0.recent.isAwaited })
    }
}

extension BatchMaker {
    /// One event whose body is padded to about this length.
    fileprivate mutating func makeLarge(byteCount: Int) -> SealedBatch {
        var batch = make(count: 1)
        batch.bodies += [UInt8](repeating: 32, count: byteCount)
        batch.events[0].end = batch.bodies.count
        return batch
    }
}
