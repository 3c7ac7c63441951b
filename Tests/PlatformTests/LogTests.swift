// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

@testable import Platform

/// A clock that stands still until it is moved.
private final class StandingClock: TimeSource {
    private let elapsed = Atomic<Int64>(0)

    func now() -> Timestamp {
        Timestamp(microseconds: 1_763_722_800_000_000 + elapsed.load(ordering: .relaxed))
    }

    func monotonic() -> MonotonicInstant {
        MonotonicInstant(nanoseconds: elapsed.load(ordering: .relaxed) * 1_000)
    }

    func advance(_ duration: Duration) {
        elapsed.wrappingAdd(duration.wholeNanoseconds / 1_000, ordering: .relaxed)
    }
}

private final class Page: Sendable {
    private let bytes = Monitor<[UInt8]>([])

    func append(_ line: [UInt8]) { bytes.withLock { $0 += line } }
    var lines: [String] {
        let text = bytes.withLock { String(decoding: $0, as: UTF8.self) }
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            .map(String.init)
    }
}

@Suite struct LogTests {
    private let clock = StandingClock()
    private let page = Page()

    private func log(
        _ level: Log.Level = .debug, _ format: Log.Format = .text, isJournal: Bool = false
    ) -> Log {
        Log(level: level, format: format, isJournal: isJournal, time: clock) { [page] in
            page.append($0)
        }
    }

    @Test func aTextLineHasTimeLevelMessageAndFields() {
        log().warning(
            "Sink is slow.",
            ["sink": "siem", "lag": Duration.seconds(5), "count": 7, "up": false, "rate": 0.5])
        #expect(
            page.lines == [
                "2025-11-21T11:00:00.000000Z warning Sink is slow. sink=siem lag=5s count=7 "
                    + "up=false rate=0.5"
            ])
    }

    @Test func aJSONLineKeepsNumbersAndBooleans() {
        log(.debug, .json).error(
            "Sink is down.",
            ["sink": "si\"em", "count": UInt64.max, "up": false, "rate": Double.nan, "time": "x"])
        #expect(
            page.lines == [
                "{\"time\":\"2025-11-21T11:00:00.000000Z\",\"level\":\"error\",\"message\":"
                    + "\"Sink is down.\",\"sink\":\"si\\\"em\",\"count\":18446744073709551615,"
                    + "\"up\":false,\"rate\":\"nan\",\"field_time\":\"x\"}"
            ])
    }

    @Test func aValueCannotForgeALineOrAField() {
        let evil = "a\n2025 error Fake. \u{1B}[2J x=\"y\" \\ \u{85}\u{2028}\u{202E}\r\0"
        log().info("Read.", ["path": evil, "empty": "", "bad key\n=": "v"])
        log(.debug, .json).info("Read.", ["path": evil])
        #expect(page.lines.count == 2)
        #expect(
            page.lines[0].hasSuffix(
                #" info Read. path="a\n2025 error Fake. \u{1b}[2J x=\"y\" \\ \u{85}\u{2028}"#
                    + #"\u{202e}\r\u{0}" empty="" bad_key__=v"#))
        #expect(
            page.lines[1].hasSuffix(
                #""path":"a\n2025 error Fake. \u001b[2J x=\"y\" \\ \u0085\u2028\u202e\r\u0000"}"#))
    }

    @Test func inTheJournalThereIsAPriorityAndNoTime() {
        let text = log(isJournal: true)
        text.error("A.")
        text.warning("B.")
        text.info("C.")
        text.debug("D.")
        log(.debug, .json, isJournal: true).error("E.")
        #expect(
            page.lines == [
                "<3>A.", "<4>B.", "<6>C.", "<7>D.", "<3>{\"level\":\"error\",\"message\":\"E.\"}",
            ])
    }

    @Test func linesBelowTheLevelAreNotWritten() {
        let quiet = log(.warning)
        quiet.info("A.")
        quiet.debug("B.")
        quiet.warning("C.")
        quiet.error("D.")
        quiet.with(level: .error, format: .text).warning("E.")
        #expect(page.lines.count == 2)
    }

    @Test func aLongValueIsCutAtACharacter() {
        log().info("Read.", ["a": String(repeating: "é", count: 2_000)])
        let whole = String(repeating: "é", count: 512)
        #expect(page.lines.first?.hasSuffix("a=\(whole)…") == true)
        log().info("Read.", ["a": "x" + String(repeating: "é", count: 2_000)])
        #expect(page.lines.last?.hasSuffix("a=x\(whole.dropLast())…") == true)
    }

    @Test func aSecretIsThreeStars() {
        log().info("Read.", ["key": Secret(Array("hunter2".utf8))])
        #expect(page.lines.first?.hasSuffix("key=***") == true)
    }

    @Test func aFloodIsCutAndCountedLater() {
        let flooded = log(isJournal: true)
        for _ in 0..<25 { flooded.warning("Slow.") }
        flooded.warning("Other.")
        #expect(page.lines.count == 11)
        clock.advance(.seconds(1))
        flooded.info("Next.")
        flooded.warning("Slow.")
        #expect(
            page.lines.dropFirst(11) == [
                "<4>Lines were left out. left_out=15 line=Slow.", "<6>Next.", "<4>Slow.",
            ])
    }

    @Test func whatWasLeftOutIsSaidAtTheEndOnce() {
        let flooded = log(isJournal: true)
        for _ in 0..<12 { flooded.warning("Slow.") }
        flooded.reportSuppressed()
        flooded.reportSuppressed()
        #expect(page.lines.dropFirst(10) == ["<4>Lines were left out. left_out=2 line=Slow."])
        flooded.warning("Slow.")
        flooded.reportSuppressed()
        #expect(page.lines.last == "<4>Lines were left out. left_out=1 line=Slow.")
    }

    @Test func theLastWarningsAndErrorsAreRememberedAndCounted() {
        let log = log(.debug)
        log.info("Started.")
        log.debug("Seen.", ["name": "x"])
        log.warning("Slow.", ["sink": "siem", "lag": Duration.seconds(5)])
        log.error("Gone.")
        clock.advance(.seconds(2))
        log.warning("Slow.", ["sink": "siem", "lag": Duration.seconds(5)])
        log.warning("Slow.", ["sink": "lake", "lag": Duration.seconds(5)])
        let problems = log.recentProblems
        #expect(problems.map(\.message) == ["Slow.", "Slow.", "Gone."])
        #expect(problems.map(\.count) == [1, 2, 1])
        #expect(problems.map(\.level) == [.warning, .warning, .error])
        #expect(problems[1].fields.map(\.value) == ["siem", "5s"])
        #expect(problems[1].last.since(problems[1].first) == .seconds(2))
        #expect(log.with(level: .error, format: .json).recentProblems == problems)
    }

    @Test func whatIsRememberedIsBounded() {
        let log = log(.warning)
        for index in 0..<500 {
            clock.advance(.seconds(1))
            log.warning("Slow.", ["index": index, "text": String(repeating: "é", count: 4_000)])
        }
        let problems = log.recentProblems
        #expect(problems.count == LogMemory.problemLimit)
        #expect(problems.first?.fields.first?.value == "499")
        #expect(
            problems.allSatisfy { $0.fields[1].value.utf8.count <= LogMemory.valueByteLimit + 3 })
    }

    @Test func whatTheLevelLeavesOutIsNotRememberedAndAFloodIsByItsReport() {
        let log = log(.error)
        log.warning("Slow.")
        for _ in 0..<25 { log.error("Gone.") }
        log.reportSuppressed()
        let problems = log.recentProblems
        #expect(problems.map(\.message) == ["Lines were left out.", "Gone."])
        #expect(problems[1].count == LogRateLimiter.lineLimit)
        #expect(problems[0].fields.map(\.value) == ["15", "Gone."])
    }

    @Test func noLineIsLostFromTheCountOverASeededFlood() {
        var limiter = LogRateLimiter()
        var seed: UInt64 = 7
        var now: Int64 = 0
        var offered = 0
        var admitted = 0
        var reported = 0
        for _ in 0..<20_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            now += Int64(seed >> 40)
            let message = "m\((seed >> 33) % 7)"
            let decision = limiter.admit(message, at: MonotonicInstant(nanoseconds: now))
            offered += 1
            admitted += decision.isAdmitted ? 1 : 0
            reported += decision.reports.reduce(0) { $0 + $1.count }
        }
        reported += limiter.drain().reduce(0) { $0 + $1.count }
        #expect(offered == admitted + reported)
        #expect(admitted > 0 && reported > 0)
    }

    @Test func theNumberOfMessagesCountedApartIsBounded() {
        var limiter = LogRateLimiter()
        var reports: [LogRateLimiter.Report] = []
        for _ in 0..<LogRateLimiter.lineLimit + 3 {
            reports += limiter.admit("first", at: MonotonicInstant(nanoseconds: 0)).reports
        }
        for index in 0..<LogRateLimiter.messageLimit * 3 {
            let now = MonotonicInstant(nanoseconds: Int64(index + 1))
            let decision = limiter.admit("m\(index)", at: now)
            #expect(decision.isAdmitted)
            reports += decision.reports
        }
        #expect(reports == [LogRateLimiter.Report(message: "first", count: 3)])
        #expect(limiter.messageCount == LogRateLimiter.messageLimit)
    }

    @Test func theJournalIsKnownByDeviceAndInode() throws {
        let file = try File("/dev/null", .write)
        let status = try file.status()
        let stream = "\(status.device):\(status.inode)"
        #expect(LogOutput.isJournal(file.descriptor, journalStream: stream))
        #expect(!LogOutput.isJournal(file.descriptor, journalStream: "\(stream)1"))
        #expect(!LogOutput.isJournal(file.descriptor, journalStream: "x"))
        #expect(!LogOutput.isJournal(file.descriptor, journalStream: nil))
    }

    @Test func linesOfManyThreadsDoNotMix() throws {
        let path = "/tmp/sealtail-log-\(getpid())"
        let file = try File(path, .readWrite, [.create, .truncate, .append])
        defer { try? FileSystem.remove(path) }
        let log = Log(level: .info, format: .text, descriptor: file.descriptor, time: clock)
        let clock = clock
        let threads = try (0..<4).map { number in
            try Thread.start(name: "log\(number)") {
                for index in 0..<200 {
                    clock.advance(.seconds(1))
                    log.info("Line.", ["from": number, "index": index])
                }
            }
        }
        for thread in threads { thread.join() }
        let text = String(decoding: try FileSystem.read(path, byteLimit: 1 << 20), as: UTF8.self)
        let lines = text.split(separator: "\n").filter { !$0.contains("left out") }
        #expect(lines.allSatisfy { $0.contains("Z info Line. from=") })
        #expect(Set(lines.map { $0.drop { $0 != "f" } }).count == 800)
    }
}
