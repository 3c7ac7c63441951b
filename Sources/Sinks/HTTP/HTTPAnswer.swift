// SPDX-License-Identifier: Apache-2.0
import Platform

/// The bounds of an exchange over HTTP.
enum HTTPLimit {
    /// Until a connection stands, TLS included.
    static let connectTime = Duration.seconds(10)
    /// From the first byte of the request to the last of the answer, unless `timeout` says more.
    static let exchangeTime = Duration.seconds(60)
    /// `timeout`.
    static let timeout = Duration.seconds(1)...Duration.seconds(300)
    /// The most endpoints of a sink.
    static let endpointCount = 16
    /// How long another endpoint serves before the first one is tried again.
    static let endpointReturnTime = Duration.seconds(60)
    /// What a name was resolved to is forgotten after this.
    static let nameLifetime = Duration.seconds(30)
    /// A connection that was not used for so long is not used again.
    static let connectionIdleTime = Duration.seconds(60)
    /// `connection_age`.
    static let connectionAge = Duration.seconds(1)...Duration.seconds(3600)
    /// A connection older than this is not used again, unless `connection_age` says more.
    static let usualConnectionAge = Duration.seconds(300)
    /// The longest answer that is taken, whatever it speaks of.
    static let answerByteCount = 32 << 20
    /// What an answer may have beside what it says of each event.
    static let answerBaseByteCount = 256 << 10
    /// What an answer may say of one event: an error with its causes.
    static let answerEventByteCount = 2 << 10
    /// The longest delay that the far side can ask for.
    static let retryAfter = Duration.seconds(3600)
    /// The longest value of a header line that is taken from an answer.
    static let headerByteCount = 4 << 10
    /// How much of an answer is looked through for words that are known.
    static let pageByteCount = 4 << 10
    /// How much of an answer stands in a sentence.
    static let quotedByteCount = 240
    /// A shorter word of a request may stand in a sentence: it occurs everywhere.
    static let concealedByteCount = 4
    /// What is sent and received in one piece.
    static let pieceByteCount = 256 << 10

    /// The longest answer to a request that brings so many events.
    static func answerByteCount(eventCount: Int) -> Int {
        min(answerByteCount, answerBaseByteCount + eventCount * answerEventByteCount)
    }
}

/// What the far side answered to one request.
struct HTTPAnswer: Sendable {
    /// The status code, 100 to 599.
    var status: Int
    /// The body, at most `HTTPLimit.answerByteCount` bytes.
    var body: [UInt8]
    /// The delay that the far side asks for, at most `HTTPLimit.retryAfter`.
    var retryAfter: Duration?
    /// Which of the endpoints answered.
    var endpointIndex = 0
    /// What `HTTPRequest.answerHeaders` asked for and the answer had, under the names as they were
    /// asked for. Untrusted, on one line, at most `HTTPLimit.headerByteCount` bytes each.
    var headers: [String: String] = [:]
    /// What no sentence may repeat, although the far side does: some show the request they refuse.
    var unspoken: [Secret] = []

    /// What a status that is no success means for a request with this many events; nil for 2xx.
    ///
    /// A 400 speaks of the whole request, so the event to blame is found by splitting.
    func refusal(eventCount: Int) -> DeliveryError? {
        switch status {
        case 200...299:
            return nil
        case 413:
            if eventCount > 1 { return .split(reason: sentence, code: .size) }
            return reject(.size)
        case 401, 402, 403, 407, 511:
            return .alarm(reason: sentence, code: .authorization)
        // None of these speaks of an event: the place, the method, the head of the request, the
        // type or the coding of the body is not what is wanted there.
        case 404, 405, 406, 410, 411, 412, 414, 415, 417, 421, 426, 428, 431, 451:
            return .alarm(reason: sentence, code: .place)
        case 300...399:
            let reason = "\(sentence); redirects are not followed, write the final endpoint"
            return .alarm(reason: reason, code: .place)
        case 408, 425:
            return .retry(after: retryAfter, reason: sentence, code: .timeout)
        case 423, 429:
            return .retry(after: retryAfter, reason: sentence, code: .busy)
        case 400 where speaksOfTLS:
            return .alarm(reason: sentence, code: .tls)
        case 400...499:
            if eventCount > 1 { return .split(reason: sentence, code: .refused) }
            return reject(.refused)
        default:
            return .retry(after: retryAfter, reason: sentence, code: .server)
        }
    }

    /// nginx answers 400 when the client's certificate is missing or not good, or when a request in
    /// clear comes where TLS is spoken. None of that is about events.
    private var speaksOfTLS: Bool {
        let words = ["SSL certificate", "plain HTTP request was sent to HTTPS port"]
        let range = 0..<min(body.count, HTTPLimit.pageByteCount)
        return words.contains {
            ByteSearch.first(Array($0.utf8), in: body.span, range) != nil
        }
    }

    /// The status and the beginning of the body, on one line.
    var sentence: String {
        // Of what is cut in the middle of a secret nothing is shown either.
        let margin = unspoken.map(\.byteCount).max() ?? 0
        var quoted = Array(body.prefix(HTTPLimit.quotedByteCount + margin))
        HTTPAnswer.conceal(unspoken, in: &quoted)
        let words = DeliveryText.oneLine(
            String(decoding: quoted.prefix(HTTPLimit.quotedByteCount), as: UTF8.self),
            byteLimit: HTTPLimit.quotedByteCount)
        return words.isEmpty ? "HTTP \(status)" : "HTTP \(status): \(words)"
    }

    /// Puts asterisks in place of the secrets in the body, for whoever reads words out of it.
    mutating func concealSecrets() {
        HTTPAnswer.conceal(unspoken, in: &body)
    }

    private static func conceal(_ secrets: [Secret], in text: inout [UInt8]) {
        for secret in secrets where secret.byteCount >= HTTPLimit.concealedByteCount {
            var word = secret.withBytes { bytes in bytes.indices.map { bytes[$0] } }
            var start = 0
            while let found = ByteSearch.first(word, in: text.span, start..<text.count) {
                for index in found..<found + word.count { text[index] = UInt8(ascii: "*") }
                start = found + word.count
            }
            Secret.wipe(&word)
        }
    }

    private func reject(_ code: DeliveryCode) -> DeliveryError {
        .partial(
            retry: [], reject: [Rejection(index: 0, reason: sentence, code: code)], after: nil)
    }
}
