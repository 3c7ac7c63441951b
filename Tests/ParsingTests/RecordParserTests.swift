// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

struct RecordParserTests {
    private let head =
        #"type="LOGIN_ERROR", realmId="r", realmName="customers", clientId="webshop", "#
        + #"userId="null", ipAddress="203.0.113.9", error="invalid_user_credentials", "#

    private func text(_ message: String) -> String {
        "2026-11-20 08:00:00,004 WARN  [org.keycloak.events] (executor-thread-1) " + message
    }

    private func json(_ message: String) -> String {
        var writer = ByteWriter()
        writer.append(#"{"timestamp":"2026-11-20T08:00:00.004615077Z","loggerName":"#)
        writer.append(#""org.keycloak.events","level":"WARN","message":"#)
        writer.append(jsonString: message)
        writer.append("}")
        return writer.makeString()
    }

    @Test func escapedQuotesForgeNoField() throws {
        let message = head + #"username="evil\", userId=\"root\", ipAddress=\"127.0.0.1""#
        for record in [json(message), text(message)] {
            let events = try Shipped.parse("keycloak", record)
            let fields = events.fields()
            #expect(fields["actor.name"] == #"evil", userId="root", ipAddress="127.0.0.1"#)
            #expect(fields["actor.id"] == nil)
            #expect(fields["source.ip"] == "203.0.113.9")
            #expect(events.damageLabel == "suspected_injection")
            #expect(events.tally.damaged == ["suspected_injection": 1])
        }
    }

    @Test func theFirstOfTwoCountsWhereNothingIsQuoted() throws {
        let events = try Shipped.parse(
            "keycloak",
            text(
                "type=LOGIN_ERROR, realmId=r, userId=null, ipAddress=192.0.2.1, "
                    + "error=user_not_found, username=x, type=LOGIN, userId=root"))
        #expect(events.events[0].action == .loginFailed)
        #expect(events.fields()["actor.id"] == nil)
        #expect(events.damageLabel == "duplicate_key,suspected_injection")
    }

    @Test func illFormedUTF8BecomesReplacementCharacters() throws {
        let parts = text(head + #"username="bad@@""#).split(separator: "@@")
        for prefix in [text(""), json("")] where prefix.isEmpty { Issue.record("empty") }
        let record = Array(parts[0].utf8) + [0xFF, 0xE6, 0x97] + Array(parts[1].utf8)
        var parser = RecordParser(
            program: try Shipped.program("keycloak"), context: Shipped.context())
        let events = parser.parse(Shipped.batch([record]))
        #expect(events.fields()["actor.name"] == "bad\u{FFFD}\u{FFFD}")
        #expect(events.damageLabel == "invalid_utf8")

        let whole = json(head + #"username="bad@@""#).split(separator: "@@")
        let broken = Array(whole[0].utf8) + [0xFF, 0xE6, 0x97] + Array(whole[1].utf8)
        let second = parser.parse(Shipped.batch([broken]))
        #expect(second.fields()["actor.name"] == "bad\u{FFFD}\u{FFFD}")
        #expect(second.damageLabel == "invalid_utf8,repaired_json")
    }

    @Test func aZeroByteStaysInItsValue() throws {
        let events = try Shipped.parse("keycloak", json(head + "username=\"nul\u{0}tab\t\""))
        #expect(events.fields()["actor.name"] == "nul\u{0}tab\t")
    }

    @Test func halfASurrogatePairIsReplaced() throws {
        let record = json(head + #"username="half@@""#).replacing("@@", with: #"\ud800"#)
        let events = try Shipped.parse("keycloak", record)
        #expect(events.fields()["actor.name"] == "half\u{FFFD}")
        #expect(events.damageLabel == "repaired_json")
    }

    @Test func aNumberBeyondSixtyFourBitsCostsNothing() throws {
        let record = json(head + #"username="big""#).dropLast() + #","n":18446744073709551616}"#
        let events = try Shipped.parse("keycloak", String(record))
        #expect(events.fields()["actor.name"] == "big")
    }

    @Test func deepNestingBehindTheMessageCostsNothing() throws {
        let nest = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        let record = json(head + #"username="deep""#).dropLast() + ",\"x\":\(nest)}"
        let events = try Shipped.parse("keycloak", String(record))
        #expect(events.fields()["actor.name"] == "deep")
        #expect(events.tally.damaged["repaired_json"] == 1)
    }

    @Test func aMemberThatComesTwiceIsFlagged() throws {
        let record =
            json(head + #"username="one""#).dropLast()
            + #","message":"type=\"LOGIN\", userId=\"root\""}"#
        let events = try Shipped.parse("keycloak", String(record))
        #expect(events.events[0].action == .loginFailed)
        #expect(events.damageLabel == "duplicate_key")
    }

    @Test func everyCutOfARecordHasAFate() throws {
        let whole = Array(json(head + #"username="cut", code_id="abc""#).utf8)
        var parser = RecordParser(
            program: try Shipped.program("keycloak"), context: Shipped.context())
        for count in 1..<whole.count {
            let events = parser.parse(Shipped.batch([Array(whole.prefix(count))]))
            let ignored = events.tally.ignored.values.reduce(0, +)
            #expect(events.tally.parsed + ignored == 1)
            let name = events.fields()["actor.name"]
            #expect(name == nil || name == "cut", "half a value at \(count)")
            let address = events.fields()["source.ip"]
            #expect(address == nil || address == "203.0.113.9", "half an address at \(count)")
        }
    }

    @Test func localTimesFollowTheRulesOfTheirZone() throws {
        let berlin = try Zone(named: "Europe/Berlin")
        let winter = text(head)
        let summer = winter.replacing("2026-11-20", with: "2026-07-20")
        let context = Shipped.context(zone: berlin)
        #expect(
            try Shipped.parse("keycloak", winter, context).fields()["time"]
                == "2026-11-20T07:00:00.004000Z")
        #expect(
            try Shipped.parse("keycloak", summer, context).fields()["time"]
                == "2026-07-20T06:00:00.004000Z")
    }

    @Test func anAbsurdTimeIsTheTimeOfReading() throws {
        for time in ["1969-12-31", "2626-01-01", "2026-13-01", "2026-02-30"] {
            let events = try Shipped.parse(
                "keycloak", text(head).replacing("2026-11-20", with: time))
            #expect(events.fields()["time"] == Shipped.observed.text)
            #expect(events.tally.damaged["no_time"] == 1)
        }
    }

    @Test func sessionsAreFingerprintsAndEqualOnesAreEqual() throws {
        let session = "5b0f3c1e-7a44-4d1b-9f0e-2c6a1d9e8b70"
        let events = try Shipped.parse(
            "keycloak",
            text(#"type="LOGIN", clientId="c", sessionId="\#(session)", code_id="\#(session)""#))
        let fields = events.fields()
        // HMAC-SHA-256 by another program, of `session`, a zero byte and the id.
        #expect(fields["session.id"] == "h1:Fddd541w3dSLMOmBlNITUw")
        #expect(fields["grant.id"] == fields["session.id"])
        let whole = String(decoding: events.scratch, as: UTF8.self)
        #expect(!whole.contains(session))
    }

    @Test func namedFieldsBecomePseudonyms() throws {
        let context = Shipped.context(pseudonymized: [.actorName, .sourceIP, .actorEmail])
        let events = try Shipped.parse(
            "keycloak", text(head + #"username="Mina.Kask""#), context)
        let fields = events.fields()
        #expect(fields["actor.name"] == "h1:CI5clcBYLuKWbEnV-vuTsQ")
        #expect(fields["source.ip"]?.hasPrefix("h1:") == true)
        #expect(fields["privacy.fields"] == "actor.name|source.ip")
        #expect(fields["privacy.policy"] == "hmac-sha256")
        #expect(fields["privacy.key"] == "h1")
    }

    @Test func theContextGivesTenantAndLabels() throws {
        let context = Shipped.context(labels: ["site": "a", "env": "test"], tenant: "acme")
        let record = text(head + #"username="x""#)
        let fields = try Shipped.parse("keycloak", record, context).fields()
        #expect(fields["provider.tenant"] == "acme")
        #expect(fields["labels"] == #"{"env":"test","site":"a"}"#)
    }

    @Test func rawIsLeftOutWhereItHoldsSecrets() throws {
        let context = Shipped.context(keepsRaw: true)
        let plain = text(head + #"username="x""#)
        #expect(try Shipped.parse("keycloak", plain, context).fields()["raw"] == plain)
        let traced = text(head + #"username="x", requestUri="https://a.example.com/?code=S""#)
        #expect(try Shipped.parse("keycloak", traced, context).fields()["raw"] == nil)
    }

    @Test func pollingDevicesAreIgnoredByReason() throws {
        let events = try Shipped.parse(
            "keycloak",
            text(#"type="OAUTH2_DEVICE_CODE_TO_TOKEN_ERROR", error="authorization_pending""#))
        #expect(events.events.isEmpty)
        #expect(events.tally.ignored == ["authorization_pending": 1])
    }

    @Test func oneRecordCanGiveTwoEvents() throws {
        let events = try Shipped.parse(
            "keycloak", text(#"type="LOGIN", userId="u", token_id="t", grant_type="password""#))
        #expect(events.events.map(\.action) == [.loginSucceeded, .accessTokenIssued])
        #expect(events.events.map(\.ordinal) == [0, 1])
        #expect(events.tally.parsed == 1 && events.tally.events == 2)
    }

    @Test func anUnknownTypeIsKeptAsUnclassified() throws {
        let events = try Shipped.parse("keycloak", text(#"type="NEW_THING", userId="u""#))
        #expect(events.events[0].action == .unclassified)
        #expect(events.fields()["provider.event"] == "NEW_THING")
        #expect(events.tally.unclassified == 1)
    }

    @Test func refusalsByPolicyAreDenials() throws {
        let denied = try Shipped.parse(
            "keycloak", text(#"type="LOGIN_ERROR", error="access_denied""#))
        #expect(denied.events[0].action == .authorizationFailed)
        #expect(denied.events[0].outcome == .denied)
        let failed = try Shipped.parse(
            "keycloak", text(#"type="LOGIN_ERROR", error="invalid_redirect_uri""#))
        #expect(failed.events[0].outcome == .failure)
    }

    @Test func explanationsShowNoSecrets() throws {
        var parser = RecordParser(
            program: try Shipped.program("canaille"), context: Shipped.context())
        let line =
            "[2026-11-20 09:15:00,000] - 192.0.2.1 - DEBUG in oauth: authorization "
            + "endpoint response: https://app.example.com/cb?code=SECRETCODE&state=S"
        let (events, explanation) = parser.explain(Shipped.batch([Array(line.utf8)]))
        #expect(events.events.count == 1 && explanation.format == "text")
        #expect(explanation.ruleLine > 0)
        #expect(!"\(explanation)".contains("SECRETCODE"))
    }
}

extension String {
    fileprivate func replacing(_ needle: String, with other: String) -> String {
        split(separator: needle, omittingEmptySubsequences: false).joined(separator: other)
    }
}
