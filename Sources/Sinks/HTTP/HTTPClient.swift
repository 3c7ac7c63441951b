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
    private let origin: String
    // Freed last, so that a wake from another thread always finds it.
    private let multi: MultiHandle
    private let headers: HeaderList
    private var detour: HeaderList?
    private var idle: [Transfer] = []
    // Safe because the handles serve as names only: each value owns its own key.
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    private let isWoken = Atomic<Bool>(false)

    /// Prepares to talk to an endpoint; nothing is connected yet.
    ///
    /// - Parameters:
    ///   - headers: lines that every request carries, as `Content-Type: …`.
    ///   - inFlight: how many exchanges there will be at once.
    init(
        sink: String, _ options: HTTPOptions, headers lines: [String], inFlight: Int
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
        // With a server name of its own the URL carries that name, so that SNI, verification and
        // the Host header all use it, and only the connection goes to the endpoint's host.
        let scheme = endpoint.isSecure ? "https" : "http"
        let name = tls.serverName ?? endpoint.urlHost
        origin = "\(scheme)://\(name):\(endpoint.port)\(endpoint.path)"
        // An empty Expect header keeps curl from waiting for a 100 before each larger body.
        headers = HeaderList(lines + ["Expect:"])
        if let authentication = options.authentication {
            HTTPClient.append(authentication, to: headers)
        }
        if tls.serverName != nil {
            detour = HeaderList([
                "\(name):\(endpoint.port):\(endpoint.urlHost):\(endpoint.port)"
            ])
        }
        multi.set(CURLMOPT_MAXCONNECTS, inFlight)
        multi.set(CURLMOPT_MAX_TOTAL_CONNECTIONS, inFlight)
    }

    deinit {
        close()
    }

    /// Begins a POST; its result comes out of `finished` under this ticket.
    ///
    /// `path` begins with a slash and is added to the endpoint's own. The body is copied. The
    /// answer may be as long as `eventCount` events give reason for.
    func post(_ path: String, _ body: Span<UInt8>, eventCount: Int, ticket: UInt64) {
        let transfer = freeTransfer()
        transfer.setBody(body)
        transfer.eventCount = eventCount
        start(transfer, path, ticket)
    }

    /// Begins a GET; its result comes out of `finished` under this ticket.
    func get(_ path: String, ticket: UInt64) {
        let transfer = freeTransfer()
        transfer.set(CURLOPT_HTTPGET, 1)
        transfer.eventCount = 0
        start(transfer, path, ticket)
    }

    private func freeTransfer() -> Transfer {
        guard let transfer = idle.popLast() ?? makeTransfer() else {
            bug("no memory for an HTTP request")
        }
        return transfer
    }

    private func start(_ transfer: Transfer, _ path: String, _ ticket: UInt64) {
        transfer.prepare(url: origin + path, ticket: ticket)
        // Safe because the handle is in no multi handle: it is new or was removed when it ended.
        guard curl_multi_add_handle(multi.pointer, transfer.handle) == CURLM_OK else {
            bug("an HTTP request could not be started")
        }
        running[transfer.handle] = transfer
        perform()
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
            idle.append(transfer)
        }
        return ended
    }

    private func remove(_ transfer: Transfer) {
        // Safe because the handle was added by `start` and is removed once.
        curl_multi_remove_handle(multi.pointer, transfer.handle)
    }

    private func result(
        _ transfer: Transfer, _ code: CURLcode
    ) -> Result<HTTPAnswer, DeliveryError> {
        if transfer.isTooLong || code == CURLE_FILESIZE_EXCEEDED {
            let reason = "\(origin): the answer is longer than \(transfer.answerLimit >> 10) KiB"
            // Fewer events give reason for fewer words.
            return .failure(
                transfer.eventCount > 1
                    ? .split(reason: reason, code: .answer)
                    : .retry(after: nil, reason: reason, code: .answer))
        }
        guard code == CURLE_OK else { return .failure(failure(code, transfer.words(code))) }
        return .success(
            HTTPAnswer(
                status: transfer.status, body: transfer.takeAnswer(),
                retryAfter: transfer.retryAfter))
    }

    private func failure(_ code: CURLcode, _ words: String) -> DeliveryError {
        let reason = "\(endpoint.host):\(endpoint.port): \(words)"
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

    private func makeTransfer() -> Transfer? {
        guard let transfer = Transfer() else { return nil }
        transfer.set(CURLOPT_NOSIGNAL, 1)
        transfer.set(CURLOPT_PROTOCOLS_STR, "http,https")
        transfer.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        transfer.set(CURLOPT_FOLLOWLOCATION, 0)
        transfer.set(CURLOPT_USERAGENT, "sealtail")
        transfer.set(CURLOPT_CONNECTTIMEOUT_MS, HTTPLimit.connectTime.wholeMilliseconds)
        transfer.set(CURLOPT_TIMEOUT_MS, HTTPLimit.exchangeTime.wholeMilliseconds)
        transfer.set(CURLOPT_MAXAGE_CONN, HTTPLimit.connectionIdleTime.wholeSeconds)
        transfer.set(CURLOPT_MAXLIFETIME_CONN, HTTPLimit.connectionAge.wholeSeconds)
        transfer.set(CURLOPT_TCP_KEEPALIVE, 1)
        transfer.set(CURLOPT_BUFFERSIZE, HTTPLimit.pieceByteCount)
        transfer.set(CURLOPT_UPLOAD_BUFFERSIZE, HTTPLimit.pieceByteCount)
        transfer.set(CURLOPT_HTTPHEADER, headers)
        if let detour { transfer.set(CURLOPT_CONNECT_TO, detour) }
        guard endpoint.isSecure else { return transfer }
        transfer.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
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

    private static func append(
        _ authentication: HTTPOptions.Authentication, to headers: HeaderList
    ) {
        var line: [UInt8]
        switch authentication {
        case .apiKey(let key):
            line = Array("Authorization: ApiKey ".utf8)
            key.withBytes { bytes in for index in bytes.indices { line.append(bytes[index]) } }
        case .bearer(let token):
            line = Array("Authorization: Bearer ".utf8)
            token.withBytes { bytes in for index in bytes.indices { line.append(bytes[index]) } }
        case .basic(let username, let password):
            line = Array("Authorization: Basic ".utf8)
            var pair = Array("\(username):".utf8)
            password.withBytes { bytes in
                for index in bytes.indices { pair.append(bytes[index]) }
            }
            Base64.append(pair.span, to: &line)
            Secret.wipe(&pair)
        }
        headers.append(line)
        Secret.wipe(&line)
    }
}

/// A multi handle with its own lifetime.
private final class MultiHandle {
    // Safe because init makes it and deinit frees it.
    let pointer: UnsafeMutableRawPointer

    init?() {
        guard let pointer = curl_multi_init() else { return nil }
        self.pointer = pointer
    }

    deinit {
        // Safe because the client removes every handle before it lets go of this one.
        curl_multi_cleanup(pointer)
    }

    func set(_ option: CURLMoption, _ value: Int) {
        // Safe because the option takes a long.
        sealtail_curl_multi_set_long(pointer, option, value)
    }
}

/// A list of header lines as libcurl wants them.
private final class HeaderList {
    // Safe because libcurl only reads it and deinit frees it.
    fileprivate var pointer: UnsafeMutablePointer<curl_slist>?

    init(_ lines: [String]) {
        for line in lines { append(Array(line.utf8)) }
    }

    deinit {
        // Safe because the list belongs to this object alone.
        curl_slist_free_all(pointer)
    }

    func append(_ line: [UInt8]) {
        var line = line
        line.append(0)
        // Safe because the text ends in a zero byte and the library copies it.
        let longer = line.withUnsafeBytes { bytes in
            curl_slist_append(pointer, bytes.bindMemory(to: CChar.self).baseAddress)
        }
        Secret.wipe(&line)
        guard let longer else { bug("no memory for a header") }
        pointer = longer
    }
}

/// One exchange, used again and again: an easy handle and the memory that libcurl reads and fills.
private final class Transfer {
    // Safe because init makes it, deinit frees it, and no callback outlives it.
    let handle: UnsafeMutableRawPointer
    private(set) var ticket: UInt64 = 0
    private(set) var isTooLong = false
    private var answer: [UInt8] = []
    // Safe because libcurl uses both only between `prepare` and `finish`, and they are freed last.
    private var body = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private let message: UnsafeMutablePointer<CChar>

    /// How many events the request brings.
    var eventCount = 0
    /// The longest answer that is taken.
    var answerLimit: Int { HTTPLimit.answerByteCount(eventCount: eventCount) }

    init?() {
        guard let handle = curl_easy_init() else { return nil }
        self.handle = handle
        // Safe because the buffer has the size that libcurl asks for and outlives the handle.
        message = .allocate(capacity: Int(CURL_ERROR_SIZE))
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        sealtail_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, message)
        // Safe because the callback is called only while this object performs its transfer.
        sealtail_curl_set_pointer(
            handle, CURLOPT_WRITEDATA, Unmanaged.passUnretained(self).toOpaque())
        sealtail_curl_set_writer(handle) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            // Safe because the context is the transfer that owns the running handle.
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.take(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
    }

    deinit {
        // Safe because the handle is in no multi handle any more.
        curl_easy_cleanup(handle)
        message.deallocate()
        body.deallocate()
    }

    func set(_ option: CURLoption, _ value: Int) {
        // Safe because the option takes a long; what an old library does not know it leaves alone.
        sealtail_curl_set_long(handle, option, value)
    }

    func set(size option: CURLoption, _ value: Int) {
        // Safe because the option takes a curl_off_t.
        sealtail_curl_set_size(handle, option, Int64(value))
    }

    func set(_ option: CURLoption, _ value: String) {
        // Safe because the library copies the text.
        sealtail_curl_set_text(handle, option, value)
    }

    func clear(_ option: CURLoption) {
        // Safe because the option takes a text, and none sets it back to nothing.
        sealtail_curl_set_text(handle, option, nil)
    }

    func set(_ option: CURLoption, _ list: HeaderList) {
        // Safe because the client keeps the list longer than its transfers.
        sealtail_curl_set_list(handle, option, list.pointer)
    }

    /// Makes ready for the next exchange.
    func prepare(url: String, ticket: UInt64) {
        self.ticket = ticket
        isTooLong = false
        answer.removeAll(keepingCapacity: true)
        message[0] = 0
        set(size: CURLOPT_MAXFILESIZE_LARGE, answerLimit)
        set(CURLOPT_URL, url)
    }

    /// Makes the exchange a POST of a copy of these bytes.
    func setBody(_ bytes: Span<UInt8>) {
        if body.count < max(bytes.count, 1) {
            body.deallocate()
            // Safe because the old block is not in use between two exchanges.
            body = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        }
        bytes.withUnsafeBytes { source in
            // Safe because the block has room for the bytes.
            if source.count > 0 { body.copyMemory(from: source) }
        }
        set(CURLOPT_POST, 1)
        set(size: CURLOPT_POSTFIELDSIZE_LARGE, bytes.count)
        // Safe because the block stays until the exchange has ended.
        sealtail_curl_set_pointer(handle, CURLOPT_POSTFIELDS, body.baseAddress)
    }

    /// Lets go of an answer that was unusually long.
    func finish() {
        if answer.capacity > HTTPLimit.pieceByteCount { answer = [] }
    }

    var status: Int {
        var value = 0
        // Safe because the value is a long and outlives the call.
        sealtail_curl_long(handle, CURLINFO_RESPONSE_CODE, &value)
        return value
    }

    /// What Retry-After says, as seconds or as a date.
    var retryAfter: Duration? {
        var seconds: Int64 = 0
        // Safe because the value is a curl_off_t and outlives the call.
        guard sealtail_curl_size(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK,
            seconds > 0
        else { return nil }
        return min(.seconds(seconds), HTTPLimit.retryAfter)
    }

    /// libcurl's own words about a failure.
    func words(_ code: CURLcode) -> String {
        // Safe because the buffer always ends in a zero byte, as does the constant text.
        let detail = String(cString: message)
        let general = curl_easy_strerror(code).map { String(cString: $0) } ?? "unknown error"
        let text = detail.isEmpty || detail == general ? general : "\(general): \(detail)"
        return DeliveryText.oneLine(text, byteLimit: Rejection.textByteLimit)
    }

    func takeAnswer() -> [UInt8] {
        let taken = answer
        answer = []
        return taken
    }

    // Safe because libcurl keeps the bytes for the call and they are copied at once.
    // Fewer bytes than offered end the transfer.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard answer.count + bytes.count <= answerLimit else {
            isTooLong = true
            answer = []
            return 0
        }
        answer.append(contentsOf: bytes)
        return bytes.count
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int { Int(wholeNanoseconds / 1_000_000) }
    fileprivate var wholeSeconds: Int { Int(wholeNanoseconds / 1_000_000_000) }
}
