// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

/// A port of TCP on loopback, each connection of which is served by a thread of its own.
///
/// The port stays its own until `stop`, whether anybody listens there or not: so a receiver can
/// go away and come back, and nobody else is found in its place.
public final class LoopbackListener: Sendable {
    private struct State: Sendable {
        var listener: Int32?
        var connections: [Int32] = []
        var connectionCount = 0
    }

    /// The port.
    public let port: Int
    private let reservation: Int32
    private let state = Monitor(State())

    /// Takes a free port; nobody listens there yet.
    public init() throws {
        (reservation, port) = try Self.bound(to: 0, isListening: false)
    }

    deinit {
        close(reservation)
    }

    /// How many connections were made.
    public var connectionCount: Int { state.withLock { $0.connectionCount } }

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - serve: called with each connection and its number, from 0; must not close it.
    ///   - ended: called with what `serve` gave back when the connection is closed.
    public func open<Ending>(
        _ serve: @escaping @Sendable (Int32, Int) -> Ending,
        ended: @escaping @Sendable (Ending) -> Void = { _ in }
    ) throws {
        let (listener, _) = try Self.bound(to: port, isListening: true)
        state.withLock { $0.listener = listener }
        _ = try Thread.start(name: "loopback") { [self] in accept(listener, serve, ended) }
    }

    /// Ends all connections that stand.
    public func breakOff() {
        // Under the lock, because a descriptor that is closed may be somebody else's by now.
        state.withLock { state in
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
        }
    }

    /// Listens no more, so that whoever connects is refused, and ends all connections.
    public func leave() {
        state.withLock { state in
            if let listener = state.listener { shutdown(listener, Int32(SHUT_RDWR)) }
            state.listener = nil
        }
        breakOff()
    }

    private func accept<Ending>(
        _ listener: Int32, _ serve: @escaping @Sendable (Int32, Int) -> Ending,
        _ ended: @escaping @Sendable (Ending) -> Void
    ) {
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { break }
            let number = state.withLock { state -> Int? in
                guard state.listener == listener else { return nil }
                state.connections.append(connection)
                state.connectionCount += 1
                return state.connectionCount - 1
            }
            let serving = try? Thread.start(name: "loopback-peer") { [self] in
                let ending = number.map { serve(connection, $0) }
                state.withLock { state in
                    state.connections.removeAll { $0 == connection }
                    close(connection)
                }
                if let ending { ended(ending) }
            }
            if serving == nil { close(connection) }
        }
        close(listener)
    }

    /// A socket on loopback and its port, a free one in place of 0.
    static func bound(
        _ type: __socket_type = SOCK_STREAM, to port: Int, isListening: Bool
    ) throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
        // socket(7): with it on both, one socket can keep the port while the other comes and goes.
        var isShared: Int32 = 1
        setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEPORT, &isShared, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0
                    && (!isListening || listen(descriptor, 64) == 0)
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        guard isOpen else { throw SystemError(call: "listen") }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}

/// What a server does to one connection on the level of sockets.
enum Loopback {
    /// Sends all of it; false when the peer is gone.
    static func write(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
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

    /// Sends each byte in a packet of its own; false when the peer is gone.
    static func writeSlowly(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var isAtOnce: Int32 = 1
        setsockopt(
            connection, Int32(IPPROTO_TCP), TCP_NODELAY, &isAtOnce,
            socklen_t(MemoryLayout<Int32>.size))
        return bytes.allSatisfy { write(connection, [$0]) }
    }

    /// Makes the end of a connection a reset, RST in place of FIN.
    static func makeAbrupt(_ connection: Int32) {
        var abrupt = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            connection, SOL_SOCKET, SO_LINGER, &abrupt, socklen_t(MemoryLayout<linger>.size))
    }

    /// Says that nothing more will be sent, and goes on reading until the peer ends.
    static func halfClose(_ connection: Int32) {
        shutdown(connection, Int32(SHUT_WR))
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while recv(connection, &piece, piece.count, 0) > 0 {}
    }
}
