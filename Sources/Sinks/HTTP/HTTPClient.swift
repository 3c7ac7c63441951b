// SPDX-License-Identifier: Apache-2.0
import CCurl
import Platform
import Synchronization

/// Exchanges requests and answers with one far side, several at a time, over connections it keeps.
///
/// The far side may have several endpoints; `EndpointChoice` says which one a request goes to.
/// One thread makes all calls but `wake`. Nothing moves except inside `start` and `finished`.
final class HTTPClient {
    /// What a request that ended has come to.
    typealias Ended = (ticket: UInt64, result: Result<HTTPAnswer, DeliveryError>)

    private struct Place {
        var endpoint: Endpoint
        var url: String
        var detour: HeaderList?
    }

    private let options: HTTPOptions
    private let places: [Place]
    private let clock = SystemClock()
    private var choice: EndpointChoice
    private var material: TLSMaterial
    private var peerExpiries: [Int: Timestamp] = [:]
    // How far the far side's clock is ahead of this machine's.
    private var clockOffset: Duration?
    // Freed last, so that a wake from another thread always finds it.
    private let multi: MultiHandle
    private let lines: [String]
    private var secrets: [HTTPRequest.SecretHeader]
    // What the far side may repeat and nobody else may read.
    private let unspoken: [Secret]
    // The lines of a request that has none of its own.
    private let usual = HeaderList()
    private var idle: [Transfer] = []
    private var foreignIdle: [Transfer] = []
    // Safe because the handles serve as names only: each value owns its own key.
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    private let isWoken = Atomic<Bool>(false)

    /// Prepares to talk to the endpoints; nothing is connected yet.
    ///
    /// - Parameters:
    ///   - headers: lines that every request carries, as `Content-Type: …`.
    ///   - secretHeaders: further ones, beside that of `auth`.
    ///   - unspoken: what else a sentence about an answer must not repeat.
    ///   - inFlight: how many exchanges there will be at once.
    init(
        sink: String, _ options: HTTPOptions, headers lines: [String],
        secretHeaders: [HTTPRequest.SecretHeader] = [], unspoken: [Secret] = [], inFlight: Int
    ) throws(SinkError) {
        guard !options.endpoints.isEmpty else {
            throw SinkError(sink: sink, "endpoint: must be set")
        }
        guard sealtail_curl_prepare() == CURLE_OK, let multi = MultiHandle() else {
            throw SinkError(
                sink: sink, "the HTTP library cannot be prepared; look at its package, libcurl4")
        }
        self.options = options
        self.multi = multi
        self.lines = lines
        material = try TLSMaterial(options.tls, sink: sink, at: clock.monotonic())
        choice = EndpointChoice(count: options.endpoints.count)
        places = options.endpoints.map { HTTPClient.place($0, as: options.tls.serverName) }
        secrets = secretHeaders
        if let authentication = options.authentication {
            secrets.append(authentication.header)
        }
        var unspoken = unspoken + secrets.map(\.bareValue)
        if case .basic(_, let password)? = options.authentication { unspoken.append(password) }
        self.unspoken = unspoken
        usual.append(lines, secrets)
        usual.append(HTTPClient.silencing, [])
        multi.set(CURLMOPT_MAXCONNECTS, inFlight)
        multi.set(CURLMOPT_MAX_TOTAL_CONNECTIONS, inFlight)
    }

    private static func place(_ endpoint: Endpoint, as name: String?) -> Place {
        guard let name else { return Place(endpoint: endpoint, url: endpoint.url(as: nil)) }
        // The URL carries that name, so that SNI, verification and the Host header all use it,
        // and only the connection goes to the endpoint's host.
        let detour = HeaderList()
        detour.append(["\(name):\(endpoint.port):\(endpoint.place)"], [])
        return Place(endpoint: endpoint, url: endpoint.url(as: name), detour: detour)
    }

    deinit {
        close()
    }

    /// Lines with which curl leaves out what it would say of itself. An empty Expect keeps it from
    /// waiting for a 100 before each larger body.
    private static let silencing = ["Expect:", "Content-Type:"]

    /// Begins a POST; its result comes out of `finished` under this ticket.
    func post(_ path: String, _ body: Span<UInt8>, eventCount: Int, ticket: UInt64) {
        var request = HTTPRequest(.post, path)
        request.eventCount = eventCount
        start(request, body, ticket: ticket)
    }

    /// Begins a GET; its result comes out of `finished` under this ticket.
    func get(_ path: String, ticket: UInt64) {
        start(HTTPRequest(.get, path), ticket: ticket)
    }

    /// Begins a request without a body; its result comes out of `finished` under this ticket.
    ///
    /// POST and PUT say then that their body has no bytes.
    func start(_ request: HTTPRequest, ticket: UInt64) {
        let transfer = freeTransfer(request)
        switch request.method {
        case .get, .head, .delete:
            transfer.setMethod(request.method)
        case .post, .put:
            let nothing: [UInt8] = []
            transfer.setMethod(request.method, nothing.span)
        }
        begin(transfer, request, ticket)
    }

    /// Begins a request; its result comes out of `finished` under this ticket.
    ///
    /// The body is copied. `Content-Type` is sent only when a header line says it.
    func start(_ request: HTTPRequest, _ body: Span<UInt8>, ticket: UInt64) {
        let transfer = freeTransfer(request)
        transfer.setMethod(request.method, body, isSentOnce: request.isSentOnce)
        begin(transfer, request, ticket)
    }

    private func freeTransfer(_ request: HTTPRequest) -> Transfer {
        let isForeign = request.origin != nil
        let former = isForeign ? foreignIdle.popLast() : idle.popLast()
        guard let transfer = former ?? makeTransfer(isForeign: isForeign) else {
            bug("no memory for an HTTP request")
        }
        return transfer
    }

    private func begin(_ transfer: Transfer, _ request: HTTPRequest, _ ticket: UInt64) {
        let now = clock.monotonic()
        if let origin = request.origin {
            transfer.prepare(
                request, to: origin, index: 0, url: origin.url() + request.path,
                timeLimit: request.timeLimit ?? options.timeout, ticket: ticket)
        } else {
            let index = request.endpointIndex ?? choice.pick(at: now)
            let place = places[index]
            transfer.prepare(
                request, to: place.endpoint, index: index, url: place.url + request.path,
                timeLimit: request.timeLimit ?? options.timeout, ticket: ticket)
            if let detour = place.detour { transfer.setDetour(detour) }
            setProxy(transfer, place.endpoint)
            material.refresh(at: now)
            transfer.use(material.content, version: material.version)
        }
        transfer.setHeaders(headers(request))
        // Safe because the handle is in no multi handle: it is new or was removed when it ended.
        guard curl_multi_add_handle(multi.pointer, transfer.handle) == CURLM_OK else {
            bug("an HTTP request could not be started")
        }
        running[transfer.handle] = transfer
        perform()
    }

    /// The lines of a request: its own, then those of the client.
    private func headers(_ request: HTTPRequest) -> HeaderList {
        let isForeign = request.origin != nil
        if !isForeign, request.headers.isEmpty, request.secretHeaders.isEmpty { return usual }
        let list = HeaderList()
        list.append(request.headers, request.secretHeaders)
        if !isForeign { list.append(lines, secrets) }
        list.append(HTTPClient.silencing, [])
        return list
    }

    /// Which of the endpoints serves at the moment, for requests that have to go to one place.
    func endpointIndex() -> Int { choice.pick(at: clock.monotonic()) }

    /// How many exchanges are under way.
    var runningCount: Int { running.count }

    /// The exchanges that have ended; waits until there is one, the time is up, or `wake`.
    func finished(
        waitingAtMost timeout: Duration
    ) -> [Ended] {
        material.refresh(at: clock.monotonic())
        let deadline = clock.monotonic().advanced(by: timeout)
        while true {
            perform()
            let ended = takeEnded()
            let wasWoken = isWoken.exchange(false, ordering: .acquiring)
            let left = deadline.duration(since: clock.monotonic()).wholeNanoseconds
            if !ended.isEmpty || wasWoken || left <= 0 { return ended }
            // Rounded up, so that the last part of a millisecond is not spent in a tight loop.
            let milliseconds = min(left / 1_000_000 + 1, Int64(Int32.max))
            // Safe because no further descriptors are handed in and the count is not asked for.
            curl_multi_poll(multi.pointer, nil, 0, Int32(milliseconds), nil)
        }
    }

    /// Waits for the end of a request, for as long as its time limit; nothing else is under way.
    func answer(to ticket: UInt64) -> Result<HTTPAnswer, DeliveryError> {
        while runningCount > 0 {
            for ended in finished(waitingAtMost: options.timeout) where ended.ticket == ticket {
                return ended.result
            }
        }
        bug("nobody asked what is to be answered")
    }

    /// Makes `finished` return soon; any thread may call it.
    func wake() {
        isWoken.store(true, ordering: .releasing)
        // Safe because curl_multi_wakeup(3) may be called from any thread while the handle lives.
        curl_multi_wakeup(multi.pointer)
    }

    /// Breaks off what is under way and closes all connections.
    func close() {
        for (_, transfer) in running { remove(transfer) }
        running.removeAll()
        idle.removeAll()
        foreignIdle.removeAll()
    }

    /// What is to be known of the certificates in use.
    var condition: SinkCondition {
        let expiries = peerExpiries.values + [material.content.expiry].compactMap { $0 }
        return SinkCondition(
            certificateExpiry: expiries.min(), clockOffset: clockOffset, problem: material.problem)
    }

    // MARK: Inside

    private func perform() {
        var count: Int32 = 0
        // Safe because the handle lives as long as self and the count outlives the call.
        curl_multi_perform(multi.pointer, &count)
    }

    private func takeEnded() -> [Ended] {
        var ended: [Ended] = []
        var code = CURLE_OK
        // Safe because the handle that comes back is only looked up, among those that live.
        while let handle = sealtail_curl_next_finished(multi.pointer, &code) {
            guard let transfer = running.removeValue(forKey: handle) else {
                bug("an HTTP request ended that was never started")
            }
            remove(transfer)
            ended.append((transfer.ticket, result(transfer, code)))
            transfer.finish()
            if transfer.isForeign { foreignIdle.append(transfer) } else { idle.append(transfer) }
        }
        return ended
    }

    private func remove(_ transfer: Transfer) {
        // Safe because the handle was added by `begin` and is removed once.
        curl_multi_remove_handle(multi.pointer, transfer.handle)
    }

    private func result(
        _ transfer: Transfer, _ code: CURLcode
    ) -> Result<HTTPAnswer, DeliveryError> {
        if transfer.isTooLong || code == CURLE_FILESIZE_EXCEEDED {
            let (place, limit) = (transfer.endpoint.place, transfer.answerLimit >> 10)
            let reason = "\(place): the answer is longer than \(limit) KiB"
            // Fewer events give reason for fewer words.
            return .failure(
                transfer.eventCount > 1
                    ? .split(reason: reason, code: .answer)
                    : .retry(after: nil, reason: reason, code: .answer))
        }
        guard code == CURLE_OK else {
            return .failure(failure(code, transfer, hasAnother: noteFailure(of: transfer)))
        }
        guard transfer.hasHead else {
            // libcurl takes what came for an answer, though the most of it may be missing.
            _ = noteFailure(of: transfer)
            let reason = "\(transfer.endpoint.place): the connection ended within the answer's head"
            return .failure(.retry(after: nil, reason: reason, code: .connection))
        }
        if (200...299).contains(transfer.status), !transfer.isWhollySent {
            _ = noteFailure(of: transfer)
            let reason =
                "\(transfer.endpoint.place): HTTP \(transfer.status) came before the whole request "
                + "was sent, so it says nothing about the events"
            return .failure(.retry(after: nil, reason: reason, code: .answer))
        }
        var answer = HTTPAnswer(
            status: transfer.status, body: transfer.takeAnswer(),
            retryAfter: transfer.retryAfter(at: clock.now()), endpointIndex: transfer.endpointIndex,
            headers: transfer.answerHeaders,
            unspoken: unspoken + transfer.secretHeaders.map(\.bareValue))
        if !(200...299).contains(answer.status) { answer.concealSecrets() }
        if transfer.isForeign { return .success(answer) }
        clockOffset = transfer.answeredAt.map { $0.since(clock.now()) } ?? clockOffset
        if let expiry = transfer.peerExpiry { peerExpiries[transfer.endpointIndex] = expiry }
        if answer.status < 500 {
            choice.answered(transfer.endpointIndex)
        } else if noteFailure(of: transfer) {
            // Another one need not be spared for what this one asks.
            answer.retryAfter = nil
        }
        return .success(answer)
    }

    /// True when the next request goes to an endpoint that has not failed as well.
    private func noteFailure(of transfer: Transfer) -> Bool {
        guard !transfer.isForeign else { return false }
        return choice.failed(transfer.endpointIndex, at: clock.monotonic())
    }

    private func failure(
        _ code: CURLcode, _ transfer: Transfer, hasAnother: Bool
    ) -> DeliveryError {
        let reason = "\(transfer.endpoint.place): \(transfer.words(code))"
        if transfer.proxyStatus == 403 || transfer.proxyStatus == 407 {
            return .alarm(
                reason: "\(reason); the proxy does not let the agent through, look at proxy",
                code: .authorization)
        }
        switch code {
        case CURLE_SSL_CONNECT_ERROR where HTTPClient.isBreak(reason):
            return .retry(after: nil, reason: reason, code: .connection)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_CRL_BADFILE, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_CLIENTCERT, CURLE_USE_SSL_FAILED, CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            if hasAnother { return .retry(after: nil, reason: reason, code: .tls) }
            return .alarm(reason: reason, code: .tls)
        case CURLE_RECV_ERROR where HTTPClient.isRefusal(reason),
            CURLE_SEND_ERROR where HTTPClient.isRefusal(reason):
            return .alarm(reason: reason, code: .tls)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            return .retry(after: nil, reason: reason, code: .name)
        case CURLE_OPERATION_TIMEDOUT:
            return .retry(after: nil, reason: reason, code: .timeout)
        default:
            return .retry(after: nil, reason: reason, code: .connection)
        }
    }

    /// Whether a connection only ended while TLS was agreed on, as it does when a receiver starts
    /// anew or a balancer has nobody behind it: neither side has refused the other.
    private static func isBreak(_ words: String) -> Bool {
        ["SSL_ERROR_SYSCALL", "Connection reset by peer", "unexpected eof", "Broken pipe"]
            .contains { words.contains($0) }
    }

    /// Whether the far side does not take our certificate, or misses one. With TLS 1.3 it says so
    /// when the connection is already made for us.
    private static func isRefusal(_ words: String) -> Bool {
        words.contains(" alert ")
            && ["certificate", "unknown ca", "access denied"].contains { words.contains($0) }
    }

    // MARK: Connections

    private func makeTransfer(isForeign: Bool) -> Transfer? {
        guard let transfer = Transfer(places[0].endpoint, isForeign: isForeign) else { return nil }
        transfer.set(CURLOPT_NOSIGNAL, 1)
        transfer.set(CURLOPT_PROTOCOLS_STR, "http,https")
        transfer.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        transfer.set(CURLOPT_FOLLOWLOCATION, 0)
        // What is signed is what is sent.
        transfer.set(CURLOPT_PATH_AS_IS, 1)
        transfer.set(CURLOPT_USERAGENT, "sealtail")
        transfer.set(CURLOPT_CONNECTTIMEOUT_MS, HTTPLimit.connectTime.wholeMilliseconds)
        transfer.set(
            CURLOPT_DNS_CACHE_TIMEOUT,
            min(HTTPLimit.nameLifetime, options.connectionAge).wholeSeconds)
        transfer.set(CURLOPT_MAXAGE_CONN, HTTPLimit.connectionIdleTime.wholeSeconds)
        transfer.set(CURLOPT_MAXLIFETIME_CONN, options.connectionAge.wholeSeconds)
        transfer.set(CURLOPT_TCP_KEEPALIVE, 1)
        transfer.set(CURLOPT_BUFFERSIZE, HTTPLimit.pieceByteCount)
        transfer.set(CURLOPT_UPLOAD_BUFFERSIZE, HTTPLimit.pieceByteCount)
        transfer.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        transfer.set(CURLOPT_CA_CACHE_TIMEOUT, HTTPLimit.usualConnectionAge.wholeSeconds)
        guard !isForeign else {
            transfer.set(CURLOPT_PROXY, "")
            return transfer
        }
        let tls = options.tls
        transfer.set(CURLOPT_SSL_VERIFYPEER, tls.isUnverified ? 0 : 1)
        transfer.set(CURLOPT_SSL_VERIFYHOST, tls.isUnverified ? 0 : 2)
        transfer.set(CURLOPT_CERTINFO, 1)
        if !tls.pins.isEmpty {
            let pins = tls.pins.map { "sha256//\($0)" }.joined(separator: ";")
            transfer.set(CURLOPT_PINNEDPUBLICKEY, pins)
        }
        return transfer
    }

    private func setProxy(_ transfer: Transfer, _ endpoint: Endpoint) {
        if endpoint.isLoopback {
            transfer.set(CURLOPT_PROXY, "")
            return
        }
        switch options.proxy {
        case .environment:
            transfer.clear(CURLOPT_PROXY)
        case .none:
            transfer.set(CURLOPT_PROXY, "")
        case .through(let proxy, let username, let password):
            transfer.set(CURLOPT_PROXY, proxy.url())
            // Otherwise the exceptions of the environment would count.
            transfer.set(CURLOPT_NOPROXY, "")
            guard let password else { return }
            transfer.set(CURLOPT_PROXYUSERNAME, username)
            transfer.set(CURLOPT_PROXYPASSWORD, password)
        }
    }
}
