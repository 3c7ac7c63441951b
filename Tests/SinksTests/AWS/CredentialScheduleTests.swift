// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct CredentialScheduleTests {
    private let start = Timestamp(year: 2026, month: 11, day: 21)
    private let begin = MonotonicInstant(nanoseconds: 0)

    private func key(_ id: String, seconds: Int? = nil) throws -> AWSCredentials {
        try #require(
            AWSCredentials(
                accessKeyID: id, secretAccessKey: "s", sessionToken: nil,
                expiration: seconds.map { start.advanced(by: .seconds($0)) }))
    }

    private func now(_ seconds: Int) -> (Timestamp, MonotonicInstant) {
        (start.advanced(by: .seconds(seconds)), begin.advanced(by: .seconds(seconds)))
    }

    private func wants(_ schedule: CredentialSchedule, _ seconds: Int) -> Bool {
        schedule.wantsLookup(at: now(seconds).0, now(seconds).1)
    }

    private func state(_ schedule: CredentialSchedule, _ seconds: Int) -> String {
        switch schedule.state(at: now(seconds).0) {
        case .ready(let credentials, let generation): "\(credentials.accessKeyID)\(generation)"
        case .pending: "pending"
        case .failed(let problem): problem.sentence
        }
    }

    @Test func theFirstRequestsWaitForTheFirstLookup() throws {
        var schedule = CredentialSchedule()
        #expect(wants(schedule, 0))
        schedule.began()
        #expect(!wants(schedule, 0))
        #expect(state(schedule, 0) == "pending")
        schedule.found(try key("A"), at: now(1).1)
        #expect(state(schedule, 1) == "A1")
        #expect(!wants(schedule, 1_000_000))
    }

    @Test func whatEndsIsRenewedBeforeAndUsedMeanwhile() throws {
        var schedule = CredentialSchedule()
        schedule.began()
        schedule.found(try key("A", seconds: 3600), at: begin)
        #expect(!wants(schedule, 3299))
        #expect(wants(schedule, 3300))
        schedule.began()
        #expect(state(schedule, 3301) == "A1")
        // The lookup takes so long that they end.
        #expect(state(schedule, 3601) == "pending")
        schedule.found(try key("B", seconds: 7200), at: now(3602).1)
        #expect(state(schedule, 3602) == "B2")
    }

    @Test func aSourceThatFailsIsLeftAloneForAWhileAndTheOldIsUsed() throws {
        var schedule = CredentialSchedule()
        schedule.began()
        schedule.failed(CredentialProblem("nothing"), at: begin)
        #expect(state(schedule, 0) == "nothing")
        #expect(!wants(schedule, 9))
        #expect(wants(schedule, 10))
        schedule.began()
        #expect(state(schedule, 10) == "pending")
        schedule.found(try key("A", seconds: 100), at: now(10).1)
        #expect(wants(schedule, 20))
        schedule.began()
        schedule.failed(CredentialProblem("nothing"), at: now(21).1)
        #expect(state(schedule, 101) == "A1")
    }

    @Test func aRefusalRenewsOnceAndThenAlarms() throws {
        var schedule = CredentialSchedule()
        schedule.began()
        schedule.found(try key("A"), at: begin)
        // A request that was under way with the same credentials says nothing new.
        let helps = [schedule.refused(generation: 1), schedule.refused(generation: 1)]
        #expect(helps == [true, true])
        #expect(wants(schedule, 0))
        schedule.began()
        schedule.found(try key("A"), at: begin)
        guard case .ready(_, let generation) = schedule.state(at: start) else {
            Issue.record("not ready")
            return
        }
        let helpsAgain = schedule.refused(generation: generation)
        #expect(!helpsAgain)
        // From now on it is asked at leisure.
        #expect(!wants(schedule, 9))
        #expect(wants(schedule, 10))
        schedule.began()
        schedule.found(try key("B"), at: now(10).1)
        schedule.accepted()
        guard case .ready(_, let third) = schedule.state(at: start) else {
            Issue.record("not ready")
            return
        }
        let helpsLater = schedule.refused(generation: third)
        #expect(helpsLater)
    }
}
