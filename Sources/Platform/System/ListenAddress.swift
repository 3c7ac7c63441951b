// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A numeric address and a port to listen on.
public struct ListenAddress: Sendable, Hashable {
    /// The text as configured.
    public let text: String
    /// The port; 0 lets the kernel choose one.
    public let port: UInt16
    private let host: String
    private let isVersion6: Bool

    /// Reads `ADDRESS:PORT`; an IPv6 address stands in brackets. Nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = String(text[..<colon])
        isVersion6 = host.hasPrefix("[") && host.hasSuffix("]")
        if isVersion6 { host = String(host.dropFirst().dropLast()) }
        var room = in6_addr()
        // Safe because in6_addr has room for either kind of address.
        guard inet_pton(isVersion6 ? AF_INET6 : AF_INET, host, &room) == 1 else { return nil }
        self.text = text
        self.host = host
        self.port = port
    }

    /// True for an address that only this machine can reach.
    public var isLoopback: Bool { isVersion6 ? host == "::1" : host.hasPrefix("127.") }

    /// Where a program on this machine reaches what listens here: an unspecified address, which
    /// listens everywhere, is reached over loopback.
    public var localText: String {
        if isVersion6 { return "[\(isUnspecified ? "::1" : host)]:\(port)" }
        return "\(isUnspecified ? "127.0.0.1" : host):\(port)"
    }

    private var isUnspecified: Bool { host.allSatisfy { "0.:".contains($0) } }

    /// AF_INET or AF_INET6.
    var family: Int32 { isVersion6 ? AF_INET6 : AF_INET }

    /// Lends the address to a call of the kernel, with its length.
    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result
    {
        // Safe because each structure lives for the call and begins with its family, as
        // sockaddr(3type) asks.
        if isVersion6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            inet_pton(AF_INET6, host, &address.sin6_addr)
            // Safe because the structure lives for the call and begins as sockaddr does.
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        // Safe because the structure lives for the call and begins as sockaddr does.
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
