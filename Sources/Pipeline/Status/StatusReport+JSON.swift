// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Platform

/// `/status.json` and `/history.json`: stable, docs/operating.md describes them. Members may be
/// added; none changes its meaning.
extension StatusReport {
    /// The version of the form of both documents.
    static let formatVersion = 1

    /// All of it but the history.
    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.object { root in
            writeAgent(&root)
            root.array("inputs") { list in
                for input in inputs { list.object { write(input, &$0) } }
            }
            root.object("ledger") { writeLedger(&$0) }
            root.array("sinks") { list in
                for sink in sinks { list.object { write(sink, &$0) } }
            }
            root.object("chain") { chain in
                chain.member("stream", accounts.chain?.stream)
                chain.member("sequence_number", accounts.sequence)
                chain.member("checkpoint", accounts.checkpoint)
                chain.member("verifier_key", accounts.chain?.verifierKey)
            }
            root.array("problems") { list in
                for problem in problems { list.object { StatusReport.write(problem, &$0) } }
            }
        }
        return writer.makeArray() + Array("\n".utf8)
    }

    private func writeAgent(_ root: inout JSONWriter) {
        let verdict = verdict
        root.member("format", StatusReport.formatVersion)
        root.object("agent") { agent in
            agent.member("name", name)
            agent.member("version", sealtailVersion)
            agent.member("started", started)
            agent.member("uptime_seconds", uptime.inSeconds)
            agent.member("configuration_taken", isConfigurationTaken)
        }
        root.member("now", now)
        root.object("verdict") { object in
            object.member("state", verdict.state.rawValue)
            object.member("live", stall == nil)
            object.member("ready", reasons.isEmpty)
            object.member("sentence", verdict.sentence)
            object.member("reasons", verdict.reasons)
        }
        root.object("sample") { sample in
            sample.member("number", history.number)
            sample.member("interval_seconds", StatusHistory.interval.inSeconds)
            sample.member("limit", StatusHistory.sampleLimit)
            sample.member("records_per_second", history.newest(.agent, .records))
            sample.member("events_per_second", history.newest(.agent, .events))
            sample.member("ledger_bytes", history.newest(.agent, .bytes))
            sample.member("events_waiting", history.newest(.agent, .waiting))
        }
    }

    private func write(_ input: Input, _ object: inout JSONWriter) {
        let sums = sums(ofInput: input.id)
        object.member("id", input.id)
        object.member("type", input.type)
        object.member("parser", input.parser)
        object.member("readable", input.unopened == nil && input.state.isReadable)
        object.member("ended", input.state.isFinished)
        object.member("reasons", input.state.reasons + [input.unopened].compactMap { $0 })
        object.member("files", input.state.fileCount)
        object.member("lag_bytes", input.state.lagByteCount)
        object.member("last_record", input.state.lastRecord)
        object.member("records_per_second", history.newest(.input(input.id), .records))
        object.member("records_read", sums.read)
        object.member("records_parsed", sums.parsed)
        object.member("records_ignored", sums.ignored.values.reduce(0, +))
        object.member("records_dropped", sums.dropped.values.reduce(0, +))
        object.member("records_in_flight", sums.inFlight)
        object.member("records_truncated", sums.truncated)
        object.member("elements_dropped", sums.elements.dropped.values.reduce(0, +))
        object.member("events_sealed", sums.events)
        object.member(
            "events_unclassified", sums.parsers.values.reduce(0) { $0 + $1.unclassified })
        object.member("losses", sums.losses.values.reduce(0) { $0 + $1.count })
    }

    private func writeLedger(_ object: inout JSONWriter) {
        let ages = sinks.map { age(ofSink: $0.id).inSeconds }
        object.member("bytes", ledger.byteCount)
        object.member("max_bytes", ledger.byteLimit)
        object.member("segments", ledger.segmentCount)
        object.member("quarantined_frames", ledger.damagedFrameCount)
        object.member("events_waiting", accounts.sinks.values.map(\.waiting).max() ?? 0)
        object.member("oldest_undelivered_age_seconds", ages.max() ?? 0)
        object.member("events_committed", accounts.sealed)
        object.member("last_commit", accounts.lastCommit)
        object.member("problem", accounts.commitProblem)
    }

    private func write(_ sink: Sink, _ object: inout JSONWriter) {
        let sums = sums(ofSink: sink.id)
        object.member("id", sink.id)
        object.member("type", sink.type)
        object.member("format", sink.format)
        object.member("up", sums.isUp)
        object.member("problem", sums.problem)
        object.member("delivered_per_second", history.newest(.sink(sink.id), .delivered))
        object.member("latency_seconds", history.mean(.sink(sink.id), .latency))
        object.member("events_offered", sums.offered)
        object.member("events_delivered", sums.delivered)
        object.member("events_rejected", sums.rejected)
        object.member("events_filtered", sums.filtered)
        object.member("events_lost", sums.lost)
        object.member("events_waiting", sums.waiting)
        object.member("oldest_undelivered_age_seconds", age(ofSink: sink.id).inSeconds)
        object.member("retries", sums.retries.values.reduce(0, +))
        object.member("dead_letter_events", sink.deadLetterCount)
        object.member("certificate_expiry", sums.certificateExpiry)
        object.member("certificate_problem", sums.certificateProblem)
    }

    private static func write(_ problem: LogProblem, _ object: inout JSONWriter) {
        object.member("level", problem.level.rawValue)
        object.member("message", problem.message)
        object.object("fields") { fields in
            for field in problem.fields { fields.member(field.key, field.value) }
        }
        object.member("first", problem.first)
        object.member("last", problem.last)
        object.member("count", problem.count)
    }
}

extension StatusHistory {
    /// `/history.json`: the last ten minutes, the newest value of each series at its end.
    func json(started: Timestamp) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { root in
            root.member("format", StatusReport.formatVersion)
            root.member("started", started)
            root.member("number", number)
            root.member("interval_seconds", StatusHistory.interval.inSeconds)
            write(.agent, "agent", &root)
            root.object("inputs") { object in
                for id in inputs { write(.input(id), id, &object) }
            }
            root.object("sinks") { object in
                for id in sinks { write(.sink(id), id, &object) }
            }
        }
        return writer.makeArray() + Array("\n".utf8)
    }

    private func write(_ owner: Name.Owner, _ name: String, _ parent: inout JSONWriter) {
        parent.object(name) { object in
            for measure in Measure.allCases {
                guard let values = values(owner, measure) else { continue }
                object.array(measure.rawValue) { list in
                    for value in values { list.element(Double(value)) }
                }
            }
        }
    }

    private var inputs: [String] {
        Set(
            names.compactMap { name in
                if case .input(let id) = name.owner { id } else { nil }
            }
        ).sorted()
    }

    private var sinks: [String] {
        Set(
            names.compactMap { name in
                if case .sink(let id) = name.owner { id } else { nil }
            }
        ).sorted()
    }
}
