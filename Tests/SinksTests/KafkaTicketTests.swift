// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sinks

@Suite struct KafkaTicketTests {
    private let busy = KafkaFailure(fate: .retry(.busy), reason: "busy")
    private let barred = KafkaFailure(fate: .alarm(.authorization), reason: "barred")
    private let refused = KafkaFailure(fate: .refused(.size), reason: "too large")

    private func error(
        _ count: Int, _ failures: [Int: KafkaFailure], rejecting: [Int] = [],
        isCareful: Bool = false
    ) -> DeliveryError? {
        var ticket = KafkaTicket(ticket: 1, eventCount: count, isCareful: isCareful)
        for (index, failure) in failures { ticket.fail(index, failure) }
        for index in rejecting { ticket.reject(.unrenderable(index)) }
        if case .failure(let error) = ticket.result { return error }
        return nil
    }

    @Test func whatWasDeliveredStaysDelivered() {
        #expect(error(3, [:]) == nil)
        #expect(error(3, [2: busy, 0: barred]) == .partial(retry: [0, 2], reject: [], after: nil))
        #expect(
            error(3, [2: refused], rejecting: [1])
                == .partial(retry: [2], reject: [.unrenderable(1)], after: nil))
    }

    @Test func whenNothingWasDeliveredTheWorstIsTold() {
        #expect(error(2, [0: busy, 1: busy]) == .retry(after: nil, reason: "busy", code: .busy))
        #expect(
            error(3, [0: busy, 1: barred, 2: refused])
                == .alarm(reason: "barred", code: .authorization))
        #expect(error(2, [0: refused, 1: busy]) == .retry(after: nil, reason: "busy", code: .busy))
    }

    @Test func aRefusalIsBelievedOnlyOfAMessageThatWasAlone() {
        #expect(
            error(2, [0: refused, 1: refused]) == .split(reason: "too large", code: .size))
        #expect(error(1, [0: refused]) == .retry(after: nil, reason: "too large", code: .size))
        let rejection = Rejection(index: 0, reason: "too large", code: .size)
        #expect(
            error(1, [0: refused], isCareful: true)
                == .partial(retry: [], reject: [rejection], after: nil))
    }
}
