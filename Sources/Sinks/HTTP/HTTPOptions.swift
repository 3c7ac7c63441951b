// SPDX-License-Identifier: Apache-2.0
import Platform

/// How a sink that speaks HTTP reaches the far side.
public struct HTTPOptions: Sendable {
    /// The keys that these are read from.
    static let keys = keysWithoutAuthentication + ["auth"]
    /// The keys for a sink that says who it is in a way of its own.
    static let keysWithoutAuthentication = [
        "endpoint", "tls", "proxy", "timeout", "connection_age", "compression",
    ]

    /// Where the sink delivers to, the first as long as it answers; empty only when they were
    /// written wrongly.
    public var endpoints: [Endpoint]
    /// The one that is used first.
    public var endpoint: Endpoint? { endpoints.first }
    /// How the agent says who it is.
    public var authentication: Authentication?
    /// How TLS is done.
    public var tls: TLSOptions
    /// The way there.
    let proxy: ProxyOptions
    /// From the first byte of a request to the last of its answer.
    public var timeout: Duration
    /// A connection older than this is not used again, so that names are resolved anew.
    let connectionAge: Duration
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

        /// The header line that says it.
        var header: HTTPRequest.SecretHeader {
            var value: [UInt8]
            switch self {
            case .apiKey(let key):
                value = Array("ApiKey ".utf8)
                key.withBytes { bytes in for index in bytes.indices { value.append(bytes[index]) } }
            case .bearer(let token):
                value = Array("Bearer ".utf8)
                token.withBytes { bytes in
                    for index in bytes.indices { value.append(bytes[index]) }
                }
            case .basic(let username, let password):
                value = Array("Basic ".utf8)
                var pair = Array("\(username):".utf8)
                password.withBytes { bytes in
                    for index in bytes.indices { pair.append(bytes[index]) }
                }
                Base64.append(pair.span, to: &value)
                Secret.wipe(&pair)
            }
            defer { Secret.wipe(&value) }
            return HTTPRequest.SecretHeader(name: "Authorization", value: Secret(value))
        }
    }

    /// Whether request bodies are compressed.
    public enum Compression: String, Sendable, CaseIterable {
        case gzip, none
    }

    /// One endpoint, reached directly, for a program that asks something for itself.
    init(
        _ endpoint: Endpoint, tls: TLSOptions, authentication: Authentication?, timeout: Duration
    ) {
        endpoints = [endpoint]
        self.authentication = authentication
        self.tls = tls
        proxy = .none
        self.timeout = timeout
        connectionAge = HTTPLimit.usualConnectionAge
        compression = .none
    }

    /// Reads the keys and reports every mistake.
    ///
    /// - Parameters:
    ///   - usual: the endpoint when none is written; without it one has to be.
    ///   - compression: what is done unless something else is written; nil leaves the key alone.
    ///   - authenticates: false leaves `auth` alone, for a sink with a way of its own.
    init(
        reading reader: inout ConfigurationReader, usual: Endpoint? = nil,
        compression usualCompression: Compression? = .gzip, authenticates: Bool = true
    ) {
        endpoints = HTTPOptions.readEndpoints(&reader, usual)
        authentication = authenticates ? HTTPOptions.readAuthentication(&reader) : nil
        if endpoints.contains(where: { !$0.isSecure }), reader.node("tls") != nil {
            reader.problem(
                "tls", "goes with an endpoint that begins with https:// only; leave it out")
        }
        tls = TLSOptions(reading: &reader)
        proxy = ProxyOptions(reading: &reader)
        timeout = reader.duration(
            "timeout", in: HTTPLimit.timeout, default: HTTPLimit.exchangeTime)
        connectionAge = reader.duration(
            "connection_age", in: HTTPLimit.connectionAge, default: HTTPLimit.usualConnectionAge)
        compression =
            usualCompression.map { reader.choice("compression", default: $0) } ?? .none
    }

    /// The most bytes of memory that requests and their answers take.
    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        let answer = HTTPLimit.answerByteCount(eventCount: batch.countLimit)
        return inFlight * (batch.byteLimit * SinkLimit.renderedFactor + answer)
    }

    private static func readEndpoints(
        _ reader: inout ConfigurationReader, _ usual: Endpoint?
    ) -> [Endpoint] {
        guard let node = reader.node("endpoint") else {
            if let usual { return [usual] }
            reader.problem("endpoint", "must be set")
            return []
        }
        let nodes = node.elements ?? [node]
        if nodes.isEmpty || nodes.count > HTTPLimit.endpointCount {
            reader.problem("endpoint", "must be 1 to \(HTTPLimit.endpointCount) URLs")
        }
        return nodes.compactMap { node in
            if let endpoint = node.scalar.flatMap({ Endpoint(text: $0) }) { return endpoint }
            reader.problems.add(
                at: node,
                "must look like https://host:port/path, without user, query or fragment"
                    + Endpoint.shown(node))
            return nil
        }
    }

    private static func readAuthentication(
        _ reader: inout ConfigurationReader
    ) -> Authentication? {
        guard var child = reader.child("auth") else { return nil }
        defer { child.finish() }
        let apiKey = child.secret("api_key")
        let bearer = child.secret("bearer")
        let basic = child.login("basic").map { login in
            Authentication.basic(username: login.username, password: login.password)
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
