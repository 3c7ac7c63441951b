// SPDX-License-Identifier: Apache-2.0
import Platform

/// One connection of a syslog receiver: its bytes, in clear or under TLS, and their framing.
final class SyslogConnection {
    let file: File
    /// Finds the messages in what was read.
    var framing: SyslogFraming
    /// When it was made, or bytes came last.
    private(set) var lastActive: MonotonicInstant
    /// True once the peer has sent something that was understood.
    private(set) var hasSpoken = false
    /// True while TLS has to send before it can go on.
    private(set) var needsWrite = false
    /// True while there may be more to read than was taken.
    private(set) var hasMore = false
    /// True when the peer has ended it, or nothing more can be made of it.
    private(set) var isEnded = false

    /// Whose the message before was, for lines of it that came as messages without a header.
    var lastOrigin: [UInt8]?

    private var tls: TLSConnection?

    init(_ file: File, tls server: TLSServer?, byteLimit: Int, at now: MonotonicInstant) {
        self.file = file
        framing = SyslogFraming(byteLimit: byteLimit)
        lastActive = now
        if let server { tls = TLSConnection(server, over: file) }
    }

    /// Reads what is there, at most `connectionReadByteCount`; answers with why it failed, if so.
    func read(at now: MonotonicInstant) -> String? {
        var bytes: [UInt8] = []
        needsWrite = false
        hasMore = false
        var failure: String?
        while bytes.count < InputLimit.connectionReadByteCount, !isEnded {
            let count = InputLimit.connectionReadByteCount - bytes.count
            switch read(into: &bytes, count: count) {
            case .bytes: continue
            case .needsRead: return took(bytes, at: now)
            case .needsWrite:
                needsWrite = true
                return took(bytes, at: now)
            case .end: isEnded = true
            case .failed(let reason):
                isEnded = true
                failure = reason
            }
        }
        hasMore = !isEnded
        _ = took(bytes, at: now)
        return failure
    }

    /// Nothing more is read; what is there is still a message.
    func end() { isEnded = true }

    /// Nothing more is read, and what is there is nothing.
    func drop() {
        isEnded = true
        hasMore = false
        framing = SyslogFraming(byteLimit: 0)
    }

    private func took(_ bytes: [UInt8], at now: MonotonicInstant) -> String? {
        guard !bytes.isEmpty else { return nil }
        hasSpoken = true
        lastActive = now
        framing.append(bytes)
        return nil
    }

    private func read(into bytes: inout [UInt8], count: Int) -> TLSConnection.Outcome {
        if tls != nil { return tls?.read(into: &bytes, count: count) ?? .end }
        do throws(SystemError) {
            let count = try file.appendNext(to: &bytes, count: count)
            return count == 0 ? .end : .bytes(count)
        } catch {
            return error.code == "EAGAIN" ? .needsRead : .failed(error.code)
        }
    }
}
