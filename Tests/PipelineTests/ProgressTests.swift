// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Pipeline

private let start = MonotonicInstant(nanoseconds: 0)

private func reading(_ activity: Activity, subject: String? = nil) -> PulseReading {
    PulseReading(stage: "the sealer", activity: activity, subject: subject, since: start)
}

private func stall(_ readings: [PulseReading], after seconds: Int) -> String? {
    ProgressJudge.stall(readings, at: start.advanced(by: .seconds(seconds)))
}

@Test func stageThatComputesWithoutAnOutcomeIsStuck() {
    #expect(stall([reading(.working)], after: 60) == nil)
    let sentence = stall([reading(.working)], after: 61)
    #expect(sentence == "the sealer has not moved for 61 s")
}

@Test func sentenceNamesWhatTheStageWorksOn() {
    #expect(
        stall([reading(.working, subject: "idp")], after: 90)
            == "the sealer of idp has not moved for 90 s")
}

/// A receiver that was dead for a weekend got the agent killed every minute by its watchdog.
@Test func waitingForTheOutsideIsProgressHoweverLongItTakes() {
    #expect(stall([reading(.waiting)], after: 3 * 86_400) == nil)
}

@Test func kernelMayTakeMinutesButNotForEver() {
    #expect(stall([reading(.kernel)], after: 299) == nil)
    #expect(stall([reading(.kernel)], after: 301) != nil)
}

@Test func oneStageThatStandsStillIsEnough() {
    let list = [reading(.waiting), reading(.working), reading(.waiting)]
    #expect(stall(list, after: 100) != nil)
    #expect(stall([], after: 100) == nil)
}

@Test func pulseCountsFromItsLastBeat() {
    let clock = FakeClock()
    let pulse = Pulse("parsing", clock: clock)
    pulse.beat(.working, on: "idp")
    clock.advance(by: .seconds(50))
    pulse.beat(.working, on: "idp")
    clock.advance(by: .seconds(50))
    #expect(ProgressJudge.stall([pulse.reading], at: clock.monotonic()) == nil)
    clock.advance(by: .seconds(11))
    #expect(
        ProgressJudge.stall([pulse.reading], at: clock.monotonic())
            == "parsing of idp has not moved for 61 s")
    pulse.beat(.waiting)
    clock.advance(by: .seconds(5000))
    #expect(ProgressJudge.stall([pulse.reading], at: clock.monotonic()) == nil)
}

/// A process that turned round and round with a green health page shipped nothing for days.
@Test func turnThatLeadsNowhereIsNoSignOfLife() {
    #expect(DeliveryProgress.activity(after: .init()) == nil)
    #expect(DeliveryProgress.activity(after: .init(moved: true)) == .working)
    #expect(DeliveryProgress.activity(after: .init(isCaughtUp: true)) == .waiting)
    #expect(DeliveryProgress.activity(after: .init(awaitsReceiver: true)) == .waiting)
}
