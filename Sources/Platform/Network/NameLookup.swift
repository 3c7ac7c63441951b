// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The address of a socket, as the kernel takes it.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    fileprivate let bytes: [UInt8]

    fileprivate init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// AF_INET or AF_INET6.
    var family: Int32 { withSocketAddress { address, _ in Int32(address.pointee.sa_family) } }

    /// Lends the address to a call of the kernel, with its length.
    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result
    {
        var storage = sockaddr_storage()
        // Safe because the structure has room for every address, which was checked when the bytes
        // were copied, lives for the call and begins as sockaddr does.
        return withUnsafeMutablePointer(to: &storage) { pointer in
            UnsafeMutableRawPointer(pointer).copyMemory(from: bytes, byteCount: bytes.count)
            return pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(bytes.count))
            }
        }
    }

    /// As `192.0.2.1:514` or `[2001:db8::1]:514`.
    public var description: String {
        withSocketAddress { Socket.text($0, $1) ?? "an address" }
    }
}

/// A name on its way to addresses; nobody waits for it.
///
/// A thread of its own asks getaddrinfo(3), for as long as resolv.conf(5) says, and outlives who
/// lost interest.
public final class NameLookup: Sendable {
    /// How a lookup ended.
    public enum Outcome: Sendable, Equatable {
        /// What to connect to, in the order to try; at least one.
        case addresses([SocketAddress])
        /// Why there is no address, in the words of libc.
        case failed(String)
    }

    /// The most addresses that are taken of one name.
    public static let addressLimit = 16

    private let ending = Monitor<Outcome?>(nil)

    /// Begins to look up a name or a numeric address; `bell` rings when there is an outcome.
    public init(host: String, port: Int, forDatagrams: Bool, bell: Bell) throws(SystemError) {
        _ = try Thread.start(name: "lookup") { [ending] in
            let outcome = NameLookup.resolve(host, port, forDatagrams: forDatagrams)
            ending.withLock { $0 = outcome }
            bell.ring()
        }
    }

    /// How it ended; nil while it is under way.
    public var outcome: Outcome? { ending.withLock { $0 } }

    private static func resolve(_ host: String, _ port: Int, forDatagrams: Bool) -> Outcome {
        var hints = addrinfo()
        hints.ai_socktype = Int32((forDatagrams ? SOCK_DGRAM : SOCK_STREAM).rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        // Safe because the texts and hints live for the call; the list is freed once, below.
        let status = getaddrinfo(host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        // Safe because libc answers with a constant text.
        guard status == 0 else { return .failed(String(cString: gai_strerror(status))) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee, addresses.count < addressLimit {
            // Safe because the entry says how long its address is, and the bytes are copied.
            let bytes = UnsafeRawBufferPointer(
                start: entry.ai_addr, count: entry.ai_addr == nil ? 0 : Int(entry.ai_addrlen))
            if !bytes.isEmpty, bytes.count <= MemoryLayout<sockaddr_storage>.size {
                addresses.append(SocketAddress([UInt8](bytes)))
            }
            next = entry.ai_next
        }
        return addresses.isEmpty ? .failed("no address") : .addresses(addresses)
    }
}
