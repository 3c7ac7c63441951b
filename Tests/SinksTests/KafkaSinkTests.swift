// SPDX-License-Identifier: Apache-2.0
import CRdKafkaMock
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct KafkaSinkTests {
    private func sink(_ cluster: MockCluster, _ more: String = "format: canonical") throws
        -> any Sink
    {
        try sink(brokers: cluster.brokers, more)
    }

    private func sink(brokers: String, _ more: String) throws -> any Sink {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: kafka, brokers: [\(brokers)], topic: \(MockCluster.topic), \(more)}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? KafkaOptions)
        return try KafkaSink(configuration, options, patience: .short)
    }

    private func lines(_ delivery: DeliveryBatch, _ format: SinkFormat = .canonical) -> [String] {
        String(decoding: Samples.lines(delivery, format), as: UTF8.self)
            .split(separator: "\n").map { String($0) }
    }

    @Test(arguments: ["none", "zstd"])
    func aMessageIsExactlyThis(compression: String) throws {
        let cluster = try MockCluster()
        let sink = try sink(cluster, "compression: \(compression)")
        defer { sink.close() }
        let delivery = Samples.delivery(3)
        #expect(Samples.failure(sink, delivery) == nil)
        let messages = try cluster.messages(3)
        #expect(messages.map(\.value) == lines(delivery))
        for (index, message) in messages.enumerated() {
            #expect(message.key == Samples.stream)
            #expect(
                message.headers == [
                    "event_id": Samples.id(index), "action": "LoginSucceeded", "schema": "1.0",
                    "content_type": "application/json",
                ])
        }
    }

    @Test func aStreamStaysInOnePartitionAndInOrder() throws {
        let cluster = try MockCluster()
        let sink = try sink(cluster)
        defer { sink.close() }
        let deliveries = (0..<4).map { Samples.delivery(50, first: $0 * 50) }
        for delivery in deliveries { #expect(Samples.failure(sink, delivery) == nil) }
        let messages = try cluster.messages(200)
        #expect(Set(messages.map(\.partition)).count == 1)
        #expect(messages.map(\.value) == deliveries.flatMap { lines($0) })
    }

    @Test func anEventThatCannotBeRenderedIsRejectedAndTheOthersGo() throws {
        let cluster = try MockCluster()
        let sink = try sink(cluster)
        defer { sink.close() }
        let bodies = [Samples.plain(0), "{\"broken\"", Samples.plain(2)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1, 2])
        #expect(
            Samples.failure(sink, batch)
                == .partial(retry: [], reject: [.unrenderable(1)], after: nil))
        #expect(try cluster.messages(2).map(\.value) == lines(batch.selecting([0, 2])))
    }

    @Test func whatTheLibraryItselfSendsAgainArrivesOnce() throws {
        let cluster = try MockCluster()
        cluster.answer(
            .produce,
            with: [
                RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ])
        let sink = try sink(cluster)
        defer { sink.close() }
        let delivery = Samples.delivery(5)
        #expect(Samples.failure(sink, delivery) == nil)
        #expect(try cluster.messages(5).map(\.value) == lines(delivery))
    }

    /// An idempotent producer that gets no id ends for good: another one must take its place.
    @Test func aProducerThatEndedForGoodIsReplaced() throws {
        let cluster = try MockCluster()
        cluster.answer(.producerID, with: [RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED])
        let sink = try sink(cluster)
        defer { sink.close() }
        let delivery = Samples.delivery(3)
        guard case .alarm(_, .authorization)? = Samples.failure(sink, delivery) else {
            Issue.record("no alarm")
            return
        }
        #expect(Samples.failure(sink, delivery) == nil)
        #expect(try cluster.messages(3).map(\.value) == lines(delivery))
    }

    @Test func aTopicThatIsNotThereIsAnAlarmUntilItIs() throws {
        let cluster = try MockCluster()
        cluster.setTopic(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        let sink = try sink(cluster)
        defer { sink.close() }
        #expect(sink.probe()?.code == .place)
        guard case .alarm(_, .place)? = Samples.failure(sink, Samples.delivery(3)) else {
            Issue.record("no alarm")
            return
        }
        cluster.setTopic(RD_KAFKA_RESP_ERR_NO_ERROR)
        #expect(sink.probe() == nil)
        #expect(Samples.failure(sink, Samples.delivery(3)) == nil)
    }

    /// A broker judges a set of messages as one, so a refusal is looked into.
    @Test func aRefusedSetIsSplitUntilTheMessageIsAlone() throws {
        let cluster = try MockCluster()
        let sink = try sink(cluster)
        defer { sink.close() }
        let error = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
        cluster.answer(.produce, with: [error])
        guard case .split(_, .size)? = Samples.failure(sink, Samples.delivery(2)) else {
            Issue.record("no split")
            return
        }
        cluster.answer(.produce, with: [error])
        let one = Samples.delivery(1)
        guard case .retry(_, _, .size)? = Samples.failure(sink, one) else {
            Issue.record("it may have been together with others")
            return
        }
        cluster.answer(.produce, with: [error])
        guard case .partial([], let reject, nil)? = Samples.failure(sink, one) else {
            Issue.record("not rejected")
            return
        }
        #expect(reject.map(\.index) == [0])
        #expect(reject.first?.code == .size)
        #expect(Samples.failure(sink, one) == nil)
    }

    @Test func aMessageThatIsTooLongForAnySetIsRejectedAtOnce() throws {
        let cluster = try MockCluster()
        let sink = try sink(cluster)
        defer { sink.close() }
        let long = Samples.plain(1).replacingFirst(
            "\"alice\"", "\"" + String(repeating: "a", count: 1_100_000) + "\"")
        let batch = DeliveryBatch(
            batch: Samples.batch([Samples.plain(0), long]), events: [0, 1])
        guard case .partial([], let reject, nil)? = Samples.failure(sink, batch) else {
            Issue.record("not rejected")
            return
        }
        #expect(reject.map(\.index) == [1])
        #expect(try cluster.messages(1).map(\.value) == lines(batch.selecting([0])))
    }

    @Test func nobodyListeningIsARetryAtOnce() throws {
        let sink = try sink(brokers: "127.0.0.1:1", "retry: {initial: 1s}")
        defer { sink.close() }
        guard case .retry(_, let reason, .connection)? = Samples.failure(sink, Samples.delivery(1))
        else {
            Issue.record("no retry")
            return
        }
        #expect(reason.contains("127.0.0.1:1"), "\(reason)")
        #expect(sink.probe()?.code == .connection)
    }

    /// Of TLS only the verification can be tried: the mock cluster speaks none.
    @Test(.enabled(if: OpenSSLCommand.isThere)) func aStrangersCertificateIsAnAlarm() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeAuthority(folder, "other")
        try OpenSSLCommand.makeCertificate(folder, "receiver.example.org", signedBy: "ca")
        let server = try OpenSSLCommand.Server(folder, "receiver.example.org")
        defer { server.stop() }
        // Unknown to whom we trust; then known, but under another name than the broker's.
        for authority in ["other", "ca"] {
            let sink = try sink(
                brokers: "127.0.0.1:\(server.port)",
                "tls: {ca_file: \(folder("\(authority).pem"))}, "
                    + "sasl: {username: agent, password: s3cret-word}")
            defer { sink.close() }
            for error in [sink.probe(), Samples.failure(sink, Samples.delivery(2))] {
                guard case .alarm(let reason, .tls)? = error else {
                    Issue.record("\(authority): \(String(describing: error))")
                    continue
                }
                #expect(reason.contains("certificate"), "\(reason)")
                #expect(!reason.contains("s3cret-word"))
            }
        }
    }

    @Test func closeDoesNotWaitForBrokers() throws {
        let sink = try sink(brokers: "127.0.0.1:1", "retry: {initial: 1s}")
        let clock = SystemClock()
        for ticket in UInt64(0)..<4 { sink.deliver(Samples.delivery(50), ticket: ticket) }
        let start = clock.monotonic()
        sink.close()
        #expect(clock.monotonic().duration(since: start) < KafkaPatience.short.message)
        #expect(sink.outcomes(waitingAtMost: .zero).isEmpty)
    }

    @Test(arguments: [
        ("brokers: []", "brokers"), ("brokers: ['a:b:c']", "brokers"),
        ("brokers: ['k.example.com:9092/x']", "brokers"), ("topic: 'a b'", "topic"),
        ("topic: '..'", "topic"), ("tls: {server_name: k.example.com}", "tls"),
        ("tls: {pin_sha256: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]}", "tls"),
        ("compression: brotli", "compression"), ("endpoint: 'http://127.0.0.1'", "endpoint"),
        ("sasl: {mechanism: plain, username: a, password: b}", "sasl.mechanism"),
        ("sasl: {username: a}", "sasl.password"), ("sasl: {password: b}", "sasl.username"),
    ])
    func mistakesAreToldAtTheirPlace(text: String, key: String) {
        var parts = ["brokers: ['k.example.com:9092']", "topic: t"]
        parts.removeAll { $0.prefix(while: { $0 != ":" }) == text.prefix(while: { $0 != ":" }) }
        let (_, problems) = Samples.configuration(
            "{id: siem, type: kafka, \((parts + [text]).joined(separator: ", "))}")
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(": \(key): ") == true, "\(problems)")
    }

    @Test func settingsSayWhatWasWritten() throws {
        func settings(_ more: String) throws -> [String: String] {
            let (read, problems) = Samples.configuration(
                "{id: siem, type: kafka, brokers: ['k.example.com:9093', k2.example.com], "
                    + "topic: t, \(more)}")
            #expect(problems == [])
            let configuration = try #require(read)
            let options = try #require(configuration.options as? KafkaOptions)
            var content = TLSMaterial.Content()
            content.authorities = Array("ca".utf8)
            content.certificate = Array("certificate".utf8)
            content.key = Secret(Array("key".utf8))
            let list = KafkaSettings(configuration, options).list(
                isCareful: false, options.tls == nil ? nil : content)
            return Dictionary(
                uniqueKeysWithValues: list.map { name, value in
                    (
                        name,
                        value.withBytes { bytes in
                            String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
                        }
                    )
                })
        }
        let plain = try settings("compression: lz4")
        #expect(plain["bootstrap.servers"] == "k.example.com:9093,k2.example.com")
        #expect(plain["enable.idempotence"] == "true")
        #expect(plain["acks"] == "all")
        #expect(plain["security.protocol"] == "plaintext")
        #expect(plain["compression.type"] == "lz4")
        let sasl = "sasl: {mechanism: plain, username: a, password: b}"
        let secure = try settings("tls: {ca_file: /ca.pem, cert_file: /c, key_file: /k}, \(sasl)")
        #expect(secure["security.protocol"] == "sasl_ssl")
        #expect(secure["sasl.mechanism"] == "PLAIN")
        #expect(secure["sasl.username"] == "a")
        #expect(secure["sasl.password"] == "b")
        #expect(secure["ssl.ca.pem"] == "ca")
        #expect(secure["ssl.certificate.pem"] == "certificate")
        #expect(secure["ssl.key.pem"] == "key")
        #expect(secure["enable.ssl.certificate.verification"] == "true")
        #expect(secure["ssl.endpoint.identification.algorithm"] == "https")
        #expect(try settings("tls: {}")["security.protocol"] == "ssl")
        let blind = try settings("tls: {insecure_skip_verify: true}")
        #expect(blind["enable.ssl.certificate.verification"] == "false")
        let scram = try settings("sasl: {username: a, password: b}")
        #expect(scram["security.protocol"] == "sasl_plaintext")
        #expect(scram["sasl.mechanism"] == "SCRAM-SHA-512")
    }

    @Test func withoutTheLibraryThePackageIsNamed() {
        #expect {
            _ = try KafkaLibrary("librdkafka.so.999", sink: "siem")
        } throws: { error in
            let words = "\(error)"
            return words.hasPrefix("sinks.siem: the library for Kafka cannot be used: librdkafka")
                && words.hasSuffix("install the package librdkafka1")
        }
    }
}
