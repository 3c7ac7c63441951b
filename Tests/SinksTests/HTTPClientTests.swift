// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What a request looks like on the wire, whatever sink makes it.
@Suite struct HTTPClientTests {
    private func client(
        _ endpoint: String, _ more: String = "", headers: [String] = [],
        secretHeaders: [HTTPRequest.SecretHeader] = []
    ) throws -> HTTPClient {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: '\(endpoint)', \(more)}")
        #expect(problems == [])
        let options = try #require(read?.options as? ElasticsearchOptions)
        return try HTTPClient(
            sink: "siem", options.http, headers: headers, secretHeaders: secretHeaders,
            inFlight: 1)
    }

    @Test func aRequestSaysItsMethodPathLinesAndBody() throws {
        let server = try FakeHTTPServer(always: .reply(200, "yes"))
        defer { server.stop() }
        let client = try client(server.endpoint + "/base", "auth: {bearer: abc}", headers: ["A: 1"])
        defer { client.close() }
        for method in [HTTPRequest.Method.put, .get, .post, .delete, .put, .post] {
            var request = HTTPRequest(method, "/\(method.rawValue)?x=%20")
            let body = Array("body of \(method.rawValue)".utf8)
            if method == .put || method == .post {
                request.headers = ["Content-Type: text/plain"]
                client.start(request, body.span, ticket: 1)
            } else {
                client.start(request, ticket: 1)
            }
            #expect(try client.answer(to: 1).get().body == Array("yes".utf8))
            let seen = try #require(server.requests.last)
            #expect(seen.method == method.rawValue)
            #expect(seen.path == "/base/\(method.rawValue)?x=%20")
            #expect(seen.headers["a"] == "1")
            #expect(seen.headers["authorization"] == "Bearer abc")
            #expect(seen.headers["expect"] == nil)
            let hasBody = method == .put || method == .post
            #expect(seen.headers["content-type"] == (hasBody ? "text/plain" : nil))
            #expect(seen.body == (hasBody ? body : []))
        }
        #expect(server.connectionCount == 1)
    }

    @Test(arguments: [10, 3 << 20])
    func whatIsSentOnceIsNotRepeatedBehindItsBack(byteCount: Int) throws {
        for isSentOnce in [false, true] {
            // The second request of a kept connection is read, and never answered.
            let server = try FakeHTTPServer { _, number in number == 1 ? .close : .reply(200) }
            defer { server.stop() }
            let client = try client(server.endpoint)
            defer { client.close() }
            let body = [UInt8](repeating: 0x61, count: byteCount)
            var request = HTTPRequest(.post, "/")
            request.isSentOnce = isSentOnce
            client.start(request, body.span, ticket: 1)
            _ = try client.answer(to: 1).get()
            client.start(request, body.span, ticket: 1)
            if isSentOnce {
                #expect(throws: DeliveryError.self) { try client.answer(to: 1).get() }
            } else {
                _ = try client.answer(to: 1).get()
            }
            #expect(server.requests.count == (isSentOnce ? 2 : 3))
            #expect(server.requests.allSatisfy { $0.body == body })
            client.start(HTTPRequest(.post, "/"), body.span, ticket: 1)
            _ = try client.answer(to: 1).get()
            #expect(server.requests.last?.body == body)
        }
    }

    /// A receiver that starts anew breaks handshakes; nobody has to act, and it is back at once.
    @Test(arguments: [true, false])
    func aConnectionThatEndsWithinTheHandshakeIsTriedAgainSoon(isReset: Bool) throws {
        let server = try FakeStreamServer { _ in isReset ? .reset(after: 1) : .close(after: 1) }
        defer { server.stop() }
        let client = try client("https://127.0.0.1:\(server.port)")
        defer { client.close() }
        client.get("/", ticket: 1)
        guard case .failure(.retry(nil, let reason, .connection)) = client.answer(to: 1) else {
            Issue.record("no retry")
            return
        }
        #expect(reason.contains("127.0.0.1:\(server.port)"))
    }

    @Test func aPostWithoutABodySaysThatItHasNone() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        for method in [HTTPRequest.Method.post, .put] {
            client.start(HTTPRequest(method, "/"), ticket: 1)
            _ = try client.answer(to: 1).get()
            #expect(server.requests.last?.method == method.rawValue)
            #expect(server.requests.last?.headers["content-length"] == "0")
            #expect(server.requests.last?.headers["content-type"] == nil)
        }
    }

    @Test func aLineOfTheRequestTakesThePlaceOfTheClients() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let client = try client(
            server.endpoint, "auth: {api_key: abc}", headers: ["A: 1", "B: 2"],
            secretHeaders: [.init(name: "C", value: Secret(Array("3".utf8)))])
        defer { client.close() }
        var request = HTTPRequest(.get, "/")
        request.headers = ["b: own", "D: first\r\nE: smuggled"]
        request.secretHeaders = [
            .init(name: "Authorization", value: Secret(Array("own too".utf8)))
        ]
        client.start(request, ticket: 1)
        _ = try client.answer(to: 1).get()
        client.get("/", ticket: 1)
        _ = try client.answer(to: 1).get()
        let (first, second) = (server.requests[0].headers, server.requests[1].headers)
        #expect(first["a"] == "1" && first["b"] == "own" && first["c"] == "3")
        #expect(first["authorization"] == "own too")
        #expect(first["d"] == "first  E: smuggled" && first["e"] == nil)
        #expect(second["b"] == "2" && second["c"] == "3" && second["d"] == nil)
        #expect(second["authorization"] == "ApiKey abc")
    }

    @Test func anotherOriginGetsNothingThatIsMeantForTheEndpoint() throws {
        let server = try FakeHTTPServer(always: .reply(200, "endpoint"))
        defer { server.stop() }
        let other = try FakeHTTPServer(always: .reply(200, "other"))
        defer { other.stop() }
        let client = try client(server.endpoint, "auth: {bearer: abc}", headers: ["A: 1"])
        defer { client.close() }
        var request = HTTPRequest(.put, "/latest/api/token")
        request.headers = ["X-Ttl: 60"]
        request.origin = Endpoint(text: other.endpoint)
        client.start(request, ticket: 1)
        #expect(try client.answer(to: 1).get().body == Array("other".utf8))
        client.get("/", ticket: 1)
        #expect(try client.answer(to: 1).get().body == Array("endpoint".utf8))
        let seen = try #require(other.requests.first)
        #expect(seen.method == "PUT" && seen.path == "/latest/api/token")
        #expect(seen.headers["x-ttl"] == "60")
        #expect(seen.headers["a"] == nil && seen.headers["authorization"] == nil)
        #expect(server.requests.first?.headers["a"] == "1")
    }

    @Test func linesOfTheAnswerAreGivenBackWhenTheyAreAskedFor() throws {
        let long = String(repeating: "x", count: HTTPLimit.headerByteCount + 10)
        let server = try FakeHTTPServer(
            always: .reply(200, headers: ["ETag": "\"1\"", "X-Long": long, "X-Other": "no"]))
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        var request = HTTPRequest(.get, "/")
        request.answerHeaders = ["etag", "X-Long", "X-Missing"]
        client.start(request, ticket: 1)
        let headers = try client.answer(to: 1).get().headers
        #expect(Set(headers.keys) == ["etag", "X-Long"])
        #expect(headers["etag"] == "\"1\"")
        #expect(headers["X-Long"]?.utf8.count == HTTPLimit.headerByteCount)
        client.get("/", ticket: 1)
        #expect(try client.answer(to: 1).get().headers == [:])
    }

    @Test(arguments: [
        ("7", Duration.seconds(7)), ("Fri, 31 Dec 2199 23:59:59 GMT", HTTPLimit.retryAfter),
        ("99999999", HTTPLimit.retryAfter), ("0", nil), ("Sat, 01 Jan 2000 00:00:00 GMT", nil),
        ("soon", nil), ("-1", nil),
    ])
    func theDelayTheServerAsksForIsSecondsOrADate(text: String, delay: Duration?) throws {
        let server = try FakeHTTPServer(always: .reply(429, headers: ["Retry-After": text]))
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        client.get("/", ticket: 1)
        #expect(try client.answer(to: 1).get().retryAfter == delay)
    }

    @Test func aRequestMayHaveATimeLimitOfItsOwn() throws {
        let server = try FakeHTTPServer(always: .silence)
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        var request = HTTPRequest(.get, "/")
        request.timeLimit = .milliseconds(50)
        client.start(request, ticket: 1)
        guard case .failure(.retry(nil, _, .timeout)) = client.answer(to: 1) else {
            Issue.record("there was an answer")
            return
        }
    }

    @Test func headIsToldOfMoreThanAnAnswerMayHave() throws {
        let server = try FakeHTTPServer(
            always: .reply(200, headers: [:], [UInt8](repeating: 0x20, count: 1 << 20)))
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        client.start(HTTPRequest(.head, "/"), ticket: 1)
        #expect(try client.answer(to: 1).get().status == 200)
        #expect(server.requests.first?.method == "HEAD")
    }
}
