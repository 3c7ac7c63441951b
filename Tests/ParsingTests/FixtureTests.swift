// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

struct FixtureTests {
    @Test(arguments: Shipped.names)
    func everyFixtureGivesWhatItSays(_ name: String) throws {
        var parser = RecordParser(program: try Shipped.program(name), context: Shipped.context())
        for block in try Shipped.fixtures(name).blocks {
            let events = parser.parse(Shipped.batch([block.bytes]))
            var lines = events.tally.ignored.keys.map { "ignored: " + $0 }
            lines += events.tally.dropped.keys.map { "dropped: " + $0 }
            lines += events.tally.elements.lines
            #expect(lines.count + events.events.count == block.expected.count, "\(block.record)")
            #expect(lines == Array(block.expected.prefix(lines.count)), "\(block.record)")
            let expected = block.expected.dropFirst(lines.count)
            for (index, line) in expected.enumerated() where index < events.events.count {
                expect(events.fields(index), line, block.record)
            }
        }
    }

    /// Compares field by field, with a reader that shares nothing with the encoder.
    private func expect(_ found: [String: String], _ line: String, _ record: String) {
        // The encoder takes secrets out, and the lines are what it wrote.
        let fields = found.mapValues { text in
            Scrubber().scrubbed(Array(text.utf8).span)
                .map { String(decoding: $0, as: UTF8.self) } ?? text
        }
        guard let document = try? StrictJSON.read(Array(line.utf8), .standard) else {
            Issue.record("no JSON: \(line)")
            return
        }
        var expected: [String: String] = [:]
        for member in document.members ?? [] {
            if let inner = member.value.members, member.key != "labels" {
                for field in inner { expected["\(member.key).\(field.key)"] = text(field.value) }
            } else if member.key == "labels" {
                expected["labels"] = labels(member.value)
            } else {
                expected[member.key] = text(member.value)
            }
        }
        expected["id"] = nil
        expected["schema"] = nil
        #expect(fields == expected, "\(record)")
    }

    private func text(_ value: JSONDocument) -> String {
        switch value {
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .bool(let truth): truth ? "true" : "false"
        case .array(let elements): elements.map(text).joined(separator: "|")
        default: "?"
        }
    }

    private func labels(_ value: JSONDocument) -> String {
        let members = (value.members ?? []).map { "\"\($0.key)\":\"\(text($0.value))\"" }
        return "{" + members.joined(separator: ",") + "}"
    }

    @Test func everyTypeOfKeycloakHasAFixtureAndAName() throws {
        let fixtures = try Shipped.fixtures("keycloak")
        var named: Set<String> = []
        for block in fixtures.blocks {
            for line in block.expected where !line.contains("\"Unclassified\"") {
                guard let start = line.range(of: "\"event\":\"") else { continue }
                named.insert(String(line[start...].prefix { $0 != "\"" }))
            }
        }
        let base = """
            LOGIN REGISTER LOGOUT CODE_TO_TOKEN CLIENT_LOGIN REFRESH_TOKEN VALIDATE_ACCESS_TOKEN \
            INTROSPECT_TOKEN FEDERATED_IDENTITY_LINK REMOVE_FEDERATED_IDENTITY UPDATE_EMAIL \
            UPDATE_PROFILE UPDATE_PASSWORD UPDATE_TOTP VERIFY_EMAIL VERIFY_PROFILE REMOVE_TOTP \
            GRANT_CONSENT UPDATE_CONSENT REVOKE_GRANT SEND_VERIFY_EMAIL SEND_RESET_PASSWORD \
            SEND_IDENTITY_PROVIDER_LINK RESET_PASSWORD RESTART_AUTHENTICATION INVALID_SIGNATURE \
            REGISTER_NODE UNREGISTER_NODE USER_INFO_REQUEST IDENTITY_PROVIDER_LINK_ACCOUNT \
            IDENTITY_PROVIDER_LOGIN IDENTITY_PROVIDER_FIRST_LOGIN IDENTITY_PROVIDER_POST_LOGIN \
            IDENTITY_PROVIDER_RESPONSE IDENTITY_PROVIDER_RETRIEVE_TOKEN IMPERSONATE \
            CUSTOM_REQUIRED_ACTION EXECUTE_ACTIONS EXECUTE_ACTION_TOKEN CLIENT_INFO \
            CLIENT_REGISTER CLIENT_UPDATE CLIENT_DELETE CLIENT_INITIATED_ACCOUNT_LINKING \
            TOKEN_EXCHANGE OAUTH2_DEVICE_AUTH OAUTH2_DEVICE_VERIFY_USER_CODE \
            OAUTH2_DEVICE_CODE_TO_TOKEN AUTHREQID_TO_TOKEN PERMISSION_TOKEN DELETE_ACCOUNT \
            PUSHED_AUTHORIZATION_REQUEST USER_DISABLED_BY_PERMANENT_LOCKOUT \
            USER_DISABLED_BY_TEMPORARY_LOCKOUT OAUTH2_EXTENSION_GRANT JWT_BEARER
            """.split(separator: " ").map(String.init)
        #expect(base.count == 56)
        for type in base + base.map({ $0 + "_ERROR" }) {
            #expect(named.contains(type), "\(type)")
        }
    }

    @Test func noSecretOfACanailleLineComesOut() throws {
        for block in try Shipped.fixtures("canaille").blocks {
            for line in block.expected {
                #expect(!line.contains("SECRET") && !line.contains("CHALLENGE"), "\(line)")
                #expect(!line.contains("CSRF") && !line.contains("STATE"), "\(line)")
            }
        }
    }
}

extension String {
    fileprivate func range(of needle: String) -> String.Index? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(needle) {
                return self.index(index, offsetBy: needle.count)
            }
            index = self.index(after: index)
        }
        return nil
    }
}
