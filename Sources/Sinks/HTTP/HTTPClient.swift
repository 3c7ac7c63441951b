// SPDX-License-Identifier: Apache-2.0
import CCurl
import Platform
import Synchronization

/// Exchanges requests and answers with one server, several at a time, over connections it keeps.
///
/// One thread makes all calls but `wake`. Nothing moves except inside `start` and `finished`.
final class HTTPClient {
    private let sink: String
    private let endpoint: Endpoint
    private let tls: TLSOptions
    // Freed last, so that a wake from another thread always finds it.
    private let multi: MultiHandle
    private let lines: [String]
    private var secrets: [HTTPRequest.SecretHeader]
    // The lines of a request that has none of its own.
    private let usual = HeaderList()
    private var detour: HeaderList?
    private var idle: [Transfer] = []
    private var foreignIdle: [Transfer] = []
    // Safe because the handles serve as names only: each value owns its own key.
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    private let isWoken = Atomic<Bool>(false)

    /// Prepares to talk to an endpoint; nothing is connected yet.
    ///
    /// - Parameters:
    ///   - headers: lines that every request carries, as `Content-Type: …`.
    ///   - secretHeaders: further ones, beside that of `auth`.
    ///   - inFlight: how many exchanges there will be at once.
    init(
        sink: String, _ options: HTTPOptions, headers lines: [String],
        secretHeaders: [HTTPRequest.SecretHeader] = [], inFlight: Int
    ) throws(SinkError) {
        guard let endpoint = options.endpoint else {
            throw SinkError(sink: sink, "endpoint: must be set")
        }
        let tls = options.tls
        guard sealtail_curl_prepare() == CURLE_OK, let multi = MultiHandle() else {
            throw SinkError(sink: sink, "the HTTP library cannot be prepared")
        }
        for (key, path) in [
            ("ca_file", tls.authorityFile), ("cert_file", tls.certificateFile),
            ("key_file", tls.keyFile),
        ] {
            guard let path else { continue }
            do throws(SystemError) {
                _ = try File(path)
            } catch {
                throw SinkError(sink: sink, "tls.\(key): \(error)")
            }
        }
        self.sink = sink
        self.endpoint = endpoint
        self.tls = tls
        self.multi = multi
        self.lines = lines
        secrets = secretHeaders
        if let authentication = options.authentication {
            secrets.append(authentication.header)
        }
        usual.append(lines, secrets)
        usual.append(HTTPClient.silencing, [])
        if let name = tls.serverName {
            // The URL carries that name, so that SNI, verification and the Host header all use
            // it, and only the connection goes to the endpoint's host.
            let detour = HeaderList()
            detour.append(["\(name):\(endpoint.port):\(endpoint.place)"], [])
            self.detour = detour
        }
        multi.set(CURLMOPT_MAXCONNECTS, inFlight)
        multi.set(CURLMOPT_MAX_TOTAL_CONNECTIONS, inFlight)
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
        transfer.setMethod(request.method, body)
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
        transfer.prepare(
            request, to: request.origin ?? endpoint,
            as: request.origin == nil ? tls.serverName : nil, ticket: ticket)
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

    /// How many exchanges are under way.
    var runningCount: Int { running.count }

    /// The exchanges that have ended; waits until there is one, the time is up, or `wake`.
    func finished(
        waitingAtMost timeout: Duration
    ) -> [(ticket: UInt64, result: Result<HTTPAnswer, DeliveryError>)] {
        let clock = SystemClock()
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

    // MARK: Inside

    private func perform() {
        var count: Int32 = 0
        // Safe because the handle lives as long as self and the count outlives the call.
        curl_multi_perform(multi.pointer, &count)
    }

    private func takeEnded() -> [(ticket: UInt64, result: Result<HTTPAnswer, DeliveryError>)] {
        var ended: [(ticket: UInt64, result: Result<HTTPAnswer, DeliveryError>)] = []
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
        guard code == CURLE_OK else { return .failure(failure(code, transfer)) }
        return .success(
            HTTPAnswer(
                status: transfer.status, body: transfer.takeAnswer(),
                retryAfter: transfer.retryAfter, headers: transfer.answerHeaders))
    }

    private func failure(_ code: CURLcode, _ transfer: Transfer) -> DeliveryError {
        let reason = "\(transfer.endpoint.place): \(transfer.words(code))"
        switch code {
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_CRL_BADFILE, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_CLIENTCERT, CURLE_USE_SSL_FAILED, CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            return .alarm(reason: reason, code: .tls)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            return .retry(after: nil, reason: reason, code: .name)
        case CURLE_OPERATION_TIMEDOUT:
            return .retry(after: nil, reason: reason, code: .timeout)
        default:
            return .retry(after: nil, reason: reason, code: .connection)
        }
    }

    private func makeTransfer(isForeign: Bool) -> Transfer? {
        guard let transfer = Transfer(endpoint, isForeign: isForeign) else { return nil }
        transfer.set(CURLOPT_NOSIGNAL, 1)
        transfer.set(CURLOPT_PROTOCOLS_STR, "http,https")
        transfer.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        transfer.set(CURLOPT_FOLLOWLOCATION, 0)
        transfer.set(CURLOPT_USERAGENT, "sealtail")
        transfer.set(CURLOPT_CONNECTTIMEOUT_MS, HTTPLimit.connectTime.wholeMilliseconds)
        transfer.set(CURLOPT_MAXAGE_CONN, HTTPLimit.connectionIdleTime.wholeSeconds)
        transfer.set(CURLOPT_MAXLIFETIME_CONN, HTTPLimit.connectionAge.wholeSeconds)
        transfer.set(CURLOPT_TCP_KEEPALIVE, 1)
        transfer.set(CURLOPT_BUFFERSIZE, HTTPLimit.pieceByteCount)
        transfer.set(CURLOPT_UPLOAD_BUFFERSIZE, HTTPLimit.pieceByteCount)
        transfer.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        guard !isForeign else {
            transfer.set(CURLOPT_PROXY, "")
            return transfer
        }
        if let detour { transfer.setDetour(detour) }
        transfer.set(CURLOPT_SSL_VERIFYPEER, tls.isUnverified ? 0 : 1)
        transfer.set(CURLOPT_SSL_VERIFYHOST, tls.isUnverified ? 0 : 2)
        transfer.set(CURLOPT_CA_CACHE_TIMEOUT, HTTPLimit.connectionAge.wholeSeconds)
        if let path = tls.authorityFile {
            transfer.set(CURLOPT_CAINFO, path)
            // Without this the folder of the system's authorities would be trusted as well.
            transfer.clear(CURLOPT_CAPATH)
        }
        if let path = tls.certificateFile { transfer.set(CURLOPT_SSLCERT, path) }
        if let path = tls.keyFile { transfer.set(CURLOPT_SSLKEY, path) }
        return transfer
    }
}
