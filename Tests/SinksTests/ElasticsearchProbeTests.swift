// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What `sealtail check` says of clusters, of what behaves like one, and of what does not.
@Suite struct ElasticsearchProbeTests {
    private typealias Answers = [String: (status: Int, body: String)]

    private static let about = """
        {"name":"node","cluster_name":"test","version":{"number":"8.17.0"},\
        "tagline":"You Know, for Search"}
        """
    private static let nothingToDo = """
        {"error":{"type":"parse_exception","reason":"request body is required"},"status":400}
        """
    private static let noSuchIndex = """
        {"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}
        """
    private static let page = "<html><body>Sign in</body></html>"
    /// A cluster without security in which all is well.
    private static let cluster: Answers = [
        "/": (200, about), "/_bulk": (400, nothingToDo),
        "/_data_stream/logs-oauth.audit-default": (200, "{\"data_streams\":[]}"),
    ]

    private static func rights(create: Bool, configure: Bool) -> String {
        "{\"has_all_requested\":false,\"index\":{\"logs-oauth.audit-default\":"
            + "{\"create_doc\":\(create),\"auto_configure\":\(configure),\"create_index\":false}}}"
    }

    private func server(_ answers: Answers) throws -> FakeHTTPServer {
        try FakeHTTPServer { request, _ in
            let path = String(request.path.prefix { $0 != "?" })
            let answer = answers[path] ?? (400, "{\"error\":\"no handler found\"}")
            return .reply(answer.status, answer.body)
        }
    }

    private func finding(_ endpoints: [String]) throws -> DeliveryError? {
        let sink = try Samples.sink(
            "{id: siem, type: elasticsearch, endpoint: [\(endpoints.joined(separator: ", "))]}")
        defer { sink.close() }
        return sink.probe()
    }

    private func finding(_ changes: Answers) throws -> DeliveryError? {
        let server = try server(Self.cluster.merging(changes) { $1 })
        defer { server.stop() }
        let found = try finding([server.endpoint])
        // Nothing that could be taken for an event.
        for request in server.requests where request.path == "/_bulk" {
            #expect(request.body == [0x0A])
            #expect(request.headers["content-encoding"] == nil)
        }
        return found
    }

    @Test func aClusterInWhichAllIsWell() throws {
        #expect(try finding([:]) == nil)
        #expect(
            try finding([
                "/_security/user/_has_privileges": (
                    200, Self.rights(create: true, configure: true)
                )
            ]) == nil)
        let opensearch = "{\"version\":{\"distribution\":\"opensearch\",\"number\":\"2.19.0\"}}"
        #expect(try finding(["/": (200, opensearch)]) == nil)
        // A key that may only create documents.
        #expect(
            try finding([
                "/": (403, "{\"error\":{\"type\":\"security_exception\"}}"),
                "/_data_stream/logs-oauth.audit-default": (403, "{}"),
            ]) == nil)
    }

    @Test func whatOnlySpeaksBulkIsNoFinding() throws {
        let empty = "{\"took\":0,\"errors\":false,\"items\":[]}"
        let victoria = "{\"version\":{\"number\":\"8.9.0\"}}"
        let unknown = (400, "unsupported path requested: /")
        let path = "/_data_stream/logs-oauth.audit-default"
        #expect(try finding(["/": (200, victoria), "/_bulk": (200, empty), path: unknown]) == nil)
        let silent = try finding(["/": unknown, "/_bulk": (200, empty), path: unknown])
        #expect(silent == nil)
        #expect(try finding(["/": (200, Self.page), "/_bulk": (200, empty)]) == nil)
    }

    @Test(arguments: [
        (200, page), (200, ""), (200, "{\"status\":\"ok\"}"), (200, "[]"), (302, ""),
        (404, "not found"), (400, "unsupported path requested"), (405, page), (204, ""),
    ])
    func whatAnswersBulkRequestsOtherwiseIsNamed(status: Int, body: String) throws {
        for about in [(200, Self.page), (200, Self.about), (404, "")] {
            guard
                case .alarm(let reason, .place)? = try finding([
                    "/": about, "/_bulk": (status, body),
                ])
            else {
                Issue.record("\(status) \(body) was taken for a cluster")
                continue
            }
            #expect(reason.contains("POST /_bulk answers HTTP \(status)"))
            let isThere = about.1 == Self.about
            #expect(reason.contains("takes no bulk requests under this path") == isThere)
        }
    }

    @Test func credentialsThatAreRefusedAreNamed() throws {
        #expect(try finding(["/": (401, "")])?.code == .authorization)
        #expect(try finding(["/": (403, ""), "/_bulk": (401, "")])?.code == .authorization)
        #expect(try finding(["/_bulk": (403, "")])?.code == .authorization)
        #expect(try finding(["/": (503, "")])?.code == .server)
        #expect(try finding(["/_bulk": (429, "")])?.code == .busy)
    }

    @Test(arguments: ["6.8.23", "7.8.1", "5.6"])
    func aClusterThatIsTooOldIsNamed(version: String) throws {
        let found = try finding(["/": (200, "{\"version\":{\"number\":\"\(version)\"}}")])
        #expect(found?.sentence.contains("version \(version)") == true)
    }

    @Test(arguments: ["7.9.0", "7.17.3", "8.0.0", "9.1.2", "10.0", "next", "", "7"])
    func aVersionThatIsNewOrUnknownIsNoFinding(version: String) throws {
        #expect(try finding(["/": (200, "{\"version\":{\"number\":\"\(version)\"}}")]) == nil)
    }

    @Test func aKeyThatMayNotCreateDocumentsIsNamed() throws {
        let found = try finding([
            "/_security/user/_has_privileges": (200, Self.rights(create: false, configure: true))
        ])
        #expect(found?.code == .authorization)
        #expect(found?.sentence.contains("create_doc on logs-oauth.audit-default") == true)
    }

    @Test func aDataStreamThatIsMissingIsNamedOnlyWhenNobodyWillCreateIt() throws {
        let missing: Answers = [
            "/_data_stream/logs-oauth.audit-default": (404, Self.noSuchIndex),
            "/logs-oauth.audit-default/_alias": (404, Self.noSuchIndex),
        ]
        let rights = "/_security/user/_has_privileges"
        let settings = "/_cluster/settings"
        func found(_ more: Answers) throws -> DeliveryError? {
            try finding(missing.merging(more) { $1 })
        }
        #expect(try found([:]) == nil)
        #expect(try found([rights: (200, Self.rights(create: true, configure: true))]) == nil)
        let refused = try found([rights: (200, Self.rights(create: true, configure: false))])
        #expect(refused?.sentence.contains("grant auto_configure") == true)
        func setting(_ layer: String, _ value: String) -> Answers {
            [settings: (200, "{\"\(layer)\":{\"action.auto_create_index\":\"\(value)\"}}")]
        }
        let off = try found(setting("persistent", "false"))
        #expect(off?.sentence.contains("action.auto_create_index is false") == true)
        #expect(try found(setting("defaults", "true")) == nil)
        #expect(try found(setting("defaults", "+logs-*")) == nil)
        // An index or alias of that name will do.
        let index: Answers = ["/logs-oauth.audit-default/_alias": (200, "{}")]
        #expect(try found(index.merging(setting("persistent", "false")) { $1 }) == nil)
    }

    @Test func everyEndpointIsAsked() throws {
        let good = try server(Self.cluster)
        defer { good.stop() }
        let bad = try server(["/": (200, Self.page), "/_bulk": (200, Self.page)])
        defer { bad.stop() }
        #expect(try finding([good.endpoint, good.endpoint]) == nil)
        #expect(try finding([good.endpoint, bad.endpoint])?.code == .place)
        #expect(try finding([bad.endpoint, good.endpoint])?.code == .place)
    }
}
