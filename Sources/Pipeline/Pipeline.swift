// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Parsing
import Platform
import Sealing
import Sinks

/// The running agent: opens everything in one order, runs it, closes it in the reverse.
public final class Pipeline: Sendable {
    /// The most batches between reading and the disk.
    static let ticketLimit = 12
    /// How often the main thread looks after retention, the watchdog and cursors.
    static let housekeepingInterval = Duration.seconds(1)
    /// How long a stage may stand still before the agent counts as stuck.
    static let stallLimit = Duration.seconds(60)
    /// The most parse workers.
    static let workerLimit = 4

    let configuration: AgentConfiguration
    let log: Log
    private let signals: Signals
    let keys: KeyStore
    let plans: [InputPlan]
    let ledger: Ledger
    let recovered: RecoveredState
    let accounts = Accounts()
    let metrics = MetricRegistry()
    let handover = Handover(ticketLimit: ticketLimit)
    let positions = CommittedPositions()
    let sealerStatus = SealerStatus()
    let readers: [ReaderLoop]
    let deliveries: [DeliveryLoop]
    let health: Health

    /// Opens state, keys, inputs and sinks. Nothing runs yet.
    ///
    /// Throws the first thing that cannot be had, as a sentence with a way out.
    public init(_ configuration: AgentConfiguration, log: Log) throws(PipelineError) {
        self.configuration = configuration
        self.log = log
        // Signals first: every thread inherits what is blocked here.
        signals = try Pipeline.system { () throws(SystemError) in try Signals() }
        try Pipeline.system { () throws(SystemError) in
            try FileSystem.createFolders(configuration.stateFolder, permissions: 0o700)
        }
        // The ledger before the keys: a key without a ledger means that a ledger was lost.
        (ledger, recovered) = try Pipeline.committed { () throws(LedgerError) in
            try Ledger.open(
                directory: configuration.stateFolder, configuration: configuration.ledger,
                sinks: configuration.sinks.map(\.id))
        }
        keys = try KeyStore(configuration)
        let problems = ConfigurationProblems()
        plans = Assembly(configuration, privacy: keys.privacy, problems: problems).plans
        guard problems.isEmpty else {
            let sentences = problems.list.map(\.description).joined(separator: "\n")
            throw .stage(sentences, exit: PipelineError.configurationExit)
        }
        readers = try Pipeline.makeReaders(
            configuration, plans, resumingFrom: recovered.positions, handover: handover,
            accounts: accounts, committed: positions, log: log)
        deliveries = try Pipeline.makeDeliveries(
            configuration, ledger: ledger, accounts: accounts, metrics: metrics,
            sealer: sealerStatus, log: log)
        health = Health(
            accounts: accounts, readers: readers, deliveries: deliveries, sealer: sealerStatus)
    }

    /// Runs until a signal or until all inputs have ended.
    ///
    /// Answers false when events were left that could not be committed. Throws when the address
    /// for monitoring is not to be had.
    public func run() throws(PipelineError) -> Bool {
        let statusServer = try openStatusServer()
        let notifier = SystemdNotifier()
        announce()
        var crew = Crew()
        crew.sealer = start("sealer") { [self] in runSealer() }
        for number in 1...min(ProcessFacts.processorCount, Pipeline.workerLimit) {
            crew.workers.append(start("parse-\(number)") { [self] in runWorker() })
        }
        for loop in deliveries {
            let name = "deliver-\(loop.configuration.id)"
            crew.deliveries.append(start(name) { loop.run() })
        }
        for loop in readers {
            crew.readers.append(
                start("reader-\(loop.input.id)") { [self] in
                    loop.run()
                    signals.wake()
                })
        }
        notifier.ready(status: "sealing and delivering")
        let reason = watch(notifier)
        notifier.stopping(status: reason)
        stop(because: reason, crew)
        // Monitoring can look until the very end.
        withExtendedLifetime(statusServer) {
            log.info("The agent has stopped.", ["reason": reason])
            log.reportSuppressed()
        }
        return !sealerStatus.hasFailed
    }

    /// The threads, by what they do.
    private struct Crew {
        var sealer: Thread?
        var workers: [Thread] = []
        var deliveries: [Thread] = []
        var readers: [Thread] = []
    }

    private func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Thread {
        do throws(SystemError) {
            return try Thread.start(name: name, body)
        } catch {
            bug("a thread cannot be started: \(error)")
        }
    }

    // MARK: Running

    private func runSealer() {
        let clock = SystemClock()
        let sinks = configuration.sinks.map { (id: $0.id, filter: configuration.filters[$0.id]) }
        let keeper = StreamKeeper(
            key: keys.signing, host: ProcessFacts.hostName, sinks: sinks, at: clock.monotonic())
        let commitTime = metrics.histogram(
            "ledger_commit_seconds", help: "How long one commit takes.")
        var loop = SealerLoop(
            handover: handover, ledger: ledger, accounts: accounts, positions: positions,
            commitInterval: configuration.ledger.commitInterval, log: log,
            status: sealerStatus, commitTime: commitTime,
            wakeDelivery: { [deliveries] in for loop in deliveries { loop.wake() } },
            losses: LossReport(ledger, sinks: sinks.map(\.id), accounts: accounts), keeper: keeper)
        loop.run(predecessor: predecessor, damage: recovered.damage)
        // A sealer that gave up takes nothing more, so nobody may wait for it.
        if sealerStatus.hasFailed { signals.wake() }
    }

    private func runWorker() {
        var worker = ParseWorker(
            handover: handover, inputs: plans, agentName: configuration.name,
            tenants: configuration.filters.values.contains { $0.needsTenants })
        worker.run()
    }

    /// What `AgentStarted` says about the stream before.
    private var predecessor: Predecessor {
        guard let stream = recovered.stream, let head = recovered.head else {
            return recovered.isNew && keys.hadKeys ? .lost : .none
        }
        return .stream(stream, size: recovered.nextSequence, head: head)
    }

    /// Looks after signals, the watchdog and retention; answers with the reason to stop.
    private func watch(_ notifier: SystemdNotifier) -> String {
        let clock = SystemClock()
        while true {
            let signal: Signal?
            do throws(SystemError) {
                signal = try signals.wait(timeout: Pipeline.housekeepingInterval)
            } catch {
                return "signals cannot be received: \(error)"
            }
            switch signal {
            case .terminate: return "SIGTERM"
            case .interrupt: return "SIGINT"
            case .hangUp:
                log.warning("SIGHUP: this version does not reload; restart the agent instead.")
            case .user1, nil: break
            }
            if sealerStatus.hasFailed { return "the ledger cannot be written" }
            if readers.allSatisfy({ $0.isFinished }) { return "end of input" }
            if health.stall(at: clock.monotonic()) == nil { notifier.watchdog() }
            keepHouse(at: clock.now())
        }
    }

    /// Deletes what was delivered and need not be kept, and makes cursors durable.
    private func keepHouse(at now: Timestamp) {
        do throws(LedgerError) {
            try ledger.flushCursorsIfDue()
            try ledger.deleteDelivered(now: now)
        } catch {
            log.error("The ledger cannot be tidied up.", ["reason": error])
        }
    }

    // MARK: Stopping

    /// Stops in the order of the flow: reading, parsing, sealing, delivering.
    private func stop(because reason: String, _ crew: Crew) {
        let clock = SystemClock()
        let deadline = clock.monotonic().advanced(by: configuration.grace)
        sealerStatus.stop(because: reason)
        for loop in readers { loop.stop() }
        for thread in crew.readers { thread.join() }
        handover.close()
        let watcher = start("stop-watch") { [self] in waitForSecondSignal(until: deadline) }
        for thread in crew.workers { thread.join() }
        crew.sealer?.join()
        for loop in deliveries { loop.stop(deadline: deadline) }
        for thread in crew.deliveries { thread.join() }
        sealerStatus.finish()
        signals.wake()
        watcher.join()
        let waiting = accounts.snapshot.sinks.filter { $0.value.waiting > 0 }
        for (sink, sums) in waiting {
            log.warning(
                "Events are left for the next start.", ["sink": sink, "count": sums.waiting])
        }
        do throws(LedgerError) {
            try ledger.close()
        } catch {
            log.error("The ledger cannot be closed in order.", ["reason": error])
        }
    }

    /// A second signal, or the end of the grace time, makes everything leave at once.
    private func waitForSecondSignal(until deadline: MonotonicInstant) {
        let clock = SystemClock()
        var hasSignal = false
        // Readers that end ring the same bell, so a wake-up alone means nothing.
        while !hasSignal, !sealerStatus.isFinished, clock.monotonic() < deadline {
            let left = deadline.duration(since: clock.monotonic())
            hasSignal = (try? signals.wait(timeout: max(left, .zero))) ?? nil != nil
        }
        guard !sealerStatus.isFinished else { return }
        sealerStatus.leave()
        for loop in deliveries { loop.stop(deadline: clock.monotonic()) }
    }
}
