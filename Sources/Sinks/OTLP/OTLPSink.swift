// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Delivers log records to whatever takes OTLP over HTTP, as an OpenTelemetry Collector does.
///
/// The body of each record is the signed line. The protocol says how many records of a request were
/// rejected, not which: so the request is halved until the answer speaks of a single one. What was
/// taken on the way comes again, with the same `event.id`.
// Safe because one thread makes all calls but wake, which the client allows from any thread.
final class OTLPSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "otlp", formats: [.canonical],
        promise: "Events count as delivered when the receiver says that it rejected none of them.",
        options: OTLPOptions.self, make: OTLPSink.init)

    private let client: HTTPClient
    private var rendering = OTLPRendering()
    private var body = ByteWriter(capacity: 1 << 20)
    private var compression: BodyCompression
    private var requests = OpenRequests()

    init(_ configuration: SinkConfiguration, _ options: OTLPOptions) throws(SinkError) {
        compression = BodyCompression(options.http.compression)
        let headers = ["Content-Type: application/x-protobuf", "Accept: application/x-protobuf"]
        client = try HTTPClient(
            sink: configuration.id, options.http, headers: headers + compression.headers,
            secretHeaders: options.headers, inFlight: configuration.inFlight)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        body.removeAll()
        let events = SentEvents(batch) { rendering.append($0, event: $1, to: &body) }
        rendering.finish(&body)
        guard requests.begin(events, ticket: ticket) else { return }
        post(eventCount: events.indices.count, ticket: ticket)
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

    /// Sends a request without records, which the protocol wants to be answered as a success.
    func probe() -> DeliveryError? {
        body.removeAll()
        post(eventCount: 0, ticket: .max)
        switch client.answer(to: .max) {
        case .failure(let error): return error
        case .success(let answer):
            // A receiver that does not take an empty request may yet take a full one.
            return answer.status == 400 ? nil : Self.refusal(answer, eventCount: 2)
        }
    }

    var condition: SinkCondition { client.condition }

    func close() {
        client.close()
        requests.removeAll()
    }

    private func post(eventCount: Int, ticket: UInt64) {
        compression.withBytes(of: body) { bytes in
            client.post(OTLPOptions.path, bytes, eventCount: eventCount, ticket: ticket)
        }
    }

    // MARK: The answer

    private static func result(
        _ request: SentEvents, _ answer: Result<HTTPAnswer, DeliveryError>
    ) -> DeliveryResult {
        let count = request.indices.count
        switch answer {
        case .failure(let error):
            return .failure(error)
        case .success(let answer):
            if let refusal = refusal(answer, eventCount: count) {
                guard case .partial(_, let reject, _) = refusal, let first = reject.first else {
                    return .failure(refusal)
                }
                return result(request, rejecting: first.reason, first.code)
            }
            guard let reply = OTLPReply.partialSuccess(answer.body),
                (0...Int64(count)).contains(reply.rejectedCount)
            else {
                let reason =
                    "this is no answer to a request of \(count) log records: "
                    + answer.sentence
                return .failure(.retry(after: nil, reason: reason, code: .answer))
            }
            if reply.rejectedCount == 0 { return Rejection.result(request.rejections) }
            let words = reply.message.isEmpty ? "" : ": \(reply.message)"
            // When it is all of them it is clear which.
            if reply.rejectedCount == count {
                return result(request, rejecting: "rejected\(words)", .refused)
            }
            let reason = "\(reply.rejectedCount) of \(count) log records were rejected\(words)"
            return .failure(.split(reason: reason, code: .refused))
        }
    }

    /// What a status that is no success means, in the words of the `google.rpc.Status` if any.
    private static func refusal(_ answer: HTTPAnswer, eventCount: Int) -> DeliveryError? {
        var told = answer
        if let message = OTLPReply.statusMessage(answer.body) { told.body = Array(message.utf8) }
        return told.refusal(eventCount: eventCount)
    }

    /// All events of the request are rejected for one reason, beside those that never got into it.
    private static func result(
        _ request: SentEvents, rejecting reason: String, _ code: DeliveryCode
    ) -> DeliveryResult {
        let refused = request.indices.map { Rejection(index: $0, reason: reason, code: code) }
        return Rejection.result(request.rejections + refused)
    }
}
