// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

@Suite struct OCSFRenderingTests {
    private func document(_ body: String) throws -> JSONDocument {
        var rendering = DocumentRendering.ocsf()
        var output = ByteWriter()
        try #require(rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output))
        return try JSONDocument(reading: output.makeArray())
    }

    /// An event with these groups, as text, beside what every event has.
    private func event(
        _ action: Action, outcome: String = "success", _ groups: [String: String] = [:]
    ) -> String {
        var members = [
            "action": "\"\(action.name)\"", "id": "\"\(Samples.id(1))\"",
            "observed": "\"2026-11-21T11:02:07.391552Z\"", "outcome": "\"\(outcome)\"",
            "provider": "{\"product\":\"keycloak\",\"vendor\":\"Keycloak\"}", "schema": "\"1.0\"",
            "severity": "\"medium\"", "time": "\"2026-11-21T11:02:07.118999Z\"",
        ]
        members.merge(groups) { $1 }
        return "{"
            + members.keys.sorted().map { "\"\($0)\":\(members[$0] ?? "")" }
            .joined(separator: ",") + "}"
    }

    private static let actor = "{\"id\":\"u-1\",\"name\":\"ada\",\"type\":\"user\"}"

    @Test func aLoginIsExactlyThis() throws {
        let body = event(
            .loginFailed, outcome: "denied",
            [
                "actor": "{\"email\":\"ada@example.com\",\"id\":\"u-1\",\"type\":\"admin\"}",
                "auth": "{\"methods\":[\"otp\",\"pwd\"]}", "client": "{\"id\":\"shop\"}",
                "error": "{\"code\":\"user_locked\",\"reason\":\"a \\\"b\\\"\"}",
                "labels": "{\"k\":\"v \\\"w\\\"\",\"site\":\"fra1\"}",
                "session": "{\"end\":\"policy\",\"id\":\"h1:s\"}",
            ])
        var escaped = ByteWriter()
        escaped.append(escaped: Array(body.utf8).span)
        let wanted = """
            {"category_uid":3,"class_uid":3002,"activity_id":1,"type_uid":300201,"severity_id":3,\
            "severity":"Medium","time":1795258927118,"time_dt":"2026-11-21T11:02:07.118999Z",\
            "timezone_offset":0,"status_id":2,"status":"Failure","status_code":"user_locked",\
            "status_detail":"a \\"b\\"","metadata":{"version":"1.8.0",\
            "uid":"\(Samples.id(1))","product":{"name":"keycloak","vendor_name":"Keycloak"},\
            "processed_time":1795258927391,"labels":["k:v \\"w\\"","site:fra1"],\
            "profiles":["datetime"]},"src_endpoint":{"svc_name":"shop"},\
            "actor":{"idp":{"name":"keycloak"},"user":{"type_id":2,"type":"Admin","uid":"u-1",\
            "email_addr":"ada@example.com"},"app_uid":"shop","session":{"uid":"h1:s"}},\
            "user":{"type_id":2,"type":"Admin","uid":"u-1","email_addr":"ada@example.com"},\
            "auth_protocol_id":4,"auth_protocol":"OpenID","service":{"uid":"shop"},\
            "session":{"uid":"h1:s","expiration_reason":"policy"},\
            "auth_factors":[{"factor_type_id":7,"factor_type":"OTP"},\
            {"factor_type_id":11,"factor_type":"Password"}],"is_mfa":true,"is_remote":true,\
            "unmapped":{"action":"LoginFailed","auth":{"methods":["otp","pwd"]},"mapping":"1",\
            "signed_event":"\(escaped.makeString())"}}
            """
        var rendering = DocumentRendering.ocsf()
        var output = ByteWriter()
        #expect(rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output))
        #expect(output.makeString() == wanted)
    }

    /// The published documents of the first stream, which were made by other means.
    @Test func theDocumentsOfTheFixturesAreMadeAgain() throws {
        let path = FileSystem.folder(of: FileSystem.folder(of: FileSystem.folder(of: #filePath)))
        for (name, comparer) in [
            ("ecs", DocumentComparer.ecs()), ("ocsf", DocumentComparer.ocsf()),
        ] {
            let file = path + "/Tests/Fixtures/seal/stream-a-\(name).ndjson"
            let lines = try FileSystem.read(file, byteLimit: 1 << 20).split(separator: 0x0A)
            #expect(lines.count == 7)
            for line in lines {
                let document = try JSONDocument(reading: Array(line))
                let carrier = name == "ecs" ? "event.original" : "unmapped.signed_event"
                let signed = try #require(document.value(at: carrier)?.string)
                let found = comparer.compare(
                    document: Array(line).span, signedBytes: Array(signed.utf8).span)
                #expect(found == .compared([]))
            }
        }
    }

    @Test(arguments: Action.allCases)
    func whatAClassRequiresIsThereOfTheEmptiestEvent(action: Action) throws {
        let document = try document(event(action, outcome: "\(action.entry.outcomes[0].word)"))
        let entry = action.entry
        let number = Int64(entry.ocsfClass.rawValue)
        #expect(document["class_uid"]?.integer == number)
        #expect(document["category_uid"]?.integer == number / 1000)
        #expect(document["type_uid"]?.integer == number * 100 + Int64(entry.ocsfActivity))
        let other = document["activity_name"]?.string
        #expect(other == (entry.ocsfActivity == 99 ? action.name : nil))
        for path in [
            "severity_id", "time", "metadata.version", "metadata.product.name",
            "src_endpoint.svc_name", "actor.user.name", "unmapped.signed_event",
        ] {
            #expect(document.value(at: path) != nil, "\(path)")
        }
        let required: [String] =
            switch entry.ocsfClass {
            case .accountChange: ["user.name"]
            case .authentication: ["user.name", "service.name"]
            case .entityManagement: ["entity.name"]
            case .userAccess: ["user.name", "privileges"]
            case .groupManagement: ["group.name"]
            case .apiActivity: ["api.operation"]
            }
        for path in required { #expect(document.value(at: path) != nil, "\(path)") }
    }

    @Test(arguments: [
        ("{\"id\":\"u-2\",\"type\":\"user\"}", "user", "user.uid", "u-2"),
        ("{\"id\":\"u-2\",\"type\":\"session\"}", "user", "user.uid", "u-1"),
        ("{\"email\":\"bo@example.com\",\"type\":\"user\"}", "user", "user.name", "bo@example.com"),
        ("{\"id\":\"x\",\"type\":\"token\"}", "admin", "user.name", "unknown"),
        ("{\"id\":\"x\",\"type\":\"token\"}", "admin", "unmapped.target.id", "x"),
    ])
    func anAccountChangeIsAboutTheTargetElseAboutWhoeverDidIt(
        target: String, actor: String, path: String, wanted: String
    ) throws {
        let actor = Self.actor.replacingFirst("\"user\"", "\"\(actor)\"")
        let document = try document(event(.userUpdated, ["actor": actor, "target": target]))
        #expect(document.value(at: path)?.string == wanted)
    }

    @Test func aFingerprintIsNoAddress() throws {
        let actor = "{\"email\":\"h1:AAAAAAAAAAAAAAAAAAAAAA\",\"id\":\"u-1\",\"type\":\"user\"}"
        let document = try document(event(.loginSucceeded, ["actor": actor]))
        #expect(document.value(at: "user.email_addr") == nil)
        #expect(document.value(at: "unmapped.actor.email")?.string?.hasPrefix("h1:") == true)
    }

    @Test(arguments: [
        (Action.roleGranted, ["change": "{\"added\":[\"a\",\"b\"]}"], ["a", "b"]),
        (.roleRevoked, ["change": "{\"removed\":[\"a\"]}"], ["a"]),
        (
            .roleGranted, ["target": "{\"id\":\"r-1\",\"name\":\"owner\",\"type\":\"role\"}"],
            ["owner"]
        ),
        (.roleGranted, ["target": "{\"id\":\"r-1\",\"type\":\"role\"}"], ["r-1"]),
        (.consentGranted, ["scope": "{\"granted\":[\"x\"],\"requested\":[\"y\"]}"], ["x"]),
        (.consentDenied, ["scope": "{\"requested\":[\"y\"]}"], ["y"]),
        (.consentRevoked, [:], ["unknown"]),
    ])
    func privilegesStandWhereTheActionPutsThem(
        action: Action, groups: [String: String], wanted: [String]
    ) throws {
        let document = try document(event(action, groups))
        #expect(document["privileges"]?.array?.map(\.string) == wanted)
    }

    @Test func aRoleIsNeverGivenToTheGiver() throws {
        let groups = ["actor": Self.actor, "target": "{\"id\":\"g-1\",\"type\":\"group\"}"]
        let granted = try document(event(.roleGranted, groups))
        #expect(granted.value(at: "user.uid")?.string == "g-1")
        #expect(granted.value(at: "user.type_id")?.integer == 99)
        let alone = try document(event(.roleGranted, ["actor": Self.actor]))
        #expect(alone.value(at: "user.name")?.string == "unknown")
    }

    @Test func aMemberAndAGroupAreFoundWhicheverIsTheTarget() throws {
        let change = "{\"added\":[\"m-1\",\"m-2\"]}"
        let group = try document(
            event(
                .groupMemberAdded,
                ["change": change, "target": "{\"id\":\"g-1\",\"type\":\"group\"}"]))
        #expect(group.value(at: "group.uid")?.string == "g-1")
        #expect(group.value(at: "user.uid")?.string == "m-1")
        let user = try document(
            event(
                .groupMemberAdded,
                ["change": change, "target": "{\"id\":\"u-1\",\"type\":\"user\"}"]))
        #expect(user.value(at: "group.name")?.string == "m-1")
        #expect(user.value(at: "user.uid")?.string == "u-1")
    }

    @Test(arguments: [
        (Action.clientAuthenticationFailed, [:], 6 as Int64), (.loginSucceeded, [:], 4),
        (.loginSucceeded, ["scope": "{\"granted\":[\"openid\",\"profile\"]}"], 4),
        (.loginSucceeded, ["scope": "{\"requested\":[\"profile\"]}"], 6),
    ])
    func theProtocolIsDecidedByTheEvent(
        action: Action, groups: [String: String], wanted: Int64
    ) throws {
        #expect(try document(event(action, groups))["auth_protocol_id"]?.integer == wanted)
    }

    @Test(arguments: [
        (Action.loginSucceeded, "[\"pwd\"]" as String?, false as Bool?),
        (.loginSucceeded, "[\"face\",\"fpt\"]", false),
        (.loginSucceeded, "[\"mfa\",\"pwd\"]", true),
        (.loginSucceeded, "[\"hwk\",\"pwd\"]", true), (.loginSucceeded, "[\"geo\",\"user\"]", nil),
        (.loginSucceeded, "[\"pin\",\"pop\"]", true), (.mfaSucceeded, "[\"otp\"]", true),
        (.mfaChallenged, nil, true), (.loginSucceeded, nil, nil),
    ])
    func severalFactorsAreTold(action: Action, methods: String?, wanted: Bool?) throws {
        let groups = methods.map { ["auth": "{\"methods\":\($0)}"] } ?? [:]
        let document = try document(event(action, groups))
        #expect(document["is_mfa"]?.bool == wanted)
        #expect(document["auth_factors"]?.array?.isEmpty != true)
    }

    @Test(arguments: ["2026-11-21", "2026-13-21T11:02:07.118999Z", "2026-11-21T11:02:07.11899xZ"])
    func aMomentOfAnotherFormIsRefused(time: String) {
        var rendering = DocumentRendering.ocsf()
        var output = ByteWriter()
        let body = event(.loginSucceeded, ["time": "\"\(time)\""])
        #expect(!rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output))
        #expect(output.count == 0)
    }

    @Test func momentsBefore1970AreCutDownwards() throws {
        let body = event(.loginSucceeded, ["time": "\"1969-12-31T23:59:59.999999Z\""])
        #expect(try document(body)["time"]?.integer == -1)
    }
}
