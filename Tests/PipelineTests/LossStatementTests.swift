// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Sealing
import Testing

@testable import Pipeline

private func sentence(_ loss: InputLoss) -> String { LossStatement(loss, input: "idp").reason }

@Test func lossIsSaidWithAllThatIsKnown() {
    let path = "/var/log/idp/audit.log"
    #expect(
        sentence(InputLoss(path: path, reason: .truncated, byteCount: 812))
            == "inputs.idp: /var/log/idp/audit.log: 812 bytes truncated before they were read")
    #expect(
        sentence(InputLoss(path: path, reason: .deleted, byteCount: 9, recordCount: 2))
            == "inputs.idp: /var/log/idp/audit.log: 2 records in 9 bytes deleted before they "
            + "were read")
    #expect(
        sentence(InputLoss(path: nil, reason: .datagram, recordCount: 40))
            == "inputs.idp: 40 records dropped by the kernel, because they came too fast")
    #expect(
        sentence(InputLoss(path: path, reason: .excess, recordCount: 7))
            == "inputs.idp: /var/log/idp/audit.log: 7 records behind the first 10000 events of "
            + "their list left out")
    #expect(
        sentence(InputLoss(path: nil, reason: .vanished))
            == "inputs.idp: records no longer in the journal when reading went on")
}

private func keeper() -> StreamKeeper {
    StreamKeeper(
        StreamTerms(key: PipelineFixture.key, sinks: [(id: "siem", filter: nil)]),
        host: "host.example.com", epoch: StreamName.makeEpoch(),
        at: MonotonicInstant(nanoseconds: 0))
}

private let time = Timestamp(microseconds: 1_763_719_200_000_000)

/// A loss was stated in a commit of its own: a kill between the two lost the statement, or made it
/// twice.
@Test func lossIsSealedByTheCommitThatCarriesThePlaceBehindIt() {
    var keeper = keeper()
    let position = Position(input: "idp", place: .count(7))
    let batch = EncodedBatch(
        input: "idp", parser: "keycloak", bodies: [], events: [], positions: [position],
        tally: RecordTally())
    let loss = InputLoss(path: "/a", reason: .truncated, byteCount: 5)
    _ = keeper.open(predecessor: .none, at: time)
    let sealed = keeper.seal([batch], losses: [LossStatement(loss, input: "idp")], at: time)
    #expect(sealed.positions == [position])
    #expect(sealed.events.map(\.action) == [.agentEventsLost])
    #expect(sealed.groups.map(\.count) == [1])
    #expect(String(decoding: sealed.bodies, as: UTF8.self).contains("5 bytes truncated"))
}

@Test func batchWithoutRecordsStillCarriesItsPosition() {
    var keeper = keeper()
    _ = keeper.open(predecessor: .none, at: time)
    let position = Position(input: "idp", place: .count(9))
    let batch = EncodedBatch(
        input: "idp", parser: "keycloak", bodies: [], events: [], positions: [position],
        tally: RecordTally())
    let sealed = keeper.seal([batch], losses: [], at: time)
    #expect(sealed.events.isEmpty)
    #expect(sealed.positions == [position])
}

@Test func streamThatClosesUnderAnotherKeyVouchesForIt() {
    var keeper = keeper()
    _ = keeper.open(predecessor: .none, at: time)
    let next = PipelineFixture.makeKey()
    let now = MonotonicInstant(nanoseconds: 5)
    let end = keeper.close(reason: "reload", .init(), next: next, at: time, now)
    #expect(end.batch.events.map(\.action) == [.agentKeyRotated, .agentStopped, .checkpointSigned])
    let opened = keeper.reopen(StreamTerms(key: next, sinks: []), at: time, now)
    #expect(opened.keyID == next.keyID)
    #expect(opened.sinks.isEmpty)
    let same = keeper.close(reason: "stop", .init(), next: next, at: time, now)
    #expect(same.batch.events.map(\.action) == [.agentStopped, .checkpointSigned])
}
