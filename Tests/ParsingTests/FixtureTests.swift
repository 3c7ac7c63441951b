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
            #expect(lines.count + events.events.count == block.expected.count, "\(block.record)")
            guard lines.isEmpty else {
                #expect(lines == block.expected, "\(block.record)")
                continue
            }
            for (index, line) in block.expected.enumerated() where index < events.events.count {
                expect(events.fields(index), line, block.record)
            }
        }
    }

    /// Compares field by field, with a reader that shares nothing with the encoder.
    private func expect(_ fields: [String: String], _ line: String, _ record: String) {
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

    /// Changes every fixture again and again: nothing traps, every record has one fate, and every
    /// text is well-formed.
    @Test(arguments: Shipped.names)
    func mutatedRecordsHaveExactlyOneFate(_ name: String) throws {
        let records = try Shipped.fixtures(name).blocks.map(\.bytes)
        let seed: UInt64 = 20_261_121
        var random = SplitMix(seed: seed)
        var parser = RecordParser(
            program: try Shipped.program(name),
            context: Shipped.context(pseudonymized: [.actorName], keepsRaw: true))
        let rounds = 20_000 / records.count + 1
        for _ in 0..<rounds {
            let batch = Shipped.batch(records.map { random.mutate($0) })
            let events = parser.parse(batch)
            let tally = events.tally
            let ignored = tally.ignored.values.reduce(0, +)
            let dropped = tally.dropped.values.reduce(0, +)
            #expect(tally.read == tally.parsed + ignored + dropped, "seed \(seed)")
            #expect(tally.events == events.events.count && tally.read == records.count)
            for value in events.values { check(value, events) }
        }
    }

    private func check(_ value: FieldValue, _ events: EventBatch) {
        let bytes: ArraySlice<UInt8>
        switch value.form {
        case .block: bytes = events.records.bytes[value.range]
        case .scratch: bytes = events.scratch[value.range]
        case .constant: bytes = events.constants[value.range]
        case .word, .integer, .boolean, .time, .set, .map: return
        }
        if bytes.isEmpty { Issue.record("\(value.field) is empty") }
        if !UTF8Repair.isValid(Array(bytes).span) { Issue.record("\(value.field) is no UTF-8") }
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

/// Random numbers that are the same in every run.
struct SplitMix {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(limit, 1))) }

    /// One to four small changes: bytes set, taken out, put in, doubled, or the end cut off.
    mutating func mutate(_ record: [UInt8]) -> [UInt8] {
        var bytes = record
        let telling: [UInt8] = Array("\"'\\,= {}[]:\u{0}\n".utf8) + [0xFF, 0xC3, 0xED, 0x80]
        for _ in 0...below(4) where !bytes.isEmpty {
            let place = below(bytes.count)
            switch below(7) {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: next())
            case 1: bytes[place] = telling[below(telling.count)]
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(telling[below(telling.count)], at: place)
            case 4: bytes.removeSubrange(place...)
            case 5:
                let end = min(bytes.count, place + below(40))
                bytes.insert(contentsOf: bytes[place..<end], at: below(bytes.count))
            default:
                let end = min(bytes.count, place + below(20))
                bytes.removeSubrange(place..<end)
            }
        }
        return bytes
    }
}
