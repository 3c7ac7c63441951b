// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks
import TestSupport
import Testing

@testable import Pipeline

private let start = MonotonicInstant(nanoseconds: 0)
private let now = Timestamp(microseconds: 1_795_258_927_118_000)

private func batch(_ count: Int) -> DeliveryBatch { PipelineFixture.delivery(count) }

private func configuration(_ type: String = "type: file, path: /x") -> SinkConfiguration {
    PipelineFixture.configuration(
        """
        inputs: [{id: idp, type: stdin, parser: keycloak}]
        sinks: [{id: siem, \(type), in_flight: 2, retry: {initial: 1s, max: 60s}}]
        """
    ).sinks[0]
}

/// What a course did with its source.
private final class Record: Sendable {
    let settled = Monitor<[UInt64]>([])
    let refused = Monitor<[Int]>([])
    let isFinished = Monitor(false)
}

/// So many requests of three events.
private struct Source: ReplaySource {
    let record: Record
    var left: Int
    var failsAtEnd = false
    private var span: UInt64 = 0

    init(_ record: Record, _ left: Int, failsAtEnd: Bool = false) {
        self.record = record
        self.left = left
        self.failsAtEnd = failsAtEnd
    }

    mutating func next(
        _: SinkConfiguration.Batch, pausing: () -> Bool
    ) throws(PipelineError) -> ReplayStep {
        guard left > 0 else { return .end }
        left -= 1
        span += 1
        return .batch(batch(3), span: span)
    }
    func refuse(_ rejections: [Rejection], of: DeliveryBatch, span: UInt64, at: Timestamp) {
        record.refused.withLock { $0 += rejections.map(\.index) }
    }
    func settle(_ span: UInt64) throws(PipelineError) {
        record.settled.withLock { $0.append(span) }
    }
    func finish() throws(PipelineError) {
        record.isFinished.withLock { $0 = true }
        if failsAtEnd { throw .stage("the disk refuses", exit: .inputOutput) }
    }
    func describe(_ tally: inout ReplayTally) { tally.filtered = 5 }
}

/// A course with what a test asks of it.
private final class Trial {
    private var course: ReplayCourse

    init(
        _ record: Record, _ count: Int, failsAtEnd: Bool = false,
        to sink: SinkConfiguration = configuration()
    ) {
        course = ReplayCourse(Source(record, count, failsAtEnd: failsAtEnd), to: sink)
    }

    var inFlightCount: Int { course.inFlightCount }
    var isDone: Bool { course.isDone }

    func patience(at moment: MonotonicInstant) -> Duration {
        course.patience(at: moment, slots: 2)
    }

    func send(at moment: MonotonicInstant = start) -> UInt64? {
        course.next(at: moment, pausing: { false })?.ticket
    }

    func take(
        _ ticket: UInt64, _ result: DeliveryResult,
        at moment: MonotonicInstant = start
    ) -> Int {
        course.settle(ticket, result, at: moment, time: now, jitter: 1)
    }

    func finish() -> ReplayOutcome { course.finish() }
}

struct ReplayCourseTests {
    @Test func itsTicketsAreOutOfTheReachOfOthersAndItsRequestsWithinTheLimit() throws {
        let course = Trial(Record(), 5)
        let first = try #require(course.send())
        let second = try #require(course.send())
        #expect(first >= ReplayCourse.firstTicket && second == first + 1)
        #expect(course.send() == nil)
        #expect(course.inFlightCount == 2)
        #expect(course.take(first, .success(())) == 3)
        #expect(course.send() != nil)
    }

    @Test func splitAndPartialAnswersComeToOneOutcomeForEachEvent() throws {
        let record = Record()
        let course = Trial(record, 1)
        let whole = try #require(course.send())
        #expect(course.take(whole, .failure(.split(reason: "413", code: .size))) == 0)
        let first = try #require(course.send())
        let second = try #require(course.send())
        let refused = Rejection(index: 1, reason: "no", code: .refused)
        #expect(
            course.take(first, .failure(.partial(retry: [], reject: [refused], after: nil))) == 1)
        #expect(record.settled.withLock { $0 } == [])
        #expect(course.take(second, .success(())) == 1)
        #expect(record.settled.withLock { $0 } == [1])
        #expect(record.refused.withLock { $0 } == [1])
        #expect(course.send() == nil)
        #expect(course.isDone)
        let outcome = course.finish()
        #expect(outcome.tally.sent == 3 && outcome.tally.confirmed == 2)
        #expect(outcome.tally.refused == 1 && outcome.tally.waiting == 0)
        #expect(outcome.tally.filtered == 5 && outcome.tally.refusal == "no")
        #expect(outcome.exitCode == .badData && outcome.problem == nil)
    }

    @Test func itIsPatientAndGivesUpAfterAWhileWithTheReason() throws {
        let record = Record()
        let course = Trial(record, 3)
        let busy: DeliveryResult = .failure(
            .retry(after: nil, reason: "503", code: .server))
        var moment = start
        var ticket = try #require(course.send(at: moment))
        #expect(course.take(ticket, busy, at: moment) == 0)
        #expect(course.send(at: moment) == nil)
        #expect(course.patience(at: moment) == .seconds(1))
        moment = moment.advanced(by: .seconds(2))
        ticket = try #require(course.send(at: moment))
        #expect(course.take(ticket, busy, at: moment) == 0)
        moment = start.advanced(by: ReplayCourse.leastPatience + .seconds(30))
        #expect(course.send(at: moment) == nil)
        #expect(course.isDone)
        let outcome = course.finish()
        #expect(record.isFinished.withLock { $0 })
        #expect(outcome.exitCode == .unavailable && outcome.tally.waiting == 3)
        #expect(outcome.problem?.contains("503") == true)
    }

    // An indexer that was within its time was given up, and the events counted as not sent.
    @Test(arguments: [
        ("type: splunk_hec, acknowledge: true, acknowledge_timeout: 10m", 670),
        ("type: splunk_hec", 370), ("type: splunk_hec, acknowledge: false", 70),
        ("type: elasticsearch", 70), ("type: otlp", 70), ("type: http", 70),
    ])
    func noAnswerThatTheSinkWaitsForIsTooSlow(type: String, seconds: Int) throws {
        let auth = type.contains("splunk") ? ", auth: {token: abc}" : ""
        let endpoint = ", endpoint: 'https://siem.example.com', timeout: 10s"
        let sink = configuration(type + endpoint + auth)
        let last = start.advanced(by: .seconds(seconds))
        for (moment, isOver) in [(last, false), (last.advanced(by: .seconds(1)), true)] {
            let course = Trial(Record(), 2, to: sink)
            _ = try #require(course.send())
            _ = course.send()
            #expect(course.send(at: moment) == nil)
            #expect((course.finish().problem != nil) == isOver)
        }
    }

    @Test func whoeverWasNotLetThroughForLongIsNotImpatient() throws {
        let course = Trial(Record(), 2)
        // All requests in flight were those of the ordinary delivery.
        let late = start.advanced(by: ReplayCourse.leastPatience * 3)
        let first = try #require(course.send(at: late))
        let second = try #require(course.send(at: late))
        #expect(course.take(first, .success(()), at: late) == 3)
        let later = late.advanced(by: ReplayCourse.leastPatience)
        #expect(course.send(at: later) == nil)
        #expect(course.take(second, .success(()), at: later) == 3)
        #expect(course.finish().problem == nil)
    }

    @Test func whatNeedsSomebodyEndsItButNotBeforeTheRestIsBack() throws {
        let course = Trial(Record(), 5)
        let first = try #require(course.send())
        let second = try #require(course.send())
        #expect(
            course.take(first, .failure(.alarm(reason: "401", code: .authorization))) == 0)
        #expect(course.send() == nil)
        #expect(!course.isDone)
        #expect(course.take(second, .success(())) == 3)
        #expect(course.isDone)
        let outcome = course.finish()
        #expect(outcome.problem == "401" && outcome.exitCode == .unavailable)
        #expect(outcome.tally.confirmed == 3 && outcome.tally.waiting == 3)
    }

    @Test func aDeadLetterThatCannotBeWrittenIsSaid() throws {
        let course = Trial(Record(), 1, failsAtEnd: true)
        #expect(course.take(try #require(course.send()), .success(())) == 3)
        #expect(course.send() == nil)
        let outcome = course.finish()
        #expect(outcome.problem == "the disk refuses" && outcome.exitCode == .inputOutput)
    }

    @Test func nothingToSendIsNoInput() {
        #expect(ReplayOutcome(ReplayTally()).exitCode == .noInput)
        var tally = ReplayTally()
        tally.filtered = 1
        #expect(ReplayOutcome(tally).exitCode == .ok)
    }
}

struct ReplayMailTests {
    @Test func whatIsWrittenIsReadBack() throws {
        let moments = [nil, Timestamp(microseconds: -5), now]
        var origins: [ReplayRequest.Origin] = [
            .deadLetter,
            .ledger(.numbers(stream: "a \"b\"/main/0", 3...9)),
            .ledger(.numbers(stream: "a/main/0", 0...UInt64(Int64.max))),
        ]
        for since in moments {
            for until in moments { origins.append(.ledger(.time(since: since, until: until))) }
        }
        for origin in origins {
            let letter = ReplayMail.Letter(mark: "m", request: ReplayRequest(sink: "s", origin))
            let document = try JSONDocument(reading: letter.bytes)
            #expect(ReplayMail.Letter(document) == letter)
        }
        var tally = ReplayTally()
        (tally.sent, tally.confirmed, tally.refused, tally.missing) = (9, 7, 1, 2)
        tally.progress = 0.5
        tally.refusal = "field \"x\""
        for outcome in [
            nil, ReplayOutcome(tally), ReplayOutcome(tally, problem: ("why", .unavailable)),
        ] {
            let answer = ReplayMail.Answer(mark: "m", tally: tally, outcome: outcome)
            let document = try JSONDocument(reading: answer.bytes)
            #expect(ReplayMail.Answer(document) == answer)
        }
    }

    @Test func whatIsNoRequestIsNone() throws {
        let turned = "{\"mark\":\"m\",\"sink\":\"s\",\"stream\":\"x\",\"first\":4,\"last\":3}"
        for text in ["{}", "[]", turned] {
            #expect(ReplayMail.Letter(try JSONDocument(reading: Array(text.utf8))) == nil)
        }
    }
}

struct ReplayDeskTests {
    private static let request = ReplayRequest(sink: "siem", .deadLetter)

    /// A state directory whose agent is alive, with a request in it.
    private func post(_ folder: TemporaryFolder) throws -> (ReplayMail, locks: [FileLock]) {
        let mail = ReplayMail(directory: folder.path)
        let claim = try #require(try mail.claim())
        let agent = try #require(try FileLock.take(folder("lock")))
        try mail.post(ReplayMail.Letter(mark: "m", request: Self.request))
        return (mail, [claim, agent])
    }

    private func reason(
        _ folder: TemporaryFolder, _ mail: ReplayMail, isLate: Bool = false, isDone: Bool = true
    ) -> String? {
        Replayer.reason(mail, directory: folder.path, isLate: isLate, isDone: isDone)
    }

    // A full disk kept the outcome from being written, and the command waited for ever.
    @Test func anOutcomeThatCannotBeWrittenEndsTheWait() throws {
        let folder = try TemporaryFolder()
        let (mail, locks) = try post(folder)
        defer { withExtendedLifetime(locks) {} }
        try FileSystem.createFolder(folder("replay/answer.new"))
        #expect(reason(folder, mail) == nil)
        ReplayDesk(directory: folder.path, keys: nil).serve([])
        #expect(mail.answer(to: "m") == nil && !mail.isPosted)
        #expect(reason(folder, mail)?.contains("could not say how it ended") == true)
    }

    @Test func aRequestThatCannotBeUnderstoodEndsTheWait() throws {
        let folder = try TemporaryFolder()
        let (mail, locks) = try post(folder)
        defer { withExtendedLifetime(locks) {} }
        try folder.write("replay/request", Array("{".utf8))
        ReplayDesk(directory: folder.path, keys: nil).serve([])
        #expect(reason(folder, mail)?.contains("could not say how it ended") == true)
    }

    // Done by an agent that cannot remove it, it would be done again and again.
    @Test func aRequestThatCannotBeRemovedIsNotDone() throws {
        let folder = try TemporaryFolder()
        let (mail, locks) = try post(folder)
        defer { withExtendedLifetime(locks) {} }
        try FileSystem.remove(folder("replay/request"))
        try FileSystem.createFolder(folder("replay/request"))
        #expect(mail.collect() == nil && mail.isPosted)
    }

    @Test func theAnswerIsThereBeforeTheWaitMayEnd() throws {
        let folder = try TemporaryFolder()
        let (mail, locks) = try post(folder)
        defer { withExtendedLifetime(locks) {} }
        ReplayDesk(directory: folder.path, keys: nil).serve([])
        #expect(mail.answer(to: "m")?.outcome?.exitCode == .usage)
    }

    // The command said that no agent took the request while one was settling the one before.
    @Test func anAgentThatStillSettlesIsNotSaidToBeDeaf() throws {
        let folder = try TemporaryFolder()
        let (mail, locks) = try post(folder)
        defer { withExtendedLifetime(locks) {} }
        #expect(reason(folder, mail, isLate: true)?.contains("no agent took") == true)
        let work = try #require(try mail.serve())
        #expect(reason(folder, mail) == nil)
        #expect(reason(folder, mail, isLate: true)?.contains("still settles") == true)
        try FileSystem.remove(folder("replay/request"))
        #expect(reason(folder, mail, isLate: true) == nil)
        withExtendedLifetime(work) {}
    }

    // A killed agent that had lost one lock of two was said to have forgotten its answer.
    @Test func anAgentThatIsKilledLosesItsLocksOneByOne() throws {
        let folder = try TemporaryFolder()
        var (mail, locks) = try post(folder)
        try FileSystem.remove(folder("replay/request"))
        #expect(reason(folder, mail, isDone: false) == nil)
        locks.removeLast()
        #expect(reason(folder, mail, isDone: false)?.contains("the agent ended") == true)
        withExtendedLifetime(locks) {}
    }

    @Test func anAgentThatIsGoneIsSeenWhateverItsFilesSay() throws {
        let folder = try TemporaryFolder()
        let mail = ReplayMail(directory: folder.path)
        let claim = try mail.claim()
        #expect(reason(folder, mail)?.contains("the agent ended") == true)
        withExtendedLifetime(claim) {}
    }

    // A disk that hangs held up signals and the watchdog.
    @Test func theMainThreadOnlyLooks() throws {
        let folder = try TemporaryFolder()
        let (mail, locks) = try post(folder)
        defer { withExtendedLifetime(locks) {} }
        let desk = ReplayDesk(directory: folder.path, keys: nil)
        let bodies = Monitor<[@Sendable () -> Void]>([])
        for _ in 0..<2 {
            desk.attend([]) { body in
                bodies.withLock { $0.append(body) }
                return try? Thread.start(name: "nothing") {}
            }
        }
        #expect(mail.isPosted && mail.answer(to: "m") == nil)
        let taken = bodies.withLock { $0 }
        #expect(taken.count == 1)
        taken.first?()
        #expect(!mail.isPosted && mail.answer(to: "m")?.outcome != nil)
        desk.close()
    }
}
