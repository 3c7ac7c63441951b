// SPDX-License-Identifier: Apache-2.0
import CRdKafkaMock
import Platform
import Testing

@testable import Sinks

/// The mock cluster under contract.
final class KafkaReceiver: ContractReceiver {
    private let cluster: MockCluster

    init() throws { cluster = try MockCluster() }

    func makeSink(_ format: SinkFormat, isImpatient: Bool) throws -> any Sink {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: kafka, brokers: [\(cluster.brokers)], topic: \(MockCluster.topic), "
                + "format: \(format.rawValue)}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? KafkaOptions)
        var patience = KafkaPatience.short
        if isImpatient { patience.message = .seconds(1) }
        return try KafkaSink(configuration, options, patience: patience)
    }

    func behave(_ behaviour: ReceiverBehaviour) throws {
        cluster.setDown(behaviour == .beAway)
        let error: rd_kafka_resp_err_t? =
            switch behaviour {
            case .beBusy: RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED
            case .letNobodyIn: RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            case .reset: RD_KAFKA_RESP_ERR__TRANSPORT
            default: nil
            }
        cluster.answer(
            .produce, with: error.map { [rd_kafka_resp_err_t](repeating: $0, count: 1000) } ?? [])
        switch behaviour {
        case .neverAnswer: cluster.setDelay(.seconds(60))
        case .beSlow: cluster.setDelay(.milliseconds(100))
        default: cluster.setDelay(.zero)
        }
    }

    func arrived(_ count: Int) throws -> [String] { try cluster.messages(count).map(\.value) }

    func stop() {}
}

extension KafkaPatience {
    /// Enough for brokers on the same machine.
    static let short = KafkaPatience(
        message: .seconds(15), trouble: .milliseconds(200), look: .milliseconds(20),
        reconnect: .milliseconds(100), topic: .milliseconds(500))
}
