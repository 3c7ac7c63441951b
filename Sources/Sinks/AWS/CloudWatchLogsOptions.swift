// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `cloudwatch_logs` beside the keys of all sinks.
struct CloudWatchLogsOptions: SinkOptions {
    static let keys = AWSOptions.keys + ["log_group", "log_stream", "create"]

    /// How the service is reached.
    let aws: AWSOptions
    /// The log group.
    let group: String
    /// The log stream, with `{agent}` and `{sink}` still in it.
    let streamTemplate: String
    /// Whether what is missing is made.
    let creates: Bool

    /// The longest name of a group or stream.
    static let nameByteLimit = 512

    init(reading reader: inout ConfigurationReader) {
        aws = AWSOptions(reading: &reader, service: "logs")
        group = CloudWatchLogsOptions.readGroup(&reader)
        streamTemplate = CloudWatchLogsOptions.readStream(&reader)
        creates = reader.bool("create", default: true)
    }

    var tls: TLSOptions? { aws.http.tls }

    var answerTime: Duration { aws.http.timeout }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        aws.http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    /// The log stream for events of an agent; what may not stand in its name becomes a hyphen.
    func stream(agent: String, sink: String) -> String {
        var name = ""
        var rest = Substring(streamTemplate)
        while let brace = rest.firstIndex(of: "{") {
            name += rest[..<brace]
            rest = rest[brace...]
            if rest.hasPrefix("{agent}") {
                name += agent
                rest = rest.dropFirst("{agent}".count)
            } else {
                name += sink
                rest = rest.dropFirst("{sink}".count)
            }
        }
        let whole = (name + rest).map { $0 == ":" || $0 == "*" ? "-" : $0 }
        return DeliveryText.oneLine(
            String(whole), byteLimit: CloudWatchLogsOptions.nameByteLimit)
    }

    private static func readGroup(_ reader: inout ConfigurationReader) -> String {
        let group = reader.requiredString("log_group")
        let isPlain = group.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || "._-/#".utf8.contains(byte)
        }
        if !isPlain || group.utf8.count > nameByteLimit || group.hasPrefix("aws/") {
            reader.problem(
                "log_group",
                "must be 1 to \(nameByteLimit) of a-z, A-Z, 0-9, . _ - / # and not begin with "
                    + "aws/, is \"\(group)\"")
        }
        return group
    }

    private static func readStream(_ reader: inout ConfigurationReader) -> String {
        let template = reader.string("log_stream", default: "{agent}")
        let bare = template.split(separator: "{agent}", omittingEmptySubsequences: false)
            .joined().split(separator: "{sink}", omittingEmptySubsequences: false).joined()
        let isPlain = bare.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && !":*{}".utf8.contains(byte)
        }
        if !isPlain || template.isEmpty || template.utf8.count > 256 {
            reader.problem(
                "log_stream",
                "must be 1 to 256 printable characters without space, : and *; {agent} and "
                    + "{sink} stand for their names; is \"\(template)\"")
            return "{agent}"
        }
        return template
    }
}
