// SPDX-License-Identifier: Apache-2.0
import Platform

/// How a sink that speaks HTTP reaches the far side: `endpoint`, `auth`, `tls`, `compression`.
public struct HTTPOptions: Sendable {
    /// The keys that these are read from.
    static let keys = ["endpoint", "auth", "tls", "compression"]

    /// Where the sink delivers to; nil only when it was written wrongly.
    public var endpoint: Endpoint?
    /// How the agent says who it is.
    public var authentication: Authentication?
    /// How TLS is done.
    public var tls: TLSOptions
    /// Whether request bodies are compressed.
    public var compression: Compression

    /// How the agent says who it is.
    public enum Authentication: Sendable, Equatable {
        /// `Authorization: ApiKey …`.
        case apiKey(Secret)
        /// `Authorization: Basic …`.
        case basic(username: String, password: Secret)
        /// `Authorization: Bearer …`.
        case bearer(Secret)
    }

    /// Whether request bodies are compressed.
    public enum Compression: String, Sendable, CaseIterable {
        case gzip, none
    }

    /// Reads the four keys and reports every mistake.
    public init(reading reader: inout ConfigurationReader) {
        endpoint = HTTPOptions.readEndpoint(&reader)
        authentication = HTTPOptions.readAuthentication(&reader)
        if endpoint?.isSecure == false, reader.node("tls") != nil {
            reader.problem("tls", "goes with an endpoint that begins with https:// only")
        }
        tls = TLSOptions(reading: &reader)
        compression = reader.choice("compression", default: .gzip)
    }

    /// The most bytes of memory that requests and their answers take.
    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        let answer = HTTPLimit.answerByteCount(eventCount: batch.countLimit)
        return inFlight * (batch.byteLimit * SinkLimit.renderedFactor + answer)
    }

    private static func readEndpoint(_ reader: inout ConfigurationReader) -> Endpoint? {
        let text = reader.requiredString("endpoint")
        guard !text.isEmpty else { return nil }
        if let endpoint = Endpoint(text: text) { return endpoint }
        reader.problem(
            "endpoint",
            "must look like https://host:port/path, without user, query or fragment, is "
                + (reader.node("endpoint")?.shown ?? "empty"))
        return nil
    }

    private static func readAuthentication(
        _ reader: inout ConfigurationReader
    ) -> Authentication? {
        guard var child = reader.child("auth") else { return nil }
        defer { child.finish() }
        let apiKey = child.secret("api_key")
        let bearer = child.secret("bearer")
        var basic: Authentication?
        if var pair = child.child("basic") {
            let username = pair.requiredString("username")
            if username.utf8.contains(UInt8(ascii: ":")) {
                pair.problem("username", "must not hold a colon")
            }
            if let password = pair.secret("password") {
                basic = .basic(username: username, password: password)
            } else if pair.node("password") == nil {
                pair.problem("password", "must be set")
            }
            pair.finish()
        }
        let found = [apiKey.map { Authentication.apiKey($0) }, bearer.map { .bearer($0) }, basic]
            .compactMap { $0 }
        if found.count > 1 {
            reader.problem("auth", "must hold one of api_key, basic, bearer, not several")
        }
        for secret in [apiKey, bearer].compactMap({ $0 }) where !isHeaderText(secret) {
            reader.problem("auth", "must not hold line breaks or other control characters")
        }
        return found.first
    }

    // A line break inside a header would begin another header.
    private static func isHeaderText(_ secret: Secret) -> Bool {
        secret.withBytes { bytes in
            for index in bytes.indices where bytes[index] < 0x20 || bytes[index] == 0x7F {
                return false
            }
            return true
        }
    }
}
