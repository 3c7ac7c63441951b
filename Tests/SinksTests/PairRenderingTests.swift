// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

/// The exact bytes of CEF and LEEF.
@Suite struct PairRenderingTests {
    private func render(
        _ format: SinkFormat, _ body: String, delimiter: UInt8 = 9,
        severity: Severity = .info
    ) -> String? {
        var rendering = EventRendering(format, delimiter: delimiter)
        var batch = Samples.batch([body])
        batch.events[0].severity = severity
        var output = ByteWriter()
        guard rendering.append(batch, event: 0, to: &output) else { return nil }
        return output.makeString()
    }

    /// A body whose actor, agent and source hold these raw JSON strings.
    private func body(name: String = "alice", agent: String = "curl", ip: String = "192.0.2.7")
        -> String
    {
        "{\"action\":\"LoginFailed\",\"actor\":{\"id\":\"u-1\",\"name\":\"\(name)\","
            + "\"type\":\"user\"},\"error\":{\"code\":\"invalid_user_credentials\","
            + "\"reason\":\"bad=password\"},\"id\":\"\(Samples.id(1))\","
            + "\"observed\":\"2026-11-21T11:02:07.391552Z\",\"outcome\":\"failure\","
            + "\"provider\":{\"event\":\"LOGIN_ERROR\",\"host\":\"idp1.example.com\","
            + "\"product\":\"keycloak\",\"tenant\":\"main\",\"vendor\":\"Keycloak\"},"
            + "\"schema\":\"1.0\",\"scope\":{\"requested\":[\"email\",\"open\\\"id\"]},"
            + "\"severity\":\"low\",\"source\":{\"ip\":\"\(ip)\",\"port\":4711,"
            + "\"user_agent\":\"\(agent)\"},\"time\":\"2026-11-21T11:02:07.118999Z\"}"
    }

    private func proof(_ text: String, _ key: String, _ end: String) -> String {
        let start = text.firstRange(of: key)?.upperBound ?? text.startIndex
        let rest = text[start...]
        return String(rest[..<(rest.firstRange(of: end)?.lowerBound ?? rest.endIndex)])
    }

    @Test func anEventInCEF() throws {
        let text = try #require(render(.cef, body(), severity: .low))
        let proof = proof(text, "cs6=", " cs6Label")
        #expect(proof.hasPrefix("1.0.1.329fd991."))
        #expect(
            text == "CEF:0|Sealtail|sealtail|\(sealtailVersion)|LoginFailed|LoginFailed|3|"
                + "rt=1795258927118 externalId=\(Samples.id(1)) outcome=failure cat=LOGIN_ERROR "
                + "destinationServiceName=keycloak dvchost=idp1.example.com "
                + "deviceExternalId=\(Samples.stream) suid=u-1 suser=alice src=192.0.2.7 spt=4711 "
                + "requestClientApplication=curl reason=invalid_user_credentials "
                + "msg=bad\\=password cs1=main cs1Label=tenant cs4=email open\"id "
                + "cs4Label=scope requested cs6=\(proof) cs6Label=proof cn1=0 cn1Label=seq "
                + "deviceCustomDate1=1795258927391 deviceCustomDate1Label=observed\n")
    }

    @Test func anEventInLEEF() throws {
        let text = try #require(render(.leef, body(), severity: .low))
        let proof = proof(text, "\tproof=", "\n")
        let pairs = [
            "cat=authentication", "devTime=1795258927118", "sev=3", "usrName=alice",
            "src=192.0.2.7", "srcPort=4711", "realm=main", "eventId=\(Samples.id(1))",
            "outcome=failure", "observed=1795258927391", "provider=keycloak",
            "providerHost=idp1.example.com", "providerEvent=LOGIN_ERROR", "actorId=u-1",
            "scopeRequested=email open\"id", "errorCode=invalid_user_credentials",
            "reason=bad=password", "userAgent=curl", "stream=\(Samples.stream)", "seq=0",
            "proof=\(proof)",
        ]
        let head = "LEEF:2.0|Sealtail|sealtail|\(sealtailVersion)|LoginFailed|x09|"
        #expect(text == head + pairs.joined(separator: "\t") + "\n")
        let caret = try #require(render(.leef, body(), delimiter: 0x5E, severity: .low))
        #expect(
            caret == head.replacing("x09", with: "x5e") + pairs.joined(separator: "^") + "\n")
    }

    @Test(arguments: [
        ("a|b", "a|b", "a|b"),
        ("a=b", "a\\=b", "a=b"),
        ("a\\\\b", "a\\\\b", "a\\b"),
        ("a\\\"b", "a\"b", "a\"b"),
        ("a\\nb\\r\\nc", "a\\nb\\r\\nc", "a b  c"),
        ("a\\tb\\u0000c\\u007f", "a b c ", "a b c "),
        ("x cs6=forged", "x cs6\\=forged", "x cs6=forged"),
        ("x\\tproof=forged", "x proof\\=forged", "x proof=forged"),
        ("\\ud83d\\ude00é\\ud800", "😀é\u{FFFD}", "😀é\u{FFFD}"),
    ])
    func hostileValuesStayInTheirPlace(raw: String, cef: String, leef: String) throws {
        let inCEF = try #require(render(.cef, body(name: raw)))
        #expect(inCEF.contains(" suser=\(cef) src="))
        let inLEEF = try #require(render(.leef, body(name: raw)))
        #expect(inLEEF.contains("\tusrName=\(leef)\tsrc="))
        for text in [inCEF, inLEEF] {
            #expect(text.utf8.filter { $0 < 0x20 && $0 != 9 } == [10])
        }
        let count = render(.leef, body())?.split(separator: "\t").count
        #expect(inLEEF.split(separator: "\t").count == count)
    }

    @Test func longValuesAreCutBetweenTwoCharacters() throws {
        let agent = "a" + String(repeating: "é", count: 4096)
        let text = try #require(render(.cef, body(agent: agent)))
        // 1 + 2 × 511 = 1023 bytes.
        let cut = "a" + String(repeating: "é", count: 511)
        #expect(text.contains(" requestClientApplication=\(cut) reason="))
        let wide = try #require(render(.cef, body(agent: "ab" + agent)))
        #expect(wide.contains("=aba" + String(repeating: "é", count: 510) + " reason="))
    }

    @Test func anAddressStandsWhereItsVersionBelongs() throws {
        let six = try #require(render(.cef, body(ip: "2001:db8::1")))
        #expect(six.contains(" c6a2=2001:db8::1 c6a2Label=Source IPv6 Address "))
        #expect(!six.contains(" src="))
        let leef = try #require(render(.leef, body(ip: "2001:db8::1")))
        #expect(leef.contains("\tsrc=2001:db8::1\t"))
        // A pseudonym is no address.
        let hidden = try #require(render(.cef, body(ip: "h1:AAAAAAAAAAAAAAAAAAAAAA")))
        #expect(!hidden.contains(" src=") && !hidden.contains("c6a2="))
    }

    @Test func severitiesAreCountedToTen() throws {
        for (severity, number) in zip(Severity.allCases, [1, 3, 5, 8, 10]) {
            let cef = try #require(render(.cef, body(), severity: severity))
            #expect(cef.contains("|LoginFailed|\(number)|rt="))
            let leef = try #require(render(.leef, body(), severity: severity))
            #expect(leef.contains("\tsev=\(number)\t"))
        }
    }

    @Test(arguments: [SinkFormat.cef, .leef])
    func whatIsNoBodyOfOursIsNotWritten(format: SinkFormat) {
        for body in ["", "{}", "{\"action\":", "{\"id\":\"1\"}"] {
            #expect(render(format, body) == nil)
        }
    }

    @Test func noKeyComesTwiceAndRowsOfOneKeyAreNeighbours() {
        for rows in [CEFMapping.rows, LEEFMapping.rows] {
            var keys = rows.map { String(describing: $0.key) }
            #expect(keys.allSatisfy { $0.utf8.allSatisfy { $0 > 0x2F && $0 < 0x7B } })
            keys = keys.enumerated().filter { $0 == 0 || keys[$0 - 1] != $1 }.map(\.1)
            #expect(Set(keys).count == keys.count)
        }
    }

    @Test func theTableOfAllModelsNamesTheSameKeys() {
        // What is no row of CEF: the header, and an address where it is one of version 6.
        let others: Set<String> = ["name", "severity", "c6a2"]
        var rendered: [String: Set<Field>] = [:]
        for row in CEFMapping.rows {
            switch row.source {
            case .field(let field), .milliseconds(let field), .version4(let field),
                .version6(let field):
                rendered[String(describing: row.key), default: []].insert(field)
            case .category, .severity, .stream, .sequence, .proof: continue
            }
        }
        var documented: [String: Set<Field>] = [:]
        for row in FieldMapping.table {
            if let key = row.cef { documented[key, default: []].insert(row.field) }
        }
        for key in Set(rendered.keys).union(documented.keys).subtracting(others) {
            #expect(rendered[key] == documented[key], "\(key)")
        }
    }

    @Test func theTableNamesMomentsAsTheyAre() {
        #expect(PairRendering.milliseconds(Array("1970-01-01T00:00:00.000999Z".utf8)) == [0x30])
        #expect(PairRendering.milliseconds(Array("yesterday".utf8)) == [])
    }
}
