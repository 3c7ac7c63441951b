// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Delivers to Elasticsearch, OpenSearch and whatever else takes `POST /_bulk`.
///
/// Every event is created under its own id, so what was there already answers 409 and counts as
/// delivered. An event counts as delivered only when the answer has an item that says so.
// Safe because one thread makes all calls but wake, which the client allows from any thread.
final class ElasticsearchSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "elasticsearch", formats: [.ecs, .canonical, .ocsf],
        promise: "An event counts as delivered when its own item of the answer says so.",
        options: ElasticsearchOptions.self, make: ElasticsearchSink.init)

    private static let path = "/_bulk"

    private let client: HTTPClient
    private let index: String
    private let endpointCount: Int
    private var compression: BodyCompression
    private let reply = BulkReply()
    private let idLine: EventRendering.IDLine
    private var rendering: EventRendering
    private var body = ByteWriter(capacity: 1 << 20)
    private var requests = OpenRequests()

    init(
        _ configuration: SinkConfiguration, _ options: ElasticsearchOptions
    ) throws(SinkError) {
        compression = BodyCompression(options.http.compression)
        client = try HTTPClient(
            sink: configuration.id, options.http,
            headers: ["Content-Type: application/x-ndjson", "Accept: application/json"]
                + compression.headers,
            inFlight: configuration.inFlight)
        index = options.index
        endpointCount = options.http.endpoints.count
        rendering = EventRendering(configuration.format, index: options.index)
        var prefix = ByteWriter()
        prefix.append("{\"create\":{\"_index\":")
        prefix.append(jsonString: options.index)
        prefix.append(",\"_id\":")
        idLine = EventRendering.IDLine(
            prefix: prefix.makeArray(), suffix: Array("}}\n".utf8))
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        body.removeAll()
        let events = SentEvents(batch) {
            rendering.append($0, event: $1, idLine: idLine, to: &body)
        }
        guard requests.begin(events, ticket: ticket) else { return }
        compression.withBytes(of: body) { bytes in
            client.post(Self.path, bytes, eventCount: events.indices.count, ticket: ticket)
        }
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        requests.outcomes(
            of: client.finished(waitingAtMost: requests.patience(timeout)), result)
    }

    func wake() {
        client.wake()
    }

    func probe() -> DeliveryError? {
        ElasticsearchProbe(client, index: index, endpointCount: endpointCount).finding()
    }

    var condition: SinkCondition { client.condition }

    func close() {
        client.close()
        requests.removeAll()
    }

    // MARK: The answer

    private func result(
        _ request: SentEvents, _ answer: Result<HTTPAnswer, DeliveryError>
    ) -> DeliveryResult {
        switch answer {
        case .failure(let error):
            return .failure(error)
        case .success(let answer):
            if let refusal = answer.refusal(eventCount: request.indices.count) {
                return .failure(request.blaming(refusal))
            }
            return read(answer, request)
        }
    }

    private func read(_ answer: HTTPAnswer, _ request: SentEvents) -> DeliveryResult {
        let count = request.indices.count
        if BulkReply.isPlainSuccess(answer.body, count: count) {
            return Self.result([], request.rejections, nil)
        }
        var retry: [Int] = []
        var rejections = request.rejections
        var barred: (reason: String, code: DeliveryCode)?
        var firstBusy: String?
        let itemCount = reply.read(answer.body) { index, item, reason in
            guard index < count else { return }
            switch item {
            case .stored: break
            case .busy:
                if firstBusy == nil { firstBusy = reason() }
                retry.append(request.indices[index])
            case .barred(let code):
                if barred == nil { barred = (reason(), code) }
            case .refused:
                rejections.append(
                    Rejection(index: request.indices[index], reason: reason(), code: .refused))
            }
        }
        // Some receivers answer with nothing at all from the first bad event on.
        let found = answer.body.isEmpty ? 0 : itemCount
        guard let found, found <= count else {
            let reason = "this is no answer to a bulk request: \(answer.sentence)"
            return .failure(.retry(after: nil, reason: reason, code: .answer))
        }
        if found < count {
            let reason = "the answer speaks of \(found) of \(count) events"
            return .failure(
                count > 1
                    ? .split(reason: reason, code: .answer)
                    : .retry(after: nil, reason: reason, code: .answer))
        }
        if let barred {
            let text = DeliveryText.oneLine(barred.reason, byteLimit: Rejection.textByteLimit)
            return .failure(.alarm(reason: text, code: barred.code))
        }
        if retry.count == count, rejections.isEmpty, let firstBusy {
            let text = DeliveryText.oneLine(firstBusy, byteLimit: Rejection.textByteLimit)
            return .failure(.retry(after: answer.retryAfter, reason: text, code: .busy))
        }
        return Self.result(
            retry, rejections.sorted { $0.index < $1.index }, answer.retryAfter)
    }

    private static func result(
        _ retry: [Int], _ rejections: [Rejection], _ after: Duration?
    ) -> DeliveryResult {
        if retry.isEmpty, rejections.isEmpty { return .success(()) }
        return .failure(.partial(retry: retry, reject: rejections, after: after))
    }
}
