// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport

@testable import Sinks

extension HTTPDialect {
    private static let delay = ["Retry-After": "3"]

    private static func lines(_ body: [UInt8]) -> [String] {
        String(decoding: body, as: UTF8.self).split(separator: "\n").map { String($0) }
    }

    static let http = HTTPDialect(
        configuration: "path: '/in?key=s3cret-query', auth: {bearer: s3cret-word}, "
            + "headers: {X-Api-Key: s3cret-key}",
        events: { $0.method == "POST" ? lines($0.body) : nil },
        taken: { _, _ in .reply(204) },
        refused: { _, _ in (.reply(422, "no"), false) },
        busy: .reply(429, "later", headers: delay),
        barred: { .reply(401, "<html>\($0)</html>") })

    static let elasticsearch = HTTPDialect(
        configuration: "compression: none, auth: {api_key: s3cret-word}",
        events: { request in
            guard request.path == "/_bulk" else { return nil }
            return lines(request.body).enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        },
        taken: { request, count in
            let item = "{\"create\":{\"status\":201}}"
            let items = [String](repeating: item, count: count).joined(separator: ",")
            return .reply(200, "{\"took\":1,\"errors\":false,\"items\":[\(items)]}")
        },
        refused: { count, index in
            let items = (0..<count).map { place in
                place == index
                    ? "{\"create\":{\"status\":400,\"error\":{\"type\":\"t\",\"reason\":\"r\"}}}"
                    : "{\"create\":{\"status\":201}}"
            }.joined(separator: ",")
            return (.reply(200, "{\"took\":1,\"errors\":true,\"items\":[\(items)]}"), true)
        },
        busy: .reply(429, "{\"error\":\"rejected\",\"status\":429}", headers: delay),
        barred: { .reply(401, "{\"error\":\"\($0)\",\"status\":401}") })

    /// A collector that acknowledges, or one that does not.
    static func splunk(acknowledges: Bool) -> HTTPDialect {
        let collector = ScriptedCollector()
        return HTTPDialect(
            configuration: "compression: none, acknowledge: \(acknowledges), "
                + "auth: {token: s3cret-word}",
            events: { request in
                guard request.path.hasSuffix("/event") else { return nil }
                return lines(request.body).map { line in
                    (try? JSONDocument(reading: Array(line.utf8)))?["event"]?.string ?? line
                }
            },
            taken: { request, _ in
                acknowledges
                    ? collector.answer(request) : .reply(200, "{\"text\":\"Success\",\"code\":0}")
            },
            refused: { _, index in
                let text = "{\"text\":\"no\",\"code\":6,\"invalid-event-number\":\(index)}"
                return (.reply(400, text), false)
            },
            busy: .reply(503, "{\"text\":\"Server is busy\",\"code\":9}", headers: delay),
            barred: { .reply(403, "{\"text\":\"\($0)\",\"code\":4}") })
    }

    static let cloudWatchLogs = HTTPDialect(
        configuration: "region: eu-central-1, log_group: audit, auth: {access_key_id: A, "
            + "secret_access_key: s3cret-word, session_token: s3cret-session}",
        events: { request in
            guard request.headers["x-amz-target"]?.hasSuffix("PutLogEvents") == true else {
                return nil
            }
            let document = try? JSONDocument(reading: request.body)
            return (document?["logEvents"]?.array ?? []).compactMap { $0["message"]?.string }
        },
        taken: { _, _ in .reply(200, "{}") },
        refused: { _, _ in
            (.reply(400, "{\"__type\":\"InvalidParameterException\",\"message\":\"no\"}"), false)
        },
        busy: .reply(400, "{\"__type\":\"ThrottlingException\"}", headers: delay),
        barred: { words in
            .reply(400, "{\"__type\":\"AccessDeniedException\",\"message\":\"\(words)\"}")
        })

    static let s3 = HTTPDialect(
        configuration: "compression: none, region: eu-central-1, bucket: audit, "
            + "auth: {access_key_id: A, secret_access_key: s3cret-word, "
            + "session_token: s3cret-session}",
        events: { $0.method == "PUT" ? lines($0.body) : nil },
        taken: { _, _ in .reply(200, headers: ["ETag": "\"1\""]) },
        // It takes bytes and does not look at events.
        refused: { _, _ in (.reply(500), false) },
        busy: .reply(503, "<Error><Code>SlowDown</Code></Error>", headers: delay),
        barred: { words in
            .reply(
                403, "<Error><Code>AccessDenied</Code><Message>\(words)</Message></Error>")
        })

    static let otlp = HTTPDialect(
        configuration: "compression: none, auth: {bearer: s3cret-word}, "
            + "headers: {X-Api-Key: s3cret-key}",
        events: { request in
            // ExportLogsServiceRequest.resource_logs.scope_logs.log_records.body.string_value
            [1, 2, 2, 5, 1].reduce([request.body]) { messages, number in
                messages.flatMap { fields(UInt64(number), of: $0) }
            }.map { String(decoding: $0, as: UTF8.self) }
        },
        taken: { _, _ in .reply(200) },
        refused: { _, _ in (.reply(200, headers: [:], Wire.response(rejected: 1, "no")), true) },
        busy: .reply(429, "later", headers: delay),
        barred: { .reply(401, $0) })

    private static func fields(_ wanted: UInt64, of message: [UInt8]) -> [[UInt8]] {
        var reader = ProtobufReader(0..<message.count)
        var found: [[UInt8]] = []
        while let (number, value) = reader.next(message.span) {
            if number == wanted, case .bytes(let range) = value {
                found.append(Array(message[range]))
            }
        }
        return found
    }
}
