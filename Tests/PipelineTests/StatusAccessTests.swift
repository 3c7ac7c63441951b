// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Pipeline

struct StatusAccessTests {
    private let token = Secret(Array("0123456789abcdef".utf8))

    private func status(
        _ access: StatusAccess, host: String? = "localhost:9464", authorization: String? = nil,
        hasCertificate: Bool = false
    ) -> Int {
        var head = HTTPServer.Head(method: "GET", path: "/", fields: [:])
        head.fields["host"] = host
        head.fields["authorization"] = authorization
        head.hasClientCertificate = hasCertificate
        return access.refusal(head)?.status ?? 200
    }

    @Test(arguments: [
        "localhost", "LOCALHOST:9464", "127.0.0.1:9464", "127.1.2.3", "[::1]:9464", "[::1]",
        "status.example.com:80", "Status.Example.Com",
    ])
    func aBrowserOfThisMachineIsLetIn(host: String) {
        let access = StatusAccess(isLoopback: true, hosts: ["status.example.com"])
        #expect(status(access, host: host) == 200)
    }

    @Test(arguments: [
        "attacker.example.com", "attacker.example.com:9464", "127.0.0.1.example.com", "192.0.2.1",
        "localhost.example.com", "[2001:db8::1]:9464", "", "127.0.0.1@example.com",
        "xstatus.example.com",
    ])
    func anotherNameThatLeadsToLoopbackIsNot(host: String) {
        let access = StatusAccess(isLoopback: true, hosts: ["status.example.com"])
        #expect(status(access, host: host) == 403)
    }

    @Test func aProgramWithoutHostIsLetIn() {
        #expect(status(StatusAccess(isLoopback: true), host: nil) == 200)
    }

    @Test func elsewhereNothingIsShownWithoutATokenOrACertificate() throws {
        let access = StatusAccess(isLoopback: false)
        #expect(status(access) == 403)
        #expect(status(access, authorization: "Bearer ") == 403)
        #expect(status(access, hasCertificate: true) == 200)
        let head = HTTPServer.Head(method: "GET", path: "/", fields: [:])
        let body = try #require(access.refusal(head)?.body)
        #expect(String(decoding: body, as: UTF8.self).contains("agent.status.token"))
    }

    @Test(arguments: [true, false])
    func aTokenThatIsSetIsAskedForEverywhere(isLoopback: Bool) {
        let access = StatusAccess(isLoopback: isLoopback, token: token)
        let basic = Base64.encode(Array("operator:0123456789abcdef".utf8))
        let nobody = Base64.encode(Array(":0123456789abcdef".utf8))
        for good in [
            "Bearer 0123456789abcdef", "bearer  0123456789abcdef", "Basic \(basic)",
            "BASIC \(nobody)",
        ] {
            #expect(status(access, authorization: good) == 200, "\(good)")
            // The token is enough, under whatever name the agent was reached.
            #expect(status(access, host: "idp1.example.com", authorization: good) == 200)
        }
        let other = Base64.encode(Array("operator:0123456789abcdeg".utf8))
        let bare = Base64.encode(Array("0123456789abcdef".utf8))
        for bad in [
            nil, "", "Bearer", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
            "0123456789abcdef", "Basic \(other)", "Basic \(bare)", "Basic !", "Digest x",
        ] {
            #expect(status(access, authorization: bad) == 401, "\(bad ?? "nothing")")
        }
    }

    @Test func theQuestionForTheTokenIsOneThatBrowsersKnow() {
        let fields = StatusAccess.unauthorized.fields
        #expect(fields.contains("WWW-Authenticate"))
        #expect(fields.contains { $0.hasPrefix("Basic realm=\"") })
    }
}

struct StatusConfigurationTests {
    private func problems(_ status: String) -> [String] {
        let problems = ConfigurationProblems()
        let text = """
            agent: {status: \(status)}
            inputs: [{id: idp, type: file, paths: [/tmp/x.log], parser: keycloak}]
            sinks: [{id: out, type: file, path: /tmp/y}]
            """
        guard
            let node = ConfigurationLoader.parse(
                Array(text.utf8), file: "agent.yaml", problems: problems)
        else { return ["no YAML"] }
        _ = AgentConfiguration(reading: node, hostName: "host", problems: problems)
        return problems.list.map(\.description)
    }

    @Test func whatIsGoodIsTaken() {
        #expect(
            problems(
                "{token: 0123456789abcdef, hosts: [a.example.com], tls: {cert_file: /a, "
                    + "key_file: /b, client_ca_file: /c}}"
            ).isEmpty)
    }

    @Test(arguments: [
        ("{token: secret}", "agent.status.token"),
        ("{hosts: ['http://a.example.com']}", "agent.status.hosts"),
        ("{hosts: ['a.example.com:80']}", "agent.status.hosts"),
        ("{tls: {cert_file: /a}}", "agent.status.tls.key_file"),
        ("{tls: {cert_file: a, key_file: /b}}", "agent.status.tls.cert_file"),
        ("{tokens: x}", "agent.status.tokens"),
    ])
    func whatIsNotIsSaidWithItsPlace(status: String, place: String) {
        let found = problems(status)
        #expect(found.count == 1 && found[0].contains(place), "\(found)")
        #expect(!found.joined().contains("secret"))
    }
}
