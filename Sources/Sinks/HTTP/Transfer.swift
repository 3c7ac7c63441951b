// SPDX-License-Identifier: Apache-2.0
import CCurl
import Platform

/// A multi handle with its own lifetime.
final class MultiHandle {
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

/// A list of header lines as libcurl wants them. Of two lines of one name the first counts.
final class HeaderList {
    // Safe because libcurl only reads it and deinit frees it.
    private(set) var pointer: UnsafeMutablePointer<curl_slist>?
    private var names: Set<String> = []

    deinit {
        // Safe because the list belongs to this object alone.
        curl_slist_free_all(pointer)
    }

    /// Appends lines as `Name: value`, then those whose values are never printed.
    func append(_ lines: [String], _ secrets: [HTTPRequest.SecretHeader]) {
        for line in lines {
            append(name: line.prefix { $0 != ":" }, Array(line.utf8))
        }
        for header in secrets {
            var line = Array("\(header.name): ".utf8)
            header.value.withBytes { bytes in
                for index in bytes.indices { line.append(bytes[index]) }
            }
            append(name: header.name[...], line)
            Secret.wipe(&line)
        }
    }

    private func append(name: Substring, _ line: [UInt8]) {
        guard names.insert(name.lowercased()).inserted else { return }
        var line = line
        // A line break would begin another header.
        for index in line.indices where line[index] < 0x20 || line[index] == 0x7F {
            line[index] = 0x20
        }
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
final class Transfer {
    // Safe because init makes it, deinit frees it, and no callback outlives it.
    let handle: UnsafeMutableRawPointer
    private(set) var ticket: UInt64 = 0
    private(set) var isTooLong = false
    /// Whether the head of the answer has come to its end.
    private(set) var hasHead = false
    private var answer: [UInt8] = []
    // Safe because libcurl uses both only between `prepare` and `finish`, and they are freed last.
    private var body = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    // The part of the body that the reader has not given yet.
    private var unsent = 0..<0
    private var bodyByteCount = 0
    private let message: UnsafeMutablePointer<CChar>

    /// True for requests that go elsewhere than to the client's endpoint.
    let isForeign: Bool
    /// Where the request goes.
    private(set) var endpoint: Endpoint
    /// The endpoint's place in the list.
    private(set) var endpointIndex = 0
    private var request = HTTPRequest(.get, "/")
    private var headers: HeaderList?
    private var materialVersion: Int?
    /// What the request carries that is never printed.
    var secretHeaders: [HTTPRequest.SecretHeader] { request.secretHeaders }
    /// How many events the request brings.
    var eventCount: Int { request.eventCount }
    /// The longest answer that is taken.
    var answerLimit: Int { HTTPLimit.answerByteCount(eventCount: eventCount) }

    init?(_ endpoint: Endpoint, isForeign: Bool) {
        self.endpoint = endpoint
        self.isForeign = isForeign
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
        // Safe because the callback is called only while this object performs its transfer.
        sealtail_curl_set_pointer(
            handle, CURLOPT_HEADERDATA, Unmanaged.passUnretained(self).toOpaque())
        sealtail_curl_set_head_writer(handle) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            // Safe because the context is the transfer that owns the running handle.
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            transfer.note(head: UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        // Safe because the callback is called only while this object performs its transfer.
        sealtail_curl_set_pointer(
            handle, CURLOPT_READDATA, Unmanaged.passUnretained(self).toOpaque())
        sealtail_curl_set_reader(handle) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            // Safe because the context is the transfer that owns the running handle.
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.give(
                UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
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

    /// Connects elsewhere than the URL says; the list must outlive the transfer.
    func setDetour(_ list: HeaderList) {
        // Safe because the client keeps the list longer than its transfers.
        sealtail_curl_set_list(handle, CURLOPT_CONNECT_TO, list.pointer)
    }

    func set(_ option: CURLoption, _ secret: Secret) {
        var text: [UInt8] = []
        secret.withBytes { bytes in for index in bytes.indices { text.append(bytes[index]) } }
        text.append(0)
        // Safe because the text ends in a zero byte and the library copies it.
        text.withUnsafeBytes { bytes in
            _ = sealtail_curl_set_text(
                handle, option, bytes.bindMemory(to: CChar.self).baseAddress)
        }
        Secret.wipe(&text)
    }

    /// Uses these certificates and this key for connections that are made from now on.
    func use(_ content: TLSMaterial.Content, version: Int) {
        guard materialVersion != version else { return }
        materialVersion = version
        if let authorities = content.authorities {
            copy(authorities.span, to: CURLOPT_CAINFO_BLOB)
            // Without this the folder of the system's authorities would be trusted as well.
            clear(CURLOPT_CAPATH)
        }
        if let certificate = content.certificate, let key = content.key {
            copy(certificate.span, to: CURLOPT_SSLCERT_BLOB)
            key.withBytes { copy($0, to: CURLOPT_SSLKEY_BLOB) }
        }
    }

    private func copy(_ bytes: Span<UInt8>, to option: CURLoption) {
        bytes.withUnsafeBytes { buffer in
            // Safe because the library copies the bytes before it returns.
            _ = sealtail_curl_set_copy(handle, option, buffer.baseAddress, buffer.count)
        }
    }

    /// Makes ready for the next exchange.
    func prepare(
        _ request: HTTPRequest, to endpoint: Endpoint, index: Int, url: String,
        timeLimit: Duration, ticket: UInt64
    ) {
        self.request = request
        self.endpoint = endpoint
        endpointIndex = index
        self.ticket = ticket
        isTooLong = false
        hasHead = false
        answer.removeAll(keepingCapacity: true)
        message[0] = 0
        // What HEAD is told of is never sent, however long it is.
        set(size: CURLOPT_MAXFILESIZE_LARGE, request.method == .head ? 0 : answerLimit)
        set(CURLOPT_TIMEOUT_MS, timeLimit.wholeMilliseconds)
        set(CURLOPT_URL, url)
    }

    /// Sends these lines; the list is kept for as long as the exchange lasts.
    func setHeaders(_ list: HeaderList) {
        headers = list
        // Safe because the list is kept until the next one takes its place.
        sealtail_curl_set_list(handle, CURLOPT_HTTPHEADER, list.pointer)
    }

    /// Makes the exchange one without a body.
    func setMethod(_ method: HTTPRequest.Method) {
        set(CURLOPT_HTTPGET, 1)
        bodyByteCount = 0
        if method == .head { set(CURLOPT_NOBODY, 1) }
        setWord(method, plain: method == .head ? .head : .get)
    }

    /// Lets the request begin with a word that curl would not choose by itself.
    private func setWord(_ method: HTTPRequest.Method, plain: HTTPRequest.Method) {
        if method == plain {
            clear(CURLOPT_CUSTOMREQUEST)
        } else {
            set(CURLOPT_CUSTOMREQUEST, method.rawValue)
        }
    }

    /// Makes the exchange one that sends a copy of these bytes.
    ///
    /// Sent once means through the reader: libcurl cannot wind it back, so it cannot repeat.
    func setMethod(_ method: HTTPRequest.Method, _ bytes: Span<UInt8>, isSentOnce: Bool = false) {
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
        setWord(method, plain: .post)
        set(size: CURLOPT_POSTFIELDSIZE_LARGE, bytes.count)
        unsent = 0..<bytes.count
        bodyByteCount = bytes.count
        // Safe because the block stays until the exchange has ended.
        sealtail_curl_set_pointer(
            handle, CURLOPT_POSTFIELDS, isSentOnce ? nil : body.baseAddress)
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

    /// Whether the whole body went out.
    ///
    /// libcurl takes an answer that comes early, over a connection that is then closed, for the end
    /// of the exchange and sends no more.
    var isWhollySent: Bool {
        var byteCount: Int64 = 0
        // Safe because the value is a curl_off_t and outlives the call.
        sealtail_curl_size(handle, CURLINFO_SIZE_UPLOAD_T, &byteCount)
        return byteCount >= Int64(bodyByteCount)
    }

    /// What Retry-After says, as seconds or as a date (RFC 9110 §10.2.3).
    ///
    /// A date is one of the server's clock, so it is counted from when the server says it answered.
    /// Not CURLINFO_RETRY_AFTER, which counts from now and listens to answers of 1xx as well.
    func retryAfter(at now: Timestamp) -> Duration? {
        guard let text = answerHeader("retry-after") else { return nil }
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // More digits than a number has are a long time too.
            let seconds = text.isEmpty ? 0 : Int32(text) ?? .max
            return seconds > 0 ? min(.seconds(seconds), HTTPLimit.retryAfter) : nil
        }
        // Safe because the text ends in a zero byte and lives for the call.
        let second = curl_getdate(text, nil)
        guard second >= 0 else { return nil }
        let moment = Timestamp(microseconds: 0).advanced(by: .seconds(second))
        let delay = moment.since(answeredAt ?? now)
        return delay > .zero ? min(delay, HTTPLimit.retryAfter) : nil
    }

    /// The status with which a proxy refused to connect; 0 where none did.
    var proxyStatus: Int {
        var value = 0
        // Safe because the value is a long and outlives the call.
        sealtail_curl_long(handle, CURLINFO_HTTP_CONNECTCODE, &value)
        return value
    }

    /// When the first of the far side's certificates expires; nil unless the exchange made a
    /// connection of its own.
    var peerExpiry: Timestamp? {
        var found: UnsafeMutableRawPointer?
        // Safe because libcurl answers with a structure that lives until the handle is used again.
        guard sealtail_curl_pointer(handle, CURLINFO_CERTINFO, &found) == CURLE_OK,
            let chain = found?.assumingMemoryBound(to: curl_certinfo.self).pointee
        else { return nil }
        var pem: [UInt8] = []
        for index in 0..<Int(chain.num_of_certs) {
            var line = chain.certinfo?[index]
            while let entry = line?.pointee {
                // Safe because the text ends in a zero byte and is copied at once.
                let text = entry.data.map { String(cString: $0) } ?? ""
                if text.hasPrefix("Cert:") { pem += Array(text.utf8.dropFirst(5)) + [0x0A] }
                line = entry.next
            }
        }
        return try? CertificateChain(pem: pem).expiry
    }

    /// The header lines of the answer that the request asked for, names as they were asked for.
    var answerHeaders: [String: String] {
        var found: [String: String] = [:]
        for name in request.answerHeaders { found[name] = answerHeader(name) }
        return found
    }

    /// When the far side says that it answered; nil where it does not.
    var answeredAt: Timestamp? { answerHeader("date").flatMap { WrittenTime.http($0) } }

    private func answerHeader(_ name: String) -> String? {
        var header: UnsafeMutablePointer<curl_header>?
        // Safe because the header lives until the handle is used again, and is copied here.
        guard curl_easy_header(handle, name, 0, UInt32(CURLH_HEADER), -1, &header) == CURLHE_OK,
            let value = header?.pointee.value
        else { return nil }
        // Safe because libcurl ends the value with a zero byte.
        return DeliveryText.oneLine(String(cString: value), byteLimit: HTTPLimit.headerByteCount)
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

    // Safe because libcurl has room for that many bytes and the body stays as it is meanwhile.
    private func give(_ room: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(room.count, unsent.count)
        let piece = unsent.lowerBound..<unsent.lowerBound + count
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: body[piece]))
        unsent = piece.upperBound..<unsent.upperBound
        return count
    }

    // Safe because libcurl keeps the bytes for the call, during which they are looked at.
    private func note(head line: UnsafeRawBufferPointer) {
        // A proxy's answer and one of 1xx have heads of their own; the last one counts.
        if line.starts(with: Array("HTTP/".utf8)) { hasHead = false }
        if line.first == 0x0D || line.first == 0x0A { hasHead = true }
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
    var wholeMilliseconds: Int { Int(wholeNanoseconds / 1_000_000) }
    var wholeSeconds: Int { Int(wholeNanoseconds / 1_000_000_000) }
}
