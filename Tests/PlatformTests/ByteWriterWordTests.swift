// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

/// The appends that work on several bytes at once, against the same thing done byte by byte.
@Suite struct ByteWriterWordTests {
    private static let interesting: [UInt8] = [
        0x22, 0x5C, 0x1F, 0x20, 0x21, 0x23, 0x5B, 0x5D, 0x00, 0x0A, 0x7F, 0x80, 0xC3, 0xFF, 0x61,
    ]

    private func slowly(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for byte in text {
            switch byte {
            case 0x22, 0x5C: result += [0x5C, byte]
            case 0x08: result += Array("\\b".utf8)
            case 0x09: result += Array("\\t".utf8)
            case 0x0A: result += Array("\\n".utf8)
            case 0x0C: result += Array("\\f".utf8)
            case 0x0D: result += Array("\\r".utf8)
            case 0..<0x20: result += Array("\\u00".utf8) + Array(Hex.encode([byte].span).utf8)
            default: result.append(byte)
            }
        }
        return result
    }

    @Test func everyMixtureOfEscapesIsWrittenAsByteByByte() {
        var random = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            // Some rounds hold escapes only, some hardly any.
            let density = round % 4
            let text = (0..<Int.random(in: 0...70, using: &random)).map { _ -> UInt8 in
                switch density {
                case 0: Bool.random(using: &random) ? 0x22 : 0x5C
                case 1: Int.random(in: 0...9, using: &random) == 0 ? 0x22 : 0x61
                default: Self.interesting.randomElement(using: &random) ?? 0
                }
            }
            var writer = ByteWriter(capacity: 32)
            writer.append("<")
            writer.append(escaped: text.span)
            writer.append(">")
            #expect(writer.makeArray() == [0x3C] + slowly(text) + [0x3E])
        }
    }

    @Test func aDigestIsWrittenInHexadecimalWhateverItsBytes() {
        for first in 0..<256 {
            let bytes = (0..<Digest.byteCount).map { UInt8(truncatingIfNeeded: first + $0 * 37) }
            for count in [1, 3, 4, 16, 31, 32] {
                var writer = ByteWriter(capacity: 32)
                writer.append(hex: Digest(bytes: bytes.span), byteCount: count)
                #expect(writer.makeString() == Hex.encode(bytes.span.extracting(0..<count)))
            }
        }
    }

    @Test func aPartOfATableIsWrittenWithoutWhatStandsBehindIt() {
        let table = (0..<100).map { UInt8($0) }
        for start in [0, 1, 40] {
            for count in [0, 1, 15, 16, 17, 33, 44] {
                var writer = ByteWriter(capacity: 32)
                writer.append(fromTable: table, start..<start + count)
                writer.append(fromTable: table, start..<start + count, jsonString: [0x61].span)
                let part = Array(table[start..<start + count])
                #expect(writer.makeArray() == part + part + Array("\"a\"".utf8))
            }
        }
    }

    @Test func momentsHaveAllTheirDigits() {
        for text in [
            "0000-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z",
            "2026-11-21T09:08:07.060504Z", "9999-12-31T23:59:59.999999Z",
        ] {
            let digits = text.split { !$0.isNumber }.compactMap { Int($0) }
            let moment = Timestamp(
                year: digits[0], month: digits[1], day: digits[2], hour: digits[3],
                minute: digits[4], second: digits[5], microsecond: digits[6])
            #expect(moment.text == text)
        }
    }
}
