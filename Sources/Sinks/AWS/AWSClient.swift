// SPDX-License-Identifier: Apache-2.0
import Platform

/// Exchanges signed requests with one service of AWS.
///
/// It finds credentials and renews them before they end, over the same thread and without keeping
/// a delivery waiting longer than `CredentialLookup.timeLimit` for each of at most three
/// questions. Requests that come before there are any wait here.
final class AWSClient {
    /// What came of a request.
    enum Outcome {
        /// A status of 2xx.
        case success(HTTPAnswer)
        /// Any other status.
        case fault(AWSFault)
        /// No answer that says anything about the request.
        case failure(DeliveryError)
    }

    private struct Exchange {
        let ticket: UInt64
        /// Nil for a question about credentials.
        let generation: Int?
    }

    private struct Waiting {
        let request: SignatureV4.Request
        let body: [UInt8]
        let eventCount: Int
        let ticket: UInt64
    }

    private let client: HTTPClient
    private let signature: SignatureV4
    private let endpoint: Endpoint
    private let host: String
    private let timeout: Duration
    private let sources: [CredentialSource]
    private let answerHeaders: [String]
    private let clock: any TimeSource
    private var schedule = CredentialSchedule()
    private var lookup: CredentialLookup?
    private var untried: ArraySlice<CredentialSource> = []
    private var problems: [CredentialProblem] = []
    private var exchanges: [UInt64: Exchange] = [:]
    private var waiting: [Waiting] = []
    private var settled: [(ticket: UInt64, outcome: Outcome)] = []
    private var nextNumber: UInt64 = 0

    /// Prepares to talk to a service; nothing is connected and no file is read yet.
    ///
    /// - Parameters:
    ///   - endpoint: where requests go, in place of that of the options.
    ///   - answerHeaders: header lines of answers that the sink asks for.
    init(
        _ configuration: SinkConfiguration, _ options: AWSOptions, service: String,
        endpoint: Endpoint? = nil, answerHeaders: [String] = [],
        environment: (String) -> String? = { ProcessFacts.environment($0) },
        clock: any TimeSource = SystemClock()
    ) throws(SinkError) {
        var http = options.http
        if let endpoint { http.endpoints = [endpoint] }
        guard let place = http.endpoint else {
            throw SinkError(sink: configuration.id, "endpoint: must be set")
        }
        do throws(CredentialProblem) {
            sources = try CredentialSource.chain(
                written: options.authentication, region: options.region, environment: environment)
        } catch {
            throw SinkError(sink: configuration.id, error.sentence)
        }
        client = try HTTPClient(
            sink: configuration.id, http, headers: [], inFlight: configuration.inFlight + 1)
        self.endpoint = place
        timeout = http.timeout
        host = place.headerHost(as: http.tls.serverName)
        signature = SignatureV4(region: options.region, service: service)
        self.answerHeaders = AWSFault.headerNames + answerHeaders
        self.clock = clock
    }

    /// The present, by the clock that requests are signed with.
    var now: Timestamp { clock.now() }

    /// Begins a request; its outcome comes out of `finished` under this ticket.
    ///
    /// `Host` is added, and the endpoint's own path stands before that of the request.
    func send(
        _ request: SignatureV4.Request, _ body: Span<UInt8>, eventCount: Int, ticket: UInt64
    ) {
        var request = request
        request.path = endpoint.path + request.path
        request.headers.append(("Host", host))
        lookUp()
        switch schedule.state(at: clock.now()) {
        case .ready(let credentials, let generation):
            start(request, body, eventCount, ticket, credentials, generation)
        case .pending:
            waiting.append(
                Waiting(
                    request: request, body: [UInt8](copying: body), eventCount: eventCount,
                    ticket: ticket))
        case .failed(let problem):
            settled.append((ticket, .failure(problem.deliveryError)))
        }
    }

    /// What came of requests; waits until there is something, the time is up, or `wake`.
    ///
    /// It may come back early with nothing when it was about credentials.
    func finished(waitingAtMost timeout: Duration) -> [(ticket: UInt64, outcome: Outcome)] {
        lookUp()
        sendWaiting()
        let patience = settled.isEmpty ? timeout : .zero
        for (number, result) in client.finished(waitingAtMost: patience) {
            guard let exchange = exchanges.removeValue(forKey: number) else { continue }
            if let generation = exchange.generation {
                settled.append((exchange.ticket, outcome(result, generation)))
            } else {
                tookAnswer(result)
            }
        }
        sendWaiting()
        defer { settled.removeAll(keepingCapacity: true) }
        return settled
    }

    /// What is to be known of the connections.
    var condition: SinkCondition { client.condition }

    /// Makes `finished` return soon; any thread may call it.
    func wake() {
        client.wake()
    }

    /// Sends one request and waits for its outcome, as a probe does.
    func exchange(_ request: SignatureV4.Request, _ body: [UInt8]) -> Outcome {
        send(request, body.span, eventCount: 0, ticket: .max)
        let patience = timeout + CredentialLookup.timeLimit * 3
        let deadline = clock.monotonic().advanced(by: patience)
        while clock.monotonic() < deadline {
            for (ticket, outcome) in finished(waitingAtMost: .seconds(1)) where ticket == .max {
                return outcome
            }
        }
        return .failure(
            .retry(after: nil, reason: "\(host): no answer in time", code: .timeout))
    }

    /// Breaks off what is under way and closes all connections.
    func close() {
        client.close()
        exchanges.removeAll()
        waiting.removeAll()
        settled.removeAll()
    }

    // MARK: Requests

    private func start(
        _ request: SignatureV4.Request, _ body: Span<UInt8>, _ eventCount: Int, _ ticket: UInt64,
        _ credentials: AWSCredentials, _ generation: Int
    ) {
        let lines = signature.lines(for: request, credentials, at: clock.now())
        // The client adds the endpoint's path by itself.
        var path = String(request.path.dropFirst(endpoint.path.count))
        if !request.query.isEmpty { path += "?" + PercentEncoding.query(request.query) }
        guard let method = HTTPRequest.Method(rawValue: request.method) else {
            bug("a request by \(request.method)")
        }
        var sent = HTTPRequest(method, path)
        sent.headers = (request.headers + lines.plain).map { "\($0.name): \($0.value)" }
        sent.headers.append("Authorization: \(lines.authorization)")
        if let token = lines.sessionToken {
            sent.secretHeaders = [
                HTTPRequest.SecretHeader(name: "X-Amz-Security-Token", value: token)
            ]
        }
        sent.eventCount = eventCount
        sent.answerHeaders = answerHeaders
        start(sent, body, Exchange(ticket: ticket, generation: generation))
    }

    private func start(_ request: HTTPRequest, _ body: Span<UInt8>, _ exchange: Exchange) {
        let number = nextNumber
        nextNumber += 1
        exchanges[number] = exchange
        switch request.method {
        case .get, .head, .delete: client.start(request, ticket: number)
        case .post, .put: client.start(request, body, ticket: number)
        }
    }

    private func sendWaiting() {
        guard !waiting.isEmpty else { return }
        switch schedule.state(at: clock.now()) {
        case .pending:
            return
        case .ready(let credentials, let generation):
            for one in waiting {
                start(
                    one.request, one.body.span, one.eventCount, one.ticket, credentials, generation)
            }
        case .failed(let problem):
            settled += waiting.map { ($0.ticket, .failure(problem.deliveryError)) }
        }
        waiting.removeAll()
    }

    private func outcome(
        _ result: Result<HTTPAnswer, DeliveryError>, _ generation: Int
    ) -> Outcome {
        switch result {
        case .failure(let error):
            return .failure(error)
        case .success(let answer):
            guard !(200...299).contains(answer.status) else {
                schedule.accepted()
                return .success(answer)
            }
            let fault = AWSFault(answer)
            switch fault.meaning {
            case .expired, .unknownKey:
                guard schedule.refused(generation: generation) else { return .fault(fault) }
                let reason = "\(fault.sentence); the credentials are looked up again"
                return .failure(.retry(after: nil, reason: reason, code: .authorization))
            default:
                return .fault(fault)
            }
        }
    }

    // MARK: Credentials

    private func lookUp() {
        guard schedule.wantsLookup(at: clock.now(), clock.monotonic()) else { return }
        schedule.began()
        untried = sources[...]
        problems = []
        tryNext()
    }

    /// Asks one source after the other until one has to be waited for.
    private func tryNext() {
        while let source = untried.popFirst() {
            var lookup = CredentialLookup(source)
            do throws(CredentialProblem) {
                let step = try lookup.begin { (path) throws(SystemError) in
                    try FileSystem.read(path, byteLimit: AWSCredentials.documentByteLimit)
                }
                self.lookup = lookup
                return take(step)
            } catch {
                problems.append(error)
            }
        }
        let words = problems.map(\.sentence).joined(separator: "; ")
        schedule.failed(
            CredentialProblem(
                "auth: there are no credentials, set auth or mend this: \(words)",
                isPassing: problems.last?.isPassing ?? false),
            at: clock.monotonic())
    }

    private func take(_ step: CredentialLookup.Step) {
        switch step {
        case .found(let credentials):
            schedule.found(credentials, at: clock.monotonic())
        case .ask(let request, let body):
            start(request, body.span, Exchange(ticket: 0, generation: nil))
        }
    }

    private func tookAnswer(_ result: Result<HTTPAnswer, DeliveryError>) {
        do throws(CredentialProblem) {
            guard var asking = lookup else { return }
            switch result {
            case .failure(let error):
                throw CredentialProblem(error.sentence, isPassing: true)
            case .success(let answer):
                let step = try asking.took(answer)
                lookup = asking
                take(step)
            }
        } catch {
            problems.append(error)
            tryNext()
        }
    }
}

extension Endpoint {
    /// The value of the header `Host`: without the port that goes with the scheme.
    func headerHost(as name: String?) -> String {
        let host = name ?? urlHost
        return port == (isSecure ? 443 : 80) ? host : "\(host):\(port)"
    }
}
