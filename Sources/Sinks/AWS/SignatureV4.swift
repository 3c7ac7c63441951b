// SPDX-License-Identifier: Apache-2.0
import Platform

/// Signs requests to one service in one region by AWS Signature Version 4.
///
/// It signs every header it is given, as the AWS SDKs do, but for those that proxies change.
struct SignatureV4: Sendable {
    /// The region, as `eu-central-1`.
    let region: String
    /// The service, as `logs`.
    let service: String

    /// What of a request is signed.
    struct Request: Sendable {
        /// As `POST`.
        var method: String
        /// As it is sent: percent-encoded and beginning with a slash.
        var path: String
        /// Names and values as they are meant; `PercentEncoding.query` makes what is sent.
        var query: [(name: String, value: String)] = []
        /// The headers, `Host` among them.
        var headers: [(name: String, value: String)]
        /// SHA-256 of the body.
        var payload: Digest
    }

    /// The header lines that a signature adds.
    struct Lines: Sendable {
        /// Those that may be seen.
        var plain: [(name: String, value: String)]
        /// The session token where there is one, and `Authorization`.
        var authorization: String
        /// `X-Amz-Security-Token`.
        var sessionToken: Secret?
    }

    /// Headers that are left out, because something between here and there may change them.
    static let unsigned: Set<String> = [
        "connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
        "user-agent",
    ]

    /// Signs a request at a moment; the lines go into it beside its own headers.
    func lines(
        for request: Request, _ credentials: AWSCredentials, at moment: Timestamp
    ) -> Lines {
        let time = SignatureV4.time(moment)
        var added = [(name: "X-Amz-Date", value: time)]
        // Object stores ask for the digest of the body as a header, the other services do not.
        if isObjectStore { added.append(("X-Amz-Content-SHA256", request.payload.hex())) }
        var signed = request.headers + added
        if let token = credentials.sessionToken {
            signed.append(("X-Amz-Security-Token", token.withBytes { String(copying: $0) }))
        }
        let (headers, names) = SignatureV4.canonical(signed)
        let canonical = [
            request.method, canonicalPath(request.path), PercentEncoding.query(request.query),
            headers, names, request.payload.hex(),
        ].joined(separator: "\n")
        let scope = "\(time.prefix(8))/\(region)/\(service)/aws4_request"
        let digest = SHA256.digest(Array(canonical.utf8)).hex()
        let text = ["AWS4-HMAC-SHA256", time, scope, digest].joined(separator: "\n")
        let signature = key(credentials, day: String(time.prefix(8)))
            .tag(Array(text.utf8).span).hex()
        return Lines(
            plain: added,
            authorization: "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), "
                + "SignedHeaders=\(names), Signature=\(signature)",
            sessionToken: credentials.sessionToken)
    }

    /// As `20261121T110207Z`.
    static func time(_ moment: Timestamp) -> String {
        String(moment.text.prefix(19).filter { $0 != "-" && $0 != ":" }) + "Z"
    }

    private var isObjectStore: Bool { service == "s3" }

    /// S3 signs the path as it is sent; everybody else without dots and encoded once more.
    private func canonicalPath(_ path: String) -> String {
        if isObjectStore { return path.isEmpty ? "/" : path }
        var kept: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = kept.popLast() } else { kept.append(part) }
        }
        let end = path.hasSuffix("/") && !kept.isEmpty ? "/" : ""
        return PercentEncoding.encode("/" + kept.joined(separator: "/") + end, keeping: "/")
    }

    /// Sorted by name; white space is trimmed and runs of it become one space.
    private static func canonical(
        _ headers: [(name: String, value: String)]
    ) -> (lines: String, names: String) {
        var values: [String: [String]] = [:]
        for (name, value) in headers where !unsigned.contains(name.lowercased()) {
            let words = value.split { $0 == " " || $0 == "\t" }
            values[name.lowercased(), default: []].append(words.joined(separator: " "))
        }
        let names = values.keys.sorted()
        let lines = names.map { "\($0):\((values[$0] ?? []).joined(separator: ","))\n" }
        return (lines.joined(), names.joined(separator: ";"))
    }

    private func key(_ credentials: AWSCredentials, day: String) -> HMACSHA256 {
        var start = Array("AWS4".utf8)
        credentials.secretAccessKey.withBytes { start += [UInt8](copying: $0) }
        defer { Secret.wipe(&start) }
        var mac = HMACSHA256(key: start)
        for part in [day, region, service, "aws4_request"] {
            mac = HMACSHA256(key: mac.tag(Array(part.utf8).span).bytes)
        }
        return mac
    }
}

/// Percent-encoding as AWS signs it (RFC 3986 §2.3: only unreserved characters stay).
enum PercentEncoding {
    /// The text in UTF-8 with `%XX` for every byte but unreserved ones and those of `keeping`.
    static func encode(_ text: String, keeping: StaticString = "") -> String {
        let kept = Array(String(describing: keeping).utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            if isUnreserved(byte) || kept.contains(byte) {
                result.append(byte)
            } else {
                result.append(UInt8(ascii: "%"))
                result.append(digits[Int(byte >> 4)])
                result.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// A query without its question mark, sorted by encoded name and then by encoded value.
    static func query(_ pairs: [(name: String, value: String)]) -> String {
        let encoded = pairs.map { (encode($0.name), encode($0.value)) }
        return encoded.sorted { $0 < $1 }.map { "\($0)=\($1)" }.joined(separator: "&")
    }

    private static let digits = Array("0123456789ABCDEF".utf8)

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
            || (0x61...0x7A).contains(byte) || "-._~".utf8.contains(byte)
    }
}
