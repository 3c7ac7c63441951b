// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct CloudWatchLogsSinkTests {
    private func sink(_ server: FakeHTTPServer, _ more: String = "") throws -> any Sink {
        try Samples.sink(
            "{id: cloud, type: cloudwatch_logs, endpoint: '\(server.endpoint)', "
                + "region: eu-central-1, log_group: oauth/audit, "
                + "auth: {access_key_id: A, secret_access_key: s3cr3t}\(more)}")
    }

    private func failure(
        _ answer: FakeHTTPServer.Answer, _ count: Int, _ more: String = ""
    ) throws -> DeliveryError? {
        try Samples.failure(answer, count) { try sink($0, more) }
    }

    /// The messages of all requests, each with its line feed again.
    private func messages(_ server: FakeHTTPServer) -> [UInt8] {
        server.requests.flatMap { request -> [UInt8] in
            let document = try? JSONDocument(reading: request.body)
            return (document?["logEvents"]?.array ?? []).flatMap {
                Array(($0["message"]?.string ?? "").utf8) + [0x0A]
            }
        }
    }

    /// A body at another time.
    private func body(_ number: Int, at time: String) -> String {
        Samples.plain(number).replacingFirst("2026-11-21T11:02:07.118000Z", time)
    }

    private func delivery(_ times: [String]) -> DeliveryBatch {
        let bodies = times.enumerated().map { body($0.offset, at: $0.element) }
        return DeliveryBatch(batch: Samples.batch(bodies), events: Array(0..<bodies.count))
    }

    @Test func aRequestIsSignedAndNamesItsPlace() throws {
        let server = try FakeHTTPServer(always: .reply(200, "{}"))
        defer { server.stop() }
        let sink = try sink(server, ", log_stream: 'x/{sink}/{agent}'")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == "/")
        #expect(request.headers["content-type"] == "application/x-amz-json-1.1")
        #expect(request.headers["x-amz-target"] == "Logs_20140328.PutLogEvents")
        #expect(request.headers["host"] == "127.0.0.1:\(server.port)")
        let signature = try #require(request.headers["authorization"])
        #expect(signature.hasPrefix("AWS4-HMAC-SHA256 Credential=A/"))
        #expect(
            signature.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target, "))
        let document = try JSONDocument(reading: request.body)
        #expect(document["logGroupName"]?.string == "oauth/audit")
        #expect(document["logStreamName"]?.string == "x/cloud/idp1.example.com")
        #expect(document["logEvents"]?[0]?["timestamp"]?.integer == 1_795_258_927_118)
    }

    @Test func eventsGoInTheOrderOfTimeAndRejectionsKeepTheirPlace() throws {
        let info =
            "{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1,"
            + "\"expiredLogEventEndIndex\":2,\"tooNewLogEventStartIndex\":4}}"
        let server = try FakeHTTPServer(always: .reply(200, info))
        defer { server.stop() }
        let batch = delivery([
            "2026-11-21T11:02:05.000000Z", "2026-11-21T11:02:01.000000Z",
            "2026-11-21T11:02:09.000000Z", "2026-11-21T11:02:03.000000Z",
            "2026-11-21T11:02:01.000999Z",
        ])
        guard case .partial(let retry, let reject, _)? = Samples.failure(try sink(server), batch)
        else {
            Issue.record("not partial")
            return
        }
        #expect(retry == [])
        #expect(reject.map(\.index) == [1, 2, 4])
        #expect(reject[0].reason.contains("14 days"))
        #expect(reject[1].reason.contains("2 hours ahead"))
        #expect(reject[2].reason.contains("log group keeps"))
        let sent = try JSONDocument(reading: try #require(server.requests.first).body)
        let times = (sent["logEvents"]?.array ?? []).compactMap { $0["timestamp"]?.integer }
        #expect(times == times.sorted() && times.count == 5)
    }

    @Test(arguments: [
        "{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":99}}",
        "{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":-7}}",
        "{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":2,"
            + "\"tooNewLogEventStartIndex\":0}}",
    ])
    func placesOutsideTheRequestNameWhatIsInside(info: String) throws {
        guard case .partial([], let reject, nil)? = try failure(.reply(200, info), 2) else {
            Issue.record("not partial")
            return
        }
        #expect(reject.map(\.index) == [0, 1])
    }

    @Test(arguments: [
        "", "<html>welcome</html>", "[]", "null", "1", "{\"__type\":\"X\"}", "{",
        "{\"message\":\"back soon\"}",
    ])
    func anAnswerThatIsNoneNeverDelivers(body: String) throws {
        guard case .retry(_, _, .answer)? = try failure(.reply(200, body), 1) else {
            Issue.record("taken for an answer: \(body)")
            return
        }
    }

    @Test func eventsOfMoreThanADayAreSplit() throws {
        let server = try FakeHTTPServer(always: .reply(200, "{}"))
        defer { server.stop() }
        let sink = try sink(server)
        let apart = delivery(["2026-11-21T11:00:00.001000Z", "2026-11-20T11:00:00.000000Z"])
        guard case .split(_, .size)? = Samples.failure(sink, apart) else {
            Issue.record("not split")
            return
        }
        #expect(server.requests.isEmpty)
        let aDay = delivery(["2026-11-21T11:00:00.000000Z", "2026-11-20T11:00:00.000000Z"])
        #expect(Samples.failure(sink, aDay) == nil)
    }

    @Test func moreThanARequestTakesIsSplitByBytesAndByEvents() {
        var events = LogEvents()
        for index in 0..<10_000 { events.add(index: index, at: .earliest, message: 0..<78) }
        #expect(events.excess == nil)
        events.add(index: 10_000, at: .earliest, message: 0..<78)
        #expect(events.excess?.contains("10001 events") == true)
        events = LogEvents()
        events.add(index: 0, at: .earliest, message: 0..<524_262)
        events.add(index: 1, at: .earliest, message: 0..<524_262)
        #expect(events.excess == nil)
        events.add(index: 2, at: .earliest, message: 0..<0)
        #expect(events.excess?.contains("1048602 bytes") == true)
        events = LogEvents()
        events.add(index: 0, at: .earliest, message: 0..<LogEventLimit.messageByteCount)
        #expect(events.excess == nil)
    }

    @Test func anEventThatIsTooLongIsRejectedAndTheOthersGo() throws {
        let server = try FakeHTTPServer(always: .reply(200, "{}"))
        defer { server.stop() }
        let long = Samples.plain(1).replacingFirst(
            "alice", String(repeating: "a", count: 1_048_576))
        let bodies = [Samples.plain(0), long, "{\"broken\"", Samples.plain(3)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1, 2, 3])
        guard case .partial([], let reject, nil)? = Samples.failure(try sink(server), batch)
        else {
            Issue.record("not partial")
            return
        }
        #expect(reject.map(\.index) == [1, 2])
        #expect(reject.map(\.code) == [.size, .rendering])
        #expect(messages(server).filter { $0 == 0x0A }.count == 2)
    }

    @Test func aRefusalIsSplitDownToTheEventAndThenRejected() throws {
        let answer = FakeHTTPServer.Answer.reply(
            400, "{\"__type\":\"InvalidParameterException\",\"message\":\"too large\"}")
        guard case .split(_, .refused)? = try failure(answer, 2) else {
            Issue.record("not split")
            return
        }
        let rejection = Rejection(
            index: 0, reason: "HTTP 400: InvalidParameterException: too large", code: .refused)
        #expect(
            try failure(answer, 1) == .partial(retry: [], reject: [rejection], after: nil))
    }

    @Test func whatWasTakenBeforeIsDelivered() throws {
        #expect(
            try failure(.reply(400, "{\"__type\":\"DataAlreadyAcceptedException\"}"), 2) == nil)
    }

    // MARK: A place that is not there

    /// A service where a group and a stream have to be made first.
    private func emptyService(
        making status: Int = 200, _ made: String = "{}"
    ) throws -> (server: FakeHTTPServer, actions: @Sendable () -> [String]) {
        let there = Monitor(Set<String>())
        let server = try FakeHTTPServer { request, _ in
            let action = request.headers["x-amz-target"] ?? ""
            let missing = FakeHTTPServer.Answer.reply(
                400, "{\"__type\":\"ResourceNotFoundException\",\"message\":\"no\"}")
            return there.withLock { there in
                switch action {
                case "Logs_20140328.CreateLogGroup":
                    guard status == 200 else { return .reply(status, made) }
                    there.insert("group")
                    return .reply(200)
                case "Logs_20140328.CreateLogStream":
                    guard there.contains("group") else { return missing }
                    there.insert("stream")
                    return .reply(200)
                default:
                    return there.contains("stream") ? .reply(200, "{}") : missing
                }
            }
        }
        return (
            server,
            { server.requests.map { String(($0.headers["x-amz-target"] ?? "").dropFirst(14)) } }
        )
    }

    @Test func aGroupAndAStreamThatAreMissingAreMade() throws {
        let (server, actions) = try emptyService()
        defer { server.stop() }
        let sink = try sink(server)
        #expect(
            Samples.failure(sink, Samples.delivery(2))
                == .partial(retry: [0, 1], reject: [], after: nil))
        for _ in 0..<20 where actions().count < 4 { _ = sink.outcomes(waitingAtMost: .seconds(1)) }
        #expect(Samples.failure(sink, Samples.delivery(2)) == nil)
        #expect(
            actions() == [
                "PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream",
                "PutLogEvents",
            ])
    }

    @Test func aGroupThatMayNotBeMadeIsAnAlarm() throws {
        let (server, actions) = try emptyService(
            making: 400, "{\"__type\":\"AccessDeniedException\",\"message\":\"not you\"}")
        defer { server.stop() }
        let sink = try sink(server)
        _ = Samples.failure(sink, Samples.delivery(1))
        for _ in 0..<20 where actions().count < 3 { _ = sink.outcomes(waitingAtMost: .seconds(1)) }
        // Its answer may still be under way.
        _ = sink.outcomes(waitingAtMost: .milliseconds(200))
        let found = Samples.failure(sink, Samples.delivery(1))
        guard case .alarm(let reason, .authorization)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains("oauth/audit cannot be made") && reason.contains("not you"))
    }

    @Test func withoutCreateAMissingPlaceIsAnAlarm() throws {
        let (server, actions) = try emptyService()
        defer { server.stop() }
        let sink = try sink(server, ", create: false")
        guard case .alarm(_, .place)? = Samples.failure(sink, Samples.delivery(1)) else {
            Issue.record("no alarm")
            return
        }
        guard case .alarm(_, .place)? = sink.probe() else {
            Issue.record("no alarm")
            return
        }
        #expect(actions() == ["PutLogEvents", "DescribeLogStreams"])
    }

    @Test func aPlaceThatIsMadeAndStaysAwayIsNotPassedOverInSilence() {
        var place = LogPlace()
        let first = place.missing(count: 1, sentence: "gone")
        #expect(first.0 == .partial(retry: [0], reject: [], after: nil))
        #expect(first.1 == .makeStream)
        // Others that were under way do not make it again.
        let second = place.missing(count: 1, sentence: "gone")
        #expect(second.1 == nil)
        let step = place.took(.made)
        #expect(step == nil)
        let third = place.missing(count: 1, sentence: "gone")
        #expect(third.0 == .retry(after: nil, reason: "gone", code: .place))
        #expect(third.1 == .makeStream)
    }

    // MARK: The probe

    @Test func theProbeLooksAndStoresNothing() throws {
        let server = try FakeHTTPServer(always: .reply(200, "{\"logStreams\":[]}"))
        defer { server.stop() }
        #expect(try sink(server).probe() == nil)
        #expect(
            server.requests.map { $0.headers["x-amz-target"] }
                == ["Logs_20140328.DescribeLogStreams"])
    }

    @Test func theProbeNamesTheRightsThatAreMissing() throws {
        let server = try FakeHTTPServer(
            always: .reply(400, "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}"))
        defer { server.stop() }
        let sentence = try #require(try sink(server).probe()).sentence
        #expect(sentence.contains("logs:DescribeLogStreams"))
        #expect(sentence.contains("logs:PutLogEvents, logs:CreateLogStream, logs:CreateLogGroup"))
    }

    // MARK: The configuration

    @Test(arguments: [
        ("region: Frankfurt", "region"), ("log_group: 'a b'", "log_group"),
        ("log_group: aws/x", "log_group"), ("log_stream: '{host}'", "log_stream"),
        ("log_stream: 'a:b'", "log_stream"), ("auth: {access_key_id: A}", "auth"),
        ("auth: {access_key_id: A, secret_access_key: s, profile: p}", "auth"),
        ("auth: {access_key_id: A, secret_access_key: 's s'}", "auth"),
        ("auth: {api_key: k}", "auth"), ("compression: gzip", "compression"),
        ("bucket: b", "bucket"), ("create: perhaps", "create"),
        ("endpoint: [http://192.0.2.1, http://192.0.2.2]", "endpoint"),
    ])
    func mistakesAreNamed(line: String, key: String) throws {
        let (_, problems) = Samples.configuration(
            """
            id: cloud
            type: cloudwatch_logs
            \(line.hasPrefix("region") ? "" : "region: eu-central-1")
            \(line.hasPrefix("log_group") ? "" : "log_group: g")
            \(line)
            """)
        #expect(!problems.isEmpty)
        #expect(problems.allSatisfy { $0.contains(key) }, "\(problems)")
    }

    @Test func theUsualHostIsThatOfTheRegion() {
        #expect(AWSOptions.host(of: "logs", region: "eu-west-3") == "logs.eu-west-3.amazonaws.com")
        #expect(
            AWSOptions.host(of: "s3", region: "cn-north-1") == "s3.cn-north-1.amazonaws.com.cn")
        #expect(
            AWSOptions.host(of: "s3", region: "eusc-de-east-1") == "s3.eusc-de-east-1.amazonaws.eu")
    }
}
