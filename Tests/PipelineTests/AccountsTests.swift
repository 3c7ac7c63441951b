// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Testing

@testable import Pipeline

private let start = MonotonicInstant(nanoseconds: 0)

@Test func sumsHoldBeforeAndAfterACommit() {
    let accounts = Accounts()
    accounts.open(input: "idp", parser: "keycloak")
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.read(5, bytes: 500, input: "idp")
    check(accounts.snapshot)
    #expect(accounts.snapshot.inputs["idp"]?.inFlight == 5)
    var tally = RecordTally()
    tally.read = 5
    tally.parsed = 2
    tally.events = 3
    tally.ignored = ["no_record": 2]
    tally.dropped = ["batch_too_large": 1]
    tally.elements.parsed = 2
    tally.elements.ignored = ["chatter": 3]
    accounts.offer(3, to: ["siem"], at: start)
    accounts.committed(
        Accounts.Commit(tallies: [("idp", "keycloak", tally)], eventCount: 3, nextSequence: 4),
        at: Timestamp(microseconds: 1))
    accounts.update(sink: "siem") { $0.delivered += 2 }
    let snapshot = accounts.snapshot
    check(snapshot)
    #expect(snapshot.inputs["idp"]?.inFlight == 0)
    #expect(snapshot.fromRecords == 3)
    let sums = Accounts.ParserSums(events: 3, unclassified: 0, ignored: 2)
    #expect(snapshot.inputs["idp"]?.parsers == ["keycloak": sums])
    #expect(snapshot.sinks["siem"]?.waiting == 1)
    #expect(snapshot.inputs["idp"]?.elements == tally.elements)
}

private func check(_ snapshot: Accounts.Snapshot) {
    for sums in snapshot.inputs.values {
        let ignored = sums.ignored.values.reduce(0, +)
        let dropped = sums.dropped.values.reduce(0, +)
        #expect(sums.read == sums.parsed + ignored + dropped + sums.inFlight)
    }
    #expect(snapshot.sealed == snapshot.fromRecords + snapshot.agentEvents)
}

@Test func agentEventsAreNotCountedAsEventsOfRecords() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(1, to: ["siem"], at: start)
    accounts.committed(
        Accounts.Commit(agentEvents: 1, eventCount: 1, nextSequence: 1),
        at: Timestamp(microseconds: 0))
    #expect(accounts.snapshot.agentEvents == 1)
    #expect(accounts.snapshot.fromRecords == 0)
    #expect(accounts.snapshot.sinks["siem"]?.offered == 1)
}

/// The sealer counted an offer after its commit; a sink that had delivered by then made the
/// number of waiting events negative, which ended the process.
@Test func sinkThatIsFasterThanTheSealerNeverOwesEvents() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(10, to: ["siem"], at: start)
    accounts.update(sink: "siem") { $0.delivered += 10 }
    #expect(accounts.snapshot.sinks["siem"]?.waiting == 0)
    accounts.committed(
        Accounts.Commit(eventCount: 10, nextSequence: 10), at: Timestamp(microseconds: 1))
    #expect(accounts.snapshot.sinks["siem"]?.offered == 10)
}

/// A sink that a reload has just added was offered events of the stream before, which it will
/// never get; they waited for ever.
@Test func sinkIsOfferedOnlyWhatNamesIt() {
    let accounts = Accounts()
    accounts.open(sink: "old", sums: Accounts.SinkSums())
    accounts.open(sink: "new", sums: Accounts.SinkSums())
    accounts.offer(7, to: ["old"], at: start)
    #expect(accounts.snapshot.sinks["old"]?.offered == 7)
    #expect(accounts.snapshot.sinks["new"]?.offered == 0)
    accounts.close(sink: "old")
    accounts.offer(7, to: ["old", "new"], at: start)
    #expect(accounts.snapshot.sinks["old"] == nil)
    #expect(accounts.snapshot.sinks["new"]?.offered == 7)
}

@Test func totalsBesideTheCursorGoOnAfterAStart() {
    let totals = SinkTotals(offered: 90, delivered: 70, rejected: 5, filtered: 10, evicted: 5)
    let sums = Accounts.SinkSums(totals: totals, waiting: 12, at: start)
    #expect(sums.offered == 102)
    #expect(sums.waiting == 12)
    #expect(sums.waitingSince == start)
}

@Test func cursorThatTheLedgerMovedLeavesTheSumsWhole() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(100, to: ["siem"], at: start)
    // Twenty were delivered ahead of a request that hangs; the ledger knows nothing of them.
    accounts.update(sink: "siem") { $0.delivered += 20 }
    accounts.update(sink: "siem") { sums in
        sums.adopt(SinkTotals(offered: 60, delivered: 10, evicted: 50))
    }
    let sums = accounts.snapshot.sinks["siem"]
    #expect(sums?.offered == 100)
    #expect(sums?.delivered == 10)
    #expect(sums?.evicted == 50)
    #expect(sums?.waiting == 40)
}

@Test func damageStaysCountedWhenTheLedgerMovesTheCursor() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(100, to: ["siem"], at: start)
    accounts.update(sink: "siem") { $0.damaged += 30 }
    accounts.update(sink: "siem") { $0.adopt(SinkTotals(offered: 20, evicted: 20)) }
    #expect(accounts.snapshot.sinks["siem"]?.lost == 50)
    #expect(accounts.snapshot.sinks["siem"]?.waiting == 50)
}

/// The age began anew with every request that was delivered, so a receiver that was slower than
/// the log never seemed late.
@Test func ageIsThatOfTheOldestEventAndNotOfTheLastDelivery() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(4, to: ["siem"], at: start)
    accounts.offer(4, to: ["siem"], at: start.advanced(by: .seconds(9)))
    accounts.update(sink: "siem") { $0.delivered += 3 }
    #expect(accounts.snapshot.sinks["siem"]?.waitingSince == start)
    accounts.update(sink: "siem") { $0.delivered += 1 }
    let second = start.advanced(by: .seconds(9))
    #expect(accounts.snapshot.sinks["siem"]?.waitingSince == second)
    accounts.update(sink: "siem") { $0.delivered += 4 }
    #expect(accounts.snapshot.sinks["siem"]?.waitingSince == nil)
}

@Test func lossesAreCountedWithTheCommitThatStatesThem() {
    let accounts = Accounts()
    accounts.open(input: "idp", parser: "keycloak")
    let loss = InputLoss(path: "/var/log/a.log", reason: .deleted, byteCount: 500)
    accounts.committed(
        Accounts.Commit(
            losses: [("idp", loss), ("idp", loss)], agentEvents: 2, eventCount: 2,
            nextSequence: 2), at: Timestamp(microseconds: 1))
    let sums = accounts.snapshot.inputs["idp"]?.losses["deleted"]
    #expect(sums == Accounts.LossSums(count: 2, bytes: 1000, records: 0))
    check(accounts.snapshot)
}
