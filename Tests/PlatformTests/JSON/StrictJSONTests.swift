// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct StrictJSONTests {
    private func reason(_ text: String, _ rules: StrictJSON.Rules = .sealed) -> JSONError.Reason? {
        do {
            _ = try StrictJSON.read(Array(text.utf8), rules)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func aDocumentIsReadAsATree() throws {
        let document = try JSONDocument(
            reading: Array(#"{"a":[1,2.50,"x",true,null],"b":{"c":-7},"a":0}"#.utf8))
        #expect(document["a"]?[0]?.integer == 1)
        #expect(document["a"]?[1] == .number("2.50"))
        #expect(document["a"]?[2]?.string == "x")
        #expect(document["a"]?[3]?.bool == true)
        #expect(document["a"]?[4] == .null)
        #expect(document["a"]?.array?.count == 5)
        #expect(document["a"]?[5] == nil)
        #expect(document["b"]?["c"]?.integer == -7)
        #expect(document["z"] == nil)
        #expect(document.members?.count == 3)
    }

    @Test(arguments: [
        ("{\"a\":1,\"a\":2}", JSONError.Reason.duplicateMember),
        ("{\"a\":1,\"\\u0061\":2}", .duplicateMember),
        ("{\"x\":{\"a\":1,\"a\":2}}", .duplicateMember),
        ("[1.0]", .notInteger), ("[1e2]", .notInteger), ("[-0]", .notInteger),
        ("[9223372036854775808]", .notInteger),
    ])
    func sealedEventsAreHeldToMore(text: String, expected: JSONError.Reason) {
        #expect(reason(text) == expected)
        #expect(reason(text, .standard) == nil)
    }

    @Test(arguments: [
        ("[01]", JSONError.Reason.badNumber), ("[-]", .badNumber), ("[1.]", .badNumber),
        ("[+1]", .badSyntax), ("[\"\\ud800\"]", .unpairedSurrogate),
        ("[\"\u{1}\"]", .controlCharacter),
        ("[\"\\x\"]", .badEscape), ("[1,]", .badSyntax), ("[1", .truncated), ("", .truncated),
        ("{} {}", .trailingBytes), ("{'a':1}", .badSyntax), ("[NaN]", .badSyntax),
        ("[\"a", .truncated),
        ("[tru]", .badSyntax), ("\u{FEFF}[]", .badSyntax),
    ])
    func whatIsNoJSONIsRefused(text: String, expected: JSONError.Reason) {
        #expect(reason(text) == expected)
        #expect(reason(text, .standard) == expected)
    }

    @Test func integersUpToTheLastBitAndTwoSpellingsOfALetterAreFine() {
        #expect(reason("[0,-1,9223372036854775807,-9223372036854775808]") == nil)
        #expect(reason("{\"\u{E9}\":1,\"e\u{301}\":2}") == nil)
    }

    @Test func bytesThatAreNoUTF8AreRefusedWithTheirPlace() {
        #expect(throws: JSONError(reason: .illFormedUTF8, offset: 2)) {
            try StrictJSON.read([0x5B, 0x22, 0xC3, 0x22, 0x5D])
        }
    }

    @Test func depthIsBounded() {
        let limit = JSONReader.depthLimit
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(reason(nested(limit)) == nil)
        #expect(reason(nested(limit + 1)) == .tooDeep)
        #expect(reason(String(repeating: "{\"a\":", count: 100_000)) == .tooDeep)
    }
}
