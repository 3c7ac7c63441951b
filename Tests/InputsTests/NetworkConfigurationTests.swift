// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Inputs

struct NetworkConfigurationTests {
    private func read(_ block: String) -> (InputConfiguration?, [String]) {
        let problems = ConfigurationProblems()
        let text = "inputs: [{id: a, parser: p, \(block)}]"
        guard
            let node = ConfigurationLoader.parse(
                Array(text.utf8), file: "agent.yaml", problems: problems)
        else { return (nil, problems.list.map(\.description)) }
        var reader = ConfigurationReader(node, problems)
        let list = InputConfiguration.list(reading: &reader)
        return (list.first, problems.list.map(\.description))
    }

    @Test func aJournalWithEverything() throws {
        let (input, problems) = read(
            "type: journal, directory: /host/journal, units: [keycloak, a.scope], start_at: end, "
                + "identifiers: [idp], matches: [_TRANSPORT=stdout, _TRANSPORT=syslog, X=a=b]")
        #expect(problems == [])
        let journal = try #require(input?.journal)
        #expect(journal.source == .folder("/host/journal"))
        #expect(input?.startAt == .end)
        #expect(
            journal.wanted.map(\.field) == [
                "SYSLOG_IDENTIFIER", "X", "_SYSTEMD_UNIT", "_TRANSPORT",
            ])
        #expect(
            journal.wanted.map(\.values)
                == [["idp"], ["a=b"], ["keycloak.service", "a.scope"], ["stdout", "syslog"]])
        let (plain, none) = read("type: journal")
        #expect(none == [] && plain?.journal == JournalConfiguration())
    }

    @Test func syslogWithEverything() throws {
        let (input, problems) = read(
            "type: syslog, transport: tls, listen: '[::]:6514', max_connections: 8, "
                + "idle_timeout: 5m, "
                + "tls: {cert_file: /c.pem, key_file: /k.pem, client_ca_file: /ca.pem}")
        #expect(problems == [])
        let syslog = try #require(input?.syslog)
        #expect(syslog.transport == .tls)
        #expect(syslog.connectionLimit == 8)
        #expect(syslog.idleLimit == .seconds(300))
        #expect(
            syslog.listener
                == ListenerConfiguration(
                    address: try #require(ListenAddress("[::]:6514")),
                    tls: .init(certificate: "/c.pem", key: "/k.pem", clientAuthorities: "/ca.pem")))
    }

    @Test func httpWithEverything() throws {
        let (input, problems) = read(
            "type: http, listen: '0.0.0.0:8443', path: /hooks, auth: {header: X-Token, token: t}, "
                + "max_body_bytes: 1MiB, max_records: 5, max_connections: 9, idle_timeout: 2s, "
                + "tls: {cert_file: /c.pem, key_file: /k.pem}")
        #expect(problems == [])
        let http = try #require(input?.http)
        #expect(http.path == "/hooks")
        #expect(http.authentication == .header(name: "x-token", Secret(Array("t".utf8))))
        #expect(http.bodyByteLimit == 1 << 20)
        #expect(http.recordLimit == 5)
        #expect(http.connectionLimit == 9)
        #expect(http.idleLimit == .seconds(2))
        #expect(http.listener?.tls?.certificate == "/c.pem")
        let (local, none) = read("type: http, listen: '127.0.0.1:8088'")
        #expect(
            none == [] && local?.http.authentication == HTTPInputConfiguration.Authentication.none)
    }

    @Test(arguments: [
        ("type: journal, paths: [/x]", "paths: has no meaning for type journal"),
        ("type: journal, directory: log", "directory: must be an absolute path"),
        ("type: journal, directory: /a, files: [/b]", "files: cannot go with directory"),
        ("type: journal, files: [b]", "files[0]: must be an absolute path"),
        ("type: journal, matches: [transport=x]", "matches[0]: must be a field and a value"),
        ("type: journal, matches: [X]", "matches[0]: must be a field and a value"),
        ("type: journal, units: ['']", "units[0]: must be 1 to"),
        ("type: journal, unit: a", "did you mean \"units\"?"),
        ("type: syslog, listen: '127.0.0.1:1514'", "transport: must be set to udp, tcp or tls"),
        ("type: syslog, transport: udp", "listen: must be set to an address and a port"),
        ("type: syslog, transport: tcp, listen: localhost:514", "listen: must be a numeric"),
        ("type: syslog, transport: tcp, listen: '127.0.0.1:0'", "listen: must be a numeric"),
        ("type: syslog, transport: tls, listen: '127.0.0.1:6514'", "tls: must be set"),
        (
            "type: syslog, transport: tcp, listen: '[::1]:14', tls: {cert_file: /c, key_file: /k}",
            "tls: needs transport: tls"
        ),
        (
            "type: syslog, transport: tls, listen: '[::1]:14', tls: {cert_file: c, key_file: /k}",
            "tls.cert_file: must be an absolute path"
        ),
        (
            "type: syslog, transport: tls, listen: '127.0.0.1:6514', tls: {cert_file: /c}",
            "tls.key_file: must be set"
        ),
        (
            "type: syslog, transport: udp, listen: '127.0.0.1:514', max_connections: 5",
            "max_connections: has no meaning for transport udp"
        ),
        (
            "type: syslog, transport: tcp, listen: '127.0.0.1:514', receive_buffer: 1MiB",
            "receive_buffer: has no meaning for transport tcp"
        ),
        ("type: http, listen: '0.0.0.0:8088'", "auth: must be set for an address that others"),
        ("type: http, listen: '127.0.0.1:8088', path: hooks", "path: must begin with /"),
        ("type: http, listen: '127.0.0.1:8088', auth: {header: X}", "auth.token: must be set"),
        ("type: http, listen: '127.0.0.1:8088', auth: {token: x}", "auth.bearer: must be set"),
        (
            "type: http, listen: '127.0.0.1:8088', auth: {bearer: a, header: X, token: b}",
            "auth.header: cannot go with bearer"
        ),
        (
            "type: http, listen: '127.0.0.1:8088', auth: {header: 'a b', token: b}",
            "auth.header: must"
        ),
        ("type: http, listen: '127.0.0.1:8088', max_body_bytes: 1", "max_body_bytes: must be"),
        (
            "type: http, listen: '[::1]:8', tls: {cert_file: /c, key_file: /k, client_ca_file: /}",
            "tls.client_ca_file: has no meaning here"
        ),
        (
            "type: http, listen: '127.0.0.1:8088', framing: raw",
            "framing: has no meaning for type http"
        ),
    ])
    func mistakesAreSaidWithTheirPlace(block: String, expected: String) {
        let (_, problems) = read(block)
        #expect(problems.contains { $0.contains(expected) }, "\(problems)")
        #expect(problems.allSatisfy { $0.hasPrefix("agent.yaml:1:") })
    }

    @Test func everyKindOfInputRecognisesItsParser() throws {
        let problems = ConfigurationProblems()
        let node = ConfigurationLoader.parse(
            Array("inputs: [{id: a, type: journal}]".utf8), file: "agent.yaml", problems: problems)
        var reader = ConfigurationReader(try #require(node), problems)
        #expect(InputConfiguration.list(reading: &reader).first?.parser == "auto")
        #expect(problems.isEmpty)
    }

    @Test func twoInputsCannotShareAPort() throws {
        let problems = ConfigurationProblems()
        let text = """
            inputs:
              - {id: a, parser: p, type: syslog, transport: tcp, listen: '127.0.0.1:1514'}
              - {id: b, parser: p, type: syslog, transport: udp, listen: '127.0.0.1:1514'}
              - {id: c, parser: p, type: http, listen: '127.0.0.1:1514'}
            """
        let node = ConfigurationLoader.parse(
            Array(text.utf8), file: "agent.yaml", problems: problems)
        var reader = ConfigurationReader(try #require(node), problems)
        _ = InputConfiguration.list(reading: &reader)
        let sentences = problems.list.map(\.description)
        #expect(sentences.count == 1)
        #expect(sentences.first?.contains("inputs[2].listen: is taken by the input \"a\"") ?? false)
    }

    @Test func noProblemShowsATokenThatCameFromAFile() {
        let (_, problems) = read("type: http, listen: x, auth: {bearer: [hush]}")
        #expect(!problems.isEmpty)
        #expect(problems.allSatisfy { !$0.contains("hush") })
    }
}
