// SPDX-License-Identifier: Apache-2.0
import Platform

/// What an event collector answers: `{"text":"Success","code":0,"ackId":3}`.
struct HECReply {
    /// What the collector means; other numbers than these exist.
    enum Code {
        static let success: Int64 = 0
        static let noData: Int64 = 5
        static let wrongIndex: Int64 = 7
        static let fault: Int64 = 8
        static let healthy: Int64 = 17
        static let noAcknowledgement: Int64 = 14
        /// The token is disabled, missing, wrong, or not to be given in this way.
        static let authorization: Set<Int64> = [1, 2, 3, 4, 16, 21, 22]
        /// The channel is missing or not known.
        static let channel: Set<Int64> = [10, 11]
        /// Something is wrong with an event: its form, its `event`, its fields.
        static let event: Set<Int64> = [6, 12, 13, 15]
    }

    /// What a request has come to.
    enum Verdict {
        /// Taken, under a number where the token has acknowledgement.
        case accepted(number: UInt64?)
        /// Refused by the collector, whole.
        case refused(DeliveryError)
        /// Refused because of its channel.
        case strayed(DeliveryError)
        /// Nobody knows whether the collector has taken it.
        case unknown(DeliveryError)
    }

    /// The number of the meaning; nil for an answer that is none of a collector.
    private(set) var code: Int64?
    /// The number under which the request is to be confirmed.
    private(set) var number: UInt64?
    /// The place of the bad event in the request, from 0.
    private(set) var invalidEvent: Int?
    /// The numbers that a query found indexed; nil for an answer to something else.
    private(set) var indexed: [UInt64]?
    private let answer: HTTPAnswer

    private static let codeKey = JSONKey("code")
    private static let numberKey = JSONKey("ackId")
    private static let invalidKey = JSONKey("invalid-event-number")
    private static let indexedKey = JSONKey("acks")

    init(_ answer: HTTPAnswer, _ reader: JSONReader) {
        self.answer = answer
        guard reader.read(answer.body.span), reader.tree.count > 0 else { return }
        let tree = reader.tree
        code = HECReply.integer(tree, HECReply.codeKey)
        number = HECReply.integer(tree, HECReply.numberKey).flatMap { UInt64(exactly: $0) }
        invalidEvent = HECReply.integer(tree, HECReply.invalidKey).flatMap { Int(exactly: $0) }
        guard let list = tree.member(HECReply.indexedKey, of: 0), tree[list].kind == .object
        else { return }
        indexed = tree.children(of: list).compactMap { child in
            tree[child].kind == .true ? UInt64(tree.key(of: child)) : nil
        }
    }

    private static func integer(_ tree: JSONTree, _ key: JSONKey) -> Int64? {
        tree.member(key, of: 0).flatMap { tree[$0].integer }
    }

    private var isSuccess: Bool { (200...299).contains(answer.status) }

    /// The status and the collector's words, on one line.
    var sentence: String { answer.sentence }

    /// What the answer means for a request that brought so many events.
    func verdict(eventCount: Int) -> Verdict {
        guard let code else {
            // Something in front of the collector, or no collector at all.
            guard let refusal = answer.refusal(eventCount: eventCount) else {
                let reason = "this is no answer of an event collector: \(sentence)"
                return .unknown(.retry(after: nil, reason: reason, code: .answer))
            }
            let isKnown = (300...499).contains(answer.status) && answer.status != 408
            return isKnown ? .refused(refusal) : .unknown(refusal)
        }
        if code == Code.success, isSuccess { return .accepted(number: number) }
        if Code.channel.contains(code) { return .strayed(retry(.answer)) }
        // It failed on the way, so a number may have been given all the same.
        if code == Code.fault { return .unknown(retry(.server)) }
        return .refused(refusal(code, eventCount))
    }

    /// What keeps the collector from taking anything, from an answer that brought no event.
    func objection() -> DeliveryError {
        guard let code else {
            return answer.refusal(eventCount: 0) ?? retry(.answer)
        }
        if Code.channel.contains(code) { return retry(.answer) }
        return refusal(code, 0)
    }

    private func refusal(_ code: Int64, _ eventCount: Int) -> DeliveryError {
        if Code.authorization.contains(code) {
            return .alarm(reason: sentence, code: .authorization)
        }
        switch code {
        case Code.wrongIndex, Code.noAcknowledgement:
            return .alarm(reason: sentence, code: .place)
        case _ where Code.event.contains(code) && eventCount > 0:
            return badEvent(eventCount)
        case Code.noData, Code.success:
            return retry(.answer)
        default:
            let refusal = answer.status == 400 ? nil : answer.refusal(eventCount: eventCount)
            return refusal ?? retry(answer.status == 400 ? .answer : .busy)
        }
    }

    /// One event is bad. Whether those before it were taken nobody knows, so they go again.
    private func badEvent(_ count: Int) -> DeliveryError {
        let index = count == 1 ? 0 : invalidEvent ?? count
        guard (0..<count).contains(index) else {
            return .split(reason: sentence, code: .refused)
        }
        return .partial(
            retry: (0..<count).filter { $0 != index },
            reject: [Rejection(index: index, reason: sentence, code: .refused)], after: .zero)
    }

    private func retry(_ code: DeliveryCode) -> DeliveryError {
        .retry(after: answer.retryAfter, reason: sentence, code: code)
    }
}
