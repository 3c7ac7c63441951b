// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Delivers to Splunk's HTTP Event Collector and to whatever else takes its requests.
///
/// Where the collector gives a request a number, the batch counts as delivered when the indexer has
/// confirmed that number, whatever the configuration says. What it says is whether a request
/// *without* a number counts: with `acknowledge: true` it does not, and before anything is sent the
/// collector is asked whether the token has acknowledgement at all.
// Safe because one thread makes all calls but wake, which the client allows from any thread.
final class SplunkHECSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "splunk_hec", formats: [.canonical, .ecs, .ocsf], inFlight: 16,
        promise: "An event counts as delivered when the indexer has acknowledged its batch; "
            + "with acknowledge: false, when the collector has taken it.",
        options: SplunkHECOptions.self, make: SplunkHECSink.init)

    private enum Path {
        static let event = "/services/collector/event"
        static let acknowledgement = "/services/collector/ack"
        static let health = "/services/collector/health"
    }

    /// Tickets from here on are the sink's own requests: queries by channel, and the two below.
    private static let queries: UInt64 = 1 << 63
    private static let question = UInt64.max
    private static let healthcheck = UInt64.max - 1

    private let client: HTTPClient
    private let acknowledges: Bool
    private let clock = SystemClock()
    private let reader = JSONReader()
    private var rendering: HECRendering
    private var acknowledgements: HECAcknowledgements
    private var body = ByteWriter(capacity: 1 << 20)
    private var compression: BodyCompression
    private var sent: [UInt64: SentEvents] = [:]
    private var settled: [DeliveryOutcome] = []
    // True when the collector has said that the token has acknowledgement.
    private var isProven: Bool
    // What waits for the collector to say so.
    private var held: [(ticket: UInt64, batch: DeliveryBatch)] = []

    init(
        _ configuration: SinkConfiguration, _ options: SplunkHECOptions
    ) throws(SinkError) {
        compression = BodyCompression(options.http.compression)
        // One connection more, so that a query never waits behind requests.
        client = try HTTPClient(
            sink: configuration.id, options.http, headers: ["Content-Type: application/json"],
            secretHeaders: options.header.map { [$0] } ?? [],
            inFlight: configuration.inFlight + 1)
        acknowledges = options.acknowledges
        isProven = !options.acknowledges
        rendering = HECRendering(
            configuration.format, source: options.source, sourceType: options.sourceType,
            index: options.index)
        acknowledgements = HECAcknowledgements(
            timeOut: options.acknowledgeTimeOut, makeName: SplunkHECSink.makeChannel)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        guard isProven else {
            held.append((ticket, batch))
            if held.count == 1 { ask() }
            return
        }
        send(batch, ticket)
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        let deadline = clock.monotonic().advanced(by: timeout)
        while true {
            let now = clock.monotonic()
            acknowledgements.expire(at: now)
            while let query = acknowledgements.query(at: now) { send(query) }
            settleWaiting()
            let left = settled.isEmpty ? max(deadline.duration(since: now), .zero) : .zero
            let patience = min(left, acknowledgements.patience(at: now) ?? left)
            let finished = client.finished(waitingAtMost: patience)
            for (ticket, answer) in finished { take(ticket, answer) }
            settleWaiting()
            // Only a query that is due ends the wait here. An answer may have come together with
            // a call of wake, so it always goes back to the caller.
            let end = clock.monotonic()
            let isDue = finished.isEmpty && end >= now.advanced(by: patience) && end < deadline
            if !settled.isEmpty || !isDue { break }
        }
        defer { settled.removeAll(keepingCapacity: true) }
        return settled
    }

    func wake() {
        client.wake()
    }

    func probe() -> DeliveryError? {
        client.get(Path.health, ticket: Self.healthcheck)
        if let objection = objectionToHealth(client.answer(to: Self.healthcheck)) {
            return objection
        }
        ask()
        return objectionToToken(client.answer(to: Self.question))
    }

    var condition: SinkCondition { client.condition }

    func close() {
        client.close()
        acknowledgements.removeAll()
        sent.removeAll()
        held.removeAll()
        settled.removeAll()
    }

    // MARK: Requests

    private func send(_ batch: DeliveryBatch, _ ticket: UInt64) {
        body.removeAll()
        let request = SentEvents(batch) { rendering.append($0, event: $1, to: &body) }
        guard !request.indices.isEmpty else {
            settled.append((ticket, Rejection.result(request.rejections)))
            return
        }
        sent[ticket] = request
        var exchange = HTTPRequest(.post, Path.event)
        exchange.eventCount = request.indices.count
        let endpoint = client.endpointIndex()
        let channel = acknowledgements.begin(ticket, endpoint: endpoint)
        exchange.headers = [Self.header(channel: channel)] + compression.headers
        exchange.endpointIndex = endpoint
        exchange.isSentOnce = true
        compression.withBytes(of: body) { client.start(exchange, $0, ticket: ticket) }
    }

    private func send(_ query: HECAcknowledgements.Query) {
        let numbers = query.numbers.map { "\($0)" }.joined(separator: ",")
        post(
            numbers, channel: query.name, endpoint: query.endpoint,
            ticket: Self.queries | query.channel)
    }

    /// Asks about a number that was never given: the answer tells of the token, and nothing is
    /// stored.
    private func ask() {
        post("0", channel: Self.makeChannel(), endpoint: nil, ticket: Self.question)
    }

    private func post(_ numbers: String, channel: String, endpoint: Int?, ticket: UInt64) {
        var request = HTTPRequest(.post, Path.acknowledgement)
        request.headers = [Self.header(channel: channel)]
        request.endpointIndex = endpoint
        // The answer has a word for each number.
        request.eventCount = 1
        let body = Array("{\"acks\":[\(numbers)]}".utf8)
        client.start(request, body.span, ticket: ticket)
    }

    private static func header(channel: String) -> String { "X-Splunk-Request-Channel: \(channel)" }

    /// A GUID that nobody had before.
    private static func makeChannel() -> String {
        let digits = Array(Hex.encode(RandomBytes.make(16)))
        let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }
        return parts.joined(separator: "-")
    }

    // MARK: Answers

    private func take(_ ticket: UInt64, _ answer: Result<HTTPAnswer, DeliveryError>) {
        if ticket == Self.question {
            open(objectionToToken(answer))
        } else if ticket & Self.queries != 0 {
            takeQuery(ticket & ~Self.queries, answer)
        } else if let request = sent[ticket] {
            takeRequest(ticket, request, answer)
        }
    }

    private func takeRequest(
        _ ticket: UInt64, _ request: SentEvents, _ answer: Result<HTTPAnswer, DeliveryError>
    ) {
        switch answer {
        case .failure(let error):
            acknowledgements.lost(ticket)
            fail(ticket, request, error)
        case .success(let answer):
            switch HECReply(answer, reader).verdict(eventCount: request.indices.count) {
            case .accepted(let number?):
                // The batch stays in `sent` until its fate is known.
                acknowledgements.accepted(ticket, number: number, at: clock.monotonic())
            case .accepted(nil):
                acknowledgements.answered(ticket)
                guard acknowledges else {
                    sent[ticket] = nil
                    settled.append((ticket, Rejection.result(request.rejections)))
                    return
                }
                // Asked again before anything else is sent.
                isProven = false
                fail(ticket, request, Self.unacknowledged("the answer has no ackId"))
            case .refused(let error):
                acknowledgements.answered(ticket)
                fail(ticket, request, error)
            case .strayed(let error):
                acknowledgements.strayed(ticket)
                fail(ticket, request, error)
            case .unknown(let error):
                acknowledgements.lost(ticket)
                fail(ticket, request, error)
            }
        }
    }

    private func takeQuery(_ channel: UInt64, _ answer: Result<HTTPAnswer, DeliveryError>) {
        let now = clock.monotonic()
        guard case .success(let answer) = answer else {
            // A confirmation may be lost with it; then the time-out sends the batch again.
            return acknowledgements.confirm([], of: channel, at: now)
        }
        let reply = HECReply(answer, reader)
        if answer.status == 200, let indexed = reply.indexed {
            return acknowledgements.confirm(indexed, of: channel, at: now)
        }
        var error = reply.objection()
        var isFinal = HECReply.Code.channel.contains(reply.code ?? 0)
        if reply.code == HECReply.Code.noAcknowledgement {
            isProven = !acknowledges
            error =
                acknowledges
                ? Self.unacknowledged(reply.sentence)
                : .retry(after: nil, reason: reply.sentence, code: .answer)
            isFinal = true
        }
        if case .alarm = error { isFinal = true }
        guard isFinal else { return acknowledgements.confirm([], of: channel, at: now) }
        for ticket in acknowledgements.abandon(channel) {
            if let request = sent[ticket] { fail(ticket, request, error) }
        }
    }

    /// Lets go of what was held back, or tells why it cannot be sent.
    private func open(_ objection: DeliveryError?) {
        let waiting = held
        held = []
        if let objection {
            for (ticket, _) in waiting { settled.append((ticket, .failure(objection))) }
        } else {
            isProven = true
            for (ticket, batch) in waiting { send(batch, ticket) }
        }
    }

    private func settleWaiting() {
        for (ticket, fate) in acknowledgements.takeSettled() {
            guard let request = sent[ticket] else { continue }
            switch fate {
            case .confirmed:
                sent[ticket] = nil
                settled.append((ticket, Rejection.result(request.rejections)))
            case .unconfirmed(let doubt):
                let code = doubt == .timeOut ? DeliveryCode.timeout : .answer
                fail(ticket, request, .retry(after: nil, reason: doubt.rawValue, code: code))
            }
        }
    }

    private func fail(_ ticket: UInt64, _ request: SentEvents, _ error: DeliveryError) {
        sent[ticket] = nil
        settled.append((ticket, .failure(request.blaming(error))))
    }

    // MARK: Asking

    private func objectionToHealth(
        _ answer: Result<HTTPAnswer, DeliveryError>
    ) -> DeliveryError? {
        switch answer {
        case .failure(let error): return error
        case .success(let answer):
            let reply = HECReply(answer, reader)
            // Not every receiver has this path; what the token is worth is asked elsewhere.
            let isMissing = answer.status == 404 || answer.status == 405
            let isHealthy = (200...299).contains(answer.status)
            return isMissing || isHealthy ? nil : reply.objection()
        }
    }

    /// What the collector has against the token; nil when events may be sent.
    private func objectionToToken(
        _ answer: Result<HTTPAnswer, DeliveryError>
    ) -> DeliveryError? {
        switch answer {
        case .failure(let error): return error
        case .success(let answer):
            let reply = HECReply(answer, reader)
            if answer.status == 200, reply.indexed != nil { return nil }
            let objection = reply.objection()
            switch objection {
            case .alarm(_, .authorization), .retry(_, _, .busy), .retry(_, _, .server):
                return objection
            case .alarm, .retry, .partial, .split:
                // No such path, or an answer to something else: nothing here acknowledges.
                return acknowledges ? Self.unacknowledged(reply.sentence) : nil
            }
        }
    }

    private static func unacknowledged(_ sentence: String) -> DeliveryError {
        .alarm(
            reason: "acknowledge: the token has no indexer acknowledgement (\(sentence)); turn it "
                + "on in Splunk, or set acknowledge: false and accept that what the collector "
                + "has taken and not yet indexed can be lost",
            code: .place)
    }
}
