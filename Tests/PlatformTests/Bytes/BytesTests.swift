// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct BytesTests {
    @Test func aWriterGivesTheSameBase64WhateverTheLength() {
        var generator = SystemRandomNumberGenerator()
        for count in 0...300 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            var writer = ByteWriter()
            writer.append(base64URL: bytes.span)
            let text = String(decoding: writer.makeArray(), as: UTF8.self)
            #expect(text == Base64.encode(bytes, .urlSafe))
        }
    }

    @Test func base64GivesTheTextsOfRFC4648() {
        let pairs = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ]
        for (plain, text) in pairs {
            let bytes = Array(plain.utf8)
            #expect(Base64.encode(bytes) == text)
            #expect(Base64.decode(text) == bytes)
            let short = text.filter { $0 != "=" }
            #expect(Base64.encode(bytes, .urlSafe) == short)
            #expect(Base64.decode(short, .urlSafe) == bytes)
        }
        #expect(Base64.encode([0xFB, 0xFF]) == "+/8=")
        #expect(Base64.encode([0xFB, 0xFF], .urlSafe) == "-_8")
    }

    @Test(arguments: ["Zg", "Zg=", "Zh==", "Zm9=", "Zm9v====", "Zg==\n", "Z===", "=", "-_8="])
    func base64ThatEncodingWouldNotWriteIsRefused(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test(arguments: ["Zg==", "Zh", "Z", "+/8", "Zm9"])
    func urlSafeBase64ThatEncodingWouldNotWriteIsRefused(text: String) {
        #expect(Base64.decode(text, .urlSafe) == nil)
    }

    @Test func hexIsLowercaseBothWays() {
        #expect(Hex.encode([0x00, 0x9F, 0xFF]) == "009fff")
        #expect(Hex.decode("009fff") == [0x00, 0x9F, 0xFF])
        #expect(Hex.decode("009FFF") == nil)
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
    }

    @Test func searchStaysInsideItsRange() {
        let bytes = Array("a,b,,c".utf8)
        let comma = UInt8(ascii: ",")
        #expect(ByteSearch.first(comma, in: bytes) == 1)
        #expect(ByteSearch.first(comma, in: bytes, 2..<6) == 3)
        #expect(ByteSearch.first(comma, in: bytes, 2..<3) == nil)
        #expect(ByteSearch.last(comma, in: bytes, 0..<4) == 3)
        #expect(ByteSearch.last(comma, in: bytes, 5..<6) == nil)
        #expect(ByteSearch.first(Array(",,".utf8), in: bytes, 0..<6) == 3)
        #expect(ByteSearch.first(Array(",,".utf8), in: bytes, 0..<4) == nil)
        #expect(ByteSearch.first([UInt8](), in: bytes, 2..<6) == 2)
        #expect(ByteSearch.first(comma, in: [UInt8]()) == nil)
        #expect(ByteSearch.hasPrefix(Array("b,".utf8), bytes, at: 2))
        #expect(!ByteSearch.hasPrefix(Array("cd".utf8), bytes, at: 5))
        #expect(ByteSearch.equal(bytes, 1..<2, Array(bytes[3..<4])))
        #expect(!ByteSearch.equal(bytes, 1..<2, Array(bytes[2..<3])))
    }

    // The examples of the Unicode standard, chapter 3, tables 3-8 to 3-11, with the number of
    // replacement characters each must give.
    @Test(
        arguments: [
            ([0xC0, 0xAF, 0xE0, 0x80, 0xBF, 0xF0, 0x81, 0x82, 0x41], 8),
            ([0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF, 0xED, 0xAF, 0x41], 8),
            ([0xF4, 0x91, 0x92, 0x93, 0xFF, 0x41, 0x80, 0xBF, 0x42], 7),
            ([0xE1, 0x80, 0xE2, 0xF0, 0x91, 0x92, 0xF1, 0xBF, 0x41], 4),
        ] as [([UInt8], Int)])
    func repairGivesOneReplacementForEachMaximalPart(bytes: [UInt8], count: Int) {
        let text = String(decoding: UTF8Repair.repair(bytes.span), as: UTF8.self)
        #expect(text.unicodeScalars.count { $0 == "\u{FFFD}" } == count)
        #expect(UTF8Repair.isValid(UTF8Repair.repair(bytes)))
        #expect(!UTF8Repair.isValid(bytes))
        #expect(text == String(decoding: bytes, as: UTF8.self))
    }

    @Test func soundTextIsNotTouched() {
        let bytes = Array("aé€😀\u{0}\u{FFFD}\u{10FFFF}".utf8)
        #expect(UTF8Repair.repair(bytes) == bytes)
        #expect(UTF8Repair.isValid(bytes))
        #expect(!UTF8Repair.isValid(bytes, 0..<2))
    }
}
