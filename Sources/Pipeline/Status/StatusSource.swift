// SPDX-License-Identifier: Apache-2.0
import Inputs
import Ledger
import Platform
import Sinks

/// Gathers what the status page shows, and keeps the samples for its plots.
final class StatusSource: Sendable {
    private let name: String
    private let accounts: Accounts
    private let roster: Roster
    private let ledger: Ledger
    private let health: Health
    private let reloads: ReloadRecord
    private let log: Log
    private let history = Monitor(StatusHistory())
    private let started: (time: Timestamp, instant: MonotonicInstant)

    init(
        name: String, accounts: Accounts, roster: Roster, ledger: Ledger, health: Health,
        reloads: ReloadRecord, log: Log
    ) {
        self.name = name
        self.accounts = accounts
        self.roster = roster
        self.ledger = ledger
        self.health = health
        self.reloads = reloads
        self.log = log
        let clock = SystemClock()
        started = (clock.now(), clock.monotonic())
    }

    /// Takes a sample when one is due. Reads sums only; nothing here waits for a disk.
    func sampleIfDue(at now: MonotonicInstant) {
        guard history.withLock({ $0.isDue(at: now) }) else { return }
        let requests = roster.deliveries.map { loop in
            let total = loop.requests
            return (sink: loop.id, count: total.count, seconds: total.seconds)
        }
        let readings = StatusReport.readings(
            accounts.snapshot, ledger.statistics, requests: requests)
        history.withLock { $0.sample(readings, at: now) }
    }

    /// Everything as it stands.
    var report: StatusReport {
        let clock = SystemClock()
        let now = clock.monotonic()
        let inputs = roster.readers.map { loop in
            StatusReport.Input(
                id: loop.id, type: "\(loop.configuration.kind)",
                parser: loop.configuration.parser, state: loop.input.state)
        }
        let unopened = roster.unopened.sorted { $0.key < $1.key }.map { id, reason in
            StatusReport.Input(id: id, state: InputState(), unopened: reason)
        }
        let snapshot = accounts.snapshot
        let sinks = roster.deliveries.map { loop in
            let configuration = loop.configuration
            return StatusReport.Sink(
                id: loop.id, type: configuration.type, format: configuration.format.rawValue,
                deadLetterCount: loop.deadLetter.count)
        }
        return StatusReport(
            name: name, started: started.time,
            uptime: now.duration(since: started.instant), now: clock.now(), monotonic: now,
            accounts: snapshot, inputs: inputs + unopened,
            // A sink that a reload took away has no sums any more.
            sinks: sinks.filter { snapshot.sinks[$0.id] != nil },
            ledger: ledger.statistics, stall: health.stall(at: now), reasons: health.reasons,
            warnings: health.warnings, problems: log.recentProblems,
            history: history.withLock { $0 }, listenerExpiry: roster.listenerExpiry,
            isConfigurationTaken: reloads.isTaken)
    }

    /// What the paths answer that people look at.
    var routes: [String: StatusServer.Route] {
        let page = StatusPage()
        return [
            "/": StatusServer.Route(isGuarded: true) { page.answer },
            "/status.json": StatusServer.Route(isGuarded: true) { [self] in
                .json(report.json())
            },
            "/history.json": StatusServer.Route(isGuarded: true) { [self] in
                .json(history.withLock { $0 }.json(started: started.time))
            },
        ]
    }
}
