// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What servers answer that no standard foresees, or that one does and few know.
@Suite struct HTTPOddAnswerTests {
    /// Sends its answer when the head of a request has come, and reads no more.
    private func hasty(_ answer: String, closes: Bool = false) throws -> LoopbackListener {
        let listener = try LoopbackListener()
        try listener.open { connection, _ in
            var piece = [UInt8](repeating: 0, count: 1 << 10)
            guard recv(connection, &piece, piece.count, 0) > 0 else { return }
            let bytes = Array(answer.utf8)
            send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            var end = pollfd(fd: connection, events: 0, revents: 0)
            if !closes { poll(&end, 1, 20_000) }
        }
        return listener
    }

    private func client(_ endpoint: String, _ more: String = "") throws -> HTTPClient {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: http, endpoint: '\(endpoint)', \(more)}")
        #expect(problems == [])
        let options = try #require(read?.options as? HTTPSinkOptions)
        return try HTTPClient(sink: "siem", options.http, headers: [], inFlight: 1)
    }

    private func answer(
        _ answer: String, closes: Bool = false, byteCount: Int = 32 << 20
    ) throws -> Result<HTTPAnswer, DeliveryError> {
        let listener = try hasty(answer, closes: closes)
        defer { listener.leave() }
        let client = try client("http://127.0.0.1:\(listener.port)")
        defer { client.close() }
        client.post(
            "/", [UInt8](repeating: 0x61, count: byteCount).span, eventCount: 9, ticket: 1)
        return client.answer(to: 1)
    }

    /// curl takes it for the end of the exchange and leaves the rest of the body unsent.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    ])
    func aSuccessBeforeTheWholeRequestWasSentIsNone(text: String) throws {
        guard case .failure(.retry) = try answer(text) else {
            Issue.record("half a request was taken for delivered")
            return
        }
    }

    @Test func aRefusalBeforeTheWholeRequestWasSentCounts() throws {
        let found = try answer(
            "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        #expect(try found.get().status == 413)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Len",
        "HTTP/1.1 200 OK\r\n", "200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "",
    ])
    func anAnswerThatIsCutIsNone(text: String) throws {
        let found = try answer(text, closes: true, byteCount: 10)
        if case .success(let answer) = found {
            #expect(answer.refusal(eventCount: 1) != nil, "\(answer)")
        }
    }

    @Test func hintsBeforeTheAnswerAreNotTheAnswer() throws {
        let found = try answer(
            "HTTP/1.1 103 Early Hints\r\nRetry-After: 7\r\nETag: \"1\"\r\n\r\n"
                + "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", byteCount: 10
        ).get()
        #expect(found.status == 503)
        #expect(found.retryAfter == nil)
    }

    @Test func aDelayThatWasAskedForOnceIsNotTakenForTheNextAnswers() throws {
        let server = try FakeHTTPServer { _, number in
            number == 0 ? .reply(429, headers: ["Retry-After": "1800"]) : .reply(503)
        }
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        for delay in [Duration.seconds(1800), nil] {
            client.get("/", ticket: 1)
            #expect(try client.answer(to: 1).get().retryAfter == delay)
        }
    }

    /// The moment is one of the server's clock, which may not be ours.
    @Test func aDateIsCountedFromTheServersOwn() throws {
        let server = try FakeHTTPServer(
            always: .reply(
                503,
                headers: [
                    "Date": "Fri, 31 Dec 2100 23:59:00 GMT",
                    "Retry-After": "Fri, 31 Dec 2100 23:59:20 GMT",
                ]))
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        client.get("/", ticket: 1)
        #expect(try client.answer(to: 1).get().retryAfter == .seconds(20))
    }

    @Test(arguments: ["/a/../b", "/./a", "/a//b/..", "/a/%2e%2e/b?c=/../d"])
    func aPathIsSentAsItIs(path: String) throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let client = try client(server.endpoint)
        defer { client.close() }
        client.get(path, ticket: 1)
        _ = try client.answer(to: 1).get()
        #expect(server.requests.first?.path == path)
    }
}
