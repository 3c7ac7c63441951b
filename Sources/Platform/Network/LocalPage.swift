// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A page that a program on this machine answers over plain HTTP.
public enum LocalPage {
    /// The longest answer that is taken.
    public static let byteLimit = 8 << 20
    /// How long an answer may take.
    public static let timeLimit = Duration.seconds(5)

    /// Asks for a path and answers with the status and the body.
    ///
    /// Throws when nobody listens or no whole answer comes in time.
    public static func get(
        _ path: String, from address: ListenAddress
    ) throws(SystemError) -> (status: Int, body: [UInt8]) {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, flags, 0)
        guard descriptor >= 0 else { throw SystemError(call: "open a socket") }
        let file = File(adopting: descriptor, path: address.text)
        let result = address.withSocketAddress { Glibc.connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else {
            throw SystemError(call: "connect to", path: address.text)
        }
        let end = SystemClock().monotonic().advanced(by: timeLimit)
        try wait(file, until: end, isWriting: true)
        guard try ClientSocket.isConnected(file) else {
            throw SystemError(call: "connect to", path: address.text, number: ETIMEDOUT)
        }
        // HTTP/1.0, so that the end of the answer is the end of the connection.
        let request = Array("GET \(path) HTTP/1.0\r\nHost: \(address.text)\r\n\r\n".utf8)
        guard try ClientSocket.send(request.span, on: file) == request.count else {
            throw SystemError(call: "send to", path: address.text, number: EAGAIN)
        }
        var answer: [UInt8] = []
        while answer.count < byteLimit {
            try wait(file, until: end, isWriting: false)
            if try file.appendNext(to: &answer, count: pieceByteCount) == 0 { break }
        }
        return try split(answer, address)
    }

    private static let pieceByteCount = 64 << 10

    private static func split(
        _ answer: [UInt8], _ address: ListenAddress
    ) throws(SystemError) -> (status: Int, body: [UInt8]) {
        let mark = Array("\r\n\r\n".utf8)
        let words = String(decoding: answer.prefix { $0 != 0x0D }, as: UTF8.self).split(
            separator: " ")
        guard words.count > 1, words[0].hasPrefix("HTTP/"), let status = Int(words[1]),
            let end = answer.indices.first(where: { answer[$0...].starts(with: mark) })
        else { throw SystemError(call: "understand", path: address.text, number: EPROTO) }
        return (status, Array(answer[(end + mark.count)...]))
    }

    private static func wait(
        _ file: File, until end: MonotonicInstant, isWriting: Bool
    ) throws(SystemError) {
        while true {
            let left = end.duration(since: SystemClock().monotonic()).wholeNanoseconds
            guard left > 0 else {
                throw SystemError(call: "wait for", path: file.path, number: ETIMEDOUT)
            }
            var ready: Int32 = 0
            let result =
                isWriting
                ? sealtail_wait_writable(file.descriptor, -1, left, &ready)
                : sealtail_wait_readable(file.descriptor, -1, left, &ready)
            if result > 0 { return }
            guard result == 0 || errno == EINTR else {
                throw SystemError(call: "wait for", path: file.path)
            }
        }
    }
}
