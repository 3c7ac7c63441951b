// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// The page docs/formats/frame.md, found from where this file lies.
private func page() throws -> String {
    var folder = FileSystem.folder(of: #filePath)
    while folder.count > 1 {
        let path = folder + "/docs/formats/frame.md"
        if FileSystem.exists(path) {
            return String(decoding: try FileSystem.read(path, byteLimit: 1 << 20), as: UTF8.self)
        }
        folder = FileSystem.folder(of: folder)
    }
    throw SystemError(call: "find", path: "docs/formats/frame.md", number: 2)
}

/// The bytes of the dumps in the page: lines of an offset, two blanks and hexadecimal bytes.
private func dumps() throws -> [[UInt8]] {
    var dumps: [[UInt8]] = []
    for line in try page().split(separator: "\n") {
        let words = line.split(separator: " ")
        guard let first = words.first, first.count == 4, let offset = Int(first, radix: 16),
            words.count > 1, words.dropFirst().allSatisfy({ $0.count == 2 })
        else { continue }
        if offset == 0 { dumps.append([]) }
        guard var last = dumps.popLast() else { continue }
        // Lines of zeros are left out of a dump.
        last += [UInt8](repeating: 0, count: offset - last.count)
        last += words.dropFirst().flatMap { Hex.decode(String($0)) ?? [] }
        dumps.append(last)
    }
    return dumps
}

private func dump(_ bytes: [UInt8]) -> String {
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 16) {
        let line = bytes[start..<min(start + 16, bytes.count)]
        if line.count == 16, start > 0, line.allSatisfy({ $0 == 0 }) { continue }
        let offset = String(start, radix: 16)
        text += String(repeating: "0", count: 4 - offset.count) + offset + " "
        for byte in line { text += " " + Hex.encode([byte]) }
        text += "\n"
    }
    return text
}

/// The encrypted frame of the page.
func encryptedExample() throws -> [UInt8]? { try dumps().last }

struct FramePageTests {
    private let stream = "idp1.example.com/main/0123456789abcdef"

    private var header: [UInt8] {
        let snapshot = SegmentSnapshot(
            created: Timestamp(year: 2026, month: 11, day: 21, hour: 11, minute: 2, second: 7),
            stream: "", nextSequence: 0, head: .zero, positions: [])
        var output = ByteWriter()
        snapshot.encode(segment: 1, into: &output)
        return output.makeArray()
    }

    private var batch: SealedBatch {
        let body = Array("{\"action\":\"LoginSucceeded\"}".utf8)
        let statement = Array("statement".utf8)
        let event = SealedEvent(
            end: body.count, leaf: SHA256.leaf(body.span), action: .loginSucceeded,
            severity: .low, sinkBits: 1)
        let group = SealedGroup(
            first: 0, count: 1, previous: .zero, signature: Array(0..<64))
        return SealedBatch(
            stream: stream, keyID: 0xA1B2_C3D4, sinks: ["siem"], bodies: body, events: [event],
            groups: [group], positions: [filePosition(offset: 820)],
            head: SHA256.digest(statement.span))
    }

    private var slot: [UInt8] {
        var output = ByteWriter()
        CursorSlot(
            sink: "siem", writeNumber: 3,
            cursor: SinkCursor(
                place: LedgerPlace(segment: 1, offset: 148, index: 1),
                totals: SinkTotals(offered: 1, delivered: 1)),
            written: Timestamp(year: 2026, month: 11, day: 21, hour: 11, minute: 2, second: 8)
        ).append(to: &output)
        return output.makeArray()
    }

    @Test func theExamplesOfThePageAreReproduced() throws {
        let written = [header, frameBytes(batch), slot]
        // The last one is encrypted, by another implementation.
        let expected = Array(try dumps().dropLast())
        #expect(expected.map(dump) == written.map(dump))
        if expected != written { print(written.map(dump).joined(separator: "\n")) }
    }

    @Test func theExamplesOfThePageAreReadBack() throws {
        let found = try dumps()
        try #require(found.count == 4)
        #expect(try decodeFrame(found[1]).isSame(as: batch))
        let last = found[2]
        let entries = CursorFile.read(last.span)
        #expect(entries[0] != .damaged && entries[0] != .empty)
    }

    @Test func theConstantsOfThePageAreThoseOfTheCode() throws {
        let text = try page()
        #expect(text.contains("at most \(67_108_864.formattedWithCommas)"))
        #expect(FrameLimit.payloadByteLimit == 67_108_864)
        #expect(FrameLimit.eventCountLimit == 1_048_576)
        #expect(CursorSlot.totalCountLimit == (508 - 112) / 8)
    }
}

extension Int {
    fileprivate var formattedWithCommas: String {
        var digits = String(self)
        var parts: [String] = []
        while digits.count > 3 {
            parts.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return ([digits] + parts).joined(separator: ",")
    }
}
