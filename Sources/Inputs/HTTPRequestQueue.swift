// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The requests between their arrival and the commit of their records: decides what is taken in,
/// what goes into the next batch, and who may be answered.
///
/// `Reply` is what a request is answered through; nothing here knows what it is.
struct HTTPRequestQueue<Reply: Sendable>: Sendable {
    /// A whole request with the places of its records.
    struct Request: Sendable {
        /// What was sent, unpacked.
        var body: [UInt8]
        /// Where the records are; at least one.
        var records: [Record]
        /// Whom to answer.
        var reply: Reply
        /// When it came.
        var arrival: MonotonicInstant
    }

    /// A request of which all records are handed out.
    private struct Waiting {
        var reply: Reply
        var arrival: MonotonicInstant
        var recordCount: Int
        var byteCount: Int
        /// Its answer is due when so many records of the input are committed.
        var end: UInt64
    }

    /// The number of the next record.
    private(set) var number: UInt64
    private(set) var isClosed = false

    private var arrived: [Request] = []
    /// The records of the first request that are handed out already.
    private var takenCount = 0
    private var waiting: [Waiting] = []
    private var heldByteCount = 0
    private let byteLimit: Int
    private let countLimit: Int

    init(number: UInt64, byteLimit: Int, countLimit: Int) {
        self.number = number
        self.byteLimit = byteLimit
        self.countLimit = countLimit
    }

    /// True when a request that comes now has to try again later.
    var isFull: Bool {
        heldByteCount >= byteLimit || arrived.count + waiting.count >= countLimit
    }

    /// True when nothing waits to be handed out.
    var isEmpty: Bool { arrived.isEmpty }

    /// Takes a request in; false when there is no room for it.
    mutating func offer(_ request: Request) -> Bool {
        guard !isFull, !isClosed, !request.records.isEmpty else { return false }
        heldByteCount += request.body.count
        arrived.append(request)
        return true
    }

    /// Puts records into a batch, in the order of the requests, until it is full.
    mutating func take(into collector: inout RecordCollector) {
        while let request = arrived.first, !collector.isFull {
            while takenCount < request.records.count, !collector.isFull {
                let record = request.records[takenCount]
                let isRecord = collector.add(
                    request.body[record.range], offset: number, damage: record.damage)
                if isRecord { number += 1 }
                takenCount += 1
            }
            guard takenCount == request.records.count else { return }
            waiting.append(
                Waiting(
                    reply: request.reply, arrival: request.arrival,
                    recordCount: request.records.count, byteCount: request.body.count, end: number))
            arrived.removeFirst()
            takenCount = 0
        }
    }

    /// The requests whose records are all committed, once; with how many records each has.
    mutating func committed(_ count: UInt64) -> [(reply: Reply, recordCount: Int)] {
        let done = waiting.prefix { $0.end <= count }
        waiting.removeFirst(done.count)
        heldByteCount -= done.reduce(0) { $0 + $1.byteCount }
        return done.map { ($0.reply, $0.recordCount) }
    }

    /// Those that have waited too long for their commit, once. Their records stay on their way.
    mutating func overdue(at now: MonotonicInstant, after patience: Duration) -> [Reply] {
        let late = waiting.prefix { now.duration(since: $0.arrival) >= patience }
        waiting.removeFirst(late.count)
        heldByteCount -= late.reduce(0) { $0 + $1.byteCount }
        return late.map(\.reply)
    }

    /// Takes nothing more; answers with all that are left.
    mutating func close() -> [Reply] {
        isClosed = true
        defer {
            arrived = []
            waiting = []
            heldByteCount = 0
            takenCount = 0
        }
        return waiting.map(\.reply) + arrived.map(\.reply)
    }
}
