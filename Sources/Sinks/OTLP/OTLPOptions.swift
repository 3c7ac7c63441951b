// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `otlp` beside the keys of all sinks.
struct OTLPOptions: SinkOptions {
    static let keys = HTTPOptions.keys + ["headers"]

    /// Where OTLP/HTTP takes logs, behind the endpoint.
    static let path = "/v1/logs"

    /// How the receiver is reached; its endpoints are without `path`.
    let http: HTTPOptions
    /// Further lines of each request, as the key of a back end.
    let headers: [HTTPRequest.SecretHeader]

    init(reading reader: inout ConfigurationReader) {
        var http = HTTPOptions(reading: &reader)
        // Written with or without it, as OTEL_EXPORTER_OTLP_LOGS_ENDPOINT and
        // OTEL_EXPORTER_OTLP_ENDPOINT are.
        for index in http.endpoints.indices
        where http.endpoints[index].path.hasSuffix(OTLPOptions.path) {
            http.endpoints[index].path.removeLast(OTLPOptions.path.count)
        }
        self.http = http
        headers = OTLPOptions.readHeaders(&reader, hasAuthentication: http.authentication != nil)
    }

    var tls: TLSOptions? { http.tls }

    var answerTime: Duration { http.timeout }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        // The records are written before their length is known, so they stand there twice.
        batch.byteLimit * SinkLimit.renderedFactor
            + http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    private static func readHeaders(
        _ reader: inout ConfigurationReader, hasAuthentication: Bool
    ) -> [HTTPRequest.SecretHeader] {
        let templates = HeaderTemplate.read(&reader)
        let names = templates.map { $0.name.lowercased() }
        if Set(names).count < names.count {
            reader.problem("headers", "must name each header once")
        }
        if names.contains("content-type") || names.contains("accept") {
            reader.problem("headers", "must not hold Content-Type or Accept: otlp has its own")
        }
        if hasAuthentication, names.contains("authorization") {
            reader.problem("headers", "must not hold Authorization beside auth; write one of them")
        }
        if !templates.allSatisfy(\.isFixed) {
            reader.problem("headers", "must not name anything in braces: that is for type http")
        }
        let nothing = HeaderTemplate.Values(agent: "", batchID: "", sink: "")
        return templates.map { $0.header(nothing) }
    }
}
