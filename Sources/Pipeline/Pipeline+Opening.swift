// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Parsing
import Platform
import Sealing
import Sinks

extension Pipeline {
    /// Makes the reader of one input, which begins where its positions say.
    func makeReader(
        _ input: InputConfiguration, _ setup: Setup, resumingFrom positions: [Position]
    ) throws(PipelineError) -> ReaderLoop {
        guard let plan = setup.plans.first(where: { $0.id == input.id }) else {
            bug("\(input.id) has no plan")
        }
        accounts.open(input: input.id, parser: plan.parser)
        for notice in plan.notices {
            log.info("Recognised a log.", ["input": input.id, "log": notice])
        }
        let context = InputContext(
            stream: StreamName.make(name: setup.keys.signing.name, epoch: firstEpoch),
            positions: positions.filter { $0.input == input.id })
        do throws(InputError) {
            let made = try InputCatalog.make(input, framing: plan.framing, context: context)
            return ReaderLoop(
                made, input, handover: handover, accounts: accounts, positions: self.positions,
                log: log)
        } catch {
            throw .stage("inputs.\(input.id): \(error)", exit: error.exitCode)
        }
    }

    /// Makes the delivery loop of one sink, which goes on where its cursor stands.
    func makeDelivery(_ sink: SinkConfiguration) throws(PipelineError) -> DeliveryLoop {
        let outlet = try makeOutlet(sink)
        let cursor = ledger.cursor(of: sink.id) ?? SinkCursor(place: .beginning)
        let waiting = try PipelineError.wrapping { () throws(LedgerError) in
            try ledger.countEvents(behind: cursor.place, sink: sink.id)
        }
        accounts.open(
            sink: sink.id,
            sums: Accounts.SinkSums(
                totals: cursor.totals, waiting: waiting, at: SystemClock().monotonic()))
        return DeliveryLoop(
            outlet, ledger: ledger, accounts: accounts,
            makeDeadLetter: { [self] sink throws(SinkError) in try makeDeadLetter(sink) },
            latency: metrics.histogram(
                "delivery_seconds", help: "From sending to the answer.",
                labels: [("sink", sink.id)]), log: log)
    }

    /// Makes what a delivery loop delivers to. Nothing is connected yet.
    ///
    /// - Parameter deadLetter: the one that is in use for the sink; nil opens it.
    func makeOutlet(
        _ sink: SinkConfiguration, deadLetter: DeadLetter? = nil
    ) throws(PipelineError) -> DeliveryLoop.Outlet {
        do throws(SinkError) {
            let made = try SinkCatalog.make(sink)
            if let deadLetter {
                return DeliveryLoop.Outlet(
                    configuration: sink, sink: made, deadLetter: deadLetter)
            }
            return DeliveryLoop.Outlet(
                configuration: sink, sink: made, deadLetter: try makeDeadLetter(sink))
        } catch {
            throw .stage(error.description, exit: .configuration)
        }
    }

    private func makeDeadLetter(_ sink: SinkConfiguration) throws(SinkError) -> DeadLetter {
        let configuration = startSetup.configuration
        return try DeadLetter(
            folder: configuration.deadLetterFolder, sink: sink.id,
            byteLimit: sink.deadLetterByteLimit, encryption: configuration.ledger.encryption)
    }
}

extension Pipeline {
    /// Starts to answer monitoring, where the configuration wants it.
    func openStatusServer() throws(PipelineError) -> StatusServer? {
        let clock = SystemClock()
        let started = clock.now()
        metrics.collect { [accounts, roster, ledger] in
            StatusMetrics(
                accounts: accounts.snapshot,
                inputs: roster.readers.map { ($0.id, $0.input.state) },
                unopened: Array(roster.unopened.keys), listenerExpiry: roster.listenerExpiry,
                ledger: ledger.statistics,
                deadLetters: roster.deliveries.map { ($0.id, $0.deadLetter.count) },
                now: clock.monotonic(), time: clock.now(), started: started
            ).families
        }
        guard let listen = startSetup.configuration.listen else { return nil }
        let open: [String: StatusServer.Route] = [
            "/metrics": StatusServer.Route { [metrics] in
                StatusServer.Answer(
                    status: 200, contentType: MetricRegistry.contentType, body: metrics.render())
            },
            "/livez": StatusServer.Route { [health] in health.live() },
            "/readyz": StatusServer.Route { [health] in health.ready() },
        ]
        let terms = try StatusServer.Terms(startSetup.configuration.status, listen: listen)
        let server = try StatusServer(
            listen: listen, terms, routes: open.merging(status.routes) { first, _ in first })
        roster.note(listener: terms)
        return server
    }

    /// Exports the most memory that the configuration allows.
    func show(_ ceiling: MemoryCeiling) {
        let gauge = metrics.gauge(
            "memory_ceiling_bytes", help: "The most memory that the configuration allows.")
        gauge.set(Double(ceiling.byteCount))
    }

    /// Says what is wrong with parsers that no input names, which stops nothing.
    func warn(of setup: Setup) {
        for warning in setup.parserWarnings {
            log.warning("A parser has a mistake.", ["parser": warning])
        }
    }

    /// Says once what runs here and what it may need.
    func announce(_ ceiling: MemoryCeiling) {
        let configuration = startSetup.configuration
        show(ceiling)
        log.info(
            "The agent starts.",
            [
                "version": sealtailVersion, "name": configuration.name,
                "verifier_key": startSetup.keys.signing.verifierKey.text,
                "ledger_bytes_at_most": configuration.ledger.byteLimit,
                "memory_bytes_at_most": ceiling.byteCount,
            ])
        warn(of: startSetup)
        for part in ceiling.parts {
            log.debug("Memory at most.", ["part": part.name, "bytes": part.byteCount])
        }
        for sink in configuration.sinks where sink.options.tls?.isUnverified == true {
            log.warning(
                "TLS verification is off: anyone on the way can read and answer.",
                ["sink": sink.id])
        }
    }
}
