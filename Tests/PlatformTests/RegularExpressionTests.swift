// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct RegularExpressionTests {
    private func groups(_ pattern: String, _ text: String) throws -> [Range<Int>?]? {
        let expression = try RegularExpression(pattern)
        let match = MatchBox()
        let bytes = Array(text.utf8)
        guard expression.match(bytes, 0..<bytes.count, into: match) else { return nil }
        return (0...expression.groupCount).map { match.range($0) }
    }

    @Test func groupsAreCountedInTheWholeSpan() throws {
        let expression = try RegularExpression("(?<user>[a-z]+)@(?<host>[a-z.]+)")
        #expect(expression.names.map(\.name) == ["user", "host"])
        #expect(expression.names.map(\.group) == [1, 2])
        let bytes = Array("x=alice@example.com;".utf8)
        let match = MatchBox()
        #expect(expression.match(bytes, 2..<20, into: match))
        #expect(match.range(0) == 2..<19)
        #expect(match.range(1) == 2..<7)
        #expect(match.range(2) == 8..<19)
        #expect(match.range(3) == nil)
        #expect(match.range(-1) == nil)
        // The range hides what is before and behind it.
        #expect(expression.match(bytes, 2..<10, into: match))
        #expect(match.range(2) == 8..<10)
        #expect(!expression.match(bytes, 0..<3, into: match))
        #expect(match.range(0) == nil)
        #expect(!match.isLimitHit)
    }

    @Test func aGroupThatTookNoPartIsNil() throws {
        #expect(try groups("a(b)?(c)?", "ac") == [0..<2, nil, 1..<2])
        #expect(try groups("(a)|(b)|(c)", "a") == [0..<1, 0..<1, nil, nil])
        #expect(try groups("^$", "") == [0..<0])
    }

    @Test func aPatternThatBlowsUpIsGivenUp() throws {
        let expression = try RegularExpression("^(a+)+$")
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 40) + [UInt8(ascii: "b")]
        let match = MatchBox()
        #expect(!expression.match(bytes, 0..<bytes.count, into: match))
        #expect(match.isLimitHit)
        // The same memory is good for the next match.
        #expect(expression.match(bytes, 0..<40, into: match))
        #expect(!match.isLimitHit)
    }

    /// Machine code does not count what a repetition costs, so a line of a megabyte took minutes.
    @Test func aMatchLooksAtSoMuchTextAndNoMore() throws {
        let limit = RegularExpression.textByteLimit
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: limit) + Array("b".utf8)
        let match = MatchBox()
        #expect(try !RegularExpression("b").match(bytes, 0..<bytes.count, into: match))
        #expect(try RegularExpression("b").match(bytes, 1..<bytes.count, into: match))
        #expect(try RegularExpression("^a+$").match(bytes, 0..<bytes.count, into: match))
        #expect(match.range(0) == 0..<limit)
    }

    @Test func textThatIsNoUTF8CanBeMatched() throws {
        let expression = try RegularExpression("user=([a-z]+)")
        let bytes: [UInt8] = [0xFF, 0xC3] + Array("user=eve".utf8) + [0xE2, 0x82]
        let match = MatchBox()
        #expect(expression.match(bytes, 0..<bytes.count, into: match))
        #expect(match.range(1) == 7..<10)
    }

    @Test func aWrongPatternSaysWhereItIsWrong() {
        do {
            _ = try RegularExpression("ab(c")
            Issue.record("the pattern was taken")
        } catch {
            #expect(error.offset == 4)
            #expect(error.description.contains("parenthes"))
        }
    }
}
