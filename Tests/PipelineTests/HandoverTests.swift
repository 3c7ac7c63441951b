// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Pipeline

private func plan(generation: UInt64 = 0) -> InputPlan { PipelineFixture.plan(generation) }

private func terms(reason: String) -> StreamTerms {
    StreamTerms(key: PipelineFixture.key, sinks: [], reason: reason)
}

private func records(_ offset: UInt64) -> RecordBatch {
    RecordBatch(
        input: "idp", source: "\(offset)", path: nil, observed: Timestamp(microseconds: 0),
        bytes: [], records: [Record(start: 0, count: 0, offset: offset)], positions: [])
}

private func encoded(_ work: Handover.Work) -> EncodedBatch {
    EncodedBatch(
        input: work.plan.id, parser: work.batch.source, bodies: [1, 2, 3, 4], events: [],
        positions: [],
        tally: RecordTally())
}

@Test func sealerSeesBatchesInTheOrderOfReading() {
    let handover = Handover(plans: [plan()], batchLimit: 4)
    for offset in 0..<3 { #expect(handover.push(records(UInt64(offset)), input: "idp")) }
    let work = (0..<3).compactMap { _ in handover.pop() }
    for item in work.reversed() { handover.deliver(encoded(item), ticket: item.ticket) }
    let taken = handover.take(byteLimit: 100, notBefore: .zero, patience: .zero)
    #expect(taken.batches.map(\.parser) == ["0", "1", "2"])
}

/// Records of several products in one batch are parsed in parts; the ticket is given back once.
@Test func partsOfABatchAreTakenTogetherAndSettledOnce() {
    let handover = Handover(plans: [plan()], batchLimit: 1)
    _ = handover.push(records(0), input: "idp")
    guard let work = handover.pop() else { return }
    var first = encoded(work)
    first.isLast = false
    handover.deliver([first, encoded(work)], ticket: work.ticket)
    let taken = handover.take(byteLimit: 1, notBefore: .zero, patience: .zero)
    #expect(taken.batches.map(\.isLast) == [false, true])
    #expect(!handover.isSettled(input: "idp"))
    handover.settle(taken.batches)
    #expect(handover.isSettled(input: "idp"))
}

@Test func batchThatIsMissingHoldsBackThoseBehindIt() {
    let handover = Handover(plans: [plan()], batchLimit: 4)
    for offset in 0..<2 { _ = handover.push(records(UInt64(offset)), input: "idp") }
    let first = handover.pop()
    if let second = handover.pop() { handover.deliver(encoded(second), ticket: second.ticket) }
    #expect(handover.take(byteLimit: 100, notBefore: .zero, patience: .zero).batches.isEmpty)
    if let first { handover.deliver(encoded(first), ticket: first.ticket) }
    #expect(handover.take(byteLimit: 100, notBefore: .zero, patience: .zero).batches.count == 2)
}

@Test func takeStopsAtTheByteLimit() {
    let handover = Handover(plans: [plan()], batchLimit: 8)
    for offset in 0..<4 { _ = handover.push(records(UInt64(offset)), input: "idp") }
    for _ in 0..<4 {
        if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    }
    #expect(handover.take(byteLimit: 6, notBefore: .zero, patience: .zero).batches.count == 2)
    #expect(handover.take(byteLimit: 6, notBefore: .zero, patience: .zero).batches.count == 2)
}

@Test func closedWayLetsNothingInAndDrains() {
    let handover = Handover(plans: [plan()], batchLimit: 2)
    _ = handover.push(records(0), input: "idp")
    handover.close()
    #expect(!handover.push(records(1), input: "idp"))
    #expect(!handover.isDrained)
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    #expect(handover.pop() == nil)
    #expect(handover.take(byteLimit: 10, notBefore: .zero, patience: .zero).batches.count == 1)
    #expect(handover.isDrained)
}

@Test func fullWayTakesMoreOnlyAfterACommit() throws {
    let handover = Handover(plans: [plan()], batchLimit: 1)
    _ = handover.push(records(0), input: "idp")
    let thread = try Thread.start(name: "pusher") { _ = handover.push(records(1), input: "idp") }
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    let taken = handover.take(byteLimit: 10, notBefore: .zero, patience: .zero)
    #expect(taken.batches.count == 1)
    handover.settle(taken.batches)
    thread.join()
    #expect(handover.pop()?.batch.source == "1")
}

/// Nothing more can come before a commit, so waiting for more would only hold back the readers.
@Test func fullWayIsTakenBeforeTheRestIsOver() throws {
    let handover = Handover(plans: [plan()], batchLimit: 2)
    for offset in 0..<2 { _ = handover.push(records(UInt64(offset)), input: "idp") }
    for _ in 0..<2 {
        if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    }
    // Ends a rest that is not cut short; then the way is closed.
    let isTaken = Monitor(false)
    let watcher = try Thread.start(name: "watcher") {
        if isTaken.wait(timeout: .seconds(10), { $0 ? true : nil }) == nil { handover.close() }
    }
    let taken = handover.take(byteLimit: 100, notBefore: .seconds(3600), patience: .zero)
    isTaken.update { $0 = true }
    watcher.join()
    #expect(taken.batches.count == 2)
    handover.settle(taken.batches)
    #expect(handover.push(records(2), input: "idp"))
}

@Test func whatWasReadBeforeAReloadIsParsedAndSealedAsBefore() throws {
    let handover = Handover(plans: [plan()], batchLimit: 8)
    _ = handover.push(records(0), input: "idp")
    handover.change(plans: [plan(generation: 1)], terms: terms(reason: "reloaded"))
    _ = handover.push(records(1), input: "idp")
    let work = (0..<2).compactMap { _ in handover.pop() }
    #expect(work.map(\.plan.generation) == [0, 1])
    // The later batch is parsed first; the change still waits for the earlier one.
    for item in work.reversed() { handover.deliver(encoded(item), ticket: item.ticket) }
    let before = handover.take(byteLimit: 100, notBefore: .zero, patience: .zero)
    #expect(before.batches.map(\.parser) == ["0"])
    #expect(before.terms?.reason == "reloaded")
    let after = handover.take(byteLimit: 100, notBefore: .zero, patience: .zero)
    #expect(after.batches.map(\.parser) == ["1"])
    #expect(after.terms == nil)
}

@Test func changeOfTheStreamGoesThroughAFullWay() {
    let handover = Handover(plans: [plan()], batchLimit: 1)
    _ = handover.push(records(0), input: "idp")
    handover.change(plans: [], terms: terms(reason: "first"))
    handover.change(plans: [], terms: terms(reason: "second"))
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    let first = handover.take(byteLimit: 100, notBefore: .zero, patience: .zero)
    #expect(first.batches.count == 1)
    #expect(first.terms?.reason == "first")
    handover.close()
    #expect(!handover.isDrained)
    let second = handover.take(byteLimit: 100, notBefore: .zero, patience: .zero)
    #expect(second.terms?.reason == "second")
    #expect(handover.isDrained)
}

@Test func inputIsSettledWhenItsLastBatchIsCommitted() {
    let handover = Handover(plans: [plan()], batchLimit: 4)
    #expect(handover.isSettled(input: "idp"))
    _ = handover.push(records(0), input: "idp")
    #expect(!handover.isSettled(input: "idp"))
    #expect(handover.isSettled(input: "other"))
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    let taken = handover.take(byteLimit: 10, notBefore: .zero, patience: .zero)
    #expect(!handover.waitUntilSettled(input: "idp", timeout: .zero))
    handover.settle(taken.batches)
    #expect(handover.waitUntilSettled(input: "idp", timeout: .zero))
}

@Test func wayIsFullByBytesAsWell() throws {
    let handover = Handover(plans: [plan()], byteLimit: 100)
    var large = records(0)
    large.bytes = [UInt8](repeating: 0, count: 150)
    _ = handover.push(large, input: "idp")
    let thread = try Thread.start(name: "pusher") { _ = handover.push(records(1), input: "idp") }
    if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    let taken = handover.take(byteLimit: 1000, notBefore: .zero, patience: .milliseconds(20))
    #expect(taken.batches.count == 1)
    handover.settle(taken.batches)
    thread.join()
    #expect(handover.pop()?.batch.source == "1")
}

/// A log written line by line filled the way with a dozen lines, and each waited for two commits.
@Test func manyBatchesOfOneLineFitOnTheWay() {
    let handover = Handover(plans: [plan()])
    for offset in 0..<500 { #expect(handover.push(records(UInt64(offset)), input: "idp")) }
    for _ in 0..<500 {
        if let work = handover.pop() { handover.deliver(encoded(work), ticket: work.ticket) }
    }
    let taken = handover.take(byteLimit: 1 << 20, notBefore: .zero, patience: .zero)
    #expect(taken.batches.count == 500)
    handover.settle(taken.batches)
    #expect(handover.isSettled(input: "idp"))
}
