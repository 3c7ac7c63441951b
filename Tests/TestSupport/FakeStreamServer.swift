// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

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
        /// It reads so many bytes at least, says that it will send nothing, and reads no more
        /// than to throw away.
        case halfClose(after: Int)
        /// It reads byte by byte.
        case readSlowly
    }

    private struct State: Sendable {
        var received: [UInt8] = []
        var streams: [Int: [UInt8]] = [:]
        var datagrams: [[UInt8]] = []
        var ends: [String] = []
        // Of datagrams.
        var socket: Int32?
        var isStopped = false
    }

    /// The port it listens on.
    public let port: Int
    private let listener: LoopbackListener?
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
        let listener = try LoopbackListener()
        self.listener = listener
        port = listener.port
        try comeBack()
    }

    /// Receives datagrams on a free port.
    public static func datagrams() throws -> FakeStreamServer { try FakeStreamServer() }

    private init() throws {
        tls = nil
        script = { _ in .read }
        listener = nil
        let (socket, port) = try LoopbackListener.bound(SOCK_DGRAM, to: 0, isListening: false)
        self.port = port
        try receiveDatagrams(socket)
    }

    /// Closes all connections and listens no more.
    public func stop() {
        let socket = state.withLock { state in
            state.isStopped = true
            defer { state.socket = nil }
            return state.socket
        }
        listener?.leave()
        if let socket { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    /// Listens again, after `stop`, on the same port.
    public func comeBack() throws {
        state.withLock { $0.isStopped = false }
        if let listener {
            try listener.open(
                { [self] in serve($0, $1, script($1)) },
                ended: { [self] end in state.update { $0.ends.append(end) } })
        } else {
            try receiveDatagrams(
                LoopbackListener.bound(SOCK_DGRAM, to: port, isListening: false).descriptor)
        }
    }

    /// Ends all connections that stand.
    public func breakOff() { listener?.breakOff() }

    /// All bytes of all connections, in the order in which they were read.
    public var received: [UInt8] { state.withLock { $0.received } }

    /// The bytes of each connection that brought some, in the order of the connections.
    public var streams: [[UInt8]] {
        state.withLock { $0.streams.sorted { $0.key < $1.key }.map(\.value) }
    }

    /// All datagrams.
    public var datagrams: [[UInt8]] { state.withLock { $0.datagrams } }

    /// How many connections were made.
    public var connectionCount: Int { listener?.connectionCount ?? 0 }

    /// How the connections ended that have, in a word each.
    public var ends: [String] { state.withLock { $0.ends } }

    /// Waits until so many bytes were received; false when they do not come.
    public func waitForBytes(_ count: Int, atMost timeout: Duration = .seconds(20)) -> Bool {
        state.wait(timeout: timeout) { $0.received.count >= count ? true : nil } ?? false
    }

    /// Waits until so many datagrams were received; false when they do not come.
    public func waitForDatagrams(_ count: Int) -> Bool {
        state.wait(timeout: .seconds(20)) { $0.datagrams.count >= count ? true : nil } ?? false
    }

    /// Waits until so many connections have ended; false when they do not.
    public func waitForEnds(_ count: Int) -> Bool {
        state.wait(timeout: .seconds(20)) { $0.ends.count >= count ? true : nil } ?? false
    }

    private func receiveDatagrams(_ socket: Int32) throws {
        state.withLock { $0.socket = socket }
        _ = try Thread.start(name: "fake-datagrams") { [self] in
            var piece = [UInt8](repeating: 0, count: 1 << 16)
            while state.withLock({ $0.socket == socket }) {
                let count = recv(socket, &piece, piece.count, 0)
                guard count > 0 else { continue }
                let bytes = Array(piece[..<count])
                state.update { state in
                    state.datagrams.append(bytes)
                    state.received += bytes
                }
            }
            close(socket)
        }
    }

    private func serve(_ connection: Int32, _ number: Int, _ behaviour: Behaviour) -> String {
        switch behaviour {
        case .read:
            return read(connection, number, limit: .max)
        case .readSlowly:
            return read(connection, number, limit: .max, pieceByteCount: 1)
        case .ignore:
            _ = state.wait(timeout: .seconds(30)) { $0.isStopped ? true : nil }
            return "ignored"
        case .close(let count):
            _ = read(connection, number, limit: count)
            return "closed"
        case .halfClose(let count):
            _ = read(connection, number, limit: count)
            Loopback.halfClose(connection)
            return "half closed"
        case .reset(let count):
            _ = read(connection, number, limit: count)
            Loopback.makeAbrupt(connection)
            return "reset"
        }
    }

    private func note(_ bytes: [UInt8], _ number: Int) {
        state.update { state in
            state.received += bytes
            state.streams[number, default: []] += bytes
        }
    }

    /// Reads until the client ends, or there is enough, and says which.
    private func read(
        _ connection: Int32, _ number: Int, limit: Int, pieceByteCount: Int = 1 << 16
    ) -> String {
        guard let tls else { return readPlain(connection, number, limit, pieceByteCount) }
        var session = TLSConnection(tls, over: File(borrowing: connection, path: "client"))
        var count = 0
        while count < limit {
            var bytes: [UInt8] = []
            switch session.read(into: &bytes, count: pieceByteCount) {
            case .bytes(let more):
                count += more
                note(bytes, number)
            case .end: return "end"
            case .failed(let reason): return reason
            case .needsRead, .needsWrite: continue
            }
        }
        return "enough"
    }

    private func readPlain(
        _ connection: Int32, _ number: Int, _ limit: Int, _ pieceByteCount: Int
    ) -> String {
        var count = 0
        var piece = [UInt8](repeating: 0, count: pieceByteCount)
        while count < limit {
            let more = recv(connection, &piece, piece.count, 0)
            guard more > 0 else { return more == 0 ? "end" : "broken" }
            count += more
            note(Array(piece[..<more]), number)
        }
        return "enough"
    }
}
