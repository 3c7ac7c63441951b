// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Platform

/// All that the status page shows, at one moment. No event content is in it.
struct StatusReport: Sendable {
    /// A configured input and how it is doing.
    struct Input: Sendable {
        var id: String
        /// Nil where a reload could not open it.
        var type: String?
        var parser: String?
        var state: InputState
        /// Why it is not open, after a reload.
        var unopened: String?
    }

    /// A configured sink and what is known beside its sums.
    struct Sink: Sendable {
        var id: String
        var type: String
        var format: String
        var deadLetterCount = 0
    }

    var name: String
    var started: Timestamp
    var uptime: Duration
    var now: Timestamp
    var monotonic: MonotonicInstant
    var accounts: Accounts.Snapshot
    var inputs: [Input]
    var sinks: [Sink]
    var ledger: LedgerStatistics
    /// The thread that stands still; nil while all get on.
    var stall: String?
    /// Why the agent is not ready; empty when it is.
    var reasons: [String]
    /// What health warns of.
    var warnings: [String]
    var problems: [LogProblem]
    var history: StatusHistory
    /// When the certificate of `agent.listen` expires; nil without one.
    var listenerExpiry: Timestamp?
    /// False when the configuration last read could not be used.
    var isConfigurationTaken = true

    /// The sums of an input; zeros before it is open.
    func sums(ofInput id: String) -> Accounts.InputSums {
        accounts.inputs[id] ?? Accounts.InputSums()
    }

    /// The sums of a sink; zeros before it is open.
    func sums(ofSink id: String) -> Accounts.SinkSums {
        accounts.sinks[id] ?? Accounts.SinkSums()
    }

    /// How long the oldest event of a sink has waited.
    func age(ofSink id: String) -> Duration {
        sums(ofSink: id).waitingSince.map { monotonic.duration(since: $0) } ?? .zero
    }

    /// What to make of it all.
    var verdict: StatusVerdict { StatusVerdict(self) }
}

extension StatusReport {
    /// The numbers of one moment for the plots: those of the agent first, then sinks, then inputs,
    /// so that many inputs do not crowd out the rest.
    static func readings(
        _ accounts: Accounts.Snapshot, _ ledger: LedgerStatistics,
        requests: [(sink: String, count: UInt64, seconds: Double)]
    ) -> [(name: StatusHistory.Name, reading: StatusHistory.Reading)] {
        func name(
            _ owner: StatusHistory.Name.Owner, _ measure: StatusHistory.Measure
        ) -> StatusHistory.Name { StatusHistory.Name(owner: owner, measure: measure) }
        let read = accounts.inputs.values.reduce(0) { $0 + $1.read }
        let waiting = accounts.sinks.values.map(\.waiting).max() ?? 0
        var readings: [(name: StatusHistory.Name, reading: StatusHistory.Reading)] = [
            (name(.agent, .records), .count(Double(read))),
            (name(.agent, .events), .count(Double(accounts.sealed))),
            (name(.agent, .bytes), .level(Double(ledger.byteCount))),
            (name(.agent, .waiting), .level(Double(waiting))),
        ]
        for (id, sums) in accounts.sinks.sorted(by: { $0.key < $1.key }) {
            readings.append((name(.sink(id), .delivered), .count(Double(sums.delivered))))
            readings.append((name(.sink(id), .waiting), .level(Double(sums.waiting))))
        }
        for entry in requests {
            readings.append(
                (
                    name(.sink(entry.sink), .latency),
                    .mean(count: Double(entry.count), sum: entry.seconds)
                ))
        }
        for (id, sums) in accounts.inputs.sorted(by: { $0.key < $1.key }) {
            readings.append((name(.input(id), .records), .count(Double(sums.read))))
        }
        return readings
    }
}

/// The state of the agent in one sentence, with every reason.
struct StatusVerdict: Sendable, Equatable {
    /// How much somebody has to act.
    enum State: String, Sendable {
        /// Everything is done.
        case good
        /// The agent works, and somebody should look at something.
        case attention
        /// The agent cannot do its work.
        case trouble
    }

    /// The share of the ledger from which on its room is worth a look.
    static let ledgerShare = 0.8
    /// How long before its end a certificate is worth a look.
    static let certificateTime = Duration.seconds(14 * 86_400)

    let state: State
    let sentence: String
    /// Every reason, the gravest first, each with its place.
    let reasons: [String]

    init(_ report: StatusReport) {
        let grave = [report.stall].compactMap { $0 } + report.reasons
        let light = StatusVerdict.lookouts(report)
        reasons = grave + light
        if let stall = report.stall {
            state = .trouble
            sentence = "Stuck: \(stall)."
        } else if !grave.isEmpty {
            state = .trouble
            sentence = "Not ready: \(StatusVerdict.count(grave.count, "reason"))."
        } else if !light.isEmpty {
            state = .attention
            sentence = "Working, with \(StatusVerdict.count(light.count, "thing")) to look at."
        } else {
            state = .good
            let inputs = StatusVerdict.count(report.inputs.count, "input")
            let sinks = StatusVerdict.count(report.sinks.count, "sink")
            sentence = "All is well: \(inputs), a ledger that commits, \(sinks) up."
        }
    }

    private static func count(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    /// What somebody should look at although the agent can do its work.
    private static func lookouts(_ report: StatusReport) -> [String] {
        var found: [String] = []
        let down = report.sinks.filter { !report.sums(ofSink: $0.id).isUp }
        // When all are down each is a reason already.
        if down.count < report.sinks.count {
            found += down.map { sink in
                "sinks.\(sink.id): \(report.sums(ofSink: sink.id).problem ?? "takes no events")"
            }
        }
        found += report.warnings
        if !report.isConfigurationTaken {
            found.append(
                "configuration: the file last read has mistakes; the one before is in use, and the "
                    + "log names them")
        }
        let share = Double(report.ledger.byteCount) / Double(max(1, report.ledger.byteLimit))
        let waiting = report.accounts.sinks.values.contains { $0.waiting > 0 }
        if share > ledgerShare, waiting {
            found.append("ledger: \(Int(share * 100)) % of max_size is in use")
        }
        found += ending(report.listenerExpiry, report).map { "agent.listen: \($0)" }
        for sink in report.sinks { found += lookouts(sink, report) }
        for input in report.inputs {
            if input.type == "file", input.state.isReadable, input.state.fileCount == 0 {
                found.append("inputs.\(input.id): no file is there to be read")
            }
            let sums = report.sums(ofInput: input.id)
            let dropped =
                sums.dropped.values.reduce(0, +) + sums.elements.dropped.values.reduce(0, +)
            if dropped > 0 {
                found.append("inputs.\(input.id): \(dropped) dropped since the start")
            }
            found += ending(input.state.certificateExpiry, report).map {
                "inputs.\(input.id): \($0)"
            }
            let losses = sums.losses.values.reduce(0) { $0 + $1.count }
            if losses > 0 {
                found.append(
                    "inputs.\(input.id): \(count(losses, "loss", "losses")) before reading, stated "
                        + "as AgentEventsLost")
            }
        }
        return found
    }

    private static func count(_ count: Int, _ one: String, _ many: String) -> String {
        "\(count) \(count == 1 ? one : many)"
    }

    private static func lookouts(_ sink: StatusReport.Sink, _ report: StatusReport) -> [String] {
        let sums = report.sums(ofSink: sink.id)
        var found: [String] = []
        if sink.deadLetterCount > 0 {
            found.append(
                "sinks.\(sink.id): \(count(sink.deadLetterCount, "event")) in the dead letter; "
                    + "sealtail ledger letters shows why")
        }
        if sums.lost > 0 {
            found.append("sinks.\(sink.id): \(sums.lost) events lost before delivery")
        }
        found += ending(sums.certificateExpiry, report).map { "sinks.\(sink.id): \($0)" }
        return found
    }

    /// What is to be said of a certificate that ends soon or has ended; nothing of others.
    private static func ending(_ expiry: Timestamp?, _ report: StatusReport) -> [String] {
        guard let expiry else { return [] }
        let left = expiry.since(report.now)
        if left < .zero { return ["a certificate expired at \(expiry.text)"] }
        guard left < certificateTime else { return [] }
        let days = left.components.seconds / 86_400
        return ["a certificate expires in \(count(Int(days), "day"))"]
    }
}
