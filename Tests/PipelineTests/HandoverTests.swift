// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Pipeline

private func records(_ offset: UInt64) -> RecordBatch {
    RecordBatch(
        input: "idp", source: "\(offset)", path: nil, observed: Timestamp(microseconds: 0),
        bytes: [], records: [Record(start: 0, count: 0, offset: offset)], positions: [])
}

private func encoded(_ work: Handover.Work) -> EncodedBatch {
    EncodedBatch(
        input: work.batch.source, parser: "p", bodies: [1, 2, 3, 4], events: [], positions: [],
        tally: RecordTally())
}

@Test func sealerSeesBatchesInTheOrderOfReading() {
    let handover = Handover(ticketLimit: 4)
    for offset in 0..<3 { #expect(handover.push(records(UInt64(offset)), input: 0)) }
    let work = (0..<3).compactMap { _ in handover.pop() }
    for item in work.reversed() { handover.deliver(encoded(item), ticket: item.ticket) }
    let taken = handover.take(byteLimit: 100, notBefore: .zero, patience: .zero)
    #expect(taken.map(\.input) == ["0", "1", "2"])
}

@Test func batchThatIsMissingHoldsBackThoseBehindIt() {
    let handover = Handover(ticketLimit: 4)
    for offset in 0..<2 { _ = handover.push(records(UInt64(offset)), input: 0) }
    let first = handover.pop()
    if let second = handover.pop() { handover.deliver(encoded(second), ticket: second.ticket) }
    #expect(handover.take(byteLimit: 100, notBefore: .zero, patience: .zero).isEmpty)
    if let first { handover.deliver(encoded(first), ticket: first.ticket) }
    #expect(handover.take(byteLimit: 100, notBefore: .zero, patience: .zero).count == 2)
}

@Test func takeStopsAtTheByteLimit() {
    let handover = Handover(ticketLimit: 8)
    for offset in 0..<4 { _ = handover.push(records(UInt64(offset)), input: 0) }
    for _ in 0..<4 {
        if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    }
    #expect(handover.take(byteLimit: 6, notBefore: .zero, patience: .zero).count == 2)
    #expect(handover.take(byteLimit: 6, notBefore: .zero, patience: .zero).count == 2)
}

@Test func closedWayLetsNothingInAndDrains() {
    let handover = Handover(ticketLimit: 2)
    _ = handover.push(records(0), input: 0)
    handover.close()
    #expect(!handover.push(records(1), input: 0))
    #expect(!handover.isDrained)
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    #expect(handover.pop() == nil)
    #expect(handover.take(byteLimit: 10, notBefore: .zero, patience: .zero).count == 1)
    #expect(handover.isDrained)
}

@Test func fullWayTakesMoreOnlyAfterACommit() throws {
    let handover = Handover(ticketLimit: 1)
    _ = handover.push(records(0), input: 0)
    let thread = try Thread.start(name: "pusher") { _ = handover.push(records(1), input: 0) }
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    #expect(handover.take(byteLimit: 10, notBefore: .zero, patience: .zero).count == 1)
    handover.settle(1)
    thread.join()
    #expect(handover.pop()?.batch.source == "1")
}
