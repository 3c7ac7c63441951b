// SPDX-License-Identifier: Apache-2.0
import Platform

/// What librdkafka is told, under its own names (its page CONFIGURATION.md explains them).
struct KafkaSettings {
    private var common: [(name: String, value: Secret)] = []

    init(
        _ configuration: SinkConfiguration, _ options: KafkaOptions,
        _ patience: KafkaPatience = KafkaPatience()
    ) {
        func set(_ name: String, _ value: String) {
            common.append((name, Secret(Array(value.utf8))))
        }
        set("client.id", "sealtail")
        set("bootstrap.servers", options.brokers.joined(separator: ","))
        // Acknowledged by all in-sync replicas, without repeats and in order where librdkafka
        // itself sends something again.
        set("enable.idempotence", "true")
        set("acks", "all")
        set("compression.type", options.compression.rawValue)
        set("message.timeout.ms", patience.message.milliseconds)
        set("topic.metadata.propagation.max.ms", patience.topic.milliseconds)
        set("reconnect.backoff.max.ms", patience.reconnect.milliseconds)
        // Room for all that can be under way; more is tried again.
        let batch = configuration.batch
        set("queue.buffering.max.messages", "\(configuration.inFlight * batch.countLimit)")
        let byteLimit = configuration.inFlight * batch.byteLimit * SinkLimit.renderedFactor
        set("queue.buffering.max.kbytes", "\(byteLimit >> 10)")
        let isSASL = options.authentication != nil
        set(
            "security.protocol",
            options.tls == nil
                ? (isSASL ? "sasl_plaintext" : "plaintext") : (isSASL ? "sasl_ssl" : "ssl"))
        if let tls = options.tls {
            set("enable.ssl.certificate.verification", "\(!tls.isUnverified)")
            set("ssl.endpoint.identification.algorithm", tls.isUnverified ? "none" : "https")
        }
        if let authentication = options.authentication {
            set("sasl.mechanism", authentication.mechanism.name)
            set("sasl.username", authentication.username)
            common.append(("sasl.password", authentication.password))
        }
    }

    /// The settings of a producer with these certificates; a careful one sends each message in a
    /// set of its own.
    func list(
        isCareful: Bool, _ content: TLSMaterial.Content?
    ) -> [(name: String, value: Secret)] {
        var list = common
        if isCareful { list.append(("batch.num.messages", Secret(Array("1".utf8)))) }
        for (name, bytes) in [
            ("ssl.ca.pem", content?.authorities), ("ssl.certificate.pem", content?.certificate),
        ] {
            if let bytes { list.append((name, Secret(bytes))) }
        }
        if let key = content?.key { list.append(("ssl.key.pem", key)) }
        return list
    }
}

extension Duration {
    fileprivate var milliseconds: String { "\(wholeNanoseconds / 1_000_000)" }
}
