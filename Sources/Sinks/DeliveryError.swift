// SPDX-License-Identifier: Apache-2.0

/// Why a batch, or some of it, was not delivered, and what has to be done about it.
public enum DeliveryError: Error, Sendable, Equatable {
    /// Nothing of the batch can be relied on: all of it is sent again, the same events.
    ///
    /// `after` is the delay that the far side asked for, where it did.
    case retry(after: Duration?, reason: String, code: DeliveryCode)
    /// What neither list names is delivered. Both are in rising order and share no index.
    case partial(retry: [Int], reject: [Rejection], after: Duration?)
    /// Too much at once: the batch goes again in two halves. Never said of a single event.
    case split(reason: String, code: DeliveryCode)
    /// Somebody has to act: sent again for ever at the longest delay, never dropped.
    case alarm(reason: String, code: DeliveryCode)

    /// One sentence for people with all that the far side said, which may repeat what was sent.
    public var sentence: String {
        switch self {
        case .retry(_, let reason, _), .split(let reason, _), .alarm(let reason, _):
            return reason
        case .partial(let retry, let reject, _):
            let first = reject.first.map { ": " + $0.reason } ?? ""
            return "\(retry.count) events to be sent again, \(reject.count) rejected\(first)"
        }
    }

    /// The sentence for the log, for health and for the status page: the far side is quoted only
    /// where its answer cannot be about events, because no event may show there.
    public var statement: String {
        switch self {
        case .retry(_, let reason, let code), .split(let reason, let code),
            .alarm(let reason, let code):
            return code.mayBeAboutEvents ? DeliveryText.withoutQuotation(reason) : reason
        case .partial(let retry, let reject, _):
            return "\(retry.count) events to be sent again, \(reject.count) rejected"
        }
    }

    /// The sentence with what somebody can do about it.
    public var advised: String { "\(sentence); \(code.advice)" }

    /// The bounded word for metrics.
    public var code: DeliveryCode {
        switch self {
        case .retry(_, _, let code), .split(_, let code), .alarm(_, let code): code
        case .partial(_, let reject, _): reject.first?.code ?? .busy
        }
    }
}

/// What became of one batch: all of it was delivered, or why not.
public typealias DeliveryResult = Result<Void, DeliveryError>

/// What became of the batch that a ticket was given for.
public typealias DeliveryOutcome = (ticket: UInt64, result: DeliveryResult)

/// One event that the far side will never take.
public struct Rejection: Sendable, Equatable {
    /// Its index in the `DeliveryBatch`.
    public var index: Int
    /// What the far side said, for people; at most `textByteLimit` bytes, on one line.
    public var reason: String
    /// The bounded word for metrics.
    public var code: DeliveryCode

    /// The most bytes of a reason.
    public static let textByteLimit = 1024

    /// Names an event and why it is refused.
    public init(index: Int, reason: String, code: DeliveryCode) {
        self.index = index
        self.reason = DeliveryText.oneLine(reason, byteLimit: Rejection.textByteLimit)
        self.code = code
    }

    /// The rejection of an event whose body is not what the agent writes.
    static func unrenderable(_ index: Int) -> Rejection {
        Rejection(
            index: index, reason: "the signed body is not in the form that this agent writes",
            code: .rendering)
    }

    /// The outcome of a batch of which all but these events were delivered.
    static func result(_ rejections: [Rejection]) -> DeliveryResult {
        if rejections.isEmpty { return .success(()) }
        let reject = rejections.sorted { $0.index < $1.index }
        return .failure(.partial(retry: [], reject: reject, after: nil))
    }
}

/// The bounded words by which metrics tell failures of delivery apart.
public enum DeliveryCode: String, Sendable, CaseIterable {
    /// No connection, or it broke.
    case connection
    /// The name of the far side is not known.
    case name
    /// TLS could not be agreed on, or a certificate was refused.
    case tls
    /// No answer in time.
    case timeout
    /// The far side asks for patience: 423 or 429.
    case busy
    /// The far side has a fault of its own: 5xx.
    case server
    /// An answer that cannot be understood, so nothing is known about the events.
    case answer
    /// Who we are is not accepted: 401, 402, 403, 407 or 511.
    case authorization
    /// The place to deliver to is not there, is none or takes nothing: 404, 405, 3xx, a missing
    /// folder, a closed index.
    case place
    /// More at once than the far side takes: 413.
    case size
    /// The far side does not want this event: any other 4xx.
    case refused
    /// No document can be made of the event.
    case rendering
    /// The disk has no room.
    case space
    /// A file or pipe cannot be written.
    case file

    /// True when what the far side says may repeat an event, or its request as a whole.
    var mayBeAboutEvents: Bool {
        switch self {
        case .server, .answer, .size, .refused, .rendering: true
        case .connection, .name, .tls, .timeout, .busy, .authorization, .place, .space, .file: false
        }
    }

    /// Where to look, as the end of a sentence.
    public var advice: String {
        switch self {
        case .connection: "look whether the receiver runs, and at endpoint, proxy and firewalls"
        case .name: "look at the name in endpoint, and at the machine's name service"
        case .tls: "look at tls.ca_file, tls.cert_file and tls.server_name"
        case .timeout: "look at the receiver's load, or raise timeout"
        case .busy: "look at the receiver's limits; it is tried again by itself"
        case .server: "look at the receiver's own log; it is tried again by itself"
        case .answer: "look whether endpoint leads to the receiver that is meant"
        case .authorization: "look at auth, and at the rights of that account"
        case .place: "look at endpoint, path, index or topic"
        case .size: "lower batch.max_bytes, or raise the receiver's limit"
        case .refused: "look at the event with sealtail ledger letters"
        case .rendering: "look at the event with sealtail ledger letters"
        case .space: "make room on this file system"
        case .file: "look at path, its folder and their rights"
        }
    }
}

enum DeliveryText {
    /// A sentence that ends behind the status of an answer, where `HTTPAnswer` begins to quote.
    static func withoutQuotation(_ sentence: String) -> String {
        var rest = sentence[...]
        while let start = rest.firstRange(of: "HTTP ")?.upperBound {
            let number = sentence[start...].prefix(3)
            let isStatus = number.count == 3 && number.allSatisfy { $0.isASCII && $0.isNumber }
            if isStatus, sentence[number.endIndex...].hasPrefix(": ") {
                return sentence[..<number.endIndex] + " (its words are logged at level debug)"
            }
            rest = sentence[start...]
        }
        return sentence
    }

    /// The text cut to a limit at a scalar boundary, with control characters as spaces, and what
    /// ends lines or turns the direction of writing as well.
    static func oneLine(_ text: String, byteLimit: Int) -> String {
        var result = String.UnicodeScalarView()
        var byteCount = 0
        for scalar in text.unicodeScalars {
            byteCount += UTF8.width(scalar)
            if byteCount > byteLimit { break }
            switch scalar.value {
            case ..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: result.append(" ")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
