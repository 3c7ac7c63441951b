// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Delivers to any URL, as lines or as a JSON array.
// Safe because one thread makes all calls but wake, which the client allows from any thread.
final class HTTPSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "http", formats: [.canonical, .ecs, .ocsf],
        promise: "An event counts as delivered when its request is answered with a status of 2xx; "
            + "the rest of the answer is not read.",
        options: HTTPSinkOptions.self, make: HTTPSink.init)

    private let id: String
    private let client: HTTPClient
    private let options: HTTPSinkOptions
    // The lines that differ from request to request.
    private let templates: [HeaderTemplate]
    private let namesBatch: Bool
    private var compression: BodyCompression
    private var rendering: EventRendering
    private var body = ByteWriter(capacity: 1 << 20)
    private var requests = OpenRequests()

    init(_ configuration: SinkConfiguration, _ options: HTTPSinkOptions) throws(SinkError) {
        id = configuration.id
        self.options = options
        compression = BodyCompression(options.http.compression)
        templates = options.headers.filter { !$0.isFixed }
        namesBatch = templates.contains { $0.names(.batchID) }
        let nothing = HeaderTemplate.Values(agent: "", batchID: "", sink: "")
        let type = options.body == .ndjson ? "application/x-ndjson" : "application/json"
        let hasType = options.headers.contains { $0.name.lowercased() == "content-type" }
        client = try HTTPClient(
            sink: configuration.id, options.http,
            headers: compression.headers + (hasType ? [] : ["Content-Type: \(type)"]),
            secretHeaders: options.headers.filter(\.isFixed).map { $0.header(nothing) },
            unspoken: options.pathSecrets, inFlight: configuration.inFlight)
        rendering = EventRendering(configuration.format)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        var agent: String?
        body.removeAll()
        if options.body == .array { body.append("[") }
        var state = SHA256()
        let events = SentEvents(batch) { sealed, event in
            guard rendering.append(sealed, event: event, to: &body) else { return false }
            if options.body == .array {
                // In place of the line feed.
                body.truncate(to: body.count - 1)
                body.append(",")
            }
            if agent == nil { agent = sealed.agentName }
            if namesBatch { state.update(sealed.events[event].leaf) }
            return true
        }
        let digest = namesBatch ? state.finish() : .zero
        guard requests.begin(events, ticket: ticket) else { return }
        if options.body == .array {
            body.truncate(to: body.count - 1)
            body.append("]")
        }
        var request = HTTPRequest(options.method == .put ? .put : .post, options.path)
        request.eventCount = events.indices.count
        let values = HeaderTemplate.Values(
            agent: agent ?? "", batchID: String(digest.hex().prefix(32)), sink: id)
        request.secretHeaders = templates.map { $0.header(values) }
        compression.withBytes(of: body) { client.start(request, $0, ticket: ticket) }
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        requests.outcomes(
            of: client.finished(waitingAtMost: requests.patience(timeout)), Self.result)
    }

    func wake() {
        client.wake()
    }

    var condition: SinkCondition { client.condition }

    /// Asks with HEAD, which most receivers refuse in their own way; only what speaks of the way
    /// there or of credentials is a finding.
    func probe() -> DeliveryError? {
        for endpoint in options.http.endpoints.indices {
            var request = HTTPRequest(.head, options.path)
            request.endpointIndex = endpoint
            client.start(request, ticket: .max)
            switch client.answer(to: .max) {
            case .failure(let error): return error
            case .success(let answer):
                guard [401, 407].contains(answer.status) || answer.status >= 500 else { continue }
                return answer.refusal(eventCount: 0)
            }
        }
        return nil
    }

    func close() {
        client.close()
        requests.removeAll()
    }

    private static func result(
        _ events: SentEvents, _ answer: Result<HTTPAnswer, DeliveryError>
    ) -> DeliveryResult {
        switch answer {
        case .failure(let error):
            return .failure(error)
        case .success(let answer):
            if let refusal = answer.refusal(eventCount: events.indices.count) {
                return .failure(events.blaming(refusal))
            }
            return Rejection.result(events.rejections)
        }
    }
}
