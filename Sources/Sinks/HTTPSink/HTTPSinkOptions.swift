// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `http` beside the keys of all sinks.
struct HTTPSinkOptions: SinkOptions {
    static let keys = HTTPOptions.keys + ["path", "method", "body", "headers"]

    /// How events stand in a request body.
    enum Body: String, CaseIterable {
        /// One event a line.
        case ndjson
        /// The events as elements of one array.
        case array = "json_array"
    }

    /// The method of requests.
    enum Method: String, CaseIterable {
        case post = "POST"
        case put = "PUT"
    }

    /// How the far side is reached.
    let http: HTTPOptions
    /// What comes behind the endpoint, as a path with a query perhaps; empty for nothing.
    var path: String { secretPath.text }
    /// The values of its query, any of which may be a token.
    var pathSecrets: [Secret] {
        path.split(separator: "?").dropFirst().joined(separator: "?").split(separator: "&").map {
            Secret(Array(($0.split(separator: "=", maxSplits: 1).last ?? $0).utf8))
        }
    }
    private let secretPath: Secret
    /// The method of requests.
    let method: Method
    /// How events stand in a request body.
    let body: Body
    /// Further header lines.
    let headers: [HeaderTemplate]

    /// The longest `path`, in bytes.
    static let pathByteLimit = 4 << 10

    init(reading reader: inout ConfigurationReader) {
        http = HTTPOptions(reading: &reader, compression: HTTPOptions.Compression.none)
        secretPath = Secret(Array(HTTPSinkOptions.readPath(&reader).utf8))
        method = reader.choice("method", default: .post)
        body = reader.choice("body", default: .ndjson)
        headers = HeaderTemplate.read(&reader)
        let names = headers.map { $0.name.lowercased() }
        if Set(names).count < names.count {
            reader.problem("headers", "must name each header once")
        }
        if http.authentication != nil, names.contains("authorization") {
            reader.problem("headers", "must not hold Authorization beside auth; write one of them")
        }
    }

    var tls: TLSOptions? { http.tls }

    var answerTime: Duration { http.timeout }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    // Its query may hold a token, so what was written is not repeated.
    private static func readPath(_ reader: inout ConfigurationReader) -> String {
        guard let path = reader.string("path"), !path.isEmpty else { return "" }
        let isPlain = path.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && !"#\\\"<>{}|^`".utf8.contains(byte)
        }
        let isPath = path.hasPrefix("/") || path.hasPrefix("?")
        if !isPlain || !isPath || path.utf8.count > pathByteLimit {
            reader.problem("path", "must look like /path?query, with everything else escaped")
        }
        return path
    }
}

extension Secret {
    fileprivate var text: String {
        withBytes { bytes in String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self) }
    }
}
