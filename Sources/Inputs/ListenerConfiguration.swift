// SPDX-License-Identifier: Apache-2.0
import Platform

/// How an input that is sent to is reached: an address and, where it is secured, the files for it.
public struct ListenerConfiguration: Sendable, Hashable {
    /// Where it listens.
    public var address: ListenAddress
    /// What TLS is done with; nil for a connection in clear.
    public var tls: TLSFiles?

    /// The files of TLS, PEM all of them.
    public struct TLSFiles: Sendable, Hashable {
        /// The certificate chain, the server's own first.
        public var certificate: String
        /// Its key.
        public var key: String
        /// The authorities of clients; nil to let in clients without a certificate.
        public var clientAuthorities: String?

        /// Names the files.
        public init(certificate: String, key: String, clientAuthorities: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthorities = clientAuthorities
        }
    }

    /// Describes a listener without a configuration file.
    public init(address: ListenAddress, tls: TLSFiles? = nil) {
        self.address = address
        self.tls = tls
    }

    /// Reads `listen`; nil after a problem.
    static func readAddress(
        _ reader: inout ConfigurationReader, example: String
    ) -> ListenAddress? {
        guard let text = reader.string("listen") else {
            reader.problem("listen", "must be set to an address and a port such as \(example)")
            return nil
        }
        guard let address = ListenAddress(text), address.port > 0 else {
            reader.problem(
                "listen",
                "must be a numeric address and a port such as \(example) or [::]:\(example.port), "
                    + "is \"\(text)\"")
            return nil
        }
        return address
    }

    /// Reads `tls`; nil when it is left out or after a problem.
    static func readTLS(
        _ reader: inout ConfigurationReader, clients: Bool
    ) -> TLSFiles? {
        guard var child = reader.child("tls") else { return nil }
        let certificate = child.requiredString("cert_file")
        let key = child.requiredString("key_file")
        var authorities: String?
        if clients {
            authorities = child.string("client_ca_file")
        } else if child.node("client_ca_file") != nil {
            child.problem(
                "client_ca_file",
                "has no meaning here: requests prove themselves by their token; leave it out")
        }
        for (name, path) in [
            ("cert_file", certificate), ("key_file", key), ("client_ca_file", authorities ?? ""),
        ] where !path.isEmpty && !path.hasPrefix("/") {
            child.problem(name, "must be an absolute path, is \"\(path)\"")
        }
        child.finish()
        if certificate.isEmpty || key.isEmpty { return nil }
        return TLSFiles(
            certificate: certificate, key: key, clientAuthorities: authorities)
    }
}

extension String {
    /// What stands behind the last colon.
    fileprivate var port: Substring { split(separator: ":").last ?? "" }
}
