// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct HTTPRequestQueueTests {
    /// The queue in a box, because an expectation cannot change a value.
    private final class Line {
        private var queue: HTTPRequestQueue<String>

        init(number: UInt64, byteLimit: Int, countLimit: Int) {
            queue = HTTPRequestQueue(number: number, byteLimit: byteLimit, countLimit: countLimit)
        }

        var number: UInt64 { queue.number }
        var isFull: Bool { queue.isFull }
        func offer(_ request: HTTPRequestQueue<String>.Request) -> Bool { queue.offer(request) }
        func take(_ collector: inout RecordCollector) { queue.take(into: &collector) }
        func committed(_ count: UInt64) -> [(reply: String, recordCount: Int)] {
            queue.committed(count)
        }
        func overdue(at now: MonotonicInstant, after patience: Duration) -> [String] {
            queue.overdue(at: now, after: patience)
        }
        func close() -> [String] { queue.close() }
    }

    private func request(_ name: String, _ records: Int = 1, at second: Int64 = 0)
        -> HTTPRequestQueue<String>.Request
    {
        let body = Array(String(repeating: "x", count: records).utf8)
        return .init(
            body: body,
            records: (0..<records).map { Record(start: UInt32($0), count: 1, offset: 0) },
            reply: name,
            arrival: MonotonicInstant(nanoseconds: second * 1_000_000_000))
    }

    @Test func answersFollowTheCommitOfTheLastRecord() {
        let queue = Line(number: 10, byteLimit: 1000, countLimit: 10)
        #expect(queue.offer(request("a", 2)))
        #expect(queue.offer(request("b", 3)))
        var collector = RecordCollector(recordByteLimit: 100)
        queue.take(&collector)
        #expect(collector.records.map(\.offset) == [10, 11, 12, 13, 14])
        #expect(queue.number == 15)
        #expect(queue.committed(11).isEmpty)
        #expect(queue.committed(12).map(\.reply) == ["a"])
        #expect(queue.committed(14).isEmpty)
        let last = queue.committed(15)
        #expect(last.map(\.reply) == ["b"])
        #expect(last.map(\.recordCount) == [3])
        #expect(queue.committed(15).isEmpty)
    }

    @Test func aRequestLargerThanABatchIsAnsweredAfterItsLastBatch() {
        let queue = Line(number: 0, byteLimit: 100_000, countLimit: 10)
        let count = InputLimit.batchRecordLimit + 5
        #expect(queue.offer(request("a", count)))
        var first = RecordCollector(recordByteLimit: 100)
        queue.take(&first)
        #expect(first.records.count == InputLimit.batchRecordLimit)
        #expect(queue.committed(queue.number).isEmpty)
        var second = RecordCollector(recordByteLimit: 100)
        queue.take(&second)
        #expect(second.records.count == 5)
        #expect(queue.committed(UInt64(count)).map(\.reply) == ["a"])
    }

    @Test func whatIsNotCommittedFillsTheQueue() {
        let queue = Line(number: 0, byteLimit: 4, countLimit: 10)
        #expect(queue.offer(request("a", 4)))
        #expect(queue.isFull)
        #expect(!queue.offer(request("b")))
        var collector = RecordCollector(recordByteLimit: 100)
        queue.take(&collector)
        #expect(!queue.offer(request("b")))
        _ = queue.committed(4)
        #expect(queue.offer(request("b")))
        let few = Line(number: 0, byteLimit: 100, countLimit: 2)
        #expect(few.offer(request("a")) && few.offer(request("b")))
        #expect(!few.offer(request("c")))
    }

    @Test func whoWaitsTooLongIsToldOnceAndNotAgainAtTheCommit() {
        let queue = Line(number: 0, byteLimit: 100, countLimit: 10)
        #expect(queue.offer(request("a", at: 0)) && queue.offer(request("b", at: 20)))
        var collector = RecordCollector(recordByteLimit: 100)
        queue.take(&collector)
        let now = MonotonicInstant(nanoseconds: 30_000_000_000)
        #expect(queue.overdue(at: now, after: .seconds(30)) == ["a"])
        #expect(queue.overdue(at: now, after: .seconds(30)) == [])
        #expect(queue.committed(2).map(\.reply) == ["b"])
    }

    @Test func closingAnswersEverybodyOnce() {
        let queue = Line(number: 0, byteLimit: 100, countLimit: 10)
        #expect(queue.offer(request("a")))
        var collector = RecordCollector(recordByteLimit: 100)
        queue.take(&collector)
        #expect(queue.offer(request("b")))
        #expect(queue.close() == ["a", "b"])
        #expect(!queue.offer(request("c")))
        #expect(queue.committed(5).isEmpty)
        #expect(queue.close().isEmpty)
    }
}
