// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Sealing
import Testing

@testable import Pipeline

private func keeper(at now: MonotonicInstant) -> StreamKeeper {
    StreamKeeper(
        StreamTerms(key: PipelineFixture.key, sinks: [(id: "siem", filter: nil)]),
        host: "host.example.com", epoch: StreamName.makeEpoch(), at: now)
}

private let noon = Timestamp(microseconds: 1_763_726_400_000_000)
private let yesterday = Timestamp(microseconds: 1_763_640_000_000_000)
private let loss = LossStatement(count: 1, reason: "test")

/// The clock of a machine was set back by a day, and no checkpoint was signed until it had caught
/// up; set forward, every second brought one.
@Test func checkpointsAndStreamsDoNotFollowTheWallClock() {
    let clock = FakeClock()
    var keeper = keeper(at: clock.monotonic())
    _ = keeper.open(predecessor: .none, at: noon)
    _ = keeper.seal([], losses: [loss], at: yesterday)
    let isDueAtOnce = keeper.isCheckpointDue(at: clock.monotonic())
    #expect(!isDueAtOnce)
    let patience = keeper.patience(at: clock.monotonic())
    #expect(patience == CheckpointSchedule.busyInterval)
    clock.advance(by: CheckpointSchedule.busyInterval)
    let isDueAfterAMinute = keeper.isCheckpointDue(at: clock.monotonic())
    #expect(isDueAfterAMinute)
    _ = keeper.checkpoint(.init(), at: yesterday, clock.monotonic())
    let isDueAgain = keeper.isCheckpointDue(at: clock.monotonic())
    #expect(!isDueAgain)
    let isOverAfterAMinute = keeper.isEpochOver(at: clock.monotonic())
    #expect(!isOverAfterAMinute)
    clock.advance(by: StreamKeeper.epochLength)
    let isOverAfterADay = keeper.isEpochOver(at: clock.monotonic())
    #expect(isOverAfterADay)
}

@Test func numbersGoOnWhenTimeGoesBack() {
    var keeper = keeper(at: MonotonicInstant(nanoseconds: 0))
    _ = keeper.open(predecessor: .none, at: noon)
    let first = keeper.seal([], losses: [loss], at: noon)
    let second = keeper.seal([], losses: [loss], at: yesterday)
    #expect(first.firstSequence == 1)
    #expect(second.firstSequence == 2)
    #expect(second.groups.first?.previous == first.head)
}

@Test func everyStreamNamesTheOneBeforeIt() {
    var keeper = keeper(at: MonotonicInstant(nanoseconds: 0))
    let former = keeper.stream
    _ = keeper.open(predecessor: .none, at: noon)
    let now = MonotonicInstant(nanoseconds: 1)
    _ = keeper.close(reason: "test", .init(), at: noon, now)
    let size = keeper.nextSequence
    let opened = keeper.reopen(at: noon, now)
    let latter = keeper.stream
    #expect(latter != former)
    #expect(String(decoding: opened.bodies, as: UTF8.self).contains("\(former) \(size) "))
}
