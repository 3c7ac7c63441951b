// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

struct LedgerConcurrencyTests {
    @Test func readersFollowAWriterWhileSegmentsAreDeleted() throws {
        let disk = MemoryDisk()
        let (ledger, _) = try openLedger(disk)
        let count: UInt64 = 1500
        let failures = Monitor<[String]>([])
        let appended = Monitor<UInt64>(0)
        let readers = try ["siem", "archive"].map { sink in
            try Thread.start(name: sink) {
                do {
                    var expected: UInt64 = 0
                    var place = LedgerPlace.beginning
                    while expected < count {
                        guard let frame = try ledger.read(from: place) else {
                            let hasMore = appended.wait(timeout: .seconds(10)) {
                                $0 > expected ? true : nil
                            }
                            guard hasMore == true else { break }
                            continue
                        }
                        if frame.batch.firstSequence != expected {
                            failures.withLock { $0.append("\(sink) skipped to \(frame.place)") }
                        }
                        expected += UInt64(frame.batch.events.count)
                        place = frame.next
                        try ledger.advance(sink, to: SinkCursor(place: place))
                        try ledger.deleteDelivered(now: StandingClock().now())
                    }
                    if expected < count {
                        failures.withLock { $0.append("\(sink) found no frame \(expected)") }
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        var maker = BatchMaker(seed: 1)
        while maker.next < count {
            try ledger.append(maker.make(count: 5))
            appended.update { $0 = maker.next }
        }
        for reader in readers { reader.join() }
        #expect(failures.withLock { $0 } == [])
        #expect(ledger.statistics.deletedSegmentCount > 10)
    }
}
