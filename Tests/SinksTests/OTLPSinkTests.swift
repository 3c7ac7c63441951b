// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct OTLPSinkTests {
    private func sink(
        _ server: FakeHTTPServer, path: String = "", _ more: String = "compression: none"
    ) throws -> any Sink {
        try Samples.sink(
            "{id: siem, type: otlp, endpoint: '\(server.endpoint)\(path)', \(more)}")
    }

    private func failure(
        _ status: Int, _ body: [UInt8] = [], _ count: Int
    ) throws -> DeliveryError? {
        try Samples.failure(.reply(status, headers: [:], body), count) { try sink($0) }
    }

    private func request(_ delivery: DeliveryBatch) -> [UInt8] {
        var rendering = OTLPRendering()
        var output = ByteWriter()
        delivery.forEach { _, batch, event in
            _ = rendering.append(batch, event: event, to: &output)
        }
        rendering.finish(&output)
        return output.makeArray()
    }

    private func status(_ code: UInt64, _ message: String) -> [UInt8] {
        Wire.integer(1, code) + Wire.text(2, message) + Wire.bytes(3, Wire.text(1, "type"))
    }

    @Test(arguments: [
        ("", "/v1/logs"), ("/v1/logs", "/v1/logs"), ("/v1/logs/", "/v1/logs"),
        ("/otlp", "/otlp/v1/logs"), ("/otlp/v1/logs", "/otlp/v1/logs"),
    ])
    func theRequestSaysWhatItIs(written: String, path: String) throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let sink = try sink(server, path: written, "auth: {bearer: abc}")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == path)
        #expect(request.headers["content-type"] == "application/x-protobuf")
        #expect(request.headers["content-encoding"] == "gzip")
        #expect(request.headers["authorization"] == "Bearer abc")
        #expect(Array(request.body.prefix(2)) == [0x1F, 0x8B])
    }

    @Test func headersAreSentWithEachRequest() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let sink = try sink(server, "headers: {X-Api-Key: abc, X-Scope: team}")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.headers["x-api-key"] == "abc")
        #expect(request.headers["x-scope"] == "team")
    }

    @Test(arguments: [
        "headers: {Content-Type: text/plain}", "headers: {X-A: a, x-a: b}",
        "headers: {X: '{sink}'}",
        "auth: {bearer: abc}, headers: {Authorization: secret-word}",
    ])
    func headersThatDoNotGoTogetherAreMistakes(text: String) {
        let (_, problems) = Samples.configuration(
            "{id: siem, type: otlp, endpoint: 'http://127.0.0.1:4318', \(text)}")
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(": headers: ") == true)
        #expect(problems.first?.contains("secret-word") == false)
    }

    @Test(arguments: [200, 202, 204])
    func noBytesAreAResponseWithEveryFieldUnset(status: Int) throws {
        #expect(try failure(status, [], 3) == nil)
    }

    @Test func aWarningOfAReceiverThatTookAllIsNoFailure() throws {
        #expect(try failure(200, Wire.response(rejected: 0, "use fewer attributes"), 3) == nil)
    }

    @Test func someRejectedAreLookedForByHalves() throws {
        let found = try failure(200, Wire.response(rejected: 1, "too\nold"), 3)
        #expect(
            found
                == .split(
                    reason: "1 of 3 log records were rejected: too old", code: .refused))
    }

    @Test(arguments: [1, 3])
    func allRejectedAreRejectedInTheReceiversWords(count: Int) throws {
        let found = try failure(200, Wire.response(rejected: Int64(count), "too old"), count)
        let reject = (0..<count).map {
            Rejection(index: $0, reason: "rejected: too old", code: .refused)
        }
        #expect(found == .partial(retry: [], reject: reject, after: nil))
    }

    /// One record is bad; the way from the whole batch to it, as the delivery loop goes it.
    @Test func theOneBadRecordIsFoundAndNoOtherRejected() throws {
        let bad = Array(Samples.id(5).utf8)
        let server = try FakeHTTPServer { request, _ in
            let isBad =
                ByteSearch.first(bad, in: request.body.span, 0..<request.body.count) != nil
            return .reply(200, headers: [:], isBad ? Wire.response(rejected: 1, "bad") : [])
        }
        defer { server.stop() }
        let sink = try sink(server)
        var waiting = [Samples.delivery(11)]
        var rejected: [DeliveryBatch] = []
        while let batch = waiting.popLast() {
            switch Samples.failure(sink, batch) {
            case nil: continue
            case .split?:
                let (first, second) = batch.halves()
                waiting += [second, first]
            case .partial(_, let reject, _)?: rejected.append(batch.selecting(reject.map(\.index)))
            case let other?: Issue.record("\(other)")
            }
        }
        #expect(rejected.map(\.count) == [1])
        #expect(rejected.first?.parts.first?.events == [5])
    }

    @Test(arguments: [
        Array("<html>".utf8), Array("{\"partialSuccess\":{}}".utf8), [0x0A, 0x05, 0x08],
        Wire.response(rejected: -1, ""), Wire.response(rejected: 4, ""),
        Wire.integer(1, 1), Wire.bytes(1, Wire.text(1, "three")),
        Wire.bytes(1, Wire.bytes(2, [0xFF])), Wire.bytes(1, [0x10, 0x00, 0x08]),
        Wire.bytes(1, [0x1A, 0x05, 0x41]),
    ])
    func aSuccessWithAnotherBodyDeliversNothing(body: [UInt8]) throws {
        guard case .retry(_, let reason, .answer)? = try failure(200, body, 3) else {
            Issue.record("no retry")
            return
        }
        #expect(reason.hasPrefix("this is no answer to a request of 3 log records: HTTP 200"))
    }

    @Test func fieldsOfLaterVersionsAreLeftAlone() throws {
        let later =
            Wire.bytes(1, Wire.integer(7, 1) + Wire.fixed(8, 1)) + Wire.text(9, "x") + [0x55]
            + [0, 0, 0, 0]
        #expect(try failure(200, later, 3) == nil)
    }

    @Test func aRefusedRequestIsSplitToTheBadRecord() throws {
        let body = status(3, "field 5\nis wrong")
        #expect(
            try failure(400, body, 2)
                == .split(reason: "HTTP 400: field 5 is wrong", code: .refused))
        let rejection = Rejection(
            index: 0, reason: "HTTP 400: field 5 is wrong", code: .refused)
        #expect(
            try failure(400, body, 1) == .partial(retry: [], reject: [rejection], after: nil))
    }

    @Test func whatIsNoStatusIsQuotedAsItIs() throws {
        let found = try failure(503, Array("upstream is away".utf8), 1)
        #expect(found?.sentence == "HTTP 503: upstream is away")
    }

    @Test func anEventThatCannotBeRenderedIsRejectedAndTheOthersGo() throws {
        let server = try FakeHTTPServer(always: .reply(200))
        defer { server.stop() }
        let bodies = [Samples.plain(0), "{\"broken\"", Samples.plain(2)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1, 2])
        #expect(
            Samples.failure(try sink(server), batch)
                == .partial(retry: [], reject: [.unrenderable(1)], after: nil))
        #expect(server.requests.first?.body == request(batch.selecting([0, 2])))
    }

    @Test func probeSendsARequestWithoutRecords() throws {
        let server = try FakeHTTPServer { request, _ in
            .reply(request.headers["authorization"] == "Bearer good" ? 200 : 401)
        }
        defer { server.stop() }
        let options = "compression: none, auth: {bearer: good}"
        #expect(try sink(server, options).probe() == nil)
        #expect(try sink(server, "auth: {bearer: bad}").probe()?.code == .authorization)
        #expect(server.requests.first?.path == "/v1/logs")
        #expect(server.requests.first?.body == [])
    }

    @Test func otherFormatsAreRefusedByTheConfiguration() {
        let (_, problems) = Samples.configuration(
            "{id: siem, type: otlp, endpoint: 'http://127.0.0.1:4318', format: ecs}")
        #expect(problems.count == 1)
    }

    /// No bytes make the reader trap, and what it takes for a message it has read to its end.
    @Test func noAnswerTrapsTheReader() {
        var random = SeededNumbers(seed: 7)
        let seeds = [
            Wire.response(rejected: 3, "some words"), status(3, "some words"),
            Wire.bytes(1, Wire.fixed(8, 1)), [],
        ]
        var counts = (understood: 0, refused: 0)
        for round in 0..<20_000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let at = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(0xFF, at: at)
                default: bytes.removeSubrange(at...)
                }
            }
            let reply = OTLPReply.partialSuccess(bytes)
            if reply == nil { counts.refused += 1 } else { counts.understood += 1 }
            let words = OTLPReply.statusMessage(bytes) ?? ""
            #expect(max(words.utf8.count, reply?.message.utf8.count ?? 0) <= bytes.count * 3)
        }
        #expect(counts.understood > 1000 && counts.refused > 1000)
    }
}
