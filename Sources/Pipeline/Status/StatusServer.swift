// SPDX-License-Identifier: Apache-2.0
import Platform

/// Answers `GET` and `HEAD` on a few fixed paths, for monitoring and for people.
///
/// It never shows the content of an event.
public final class StatusServer: Sendable {
    /// What a path answers.
    public struct Answer: Sendable {
        /// The HTTP status.
        public var status: UInt32
        /// The media type of the body.
        public var contentType: String
        /// The body.
        public var body: [UInt8]
        /// Names and values of further headers, in turn.
        public var fields: [String] = []

        /// Describes an answer.
        public init(status: UInt32, contentType: String, body: [UInt8]) {
            self.status = status
            self.contentType = contentType
            self.body = body
        }

        /// An answer in plain text.
        public static func text(_ status: UInt32, _ text: String) -> Answer {
            Answer(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
        }

        /// An answer in JSON.
        static func json(_ body: [UInt8]) -> Answer {
            Answer(status: 200, contentType: "application/json", body: body)
        }
    }

    /// A path's answer, and who may have it.
    struct Route: Sendable {
        /// True for what `StatusAccess` decides about; the rest is open to whoever asks.
        var isGuarded = false
        /// Called on the server's own thread.
        let answer: @Sendable () -> Answer
    }

    /// What a configuration says of the server, with the files it names read: what a reload can
    /// exchange.
    struct Terms: Sendable {
        var access: StatusAccess
        var certificate: HTTPServer.Certificate?
        var clientAuthorities: String?

        /// Reads the files of TLS; throws a sentence when they are no good.
        init(
            _ configuration: StatusConfiguration, listen: ListenAddress
        ) throws(PipelineError) {
            access = StatusAccess(
                isLoopback: listen.isLoopback, token: configuration.token,
                hosts: configuration.hosts)
            guard let files = configuration.tls else { return }
            do throws(TLSError) {
                certificate = try HTTPServer.Certificate(
                    chain: files.certificate, key: files.key,
                    clientAuthorities: files.clientAuthorities)
                clientAuthorities = try files.clientAuthorities.map { path throws(TLSError) in
                    try HTTPServer.Certificate.text(of: path)
                }
            } catch {
                throw .stage("agent.status.tls: \(error)", exit: .configuration)
            }
        }

        /// True when both are reached over TLS in the same way.
        func isSecuredAs(_ other: Terms) -> Bool {
            certificate == other.certificate && clientAuthorities == other.clientAuthorities
        }
    }

    /// The most connections at a time.
    public static let connectionLimit = 32
    /// How long a silent connection is kept.
    public static let connectionTimeout = Duration.seconds(10)

    private let server: Monitor<HTTPServer>
    private let terms: Monitor<Terms>
    private let handler: HTTPServer.Handler

    /// Listens from now on.
    ///
    /// - Parameters:
    ///   - listen: where, `127.0.0.1:9464` or `[::1]:9464`.
    ///   - routes: what each path answers.
    init(
        listen: ListenAddress, _ terms: Terms, routes table: [String: Route]
    ) throws(PipelineError) {
        let access = StatusServer.SharedAccess(terms.access)
        let handler = HTTPServer.Handler(
            refuse: { StatusServer.refuse($0, table, access.value) },
            take: { $0.answer(StatusServer.answer($0.head.path, table)) })
        do throws(SystemError) {
            server = Monitor(try HTTPServer(listen, StatusServer.options(terms), handler))
        } catch {
            throw .cannotListen(listen.text, error.description)
        }
        self.terms = Monitor(terms)
        self.handler = handler
        self.access = access
    }

    private let access: SharedAccess

    /// What the server's thread looks up and a reload replaces.
    private final class SharedAccess: Sendable {
        private let state: Monitor<StatusAccess>

        init(_ access: StatusAccess) { state = Monitor(access) }

        var value: StatusAccess { state.withLock { $0 } }
        func replace(by access: StatusAccess) { state.withLock { $0 = access } }
    }

    /// The port, also where the kernel chose it.
    var port: UInt16 { server.withLock { $0.port } }

    /// Lets other terms hold for requests to come; without another certificate connections stay.
    func adopt(_ next: Terms) throws(PipelineError) {
        access.replace(by: next.access)
        guard !terms.withLock({ $0.isSecuredAs(next) }) else { return }
        let former = server.withLock { $0 }
        do throws(SystemError) {
            let successor = try former.succeeded(by: StatusServer.options(next), handler)
            server.withLock { $0 = successor }
            // Not before: terms that could not be used are tried again with the next reload.
            terms.withLock { $0 = next }
        } catch {
            throw .stage("agent.status.tls: \(error)", exit: .inputOutput)
        }
        former.stop()
    }

    private static func options(_ terms: Terms) -> HTTPServer.Options {
        var options = HTTPServer.Options()
        options.connectionLimit = StatusServer.connectionLimit
        options.silence = StatusServer.connectionTimeout
        options.certificate = terms.certificate
        options.clientAuthorities = terms.clientAuthorities
        return options
    }

    private static func refuse(
        _ head: HTTPServer.Head, _ table: [String: Route], _ access: StatusAccess
    ) -> HTTPServer.Response? {
        guard head.method == "GET" || head.method == "HEAD" else {
            return HTTPServer.Response(
                status: 405, text: "This address answers GET and HEAD only.\n",
                fields: ["Allow", "GET, HEAD"])
        }
        guard table[head.path]?.isGuarded == true else { return nil }
        return access.refusal(head)
    }

    private static func answer(
        _ path: String, _ table: [String: Route]
    ) -> HTTPServer.Response {
        guard let route = table[path] else {
            let list = table.keys.sorted().joined(separator: " ")
            return HTTPServer.Response(
                status: 404, text: "There is nothing at this path; try one of \(list).\n")
        }
        let answer = route.answer()
        return HTTPServer.Response(
            status: Int(answer.status), type: answer.contentType, body: answer.body,
            fields: ["X-Content-Type-Options", "nosniff"] + answer.fields)
    }
}
