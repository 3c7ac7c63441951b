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
    /// SHA-256 of the public keys that the far side may have, in base64; any when empty.
    ///
    /// Of its certificate's SubjectPublicKeyInfo, as RFC 7469 has it; checked beside the rest.
    public var pins: [String] = []
    /// True when any certificate will do.
    public var isUnverified = false

    /// The most pins: a key in use and those that may follow it.
    public static let pinLimit = 16

    /// The system's authorities, no certificate of our own, full verification.
    public init() {}

    /// Reads the block `tls` and reports every mistake.
    init(reading reader: inout ConfigurationReader) {
        guard var child = reader.child("tls") else { return }
        authorityFile = child.string("ca_file")
        certificateFile = child.string("cert_file")
        keyFile = child.string("key_file")
        serverName = child.string("server_name")
        pins = TLSOptions.readPins(&child)
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

    /// True when there is a file whose content matters.
    var namesFiles: Bool { authorityFile != nil || certificateFile != nil }

    private static func readPins(_ reader: inout ConfigurationReader) -> [String] {
        guard let node = reader.node("pin_sha256") else { return [] }
        let pins = node.scalar.map { [$0] } ?? reader.strings("pin_sha256")
        let areDigests = pins.allSatisfy { Base64.decode($0)?.count == Digest.byteCount }
        if !areDigests || pins.isEmpty || pins.count > pinLimit {
            reader.problem(
                "pin_sha256",
                "must be 1 to \(pinLimit) SHA-256 of public keys in base64, 44 characters each; "
                    + "docs/operating.md says how to make one")
        }
        return pins
    }
}
