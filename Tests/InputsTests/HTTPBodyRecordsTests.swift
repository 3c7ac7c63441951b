// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct HTTPBodyRecordsTests {
    private func records(
        _ text: String, _ form: HTTPRequestRules.Form = .json, limit: Int = 100
    ) throws -> [String] {
        let body = Array(text.utf8)
        return try HTTPBodyRecords(body, form: form, countLimit: limit).records.map {
            String(decoding: body[$0.range], as: UTF8.self)
        }
    }

    @Test(
        arguments: [
            ("{\"a\":1}", ["{\"a\":1}"]),
            (
                "  [ {\"a\":[1,2]} ,\n{\"b\":\"],}\"}, \"x\\\"]\", -1.5e3, null ]\n",
                ["{\"a\":[1,2]}", "{\"b\":\"],}\"}", "\"x\\\"]\"", "-1.5e3", "null"]
            ),
            ("{\"a\":1}\n{\"b\":2}\r\n\r\n{\"c\":\n3}", ["{\"a\":1}", "{\"b\":2}", "{\"c\":\n3}"]),
            ("{\"a\":1}{\"b\":2}", ["{\"a\":1}", "{\"b\":2}"]),
            ("[]", []), ("", []), (" \n ", []), ("\u{FEFF}[1]", ["1"]),
        ] as [(String, [String])])
    func jsonIsTakenApart(text: String, expected: [String]) throws {
        #expect(try records(text) == expected)
        #expect(try records(text, .either) == expected)
    }

    @Test func linesAreRecords() throws {
        #expect(try records("a b\r\n\n[c\nd", .lines) == ["a b", "[c", "d"])
        #expect(try records("a b\nc", .either) == ["a b", "c"])
    }

    @Test func linesAreJoinedWithinABody() throws {
        var framing = RecordFraming(
            recordStart: try RegularExpression("^[0-9{]"), recordLineLimit: 3)
        func split(_ text: String) throws -> [(String, Bool)] {
            let body = Array(text.utf8)
            return try HTTPBodyRecords(body, form: .lines, framing: framing, countLimit: 9)
                .records.map {
                    (String(decoding: body[$0.range], as: UTF8.self), $0.damage.contains(.cut))
                }
        }
        let joined = try split("stray\n1 a\r\n at b\r\n\r\n2 c\n{\"a\":1}\nd\n3\n\u{1B}[31m4\n")
        #expect(
            joined.map(\.0)
                == ["stray", "1 a\r\n at b", "2 c", "{\"a\":1}", "d", "3", "\u{1B}[31m4"])
        let long = try split("1\n a\n b\n c\n d\n2\n")
        #expect(long.map(\.0) == ["1\n a\n b", "2"])
        #expect(long.map(\.1) == [true, false])
        framing.recordStart = nil
        #expect(try split("1\n a\n").map(\.0) == ["1", " a"])
    }

    @Test(arguments: [
        "[1 2]", "[1,]", "[", "[1", "{\"a\":1", "{\"a]", "{]", "[1] 2", "]", "[,1]", "{\"a\":[}]}",
        String(repeating: "[", count: 600),
    ])
    func brokenJSONIsRefusedWithItsPlace(text: String) {
        #expect {
            try records(text)
        } throws: { error in
            guard case .malformed(let offset, let reason)? = error as? HTTPBodyRecords.Refusal
            else { return false }
            return offset <= text.utf8.count && !reason.isEmpty
        }
    }

    @Test func tooManyRecordsAreRefused() throws {
        #expect(try records("[1,2,3]", limit: 3).count == 3)
        #expect(throws: HTTPBodyRecords.Refusal.tooMany) { try records("[1,2,3,4]", limit: 3) }
        #expect(throws: HTTPBodyRecords.Refusal.tooMany) {
            try records("1\n2\n3\n4\n", .lines, limit: 3)
        }
    }
}
