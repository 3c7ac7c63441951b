// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct ElasticsearchSinkTests {
    private func sink(
        _ server: FakeHTTPServer, _ more: String = "compression: none"
    ) throws -> any Sink {
        try Samples.sink(
            "{id: siem, type: elasticsearch, endpoint: '\(server.endpoint)', \(more)}")
    }

    private func items(_ statuses: [Int]) -> String {
        let list = statuses.enumerated().map { index, status in
            status < 300
                ? "{\"create\":{\"_id\":\"\(index)\",\"_version\":1,\"status\":\(status)}}"
                : "{\"create\":{\"status\":\(status),\"error\":{\"type\":\"t\(status)\","
                    + "\"reason\":\"because \(index)\"}}}"
        }
        let hasErrors = statuses.contains { $0 >= 300 }
        return "{\"took\":1,\"errors\":\(hasErrors),\"items\":[\(list.joined(separator: ","))]}"
    }

    private func failure(_ answer: FakeHTTPServer.Answer, _ count: Int) throws -> DeliveryError? {
        try Samples.failure(answer, count) { try sink($0) }
    }

    @Test func aBodyIsExactlyThis() throws {
        let server = try FakeHTTPServer(always: .reply(200, items([201, 201])))
        defer { server.stop() }
        let batch = Samples.delivery(2)
        #expect(Samples.failure(try sink(server), batch) == nil)
        let index = "logs-oauth.audit-default"
        let expected = (0..<2).flatMap { number in
            let action = "{\"_index\":\"\(index)\",\"_id\":\"\(Samples.id(number))\"}"
            return Array("{\"create\":\(action)}\n".utf8)
                + Samples.lines(batch.selecting([number]), .ecs)
        }
        #expect(server.requests.first?.body == expected)
    }

    @Test func theRequestSaysWhatItIs() throws {
        let server = try FakeHTTPServer(always: .reply(200, items([201])))
        defer { server.stop() }
        let sink = try sink(server, "auth: {api_key: abc}")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == "/_bulk")
        #expect(request.headers["content-type"] == "application/x-ndjson")
        #expect(request.headers["content-encoding"] == "gzip")
        #expect(request.headers["authorization"] == "ApiKey abc")
        #expect(request.headers["expect"] == nil)
        #expect(Array(request.body.prefix(2)) == [0x1F, 0x8B])
    }

    @Test func aLargeBodyIsSentWithoutAskingFirst() throws {
        let server = try FakeHTTPServer(
            always: .reply(200, items([Int](repeating: 201, count: 3000))))
        defer { server.stop() }
        #expect(Samples.failure(try sink(server), Samples.delivery(3000)) == nil)
        let request = try #require(server.requests.first)
        #expect(request.body.count > 1 << 20)
        #expect(request.headers["expect"] == nil)
    }

    @Test func basicAuthenticationIsTheBase64OfThePair() throws {
        let server = try FakeHTTPServer(always: .reply(200, items([201])))
        defer { server.stop() }
        let sink = try sink(server, "auth: {basic: {username: Aladdin, password: 'open sesame'}}")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(
            server.requests.first?.headers["authorization"]
                == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    }

    @Test func aRepeatThatIsThereAlreadyCountsAsDelivered() throws {
        #expect(try failure(.reply(200, items([201, 409, 200])), 3) == nil)
    }

    @Test func onlyTheItemsThatFailedForNowAreSentAgain() throws {
        let found = try failure(
            .reply(200, items([201, 429, 503, 201]), headers: ["Retry-After": "7"]), 4)
        #expect(found == .partial(retry: [1, 2], reject: [], after: .seconds(7)))
    }

    @Test func anItemThatIsRefusedIsRejectedInTheServersWords() throws {
        let found = try failure(.reply(200, items([201, 400, 429])), 3)
        let rejection = Rejection(
            index: 1, reason: "status 400: t400: because 1", code: .refused)
        #expect(found == .partial(retry: [2], reject: [rejection], after: nil))
    }

    @Test func allItemsBusyIsARetryOfTheWholeWithTheReason() throws {
        let found = try failure(.reply(200, items([429, 429])), 2)
        #expect(
            found == .retry(after: nil, reason: "status 429: t429: because 0", code: .busy))
    }

    @Test(arguments: [401, 403, 404])
    func anItemThatIsBarredIsAnAlarmAndNeverRejected(status: Int) throws {
        let found = try failure(.reply(200, items([201, status])), 2)
        guard case .alarm(let reason, _)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains("\(status)"))
    }

    /// They come with status 400, though they speak of the index or of the whole cluster.
    @Test(arguments: [
        ("index_closed_exception", "closed"),
        (
            "validation_exception",
            "Validation Failed: 1: this action would add [2] shards, but this cluster currently "
                + "has [1000]/[1000] maximum normal shards open;"
        ),
        (
            "illegal_argument_exception",
            "Validation Failed: 1: this action would add [2] total shards, but this cluster "
                + "currently has [1000]/[1000] maximum shards open;"
        ),
    ])
    func aPlaceThatTakesNothingIsAnAlarmWhateverTheStatus(type: String, words: String) throws {
        let body =
            "{\"errors\":true,\"items\":[{\"create\":{\"status\":400,\"error\":{"
            + "\"type\":\"\(type)\",\"reason\":\"\(words)\"}}}]}"
        guard case .alarm(let reason, .place)? = try failure(.reply(200, body), 1) else {
            Issue.record("an event was blamed for its index")
            return
        }
        #expect(reason.contains(words))
    }

    @Test(arguments: ["", "{\"errors\":false,\"items\":[]}"])
    func fewerItemsThanEventsAreSplit(body: String) throws {
        guard case .split(_, .answer)? = try failure(.reply(200, body), 2) else {
            Issue.record("not split")
            return
        }
        guard case .retry(_, _, .answer)? = try failure(.reply(200, body), 1) else {
            Issue.record("a single event must be sent again, never count as delivered")
            return
        }
    }

    @Test func moreItemsThanEventsAreNoAnswer() throws {
        guard case .retry(_, _, .answer)? = try failure(.reply(200, items([201, 201])), 1) else {
            Issue.record("taken for an answer")
            return
        }
    }

    @Test(arguments: [
        "<html>welcome</html>", "{}", "{\"acknowledged\":true}", "{\"items\":{}}", "[]", "null",
        "{\"errors\":false,\"items\":[{\"create\":{}}]}", "{\"errors\":false,\"items\":[1]}",
        "{\"errors\":false,\"items\":[{\"create\":{\"status\":\"201\"}}]}", "{\"items\":[{}]}",
    ])
    func anAnswerThatIsNoBulkReplyNeverDelivers(body: String) throws {
        guard case .retry(_, _, .answer)? = try failure(.reply(200, body), 1) else {
            Issue.record("taken for an answer: \(body)")
            return
        }
    }

    @Test func tooLargeIsSplitDownToTheEventAndThenRejected() throws {
        guard case .split(_, .size)? = try failure(.reply(413), 2) else {
            Issue.record("not split")
            return
        }
        let found = try failure(.reply(413, "too big"), 1)
        let rejection = Rejection(index: 0, reason: "HTTP 413: too big", code: .size)
        #expect(found == .partial(retry: [], reject: [rejection], after: nil))
    }

    @Test func aBadRequestIsSplitDownToTheEventAndThenRejected() throws {
        guard case .split(_, .refused)? = try failure(.reply(400, "no"), 5) else {
            Issue.record("not split")
            return
        }
        let found = try failure(.reply(400, "no\nway"), 1)
        let rejection = Rejection(index: 0, reason: "HTTP 400: no way", code: .refused)
        #expect(found == .partial(retry: [], reject: [rejection], after: nil))
    }

    @Test func retryAfterMayBeADate() throws {
        let found = try failure(
            .reply(503, headers: ["Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"]), 1)
        guard case .retry(let after?, _, _)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(after == HTTPLimit.retryAfter)
    }

    @Test func nobodyListeningIsARetry() throws {
        let sink = try Samples.sink(
            "{id: siem, type: elasticsearch, endpoint: 'http://127.0.0.1:1'}")
        let found = Samples.failure(sink, Samples.delivery(1))
        guard case .retry(_, let reason, .connection)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains("127.0.0.1:1"))
    }

    @Test func anAnswerOfAGigabyteIsNotTaken() throws {
        let found = try failure(.long(1 << 30), 1)
        guard case .retry(_, let reason, .answer)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains("longer than 258 KiB"))
    }

    @Test func anAnswerTooLongForItsEventsSplitsTheBatch() throws {
        let found = try failure(.long(1 << 20), 2)
        guard case .split(let reason, .answer)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains("longer than 260 KiB"))
    }

    @Test func connectionsAreKept() throws {
        let server = try FakeHTTPServer(always: .reply(200, items([201])))
        defer { server.stop() }
        let sink = try sink(server)
        for _ in 0..<5 { #expect(Samples.failure(sink, Samples.delivery(1)) == nil) }
        #expect(server.requests.count == 5)
        #expect(server.connectionCount == 1)
    }

    @Test func severalRequestsAreUnderWayAtOnce() throws {
        let gate = Monitor(0)
        let server = try FakeHTTPServer { _, _ in
            gate.update { $0 += 1 }
            // Answers only when all three are there, so one after the other would never end.
            let isComplete = gate.wait(timeout: .seconds(10)) { $0 >= 3 ? true : nil }
            return isComplete == true
                ? .reply(200, "{\"items\":[{\"create\":{\"status\":201}}]}") : .reply(500)
        }
        defer { server.stop() }
        let sink = try sink(server)
        for ticket in 0..<3 {
            sink.deliver(Samples.delivery(1, first: ticket), ticket: UInt64(ticket))
        }
        var delivered: Set<UInt64> = []
        for _ in 0..<20 where delivered.count < 3 {
            for (ticket, result) in sink.outcomes(waitingAtMost: .seconds(1)) {
                if case .success = result { delivered.insert(ticket) }
            }
        }
        #expect(delivered == [0, 1, 2])
    }

    @Test func anEventThatCannotBeRenderedIsRejectedAndTheOthersGo() throws {
        let server = try FakeHTTPServer(always: .reply(200, items([201, 400, 429])))
        defer { server.stop() }
        let bodies = [Samples.plain(0), "{\"broken\"", Samples.plain(2), Samples.plain(3)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1, 2, 3])
        let refused = Rejection(index: 2, reason: "status 400: t400: because 1", code: .refused)
        #expect(
            Samples.failure(try sink(server), batch)
                == .partial(retry: [3], reject: [.unrenderable(1), refused], after: nil))
        #expect(server.requests.first?.body.filter { $0 == UInt8(ascii: "\n") }.count == 6)
    }

    @Test func aPlainSuccessIsOneForTheCarefulReaderToo() {
        let reply = BulkReply()
        var plainCount = 0
        var random = SeededNumbers(seed: 2)
        for round in 0..<3000 {
            var statuses = (0..<Int.random(in: 1...9, using: &random)).map { _ in 201 }
            if round % 2 == 0 {
                let odd = [200, 202, 400, 409, 429, 2010, 20][round % 7]
                statuses[Int.random(in: statuses.indices, using: &random)] = odd
            }
            var text = items(statuses)
            if round % 5 == 0 { text = text.replacingFirst("true", "false") }
            if round % 11 == 0 { text.removeLast(Int.random(in: 1...text.count, using: &random)) }
            let body = Array(text.utf8)
            for count in [statuses.count, statuses.count + 1, statuses.count - 1]
            where BulkReply.isPlainSuccess(body, count: count) {
                plainCount += 1
                var isStored = true
                let found = reply.read(body) { _, item, _ in
                    if item != .stored { isStored = false }
                }
                #expect(found == count && isStored, "\(text)")
            }
        }
        #expect(plainCount > 100)
    }
}

extension String {
    /// The text with the first occurrence of a word replaced.
    func replacingFirst(_ word: String, _ value: String) -> String {
        let parts = split(separator: word, maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 ? parts[0] + value + parts[1] : self
    }
}

/// Numbers that look random and are the same every time (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
