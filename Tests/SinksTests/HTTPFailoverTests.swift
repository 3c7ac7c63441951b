// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// Several endpoints, as the client sees them.
@Suite struct HTTPFailoverTests {
    private func client(_ endpoints: [String], _ more: String = "") throws -> HTTPClient {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: [\(endpoints.joined(separator: ", "))], "
                + "\(more)}")
        #expect(problems == [])
        let options = try #require(read?.options as? ElasticsearchOptions)
        return try HTTPClient(sink: "siem", options.http, headers: [], inFlight: 1)
    }

    private func ask(
        _ client: HTTPClient, _ request: HTTPRequest = HTTPRequest(.get, "/")
    ) throws -> Result<HTTPAnswer, DeliveryError> {
        client.start(request, ticket: 1)
        return client.answer(to: 1)
    }

    @Test func requestsGoOnWithTheNextWhenOneIsGone() throws {
        let gone = try FakeHTTPServer(always: .reply(200))
        gone.stop()
        let server = try FakeHTTPServer(always: .reply(200, "here"))
        defer { server.stop() }
        let client = try client([gone.endpoint, server.endpoint])
        defer { client.close() }
        guard case .failure(.retry(nil, let reason, .connection)) = try ask(client) else {
            Issue.record("nobody listened")
            return
        }
        #expect(reason.contains("127.0.0.1:\(gone.port)"))
        for _ in 0..<3 {
            let answer = try ask(client).get()
            #expect(answer.body == Array("here".utf8))
            #expect(answer.endpointIndex == 1)
        }
    }

    @Test(arguments: [500, 502, 503, 504])
    func aFaultOfTheServerGoesOnWithTheNextAtOnce(status: Int) throws {
        let ill = try FakeHTTPServer(always: .reply(status, headers: ["Retry-After": "30"]))
        defer { ill.stop() }
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let client = try client([ill.endpoint, server.endpoint])
        defer { client.close() }
        let answer = try ask(client).get()
        #expect(answer.status == status)
        #expect(answer.retryAfter == nil)
        #expect(try ask(client).get().status == 200)
        #expect(ill.requests.count == 1)
    }

    @Test func whenAllAreIllTheirPatienceCounts() throws {
        let servers = try (0..<2).map { _ in
            try FakeHTTPServer(always: .reply(503, headers: ["Retry-After": "30"]))
        }
        defer { for server in servers { server.stop() } }
        let client = try client(servers.map(\.endpoint))
        defer { client.close() }
        _ = try ask(client)
        #expect(try ask(client).get().retryAfter == .seconds(30))
        #expect(servers.map(\.requests.count) == [1, 1])
    }

    @Test(arguments: [200, 401, 404, 413, 429])
    func anAnswerOfAnyOtherKindStaysWithTheFirst(status: Int) throws {
        let server = try FakeHTTPServer(always: .reply(status))
        defer { server.stop() }
        let other = try FakeHTTPServer(always: .reply(200))
        defer { other.stop() }
        let client = try client([server.endpoint, other.endpoint])
        defer { client.close() }
        for _ in 0..<3 { _ = try ask(client) }
        #expect(server.requests.count == 3)
        #expect(other.requests.isEmpty)
    }

    @Test func aRequestForOneOfThemGoesThere() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let other = try FakeHTTPServer(always: .reply(200, "second"))
        defer { other.stop() }
        let client = try client([server.endpoint, other.endpoint])
        defer { client.close() }
        var request = HTTPRequest(.get, "/ack")
        request.endpointIndex = 1
        #expect(try ask(client, request).get().body == Array("second".utf8))
        #expect(try ask(client).get().endpointIndex == 0)
    }
}
