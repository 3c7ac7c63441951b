// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport

@testable import Sinks

/// Tries the clauses on one sink, each with a far side and a sink of its own.
struct SinkContract {
    let row: SinkContractRow

    /// In what way a clause is not kept; nothing when it is.
    func violations(_ clause: SinkClause) throws -> [String] {
        switch clause {
        case .confirms:
            try SinkCatalog.entry(row.type)?.formats.flatMap { try confirmation($0) }
                ?? ["there is no such sink"]
        case .waits:
            try fault(.beBusy) { error in
                guard case .retry(let after, _, let code) = error else { return false }
                return after == row.delay && [.busy, .server, .space].contains(code)
            }
        case .rejects: try rejection()
        case .alarms:
            try fault(.letNobodyIn) { error in
                guard case .alarm(_, let code) = error else { return false }
                return [.authorization, .tls, .place].contains(code)
            }
        case .timesOut: try fault(.neverAnswer) { Self.isRetry($0, [.timeout]) }
        case .survivesReset: try fault(.reset) { Self.isRetry($0, [.connection]) }
        case .survivesHalfClose: try fault(.halfClose) { Self.isRetry($0, [.connection]) }
        case .bearsSlowness: try slowness()
        case .keepsSecrets: try silence()
        case .resumes: try outage()
        }
    }

    private static func isRetry(_ error: DeliveryError, _ codes: [DeliveryCode]) -> Bool {
        if case .retry(nil, _, let code) = error { codes.contains(code) } else { false }
    }

    // MARK: What arrives

    /// What is wrong about what arrived of these batches.
    private func losses(
        _ batches: [DeliveryBatch], _ receiver: any ContractReceiver, _ format: SinkFormat,
        repeats: Int = 0, rejected: Set<String> = []
    ) throws -> [String] {
        let lines = batches.flatMap { batch in
            String(decoding: Samples.lines(batch, format), as: UTF8.self).split(separator: "\n")
                .map(String.init)
        }
        let wanted = lines.filter { !rejected.contains($0) }
        let arrived = try receiver.arrived(wanted.count)
        var found: [String] = []
        let strangers = arrived.filter { !wanted.contains($0) }
        if let first = strangers.first { found.append("arrived and was never sent: \(first)") }
        let missing = Set(wanted).subtracting(arrived)
        if let first = missing.first { found.append("\(missing.count) lost, such as \(first)") }
        var seen: Set<String> = []
        let firsts = arrived.filter { seen.insert($0).inserted }
        if missing.isEmpty, strangers.isEmpty, batches.count == 1, firsts != wanted {
            found.append("arrived in another order")
        }
        if arrived.count - firsts.count > repeats {
            found.append("\(arrived.count - firsts.count) repeated, not \(repeats) at most")
        }
        return found
    }

    private func leaks(_ sentences: [String]) -> [String] {
        sentences.flatMap { sentence in
            row.secrets.filter { sentence.contains($0) }.map { "\($0) stands in: \(sentence)" }
        } + sentences.filter { $0.utf8.count > 3000 || $0.contains("\n") }
    }

    // MARK: The clauses

    private func confirmation(_ format: SinkFormat) throws -> [String] {
        let receiver = try row.open()
        defer { receiver.stop() }
        let sink = try receiver.makeSink(format, isImpatient: false)
        let batches = [3, 1, 64].map { Samples.delivery($0, first: $0 * 100) }
        var found = TicketTrial(sink).violations(batches)
        found += try losses(batches, receiver, format)
        found += TicketTrial(sink).violationsOfWaking()
        found += TicketTrial(sink).violationsOfClosing(batches[0])
        return found.map { "\(format.rawValue): \($0)" }
    }

    /// The far side fails in one way, then takes everything.
    private func fault(
        _ behaviour: ReceiverBehaviour, _ isRight: (DeliveryError) -> Bool
    ) throws -> [String] {
        let receiver = try row.open()
        defer { receiver.stop() }
        let sink = try receiver.makeSink(.canonical, isImpatient: behaviour == .neverAnswer)
        defer { sink.close() }
        let batches = [0, 3].map { Samples.delivery(3, first: $0) }
        var delivery = SimulatedDelivery(sink, batches)
        try receiver.behave(behaviour)
        var found: [String] = []
        if delivery.run(untilFailure: true) { found.append("delivered") }
        if let error = delivery.failures.first, !isRight(error) { found.append("said \(error)") }
        if let asked = row.delay, behaviour == .beBusy, delivery.rests.first != asked {
            found.append("rested for \(delivery.rests), not for \(asked)")
        }
        try receiver.behave(.take)
        found += end(&delivery, of: batches)
        // What was taken before the connection broke comes once more.
        found += try losses(batches, receiver, .canonical, repeats: 3 * delivery.failures.count)
        if delivery.failures.count > 2 { found.append("failed again: \(delivery.failures)") }
        return found + leaks(delivery.sentences)
    }

    private func end(_ delivery: inout SimulatedDelivery, of batches: [DeliveryBatch]) -> [String] {
        if !delivery.run() { return ["not settled: \(delivery.failures)"] }
        let count = batches.reduce(0) { $0 + $1.count }
        if delivery.deliveredCount != count || delivery.settledCount != batches.count {
            return ["\(delivery.deliveredCount) of \(count) were delivered"]
        }
        return []
    }

    private func rejection() throws -> [String] {
        let receiver = try row.open()
        defer { receiver.stop() }
        let sink = try receiver.makeSink(.canonical, isImpatient: false)
        defer { sink.close() }
        try receiver.behave(.refuseOne)
        let refused = ReceiverBehaviour.refused
        let bodies = (10..<18).map { $0 == refused ? row.refusedBody : Samples.plain($0) }
        let batch = DeliveryBatch(
            batch: Samples.batch(bodies, first: 10), events: Array(bodies.indices))
        var delivery = SimulatedDelivery(sink, [batch])
        var found: [String] = []
        if !delivery.run() { found.append("not settled: \(delivery.failures)") }
        if delivery.deliveredCount != 7 { found.append("\(delivery.deliveredCount) delivered") }
        if delivery.rejections.count != 1 { found.append("rejected: \(delivery.rejections)") }
        let others = batch.selecting(Array(bodies.indices.filter { $0 != refused - 10 }))
        found += try losses([others], receiver, .canonical, repeats: 7 * delivery.failures.count)
        return found + leaks(delivery.sentences)
    }

    private func slowness() throws -> [String] {
        let receiver = try row.open()
        defer { receiver.stop() }
        let sink = try receiver.makeSink(.canonical, isImpatient: false)
        defer { sink.close() }
        try receiver.behave(.beSlow)
        let batches = [0, 20].map { Samples.delivery(20, first: $0) }
        var delivery = SimulatedDelivery(sink, batches)
        return end(&delivery, of: batches) + delivery.failures.map { "said \($0)" }
            + (try losses(batches, receiver, .canonical))
    }

    /// Goes through all that can fail and looks at every word that is said about it.
    private func silence() throws -> [String] {
        let receiver = try row.open()
        defer { receiver.stop() }
        let sink = try receiver.makeSink(.canonical, isImpatient: false)
        defer { sink.close() }
        var delivery = SimulatedDelivery(sink, (0..<20).map { Samples.delivery(1, first: $0) })
        var words: [String] = []
        for (clause, behaviour) in Self.faults where row.exemption(clause) == nil {
            try receiver.behave(behaviour)
            _ = delivery.run(untilFailure: true)
            if let said = sink.probe()?.sentence { words.append(said) }
            if let said = sink.condition.problem { words.append(said) }
        }
        words += ["\(sink)", String(reflecting: sink)]
        return leaks(delivery.sentences + words)
            + (row.secrets.isEmpty ? ["there is no secret to keep"] : [])
    }

    private static let faults: [(SinkClause, ReceiverBehaviour)] = [
        (.waits, .beBusy), (.rejects, .refuseOne), (.alarms, .letNobodyIn),
        (.survivesHalfClose, .halfClose), (.resumes, .beAway),
    ]

    /// The far side takes a batch whose answer is lost, then is away for ten minutes.
    private func outage() throws -> [String] {
        let receiver = try row.open()
        defer { receiver.stop() }
        let sink = try receiver.makeSink(.canonical, isImpatient: false)
        defer { sink.close() }
        let (size, batches) = (5, (0..<4).map { Samples.delivery(5, first: $0 * 5) })
        var delivery = SimulatedDelivery(sink, batches)
        var found: [String] = []
        if row.exemption(.survivesReset) == nil { try receiver.behave(.reset) }
        if row.exemption(.survivesReset) == nil { _ = delivery.run(untilFailure: true) }
        try receiver.behave(.beAway)
        let end = delivery.now.advanced(by: .seconds(600))
        if delivery.run(until: end) || delivery.deliveredCount > 0 || delivery.now < end {
            found.append("\(delivery.deliveredCount) delivered to nobody at \(delivery.now)")
        }
        let tries = delivery.failures.count
        if !(8...40).contains(tries) { found.append("tried \(tries) times in ten minutes") }
        try receiver.behave(.take)
        found += self.end(&delivery, of: batches)
        found += try losses(batches, receiver, .canonical, repeats: size)
        if !delivery.rejections.isEmpty { found.append("rejected: \(delivery.rejections)") }
        return found + leaks(delivery.sentences)
    }
}
