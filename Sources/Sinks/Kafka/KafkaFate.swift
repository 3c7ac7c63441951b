// SPDX-License-Identifier: Apache-2.0
import CRdKafka

/// What an error of librdkafka or of a broker means for a message.
enum KafkaFate: Equatable {
    /// Not now, but later.
    case retry(DeliveryCode)
    /// Somebody has to act before anything is taken.
    case alarm(DeliveryCode)
    /// Never, or not together with the messages it was sent with: brokers judge whole sets.
    case refused(DeliveryCode)
    /// The message was given up here, because of the trouble that there is.
    case troubled

    /// Sorts errors; what nobody knows is tried again.
    init(_ error: rd_kafka_resp_err_t) {
        switch error {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
            self = .refused(.size)
        case RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
            RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
            self = .refused(.refused)
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
            self = .alarm(.place)
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
            RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE,
            RD_KAFKA_RESP_ERR_SECURITY_DISABLED, RD_KAFKA_RESP_ERR__AUTHENTICATION:
            self = .alarm(.authorization)
        case RD_KAFKA_RESP_ERR__SSL:
            self = .alarm(.tls)
        case RD_KAFKA_RESP_ERR__RESOLVE:
            self = .retry(.name)
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
            RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
            self = .retry(.connection)
        case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
            self = .retry(.timeout)
        case RD_KAFKA_RESP_ERR__QUEUE_FULL, RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
            self = .retry(.busy)
        case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT,
            RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
            RD_KAFKA_RESP_ERR__FATAL:
            self = .troubled
        default:
            self = .retry(.server)
        }
    }

    /// Sorts what a producer says of its brokers: of a failed handshake often only the words tell.
    init(_ error: rd_kafka_resp_err_t, _ words: String) {
        let isHandshake = error == RD_KAFKA_RESP_ERR__TRANSPORT && words.contains("SSL routines")
        self = isHandshake ? .alarm(.tls) : KafkaFate(error)
    }

    /// True when waiting does not help.
    var isAlarm: Bool {
        if case .alarm = self { true } else { false }
    }
}
