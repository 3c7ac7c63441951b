// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct HTTPSinkTests {
    private func sink(_ server: FakeHTTPServer, _ more: String = "") throws -> any Sink {
        try Samples.sink(
            "{id: hook, type: http, endpoint: '\(server.endpoint)', \(more)}")
    }

    private func failure(_ answer: FakeHTTPServer.Answer, _ count: Int) throws -> DeliveryError? {
        try Samples.failure(answer, count) { try sink($0) }
    }

    @Test func anArrayHasTheLinesAsItsElements() throws {
        let server = try FakeHTTPServer(always: .reply(200, "<html>thanks</html>"))
        defer { server.stop() }
        let batch = Samples.delivery(3)
        #expect(Samples.failure(try sink(server, "body: json_array"), batch) == nil)
        let lines = String(decoding: Samples.lines(batch, .canonical), as: UTF8.self)
        let request = try #require(server.requests.first)
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == "[" + lines.split(separator: "\n").joined(separator: ",") + "]")
        #expect(request.headers["content-type"] == "application/json")
    }

    @Test func theRequestSaysWhatIsConfigured() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let sink = try sink(
            server,
            "path: '/in?token=a%20b', method: PUT, auth: {bearer: abc}, compression: gzip, "
                + "headers: {X-Api-Key: s3cret, X-From: '{sink} of {agent}', X-Odd: '{ {A} {'}")
        defer { sink.close() }
        #expect(Samples.failure(sink, Samples.delivery(2)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.method == "PUT")
        #expect(request.path == "/in?token=a%20b")
        #expect(request.headers["authorization"] == "Bearer abc")
        #expect(request.headers["content-encoding"] == "gzip")
        #expect(request.headers["content-type"] == "application/x-ndjson")
        #expect(request.headers["x-api-key"] == "s3cret")
        #expect(request.headers["x-from"] == "hook of idp1.example.com")
        #expect(request.headers["x-odd"] == "{ {A} {")
        #expect(Array(request.body.prefix(2)) == [0x1F, 0x8B])
    }

    @Test func withoutMoreTheRequestIsPlain() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let sink = try sink(server, "headers: {Content-Type: application/json; charset=utf-8}")
        defer { sink.close() }
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == "/")
        #expect(request.headers["content-encoding"] == nil)
        #expect(request.headers["content-type"] == "application/json; charset=utf-8")
    }

    @Test func aRepeatHasTheSameBatchIDAndNothingElseHas() throws {
        let server = try FakeHTTPServer { _, number in .reply(number == 0 ? 503 : 200) }
        defer { server.stop() }
        let sink = try sink(server, "headers: {Idempotency-Key: '{batch_id}'}")
        defer { sink.close() }
        let batch = Samples.delivery(5)
        let others = [
            batch, batch.selecting([0, 1, 2, 3]), batch.selecting([0, 2, 4]),
            batch.selecting([0, 1, 4]), Samples.delivery(5, first: 1),
        ]
        #expect(Samples.failure(sink, batch)?.code == .server)
        for other in others { #expect(Samples.failure(sink, other) == nil) }
        let keys = server.requests.compactMap { $0.headers["idempotency-key"] }
        #expect(keys.count == 6)
        #expect(keys[0] == keys[1])
        #expect(Set(keys).count == 5)
        #expect(keys.allSatisfy { $0.utf8.count == 32 })
    }

    @Test(arguments: [400, 409, 422, 499])
    func aRequestThatIsRefusedIsSplitUntilTheEventIsFound(status: Int) throws {
        guard case .split? = try failure(.reply(status, "no"), 2) else {
            Issue.record("\(status) was no reason to split")
            return
        }
        let rejection = Rejection(index: 0, reason: "HTTP \(status): no", code: .refused)
        #expect(
            try failure(.reply(status, "no"), 1)
                == .partial(retry: [], reject: [rejection], after: nil))
    }

    @Test(arguments: [
        (301, DeliveryCode.place), (401, .authorization), (403, .authorization), (404, .place),
        (405, .place), (415, .place), (402, .authorization), (412, .place), (414, .place),
        (417, .place), (428, .place), (431, .place), (451, .place), (511, .authorization),
    ])
    func whatNeedsSomebodyIsAnAlarmAndNeverADeadLetter(status: Int, code: DeliveryCode) throws {
        guard case .alarm(_, code)? = try failure(.reply(status), 1) else {
            Issue.record("\(status) was no alarm")
            return
        }
    }

    @Test(arguments: [
        "<center>No required SSL certificate was sent</center>",
        "<center>The SSL certificate error</center>",
        "<center>The plain HTTP request was sent to HTTPS port</center>",
    ])
    func aRefusalThatIsAboutTLSIsAnAlarm(words: String) throws {
        guard case .alarm(_, .tls)? = try failure(.reply(400, "<html>\(words)</html>"), 1) else {
            Issue.record("an event was blamed for a certificate")
            return
        }
    }

    @Test func whatPassesIsTriedAgain() throws {
        for status in [408, 423, 425, 429, 500, 502, 503] {
            guard
                case .retry(.seconds(3), _, _)? = try failure(
                    .reply(status, headers: ["Retry-After": "3"]), 2)
            else {
                Issue.record("\(status) was no reason to try again")
                continue
            }
        }
        #expect(try failure(.reply(413), 2)?.code == .size)
        #expect(try failure(.close, 2)?.code == .connection)
    }

    @Test func aRefusalOfTheOnlyEventThatCouldBeRenderedIsThatEvents() throws {
        let server = try FakeHTTPServer(always: .reply(400, "no"))
        defer { server.stop() }
        let sink = try sink(server, "format: ecs")
        defer { sink.close() }
        let bodies = ["{\"broken\"", Samples.plain(1)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1])
        let refused = Rejection(index: 1, reason: "HTTP 400: no", code: .refused)
        #expect(
            Samples.failure(sink, batch)
                == .partial(retry: [], reject: [.unrenderable(0), refused], after: nil))
    }

    @Test func probeFindsOnlyWhatSpeaksOfTheWayOrOfCredentials() throws {
        for (status, code) in [
            (200, nil), (405, nil), (404, nil), (403, nil), (401, DeliveryCode.authorization),
            (503, .server),
        ] {
            let server = try FakeHTTPServer(always: .reply(status))
            defer { server.stop() }
            let sink = try sink(server, "path: /in")
            defer { sink.close() }
            #expect(sink.probe()?.code == code)
            #expect(server.requests.map(\.method) == ["HEAD"])
        }
    }

    @Test(arguments: [
        ("path: in", "path: must look like /path?query"),
        ("path: '/a b'", "path: must look like"), ("path: '/a#b'", "path: must look like"),
        ("method: GET", "method: must be"), ("body: xml", "body: must be"),
        ("headers: [a]", "headers: must be a mapping"), ("headers: {'A B': c}", "name of a header"),
        ("headers: {A: \"s3cret\\nB: c\"}", "without line breaks"),
        ("headers: {A: ''}", "must be a text"), ("headers: {Host: a}", "the agent writes itself"),
        ("headers: {A: 's3cret{event}'}", "none of {agent}, {batch_id}, {sink}"),
        ("headers: {A: b, a: c}", "must name each header once"),
        ("headers: {Authorization: s3cret}, auth: {bearer: b}", "write one of them"),
    ])
    func aMistakeIsNamedWithoutAValue(more: String, words: String) {
        let (_, problems) = Samples.configuration(
            "{id: hook, type: http, endpoint: 'http://127.0.0.1:1', \(more)}")
        #expect(problems.contains { $0.contains(words) }, "\(problems)")
        #expect(!problems.joined().contains("s3cret"))
    }
}
