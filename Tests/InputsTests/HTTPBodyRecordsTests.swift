// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Inputs

struct HTTPBodyRecordsTests {
    private func records(
        _ text: String, _ form: HTTPRequestRules.Form = .json, limit: Int = 100
    ) throws -> [String] {
        let body = Array(text.utf8)
        return try HTTPBodyRecords(body, form: form, countLimit: limit).ranges.map {
            String(decoding: body[$0], as: UTF8.self)
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
