// SPDX-License-Identifier: Apache-2.0
import Platform

/// How a sink reaches a service of AWS, or of who speaks its language: `region`, `endpoint`,
/// `auth`, `tls`, `proxy`, `timeout`.
struct AWSOptions: Sendable {
    /// The keys that these are read from.
    static let keys = ["region", "endpoint", "auth", "tls", "proxy", "timeout"]

    /// The region that requests are signed for.
    let region: String
    /// Where requests go and how TLS is done; its authentication is not used.
    let http: HTTPOptions
    /// Credentials that were named; nil leaves the search to the chain of the AWS SDKs.
    let authentication: Authentication?
    /// True when `endpoint` was written.
    let isEndpointWritten: Bool

    /// Credentials that the configuration names.
    enum Authentication: Sendable, Equatable {
        /// `access_key_id`, `secret_access_key` and perhaps `session_token`.
        case key(AWSCredentials)
        /// `profile` and perhaps `credentials_file`.
        case profile(String, file: String?)
    }

    /// Reads the keys and reports every mistake.
    init(reading reader: inout ConfigurationReader, service: String) {
        region = AWSOptions.readRegion(&reader)
        isEndpointWritten = reader.node("endpoint") != nil
        let host = AWSOptions.host(of: service, region: region.isEmpty ? "none" : region)
        http = HTTPOptions(
            reading: &reader, usual: Endpoint(text: "https://\(host)"), compression: nil,
            authenticates: false)
        if http.endpoints.count > 1 {
            reader.problem("endpoint", "must be one URL: a request is signed for one host")
        }
        authentication = AWSOptions.readAuthentication(&reader)
    }

    /// The usual host of a service, as `logs.eu-central-1.amazonaws.com`.
    static func host(of service: String, region: String) -> String {
        let domain = partitions.first { region.hasPrefix($0.prefix) }?.domain ?? "amazonaws.com"
        return "\(service).\(region).\(domain)"
    }

    /// The partitions whose hosts are named otherwise, as botocore lists them.
    private static let partitions: [(prefix: String, domain: String)] = [
        ("cn-", "amazonaws.com.cn"), ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"), ("us-isof-", "csp.hci.ic.gov"),
    ]

    private static func readRegion(_ reader: inout ConfigurationReader) -> String {
        let region = reader.requiredString("region")
        let isPlain = region.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D
        }
        if !isPlain || region.utf8.count > 64 {
            reader.problem("region", "must look like eu-central-1, is \"\(region)\"")
            return ""
        }
        return region
    }

    private static func readAuthentication(
        _ reader: inout ConfigurationReader
    ) -> Authentication? {
        guard var child = reader.child("auth") else { return nil }
        defer { child.finish() }
        let id = child.string("access_key_id")
        let key = child.secret("secret_access_key")
        let token = child.secret("session_token")
        let profile = child.string("profile")
        let file = child.string("credentials_file")
        if profile != nil || file != nil {
            if id != nil || key != nil || token != nil {
                reader.problem("auth", "must hold keys or a profile, not both")
            }
            return .profile(profile ?? "default", file: file)
        }
        // What is missing was said where it stands.
        if child.node.holdsBroken { return nil }
        guard let id, let key else {
            reader.problem(
                "auth",
                "must hold access_key_id and secret_access_key, or profile; without auth the "
                    + "environment, files and metadata services are asked")
            return nil
        }
        let credentials = AWSCredentials(
            accessKeyID: id, secretAccessKey: key.withBytes { String(copying: $0) },
            sessionToken: token.map { $0.withBytes { String(copying: $0) } })
        guard let credentials else {
            reader.problem("auth", "must hold printable characters without spaces only")
            return nil
        }
        return .key(credentials)
    }
}
