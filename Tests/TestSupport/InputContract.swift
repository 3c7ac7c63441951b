// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// An input as the contract sees it: what the protocol demands, without the module it is from.
public struct ContractInput {
    let next: (Duration) throws -> RecordBatch?
    let committed: (Position) -> Void
    let wake: @Sendable () -> Void
    let close: () -> Void
    let recordCount: () -> UInt64

    /// Wraps the members of an input.
    public init(
        next: @escaping (Duration) throws -> RecordBatch?,
        committed: @escaping (Position) -> Void, wake: @escaping @Sendable () -> Void,
        close: @escaping () -> Void, recordCount: @escaping () -> UInt64
    ) {
        self.next = next
        self.committed = committed
        self.wake = wake
        self.close = close
        self.recordCount = recordCount
    }
}

/// What every input must do, whatever it reads from. A test makes the input and feeds its source.
public struct InputContract {
    private let make: ([Position]) throws -> ContractInput
    private let feed: (String) throws -> Void
    private let clock = SystemClock()

    private static let deadline = Duration.seconds(10)

    /// - Parameters:
    ///   - make: makes an input that goes on from positions.
    ///   - feed: adds text, whole lines, to what the input reads.
    public init(
        make: @escaping ([Position]) throws -> ContractInput,
        feed: @escaping (String) throws -> Void
    ) {
        self.make = make
        self.feed = feed
    }

    /// Runs the contract and says in sentences what was broken; empty when nothing was.
    public func failures() throws -> [String] {
        var failures: [String] = []
        var input = try make([])
        try feed("first\nsecond\n")
        var batches = try read(input, 2)
        check(batches, ["first", "second"], &failures)
        try checkWaiting(input, &failures)
        try feed("third\r\n\n" + String(repeating: "x", count: 3000) + "\n")
        batches += try read(input, 2)
        check(
            batches, ["first", "second", "third", String(repeating: "x", count: 3000)], &failures)
        if input.recordCount() != 4 { failures.append("the state does not count the records") }

        let positions = batches.flatMap(\.positions)
        if positions.isEmpty { failures.append("no batch has a position") }
        positions.forEach(input.committed)
        input.close()
        if try input.next(.seconds(60)) != nil { failures.append("a closed input gave a batch") }

        input = try make(Array(positions.suffix(1)))
        try feed("fourth\n")
        let after = try read(input, 1)
        check(after, ["fourth"], &failures)
        let last = batches.last?.records.last?.offset ?? 0
        if let first = after.first?.records.first, first.offset <= last {
            failures.append("after a restart the positions of records do not go on")
        }
        input.close()
        return failures
    }

    private func checkWaiting(_ input: ContractInput, _ failures: inout [String]) throws {
        let start = clock.monotonic()
        if try input.next(.milliseconds(20)) != nil { failures.append("a batch out of nothing") }
        let wake = input.wake
        let waker = try Thread.start(name: "waker") { wake() }
        if try input.next(.seconds(60)) != nil { failures.append("a batch out of nothing") }
        waker.join()
        if clock.monotonic().duration(since: start) > .seconds(30) {
            failures.append("a wake-up did not end the wait")
        }
    }

    /// Reads until so many records came, or the deadline passed.
    private func read(_ input: ContractInput, _ count: Int) throws -> [RecordBatch] {
        let end = clock.monotonic().advanced(by: InputContract.deadline)
        var batches: [RecordBatch] = []
        while batches.reduce(0, { $0 + $1.records.count }) < count, clock.monotonic() < end {
            if let batch = try input.next(.milliseconds(50)) { batches.append(batch) }
        }
        return batches
    }

    private func check(
        _ batches: [RecordBatch], _ expected: [String], _ failures: inout [String]
    ) {
        var texts: [String] = []
        var offset: UInt64?
        for batch in batches {
            if batch.bytes.suffix(RecordBatch.paddingByteCount).contains(where: { $0 != 0 }) {
                failures.append("a block without padding")
            }
            if batch.source != batches[0].source { failures.append("the source changed") }
            for record in batch.records {
                let limit = batch.bytes.count - RecordBatch.paddingByteCount
                if record.range.upperBound > limit { failures.append("a record out of its block") }
                texts.append(String(decoding: batch.bytes[record.range], as: UTF8.self))
                if let offset, record.offset <= offset { failures.append("positions go back") }
                offset = record.offset
            }
        }
        if texts != expected { failures.append("records \(texts) in place of \(expected)") }
    }
}
