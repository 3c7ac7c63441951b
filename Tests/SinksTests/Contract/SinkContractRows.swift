// SPDX-License-Identifier: Apache-2.0
import TestSupport

@testable import Sinks

extension SinkContractRow {
    /// Every sink, in the order of the catalog.
    static let all: [SinkContractRow] = [
        web("cloudwatch_logs", .cloudWatchLogs, ["s3cret-word", "s3cret-session"]),
        web("elasticsearch", .elasticsearch, ["s3cret-word"]),
        file,
        web("http", .http, ["s3cret-word", "s3cret-key", "s3cret-query"]),
        kafka,
        web("otlp", .otlp, ["s3cret-word", "s3cret-key"]),
        s3,
        web(
            "splunk_hec", .splunk(acknowledges: true), ["s3cret-word"], "with acknowledgement"),
        web(
            "splunk_hec", .splunk(acknowledges: false), ["s3cret-word"], "without"),
        standardOutput,
        syslog("tcp"),
        syslog("tls"),
        syslog("udp"),
    ]

    private static func web(
        _ type: String, _ dialect: @escaping @autoclosure @Sendable () -> HTTPDialect,
        _ secrets: [String], _ way: String? = nil
    ) -> SinkContractRow {
        SinkContractRow(
            name: way.map { "\(type) (\($0))" } ?? type, type: type,
            delay: ReceiverBehaviour.patience, secrets: secrets,
            open: { try HTTPReceiver(type, dialect()) })
    }

    private static let s3: SinkContractRow = {
        var row = web("s3", .s3, ["s3cret-word", "s3cret-session"])
        row.terms[.rejects] = .kept("a store reads no events; one of which no line can be made")
        row.refusedBody = "{\"broken\""
        return row
    }()

    private static let file = SinkContractRow(
        name: "file", type: "file",
        terms: [
            .waits: .kept("a full disk"),
            .rejects: .kept("one of which no line can be made"),
            .alarms: .kept("a folder that is missing or may not be written"),
            .timesOut: .absent("the kernel always answers"),
            .survivesReset: .absent("there is no connection"),
            .survivesHalfClose: .absent("there is no connection"),
            .bearsSlowness: .absent("a slow disk makes the write slow, and nothing else"),
            .keepsSecrets: .absent("it has none"),
            .resumes: .kept("its folder is missing"),
        ],
        refusedBody: "{\"broken\"", open: { try FileReceiver() })

    private static let standardOutput = SinkContractRow(
        name: "stdout", type: "stdout",
        terms: [
            .waits: .absent("a full pipe is waited for"),
            .rejects: .kept("one of which no line can be made"),
            .alarms: .absent("nobody asks who writes"),
            .timesOut: .absent("a full pipe is waited for, as long as it takes"),
            .survivesReset: .absent("a pipe keeps what it has taken"),
            .survivesHalfClose: .absent("a pipe has one direction"),
            .keepsSecrets: .absent("it has none"),
            .resumes: .kept("the reader of a named pipe went away"),
        ],
        refusedBody: "{\"broken\"", open: { try PipeReceiver() })

    private static let kafka = SinkContractRow(
        name: "kafka", type: "kafka",
        terms: [
            .rejects: .kept("a message that is too long"),
            .survivesHalfClose: .absent("the mock cluster can only end a connection whole"),
            .keepsSecrets: .absent("the mock cluster knows no SASL; tried against TLS alone"),
        ],
        refusedBody: long(1_100_000), open: { try KafkaReceiver() })

    private static func syslog(_ transport: String) -> SinkContractRow {
        var terms: [SinkClause: Term] = [
            .waits: .absent("syslog has no answer"),
            .rejects: .kept("a message that is too long"),
            .alarms: .absent("syslog has no credentials; certificates are tried apart"),
            .timesOut: .absent("what the receiver's kernel has taken counts as delivered"),
            .keepsSecrets: .absent("it has none"),
        ]
        if transport == "udp" {
            terms[.survivesReset] = .absent("there is no connection")
            terms[.survivesHalfClose] = .absent("there is no connection")
            terms[.bearsSlowness] = .absent("there is no connection")
            terms[.resumes] = .kept("as far as the network says that nobody listens")
        }
        return SinkContractRow(
            name: "syslog (\(transport))", type: "syslog", terms: terms,
            refusedBody: long(10_000), open: { try SyslogReceiver(transport) })
    }

    /// The body of the refused event with a name of so many bytes.
    private static func long(_ byteCount: Int) -> String {
        Samples.plain(ReceiverBehaviour.refused).replacingFirst(
            "\"alice\"", "\"" + String(repeating: "a", count: byteCount) + "\"")
    }
}
