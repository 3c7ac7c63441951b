// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `splunk_hec` beside the keys of all sinks.
struct SplunkHECOptions: SinkOptions {
    static let keys =
        HTTPOptions.keys + [
            "acknowledge", "acknowledge_timeout", "index", "source", "sourcetype",
        ]

    /// How the collector is reached; `auth` is read here.
    let http: HTTPOptions
    /// The token of the collector.
    let token: Secret?
    /// Whether only what an indexer has confirmed counts as delivered.
    let acknowledges: Bool
    /// How long a batch may stay unconfirmed before it is sent again.
    let acknowledgeTimeOut: Duration
    /// The index to write to; nil leaves it to the token.
    let index: String?
    /// What Splunk shows as the source.
    let source: String
    /// What Splunk shows as the type of the source, on which its field extractions hang.
    let sourceType: String

    private static let timeOutLimits = Duration.seconds(1)...Duration.seconds(3600)
    /// As Splunk's own senders wait.
    private static let usualTimeOut = Duration.seconds(300)
    private static let indexByteLimit = 80
    private static let textByteLimit = 1024

    init(reading reader: inout ConfigurationReader) {
        http = HTTPOptions(reading: &reader, authenticates: false)
        token = SplunkHECOptions.readToken(&reader)
        acknowledges = reader.bool("acknowledge", default: true)
        acknowledgeTimeOut = reader.duration(
            "acknowledge_timeout", in: SplunkHECOptions.timeOutLimits,
            default: SplunkHECOptions.usualTimeOut)
        index = SplunkHECOptions.readIndex(&reader)
        source = SplunkHECOptions.readText(&reader, "source", default: "sealtail")
        sourceType = SplunkHECOptions.readText(&reader, "sourcetype", default: "sealtail:oauth")
    }

    var tls: TLSOptions? { http.tls }

    /// An indexer confirms later than it answers.
    var answerTime: Duration { http.timeout + (acknowledges ? acknowledgeTimeOut : .zero) }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    /// The line that every request carries; nil where no token is written.
    var header: HTTPRequest.SecretHeader? {
        guard let token else { return nil }
        var value = Array("Splunk ".utf8)
        token.withBytes { bytes in for index in bytes.indices { value.append(bytes[index]) } }
        defer { Secret.wipe(&value) }
        return HTTPRequest.SecretHeader(name: "Authorization", value: Secret(value))
    }

    private static func readToken(_ reader: inout ConfigurationReader) -> Secret? {
        guard var child = reader.child("auth") else {
            reader.problem("auth", "must hold the token of the collector, as auth: {token: …}")
            return nil
        }
        defer { child.finish() }
        guard let token = child.secret("token") else {
            if child.node("token") == nil { child.problem("token", "must be set") }
            return nil
        }
        let isPlain = token.withBytes { bytes in
            for index in bytes.indices where bytes[index] <= 0x20 || bytes[index] >= 0x7F {
                return false
            }
            return true
        }
        if !isPlain { child.problem("token", "must be printable ASCII without spaces") }
        return token
    }

    private static func readIndex(_ reader: inout ConfigurationReader) -> String? {
        guard let index = reader.string("index") else { return nil }
        let isPlain = index.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || "-_".utf8.contains(byte)
        }
        let first = index.utf8.first ?? UInt8(ascii: "-")
        if !isPlain || "-_".utf8.contains(first) || index.utf8.count > indexByteLimit {
            reader.problem(
                "index",
                "must be the name of an index, 1 to \(indexByteLimit) of a-z, 0-9, _ and -, "
                    + "is \(reader.node("index")?.shown ?? "empty")")
        }
        return index
    }

    private static func readText(
        _ reader: inout ConfigurationReader, _ key: String, default fallback: String
    ) -> String {
        let text = reader.string(key, default: fallback)
        let isPlain = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        if text.isEmpty || !isPlain || text.utf8.count > textByteLimit {
            reader.problem(key, "must be 1 to \(textByteLimit) bytes on one line")
        }
        return text
    }
}
