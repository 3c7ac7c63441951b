// SPDX-License-Identifier: Apache-2.0
import Platform

/// How TLS is done with a far side: the `tls` block of a sink.
public struct TLSOptions: Sendable, Equatable {
    /// The authorities to trust in place of the system's.
    public var authorityFile: String?
    /// The agent's own certificate.
    public var certificateFile: String?
    /// The key of that certificate.
    public var keyFile: String?
    /// The name that the certificate of the far side must carry, where it is not the host's.
    public var serverName: String?
    /// True when any certificate will do.
    public var isUnverified = false

    /// The system's authorities, no certificate of our own, full verification.
    public init() {}

    /// Reads the block `tls` and reports every mistake.
    init(reading reader: inout ConfigurationReader) {
        guard var child = reader.child("tls") else { return }
        authorityFile = child.string("ca_file")
        certificateFile = child.string("cert_file")
        keyFile = child.string("key_file")
        serverName = child.string("server_name")
        isUnverified = child.bool("insecure_skip_verify", default: false)
        if (certificateFile == nil) != (keyFile == nil) {
            child.problem(
                keyFile == nil ? "cert_file" : "key_file",
                "cert_file and key_file go together; set both or none")
        }
        if let name = serverName, Endpoint(text: "https://\(name)")?.host != name {
            child.problem("server_name", "must be a host name, is \"\(name)\"")
        }
        child.finish()
    }
}
