// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Pipeline

struct StatusHistoryTests {
    private let read = StatusHistory.Name(owner: .agent, measure: .records)
    private let waiting = StatusHistory.Name(owner: .sink("siem"), measure: .waiting)
    private let latency = StatusHistory.Name(owner: .sink("siem"), measure: .latency)

    private func at(_ seconds: Double) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: Int64(seconds * 1e9))
    }

    @Test func countsBecomeRatesAndLevelsStay() {
        var history = StatusHistory()
        history.sample([(read, .count(100)), (waiting, .level(5))], at: at(0))
        #expect(history.newest(.agent, .records) == nil)
        history.sample([(read, .count(150)), (waiting, .level(7))], at: at(2))
        #expect(history.newest(.agent, .records) == 25)
        #expect(history.newest(.sink("siem"), .waiting) == 7)
        // By the time that has really passed.
        history.sample([(read, .count(180)), (waiting, .level(7))], at: at(4.5))
        #expect(history.newest(.agent, .records) == 12)
        #expect(history.number == 3)
    }

    @Test func aMeanIsThatOfTheSampleAndNothingWithoutRequests() {
        var history = StatusHistory()
        history.sample([(latency, .mean(count: 10, sum: 5))], at: at(0))
        history.sample([(latency, .mean(count: 12, sum: 5.5))], at: at(2))
        #expect(history.newest(.sink("siem"), .latency) == 0.25)
        history.sample([(latency, .mean(count: 12, sum: 5.5))], at: at(4))
        #expect(history.newest(.sink("siem"), .latency) == nil)
        #expect(history.mean(.sink("siem"), .latency) == 0.25)
    }

    @Test func aMissedMomentIsAGap() throws {
        var history = StatusHistory()
        history.sample([(waiting, .level(1))], at: at(0))
        history.sample([(waiting, .level(2))], at: at(6.1))
        let values = try #require(history.values(.sink("siem"), .waiting))
        #expect(values.map { $0.isFinite ? $0 : -1 } == [1, -1, -1, 2])
        #expect(history.number == 4)
    }

    @Test func onlyTheLastTenMinutesAreKeptOldestFirst() throws {
        var history = StatusHistory()
        for index in 0..<(StatusHistory.sampleLimit + 7) {
            history.sample([(waiting, .level(Double(index)))], at: at(Double(index) * 2))
        }
        let values = try #require(history.values(.sink("siem"), .waiting))
        #expect(values.count == StatusHistory.sampleLimit)
        #expect(values.first == 7 && values.last == Float(StatusHistory.sampleLimit + 6))
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 + 1 == $1 })
    }

    @Test func aNewSeriesBeginsWithAGapAndOneThatIsGoneIsForgotten() throws {
        var history = StatusHistory()
        for index in 0..<3 { history.sample([(read, .count(0))], at: at(Double(index) * 2)) }
        history.sample([(read, .count(0)), (waiting, .level(9))], at: at(6))
        let values = try #require(history.values(.sink("siem"), .waiting))
        #expect(values.filter(\.isFinite) == [9] && values.last == 9 && values.count == 4)
        history.sample([(read, .count(0))], at: at(8))
        #expect(history.values(.sink("siem"), .waiting) == nil)
    }

    @Test func theNumberOfSeriesIsBoundedAndTheFirstOnesWin() {
        var history = StatusHistory()
        let readings = (0..<200).map { index in
            (
                name: StatusHistory.Name(owner: .input("i\(index)"), measure: .records),
                reading: StatusHistory.Reading.level(1)
            )
        }
        for index in 0..<5 { history.sample(readings, at: at(Double(index) * 2)) }
        #expect(history.names.count == StatusHistory.seriesLimit)
        #expect(history.newest(.input("i0"), .records) == 1)
        #expect(history.newest(.input("i199"), .records) == nil)
    }

    @Test func aSampleIsDueEveryTwoSeconds() {
        var history = StatusHistory()
        #expect(history.isDue(at: at(0)))
        history.sample([], at: at(0))
        #expect(!history.isDue(at: at(1.9)))
        #expect(history.isDue(at: at(2)))
    }

    @Test func aCounterThatBeganAnewGivesNoRate() {
        var history = StatusHistory()
        history.sample([(read, .count(100))], at: at(0))
        history.sample([(read, .count(3))], at: at(2))
        #expect(history.newest(.agent, .records) == nil)
    }
}
