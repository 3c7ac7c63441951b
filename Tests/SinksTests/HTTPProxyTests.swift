// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What a proxy gets to see.
@Suite struct HTTPProxyTests {
    private func outcome(
        _ proxy: String, endpoint: String, auth: String = "auth: {bearer: for-the-receiver}"
    ) throws -> Result<HTTPAnswer, DeliveryError>? {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: '\(endpoint)', \(auth), proxy: \(proxy)}")
        #expect(problems == [])
        let options = try #require(read?.options as? ElasticsearchOptions)
        let client = try HTTPClient(sink: "siem", options.http, headers: [], inFlight: 1)
        defer { client.close() }
        client.get("/path", ticket: 1)
        return client.answer(to: 1)
    }

    @Test func aPlainRequestNamesTheWholeAddress() throws {
        let proxy = try FakeHTTPServer(always: .reply(200, "through"))
        defer { proxy.stop() }
        let result = try outcome(proxy.endpoint, endpoint: "http://receiver.example.org:9200")
        #expect(try result?.get().body == Array("through".utf8))
        let seen = try #require(proxy.requests.first)
        #expect(seen.path == "http://receiver.example.org:9200/path")
        #expect(seen.headers["proxy-authorization"] == nil)
    }

    @Test func aTunnelIsAskedForWithTheProxysOwnCredentialsOnly() throws {
        let proxy = try FakeHTTPServer(always: .reply(407))
        defer { proxy.stop() }
        let login = "basic: {username: Aladdin, password: 'open sesame'}"
        let result = try outcome(
            "{endpoint: '\(proxy.endpoint)', \(login)}", endpoint: "https://receiver.example.org")
        let seen = try #require(proxy.requests.first)
        #expect(seen.method == "CONNECT")
        #expect(seen.path == "receiver.example.org:443")
        #expect(seen.headers["proxy-authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        #expect(seen.headers["authorization"] == nil)
        guard case .failure(.alarm(let reason, .authorization))? = result else {
            Issue.record("a proxy that refuses is no alarm: \(String(describing: result))")
            return
        }
        #expect(reason.contains("proxy"))
        #expect(!reason.contains("sesame"))
    }

    @Test func aProxyThatCannotReachTheReceiverIsTriedAgain() throws {
        let proxy = try FakeHTTPServer(always: .reply(502))
        defer { proxy.stop() }
        let result = try outcome(proxy.endpoint, endpoint: "https://receiver.example.org")
        guard case .failure(.retry(nil, _, .connection))? = result else {
            Issue.record("\(String(describing: result))")
            return
        }
    }

    @Test func loopbackIsReachedDirectly() throws {
        let proxy = try FakeHTTPServer(always: .reply(200, "through"))
        defer { proxy.stop() }
        let server = try FakeHTTPServer(always: .reply(200, "direct"))
        defer { server.stop() }
        for host in ["127.0.0.1", "localhost"] {
            let result = try outcome(proxy.endpoint, endpoint: "http://\(host):\(server.port)")
            #expect(try result?.get().body == Array("direct".utf8))
        }
        #expect(proxy.requests.isEmpty)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.9.9.9", true), ("localhost", true), ("a.localhost", true),
        ("[::1]", true), ("127.example.org", false), ("localhost.example.org", false),
        ("192.0.2.1", false), ("[2001:db8::1]", false),
    ])
    func loopbackIsKnownByItsNames(host: String, isLoopback: Bool) {
        #expect(Endpoint(text: "http://\(host):1")?.isLoopback == isLoopback)
    }

    @Test(arguments: [
        "ftp://proxy.example.org", "https://proxy.example.org", "proxy.example.org:3128",
        "http://user:pass@proxy.example.org", "http://proxy.example.org/path", "[]",
        "{endpoint: 'http://proxy.example.org:3128', basic: {username: 'a:b', password: c}}",
        "{endpoint: 'http://proxy.example.org:3128', basic: {username: a}}", "{}",
    ])
    func aProxyThatIsNoneIsAMistake(proxy: String) {
        let (_, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: 'http://127.0.0.1:1', proxy: \(proxy)}")
        #expect(problems.count == 1, "\(problems)")
        #expect(!problems.joined().contains("user:pass"))
    }
}
