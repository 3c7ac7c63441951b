// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Synchronization

/// A server on loopback that only receives: over TCP, over TLS or datagrams.
///
/// Every connection has a thread of its own.
public final class FakeStreamServer: Sendable {
    /// What the server does with a connection.
    public enum Behaviour: Sendable {
        /// It reads until the client ends, then closes.
        case read
        /// It takes the connection and never reads.
        case ignore
        /// It reads so many bytes at least, then closes in order.
        case close(after: Int)
        /// It reads so many bytes at least, then breaks the connection (RST).
        case reset(after: Int)
    }

    private struct State: Sendable {
        var received: [UInt8] = []
        var datagrams: [[UInt8]] = []
        var ends: [String] = []
        var connections: [Int32] = []
        var connectionCount = 0
        var isStopped = false
    }

    /// The port it listens on.
    public let port: Int
    private let listener: Int32
    private let tls: TLSServer?
    private let script: @Sendable (_ number: Int) -> Behaviour
    private let state = Monitor(State())

    /// Listens on a free port; `script` is asked for each connection, numbered from 0.
    public init(
        _ tls: TLSServer? = nil, _ script: @escaping @Sendable (_ number: Int) -> Behaviour
    ) throws {
        Signals.ignoreBrokenPipes()
        self.tls = tls
        self.script = script
        (listener, port) = try Self.open(SOCK_STREAM)
        _ = try Thread.start(name: "fake-stream") { [self] in accept() }
    }

    /// Receives datagrams on a free port.
    public static func datagrams() throws -> FakeStreamServer { try FakeStreamServer() }

    private init() throws {
        tls = nil
        script = { _ in .read }
        (listener, port) = try Self.open(SOCK_DGRAM)
        _ = try Thread.start(name: "fake-datagrams") { [self] in receiveDatagrams() }
    }

    /// All bytes of all connections, in the order in which they were read.
    public var received: [UInt8] { state.withLock { $0.received } }

    /// All datagrams.
    public var datagrams: [[UInt8]] { state.withLock { $0.datagrams } }

    /// How many connections were made.
    public var connectionCount: Int { state.withLock { $0.connectionCount } }

    /// How the connections ended that have, in a word each.
    public var ends: [String] { state.withLock { $0.ends } }

    /// Waits until so many bytes were received; false when they do not come.
    public func waitForBytes(_ count: Int) -> Bool {
        state.wait(timeout: .seconds(20)) { $0.received.count >= count ? true : nil } ?? false
    }

    /// Waits until so many datagrams were received; false when they do not come.
    public func waitForDatagrams(_ count: Int) -> Bool {
        state.wait(timeout: .seconds(20)) { $0.datagrams.count >= count ? true : nil } ?? false
    }

    /// Waits until so many connections have ended; false when they do not.
    public func waitForEnds(_ count: Int) -> Bool {
        state.wait(timeout: .seconds(20)) { $0.ends.count >= count ? true : nil } ?? false
    }

    /// Closes all connections and listens no more.
    public func stop() {
        let connections = state.withLock { state in
            state.isStopped = true
            return state.connections
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for connection in connections { shutdown(connection, Int32(SHUT_RDWR)) }
    }

    private static func open(_ type: __socket_type) throws -> (Int32, Int) {
        let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0
                    && (type == SOCK_DGRAM || listen(descriptor, 64) == 0)
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        guard isOpen else { throw SystemError(call: "listen") }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    private func receiveDatagrams() {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(listener, &piece, piece.count, 0)
            let isOver = state.update { state in
                if count > 0 {
                    state.datagrams.append(Array(piece[..<count]))
                    state.received += piece[..<count]
                }
                return state.isStopped
            }
            if isOver || count < 0 { break }
        }
        close(listener)
    }

    private func accept() {
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { break }
            let number = state.withLock { state -> Int? in
                if state.isStopped { return nil }
                state.connections.append(connection)
                state.connectionCount += 1
                return state.connectionCount - 1
            }
            let serving = try? Thread.start(name: "fake-stream-peer") { [self] in
                let end = number.map { serve(connection, script($0)) }
                state.withLock { state in state.connections.removeAll { $0 == connection } }
                close(connection)
                if let end { state.update { $0.ends.append(end) } }
            }
            if serving == nil { close(connection) }
        }
        close(listener)
    }

    private func serve(_ connection: Int32, _ behaviour: Behaviour) -> String {
        switch behaviour {
        case .read:
            return read(connection, limit: .max)
        case .ignore:
            _ = state.wait(timeout: .seconds(30)) { $0.isStopped ? true : nil }
            return "ignored"
        case .close(let count):
            _ = read(connection, limit: count)
            return "closed"
        case .reset(let count):
            _ = read(connection, limit: count)
            var abrupt = linger(l_onoff: 1, l_linger: 0)
            setsockopt(
                connection, SOL_SOCKET, SO_LINGER, &abrupt,
                socklen_t(MemoryLayout<linger>.size))
            return "reset"
        }
    }

    /// Reads until the client ends, or there is enough, and says which.
    private func read(_ connection: Int32, limit: Int) -> String {
        guard let tls else { return readPlain(connection, limit) }
        var session = TLSConnection(tls, over: File(borrowing: connection, path: "client"))
        var count = 0
        while count < limit {
            var bytes: [UInt8] = []
            switch session.read(into: &bytes, count: 1 << 16) {
            case .bytes(let more): count += more
            case .end: return "end"
            case .failed(let reason): return reason
            case .needsRead, .needsWrite: continue
            }
            let piece = bytes
            state.update { $0.received += piece }
        }
        return "enough"
    }

    private func readPlain(_ connection: Int32, _ limit: Int) -> String {
        var count = 0
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while count < limit {
            let more = recv(connection, &piece, piece.count, 0)
            guard more > 0 else { return more == 0 ? "end" : "broken" }
            count += more
            let bytes = Array(piece[..<more])
            state.update { $0.received += bytes }
        }
        return "enough"
    }
}
