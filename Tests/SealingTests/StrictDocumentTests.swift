// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sealing

struct StrictDocumentTests {
    @Test func theExamplesAreWrittenAsRFC8785Says() throws {
        let examples = try SealFixture.lines("jcs.ndjson")
        #expect(examples.count == 5)
        for line in examples {
            let example = try JSONText(line: line)
            let written = try #require(canonical(example["in"]))
            #expect(String(decoding: written, as: UTF8.self) == example["jcs"])
            #expect(SHA256.leaf(written.span).hex() == example["leaf"])
            // What is canonical already stays as it is.
            #expect(canonical(written) == written)
        }
    }

    @Test(arguments: [
        (#" { "b" : [ 1 , true , null ] , "a" : { } } "#, #"{"a":{},"b":[1,true,null]}"#),
        (#"{"A":"\u0041\/\u000a\u001F"}"#, #"{"A":"A/\n\u001f"}"#),
        (#"{"😀":1,"ﬀ":2,"a":3}"#, #"{"a":3,"😀":1,"ﬀ":2}"#),
        (#"{"\u0062":1,"a":2}"#, #"{"a":2,"b":1}"#),
        (#"{"a":"\ud83d\ude00"}"#, #"{"a":"😀"}"#),
        (#"[[],[[]],{"a":[]}]"#, #"[[],[[]],{"a":[]}]"#),
        (#"{"n":-9007199254740991}"#, #"{"n":-9007199254740991}"#),
    ])
    func whatIsSpelledOtherwiseIsWrittenCanonically(_ example: (String, String)) throws {
        let written = try #require(canonical(example.0))
        #expect(String(decoding: written, as: UTF8.self) == example.1)
    }

    @Test(arguments: [
        "", "{", "{}x", "nul", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "[1 2]", "[01]", "[1.]",
        "[-]", "[+1]", "[1e]", "\"a", "\"\\x\"", "\"\\u12\"", "\"\u{1}\"", "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"b\":{\"c\":1,\"\\u0063\":2}}", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "['a']", "[1]]", "\u{FEFF}{}",
    ])
    func whatHasNoSingleMeaningIsRefused(_ text: String) {
        #expect(canonical(text) == nil)
    }

    @Test(arguments: ["1.5", "1e3", "-0", "9007199254740992", "-9007199254740992", "1E0", "1.0"])
    func numbersOfAnotherSpellingCannotBeWritten(_ text: String) {
        #expect(canonical("{\"a\":[\(text)]}") == nil)
        var document = StrictDocument()
        #expect(throws: Never.self) { try document.read(Array("[\(text)]".utf8).span) }
    }

    @Test func illFormedUTF8IsRefused() {
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC3],
            [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xC3, 0x28], [0xE2, 0x28, 0xA1], [0xFF],
        ]
        for bytes in bad {
            #expect(canonical([0x22] + bytes + [0x22]) == nil, "\(bytes)")
        }
        let good: [[UInt8]] = [
            [0xC2, 0x80], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
            [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        ]
        for bytes in good {
            #expect(canonical([0x22] + bytes + [0x22]) == [0x22] + bytes + [0x22], "\(bytes)")
        }
    }

    @Test func nestingHasALimit() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(canonical(deep) == nil)
        let limit = StrictLimit.depth
        let most = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        #expect(canonical(most) != nil)
        #expect(canonical("[" + most + "]") == nil)
    }

    @Test func membersAreFoundWhateverTheirSpelling() throws {
        let bytes = Array(#"{"x":1,"int\u0065grity":{"seq":7}}"#.utf8)
        var document = StrictDocument()
        try document.read(bytes.span)
        let member = document.member("integrity", of: 0, bytes.span)
        let node = try #require(member)
        #expect(document.integer(document.member("seq", of: node, bytes.span), bytes.span) == 7)
        #expect(document.member("integrit", of: 0, bytes.span) == nil)
    }
}
