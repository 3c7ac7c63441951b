// SPDX-License-Identifier: Apache-2.0
import Platform

/// How long a Kafka cluster is waited for.
struct KafkaPatience {
    /// From handing a message over to its outcome, whatever happens.
    var message = Duration.seconds(30)
    /// How long nothing may get through while something is known to be wrong.
    var trouble = Duration.seconds(5)
    /// How often that is looked at.
    var look = Duration.milliseconds(500)
    /// The longest delay before a broker is connected to again.
    var reconnect = Duration.seconds(2)
    /// How long a topic may be unknown before that counts.
    var topic = Duration.seconds(3)
}

/// The bounds of what is said to a Kafka cluster.
enum KafkaLimit {
    /// For the answer to `sealtail check`, one try after the other.
    static let probeTimes = [250, 500, 1000, 2000, 4000].map { Duration.milliseconds($0) }
    /// Entries of `brokers`.
    static let brokerCount = 1...64
    /// The longest name of a topic that a broker takes.
    static let topicByteLimit = 249
}

/// What may be written about a sink of type `kafka` beside the keys of all sinks.
struct KafkaOptions: SinkOptions {
    static let keys = ["brokers", "topic", "sasl", "tls", "compression"]

    /// Brokers to ask for the others, as `host:port`.
    let brokers: [String]
    /// The topic that events go to.
    let topic: String
    /// How the agent says who it is.
    let authentication: Authentication?
    /// How TLS is done; nil where it is not.
    let tls: TLSOptions?
    /// How messages are compressed.
    let compression: Compression

    /// How the agent says who it is.
    struct Authentication: Sendable, Equatable {
        /// The way of SASL.
        var mechanism: Mechanism
        /// The name.
        var username: String
        /// The password.
        var password: Secret
    }

    /// The ways of SASL.
    enum Mechanism: String, Sendable, CaseIterable {
        case plain
        case scramSHA256 = "scram_sha_256"
        case scramSHA512 = "scram_sha_512"

        /// The name in the registry of IANA.
        var name: String {
            switch self {
            case .plain: "PLAIN"
            case .scramSHA256: "SCRAM-SHA-256"
            case .scramSHA512: "SCRAM-SHA-512"
            }
        }
    }

    /// How messages are compressed.
    enum Compression: String, Sendable, CaseIterable {
        case none, gzip, snappy, lz4, zstd
    }

    init(reading reader: inout ConfigurationReader) {
        brokers = KafkaOptions.readBrokers(&reader)
        topic = KafkaOptions.readTopic(&reader)
        let isSecure = reader.node("tls") != nil
        let options = TLSOptions(reading: &reader)
        tls = isSecure ? options : nil
        if options.serverName != nil || !options.pins.isEmpty {
            reader.problem(
                "tls",
                "server_name and pin_sha256 do not go with type kafka: each broker is verified "
                    + "under its own name, with its own key; leave them out")
        }
        authentication = KafkaOptions.readAuthentication(&reader, isSecure: isSecure)
        compression = reader.choice("compression", default: .zstd)
    }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        inFlight * batch.byteLimit * SinkLimit.renderedFactor
    }

    private static func readBrokers(_ reader: inout ConfigurationReader) -> [String] {
        let brokers = reader.strings("brokers")
        if reader.node("brokers") == nil || !KafkaLimit.brokerCount.contains(brokers.count) {
            let limit = KafkaLimit.brokerCount.upperBound
            reader.problem("brokers", "must be 1 to \(limit) of host:port in a list")
        }
        for broker in brokers {
            guard let place = Endpoint(text: "http://\(broker)"), place.path.isEmpty,
                !broker.hasSuffix("/")
            else {
                reader.problem("brokers", "must be host:port each, one is \"\(broker)\"")
                continue
            }
        }
        return brokers
    }

    private static func readTopic(_ reader: inout ConfigurationReader) -> String {
        let topic = reader.requiredString("topic")
        let isPlain = topic.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || "._-".utf8.contains(byte)
        }
        let isName = isPlain && topic != "." && topic != ".."
        if !topic.isEmpty, !isName || topic.utf8.count > KafkaLimit.topicByteLimit {
            let limit = KafkaLimit.topicByteLimit
            reader.problem(
                "topic", "must be 1 to \(limit) of a-z, A-Z, 0-9, '.', '_' and '-', is \"\(topic)\""
            )
        }
        return topic
    }

    private static func readAuthentication(
        _ reader: inout ConfigurationReader, isSecure: Bool
    ) -> Authentication? {
        guard var child = reader.child("sasl") else { return nil }
        defer { child.finish() }
        let mechanism: Mechanism = child.choice("mechanism", default: .scramSHA512)
        let username = child.requiredString("username")
        let password = child.secret("password")
        if password == nil, child.node("password") == nil {
            child.problem("password", "must be set")
        }
        if mechanism == .plain, !isSecure {
            child.problem(
                "mechanism",
                "plain sends the password as it is; add tls, `tls: {}` for the system's "
                    + "authorities, or use scram_sha_512")
        }
        guard let password else { return nil }
        let hasZero = password.withBytes { bytes in ByteSearch.first(0, in: bytes) != nil }
        if hasZero || username.utf8.contains(0) {
            child.problem("password", "must not hold zero bytes, nor must username")
        }
        return Authentication(mechanism: mechanism, username: username, password: password)
    }
}
