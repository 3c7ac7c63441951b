// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Delivers to Amazon CloudWatch Logs: each event is a message at its own time.
///
/// A batch is one request or is split: the service wants the events of a request in the order of
/// time and within a day. What the answer names as rejected is, the rest is stored.
// Safe because one thread makes all calls but wake, which the client allows from any thread.
final class CloudWatchLogsSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "cloudwatch_logs", formats: [.canonical, .ecs, .ocsf],
        // Bodies; with their proofs and the overhead this stays within a request.
        batch: SinkConfiguration.Batch(
            byteLimit: 512 << 10, countLimit: 600, waitLimit: .seconds(1)),
        promise: "An event counts as delivered when PutLogEvents was answered and did not name it "
            + "as rejected; what is sent again after a crash stands there twice.",
        options: CloudWatchLogsOptions.self,
        make: { (configuration, options) throws(SinkError) in
            try CloudWatchLogsSink(configuration, options)
        })

    private static let makingTicket = UInt64.max - 1

    private let client: AWSClient
    private let options: CloudWatchLogsOptions
    private let id: String
    private var rendering: EventRendering
    private var fields = BodyFields()
    private var lines = ByteWriter(capacity: 1 << 20)
    private var body = ByteWriter(capacity: 1 << 20)
    private var sent: [UInt64: Sent] = [:]
    private var settled: [DeliveryOutcome] = []
    private var place = LogPlace()
    private var missingStream = ""

    /// What has to be known of a request until its answer comes.
    private struct Sent {
        var events: SentEvents
        /// How many events the batch has.
        var batchCount: Int
        var stream: String
    }

    init(
        _ configuration: SinkConfiguration, _ options: CloudWatchLogsOptions,
        environment: (String) -> String? = { ProcessFacts.environment($0) }
    ) throws(SinkError) {
        id = configuration.id
        self.options = options
        client = try AWSClient(
            configuration, options.aws, service: "logs", environment: environment)
        rendering = EventRendering(configuration.format)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        var events = LogEvents()
        var rejections: [Rejection] = []
        lines.removeAll()
        batch.forEach { index, sealed, event in
            let start = lines.count
            guard let time = time(sealed, event),
                rendering.append(sealed, event: event, to: &lines)
            else {
                lines.truncate(to: start)
                rejections.append(.unrenderable(index))
                return
            }
            // Without the line feed.
            let message = start..<lines.count - 1
            if message.count > LogEventLimit.messageByteCount {
                lines.truncate(to: start)
                rejections.append(Self.tooLong(index, message.count))
            } else {
                events.add(index: index, at: time, message: message)
            }
        }
        events.sort()
        if let excess = events.excess {
            settled.append((ticket, .failure(.split(reason: excess, code: .size))))
        } else if events.isEmpty {
            settled.append((ticket, Rejection.result(rejections)))
        } else {
            let agent = batch.parts.first?.batch.agentName ?? ""
            let stream = options.stream(agent: agent, sink: id)
            sent[ticket] = Sent(
                events: SentEvents(indices: events.order, rejections: rejections),
                batchCount: batch.count,
                stream: stream)
            body.removeAll()
            events.append(group: options.group, stream: stream, lines: lines, to: &body)
            body.withBytes { bytes in
                client.send(
                    request("PutLogEvents", bytes), bytes, eventCount: events.order.count,
                    ticket: ticket)
            }
        }
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        for (ticket, outcome) in client.finished(
            waitingAtMost: settled.isEmpty ? timeout : .zero)
        {
            if ticket == Self.makingTicket {
                make(place.took(answer(outcome)))
            } else if let request = sent.removeValue(forKey: ticket) {
                settled.append((ticket, result(request, outcome)))
            }
        }
        defer { settled.removeAll(keepingCapacity: true) }
        return settled
    }

    func wake() {
        client.wake()
    }

    func probe() -> DeliveryError? {
        var question = ByteWriter()
        question.append("{\"limit\":1,\"logGroupName\":")
        question.append(jsonString: options.group)
        question.append("}")
        let body = question.makeArray()
        switch client.exchange(request("DescribeLogStreams", body.span), body) {
        case .success: return nil
        case .failure(let error): return error
        case .fault(let fault):
            let error = fault.refusal(eventCount: 0, readsEvents: true, at: client.now)
            switch fault.meaning {
            case .missing: return options.creates ? nil : missing(fault)
            case .forbidden:
                let making = options.creates ? ", logs:CreateLogStream, logs:CreateLogGroup" : ""
                return .alarm(
                    reason: "\(fault.sentence); looking takes logs:DescribeLogStreams on "
                        + "\(options.group), delivering takes logs:PutLogEvents\(making)",
                    code: .authorization)
            default: return error
            }
        }
    }

    var condition: SinkCondition { client.condition }

    func close() {
        client.close()
        sent.removeAll()
        settled.removeAll()
    }

    // MARK: Requests

    private func request(_ action: String, _ body: Span<UInt8>) -> SignatureV4.Request {
        SignatureV4.Request(
            method: "POST", path: "/",
            headers: [
                ("Content-Type", "application/x-amz-json-1.1"),
                ("X-Amz-Target", "Logs_20140328.\(action)"),
            ],
            payload: SHA256.digest(body))
    }

    private func time(_ batch: borrowing SealedBatch, _ event: Int) -> Timestamp? {
        guard fields.read(batch, event: event), let range = fields.range(of: .time) else {
            return nil
        }
        return BodyText.time(batch.bodies.span, range)
    }

    private func make(_ step: LogPlace.Step?) {
        guard let step else { return }
        var question = ByteWriter()
        question.append("{\"logGroupName\":")
        question.append(jsonString: options.group)
        if step == .makeStream {
            question.append(",\"logStreamName\":")
            question.append(jsonString: missingStream)
        }
        question.append("}")
        let action = step == .makeStream ? "CreateLogStream" : "CreateLogGroup"
        question.withBytes { bytes in
            client.send(
                request(action, bytes), bytes, eventCount: 0, ticket: Self.makingTicket)
        }
    }

    // MARK: Answers

    private func answer(_ outcome: AWSClient.Outcome) -> LogPlace.Answer {
        switch outcome {
        case .success: return .made
        case .failure(let error): return .failed(error)
        case .fault(let fault):
            switch fault.meaning {
            case .existing: return .made
            case .missing: return .missing
            default:
                let error = fault.refusal(eventCount: 0, readsEvents: false, at: client.now)
                guard case .alarm(let reason, let code) = error else { return .failed(error) }
                return .failed(
                    .alarm(reason: "\(options.group) cannot be made: \(reason)", code: code))
            }
        }
    }

    private func result(
        _ request: Sent, _ outcome: AWSClient.Outcome
    ) -> DeliveryResult {
        switch outcome {
        case .failure(let error):
            return .failure(error)
        case .success(let answer):
            guard let more = LogEvents.rejections(answer.body, order: request.events.indices) else {
                let reason = "this is no answer to PutLogEvents: \(answer.sentence)"
                return .failure(.retry(after: nil, reason: reason, code: .answer))
            }
            place.stored()
            return Rejection.result(request.events.rejections + more)
        case .fault(let fault) where fault.meaning == .missing:
            guard options.creates else { return .failure(missing(fault)) }
            missingStream = request.stream
            let (error, step) = place.missing(
                count: request.batchCount, sentence: missing(fault).sentence)
            make(step)
            return .failure(error)
        case .fault(let fault) where fault.code == "DataAlreadyAcceptedException":
            return Rejection.result(request.events.rejections)
        case .fault(let fault):
            let error = fault.refusal(
                eventCount: request.events.indices.count, readsEvents: true, at: client.now)
            return .failure(request.events.blaming(error))
        }
    }

    private func missing(_ fault: AWSFault) -> DeliveryError {
        .alarm(
            reason: "\(fault.sentence); make the log group \(options.group) and its stream, or "
                + "leave out create: false",
            code: .place)
    }

    private static func tooLong(_ index: Int, _ byteCount: Int) -> Rejection {
        Rejection(
            index: index,
            reason: "CloudWatch Logs takes events of \(LogEventLimit.messageByteCount) bytes, "
                + "this one has \(byteCount)",
            code: .size)
    }
}
