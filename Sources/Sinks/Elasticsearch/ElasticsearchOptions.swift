// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `elasticsearch` beside the keys of all sinks.
struct ElasticsearchOptions: SinkOptions {
    static let keys = HTTPOptions.keys + ["index"]

    /// How the cluster is reached.
    let http: HTTPOptions
    /// The data stream or index that documents go to.
    let index: String

    init(reading reader: inout ConfigurationReader) {
        http = HTTPOptions(reading: &reader)
        index = ElasticsearchOptions.readIndex(&reader)
    }

    var tls: TLSOptions? { http.tls }

    var answerTime: Duration { http.timeout }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    private static func readIndex(_ reader: inout ConfigurationReader) -> String {
        let index = reader.string("index", default: SinkLimit.defaultIndex)
        let isPlain = index.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && !(0x41...0x5A).contains(byte)
                && !"\\/*?\"<>|,#:".utf8.contains(byte)
        }
        let first = index.utf8.first ?? UInt8(ascii: "-")
        if !isPlain || "-_+.".utf8.contains(first) || index.utf8.count > SinkLimit.indexByteLimit {
            reader.problem(
                "index",
                "must be the name of a data stream, as \(SinkLimit.defaultIndex), is "
                    + (reader.node("index")?.shown ?? "empty"))
        }
        return index
    }
}
