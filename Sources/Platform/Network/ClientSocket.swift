// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Sockets that connect to others. Nothing here waits.
public enum ClientSocket {
    /// Opens a socket and begins to connect; it becomes writable when that has ended.
    public static func connect(
        to address: SocketAddress, forDatagrams: Bool
    ) throws(SystemError) -> File {
        let type = forDatagrams ? SOCK_DGRAM : SOCK_STREAM
        let flags = Int32(type.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let name = address.description
        let descriptor = socket(address.family, flags, 0)
        guard descriptor >= 0 else { throw SystemError(call: "open a socket", path: name) }
        let file = File(adopting: descriptor, path: name)
        if !forDatagrams {
            // A receiver that vanished is noticed while nothing is sent, and the end of a batch
            // does not wait for the acknowledgement of what came before it.
            set(file, SOL_SOCKET, SO_KEEPALIVE)
            set(file, Int32(IPPROTO_TCP), TCP_NODELAY)
        }
        let result = address.withSocketAddress { Glibc.connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else {
            throw SystemError(call: "connect to", path: name)
        }
        return file
    }

    /// Whether a socket has connected; throws why it has not and never will.
    public static func isConnected(_ file: File) throws(SystemError) -> Bool {
        var number: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // Safe because both live for the call and the size says how much room there is.
        guard getsockopt(file.descriptor, SOL_SOCKET, SO_ERROR, &number, &size) == 0 else {
            throw SystemError(call: "connect to", path: file.path)
        }
        guard number == 0 else {
            throw SystemError(call: "connect to", path: file.path, number: number)
        }
        return Socket.hasPeer(file.descriptor)
    }

    /// Sends what there is room for and says how many bytes that are; 0 for none.
    public static func send(_ bytes: Span<UInt8>, on file: File) throws(SystemError) -> Int {
        // Safe because the buffer is alive during the call.
        let count = bytes.withUnsafeBytes { buffer in
            retrying {
                Glibc.send(
                    file.descriptor, buffer.baseAddress, buffer.count,
                    Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
        }
        if count >= 0 { return count }
        if errno == EAGAIN { return 0 }
        throw SystemError(call: "send to", path: file.path)
    }

    /// How an attempt to receive ended.
    public enum Reception: Sendable, Hashable {
        /// Something came.
        case bytes
        /// Nothing is there.
        case nothing
        /// The peer will send no more.
        case end
    }

    /// Takes a piece of what came and forgets it; throws when the connection is broken.
    public static func discard(from file: File) throws(SystemError) -> Reception {
        var room = [UInt8](repeating: 0, count: pieceByteCount)
        // Safe because the call is told how much room there is.
        let count = retrying {
            recv(file.descriptor, &room, room.count, Int32(MSG_DONTWAIT))
        }
        if count > 0 { return .bytes }
        if count == 0 { return .end }
        if errno == EAGAIN { return .nothing }
        throw SystemError(call: "receive from", path: file.path)
    }

    private static let pieceByteCount = 4096

    /// How many bytes the kernel has taken and the kernel of the peer has not acknowledged,
    /// tcp(7) SIOCOUTQ. Of datagrams: how many have not left this machine.
    public static func unacknowledgedByteCount(of file: File) throws(SystemError) -> Int {
        let count = sealtail_unacknowledged_bytes(file.descriptor)
        guard count >= 0 else {
            throw SystemError(call: "ask for the send queue of", path: file.path)
        }
        return Int(count)
    }

    /// Says that nothing more will be sent; the peer may go on.
    public static func finish(_ file: File) {
        shutdown(file.descriptor, Int32(SHUT_WR))
    }

    private static func set(_ file: File, _ level: Int32, _ option: Int32) {
        var yes: Int32 = 1
        // Safe because the number lives for the call. Without the option it works as well.
        setsockopt(file.descriptor, level, option, &yes, socklen_t(MemoryLayout<Int32>.size))
    }
}
