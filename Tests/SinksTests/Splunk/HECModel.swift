// SPDX-License-Identifier: Apache-2.0
import Platform

@testable import Sinks

/// A collector made up for tests, the network before it, and `HECAcknowledgements` behind that.
///
/// Every step is drawn from a seed: requests and answers overtake each other or get lost, and the
/// collector is restarted and numbers anew.
struct HECModel {
    private enum Message {
        case accepted(UInt64, number: UInt64)
        case refused(UInt64)
        case lost(UInt64)
        case indexed([UInt64], channel: UInt64)
    }

    private struct Number: Hashable {
        let channel: String
        let number: UInt64
    }

    private(set) var violations: [String] = []
    private(set) var sentCount = 0
    private(set) var settledCount = 0
    private(set) var confirmedCount = 0

    private var random: SeededNumbers
    private let isFaulty: Bool
    private let firstNumber: UInt64
    private var client: HECAcknowledgements
    private var now = MonotonicInstant(nanoseconds: 0)
    private var open: Set<UInt64> = []

    // What is on its way to the collector, and back.
    private var requests: [(ticket: UInt64, channel: String)] = []
    private var queries: [HECAcknowledgements.Query] = []
    private var answers: [Message] = []

    // The collector: what it knows until it is restarted, and what is indexed for good.
    private var nextNumber: [String: UInt64] = [:]
    private var pending: [(ticket: UInt64, number: Number)] = []
    private var confirmable: Set<Number> = []
    private var indexed: Set<UInt64> = []

    init(seed: UInt64, isFaulty: Bool = true) {
        random = SeededNumbers(seed: seed)
        self.isFaulty = isFaulty
        firstNumber = seed % 2
        var count = 0
        client = HECAcknowledgements(timeOut: .seconds(20)) {
            count += 1
            return "channel-\(count)"
        }
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps { step() }
        // Whatever was lost, time brings everything to its end.
        for _ in 0..<2000 where !open.isEmpty {
            receive()
            index()
            answerQuery()
            deliverAnswer()
            query()
            pass(.milliseconds(500))
            settle()
        }
    }

    private mutating func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<18 where open.count < 8: send()
        case 0..<36: receive()
        case 36..<54: deliverAnswer()
        case 54..<68: index()
        case 68..<78: query()
        case 78..<88: answerQuery()
        case 88..<96: pass(.milliseconds(Int.random(in: 1...900, using: &random)))
        default: if isFaulty { restart() }
        }
        settle()
    }

    /// True in so many of a hundred cases, and never where nothing goes wrong.
    private mutating func fails(_ percentage: Int) -> Bool {
        isFaulty && Int.random(in: 0..<100, using: &random) < percentage
    }

    private mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    // MARK: The client

    private mutating func send() {
        let ticket = UInt64(sentCount)
        sentCount += 1
        open.insert(ticket)
        requests.append((ticket, client.begin(ticket, endpoint: 0)))
    }

    private mutating func query() {
        if let query = client.query(at: now) { queries.append(query) }
    }

    private mutating func pass(_ time: Duration) {
        now = now.advanced(by: time)
        client.expire(at: now)
    }

    private mutating func deliverAnswer() {
        guard !answers.isEmpty else { return }
        switch answers.remove(at: pick(answers.count)) {
        case .accepted(let ticket, let number): client.accepted(ticket, number: number, at: now)
        case .refused(let ticket): client.answered(ticket)
        case .lost(let ticket): client.lost(ticket)
        case .indexed(let numbers, let channel): client.confirm(numbers, of: channel, at: now)
        }
    }

    private mutating func settle() {
        for (ticket, fate) in client.takeSettled() {
            if fate == .confirmed {
                confirmedCount += 1
                if !indexed.contains(ticket) { violations.append("\(ticket) is not indexed") }
            }
            conclude(ticket)
        }
    }

    private mutating func conclude(_ ticket: UInt64) {
        settledCount += 1
        if open.remove(ticket) == nil { violations.append("\(ticket) is settled twice") }
    }

    // MARK: The collector

    private mutating func receive() {
        guard !requests.isEmpty else { return }
        let request = requests.remove(at: pick(requests.count))
        if fails(5) {
            // It never arrived, or was refused; for the sink both are outcomes.
            answers.append(fails(50) ? .lost(request.ticket) : .refused(request.ticket))
            conclude(request.ticket)
            return
        }
        let value = nextNumber[request.channel] ?? firstNumber
        nextNumber[request.channel] = value + 1
        pending.append((request.ticket, Number(channel: request.channel, number: value)))
        if fails(8) {
            answers.append(.lost(request.ticket))
            conclude(request.ticket)
        } else {
            answers.append(.accepted(request.ticket, number: value))
        }
    }

    private mutating func index() {
        guard !pending.isEmpty else { return }
        let done = pending.remove(at: pick(pending.count))
        indexed.insert(done.ticket)
        confirmable.insert(done.number)
    }

    private mutating func answerQuery() {
        guard !queries.isEmpty else { return }
        let query = queries.remove(at: pick(queries.count))
        // A confirmation is given once, whether or not it arrives.
        let found = query.numbers.filter {
            confirmable.remove(Number(channel: query.name, number: $0)) != nil
        }
        answers.append(.indexed(fails(10) ? [] : found, channel: query.channel))
    }

    private mutating func restart() {
        nextNumber = [:]
        pending = []
        confirmable = []
    }
}
