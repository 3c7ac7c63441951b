// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct SinkConfigurationTests {
    @Test func everyKeyOfAnHTTPSinkIsRead() throws {
        let (read, problems) = Samples.configuration(
            """
            id: siem_1
            type: elasticsearch
            endpoint: https://es.example.com:9201/prefix/
            format: ecs
            auth: {basic: {username: agent, password: "s3cret"}}
            tls: {ca_file: /ca.pem, cert_file: /c.pem, key_file: /k.pem, server_name: es.example.org}
            compression: none
            filter: {min_severity: low}
            dead_letter: {max_size: 2MiB}
            batch: {max_bytes: 2MiB, max_events: 50, max_wait: 1s}
            in_flight: 2
            retry: {initial: 1s, max: 5m}
            index: logs-oauth.audit-prod
            """)
        #expect(problems == [])
        let configuration = try #require(read)
        #expect(configuration.id == "siem_1")
        let options = try #require(configuration.options as? ElasticsearchOptions)
        let http = options.http
        #expect(http.endpoint?.host == "es.example.com")
        #expect(http.endpoint?.port == 9201)
        #expect(http.endpoint?.path == "/prefix")
        #expect(
            http.authentication
                == .basic(username: "agent", password: Secret(Array("s3cret".utf8))))
        #expect(http.tls.authorityFile == "/ca.pem")
        #expect(http.tls.certificateFile == "/c.pem")
        #expect(http.tls.keyFile == "/k.pem")
        #expect(http.tls.serverName == "es.example.org")
        #expect(!http.tls.isUnverified)
        #expect(http.compression == .none)
        #expect(configuration.filter?["min_severity"]?.scalar == "low")
        #expect(configuration.deadLetterByteLimit == 2 << 20)
        #expect(configuration.batch.byteLimit == 2 << 20)
        #expect(configuration.batch.countLimit == 50)
        #expect(configuration.batch.waitLimit == .seconds(1))
        #expect(configuration.inFlight == 2)
        #expect(configuration.retry.initial == .seconds(1))
        #expect(configuration.retry.longest == .seconds(300))
        #expect(options.index == "logs-oauth.audit-prod")
    }

    @Test func defaultsSufficeForAnHTTPSink() throws {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: 'http://127.0.0.1:9200'}")
        #expect(problems == [])
        let configuration = try #require(read)
        #expect(configuration.format == .ecs)
        let options = try #require(configuration.options as? ElasticsearchOptions)
        #expect(options.http.compression == .gzip)
        #expect(options.index == "logs-oauth.audit-default")
        #expect(configuration.inFlight == 4)
        #expect(configuration.batch.byteLimit == 1 << 20)
        #expect(configuration.deadLetterByteLimit == 1 << 30)
    }

    @Test(arguments: [
        ("{id: a b, type: stdout}", "id: must be 1 to 64 of a-z, 0-9 and _"),
        ("{id: A, type: stdout}", "id: must be"),
        ("{type: stdout}", "id: must be set"),
        ("{id: a, type: siem}", "there is no sink of type"),
        ("{id: a, type: file}", "path: must be set"),
        ("{id: a, type: file, path: out.ndjson}", "path: must begin with /"),
        ("{id: a, type: stdout, path: /out}", "path: does not go with type stdout"),
        ("{id: a, type: stdout, endpoint: 'http://h'}", "endpoint: does not go with"),
        ("{id: a, type: file, path: /o, index: i}", "index: does not go with type file"),
        ("{id: a, type: stdout, in_fligt: 3}", "did you mean \"in_flight\"?"),
        ("{id: a, type: stdout, format: csv}", "format: must be"),
        ("{id: a, type: stdout, retry: {initial: 2m}}", "max: must not be shorter"),
        ("{id: a, type: stdout, batch: {max_bytes: 1}}", "batch.max_bytes: must be"),
        ("{id: a, type: elasticsearch}", "endpoint: must be set"),
        ("{id: a, type: elasticsearch, endpoint: es.example.com}", "must look like https://"),
        ("{id: a, type: elasticsearch, endpoint: 'https://u:p@h'}", "must look like https://"),
        ("{id: a, type: elasticsearch, endpoint: 'https://h?x=1'}", "must look like https://"),
        ("{id: a, type: elasticsearch, endpoint: 'https://h:0'}", "must look like https://"),
        (
            "{id: a, type: elasticsearch, endpoint: 'http://h', tls: {ca_file: /c}}",
            "tls: goes with an endpoint that begins with https:// only"
        ),
        (
            "{id: a, type: elasticsearch, endpoint: 'https://h', tls: {cert_file: /c}}",
            "cert_file and key_file go together"
        ),
        (
            "{id: a, type: elasticsearch, endpoint: 'https://h', auth: {bearer: a, api_key: b}}",
            "must hold one of api_key, basic, bearer"
        ),
        (
            "{id: a, type: elasticsearch, endpoint: 'https://h', auth: {bearer: \"a\\nX: y\"}}",
            "must not hold line breaks"
        ),
        (
            "{id: a, type: elasticsearch, endpoint: 'https://h', index: 'Bad Name'}",
            "index: must be the name of a data stream"
        ),
    ])
    func aMistakeIsNamedWithItsPlace(text: String, words: String) {
        let problems = Samples.configuration(text).problems
        #expect(problems.contains { $0.contains(words) }, "\(problems)")
        #expect(problems.allSatisfy { $0.hasPrefix("agent.yaml:1:") })
    }

    @Test(arguments: [
        ("https://h", "h", 443, ""), ("http://h", "h", 80, ""),
        ("https://h:9200/", "h", 9200, ""),
        ("http://[2001:db8::1]:9200/a/b", "2001:db8::1", 9200, "/a/b"),
    ])
    func anEndpointIsTakenApart(text: String, host: String, port: Int, path: String) throws {
        let endpoint = try #require(Endpoint(text: text))
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(endpoint.path == path)
    }

    @Test func aMissingFileOfTLSIsSaidWhenTheSinkIsMade() throws {
        let (read, _) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: 'https://h', tls: {ca_file: /nowhere/ca}}")
        let configuration = try #require(read)
        #expect {
            _ = try SinkCatalog.make(configuration)
        } throws: { error in
            "\(error)".hasPrefix("sinks.siem: tls.ca_file: /nowhere/ca: cannot open")
        }
    }
}
