// SPDX-License-Identifier: Apache-2.0
import CMicroHTTPD
import Glibc
import Synchronization

/// Answers HTTP requests over libmicrohttpd, at once or when the answer is known.
///
/// One thread of the library's own reads and writes; what it calls must not wait.
public final class HTTPServer: Sendable {
    /// How much a server takes, and how it is reached.
    public struct Options: Sendable {
        /// The most connections at a time; more wait to be accepted.
        public var connectionLimit = 32
        /// How long a connection without a request under way, or a silent one, is kept.
        public var silence = Duration.seconds(10)
        /// The most bytes of the body of a request; more is answered 413.
        public var bodyByteLimit = 0
        /// The most bytes of the bodies of all requests under way; more is answered by `busy`.
        public var memoryByteLimit = 0
        /// What a request gets that does not fit into the memory.
        public var busy = Response(status: 503, text: "Too much at once; try again later.\n")
        /// Certificate chain and key as PEM text; nil for plain HTTP.
        public var certificate: Certificate?
        /// The authorities of clients as PEM text, with `certificate` only. Clients are then asked
        /// for a certificate; who has none is served as well, and `Head` tells them apart.
        public var clientAuthorities: String?

        /// No bodies, no TLS, a few connections.
        public init() {}
    }

    /// What comes before the body of a request.
    public struct Head: Sendable {
        /// `GET`, `POST`, …
        public var method: String
        /// The path without a query.
        public var path: String
        /// The headers; their names in lower case.
        public var fields: [String: String]
        /// True when the client has proved that it holds a certificate of `clientAuthorities`.
        public var hasClientCertificate = false

        /// Describes a head; the names of the fields in lower case.
        public init(method: String, path: String, fields: [String: String]) {
            self.method = method
            self.path = path
            self.fields = fields
        }

        /// The length of the body where it is stated.
        public var bodyByteCount: Int? { fields["content-length"].flatMap { Int($0) } }
    }

    /// What a request is answered with.
    public struct Response: Sendable, Equatable {
        /// The HTTP status.
        public var status: Int
        /// Names and values of headers, in turn.
        public var fields: [String]
        /// The body.
        public var body: [UInt8]

        /// Describes an answer.
        public init(status: Int, type: String, body: [UInt8], fields: [String] = []) {
            self.status = status
            self.fields = ["Content-Type", type, "Cache-Control", "no-store"] + fields
            self.body = body
        }

        /// Describes an answer in plain text.
        public init(status: Int, text: String, fields: [String] = []) {
            self.init(
                status: status, type: "text/plain; charset=utf-8", body: Array(text.utf8),
                fields: fields)
        }
    }

    /// What decides about requests. Both are called on the server's own thread.
    public struct Handler: Sendable {
        /// Refuses a request by its head, before the body is read; nil to go on.
        public var refuse: @Sendable (Head) -> Response?
        /// Takes a whole request; `answer` may be called at once or later, from any thread.
        public var take: @Sendable (HTTPExchange) -> Void

        /// Keeps both.
        public init(
            refuse: @escaping @Sendable (Head) -> Response?,
            take: @escaping @Sendable (HTTPExchange) -> Void
        ) {
            self.refuse = refuse
            self.take = take
        }
    }

    /// How long `stop` lets answers go out.
    public static let farewell = Duration.seconds(2)
    /// A body that is refused is still read up to here, so that the client sees the answer.
    public static let unwantedByteLimit = 1 << 20

    /// The port, also where the kernel chose it.
    public let port: UInt16

    // Safe because init starts the daemon and stop, which runs once, ends it; libmicrohttpd lets
    // any thread resume a connection.
    nonisolated(unsafe) private let daemon: OpaquePointer
    /// Shared with a successor; nil after the end.
    private let listener: Monitor<File?>
    private let service: HTTPService
    private let hasRetired = Atomic(false)
    private let isStopped = Atomic(false)

    /// Listens, and answers from now on.
    public convenience init(
        _ address: ListenAddress, _ options: Options, _ handler: Handler
    ) throws(SystemError) {
        try self.init(listener: Socket.listen(address), options, handler)
    }

    private init(
        listener: File, _ options: Options, _ handler: Handler
    ) throws(SystemError) {
        self.listener = Monitor(listener)
        port = Socket.port(of: listener)
        // The daemon closes the descriptor it is given, so it gets one of its own.
        let descriptor = fcntl(listener.descriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw SystemError(call: "listen on", path: listener.path) }
        let service = HTTPService(options, handler)
        // Safe because the service outlives the daemon: both are let go of in deinit, in order.
        let context = Unmanaged.passUnretained(service).toOpaque()
        let started = HTTPServer.withOptions(options, descriptor) { raw in
            // Safe because the options live for the call, and the library copies what it keeps.
            withUnsafePointer(to: raw) { sealtail_http_start($0, respond, complete, context) }
        }
        guard let started else {
            let number = errno == 0 ? EINVAL : errno
            Glibc.close(descriptor)
            throw SystemError(call: "answer HTTP on", path: listener.path, number: number)
        }
        daemon = started
        self.service = service
    }

    deinit { stop() }

    /// A server that takes new connections at the same address from now on; this one goes on with
    /// those it has.
    public func succeeded(
        by options: Options, _ handler: Handler
    ) throws(SystemError) -> HTTPServer {
        guard let listener = listener.withLock({ $0 }) else {
            bug("a server that has stopped was succeeded")
        }
        let successor = try HTTPServer(listener: listener, options, handler)
        retire()
        return successor
    }

    private func retire() {
        guard !hasRetired.exchange(true, ordering: .acquiringAndReleasing) else { return }
        // From here on it accepts nothing; the library hands the descriptor back.
        let descriptor = MHD_quiesce_daemon(daemon)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Answers what is open with 503, takes nothing more and closes all connections.
    public func stop() {
        guard !isStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        retire()
        listener.withLock { $0 = nil }
        service.farewell(HTTPServer.farewell)
        // Safe because it is called once, and no connection is suspended any longer.
        MHD_stop_daemon(daemon)
    }

    private static func withOptions<Result>(
        _ options: Options, _ descriptor: Int32, _ body: (sealtail_http_options) -> Result
    ) -> Result {
        var raw = sealtail_http_options()
        raw.listener = descriptor
        raw.connection_limit = UInt32(options.connectionLimit)
        raw.timeout_seconds = UInt32(max(1, options.silence.components.seconds))
        guard let certificate = options.certificate else { return body(raw) }
        var key = certificate.key.withBytes { span in
            (0..<span.count).map { CChar(bitPattern: span[$0]) } + [0]
        }
        defer { for index in key.indices { key[index] = 0 } }
        // Safe because the texts end with a zero byte and live for the call.
        return certificate.chain.withCString { chain in
            key.withUnsafeBufferPointer { key in
                raw.certificate = chain
                raw.key = key.baseAddress
                guard let authorities = options.clientAuthorities else { return body(raw) }
                return authorities.withCString { authorities in
                    raw.client_authorities = authorities
                    return body(raw)
                }
            }
        }
    }
}

/// One request, from its head to its answer.
public final class HTTPExchange: Sendable {
    /// What came before the body.
    public let head: HTTPServer.Head

    fileprivate let state: Monitor<State>
    private let service: HTTPService

    fileprivate struct State: ~Copyable {
        /// The library's own, valid until the request is complete.
        // Safe because it is used under the lock only, and dropped when the request is complete.
        nonisolated(unsafe) var connection: OpaquePointer?
        var body: [UInt8] = []
        var response: HTTPServer.Response?
        var isDiscarding = false
        var unwantedByteCount = 0
        var isTaken = false
        var isSuspended = false
    }

    fileprivate init(_ head: HTTPServer.Head, _ connection: OpaquePointer, _ service: HTTPService) {
        self.head = head
        self.service = service
        // Safe because the pointer is used under the lock only.
        nonisolated(unsafe) let connection = connection
        state = Monitor(State(connection: connection))
    }

    /// Hands the body over, which from now on counts for the caller's memory; a second call gives
    /// nothing.
    public func takeBody() -> [UInt8] {
        let body = state.withLock { state in
            defer { state.body = [] }
            return state.body
        }
        service.release(body.count)
        return body
    }

    /// Answers. The first answer counts; nobody hears it when the client has left.
    public func answer(_ response: HTTPServer.Response) {
        state.withLock { state in
            guard state.response == nil else { return }
            state.response = response
            guard state.isSuspended, let connection = state.connection else { return }
            state.isSuspended = false
            // Safe because the connection is suspended, so it is alive, and is resumed once.
            MHD_resume_connection(connection)
        }
    }

    /// Adds a piece of the body; false when the connection should be cut.
    fileprivate func receive(_ piece: Span<UInt8>) -> Bool {
        let count = piece.count
        let isHeld = state.withLock { $0.isDiscarding } ? false : service.reserve(count)
        return state.withLock { state in
            if !state.isDiscarding {
                if !isHeld {
                    refuse(&state, service.options.busy)
                } else if state.body.count + count > service.options.bodyByteLimit {
                    service.release(count)
                    refuse(&state, HTTPExchange.tooLong(service.options.bodyByteLimit))
                } else {
                    // Safe because the span outlives the call.
                    piece.withUnsafeBufferPointer { state.body.append(contentsOf: $0) }
                    return true
                }
            }
            state.unwantedByteCount += count
            return state.unwantedByteCount <= HTTPServer.unwantedByteLimit
        }
    }

    private func refuse(_ state: inout State, _ response: HTTPServer.Response) {
        service.release(state.body.count)
        state.body = []
        state.response = response
        state.isDiscarding = true
    }

    fileprivate static func tooLong(_ limit: Int) -> HTTPServer.Response {
        HTTPServer.Response(
            status: 413, text: "The body is longer than \(limit) bytes; send it in parts.\n")
    }

    fileprivate func refuse(_ response: HTTPServer.Response) {
        state.withLock { refuse(&$0, response) }
    }
}

/// What the callbacks of libmicrohttpd find behind their context pointer.
private final class HTTPService: Sendable {
    let options: HTTPServer.Options
    let handler: HTTPServer.Handler
    private let open = Monitor<[ObjectIdentifier: HTTPExchange]>([:])
    private let heldByteCount = Atomic(0)
    private let isEnding = Atomic(false)

    init(_ options: HTTPServer.Options, _ handler: HTTPServer.Handler) {
        self.options = options
        self.handler = handler
    }

    /// Takes room for a piece of a body; false when there is none.
    func reserve(_ count: Int) -> Bool {
        let held = heldByteCount.add(count, ordering: .relaxed).newValue
        if held <= options.memoryByteLimit { return true }
        release(count)
        return false
    }

    func release(_ count: Int) {
        heldByteCount.subtract(count, ordering: .relaxed)
    }

    // Safe because the library keeps the connection until `end`, which makes the exchange drop it.
    /// Begins a request: refuses it by its head, or lets its body come.
    func begin(_ head: HTTPServer.Head, _ connection: OpaquePointer) -> HTTPExchange {
        let exchange = HTTPExchange(head, connection, self)
        open.withLock { $0[ObjectIdentifier(exchange)] = exchange }
        let expected = head.bodyByteCount ?? 0
        if isEnding.load(ordering: .relaxed) {
            exchange.refuse(HTTPService.ending)
        } else if let refusal = handler.refuse(head) {
            exchange.refuse(refusal)
        } else if expected > options.bodyByteLimit {
            exchange.refuse(HTTPExchange.tooLong(options.bodyByteLimit))
        } else if expected + heldByteCount.load(ordering: .relaxed) > options.memoryByteLimit,
            expected > 0
        {
            exchange.refuse(options.busy)
        }
        return exchange
    }

    func end(_ exchange: HTTPExchange) {
        let count = exchange.state.withLock { state in
            state.connection = nil
            return state.body.count
        }
        release(count)
        open.update { $0[ObjectIdentifier(exchange)] = nil }
    }

    /// Answers what is open and waits until the answers are out, or the time is up.
    func farewell(_ patience: Duration) {
        isEnding.store(true, ordering: .relaxed)
        let deadline = SystemClock().monotonic().advanced(by: patience)
        for exchange in open.withLock({ Array($0.values) }) {
            exchange.answer(HTTPService.ending)
        }
        let left = deadline.duration(since: SystemClock().monotonic())
        _ = open.wait(timeout: max(.zero, left)) { $0.isEmpty ? true : nil }
    }

    static let ending = HTTPServer.Response(
        status: 503, text: "The agent stops; send it again.\n", fields: ["Retry-After", "5"])
}

// MARK: - Called by the library

// Safe because the library hands back the context given at start, which outlives the daemon, and
// the exchange that the first call left behind `state`.
private func respond(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    path: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?,
    upload: UnsafePointer<CChar>?, uploadByteCount: UnsafeMutablePointer<Int>?,
    state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context, let connection, let path, let method, let state, let uploadByteCount else {
        bug("a request without a path")
    }
    guard let known = state.pointee else {
        // Safe because the texts live for the call and are copied.
        var head = HTTPServer.Head(
            method: String(cString: method), path: String(cString: path),
            fields: fields(of: connection))
        // Safe because the context is the service, which outlives the daemon.
        let service = Unmanaged<HTTPService>.fromOpaque(context).takeUnretainedValue()
        if service.options.clientAuthorities != nil {
            head.hasClientCertificate = sealtail_http_has_client_certificate(connection)
        }
        let exchange = service.begin(head, connection)
        // Safe because `complete` releases it, exactly once.
        state.pointee = Unmanaged.passRetained(exchange).toOpaque()
        return refuseAtOnce(exchange, connection) ?? .YES
    }
    // Safe because the first call retained it and `complete` has not been called yet.
    let exchange = Unmanaged<HTTPExchange>.fromOpaque(known).takeUnretainedValue()
    if uploadByteCount.pointee > 0, let upload {
        // Safe because the library lends so many bytes until the call returns.
        let piece = UnsafeRawBufferPointer(start: upload, count: uploadByteCount.pointee)
        let isWelcome = piece.withMemoryRebound(to: UInt8.self) { exchange.receive($0.span) }
        uploadByteCount.pointee = 0
        return isWelcome ? .YES : .NO
    }
    return finish(exchange, connection, context)
}

// Safe because the connection is the one that the library lends to the callback.
/// A long body is not waited for when it is not wanted; the client may then miss the answer.
private func refuseAtOnce(_ exchange: HTTPExchange, _ connection: OpaquePointer) -> MHD_Result? {
    let expected = exchange.head.bodyByteCount ?? 0
    let isExpecting = exchange.head.fields["expect"] != nil
    guard expected > HTTPServer.unwantedByteLimit || isExpecting,
        let response = exchange.state.withLock({ $0.response })
    else { return nil }
    return send(response, connection)
}

// Safe because the connection is the one that the library lends to the callback.
/// The whole request is there: hands it on, and answers or lets the connection rest.
private func finish(
    _ exchange: HTTPExchange, _ connection: OpaquePointer, _ context: UnsafeMutableRawPointer
) -> MHD_Result {
    let isNew = exchange.state.withLock { state in
        defer { state.isTaken = true }
        return !state.isTaken && state.response == nil
    }
    if isNew {
        // Safe because the context is the service, which outlives the daemon.
        Unmanaged<HTTPService>.fromOpaque(context).takeUnretainedValue().handler.take(exchange)
    }
    let response = exchange.state.withLock { state -> HTTPServer.Response? in
        if let response = state.response { return response }
        state.isSuspended = true
        if let connection = state.connection { MHD_suspend_connection(connection) }
        return nil
    }
    return response.map { send($0, connection) } ?? .YES
}

// Safe because the connection is the one that the library lends to the callback.
private func send(_ response: HTTPServer.Response, _ connection: OpaquePointer) -> MHD_Result {
    let copies = response.fields.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    let list = copies.map { UnsafePointer($0) }
    // Safe because the library copies headers and body before the call returns.
    return response.body.withUnsafeBytes {
        sealtail_http_answer(
            connection, UInt32(response.status), list, list.count, $0.baseAddress, $0.count)
    }
}

// Safe because the connection is the one that the library lends to the callback.
private func fields(of connection: OpaquePointer) -> [String: String] {
    var fields: [String: String] = [:]
    // Safe because the dictionary outlives the call, and the callback copies the texts.
    withUnsafeMutablePointer(to: &fields) { pointer in
        _ = MHD_get_connection_values(
            connection, .HEADER_KIND,
            { context, _, name, value in
                guard let context, let name else { return .YES }
                // Safe because the context is the dictionary below, alive during the call.
                let fields = context.assumingMemoryBound(to: [String: String].self)
                let key = String(cString: name).lowercased()
                let text = value.map { String(cString: $0) } ?? ""
                // The first one counts; two lengths are refused by the library itself.
                if fields.pointee[key] == nil { fields.pointee[key] = text }
                return .YES
            }, pointer)
    }
    return fields
}

// Safe because the library calls it once for each request that has had a first call.
private func complete(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, code: MHD_RequestTerminationCode
) {
    guard let context, let known = state?.pointee else { return }
    state?.pointee = nil
    // Safe because the first call retained the exchange, and this is the one release.
    let exchange = Unmanaged<HTTPExchange>.fromOpaque(known).takeRetainedValue()
    // Safe because the context is the service, which outlives the daemon.
    Unmanaged<HTTPService>.fromOpaque(context).takeUnretainedValue().end(exchange)
}
