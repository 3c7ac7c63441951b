// SPDX-License-Identifier: Apache-2.0
import Platform

/// Why one message was not delivered.
struct KafkaFailure: Equatable {
    var fate: KafkaFate
    var reason: String

    /// The outcome of a batch that nothing was delivered of, for this reason.
    var error: DeliveryError {
        switch fate {
        case .retry(let code), .refused(let code):
            .retry(after: nil, reason: reason, code: code)
        case .alarm(let code): .alarm(reason: reason, code: code)
        case .troubled: .retry(after: nil, reason: reason, code: .timeout)
        }
    }
}

/// A batch on its way: one message for each event, each with a fate of its own.
struct KafkaTicket {
    let ticket: UInt64
    let eventCount: Int
    /// True when its only message goes in a set of its own.
    let isCareful: Bool
    /// How many messages there will be reports about.
    var openCount = 0
    private var failures: [(index: Int, failure: KafkaFailure)] = []
    private var rejections: [Rejection] = []

    init(ticket: UInt64, eventCount: Int, isCareful: Bool) {
        self.ticket = ticket
        self.eventCount = eventCount
        self.isCareful = isCareful
    }

    /// Notes that an event will never be delivered.
    mutating func reject(_ rejection: Rejection) {
        rejections.append(rejection)
    }

    /// Notes what became of an event's message when it was not delivered.
    mutating func fail(_ index: Int, _ failure: KafkaFailure) {
        if isCareful, case .refused(let code) = failure.fate {
            reject(Rejection(index: index, reason: failure.reason, code: code))
        } else {
            failures.append((index, failure))
        }
    }

    /// True when the event was refused and it is not clear that the refusal speaks of it.
    var needsCare: Bool { eventCount == 1 && failures.first.map(Self.isRefused) == true }

    /// The outcome, when there is nothing more to wait for.
    var result: DeliveryResult {
        if failures.isEmpty, rejections.isEmpty { return .success(()) }
        guard failures.count == eventCount else {
            return .failure(
                .partial(
                    retry: failures.map(\.index).sorted(),
                    reject: rejections.sorted { $0.index < $1.index }, after: nil))
        }
        // Nothing was delivered. What somebody has to mend goes first, then what only time mends:
        // a refusal is looked into when nothing else is in the way.
        let worst =
            failures.first { $0.failure.fate.isAlarm } ?? failures.first { !Self.isRefused($0) }
        if let worst { return .failure(worst.failure.error) }
        let first = failures[0].failure
        if eventCount > 1, case .refused(let code) = first.fate {
            return .failure(.split(reason: first.reason, code: code))
        }
        return .failure(first.error)
    }

    private static func isRefused(_ entry: (index: Int, failure: KafkaFailure)) -> Bool {
        if case .refused = entry.failure.fate { true } else { false }
    }
}
