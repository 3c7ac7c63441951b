// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

/// A small HTTP/1.1 server on loopback that answers as a script says.
///
/// Every connection has a thread of its own and is kept for further requests.
public final class FakeHTTPServer: Sendable {
    /// What a client sent.
    public struct Request: Sendable {
        /// As `POST`.
        public var method: String
        /// As `/_bulk`.
        public var path: String
        /// The header lines, names in lower case.
        public var headers: [String: String]
        /// The body as it came.
        public var body: [UInt8]
    }

    /// What the server does with a request.
    public enum Answer: Sendable {
        /// A whole answer.
        case reply(Int, headers: [String: String], [UInt8])
        /// The connection is closed without a word.
        case close
        /// Nothing, until the client has had enough.
        case silence
        /// A body of this many bytes is announced and sent until the client has enough.
        case long(Int)
        /// The connection is broken (RST).
        case reset
        /// An answer without its last byte, then no more: the sending half is closed, the other
        /// is read.
        case cut(Int, headers: [String: String], [UInt8])
        /// A whole answer, byte by byte.
        case slow(Int, headers: [String: String], [UInt8])

        /// An answer with a text as its body.
        public static func reply(
            _ status: Int, _ text: String = "", headers: [String: String] = [:]
        ) -> Answer {
            .reply(status, headers: headers, Array(text.utf8))
        }
    }

    /// The port it listens on.
    public var port: Int { listener.port }
    private let listener: LoopbackListener
    private let script: @Sendable (_ request: Request, _ number: Int) -> Answer
    private let received = Monitor([Request]())

    /// Listens on a free port; `script` is asked for each request, numbered from 0.
    public init(
        _ script: @escaping @Sendable (_ request: Request, _ number: Int) -> Answer
    ) throws {
        self.script = script
        listener = try LoopbackListener()
        try comeBack()
    }

    /// Answers every request alike.
    public convenience init(always answer: Answer) throws {
        try self.init { _, _ in answer }
    }

    /// `http://127.0.0.1:port`.
    public var endpoint: String { "http://127.0.0.1:\(port)" }

    /// What came so far.
    public var requests: [Request] { received.withLock { $0 } }

    /// How many connections were made.
    public var connectionCount: Int { listener.connectionCount }

    /// Closes all connections and listens no more.
    public func stop() { listener.leave() }

    /// Listens again, after `stop`, on the same port.
    public func comeBack() throws {
        try listener.open { [self] connection, _ in serve(connection) }
    }

    // MARK: Connections

    private func serve(_ connection: Int32) {
        var buffer: [UInt8] = []
        while let request = read(connection, &buffer) {
            let number = received.withLock { requests in
                requests.append(request)
                return requests.count - 1
            }
            guard give(script(request, number), to: request, connection) else { return }
        }
    }

    /// False when the connection is not to be used any more.
    private func give(_ answer: Answer, to request: Request, _ connection: Int32) -> Bool {
        switch answer {
        case .close:
            return false
        case .silence:
            var rest: [UInt8] = []
            while receive(connection, &rest) {}
            return false
        case .reply(let status, let headers, let body):
            return Loopback.write(connection, text(status, headers, body, request))
        case .slow(let status, let headers, let body):
            return Loopback.writeSlowly(connection, text(status, headers, body, request))
        case .cut(let status, let headers, let body):
            _ = Loopback.write(connection, text(status, headers, body, request).dropLast())
            Loopback.halfClose(connection)
            return false
        case .reset:
            Loopback.makeAbrupt(connection)
            return false
        case .long(let byteCount):
            sendLong(connection, byteCount)
            return false
        }
    }

    private func text(
        _ status: Int, _ headers: [String: String], _ body: [UInt8], _ request: Request
    ) -> [UInt8] {
        var head = "HTTP/1.1 \(status) Scripted\r\nContent-Length: \(body.count)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        return Array((head + "\r\n").utf8) + (request.method == "HEAD" ? [] : body)
    }

    private func sendLong(_ connection: Int32, _ byteCount: Int) {
        let head = "HTTP/1.1 200 Scripted\r\nTransfer-Encoding: chunked\r\n\r\n"
        guard Loopback.write(connection, Array(head.utf8)) else { return }
        let piece = [UInt8](repeating: 0x20, count: 1 << 16)
        var sent = 0
        while sent < byteCount {
            guard Loopback.write(connection, Array("10000\r\n".utf8) + piece + [13, 10]) else {
                return
            }
            sent += piece.count
        }
    }

    private func read(_ connection: Int32, _ buffer: inout [UInt8]) -> Request? {
        var end = headEnd(buffer)
        while end == nil {
            guard receive(connection, &buffer) else { return nil }
            end = headEnd(buffer)
        }
        guard let end else { return nil }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
        let bodyStart = end + 4
        let byteCount = headers["content-length"].flatMap { Int($0) } ?? 0
        while buffer.count < bodyStart + byteCount {
            guard receive(connection, &buffer) else { return nil }
        }
        let body = Array(buffer[bodyStart..<bodyStart + byteCount])
        buffer.removeFirst(bodyStart + byteCount)
        return Request(
            method: String(words[0]), path: String(words[1]), headers: headers, body: body)
    }

    private func headEnd(_ buffer: [UInt8]) -> Int? {
        guard buffer.count >= 4 else { return nil }
        return (0...buffer.count - 4).first { index in
            buffer[index] == 13 && buffer[index + 1] == 10 && buffer[index + 2] == 13
                && buffer[index + 3] == 10
        }
    }

    private func receive(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(connection, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: piece[..<count])
        return true
    }
}
