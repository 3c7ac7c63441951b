// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Pipeline

private func sidecar(quiet: Duration) -> ShutdownConfiguration {
    var configuration = ShutdownConfiguration()
    configuration.mode = .sidecar
    configuration.quiet = quiet
    return configuration
}

private func linger(_ clock: FakeClock, grace: Duration = .seconds(40)) -> Linger {
    Linger(sidecar(quiet: .seconds(5)), grace: grace, read: 10, at: clock.monotonic())
}

private func isOver(
    _ linger: inout Linger, read: Int, hasUnread: Bool, _ clock: FakeClock,
    growth: MonotonicInstant? = nil
) -> Bool {
    linger.isOver(read: read, hasUnread: hasUnread, growth: growth, at: clock.monotonic())
}

@Test func sidecarReadsOnUntilTheLogsAreQuiet() {
    let clock = FakeClock()
    var linger = linger(clock)
    for count in 11...13 {
        clock.advance(by: .seconds(4))
        let early = isOver(&linger, read: count, hasUnread: false, clock)
        #expect(!early)
    }
    clock.advance(by: .seconds(4))
    let talking = isOver(&linger, read: 13, hasUnread: false, clock)
    #expect(!talking)
    clock.advance(by: .seconds(1))
    let quiet = isOver(&linger, read: 13, hasUnread: false, clock)
    #expect(quiet)
}

@Test func bytesThatAreNotReadYetAreNotSilence() {
    let clock = FakeClock()
    var linger = linger(clock)
    clock.advance(by: .seconds(6))
    let lagging = isOver(&linger, read: 10, hasUnread: true, clock)
    #expect(!lagging)
    clock.advance(by: .seconds(5))
    let settled = isOver(&linger, read: 10, hasUnread: false, clock)
    #expect(settled)
}

/// The last line was being written slowly, and the agent left before its end.
@Test func lineThatStillGrowsIsNotSilence() {
    let clock = FakeClock()
    var linger = linger(clock)
    clock.advance(by: .seconds(4))
    let growth = clock.monotonic()
    clock.advance(by: .seconds(4))
    let growing = isOver(&linger, read: 10, hasUnread: false, clock, growth: growth)
    #expect(!growing)
    clock.advance(by: .seconds(1))
    let quiet = isOver(&linger, read: 10, hasUnread: false, clock, growth: growth)
    #expect(quiet)
}

/// A provider that never falls silent used up the grace time, and its last events were not sent.
@Test func writerThatNeverFallsSilentLeavesTimeForTheDelivery() {
    let clock = FakeClock()
    var linger = linger(clock, grace: .seconds(40))
    var seconds = 0
    while !isOver(&linger, read: 11 + seconds, hasUnread: true, clock), seconds < 100 {
        clock.advance(by: .seconds(1))
        seconds += 1
    }
    #expect(seconds == 30)
}

@Test func shutdownIsReadFromTheConfiguration() {
    let text = """
        agent: {name: a, state_dir: /tmp/x, shutdown: {mode: sidecar, quiet: 2s}}
        inputs: [{id: idp, type: stdin, parser: keycloak}]
        sinks: [{id: out, type: stdout}]
        """
    let shutdown = PipelineFixture.configuration(text).shutdown
    #expect(shutdown == sidecar(quiet: .seconds(2)))
}

@Test func quietWithoutSidecarIsAMistake() {
    let problems = ConfigurationProblems()
    let text = """
        agent: {name: a, shutdown: {quiet: 2s}}
        inputs: [{id: idp, type: stdin, parser: keycloak}]
        sinks: [{id: out, type: stdout}]
        """
    guard
        let node = ConfigurationLoader.parse(
            Array(text.utf8), file: "agent.yaml", problems: problems)
    else { return }
    _ = AgentConfiguration(reading: node, hostName: "a", problems: problems)
    #expect(problems.list.map(\.description).contains { $0.contains("agent.shutdown.quiet") })
}
