// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct AWSFaultTests {
    private func fault(
        _ status: Int, _ body: String = "", _ headers: [String: String] = [:]
    ) -> AWSFault {
        AWSFault(HTTPAnswer(status: status, body: Array(body.utf8), headers: headers))
    }

    @Test(arguments: [
        "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}",
        "{\"__type\":\"com.amazonaws.logs#ThrottlingException\",\"message\":\"Rate exceeded\"}",
        "{\"code\":\"ThrottlingException\",\"Message\":\"Rate exceeded\"}",
        "<?xml version=\"1.0\"?><ErrorResponse><Errors><Error><Code>ThrottlingException</Code>"
            + "<Message>Rate exceeded</Message></Error></Errors></ErrorResponse>",
        " \n<Error><Code>ThrottlingException</Code><Message>Rate exceeded</Message></Error>",
    ])
    func jsonAndXMLAreUnderstood(body: String) {
        let fault = fault(400, body)
        #expect(fault.code == "ThrottlingException")
        #expect(fault.meaning == .busy)
        #expect(fault.sentence == "HTTP 400: ThrottlingException: Rate exceeded")
    }

    @Test func theHeaderNamesTheFaultWhenTheBodyDoesNot() {
        let header = ["x-amzn-errortype": "AccessDeniedException:http://internal.example.com/"]
        #expect(fault(400, "{}", header).code == "AccessDeniedException")
        #expect(fault(400, "", header).meaning == .forbidden)
    }

    @Test(arguments: [
        ("", 400), ("<html>no", 502), ("{", 500), ("[]", 403), ("<Code><b/></Code>", 404),
        ("{\"__type\":1}", 429), ("<Code>", 413),
    ])
    func whatCannotBeReadIsKnownByItsStatus(body: String, status: Int) {
        let found = fault(status, body)
        let expected: [Int: AWSFault.Meaning] = [
            400: .refused, 502: .server, 500: .server, 403: .forbidden, 404: .missing, 429: .busy,
            413: .tooLarge,
        ]
        #expect(found.meaning == expected[status])
        #expect(found.sentence.hasPrefix("HTTP \(status)"))
    }

    @Test func whatIsSaidIsBoundedAndOnOneLine() {
        let long = String(repeating: "x", count: 5000)
        let found = fault(400, "{\"__type\":\"\(long)\",\"message\":\"a\\nb\(long)\"}")
        #expect(found.sentence.utf8.count < 500)
        #expect(!found.sentence.contains("\n"))
    }

    private func refusal(
        _ code: String, count: Int = 5, reads: Bool = true, status: Int = 400
    ) -> DeliveryError {
        fault(status, "{\"__type\":\"\(code)\"}").refusal(
            eventCount: count, readsEvents: reads,
            at: Timestamp(year: 2026, month: 11, day: 21))
    }

    @Test(arguments: [
        ("AccessDeniedException", DeliveryCode.authorization),
        ("UnrecognizedClientException", .authorization), ("InvalidAccessKeyId", .authorization),
        ("ExpiredTokenException", .authorization), ("SignatureDoesNotMatch", .authorization),
        ("ResourceNotFoundException", .place), ("NoSuchBucket", .place),
        ("PermanentRedirect", .place), ("LimitExceededException", .place),
        ("MissingAuthenticationTokenException", .authorization),
        ("SubscriptionRequiredException", .authorization), ("AuthFailure", .authorization),
        ("RequestInTheFuture", .authorization), ("UnknownOperationException", .place),
        ("InvalidAction", .place),
    ])
    func whatSomebodyHasToMendIsAnAlarm(code: String, expected: DeliveryCode) {
        guard case .alarm(_, let found) = refusal(code) else {
            Issue.record("no alarm")
            return
        }
        #expect(found == expected)
    }

    @Test(arguments: [
        "ThrottlingException", "SlowDown", "ServiceUnavailableException", "InternalFailure",
        "BadDigest", "RequestTimeout", "ThrottledException", "RequestThrottled",
        "RequestThrottledException", "PriorRequestNotComplete",
    ])
    func whatPassesIsARetry(code: String) {
        guard case .retry = refusal(code) else {
            Issue.record("no retry")
            return
        }
    }

    @Test func whatIsRefusedIsSplitDownToTheEvent() {
        guard case .split(_, .refused) = refusal("InvalidParameterException") else {
            Issue.record("not split")
            return
        }
        guard case .partial([], let reject, nil) = refusal("InvalidParameterException", count: 1)
        else {
            Issue.record("not rejected")
            return
        }
        #expect(reject.map(\.index) == [0])
        guard case .split(_, .size) = refusal("EntityTooLarge", reads: false) else {
            Issue.record("not split")
            return
        }
    }

    @Test(arguments: [1, 5])
    func toAStoreThatReadsNoEventsNoneIsToBlame(count: Int) {
        guard case .alarm = refusal("InvalidRequest", count: count, reads: false) else {
            Issue.record("no alarm")
            return
        }
    }

    @Test(arguments: [
        (1200, "1200 s ahead of the server's"), (-400, "400 s behind the server's"), (30, ""),
    ])
    func aClockThatIsWrongIsNamed(seconds: Int, words: String) {
        let found = fault(
            403, "<Error><Code>RequestTimeTooSkewed</Code></Error>",
            ["date": "Sat, 21 Nov 2026 11:02:07 GMT"])
        let now = Timestamp(year: 2026, month: 11, day: 21, hour: 11, minute: 2, second: 7)
            .advanced(by: .seconds(seconds))
        let sentence = found.refusal(eventCount: 1, readsEvents: true, at: now).sentence
        #expect(sentence.contains("clock") == !words.isEmpty)
        #expect(sentence.contains(words) || words.isEmpty)
    }

    @Test func theRightRegionIsNamed() {
        let found = fault(301, "", ["x-amz-bucket-region": "eu-west-1"])
        let error = found.refusal(
            eventCount: 1, readsEvents: false, at: Timestamp(microseconds: 0))
        #expect(error.sentence.hasSuffix("the far side says the region is eu-west-1"))
    }
}
