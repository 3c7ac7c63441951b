// SPDX-License-Identifier: Apache-2.0
import Inputs
import Ledger
@testable import Platform
import Sealing
import Sinks
import Testing

@testable import Pipeline

/// Walks every kind of error: each reads as one line with a place and a way out.
///
/// The switches have no default, so a new case does not build until it has a sample here. Sentences
/// that are spelled out where they are thrown are walked by Tests/EndToEnd/test_sentences.py.
struct ErrorSentenceTests {
    private static let denied = SystemError(call: "open", path: "/var/log/idp.log", number: 13)
    private static let lineByteLimit = 600

    private func expectSentence(_ text: String, place: String) {
        #expect(!text.contains("\n") && !text.isEmpty)
        #expect(text.utf8.count < ErrorSentenceTests.lineByteLimit)
        #expect(text.contains(place), "no place: \(text)")
        let marks = ["; ", " must ", "run: "]
        #expect(marks.contains { text.contains($0) }, "no way out: \(text)")
    }

    @Test func everyErrorOfTheLedger() {
        let samples: [LedgerError] = [
            .full(byteCount: 2, byteLimit: 1), .noSpace(ErrorSentenceTests.denied),
            .notCommitted(ErrorSentenceTests.denied), .system(ErrorSentenceTests.denied),
            .locked(path: "/s"), .exposed(path: "/s", permissions: 0o777),
            .keyMissing(path: "/s", keyID: 7), .unsupported(path: "/s", offset: 3, reason: "new"),
            .refused(reason: "too long"), .closed,
        ]
        var seen: Set<Int> = []
        for sample in samples {
            let place: String
            switch sample {
            case .full: (_, place) = (seen.insert(0), "ledger.max_size")
            case .noSpace: (_, place) = (seen.insert(1), "/var/log")
            case .notCommitted: (_, place) = (seen.insert(2), "/var/log")
            case .system: (_, place) = (seen.insert(3), "/var/log")
            case .locked: (_, place) = (seen.insert(4), "/s")
            case .exposed: (_, place) = (seen.insert(5), "/s")
            case .keyMissing: (_, place) = (seen.insert(6), "/s")
            case .unsupported: (_, place) = (seen.insert(7), "/s")
            case .refused: (_, place) = (seen.insert(8), "ledger")
            case .closed: (_, place) = (seen.insert(9), "ledger")
            }
            expectSentence(sample.description, place: place)
        }
        #expect(seen.count == 10, "a case lacks its sample")
    }

    @Test func everyErrorOfInputsAndOfAStart() throws {
        let inputs: [InputError] = [
            .system(input: "idp", ErrorSentenceTests.denied),
            .system(input: "idp", SystemError(call: "listen on", path: "[::]:514", number: 13)),
            .system(input: "idp", SystemError(call: "listen on", path: "[::]:514", number: 98)),
            .tls(input: "idp", try tlsError()),
        ]
        for sample in inputs {
            switch sample {
            case .system, .tls: break
            }
            expectSentence(sample.description, place: "input idp")
        }
        let starts: [PipelineError] = [
            .cannotListen("127.0.0.1:9464", "Address already in use"),
            .unknownParser(input: "idp", parser: "kecloak", known: ["keycloak"]),
        ]
        for sample in starts {
            switch sample {
            // The sentence of a stage is that of its own error.
            case .cannotListen, .unknownParser, .stage: break
            }
            expectSentence(
                sample.description, place: sample.exitCode == .unavailable ? "agent" : "inputs.idp")
        }
    }

    private func tlsError() throws -> TLSError {
        do {
            _ = try TLSServer(certificate: "/none.pem", key: "/none.key")
        } catch {
            return error
        }
        throw SystemError(call: "refuse", path: "/none.pem", number: 2)
    }

    @Test func everyErrorOfTheKeys() {
        for sample: CryptoError in [
            .wrongLength(expected: 32, actual: 1), .badPublicKey, .notAuthentic,
        ] {
            switch sample {
            case .wrongLength, .badPublicKey, .notAuthentic: break
            }
            expectSentence(sample.description, place: "the ")
        }
        for sample: CompressionError in [.damaged("x"), .wrongLength(expected: 1, actual: 2)] {
            switch sample {
            case .damaged, .wrongLength: break
            }
            expectSentence(sample.description, place: "compressed bytes")
        }
        expectSentence(ZoneError(name: "Mars", reason: "is not there").description, place: "Mars")
    }

    @Test func everyAnswerOfTheKernelHasAWayOut() {
        for number: Int32 in 1...133 {
            let error = SystemError(call: "open", path: "/a\nb", number: number)
            #expect(!error.advice.isEmpty)
            expectSentence("\(error); \(error.advice)", place: "/a\\u{a}b")
        }
    }

    @Test func everyRefusalOfAReceiverSaysWhereToLook() {
        for code in DeliveryCode.allCases {
            let samples: [DeliveryError] = [
                .retry(after: nil, reason: "HTTP 500", code: code),
                .alarm(reason: "HTTP 401", code: code), .split(reason: "HTTP 413", code: code),
                .partial(
                    retry: [1], reject: [Rejection(index: 0, reason: "HTTP 400\n", code: code)],
                    after: nil),
            ]
            for sample in samples {
                switch sample {
                case .retry, .alarm, .split, .partial: break
                }
                expectSentence(sample.advised, place: "HTTP")
            }
        }
    }
}
