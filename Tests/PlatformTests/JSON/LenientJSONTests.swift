// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct LenientJSONTests {
    private let lenient = LenientJSON()

    private func read(_ text: String) -> JSONDamage {
        _ = lenient.read(Array(text.utf8))
        return lenient.damages
    }

    private func member(_ key: String) -> Int? {
        lenient.tree.member(JSONKey(key), of: 0)
    }

    @Test func bigNumbersKeepTheirSpelling() throws {
        #expect(
            read(#"{"n":18446744073709551616,"e":1e400,"m":-9223372036854775809}"#) == .bigNumber)
        #expect(lenient.tree.string(of: try #require(member("n"))) == "18446744073709551616")
        #expect(lenient.tree.string(of: try #require(member("e"))) == "1e400")
        #expect(lenient.tree[try #require(member("m"))].kind == .bigNumber)
    }

    @Test func loneSurrogatesBecomeReplacements() throws {
        #expect(
            read(#"["a\ud800b","\udc00","\ud800\ud83d\ude00","\ud800\u0041"]"#) == .loneSurrogate)
        #expect(lenient.tree.string(of: 1) == "a\u{FFFD}b")
        #expect(lenient.tree.string(of: 2) == "\u{FFFD}")
        #expect(lenient.tree.string(of: 3) == "\u{FFFD}😀")
        #expect(lenient.tree.string(of: 4) == "\u{FFFD}A")
    }

    @Test func illFormedBytesAndControlsAreKeptReadable() {
        let bytes = Array("{\"a\":\"x".utf8) + [0xF0, 0x9F, 0x98, 0x00, 0x0A] + Array("y\"}".utf8)
        #expect(lenient.read(bytes))
        #expect(lenient.damages == [.invalidUTF8, .controlCharacter])
        #expect(lenient.tree.string(of: 1) == "x\u{FFFD}\u{0}\ny")
    }

    @Test func whatIsTooDeepIsSkippedWhole() throws {
        let deep =
            String(repeating: "[", count: 5000) + "\"]\\\"\"" + String(repeating: "]", count: 5000)
        #expect(read("{\"a\":\(deep),\"b\":1}") == .tooDeep)
        #expect(lenient.tree[try #require(member("b"))].integer == 1)
        let skipped = (0..<lenient.tree.count).filter { lenient.tree[$0].isSkipped }
        #expect(skipped.count == 1)
        #expect(lenient.tree[skipped[0]].depth == JSONReader.depthLimit)
    }

    @Test(arguments: [
        ("{\"a\":1,\"b\":\"xy", 3, true), ("{\"a\":1,\"b\":12", 2, false),
        ("{\"a\":1,\"b\":tr", 2, false),
        ("{\"a\":1,\"b\"", 2, false), ("{\"a\":1,\"b", 2, false), ("{\"a\":1,", 2, false),
        ("{\"a\":1", 1, false), ("{\"a\":\"x\\", 2, true), ("{\"a\":\"x\\u00", 2, true),
        ("{\"a\":[1,2", 3, false), ("{", 1, false),
    ])
    func aCutDocumentKeepsWhatIsCertain(text: String, count: Int, isIncomplete: Bool) {
        #expect(read(text) == .truncated, "\(text)")
        #expect(lenient.tree.count == count, "\(text)")
        #expect(lenient.tree[lenient.tree.count - 1].isIncomplete == isIncomplete)
        #expect(lenient.tree[0].next == lenient.tree.count)
    }

    @Test func whatFollowsIsLeftOutAndNothingIsGuessed() {
        #expect(read("{\"a\":1} x") == .trailingBytes)
        #expect(lenient.tree.count == 2)
        #expect(read("{\"a\":1 \"b\":2}") == .badSyntax)
        #expect(lenient.tree.count == 2)
        #expect(read("{\"a\":01}") == .badSyntax)
        #expect(read("[1,]") == .badSyntax)
        #expect(read("[\"\\x\"]") == .badEscape)
        #expect(lenient.tree.string(of: 1) == "\\x")
        #expect(read("hello").contains(.badSyntax) && lenient.tree.count == 0)
        #expect(read("") == .truncated && lenient.tree.count == 0)
        #expect(read("\u{FEFF}{}") == [])
        #expect(JSONDamage([.truncated, .badSyntax]).names == ["truncated", "bad_syntax"])
    }

    @Test func aNodeLimitHolds() {
        let small = LenientJSON(nodeLimit: 3)
        #expect(small.read(Array("[1,2,3,4]".utf8)))
        #expect(small.tree.count == 3 && small.damages == .tooManyNodes)
    }

    @Test func noMutationTrapsOrBreaksTheTree() {
        let seed: UInt64 = 20_261_121
        var random = SeededRandom(state: seed)
        let reader = JSONReader()
        let corpus = [
            #"{"a":[1,-2.5e3,{"b":null,"c":[true,false]}],"ü":"x\u0000\"\ud83d\ude00","a":""}"#,
            #"{"type":"LOGIN","details":{"user":"al","ip":"192.0.2.7"},"n":18446744073709551616}"#,
            "[[[[[[1]]]]],{},\"\",\"é😀\"]",
        ].map { Array($0.utf8) }
        for round in 0..<8_000 {
            var bytes = corpus[Int(random.next() % 3)]
            for _ in 0..<(random.next() % 6) { random.mutate(&bytes) }
            let isSound = reader.read(bytes.span)
            let isRead = lenient.read(bytes.span)
            let note: Comment = "seed \(seed), round \(round): \(bytes)"
            if isSound {
                #expect(isRead && lenient.damages.subtracting(.duplicateKey) == [], note)
                #expect(lenient.tree.count == reader.tree.count, note)
                #expect(lenient.tree.duplicateCount == reader.tree.duplicateCount, note)
            } else {
                #expect(lenient.damages.subtracting(.duplicateKey) != [], note)
            }
            let strict = (try? StrictJSON.read(bytes.span, .standard)) != nil
            if isSound { #expect(strict, note) }
            expectSoundTree(note)
        }
    }

    private func expectSoundTree(_ note: Comment) {
        let tree = lenient.tree
        for index in 0..<tree.count {
            let node = tree[index]
            #expect(node.next > index && node.next <= tree.count, note)
            if node.parent >= 0 {
                #expect(node.parent < index && node.next <= tree[node.parent].next, note)
            } else {
                #expect(index == 0, note)
            }
            #expect(tree.withString(of: index) { UTF8Repair.isValid($0) }, note)
            #expect(tree.children(of: index).count == node.childCount, note)
        }
    }

    @Test func timeGrowsWithTheLengthOnly() {
        // Steps are not counted here; input that would take a quadratic reader hours must end.
        let brackets = [UInt8](repeating: UInt8(ascii: "["), count: 2_000_000)
        #expect(lenient.read(brackets))
        #expect(lenient.damages == [.tooDeep, .truncated])
        let quotes = Array(String(repeating: "\"\\", count: 500_000).utf8)
        _ = lenient.read(quotes)
        let keys = "{" + (0..<50_000).map { "\"k\($0)\":0" }.joined(separator: ",") + "}"
        #expect(read(keys) == [])
    }
}

private struct SeededRandom {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    mutating func mutate(_ bytes: inout [UInt8]) {
        let pieces: [[UInt8]] = [
            [0x22], [0x5C], [0x7B], [0x5B], [0x7D], [0x5D], [0x2C], [0x3A], [0x00], [0xFF],
            [0xED, 0xA0, 0x80], [0xF0, 0x9F], Array("\\ud800".utf8), Array("\\u".utf8),
            Array("1e999".utf8), Array("-0".utf8), Array("tru".utf8),
        ]
        guard !bytes.isEmpty else { return bytes.append(UInt8(truncatingIfNeeded: next())) }
        let place = Int(next() % UInt64(bytes.count))
        switch next() % 5 {
        case 0: bytes[place] ^= 1 << UInt8(next() % 8)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: pieces[Int(next() % UInt64(pieces.count))], at: place)
        case 3: bytes.removeSubrange(place...)
        default: bytes.insert(contentsOf: bytes[..<place], at: place)
        }
    }
}
