// SPDX-License-Identifier: Apache-2.0
import Platform

/// Who may see the status page: the block `agent.status`.
public struct StatusConfiguration: Sendable {
    /// The fewest bytes of a token; whoever guesses has no limit but the network.
    public static let tokenByteMinimum = 16
    /// The most names that a browser may reach the page under.
    public static let hostLimit = 16

    /// What a browser or a program has to know; nil for nothing.
    public var token: Secret?
    /// Names beside `localhost` and loopback addresses that a browser may reach the page under,
    /// in lower case.
    public var hosts: [String] = []
    /// How `agent.listen` is secured; nil for plain HTTP.
    public var tls: TLSFiles?

    /// The files of TLS, PEM all of them.
    public struct TLSFiles: Sendable, Hashable {
        /// The certificate chain, the agent's own first.
        public var certificate: String
        /// Its key.
        public var key: String
        /// Whoever has a certificate of these authorities sees the page; nil for nobody.
        public var clientAuthorities: String?
    }

    /// No token, no TLS.
    public init() {}

    /// Reads the block and reports every mistake.
    init(reading reader: ConfigurationReader?) {
        guard var reader else { return }
        token = reader.secret("token")
        if let token, token.byteCount < StatusConfiguration.tokenByteMinimum {
            reader.problem(
                "token",
                "must have \(StatusConfiguration.tokenByteMinimum) bytes or more; "
                    + "openssl rand -hex 16 makes a good one")
        }
        hosts = reader.strings("hosts", default: []).map { $0.lowercased() }
        if hosts.count > StatusConfiguration.hostLimit {
            reader.problem("hosts", "must be \(StatusConfiguration.hostLimit) names or fewer")
        }
        for host in hosts where host.isEmpty || host.contains(where: { ":/ *".contains($0) }) {
            reader.problem(
                "hosts",
                "must be names without scheme and port such as sealtail.example.com, "
                    + "is \"\(host)\"")
        }
        tls = StatusConfiguration.readTLS(&reader)
        reader.finish()
    }

    private static func readTLS(_ reader: inout ConfigurationReader) -> TLSFiles? {
        guard var child = reader.child("tls") else { return nil }
        let files = TLSFiles(
            certificate: child.requiredString("cert_file"), key: child.requiredString("key_file"),
            clientAuthorities: child.string("client_ca_file"))
        for (name, path) in [
            ("cert_file", files.certificate), ("key_file", files.key),
            ("client_ca_file", files.clientAuthorities ?? ""),
        ] where !path.isEmpty && !path.hasPrefix("/") {
            child.problem(name, "must be an absolute path, is \"\(path)\"")
        }
        child.finish()
        return files.certificate.isEmpty || files.key.isEmpty ? nil : files
    }
}
