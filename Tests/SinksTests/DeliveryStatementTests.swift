// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sinks

/// What stands in the log, in `/readyz` and on the status page never repeats an event.
struct DeliveryStatementTests {
    private let marker = "mallory-7f3a"

    @Test(arguments: [DeliveryCode.server, .answer, .size, .refused, .rendering])
    func anAnswerThatMayRepeatAnEventIsNotQuoted(code: DeliveryCode) {
        let reason = "this is no answer to a bulk request: HTTP 500: failed at \(marker)"
        let errors: [DeliveryError] = [
            .retry(after: nil, reason: reason, code: code), .split(reason: reason, code: code),
            .alarm(reason: reason, code: code),
        ]
        for error in errors {
            #expect(error.sentence.contains(marker))
            #expect(
                error.statement == "this is no answer to a bulk request: HTTP 500 "
                    + "(its words are logged at level debug)")
        }
    }

    /// Some terminals and readers of logs take them for the end of a line, or write backwards.
    @Test func whatTurnsOrBreaksALineIsASpace() {
        let text = "a\u{2028}b\u{2029}c\u{202E}d\u{2066}e\u{85}f\ng\u{0}h"
        #expect(DeliveryText.oneLine(text, byteLimit: 99) == "a b c d e f g h")
        #expect(DeliveryText.oneLine("naïve – 日本", byteLimit: 99) == "naïve – 日本")
    }

    @Test func aRejectionIsCountedOnly() {
        let error = DeliveryError.partial(
            retry: [0], reject: [Rejection(index: 1, reason: "value '\(marker)'", code: .refused)],
            after: nil)
        #expect(error.statement == "1 events to be sent again, 1 rejected")
    }

    @Test(arguments: [DeliveryCode.authorization, .place, .busy, .tls, .connection])
    func anAnswerAboutThePlaceIsQuoted(code: DeliveryCode) {
        let reason = "HTTP 403: the token is disabled"
        #expect(DeliveryError.alarm(reason: reason, code: code).statement == reason)
    }

    @Test(arguments: [
        ("HTTP 503: words: more", "HTTP 503 (its words are logged at level debug)"),
        ("HTTP 503", "HTTP 503"), ("no HTTP here", "no HTTP here"),
        ("HTTP says HTTP 500: x", "HTTP says HTTP 500 (its words are logged at level debug)"),
        ("siem:443: the answer is longer than 9 KiB", "siem:443: the answer is longer than 9 KiB"),
    ])
    func theQuotationBeginsBehindTheStatus(sentence: String, kept: String) {
        #expect(DeliveryText.withoutQuotation(sentence) == kept)
    }
}
