// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Parsing
import Platform
import Sealing
import Sinks

extension Pipeline {
    static func system<Value>(
        _ body: () throws(SystemError) -> Value
    ) throws(PipelineError) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            throw .stage(error.description, exit: PipelineError.inputOutputExit)
        }
    }

    static func committed<Value>(
        _ body: () throws(LedgerError) -> Value
    ) throws(PipelineError) -> Value {
        do throws(LedgerError) {
            return try body()
        } catch {
            throw .stage(error.description, exit: PipelineError.inputOutputExit)
        }
    }

    static func makeReaders(
        _ configuration: AgentConfiguration, _ plans: [InputPlan],
        resumingFrom positions: [Position],
        handover: Handover, accounts: Accounts, committed: CommittedPositions, log: Log
    ) throws(PipelineError) -> [ReaderLoop] {
        var readers: [ReaderLoop] = []
        for (index, input) in configuration.inputs.enumerated() {
            accounts.open(input: input.id, parser: plans[index].program.name)
            var framing = RecordFraming(recordByteLimit: input.recordByteLimit)
            if let start = plans[index].program.recordStart {
                framing.recordStart = try? RegularExpression(start)
            }
            let context = InputContext(positions: positions.filter { $0.input == input.id })
            do throws(InputError) {
                let made = try InputCatalog.make(input, framing: framing, context: context)
                readers.append(
                    ReaderLoop(
                        made, index: index, handover: handover, accounts: accounts,
                        positions: committed, log: log))
            } catch {
                throw .stage(
                    "inputs.\(input.id): \(error)", exit: PipelineError.inputOutputExit)
            }
        }
        return readers
    }

    static func makeDeliveries(
        _ configuration: AgentConfiguration, ledger: Ledger, accounts: Accounts,
        metrics: MetricRegistry, sealer: SealerStatus, log: Log
    ) throws(PipelineError) -> [DeliveryLoop] {
        var loops: [DeliveryLoop] = []
        for sink in configuration.sinks {
            let cursor = ledger.cursor(of: sink.id) ?? SinkCursor(place: .beginning)
            let waiting = try committed { () throws(LedgerError) in
                try ledger.countEvents(behind: cursor.place, sink: sink.id)
            }
            accounts.open(
                sink: sink.id, sums: Accounts.SinkSums(totals: cursor.totals, waiting: waiting))
            do throws(SinkError) {
                let deadLetter = try DeadLetter(
                    folder: configuration.deadLetterFolder, sink: sink.id,
                    byteLimit: sink.deadLetterByteLimit)
                loops.append(
                    DeliveryLoop(
                        sink, sink: try SinkCatalog.make(sink), ledger: ledger,
                        accounts: accounts, deadLetter: deadLetter, sealer: sealer,
                        latency: metrics.histogram(
                            "delivery_seconds", help: "From sending to the answer.",
                            labels: [("sink", sink.id)]), log: log))
            } catch {
                throw .stage(error.description, exit: PipelineError.configurationExit)
            }
        }
        return loops
    }
}

extension Pipeline {
    /// Starts to answer monitoring, where the configuration wants it.
    func openStatusServer() throws(PipelineError) -> StatusServer? {
        metrics.collect { [accounts, readers, deliveries, ledger] in
            StatusMetrics(
                accounts: accounts.snapshot,
                inputs: readers.map { ($0.input.id, $0.input.state) },
                ledger: ledger.statistics,
                deadLetters: deliveries.map { ($0.configuration.id, $0.deadLetter.count) },
                now: SystemClock().now()
            ).families
        }
        guard let listen = configuration.listen else { return nil }
        return try StatusServer(
            listen: listen,
            routes: [
                "/metrics": { [metrics] in
                    StatusServer.Answer(
                        status: 200, contentType: MetricRegistry.contentType,
                        body: metrics.render())
                },
                "/livez": { [health] in health.live() },
                "/readyz": { [health] in health.ready() },
            ])
    }

    /// Says once what runs here and what it may need.
    func announce() {
        log.info(
            "The agent starts.",
            [
                "version": sealtailVersion, "name": configuration.name,
                "verifier_key": keys.signing.verifierKey.text,
                "ledger_bytes_at_most": configuration.ledger.byteLimit,
                "memory_bytes_at_most": memoryCeiling,
            ])
        for sink in configuration.sinks where sink.tls.isUnverified {
            log.warning(
                "TLS verification is off: anyone on the way can read and answer.",
                ["sink": sink.id])
        }
    }

    /// The bytes that the queues can hold at most, by their limits.
    ///
    /// A batch on its way is held as a block, as events and as bodies, about four times its size.
    var memoryCeiling: Int {
        let batch = InputLimit.blockByteCount
        let onTheWay = Pipeline.ticketLimit * batch * 4
        let sealing = SealerLoop.commitByteLimit * 3
        let delivering = configuration.sinks.reduce(0) { sum, sink in
            sum + sink.inFlight * sink.batch.byteLimit * 4 + SealerLoop.commitByteLimit
        }
        return onTheWay + sealing + delivering + LedgerConfiguration.recentByteLimit
    }
}
