// SPDX-License-Identifier: Apache-2.0
import CMicroHTTPD
import Glibc
import Platform

/// Answers `GET` and `HEAD` on a few fixed paths over libmicrohttpd, for monitoring.
///
/// It never shows the content of an event.
public final class StatusServer {
    /// What a path answers.
    public struct Answer: Sendable {
        /// The HTTP status.
        public var status: UInt32
        /// The media type of the body.
        public var contentType: String
        /// The body.
        public var body: [UInt8]

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
    }

    /// The most connections at a time.
    public static let connectionLimit: UInt32 = 32
    /// How long a silent connection is kept.
    public static let connectionTimeoutSeconds: UInt32 = 10

    // Safe because the daemon is started in init and stopped in deinit, and the routes that its
    // callbacks read are never changed in between.
    private let daemon: OpaquePointer
    // Safe because it is retained here and released only after the daemon has stopped.
    private let routes: Unmanaged<Routes>

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - listen: where, `127.0.0.1:9464` or `[::1]:9464`.
    ///   - routes: what each path answers; called on the server's own thread.
    public init(
        listen: ListenAddress, routes table: [String: @Sendable () -> Answer]
    ) throws(PipelineError) {
        // Safe because deinit, or the failure below, releases it exactly once.
        let routes = Unmanaged.passRetained(Routes(table: table))
        let started = listen.withSocketAddress { address in
            sealtail_http_start(
                address, respond, routes.toOpaque(), StatusServer.connectionLimit,
                StatusServer.connectionTimeoutSeconds)
        }
        guard let started else {
            let reason = String(cString: strerror(errno))
            routes.release()
            throw .cannotListen(listen.text, reason)
        }
        daemon = started
        self.routes = routes
    }

    deinit {
        MHD_stop_daemon(daemon)
        routes.release()
    }

}

/// What the callback of libmicrohttpd finds behind its context pointer.
private final class Routes: Sendable {
    let table: [String: @Sendable () -> StatusServer.Answer]

    init(table: [String: @Sendable () -> StatusServer.Answer]) {
        self.table = table
    }

    func answer(method: String, path: String) -> StatusServer.Answer {
        guard method == "GET" || method == "HEAD" else {
            return .text(405, "This address answers GET and HEAD only.\n")
        }
        guard let route = table[path] else {
            let list = table.keys.sorted().joined(separator: " ")
            return .text(404, "There is nothing at this path; try one of \(list).\n")
        }
        return route()
    }
}

// Safe because libmicrohttpd hands back the context given at start, which lives until the daemon
// is stopped, and the C side copies the body.
private func respond(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
    path: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?,
    upload: UnsafePointer<CChar>?, uploadByteCount: UnsafeMutablePointer<Int>?,
    state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    // Safe because the context is what init handed over, alive until the daemon has stopped, and
    // the C side copies the body before the call returns.
    guard let context, let path, let method else { bug("a request without a path") }
    let routes = Unmanaged<Routes>.fromOpaque(context).takeUnretainedValue()
    let answer = routes.answer(method: String(cString: method), path: String(cString: path))
    return answer.body.withUnsafeBytes {
        sealtail_http_answer(
            connection, answer.status, answer.contentType, $0.baseAddress, $0.count)
    }
}

/// A numeric address and a port to listen on.
public struct ListenAddress: Sendable, Equatable {
    /// The text as configured.
    public let text: String
    private let host: String
    private let port: UInt16
    private let isVersion6: Bool

    /// Reads `ADDRESS:PORT`; an IPv6 address stands in brackets. Nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = String(text[..<colon])
        isVersion6 = host.hasPrefix("[") && host.hasSuffix("]")
        if isVersion6 { host = String(host.dropFirst().dropLast()) }
        var room = in6_addr()
        // Safe because in6_addr has room for either kind of address.
        guard inet_pton(isVersion6 ? AF_INET6 : AF_INET, host, &room) == 1 else { return nil }
        self.text = text
        self.host = host
        self.port = port
    }

    /// True for an address that only this machine can reach.
    public var isLoopback: Bool { isVersion6 ? host == "::1" : host.hasPrefix("127.") }

    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
        // Safe because each structure lives for the call and begins with its family, as
        // sockaddr(3type) asks.
        if isVersion6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            inet_pton(AF_INET6, host, &address.sin6_addr)
            // Safe because the structure lives for the call and begins as sockaddr does.
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        // Safe because the structure lives for the call and begins as sockaddr does.
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
        }
    }
}
