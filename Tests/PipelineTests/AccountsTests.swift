// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Pipeline

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
    accounts.offer(3, at: Timestamp(microseconds: 1))
    accounts.committed(
        [("idp", tally)], agentEvents: 0, eventCount: 3, nextSequence: 4,
        at: Timestamp(microseconds: 1))
    accounts.update(sink: "siem") { $0.delivered += 2 }
    let snapshot = accounts.snapshot
    check(snapshot)
    #expect(snapshot.inputs["idp"]?.inFlight == 0)
    #expect(snapshot.fromRecords == 3)
    #expect(snapshot.sinks["siem"]?.waiting == 1)
}

private func check(_ snapshot: Accounts.Snapshot) {
    for sums in snapshot.inputs.values {
        let ignored = sums.ignored.values.reduce(0, +)
        let dropped = sums.dropped.values.reduce(0, +)
        #expect(sums.read == sums.parsed + ignored + dropped + sums.inFlight)
        #expect(sums.read > 0)
    }
    #expect(snapshot.sealed == snapshot.fromRecords + snapshot.agentEvents)
}

@Test func agentEventsAreNotCountedAsEventsOfRecords() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(1, at: Timestamp(microseconds: 0))
    accounts.committed(
        [], agentEvents: 1, eventCount: 1, nextSequence: 1, at: Timestamp(microseconds: 0))
    #expect(accounts.snapshot.agentEvents == 1)
    #expect(accounts.snapshot.fromRecords == 0)
    #expect(accounts.snapshot.sinks["siem"]?.offered == 1)
}

/// The sealer counted an offer after its commit; a sink that had delivered by then made the
/// number of waiting events negative, which ended the process.
@Test func sinkThatIsFasterThanTheSealerNeverOwesEvents() {
    let accounts = Accounts()
    accounts.open(sink: "siem", sums: Accounts.SinkSums())
    accounts.offer(10, at: Timestamp(microseconds: 0))
    accounts.update(sink: "siem") { $0.delivered += 10 }
    #expect(accounts.snapshot.sinks["siem"]?.waiting == 0)
    accounts.committed(
        [], agentEvents: 0, eventCount: 10, nextSequence: 10, at: Timestamp(microseconds: 1))
    #expect(accounts.snapshot.sinks["siem"]?.offered == 10)
}
