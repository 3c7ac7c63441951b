// SPDX-License-Identifier: Apache-2.0
import Platform

/// Answers `GET` and `HEAD` on a few fixed paths, for monitoring.
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
    public static let connectionLimit = 32
    /// How long a silent connection is kept.
    public static let connectionTimeout = Duration.seconds(10)

    private let server: HTTPServer

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - listen: where, `127.0.0.1:9464` or `[::1]:9464`.
    ///   - routes: what each path answers; called on the server's own thread.
    public init(
        listen: ListenAddress, routes table: [String: @Sendable () -> Answer]
    ) throws(PipelineError) {
        var options = HTTPServer.Options()
        options.connectionLimit = StatusServer.connectionLimit
        options.silence = StatusServer.connectionTimeout
        let handler = HTTPServer.Handler(refuse: StatusServer.refuse) { exchange in
            exchange.answer(StatusServer.answer(exchange.head.path, table))
        }
        do throws(SystemError) {
            server = try HTTPServer(listen, options, handler)
        } catch {
            throw .cannotListen(listen.text, error.description)
        }
    }

    /// The port, also where the kernel chose it.
    var port: UInt16 { server.port }

    private static func refuse(_ head: HTTPServer.Head) -> HTTPServer.Response? {
        if head.method == "GET" || head.method == "HEAD" { return nil }
        return HTTPServer.Response(
            status: 405, text: "This address answers GET and HEAD only.\n",
            fields: ["Allow", "GET, HEAD"])
    }

    private static func answer(
        _ path: String, _ table: [String: @Sendable () -> Answer]
    ) -> HTTPServer.Response {
        guard let route = table[path] else {
            let list = table.keys.sorted().joined(separator: " ")
            return HTTPServer.Response(
                status: 404, text: "There is nothing at this path; try one of \(list).\n")
        }
        let answer = route()
        return HTTPServer.Response(
            status: Int(answer.status), type: answer.contentType, body: answer.body)
    }
}
