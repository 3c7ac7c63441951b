// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

@Suite struct ECSRenderingTests {
    private static let login = """
        {"action":"LoginFailed","actor":{"id":"h1:AAAAAAAAAAAAAAAAAAAAAA","name":"zoë","type":"user"},\
        "auth":{"methods":["otp","pwd"]},"client":{"id":"shop"},\
        "error":{"code":"invalid_user_credentials","reason":"a \\"b\\" \\\\ c"},\
        "id":"0123456789abcdef0123456789abcdef","labels":{"site":"fra1"},\
        "observed":"2026-11-21T11:02:07.391552Z","outcome":"denied",\
        "provider":{"event":"LOGIN_ERROR","host":"idp1.example.com","product":"keycloak",\
        "tenant":"payments","vendor":"Keycloak"},"request":{"endpoint":"login","status":401},\
        "schema":"1.0","severity":"low","source":{"asn":64500,"country":"SE","ip":"203.0.113.24"},\
        "target":{"id":"u-2","name":"bob","type":"user"},"time":"2026-11-21T11:02:07.118000Z"}
        """

    private static let document = """
        {"ecs":{"version":"9.4.0"},"@timestamp":"2026-11-21T11:02:07.118000Z",\
        "event":{"created":"2026-11-21T11:02:07.391552Z","id":"0123456789abcdef0123456789abcdef",\
        "kind":"event","category":["authentication"],"type":["start"],"action":"LoginFailed",\
        "outcome":"failure","severity":2,"code":"LOGIN_ERROR","provider":"keycloak",\
        "reason":"a \\"b\\" \\\\ c","module":"oauth","dataset":"oauth.audit","original":"ORIGINAL",\
        "hash":"LEAF","sequence":41},"error":{"code":"invalid_user_credentials"},\
        "data_stream":{"type":"logs","dataset":"oauth.audit","namespace":"prod"},\
        "observer":{"vendor":"Keycloak","product":"keycloak","hostname":"idp1.example.com",\
        "type":"idp"},"organization":{"id":"payments"},"service":{"id":"shop"},\
        "user":{"id":"h1:AAAAAAAAAAAAAAAAAAAAAA","name":"zoë",\
        "hash":"h1:AAAAAAAAAAAAAAAAAAAAAA","target":{"id":"u-2","name":"bob"}},\
        "source":{"ip":"203.0.113.24","geo":{"country_iso_code":"SE"},"as":{"number":64500}},\
        "http":{"response":{"status_code":401}},\
        "related":{"user":["bob","h1:AAAAAAAAAAAAAAAAAAAAAA","u-2","zoë"],"ip":["203.0.113.24"]},\
        "labels":{"site":"fra1"},"oauth":{"auth":{"methods":["otp","pwd"]},"endpoint":"login",\
        "actor_type":"user","outcome":"denied","mapping":"1"},"tags":["preserve_original_event"],\
        "integrity":INTEGRITY}
        """

    /// The event at index 1 of a batch of three, and its parts by other means than the rendering.
    private func sealed() -> (batch: SealedBatch, leaf: String, integrity: String) {
        let batch = Samples.batch([Samples.plain(0), Self.login, Samples.plain(2)], first: 40)
        var writer = IntegrityWriter()
        var output = ByteWriter()
        writer.append(batch, event: 1, to: &output)
        return (batch, batch.events[1].leaf.hex(), output.makeString())
    }

    @Test func aDocumentIsExactlyThis() {
        let (batch, leaf, integrity) = sealed()
        var rendering = DocumentRendering.ecs(dataStream: "logs-oauth.audit-prod")
        var output = ByteWriter()
        #expect(rendering.append(batch, event: 1, to: &output))
        var escaped = ByteWriter()
        escaped.append(escaped: Array(Self.login.utf8).span)
        var expected = Self.document.replacingFirst("ORIGINAL", escaped.makeString())
        expected = expected.replacingFirst("LEAF", leaf)
        expected = expected.replacingFirst("INTEGRITY", integrity)
        #expect(output.makeString() == expected)
    }

    @Test func theCanonicalLineIsTheBodyWithTheIntegrityInsideAtItsEnd() {
        let (batch, _, integrity) = sealed()
        var rendering = CanonicalRendering()
        var output = ByteWriter()
        #expect(rendering.append(batch, event: 1, to: &output))
        #expect(
            output.makeString() == Self.login.dropLast() + ",\"integrity\":" + integrity + "}\n")
    }

    @Test func aDataStreamOfAnotherFormIsNotNamed() throws {
        let (batch, _, _) = sealed()
        var rendering = DocumentRendering.ecs(dataStream: "audit")
        var output = ByteWriter()
        #expect(rendering.append(batch, event: 1, to: &output))
        let document = try JSONDocument(reading: output.makeArray())
        #expect(document["data_stream"] == nil)
        #expect(document["observer"]?["vendor"]?.string == "Keycloak")
    }

    @Test func everyNameIsRelatedOnceAndInOrder() throws {
        let body = Samples.plain(1).replacingFirst(
            "\"time\"", "\"target\":{\"id\":\"alice2\",\"name\":\"alice\"},\"time\"")
        var rendering = DocumentRendering.ecs()
        var output = ByteWriter()
        #expect(rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output))
        let document = try JSONDocument(reading: output.makeArray())
        let names = document["related"]?["user"]?.array?.map(\.string)
        #expect(names == ["alice", "alice2", "u-1"])
    }

    @Test(arguments: [
        ("user", "user"), ("group", "admin"), ("client", "client"), ("role", "unknown"),
        ("agent", "system"),
    ])
    func everyFieldStandsWhereTheTableSays(target: String, actor: String) throws {
        let bytes = Array(Samples.full(target: target, actor: actor).utf8)
        let body = try JSONDocument(reading: bytes)
        var rendering = DocumentRendering.ecs()
        var output = ByteWriter()
        #expect(rendering.append(body: bytes.span, leaf: .zero, to: &output))
        let document = try JSONDocument(reading: output.makeArray())
        var copiedCount = 0
        for row in FieldMapping.table {
            for member in row.ecs {
                guard case .copy = member.form else { continue }
                let path = member.path
                let isWanted =
                    path.hasPrefix("user.target.")
                    ? target == "user"
                    : path.hasPrefix("user.")
                        ? actor != "system"
                        : path.hasPrefix("group.")
                            ? target == "group"
                            : !path.hasPrefix("oauth.target.") || target == "client"
                                || target == "role"
                let wanted = isWanted ? body.value(at: row.field.path) : nil
                #expect(document.value(at: path) == wanted, "\(path)")
                copiedCount += isWanted ? 1 : 0
            }
        }
        #expect(copiedCount > 50)
        #expect(document["event"]?["severity"]?.integer == 5)
        #expect(document["event"]?["original"]?.string == String(decoding: bytes, as: UTF8.self))
        #expect(document["event"]?["sequence"] == nil)
        #expect(document["integrity"] == nil)
    }

    @Test func anUnknownMemberOfALaterSchemaIsLeftOutAndTheRestMapped() throws {
        let body: String =
            Self.login.dropLast() + ",\"zebra\":{\"new\":[\"x\"],\"other\":{\"deep\":1}}}"
        var rendering = DocumentRendering.ecs()
        var output = ByteWriter()
        #expect(!rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output))
        let flat: String = Self.login.dropLast() + ",\"zebra\":{\"new\":[\"x\"],\"other\":1}}"
        #expect(rendering.append(body: Array(flat.utf8).span, leaf: .zero, to: &output))
        let document = try JSONDocument(reading: output.makeArray())
        #expect(document["event"]?["original"]?.string == flat)
        #expect(document["zebra"] == nil)
    }

    @Test(arguments: [
        "", "{", "{}", "[]", "null", "{\"action\":\"LoginFailed\"}", "{\"action\" :\"x\"}",
        "{\"actor\":{\"type\":\"user\"},\"action\":\"LoginFailed\"}",
    ])
    func whatIsNoBodyOfOursIsRefused(text: String) {
        var rendering = DocumentRendering.ecs()
        var output = ByteWriter()
        output.append("before")
        #expect(!rendering.append(body: Array(text.utf8).span, leaf: .zero, to: &output))
        #expect(output.makeString() == "before")
    }

    @Test(arguments: [
        (
            "\"host\":\"idp1.example.com\",\"product\":\"keycloak\"",
            "\"product\":\"keycloak\",\"host\":\"idp1.example.com\""
        ),
        ("\"schema\":\"1.0\",\"severity\":\"info\"", "\"severity\":\"info\",\"schema\":\"1.0\""),
        ("\"schema\":\"1.0\"", "\"schema\":\"1.0\",\"schema\":\"1.0\""),
        ("\"name\":\"alice\"", "\"name\":\"alice\",\"name\":\"mallory\""),
        ("\"name\":\"alice\"", "\"name\" :\"alice\""),
        ("\"name\":\"alice\"", "\"name\":[]"), ("\"name\":\"alice\"", "\"name\":007"),
        ("\"name\":\"alice\"", "\"name\":null"), ("\"name\":\"alice\"", "\"name\":1.5"),
    ])
    func whatIsNotInTheFormOfRFC8785IsRefused(from: String, to: String) {
        var rendering = DocumentRendering.ecs()
        var output = ByteWriter()
        let plain = Samples.plain(1)
        #expect(rendering.append(body: Array(plain.utf8).span, leaf: .zero, to: &output))
        output.removeAll()
        let changed = plain.replacingFirst(from, to)
        #expect(changed != plain)
        #expect(!rendering.append(body: Array(changed.utf8).span, leaf: .zero, to: &output))
        #expect(output.count == 0)
    }

    @Test func aBodyCutOrChangedAnywhereNeverMakesADocumentThatIsNoJSON() throws {
        let whole = Array(Self.login.utf8)
        var rendering = DocumentRendering.ecs()
        var output = ByteWriter()
        for end in 0..<whole.count {
            output.removeAll()
            let cut = Array(whole[..<end])
            #expect(!rendering.append(body: cut.span, leaf: .zero, to: &output))
        }
        let bytes = Array("\n\",\\]}0".utf8)
        var renderedCount = 0
        for at in whole.indices {
            for byte in bytes {
                var changed = whole
                changed[at] = byte
                output.removeAll()
                guard rendering.append(body: changed.span, leaf: .zero, to: &output) else {
                    #expect(output.count == 0)
                    continue
                }
                // A change in the middle of an encoded letter is not seen, and need not be: the
                // encoder writes well-formed UTF-8 only.
                guard UTF8Repair.isValid(changed.span) else { continue }
                renderedCount += 1
                let document = try JSONDocument(reading: output.makeArray())
                #expect(
                    document["event"]?["original"]?.string
                        == String(decoding: changed, as: UTF8.self))
                #expect(!output.makeArray().contains(10))
            }
        }
        #expect(renderedCount > 100)
    }
}
