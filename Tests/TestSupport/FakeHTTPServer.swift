// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Synchronization

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

        /// An answer with a text as its body.
        public static func reply(
            _ status: Int, _ text: String = "", headers: [String: String] = [:]
        ) -> Answer {
            .reply(status, headers: headers, Array(text.utf8))
        }
    }

    private struct State: Sendable {
        var requests: [Request] = []
        var connections: [Int32] = []
        var connectionCount = 0
        var isStopped = false
    }

    /// The port it listens on.
    public let port: Int
    private let listener: Int32
    private let script: @Sendable (_ request: Request, _ number: Int) -> Answer
    private let state = Mutex(State())

    /// Listens on a free port; `script` is asked for each request, numbered from 0.
    public init(
        _ script: @escaping @Sendable (_ request: Request, _ number: Int) -> Answer
    ) throws {
        self.script = script
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listening = listener
        let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(listening, generic, length) == 0 && listen(listening, 64) == 0
                    && getsockname(listening, generic, &length) == 0
            }
        }
        guard isOpen else { throw SystemError(call: "listen") }
        port = Int(UInt16(bigEndian: address.sin_port))
        _ = try Thread.start(name: "fake-http") { [self] in accept() }
    }

    /// Answers every request alike.
    public convenience init(always answer: Answer) throws {
        try self.init { _, _ in answer }
    }

    /// `http://127.0.0.1:port`.
    public var endpoint: String { "http://127.0.0.1:\(port)" }

    /// What came so far.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// How many connections were made.
    public var connectionCount: Int { state.withLock { $0.connectionCount } }

    /// Closes all connections and listens no more.
    public func stop() {
        // Under the lock, because a descriptor that is closed may be somebody else's by now.
        state.withLock { state in
            if !state.isStopped { shutdown(listener, Int32(SHUT_RDWR)) }
            state.isStopped = true
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
        }
    }

    // MARK: Connections

    private func accept() {
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { break }
            let isWanted = state.withLock { state in
                if state.isStopped { return false }
                state.connections.append(connection)
                state.connectionCount += 1
                return true
            }
            let serving = try? Thread.start(name: "fake-http-peer") { [self] in
                if isWanted { serve(connection) }
                state.withLock { state in
                    state.connections.removeAll { $0 == connection }
                    close(connection)
                }
            }
            if serving == nil { close(connection) }
        }
        close(listener)
    }

    private func serve(_ connection: Int32) {
        var buffer: [UInt8] = []
        while let request = read(connection, &buffer) {
            let number = state.withLock { state in
                state.requests.append(request)
                return state.requests.count - 1
            }
            switch script(request, number) {
            case .close:
                return
            case .silence:
                while receive(connection, &buffer) {}
                return
            case .reply(let status, let headers, let body):
                var head = "HTTP/1.1 \(status) Scripted\r\nContent-Length: \(body.count)\r\n"
                for (name, value) in headers { head += "\(name): \(value)\r\n" }
                let sent = request.method == "HEAD" ? [] : body
                guard write(connection, Array((head + "\r\n").utf8) + sent) else { return }
            case .long(let byteCount):
                let head = "HTTP/1.1 200 Scripted\r\nTransfer-Encoding: chunked\r\n\r\n"
                guard write(connection, Array(head.utf8)) else { return }
                let piece = [UInt8](repeating: 0x20, count: 1 << 16)
                var sent = 0
                while sent < byteCount {
                    guard write(connection, Array("10000\r\n".utf8) + piece + [13, 10]) else {
                        return
                    }
                    sent += piece.count
                }
                return
            }
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

    private func write(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                send(
                    connection, buffer.baseAddress?.advanced(by: done), bytes.count - done,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
