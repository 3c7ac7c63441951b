// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Parsing
import Platform
import Sinks

/// Turns one consistent snapshot of the sums into metric families.
struct StatusMetrics {
    let accounts: Accounts.Snapshot
    let inputs: [(id: String, state: InputState)]
    /// Inputs that a reload could not open.
    let unopened: [String]
    /// When the certificate of `agent.listen` expires; nil without one.
    let listenerExpiry: Timestamp?
    let ledger: LedgerStatistics
    let deadLetters: [(id: String, count: Int)]
    let now: MonotonicInstant
    /// The agent's clock now.
    let time: Timestamp
    /// When the agent started.
    let started: Timestamp

    /// The families of docs/operating.md that are made at each scrape.
    var families: [MetricFamily] {
        recordFamilies + lossFamilies + inputFamilies + sinkFamilies + ledgerFamilies
            + processFamilies
    }

    private var sums: [(id: String, sums: Accounts.InputSums)] {
        accounts.inputs.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private var sinks: [(id: String, sums: Accounts.SinkSums)] {
        accounts.sinks.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private func perInput(
        _ name: String, _ help: String, kind: MetricKind = .counter,
        _ value: (Accounts.InputSums) -> Int
    ) -> MetricFamily {
        MetricFamily(
            name, help: help, kind: kind,
            samples: sums.map { MetricSample([("input", $0.id)], value($0.sums)) })
    }

    private func perParser(
        _ name: String, _ help: String, _ value: (Accounts.ParserSums) -> Int
    ) -> MetricFamily {
        MetricFamily(name, help: help, kind: .counter, samples: perParser(value))
    }

    private func perParser(_ value: (Accounts.ParserSums) -> Int) -> [MetricSample] {
        sums.flatMap { entry in
            entry.sums.parsers.sorted { $0.key < $1.key }.map { parser, sums in
                MetricSample([("input", entry.id), ("parser", parser)], value(sums))
            }
        }
    }

    /// Counts by reason. What is known beforehand stands there with 0: Prometheus sees no
    /// increase in a number whose first value is 1.
    private func perReason(
        _ name: String, _ help: String, known: [String] = [],
        _ value: (Accounts.InputSums) -> [String: Int]
    ) -> MetricFamily {
        MetricFamily(
            name, help: help, kind: .counter,
            samples: sums.flatMap { entry in
                value(entry.sums).withZeros(for: known).map { reason, count in
                    MetricSample([("input", entry.id), ("reason", reason)], count)
                }
            })
    }

    private var recordFamilies: [MetricFamily] {
        [
            perInput("records_read_total", "Records read.") { $0.read },
            perInput("records_parsed_total", "Records that gave one event or more.") { $0.parsed },
            perInput("records_sealed_total", "Records whose outcome is committed.") {
                $0.read - $0.inFlight
            },
            perInput("records_in_flight", "Records read and not committed.", kind: .gauge) {
                $0.inFlight
            },
            perInput("records_truncated_total", "Records cut at max_record_bytes.") {
                $0.truncated
            },
            perInput("bytes_read_total", "Bytes of the records read.") { $0.bytes },
            perInput("events_cut_total", "Texts, sets and bodies cut to their limits.") {
                $0.cuts
            },
            sealedFamily,
            MetricFamily(
                "events_from_records_total", help: "Events that parsers made of records.",
                kind: .counter, samples: [MetricSample([], accounts.fromRecords)]),
            MetricFamily(
                "events_committed_total", help: "Events that the ledger took, the agent's own too.",
                kind: .counter, samples: [MetricSample([], accounts.sealed)]),
            perParser("events_unclassified_total", "Events that the parser could not name.") {
                $0.unclassified
            },
            perParser("records_ignored_total", "Records that are no audit line.") {
                $0.ignored
            },
            perReason("records_ignored_by_reason_total", "Records ignored, by reason.") {
                $0.ignored
            },
            perReason(
                "records_dropped_total", "Records lost, by reason.",
                known: [RecordParser.tooLargeReason]
            ) { $0.dropped },
            perReason(
                "records_damaged_total", "Records with damage, by kind.",
                known: RecordDamage.allNames
            ) { $0.damaged },
            perInput("elements_read_total", "Elements of records that are lists.") {
                $0.elements.read
            },
            perInput("elements_parsed_total", "Elements that gave one event or more.") {
                $0.elements.parsed
            },
            perReason("elements_ignored_total", "Elements ignored, by reason.") {
                $0.elements.ignored
            },
            perReason(
                "elements_dropped_total", "Elements lost, by reason.",
                known: [RecordParser.excessReason]
            ) { $0.elements.dropped },
            MetricFamily(
                "sequence_number", help: "The number of the next event of the stream.",
                kind: .gauge, samples: [MetricSample([], Double(accounts.sequence))]),
            MetricFamily(
                "checkpoint_timestamp_seconds", help: "When the last checkpoint was signed.",
                kind: .gauge,
                samples: accounts.checkpoint.map { [MetricSample([], $0.seconds)] } ?? []),
        ]
    }

    private var lossFamilies: [MetricFamily] {
        let known = InputLoss.Reason.allCases.map(\.rawValue)
        return [
            perReason("input_losses_total", "Losses stated, by reason.", known: known) {
                $0.losses.mapValues(\.count)
            },
            perReason(
                "input_lost_bytes_total", "Bytes gone before they were read.", known: known
            ) { $0.losses.mapValues { Int(clamping: $0.bytes) } },
            perReason(
                "input_lost_records_total", "Records gone before they were read.", known: known
            ) { $0.losses.mapValues { Int(clamping: $0.records) } },
        ]
    }

    /// All events that were sealed; the agent's own count as an input of their own.
    private var sealedFamily: MetricFamily {
        var samples = perParser(\.events)
        samples.append(
            MetricSample([("input", "agent"), ("parser", "agent")], accounts.agentEvents))
        return MetricFamily(
            "events_sealed_total", help: "Events sealed.", kind: .counter, samples: samples)
    }

    private var inputFamilies: [MetricFamily] {
        func gauge(
            _ name: String, _ help: String, _ value: (InputState) -> Double?
        ) -> MetricFamily {
            MetricFamily(
                name, help: help, kind: .gauge,
                samples: inputs.compactMap { input in
                    value(input.state).map { MetricSample([("input", input.id)], $0) }
                })
        }
        return [
            gauge("input_lag_bytes", "Bytes in the files that are not read yet.") {
                Double($0.lagByteCount)
            },
            MetricFamily(
                "input_readable", help: "1 when all of the input can be read.", kind: .gauge,
                samples: inputs.map {
                    MetricSample([("input", $0.id)], $0.state.isReadable ? 1 : 0)
                } + unopened.map { MetricSample([("input", $0)], 0) }),
            gauge("input_files", "Files that are followed.") { Double($0.fileCount) },
            gauge("input_lost_bytes", "Bytes truncated or deleted before they were read.") {
                Double($0.lostByteCount)
            },
            MetricFamily(
                "input_contents_ended_total", help: "Contents of files that came to their end.",
                kind: .counter,
                samples: inputs.map {
                    MetricSample([("input", $0.id)], Double($0.state.audit.contentCount))
                }),
            contentFamily,
            gauge("input_last_record_timestamp_seconds", "When the last record was read.") {
                $0.lastRecord?.seconds
            },
        ]
    }

    /// What became of the bytes of contents that ended; `unaccounted` must stay 0.
    private var contentFamily: MetricFamily {
        MetricFamily(
            "input_content_bytes_total", help: "Bytes of ended contents, by what became of them.",
            kind: .counter,
            samples: inputs.flatMap { input in
                let audit = input.state.audit
                let fates = [
                    ("passed", audit.passedByteCount), ("lost", audit.lostByteCount),
                    ("unaccounted", audit.unaccountedByteCount),
                ]
                return fates.map { fate, bytes in
                    MetricSample([("input", input.id), ("fate", fate)], Double(bytes))
                }
            })
    }

    private var sinkFamilies: [MetricFamily] {
        let codes = DeliveryCode.allCases.map(\.rawValue)
        func each(
            _ name: String, _ help: String, _ kind: MetricKind = .counter,
            _ value: (Accounts.SinkSums) -> Double
        ) -> MetricFamily {
            MetricFamily(
                name, help: help, kind: kind,
                samples: sinks.map { MetricSample([("sink", $0.id)], value($0.sums)) })
        }
        func byReason(
            _ name: String, _ help: String, _ value: (Accounts.SinkSums) -> [String: Int]
        ) -> MetricFamily {
            MetricFamily(
                name, help: help, kind: .counter,
                samples: sinks.flatMap { sink in
                    value(sink.sums).withZeros(for: codes).map { reason, count in
                        MetricSample([("sink", sink.id), ("reason", reason)], count)
                    }
                })
        }
        return [
            each("events_offered_total", "Events since the sink's cursor was made.") {
                Double($0.offered)
            },
            each("events_delivered_total", "Events the receiver confirmed.") {
                Double($0.delivered)
            },
            each("events_rejected_since_cursor_total", "Events in the dead letter, ever.") {
                Double($0.rejected)
            },
            byReason("events_rejected_total", "Events the receiver will never take.") {
                $0.rejectedNow
            },
            each("events_filtered_total", "Events the sink's filter left out.") {
                Double($0.filtered)
            },
            each("events_replayed_total", "Events confirmed again, out of replays.") {
                Double($0.replayed)
            },
            each("events_lost_total", "Events given up undelivered.") { Double($0.lost) },
            each("events_waiting", "Events sealed and not settled.", .gauge) {
                Double($0.waiting)
            },
            each(
                "oldest_undelivered_age_seconds",
                "How long the oldest event waits, since the start at most.", .gauge
            ) {
                $0.waitingSince.map { now.duration(since: $0).inSeconds } ?? 0
            },
            byReason("delivery_retries_total", "Requests that have to be sent again.") {
                $0.retries
            },
            MetricFamily(
                "dead_letter_events", help: "Events in the sink's dead letter.", kind: .gauge,
                samples: deadLetters.map { MetricSample([("sink", $0.id)], $0.count) }),
            each("sink_up", "1 when the receiver takes events.", .gauge) { $0.isUp ? 1 : 0 },
            MetricFamily(
                "certificate_expiry_timestamp_seconds",
                help: "When the first certificate expires, the agent's or the receiver's.",
                kind: .gauge,
                samples: inputs.compactMap { input in
                    input.state.certificateExpiry.map {
                        MetricSample([("input", input.id)], $0.seconds)
                    }
                }
                    + sinks.compactMap { sink in
                        sink.sums.certificateExpiry.map {
                            MetricSample([("sink", sink.id)], $0.seconds)
                        }
                    }
                    + [listenerExpiry].compactMap {
                        $0.map { MetricSample([("listener", "agent.listen")], $0.seconds) }
                    }),
        ]
    }

    private var ledgerFamilies: [MetricFamily] {
        [
            MetricFamily(
                "ledger_bytes", help: "Bytes of all segments.", kind: .gauge,
                samples: [MetricSample([], Double(ledger.byteCount))]),
            MetricFamily(
                "ledger_undelivered_bytes", help: "Bytes in them that a sink still waits for.",
                kind: .gauge, samples: [MetricSample([], ledger.undeliveredByteCount)]),
            MetricFamily(
                "ledger_max_bytes", help: "ledger.max_size.", kind: .gauge,
                samples: [MetricSample([], Double(ledger.byteLimit))]),
            MetricFamily(
                "ledger_quarantined_frames_total", help: "Damaged frames set aside.",
                kind: .counter, samples: [MetricSample([], Double(ledger.damagedFrameCount))]),
            MetricFamily(
                "build_info", help: "The version of the agent.", kind: .gauge,
                samples: [MetricSample([("version", sealtailVersion)], 1)]),
            MetricFamily(
                "clock_timestamp_seconds", help: "What the agent's clock says at this scrape.",
                kind: .gauge, samples: [MetricSample([], time.seconds)]),
        ]
    }

    /// What every program that Prometheus knows says of itself, under the names they share.
    private var processFamilies: [MetricFamily] {
        let usage = ProcessUsage()
        func family(
            _ name: String, _ help: String, _ value: Double?, kind: MetricKind = .gauge
        ) -> MetricFamily {
            MetricFamily(
                name, help: help, kind: kind, samples: value.map { [MetricSample([], $0)] } ?? [],
                hasPrefix: false)
        }
        return [
            family(
                "process_cpu_seconds_total", "Processor time used.",
                usage.processorTime.inSeconds, kind: .counter),
            family(
                "process_resident_memory_bytes", "Memory in use.",
                usage.residentByteCount.map(Double.init)),
            family("process_open_fds", "Open files.", usage.openFileCount.map(Double.init)),
            family("process_max_fds", "The most open files.", Double(usage.openFileLimit)),
            family("process_start_time_seconds", "When the agent started.", started.seconds),
        ]
    }
}

extension [String: Int] {
    /// The counts by name, and 0 for those that are known and have none.
    fileprivate func withZeros(for known: [String]) -> [(key: String, value: Int)] {
        merging(known.map { ($0, 0) }) { count, _ in count }.sorted { $0.key < $1.key }
    }
}
