// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `otlp` beside the keys of all sinks.
struct OTLPOptions: SinkOptions {
    static let keys = HTTPOptions.keys

    /// Where OTLP/HTTP takes logs, behind the endpoint.
    static let path = "/v1/logs"

    /// How the receiver is reached; its endpoints are without `path`.
    let http: HTTPOptions

    init(reading reader: inout ConfigurationReader) {
        var http = HTTPOptions(reading: &reader)
        // Written with or without it, as OTEL_EXPORTER_OTLP_LOGS_ENDPOINT and
        // OTEL_EXPORTER_OTLP_ENDPOINT are.
        for index in http.endpoints.indices
        where http.endpoints[index].path.hasSuffix(OTLPOptions.path) {
            http.endpoints[index].path.removeLast(OTLPOptions.path.count)
        }
        self.http = http
    }

    var tls: TLSOptions? { http.tls }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        // The records are written before their length is known, so they stand there twice.
        batch.byteLimit * SinkLimit.renderedFactor
            + http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }
}
