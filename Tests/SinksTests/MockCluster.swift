// SPDX-License-Identifier: Apache-2.0
import CRdKafkaMock
import Platform
import Testing

@testable import Sinks

/// The brokers that librdkafka brings along for tests: the protocol is real, the disk is not.
///
/// They ignore `security.protocol`, so neither TLS nor SASL can be tried on them.
///
/// The library guards its own state, so any thread may call.
final class MockCluster: @unchecked Sendable {
    /// What a consumer found.
    struct Message: Equatable {
        var key: String
        var value: String
        var headers: [String: String]
        var partition: Int32
    }

    static let topic = "oauth-audit"
    static let partitionCount: Int32 = 3

    private let owner: OpaquePointer
    private let cluster: OpaquePointer

    init(brokerCount: Int32 = 2) throws {
        let settings = rd_kafka_conf_new()
        rd_kafka_conf_set_log_cb(settings) { _, _, _, _ in }
        owner = try #require(rd_kafka_new(RD_KAFKA_PRODUCER, settings, nil, 0))
        cluster = try #require(rd_kafka_mock_cluster_new(owner, brokerCount))
        let made = rd_kafka_mock_topic_create(
            cluster, MockCluster.topic, MockCluster.partitionCount, brokerCount)
        #expect(made == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(owner)
    }

    /// `host:port,host:port`.
    var brokers: String { String(cString: rd_kafka_mock_cluster_bootstraps(cluster)) }

    /// Answers the next requests of a kind with these errors, one each; without any, as usual.
    func answer(_ request: Request, with errors: [rd_kafka_resp_err_t]) {
        rd_kafka_mock_clear_request_errors(cluster, request.rawValue)
        errors.withUnsafeBufferPointer { errors in
            rd_kafka_mock_push_request_errors_array(
                cluster, request.rawValue, errors.count, errors.baseAddress)
        }
    }

    /// The numbers of requests in the protocol.
    enum Request: Int16 {
        case produce = 0
        case producerID = 22
    }

    /// Answers every question about the topic with an error.
    func setTopic(_ error: rd_kafka_resp_err_t) {
        rd_kafka_mock_topic_set_error(cluster, MockCluster.topic, error)
    }

    /// Answers everything so much later.
    func setDelay(_ delay: Duration, brokerCount: Int32 = 2) {
        for broker in 1...brokerCount {
            rd_kafka_mock_broker_set_rtt(
                cluster, broker, Int32(delay.wholeNanoseconds / 1_000_000))
        }
    }

    /// Takes all brokers away, or brings them back.
    func setDown(_ isDown: Bool, brokerCount: Int32 = 2) {
        for broker in 1...brokerCount {
            _ =
                isDown
                ? rd_kafka_mock_broker_set_down(cluster, broker)
                : rd_kafka_mock_broker_set_up(cluster, broker)
        }
    }

    /// All messages of the topic, by partition and in order; waits until there are `count`.
    func messages(_ count: Int) throws -> [Message] {
        let settings = rd_kafka_conf_new()
        rd_kafka_conf_set_log_cb(settings) { _, _, _, _ in }
        for (name, value) in [
            ("bootstrap.servers", brokers), ("check.crcs", "true"),
            ("enable.partition.eof", "true"), ("fetch.wait.max.ms", "10"),
        ] {
            let set = rd_kafka_conf_set(settings, name, value, nil, 0)
            #expect(set == RD_KAFKA_CONF_OK)
        }
        // Without a group, for which a coordinator would have to be found first.
        let consumer = try #require(rd_kafka_new(RD_KAFKA_CONSUMER, settings, nil, 0))
        defer { rd_kafka_destroy(consumer) }
        let topic = try #require(rd_kafka_topic_new(consumer, MockCluster.topic, nil))
        defer { rd_kafka_topic_destroy(topic) }
        let queue = try #require(rd_kafka_queue_new(consumer))
        defer { rd_kafka_queue_destroy(queue) }
        for partition in 0..<MockCluster.partitionCount {
            // By number: a question for the beginning is asked half a second late.
            rd_kafka_consume_start_queue(topic, partition, 0, queue)
        }
        defer {
            for partition in 0..<MockCluster.partitionCount {
                rd_kafka_consume_stop(topic, partition)
            }
        }
        var found: [Message] = []
        var ended: Set<Int32> = []
        let clock = SystemClock()
        let deadline = clock.monotonic().advanced(by: .seconds(20))
        while found.count < count || ended.count < Int(MockCluster.partitionCount),
            clock.monotonic() < deadline
        {
            guard let message = rd_kafka_consume_queue(queue, 100) else { continue }
            defer { rd_kafka_message_destroy(message) }
            if message.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF {
                ended.insert(message.pointee.partition)
            } else if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                found.append(read(message))
            }
        }
        return found.enumerated().sorted {
            ($0.element.partition, $0.offset) < ($1.element.partition, $1.offset)
        }.map(\.element)
    }

    private func read(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> Message {
        func text(_ bytes: UnsafeRawPointer?, _ count: Int) -> String {
            String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
        }
        var result = Message(
            key: text(message.pointee.key, message.pointee.key_len),
            value: text(message.pointee.payload, message.pointee.len), headers: [:],
            partition: message.pointee.partition)
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            return result
        }
        var (name, value, size) = (UnsafePointer<CChar>?.none, UnsafeRawPointer?.none, 0)
        var index = 0
        while rd_kafka_header_get_all(headers, index, &name, &value, &size)
            == RD_KAFKA_RESP_ERR_NO_ERROR, let name
        {
            result.headers[String(cString: name)] = text(value, size)
            index += 1
        }
        return result
    }
}
