// SPDX-License-Identifier: Apache-2.0
import CLinux
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
/// glibc's getaddrinfo_a(3) asks in threads of its own, for as long as resolv.conf(5) says.
public final class NameLookup {
    /// How a lookup ended.
    public enum Outcome: Sendable, Equatable {
        /// What to connect to, in the order to try; at least one.
        case addresses([SocketAddress])
        /// Why there is no address, in the words of libc.
        case failed(String)
    }

    /// The most addresses that are taken of one name.
    public static let addressLimit = 16

    // Safe because init makes it and deinit lets go of it; glibc keeps a hold of its own.
    private let lookup: OpaquePointer

    /// Begins to look up a name or a numeric address; `bell` rings when there is an outcome.
    public init(host: String, port: Int, forDatagrams: Bool, bell: Bell) throws(SystemError) {
        // Safe because the texts live for the call, which copies them.
        guard
            let lookup = sealtail_lookup_start(
                host, String(port), forDatagrams ? 1 : 0, bell.descriptor)
        else { throw SystemError(call: "look up", path: host) }
        self.lookup = lookup
    }

    deinit {
        // Safe because nobody else holds this reference.
        sealtail_lookup_end(lookup)
    }

    /// How it ended; nil while it is under way.
    public var outcome: Outcome? {
        let status = sealtail_lookup_status(lookup)
        guard status != 1 else { return nil }
        // Safe because libc answers with a constant text.
        guard status == 0 else { return .failed(String(cString: gai_strerror(status))) }
        var addresses: [SocketAddress] = []
        var room = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
        while addresses.count < NameLookup.addressLimit {
            // Safe because the call is told how much room there is.
            let count = sealtail_lookup_address(lookup, addresses.count, &room, room.count)
            guard count > 0 else { break }
            addresses.append(SocketAddress(Array(room[..<count])))
        }
        return addresses.isEmpty ? .failed("no address") : .addresses(addresses)
    }
}
