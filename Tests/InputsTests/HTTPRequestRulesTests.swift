// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Inputs

struct HTTPRequestRulesTests {
    private func rules(
        _ authentication: HTTPInputConfiguration.Authentication = .none
    ) -> HTTPRequestRules {
        var configuration = HTTPInputConfiguration()
        configuration.path = "/logs"
        configuration.authentication = authentication
        return HTTPRequestRules(configuration)
    }

    private func head(
        _ fields: [String: String] = [:], method: String = "POST", path: String = "/logs"
    ) -> HTTPServer.Head {
        var all = ["content-length": "2", "content-type": "application/json"]
        for (name, value) in fields { all[name] = value.isEmpty ? nil : value }
        return HTTPServer.Head(method: method, path: path, fields: all)
    }

    @Test func aGoodRequestMayCome() {
        #expect(rules().refusal(head()) == nil)
        let types = ["text/plain; charset=utf-8", "Application/X-NDJSON", "application/scim+json"]
        for type in types { #expect(rules().refusal(head(["content-type": type])) == nil) }
        #expect(rules().refusal(head(["content-type": ""])) == nil)
        #expect(rules().refusal(head(["content-encoding": "gzip"])) == nil)
        #expect(
            rules().refusal(head(["content-length": "", "transfer-encoding": "chunked"])) == nil)
    }

    @Test func refusalsSayWhatIsWanted() {
        #expect(rules().refusal(head(path: "/"))?.status == 404)
        let method = rules().refusal(head(method: "PUT"))
        #expect(method?.status == 405)
        #expect(method?.fields.contains("POST") ?? false)
        #expect(rules().refusal(head(["content-length": ""]))?.status == 411)
        #expect(rules().refusal(head(["content-type": "text/html"]))?.status == 415)
        #expect(rules().refusal(head(["content-encoding": "br"]))?.status == 415)
    }

    @Test func tokensAreComparedWhole() {
        let bearer = rules(.bearer(Secret(Array("s3cret".utf8))))
        #expect(bearer.refusal(head())?.status == 401)
        for wrong in ["Bearer s3cre", "Bearer s3crett", "Bearer  s3cret", "Basic s3cret", "s3cret"]
        {
            #expect(bearer.refusal(head(["authorization": wrong]))?.status == 401, "\(wrong)")
        }
        #expect(bearer.refusal(head(["authorization": "bearer s3cret"])) == nil)
        let header = rules(.header(name: "x-token", Secret(Array("s3cret".utf8))))
        #expect(header.refusal(head(["x-token": "wrong"]))?.status == 401)
        #expect(header.refusal(head(["x-token": "s3cret"])) == nil)
        // Without the token nothing else is told.
        #expect(header.refusal(head(method: "PUT"))?.status == 401)
    }

    @Test func theChallengeOfOktaIsAnsweredToWhoKnowsTheToken() {
        let fields = ["x-okta-verification-challenge": "a\"b", "x-token": "s3cret"]
        let header = rules(.header(name: "x-token", Secret(Array("s3cret".utf8))))
        let answer = header.refusal(head(fields, method: "GET"))
        #expect(answer?.status == 200)
        #expect(
            answer.map { String(decoding: $0.body, as: UTF8.self) }
                == "{\"verification\":\"a\\\"b\"}")
        let stranger = ["x-okta-verification-challenge": "a"]
        #expect(header.refusal(head(stranger, method: "GET"))?.status == 401)
        #expect(header.refusal(head(["x-token": "s3cret"], method: "GET"))?.status == 405)
    }
}
