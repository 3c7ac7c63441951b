// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

struct LedgerReloadTests {
    @Test func aSinkThatIsAddedBeginsBehindWhatIsCommitted() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk)
        try ledger.append(maker.make(count: 4))
        try ledger.reconfigure(sinks: ["siem", "archive", "late"])
        let place = try #require(ledger.cursor(of: "late")).place
        #expect(try ledger.read(from: place) == nil)
        try ledger.append(maker.make(count: 2))
        #expect(try ledger.read(from: place)?.place == place)
        try ledger.close()
    }

    @Test func aSinkThatIsRemovedHoldsNothingBackAndGoesOnLater() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk, .small())
        for _ in 0..<60 { try ledger.append(maker.make(count: 5)) }
        let frames = try ledger.frames()
        let end = try #require(frames.last).next
        try ledger.advance("siem", to: SinkCursor(place: end))
        let stopped = try #require(ledger.cursor(of: "archive"))
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) == 0)
        try ledger.reconfigure(sinks: ["siem"])
        #expect(try ledger.deleteDelivered(now: StandingClock().now()) > 0)
        try ledger.reconfigure(sinks: ["siem", "archive"])
        #expect(ledger.cursor(of: "archive") == stopped)
    }

    /// What the sinks that were left had passed was deleted although one that came back had not.
    @Test func aSinkThatIsNamedAgainHoldsBackWhatItHasNotPassed() throws {
        let disk = MemoryDisk()
        let clock = StandingClock()
        var configuration = LedgerConfiguration.small()
        configuration.retention = .seconds(60)
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk, configuration, time: clock)
        for _ in 0..<60 { try ledger.append(maker.make(count: 5)) }
        let all = try ledger.sequence()
        let end = try #require(try ledger.frames().last).next
        try ledger.advance("siem", to: SinkCursor(place: end))
        try ledger.reconfigure(sinks: ["siem"])
        #expect(try ledger.deleteDelivered(now: clock.now()) == 0)
        try ledger.reconfigure(sinks: ["siem", "archive"])
        clock.move(.seconds(61))
        #expect(try ledger.deleteDelivered(now: clock.now()) == 0)
        let place = try #require(ledger.cursor(of: "archive")).place
        #expect(try ledger.sequence(from: place) == all)
        try ledger.advance("archive", to: SinkCursor(place: end))
        #expect(try ledger.deleteDelivered(now: clock.now()) == 0)
        clock.move(.seconds(61))
        #expect(try ledger.deleteDelivered(now: clock.now()) > 0)
    }

    @Test func positionsAreThoseOfTheLastCommit() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let (ledger, _) = try openLedger(disk)
        var batch = maker.make(count: 1)
        batch.positions = [Position(input: "idp", place: .count(9))]
        try ledger.append(batch)
        #expect(ledger.positions == [Position(input: "idp", place: .count(9))])
    }
}
