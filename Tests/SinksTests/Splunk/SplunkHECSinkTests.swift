// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Sinks

@Suite struct SplunkHECSinkTests {
    private static let event = "/services/collector/event"
    private static let query = "/services/collector/ack"
    private static let success = "{\"text\":\"Success\",\"code\":0}"
    private static let plain = "compression: none, acknowledge: false"

    private func sink(
        _ server: FakeHTTPServer, _ more: String = plain, path: String = ""
    ) throws -> any Sink {
        try Samples.sink(
            "{id: siem, type: splunk_hec, endpoint: '\(server.endpoint)\(path)', "
                + "auth: {token: 11111111-2222-3333-4444-555555555555}, \(more)}")
    }

    private func failure(
        _ answer: FakeHTTPServer.Answer, _ count: Int
    ) throws -> DeliveryError? {
        try Samples.failure(answer, count) { try sink($0) }
    }

    private func code(_ code: Int, _ text: String = "words", _ more: String = "") -> String {
        "{\"text\":\"\(text)\",\"code\":\(code)\(more)}"
    }

    @Test func theRequestSaysWhatItIs() throws {
        let server = try FakeHTTPServer(always: .reply(200, Self.success))
        defer { server.stop() }
        let sink = try sink(
            server, "acknowledge: false", path: "/prefix")
        #expect(Samples.failure(sink, Samples.delivery(2)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == "/prefix" + Self.event)
        #expect(
            request.headers["authorization"] == "Splunk 11111111-2222-3333-4444-555555555555")
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["content-encoding"] == "gzip")
        let channel = try #require(request.headers["x-splunk-request-channel"])
        #expect(channel.split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
        #expect(Array(request.body.prefix(2)) == [0x1F, 0x8B])
    }

    @Test func theEnvelopeHasWhatIsConfigured() throws {
        let server = try FakeHTTPServer(always: .reply(200, Self.success))
        defer { server.stop() }
        let sink = try sink(server, Self.plain + ", index: audit, source: idp, sourcetype: 'a:b'")
        #expect(Samples.failure(sink, Samples.delivery(2)) == nil)
        let start =
            "{\"time\":1795258927.118000,\"host\":\"idp1.example.com\",\"source\":\"idp\","
            + "\"sourcetype\":\"a:b\",\"index\":\"audit\",\"event\":\"{\\\"action\\\":"
        let request = try #require(server.requests.first)
        #expect(request.headers["content-encoding"] == nil)
        let lines = String(decoding: request.body, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.allSatisfy { $0.hasPrefix(start) && $0.hasSuffix("}\"}") })
    }

    @Test func whatTheProviderDoesNotNameComesFromTheAgent() throws {
        let server = try FakeHTTPServer(always: .reply(200, Self.success))
        defer { server.stop() }
        let body = Samples.plain(0)
            .replacingFirst("\"host\":\"idp1.example.com\",", "")
            .replacingFirst("2026-11-21T11:02:07.118000Z", "1969-12-31T23:59:58.500000Z")
        let batch = DeliveryBatch(batch: Samples.batch([body]), events: [0])
        #expect(Samples.failure(try sink(server), batch) == nil)
        let text = String(decoding: try #require(server.requests.first).body, as: UTF8.self)
        #expect(text.hasPrefix("{\"time\":-1.500000,\"host\":\"idp1.example.com\",\"source\""))
    }

    @Test(arguments: [
        "2026-11-21T11:02:07.118000+", "2026-11-21T11:02:07Z", "yesterday",
        "2026-1a-21T11:02:07.118000Z",
    ])
    func anEventWithoutATimeIsRejected(time: String) throws {
        let server = try FakeHTTPServer(always: .reply(200, Self.success))
        defer { server.stop() }
        let body = Samples.plain(0).replacingFirst("2026-11-21T11:02:07.118000Z", time)
        let batch = DeliveryBatch(
            batch: Samples.batch([body, Samples.plain(1)]), events: [0, 1])
        #expect(
            Samples.failure(try sink(server), batch)
                == .partial(retry: [], reject: [.unrenderable(0)], after: nil))
    }

    // MARK: Acknowledgement

    @Test func nothingCountsBeforeItIsConfirmed() throws {
        let collector = ScriptedCollector()
        collector.setSlow(true)
        let server = try FakeHTTPServer { request, _ in collector.answer(request) }
        defer { server.stop() }
        // Also where acknowledgement is not asked for: the collector decides.
        let sink = try sink(server)
        defer { sink.close() }
        sink.deliver(Samples.delivery(2), ticket: 1)
        while collector.queryCount < 3 {
            #expect(sink.outcomes(waitingAtMost: .milliseconds(50)).isEmpty)
        }
        collector.setSlow(false)
        var found: [UInt64] = []
        for _ in 0..<20 where found.isEmpty {
            found = sink.outcomes(waitingAtMost: .seconds(1)).map(\.ticket)
        }
        #expect(found == [1])
        // Asked once and answered with true, the number is never asked for again.
        #expect(collector.takenCount == 1)
    }

    @Test func whatIsNotConfirmedInTimeIsSentAgainUnderAnotherChannel() throws {
        let collector = ScriptedCollector()
        collector.setSlow(true)
        let server = try FakeHTTPServer { request, _ in collector.answer(request) }
        defer { server.stop() }
        let sink = try sink(server, "acknowledge_timeout: 1s")
        defer { sink.close() }
        guard case .retry(_, _, .timeout)? = Samples.failure(sink, Samples.delivery(1)) else {
            Issue.record("no retry")
            return
        }
        collector.setSlow(false)
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        let channels = server.requests.filter { $0.path == Self.event }
            .compactMap { $0.headers["x-splunk-request-channel"] }
        #expect(channels.count == 2 && channels[0] != channels[1])
    }

    @Test func aTokenWithoutAcknowledgementGetsNoEvent() throws {
        let server = try FakeHTTPServer(always: .reply(400, code(14, "ACK is disabled")))
        defer { server.stop() }
        let sink = try sink(server, "")
        guard case .alarm(let reason, .place)? = Samples.failure(sink, Samples.delivery(1)) else {
            Issue.record("no alarm")
            return
        }
        #expect(reason.contains("set acknowledge: false"))
        #expect(reason.contains("ACK is disabled"))
        #expect(server.requests.map(\.path) == [Self.query])
    }

    @Test func anAnswerWithoutANumberIsNoDeliveryWhereAcknowledgementIsAskedFor() throws {
        let server = try FakeHTTPServer { request, _ in
            request.path == Self.query
                ? .reply(200, "{\"acks\":{\"0\":false}}")
                : .reply(200, Self.success)
        }
        defer { server.stop() }
        let sink = try sink(server, "")
        for _ in 0..<2 {
            guard case .alarm(_, .place)? = Samples.failure(sink, Samples.delivery(1)) else {
                Issue.record("no alarm")
                return
            }
        }
        // The collector is asked again before the second try.
        #expect(server.requests.map(\.path) == [Self.query, Self.event, Self.query, Self.event])
    }

    @Test func acknowledgementThatIsTurnedOffSendsTheBatchAgain() throws {
        let server = try FakeHTTPServer { request, _ in
            request.path == Self.query
                ? .reply(400, code(14))
                : .reply(200, code(0, "Success", ",\"ackId\":0"))
        }
        defer { server.stop() }
        guard
            case .retry(_, _, .answer)? = Samples.failure(
                try sink(server), Samples.delivery(1))
        else {
            Issue.record("no retry")
            return
        }
    }

    @Test(arguments: [(403, 4, DeliveryCode.authorization), (404, -1, .place)])
    func aQueryThatIsRefusedIsAnAlarm(status: Int, number: Int, word: DeliveryCode) throws {
        let server = try FakeHTTPServer { request, _ in
            request.path == Self.query
                ? .reply(status, number < 0 ? "no" : code(number))
                : .reply(200, code(0, "Success", ",\"ackId\":0"))
        }
        defer { server.stop() }
        guard
            case .alarm(_, let found)? = Samples.failure(
                try sink(server), Samples.delivery(1))
        else {
            Issue.record("no alarm")
            return
        }
        #expect(found == word)
    }

    @Test func aQueryThatFailsForNowIsAskedAgain() throws {
        let queries = Atomic(0)
        let server = try FakeHTTPServer { request, _ in
            guard request.path == Self.query else {
                return .reply(200, code(0, "Success", ",\"ackId\":0"))
            }
            switch queries.add(1, ordering: .relaxed).newValue {
            case 1: return .close
            case 2: return .reply(503, code(9))
            case 3: return .reply(200, "<html>")
            default: return .reply(200, "{\"acks\":{\"0\":true}}")
            }
        }
        defer { server.stop() }
        #expect(Samples.failure(try sink(server), Samples.delivery(1)) == nil)
        #expect(queries.load(ordering: .relaxed) == 4)
    }

    @Test func aConnectionThatBreaksSendsEverythingUnconfirmedAgain() throws {
        let collector = ScriptedCollector()
        collector.setSlow(true)
        let server = try FakeHTTPServer { request, _ in
            ByteSearch.first(Array("u-666".utf8), in: request.body.span, 0..<request.body.count)
                != nil ? .close : collector.answer(request)
        }
        defer { server.stop() }
        let sink = try sink(server)
        defer { sink.close() }
        sink.deliver(Samples.delivery(1), ticket: 1)
        while collector.queryCount == 0 { _ = sink.outcomes(waitingAtMost: .milliseconds(50)) }
        sink.deliver(Samples.delivery(1, first: 666), ticket: 2)
        var found: [UInt64: DeliveryCode?] = [:]
        for _ in 0..<20 where found.count < 2 {
            for (ticket, result) in sink.outcomes(waitingAtMost: .seconds(1)) {
                if case .failure(let error) = result { found[ticket] = error.code }
            }
        }
        #expect(found == [1: .answer, 2: .connection])
    }

    // MARK: Codes

    @Test(arguments: [(400, 6), (400, 12), (400, 13), (400, 15)])
    func theEventThatIsNamedIsRejectedAndTheOthersGoAgain(status: Int, number: Int) throws {
        let body = code(number, "bad", ",\"invalid-event-number\":1")
        let rejection = Rejection(index: 1, reason: "HTTP \(status): \(body)", code: .refused)
        #expect(
            try failure(.reply(status, body), 3)
                == .partial(retry: [0, 2], reject: [rejection], after: .zero))
        let only = Rejection(index: 0, reason: "HTTP \(status): \(body)", code: .refused)
        #expect(
            try failure(.reply(status, body), 1)
                == .partial(retry: [], reject: [only], after: .zero))
        for more in ["", ",\"invalid-event-number\":3", ",\"invalid-event-number\":-1"] {
            guard
                case .split(_, .refused)? = try failure(
                    .reply(status, code(number, "bad", more)), 3)
            else {
                Issue.record("an event that is not named must be looked for")
                return
            }
        }
    }

    @Test func anEventIsNamedByItsPlaceInTheRequest() throws {
        let body = code(6, "bad", ",\"invalid-event-number\":1")
        let server = try FakeHTTPServer(always: .reply(400, body))
        defer { server.stop() }
        let bodies = ["{\"broken\"", Samples.plain(1), Samples.plain(2), Samples.plain(3)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1, 2, 3])
        let refused = Rejection(index: 2, reason: "HTTP 400: \(body)", code: .refused)
        #expect(
            Samples.failure(try sink(server), batch)
                == .partial(retry: [1, 3], reject: [.unrenderable(0), refused], after: .zero))
    }

    @Test(arguments: [
        (403, 1, DeliveryCode.authorization), (401, 2, .authorization), (401, 3, .authorization),
        (403, 4, .authorization), (400, 16, .authorization), (400, 21, .authorization),
        (400, 7, .place), (400, 14, .place),
    ])
    func whatNeedsSomebodyToActIsAnAlarm(
        status: Int, number: Int, word: DeliveryCode
    ) throws {
        let body = code(number, "words", ",\"invalid-event-number\":1")
        guard case .alarm(let reason, let found)? = try failure(.reply(status, body), 3) else {
            Issue.record("no alarm")
            return
        }
        #expect(found == word)
        #expect(reason.contains("words"))
    }

    @Test(arguments: [
        (503, 9, DeliveryCode.server), (500, 8, .server), (400, 10, .answer), (400, 11, .answer),
        (400, 5, .answer), (503, 18, .server), (503, 23, .server), (429, 26, .busy),
        (400, 99, .answer), (200, 9, .busy), (200, 5, .answer),
    ])
    func whatPassesIsARetryAndNeverARejection(
        status: Int, number: Int, word: DeliveryCode
    ) throws {
        for count in [1, 3] {
            let found = try failure(
                .reply(status, code(number), headers: ["Retry-After": "12"]), count)
            guard case .retry(let after, _, let code)? = found else {
                Issue.record("\(String(describing: found))")
                return
            }
            #expect(after == .seconds(12))
            #expect(code == word)
        }
    }

    @Test func aChannelThatIsNotKnownIsReplaced() throws {
        let server = try FakeHTTPServer(always: .reply(400, code(11)))
        defer { server.stop() }
        let sink = try sink(server)
        for _ in 0..<2 { _ = Samples.failure(sink, Samples.delivery(1)) }
        let channels = server.requests.compactMap { $0.headers["x-splunk-request-channel"] }
        #expect(Set(channels).count == 2)
    }

    @Test(arguments: [
        "", "OK", "\"OK\"", "{}", "[]", "null", "<html>welcome</html>", "{\"code\":\"0\"}",
        "{\"text\":\"Success\"}", "{\"text\":\"Success\",\"code\":0",
    ])
    func anAnswerThatIsNoneOfACollectorNeverDelivers(body: String) throws {
        guard case .retry(_, _, .answer)? = try failure(.reply(200, body), 2) else {
            Issue.record("taken for an answer: \(body)")
            return
        }
    }

    @Test func whatStandsInFrontIsUnderstoodByItsStatus() throws {
        guard case .split(_, .size)? = try failure(.reply(413, "too big"), 2),
            case .partial([], _, nil)? = try failure(.reply(413, "too big"), 1),
            case .alarm(_, .place)? = try failure(.reply(404), 2),
            case .alarm(_, .authorization)? = try failure(.reply(403, "<html>"), 2),
            case .retry(_, _, .server)? = try failure(.reply(502, "<html>"), 2),
            case .retry(_, _, .busy)? = try failure(.reply(429), 2),
            case .retry(_, _, .connection)? = try failure(.close, 2)
        else {
            Issue.record("misunderstood")
            return
        }
    }

    // MARK: Probe

    private func probe(
        _ health: FakeHTTPServer.Answer, _ query: FakeHTTPServer.Answer, _ more: String = ""
    ) throws -> DeliveryError? {
        let server = try FakeHTTPServer { request, _ in
            request.method == "GET" ? health : query
        }
        defer { server.stop() }
        let sink = try sink(server, more)
        defer { sink.close() }
        let found = sink.probe()
        #expect(server.requests.allSatisfy { $0.path != Self.event })
        return found
    }

    @Test func probeAsksAboutTheTokenWithoutDelivering() throws {
        let healthy = FakeHTTPServer.Answer.reply(200, code(17, "HEC is healthy"))
        let acknowledged = FakeHTTPServer.Answer.reply(200, "{\"acks\":{\"0\":false}}")
        let disabled = FakeHTTPServer.Answer.reply(400, code(14))
        let off = "acknowledge: false"
        #expect(try probe(healthy, acknowledged) == nil)
        #expect(try probe(.reply(404), acknowledged) == nil)
        #expect(try probe(healthy, disabled, off) == nil)
        #expect(try probe(healthy, .reply(404), off) == nil)
        #expect(try probe(healthy, disabled)?.code == .place)
        #expect(try probe(healthy, .reply(404))?.code == .place)
        #expect(try probe(healthy, .reply(400, code(12)))?.code == .place)
        #expect(try probe(healthy, .reply(403, code(4)), off)?.code == .authorization)
        #expect(try probe(healthy, .reply(401, code(2)))?.code == .authorization)
        #expect(try probe(.reply(503, code(18)), acknowledged)?.code == .server)
        #expect(try probe(.close, acknowledged)?.code == .connection)
    }

    @Test func defaultsAreTheCarefulOnes() throws {
        let (read, problems) = Samples.configuration(
            "{id: a, type: splunk_hec, endpoint: 'https://h:8088', auth: {token: t}}")
        #expect(problems == [])
        let configuration = try #require(read)
        #expect(configuration.format == .canonical)
        #expect(configuration.inFlight == 16)
        let options = try #require(configuration.options as? SplunkHECOptions)
        #expect(options.acknowledges)
        #expect(options.acknowledgeTimeOut == .seconds(300))
        #expect(options.http.compression == .gzip)
        #expect(options.index == nil)
        #expect(options.source == "sealtail")
        #expect(options.sourceType == "sealtail:oauth")
    }

    @Test(arguments: [
        ("", "auth: must hold the token"), ("auth: {bearer: a}", "auth.token: must be set"),
        ("auth: {token: 'a b'}", "auth.token: must be printable ASCII"),
        ("auth: {token: a}, index: _internal", "index: must be the name of an index"),
        ("auth: {token: a}, source: ''", "source: must be 1 to"),
        ("auth: {token: a}, acknowledge: maybe", "acknowledge: must be"),
        ("auth: {token: a}, acknowledge_timeout: 2h", "acknowledge_timeout: must be"),
    ])
    func aMistakeIsNamedWithItsPlace(text: String, words: String) {
        let problems = Samples.configuration(
            "{id: a, type: splunk_hec, endpoint: 'https://h:8088', \(text)}"
        ).problems
        #expect(problems.contains { $0.contains(words) }, "\(problems)")
    }
}

/// A collector with acknowledgement that numbers from 0 and confirms each number once.
final class ScriptedCollector: Sendable {
    private struct State {
        var isSlow = false
        var next: [String: Int] = [:]
        var open: Set<String> = []
        var queries = 0
        var taken = 0
    }

    private let state = Monitor(State())

    func setSlow(_ isSlow: Bool) { state.withLock { $0.isSlow = isSlow } }

    /// How many queries came that asked about numbers.
    var queryCount: Int { state.withLock { $0.queries } }

    /// How many confirmations were given.
    var takenCount: Int { state.withLock { $0.taken } }

    func answer(_ request: FakeHTTPServer.Request) -> FakeHTTPServer.Answer {
        let channel = request.headers["x-splunk-request-channel"] ?? ""
        return state.withLock { state in
            guard request.path.hasSuffix("/ack") else {
                let number = state.next[channel, default: 0]
                state.next[channel] = number + 1
                state.open.insert("\(channel) \(number)")
                return .reply(200, "{\"text\":\"Success\",\"code\":0,\"ackId\":\(number)}")
            }
            let words = String(decoding: request.body, as: UTF8.self).split(separator: "[")
            let numbers = (words.last?.prefix { $0 != "]" } ?? "").split(separator: ",")
            state.queries += 1
            let rows = numbers.map { number in
                let isDone = !state.isSlow && state.open.remove("\(channel) \(number)") != nil
                if isDone { state.taken += 1 }
                return "\"\(number)\":\(isDone)"
            }
            return .reply(200, "{\"acks\":{\(rows.joined(separator: ","))}}")
        }
    }
}
