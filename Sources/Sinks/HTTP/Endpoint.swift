// SPDX-License-Identifier: Apache-2.0

/// Where an HTTP sink delivers to.
public struct Endpoint: Sendable, Equatable {
    /// True for `https`.
    public var isSecure: Bool
    /// The name or address, an IPv6 address without brackets.
    public var host: String
    /// The port, from the scheme where none was written.
    public var port: Int
    /// The path in front of what the sink adds, without a slash at its end.
    public var path: String

    /// Reads `http://host`, `https://host:port/path` or `https://[address]:port`.
    ///
    /// Nil for anything else: another scheme, a user, a query, a fragment, a control character.
    public init?(text: String) {
        let rest: Substring
        if text.hasPrefix("https://") {
            isSecure = true
            rest = text.dropFirst(8)
        } else if text.hasPrefix("http://") {
            isSecure = false
            rest = text.dropFirst(7)
        } else {
            return nil
        }
        let isPlain = rest.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && !"@?#\\\"<>{}|^`".utf8.contains(byte)
        }
        guard isPlain else { return nil }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var folder = rest[slash...]
        while folder.hasSuffix("/") { folder = folder.dropLast() }
        path = String(folder)

        let authority = rest[..<slash]
        let portText: Substring?
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<close])
            let behind = authority[authority.index(after: close)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return nil }
            portText = behind.isEmpty ? nil : behind.dropFirst()
            guard Self.isAddress(host) else { return nil }
        } else {
            let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { return nil }
            host = String(parts[0])
            portText = parts.count == 2 ? parts[1] : nil
            guard Self.isName(host) else { return nil }
        }
        port = isSecure ? 443 : 80
        if let portText {
            guard let number = Int(portText), (1...65_535).contains(number),
                portText.utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
            port = number
        }
    }

    /// The host as it stands in a URL, an IPv6 address in brackets.
    var urlHost: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host }

    /// True for this machine's own addresses and names.
    var isLoopback: Bool {
        let name = host.lowercased()
        return name == "localhost" || name.hasSuffix(".localhost") || name == "::1"
            || name.hasPrefix("127.") && name.utf8.allSatisfy { "0123456789.".utf8.contains($0) }
    }

    /// The host and the port, for people.
    var place: String { "\(urlHost):\(port)" }

    /// The endpoint as a URL, where wanted with another name in place of its host.
    func url(as name: String? = nil) -> String {
        "\(isSecure ? "https" : "http")://\(name ?? urlHost):\(port)\(path)"
    }

    private static func isName(_ host: String) -> Bool {
        !host.isEmpty && host.utf8.count <= 253
            && host.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                    || (0x61...0x7A).contains(byte) || "-._".utf8.contains(byte)
            }
    }

    private static func isAddress(_ host: String) -> Bool {
        host.utf8.contains(UInt8(ascii: ":"))
            && host.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte)
                    || (0x61...0x66).contains(byte) || ":.".utf8.contains(byte)
            }
    }
}
