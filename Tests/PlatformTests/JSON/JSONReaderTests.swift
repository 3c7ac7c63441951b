// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct JSONReaderTests {
    /// Both readers must show the same document.
    private func shape(_ tree: JSONTree) -> [String] {
        (0..<tree.count).map { index in
            let node = tree[index]
            var text =
                "\(node.depth) \(node.parent) \(node.next) \(tree.key(of: index)) \(node.kind)"
            text += " \(node.childCount) \(node.keyHash)"
            if let value = tree.string(of: index) { text += " \(Array(value.utf8))" }
            if let value = node.integer { text += " \(value)" }
            if let value = node.unsigned { text += " \(value)" }
            if let value = node.double { text += " \(value)" }
            if node.isDuplicate { text += " duplicate" }
            return text
        }
    }

    @Test func documentsAreFlattenedInOrder() {
        let reader = JSONReader()
        let text = #"{"a":[1,{"b":null},[]],"ü":"x\u0000\"y\ud83d\ude00","c":true,"d":-2.5}"#
        #expect(reader.read(Array(text.utf8)))
        let tree = reader.tree
        #expect(tree.count == 9)
        #expect(tree[0].kind == .object && tree[0].childCount == 4 && tree[0].parent == -1)
        #expect(tree[0].next == 9)
        #expect(tree[1].kind == .array && tree[1].childCount == 3 && tree[1].next == 6)
        #expect(tree[2].integer == 1)
        #expect(tree[3].childCount == 1 && tree.key(of: 4) == "b" && tree[4].kind == .null)
        #expect(tree[4].parent == 3 && tree[4].depth == 3)
        #expect(tree[5].childCount == 0 && tree[5].parent == 1)
        #expect(tree.string(of: 6) == "x\u{0}\"y😀")
        #expect(tree[7].kind == .true)
        #expect(tree[8].double == -2.5)
        #expect(tree.children(of: 0) == [1, 6, 7, 8])
        #expect(tree.member(JSONKey("ü"), of: 0) == 6)
        #expect(tree.member(JSONKey("z"), of: 0) == nil)
        #expect(tree.keyEquals(7, JSONKey("c")) && !tree.keyEquals(7, JSONKey("d")))
        #expect(tree.key(of: 6) == "ü")
        let keys = tree.withContents { nodes, bytes in
            nodes.indices.map { String(copying: bytes.extracting(nodes[$0].keyRange)) }
        }
        #expect(keys == ["", "a", "", "", "b", "", "ü", "c", "d"])
    }

    @Test func aDocumentIsReadOutOfABlockWithoutItsNeighbours() {
        let reader = JSONReader()
        let block = Array(#"{"a":1}{"b":[2,"x"]}"#.utf8)
        for padding in [0, 10, 100] {
            let bytes = block + [UInt8](repeating: UInt8(ascii: "9"), count: padding)
            #expect(reader.read(bytes, 0..<7))
            #expect(reader.tree.count == 2)
            #expect(reader.read(bytes, 7..<20))
            #expect(reader.tree.count == 4 && reader.tree.string(of: 3) == "x")
            #expect(reader.tree[2].integer == 2)
            #expect(!reader.read(bytes, 0..<6))
            #expect(reader.tree.count == 0)
        }
        // A number at the very end does not take the digits behind the range.
        let digits = Array("1234".utf8) + [UInt8](repeating: UInt8(ascii: "5"), count: 100)
        #expect(reader.read(digits, 0..<4))
        #expect(reader.tree[0].integer == 1234)
    }

    @Test(arguments: [
        ("", JSONRefusal.empty), ("{\"a\":18446744073709551616}", .badNumber),
        ("[1e400]", .badNumber), ("[\"\u{1}\"]", .controlCharacter), ("[\"\\ud800\"]", .badString),
        ("{\"a\":", .badSyntax), ("[\"a", .unclosedString), ("[1,]", .badSyntax),
        ("{} {}", .badSyntax),
    ])
    func whatIsNotSoundIsRefusedWithAReason(text: String, refusal: JSONRefusal) {
        let reader = JSONReader()
        #expect(!reader.read(Array(text.utf8)))
        #expect(reader.refusal == refusal)
        #expect(reader.tree.count == 0)
        // A refusal leaves the reader fit for the next document.
        #expect(reader.read(Array("{}".utf8)))
        #expect(reader.refusal == nil)
    }

    @Test func illFormedUTF8IsRefused() {
        let reader = JSONReader()
        #expect(!reader.read(([0x5B, 0x22, 0xFF, 0x22, 0x5D] as [UInt8])))
        #expect(reader.refusal == .badUTF8)
    }

    @Test func depthAndNodeLimitsHold() {
        func nested(_ depth: Int) -> [UInt8] {
            [UInt8](repeating: UInt8(ascii: "["), count: depth)
                + [UInt8](repeating: UInt8(ascii: "]"), count: depth)
        }
        let reader = JSONReader()
        #expect(reader.read(nested(JSONReader.depthLimit - 1)))
        #expect(!reader.read(nested(JSONReader.depthLimit + 1)))
        #expect(reader.refusal == .tooDeep)
        #expect(!reader.read(nested(100_000)))
        let small = JSONReader(nodeLimit: 100)
        #expect(
            small.read(Array("[\(Array(repeating: "0", count: 99).joined(separator: ","))]".utf8)))
        #expect(
            !small.read(Array("[\(Array(repeating: "0", count: 100).joined(separator: ","))]".utf8))
        )
        #expect(small.refusal == .tooManyNodes)
    }

    @Test(arguments: [2, 20, 33, 500])
    func duplicateKeysAreMarked(count: Int) {
        var members = (0..<count).map { "\"key\($0)\":\($0)" }
        let reader = JSONReader()
        let lenient = LenientJSON()
        let clean = Array("{\(members.joined(separator: ","))}".utf8)
        #expect(reader.read(clean) && reader.tree.duplicateCount == 0)
        members.append("\"key1\":-1")
        members.append("\"k\\u0065y1\":-2")
        members.append("\"o\":{\"x\":1,\"x\":2}")
        let bytes = Array("{\(members.joined(separator: ","))}".utf8)
        #expect(reader.read(bytes))
        #expect(reader.tree.duplicateCount == 3)
        let marked = (0..<reader.tree.count).filter { reader.tree[$0].isDuplicate }
        #expect(marked == [count + 1, count + 2, count + 5])
        #expect(reader.tree.member(JSONKey("key1"), of: 0) == 2)
        #expect(lenient.read(bytes))
        #expect(lenient.damages == .duplicateKey)
        #expect(shape(lenient.tree) == shape(reader.tree))
    }

    @Test func bothReadersAgreeOnSoundDocuments() {
        let reader = JSONReader()
        let lenient = LenientJSON()
        let documents = [
            "{}", "[]", "0", "-1", "1.5e3", "\"x\"", "true", "false", "null", " [ 1 , 2 ] ",
            "9223372036854775807", "9223372036854775808", "18446744073709551615",
            "-9223372036854775808", "{\"\":\"\"}", "[[],{},[[]]]",
            #"{"a":{"b":{"c":[1,2,{"d":"e"}]}},"f":[],"g":{}}"#,
            #"["\u00e9\ud83d\ude00\/\b\f\n\r\t\\\"", "é😀"]"#,
            #"{"time":"2026-11-21T11:02:07Z","message":"user=\"alice\", ip=\"192.0.2.1\""}"#,
        ]
        for document in documents {
            let bytes = Array(document.utf8)
            #expect(reader.read(bytes), "\(document)")
            #expect(lenient.read(bytes), "\(document)")
            #expect(lenient.damages == [], "\(document)")
            #expect(shape(lenient.tree) == shape(reader.tree), "\(document)")
        }
    }

    @Test func memoryIsUsedAgainAfterALongDocument() {
        let reader = JSONReader()
        let long = "[\"" + String(repeating: "x", count: 3 << 20) + "\"]"
        #expect(reader.read(Array(long.utf8)))
        #expect(reader.tree[1].stringRange.count == 3 << 20)
        for _ in 0..<3 {
            #expect(reader.read(Array("[\"y\"]".utf8)))
            #expect(reader.tree.string(of: 1) == "y")
        }
    }
}
