// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

/// A client of a server on loopback; every call waits a while at most.
public final class LoopbackClient: Sendable {
    private let descriptor: Int32

    /// How messages go.
    public enum Transport: Sendable {
        case stream, datagram
    }

    /// Connects to a port on 127.0.0.1.
    public init(_ port: UInt16, _ transport: Transport = .stream) throws {
        let type = transport == .stream ? SOCK_STREAM : SOCK_DGRAM
        descriptor = socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(call: "open a socket") }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            // Safe because the value lives for the call.
            setsockopt(
                descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        // Safe because the structure lives for the call and begins as sockaddr does.
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError(call: "connect", path: "\(port)") }
    }

    deinit { close(descriptor) }

    /// Sends all of a text.
    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Sends all bytes.
    public func send(_ bytes: [UInt8]) throws {
        var start = 0
        while start < bytes.count {
            // Safe because the range lies in the array.
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress?.advanced(by: start), $0.count - start,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw SystemError(call: "send") }
            start += count
        }
    }

    /// Says that nothing more is sent.
    public func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Receives until the server closes, or the text says that there is enough.
    public func receive(until isEnough: (String) -> Bool = { _ in false }) -> String {
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 16_384)
        while true {
            // Safe because the call is told how much room there is.
            let count = recv(descriptor, &room, room.count, 0)
            guard count > 0 else { break }
            bytes.append(contentsOf: room[..<count])
            if isEnough(String(decoding: bytes, as: UTF8.self)) { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// True when something has come that was not received yet.
    public var hasNews: Bool {
        var byte: UInt8 = 0
        // Safe because there is room for the one byte that is asked for.
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0
    }

    /// Sends a request of HTTP/1.1 and answers with status and body; the connection is kept.
    public func request(
        _ method: String, _ path: String, _ fields: [String: String] = [:], body: [UInt8] = []
    ) throws -> (status: Int, head: String, body: String) {
        try send(LoopbackClient.head(method, path, fields, body.count) + body)
        return answer(hasBody: method != "HEAD")
    }

    /// The head of a request, with its length where there is a body.
    public static func head(
        _ method: String, _ path: String, _ fields: [String: String], _ count: Int
    ) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            text += "\(name): \(value)\r\n"
        }
        if method == "POST", fields["Transfer-Encoding"] == nil, fields["Content-Length"] == nil {
            text += "Content-Length: \(count)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    /// The next answer on the connection.
    public func answer(hasBody: Bool = true) -> (status: Int, head: String, body: String) {
        let whole = receive { text in
            guard let end = LoopbackClient.headEnd(text) else { return false }
            let length = hasBody ? LoopbackClient.length(text) : 0
            return text[end...].utf8.count >= length
        }
        let status = whole.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        guard let end = LoopbackClient.headEnd(whole) else { return (status, whole, "") }
        return (status, String(whole[..<end]), String(whole[end...]))
    }

    private static func headEnd(_ text: String) -> String.Index? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 4 else { return nil }
        for index in 0...bytes.count - 4
        where bytes[index..<index + 4].elementsEqual([13, 10, 13, 10]) {
            return text.utf8.index(text.startIndex, offsetBy: index + 4)
        }
        return nil
    }

    private static func length(_ head: String) -> Int {
        for line in head.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "content-length" {
                return Int(parts[1].filter(\.isNumber)) ?? 0
            }
        }
        return 0
    }
}
