// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Parsing
import Platform
import Sealing
import Sinks

/// The running agent: opens everything in one order, runs it, closes it in the reverse.
///
/// What outlives a reload is here: the ledger, the sums, the way from the readers to the sealer.
/// What a configuration says is a `Setup`, and a reload exchanges only what differs.
public final class Pipeline: Sendable {
    /// How often the main thread looks after the watchdog and threads that have ended.
    static let lookInterval = Duration.seconds(1)
    /// The same while something is under way that should not wait.
    static let busyInterval = Duration.milliseconds(50)
    /// The most parse workers.
    static let workerLimit = 4

    /// Reads the configuration anew; nil, with the mistakes reported, when it cannot be used.
    public typealias Source = @Sendable (ConfigurationProblems) -> AgentConfiguration?

    let source: Source
    let log: Log
    let signals: Signals
    let ledger: Ledger
    let recovered: RecoveredState
    let accounts = Accounts()
    let metrics = MetricRegistry()
    let handover: Handover
    let positions = CommittedPositions()
    let sealerStatus = SealerStatus()
    let roster = Roster()
    let losses: LossReport
    let health: Health
    let reloads: ReloadRecord
    let status: StatusSource
    let replays: ReplayDesk
    /// What the start found; what holds by now is in `Crew`.
    let startSetup: Setup
    // The stream that the start opens. Sources of inputs without files are named after it.
    let firstEpoch: String

    /// Opens state, keys, inputs and sinks. Nothing runs yet.
    ///
    /// Throws the first thing that cannot be had, as a sentence with a way out.
    ///
    /// - Parameters:
    ///   - assembly: what parses the records of the configuration's inputs.
    ///   - source: reads the configuration again when SIGHUP asks for it.
    public init(
        _ configuration: AgentConfiguration, _ assembly: Assembly, log: Log,
        source: @escaping Source
    ) throws(PipelineError) {
        self.source = source
        self.log = log
        // Signals first: every thread inherits what is blocked here.
        signals = try PipelineError.wrapping { () throws(SystemError) in try Signals() }
        try PipelineError.wrapping { () throws(SystemError) in
            try FileSystem.createFolders(configuration.stateFolder, permissions: 0o700)
        }
        // The ledger before the keys: a key without a ledger means that a ledger was lost.
        (ledger, recovered) = try PipelineError.wrapping { () throws(LedgerError) in
            try Ledger.open(
                directory: configuration.stateFolder, configuration: configuration.ledger,
                sinks: configuration.sinks.map(\.id))
        }
        let setup = try Setup(configuration, assembly)
        startSetup = setup
        firstEpoch = StreamName.makeEpoch()
        handover = Handover(plans: setup.plans)
        losses = LossReport(ledger, roster: roster, accounts: accounts)
        health = Health(accounts: accounts, roster: roster)
        reloads = ReloadRecord(metrics)
        status = StatusSource(
            name: configuration.name, accounts: accounts, roster: roster, ledger: ledger,
            health: health, reloads: reloads, log: log)
        replays = ReplayDesk(
            directory: configuration.stateFolder, keys: configuration.ledger.encryption)
        for input in configuration.inputs {
            roster.add(try makeReader(input, setup, resumingFrom: recovered.positions))
        }
        for sink in configuration.sinks {
            roster.add(try makeDelivery(sink))
        }
    }

    /// Runs until a signal or until all inputs have ended.
    ///
    /// Answers false when events were left that could not be committed. Throws when the address
    /// for monitoring is not to be had.
    public func run() throws(PipelineError) -> Bool {
        let workerCount = min(ProcessFacts.processorCount, Pipeline.workerLimit)
        let ceiling = MemoryCeiling(startSetup.configuration, workerCount: workerCount)
        let statusServer = try openStatusServer()
        let notifier = SystemdNotifier()
        var crew = Crew(startSetup, workerCount: workerCount)
        crew.statusServer = statusServer
        announce(ceiling)
        // Before anything is read, so that the first rates count from zero.
        if statusServer != nil { status.sampleIfDue(at: SystemClock().monotonic()) }
        roster.add(sealerStatus.pulse)
        crew.sealer = start("sealer") { [self] in runSealer() }
        for number in 1...workerCount {
            let pulse = Pulse("parsing")
            roster.add(pulse)
            crew.workers.append(start("parse-\(number)") { [self] in runWorker(pulse) })
        }
        for loop in roster.deliveries { crew.add(loop, startDelivery(loop)) }
        for loop in roster.readers { crew.add(loop, startReader(loop)) }
        let keeper = Housekeeper(ledger, log: log)
        roster.add(keeper.pulse)
        crew.housekeeping = (keeper, start("housekeeper") { keeper.run() })
        notifier.ready(status: "sealing and delivering")
        MemoryTuning.release()
        let ending = watch(notifier, &crew)
        notifier.stopping(status: ending.reason)
        stop(ending, crew)
        // Monitoring can look until the very end.
        withExtendedLifetime(statusServer) {
            log.info("The agent has stopped.", ["reason": ending.reason])
            log.reportSuppressed()
        }
        return !sealerStatus.hasFailed && !hasLostRecords(crew)
    }

    /// True when records were read that were not committed and cannot be read again.
    private func hasLostRecords(_ crew: Crew) -> Bool {
        let left = accounts.snapshot.inputs.filter { $0.value.inFlight > 0 }
        let files = crew.setup.configuration.inputs.filter { $0.kind == .file }.map(\.id)
        for (input, sums) in left {
            if files.contains(input) {
                log.warning(
                    "Records were not committed; the next start reads them again.",
                    ["input": input, "count": sums.inFlight])
            } else {
                log.error(
                    "Records were read and could not be committed.",
                    ["input": input, "count": sums.inFlight])
            }
        }
        return left.keys.contains { !files.contains($0) }
    }

    func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Thread {
        do throws(SystemError) {
            return try Thread.start(name: name, body)
        } catch {
            bug("a thread cannot be started: \(error)")
        }
    }

    func startReader(_ loop: ReaderLoop) -> Thread {
        start("reader-\(loop.id)") { [self] in
            loop.run()
            signals.wake()
        }
    }

    func startDelivery(_ loop: DeliveryLoop) -> Thread {
        start("deliver-\(loop.id)") { loop.run() }
    }

    // MARK: Running

    private func runSealer() {
        let clock = SystemClock()
        let configuration = startSetup.configuration
        let keeper = StreamKeeper(
            startSetup.terms, host: ProcessFacts.hostName, epoch: firstEpoch,
            at: clock.monotonic())
        let commitTime = metrics.histogram(
            "ledger_commit_seconds", help: "How long one commit takes.")
        var loop = SealerLoop(
            handover: handover, ledger: ledger, accounts: accounts, positions: positions,
            commitInterval: configuration.ledger.commitInterval, log: log,
            status: sealerStatus, commitTime: commitTime,
            noteCommit: { [roster] inputs in
                for loop in roster.deliveries { loop.wake() }
                // Who answers an upstream should do so now, not when the next record comes.
                for loop in roster.readers where loop.isAnswering && inputs.contains(loop.id) {
                    loop.input.wake()
                }
            },
            losses: losses, keeper: keeper)
        loop.run(predecessor: predecessor, recovered: recovered)
        // A sealer that gave up takes nothing more, so nobody may wait for it.
        if sealerStatus.hasFailed { signals.wake() }
    }

    private func runWorker(_ pulse: Pulse) {
        var worker = ParseWorker(
            handover: handover, agentName: startSetup.configuration.name, pulse: pulse, log: log)
        worker.run()
    }

    /// What `AgentStarted` says about the stream before.
    private var predecessor: Predecessor {
        guard let stream = recovered.stream, let head = recovered.head else {
            return recovered.isNew && startSetup.keys.hadKeys ? .lost : .none
        }
        return .stream(stream, size: recovered.nextSequence, head: head)
    }

    /// Why the agent stops, and until when it may try to deliver.
    private struct Ending {
        let reason: String
        let deadline: MonotonicInstant
    }

    /// Looks after signals, the watchdog and threads that have ended until it is time to stop.
    private func watch(_ notifier: SystemdNotifier, _ crew: inout Crew) -> Ending {
        let clock = SystemClock()
        var linger: Linger?
        var release = MemoryRelease(at: clock.monotonic())
        func end(_ reason: String) -> Ending {
            let grace = crew.setup.configuration.grace
            // The grace time begins with the signal, also where reading went on after it.
            let deadline = linger?.deadline ?? clock.monotonic().advanced(by: grace)
            return Ending(reason: reason, deadline: deadline)
        }
        while true {
            let isBusy = linger != nil || crew.hasWork
            let signal: Signal?
            do throws(SystemError) {
                signal = try signals.wait(
                    timeout: isBusy ? Pipeline.busyInterval : Pipeline.lookInterval)
            } catch {
                return end("signals cannot be received: \(error)")
            }
            switch signal {
            case .terminate, .interrupt:
                let name = signal == .terminate ? "SIGTERM" : "SIGINT"
                // The second signal leaves at once.
                guard linger == nil else {
                    return Ending(reason: name, deadline: clock.monotonic())
                }
                guard let begun = beginLingering(crew.setup, at: clock.monotonic()) else {
                    return end(name)
                }
                log.info("Reading goes on until the logs are quiet.", ["signal": name])
                notifier.stopping(status: "reading until the logs are quiet")
                linger = begun
            case .hangUp:
                guard linger == nil else {
                    log.info("SIGHUP is not followed any more: the agent stops.")
                    continue
                }
                reload(notifier, &crew)
            case .user1, nil: break
            }
            if sealerStatus.hasFailed { return end("the ledger cannot be written") }
            let now = clock.monotonic()
            if linger != nil, isOver(&linger, at: now) { return end("SIGTERM") }
            tend(&crew)
            replays.attend(roster.deliveries) { try? Thread.start(name: "replay", $0) }
            if crew.isWithoutReaders { return end("end of input") }
            if health.stall(at: now) == nil { notifier.watchdog() }
            if crew.statusServer != nil { status.sampleIfDue(at: now) }
            if release.isDue(at: now) { MemoryTuning.release() }
        }
    }

    private func beginLingering(_ setup: Setup, at now: MonotonicInstant) -> Linger? {
        let configuration = setup.configuration
        guard configuration.shutdown.mode == .sidecar else { return nil }
        return Linger(
            configuration.shutdown, grace: configuration.grace, read: readCount, at: now)
    }

    private func isOver(_ linger: inout Linger?, at now: MonotonicInstant) -> Bool {
        let states = roster.readers.map(\.input.state)
        return linger?.isOver(
            read: readCount, hasUnread: states.contains(where: \.hasUnread),
            growth: states.compactMap(\.quietSince).max(), at: now) ?? false
    }

    private var readCount: Int { accounts.snapshot.inputs.values.reduce(0) { $0 + $1.read } }

    // MARK: Stopping

    /// Stops in the order of the flow: reading, parsing, sealing, delivering.
    private func stop(_ ending: Ending, _ crew: Crew) {
        let deadline = ending.deadline
        sealerStatus.stop(because: ending.reason)
        // Before anything is waited for: a full ledger could hold up the readers for ever.
        let watcher = start("stop-watch") { [self] in waitForSecondSignal(until: deadline) }
        for loop in roster.readers { loop.stop() }
        for (_, thread) in crew.readers { thread.join() }
        handover.close()
        for thread in crew.workers { thread.join() }
        crew.sealer?.join()
        for loop in roster.deliveries { loop.stop(deadline: deadline) }
        for (_, thread) in crew.deliveries { thread.join() }
        replays.close()
        crew.housekeeping?.keeper.stop()
        crew.housekeeping?.thread.join()
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
            let signal = signals.poll(timeout: max(left, .zero))
            hasSignal = signal == .terminate || signal == .interrupt
        }
        guard !sealerStatus.isFinished else { return }
        sealerStatus.leave()
        // A reader may wait for room that does not come any more.
        handover.close()
        for loop in roster.deliveries { loop.stop(deadline: clock.monotonic()) }
    }
}

/// The threads, by what they do, and the setup that they work for. The main thread's own.
struct Crew {
    var setup: Setup
    let workerCount: Int
    var statusServer: StatusServer?
    var sealer: Thread?
    var workers: [Thread] = []
    var housekeeping: (keeper: Housekeeper, thread: Thread)?
    var readers: [(loop: ReaderLoop, thread: Thread)] = []
    var deliveries: [(loop: DeliveryLoop, thread: Thread)] = []
    /// Inputs that a reload wants opened as soon as what they gave before is committed.
    var unopened: [InputConfiguration] = []
    var nextTry: MonotonicInstant?

    init(_ setup: Setup, workerCount: Int) {
        self.setup = setup
        self.workerCount = workerCount
    }

    mutating func add(_ loop: ReaderLoop, _ thread: Thread) {
        readers.append((loop, thread))
    }

    mutating func add(_ loop: DeliveryLoop, _ thread: Thread) {
        deliveries.append((loop, thread))
    }

    /// True while something is under way that should not wait for the next look around.
    var hasWork: Bool { !unopened.isEmpty }

    /// True when all inputs have ended and none is to come.
    var isWithoutReaders: Bool { unopened.isEmpty && readers.allSatisfy(\.loop.isFinished) }
}
