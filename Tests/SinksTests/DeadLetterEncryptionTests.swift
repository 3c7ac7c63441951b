// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct DeadLetterEncryptionTests {
    private static let now = Timestamp(microseconds: 1_795_258_927_118_000)

    private func ring(_ first: UInt8, previous: [UInt8] = []) throws -> EncryptionKeyRing {
        func key(_ first: UInt8) -> EncryptionKey? {
            EncryptionKey(Secret((0..<32).map { first &+ $0 }))
        }
        return EncryptionKeyRing(
            current: try #require(key(first)), previous: previous.compactMap(key))
    }

    @Test func encryptedLinesHideEverythingAndAreReadBackWithTheirKey() throws {
        let folder = try TemporaryFolder()
        let clear = try DeadLetter(folder: folder("clear"), sink: "siem", byteLimit: 1 << 20)
        let batch = Samples.delivery(2)
        let rejections = [
            Rejection(index: 0, reason: "field x of alice is bad", code: .refused),
            Rejection(index: 1, reason: "no", code: .size),
        ]
        try clear.append(rejections, of: batch, at: Self.now)
        let old = try DeadLetter(
            folder: folder("dead"), sink: "siem", byteLimit: 1 << 20, encryption: try ring(1))
        try old.append(rejections, of: batch, at: Self.now)
        // The next start has another key, and one with the old key still reads all of it.
        let letter = try DeadLetter(
            folder: folder("dead"), sink: "siem", byteLimit: 1 << 20,
            encryption: try ring(2, previous: [1]))
        try letter.append(rejections, of: batch, at: Self.now)
        let bytes = try folder.read("dead/siem.ndjson")
        let text = String(decoding: bytes, as: UTF8.self)
        for word in ["alice", "refused", "event", "integrity"] { #expect(!text.contains(word)) }
        let expected = try #require(try clear.entry(at: 0))
        var offset = 0
        var count = 0
        while let entry = try letter.entry(at: offset) {
            if count % 2 == 0 {
                #expect(entry.line == expected.line && entry.reason == expected.reason)
            }
            offset = entry.end
            count += 1
        }
        #expect(count == 4)
        // The lines are those that would have been written in clear.
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { Array($0) }
        let clearLines = try folder.read("clear/siem.ndjson").split(separator: UInt8(ascii: "\n"))
        let keys = try ring(2, previous: [1])
        #expect(DeadLetter.clear(lines[2], keys: keys) == .clear(Array(clearLines[0])))
        #expect(DeadLetter.clear(Array(clearLines[0]), keys: nil) == .clear(Array(clearLines[0])))
        guard case .locked(let name) = DeadLetter.clear(lines[0], keys: try ring(2)) else {
            Issue.record("read without its key")
            return
        }
        #expect(name == (try ring(1)).current.name)
        let changed = String(decoding: lines[2], as: UTF8.self)
            .replacing("\"sink\":\"siem\"", with: "\"sink\":\"site\"")
        #expect(DeadLetter.clear(Array(changed.utf8), keys: keys) == .damaged)
        let locked = try DeadLetter(folder: folder("dead"), sink: "siem", byteLimit: 1 << 20)
        #expect {
            _ = try locked.entry(at: 0)
        } throws: { error in
            "\(error)".contains("needs the key \(name); name it in ledger.encryption")
        }
    }
}
