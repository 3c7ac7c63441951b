// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

struct WholeFileReaderTests {
    private func read(_ path: String, _ framing: RecordFraming = RecordFraming()) throws
        -> [ReadRecord]
    {
        var reader = try WholeFileReader(path, framing: framing)
        var records: [ReadRecord] = []
        while let batch = try reader.next() {
            #expect(batch.positions == [])
            #expect(!batch.records.isEmpty)
            #expect(batch.bytes.suffix(RecordBatch.paddingByteCount).allSatisfy { $0 == 0 })
            for record in batch.records {
                records.append(
                    ReadRecord(
                        text: String(decoding: batch.bytes[record.range], as: UTF8.self),
                        source: batch.source, offset: record.offset, path: batch.path,
                        isCut: record.damage.contains(.cut)))
            }
        }
        return records
    }

    @Test func theLastLineCountsWithoutItsEnd() throws {
        let folder = try TemporaryFolder()
        try folder.write("a", "one\r\n\ntwo")
        let records = try read(folder("a"))
        #expect(records.map(\.text) == ["one", "two"])
        #expect(records.map(\.offset) == [0, 6])
        #expect(records.map(\.source) == ["parse", "parse"])
        #expect(records[0].path == folder("a"))
    }

    @Test func anEmptyFileHasNoRecords() throws {
        let folder = try TemporaryFolder()
        try folder.write("a", "")
        #expect(try read(folder("a")) == [])
    }

    @Test func allBlocksAreRead() throws {
        let folder = try TemporaryFolder()
        let lines = (0..<20_000).map { "\($0) " + String(repeating: "w", count: $0 % 100) }
        try folder.write("a", lines.joined(separator: "\n"))
        let records = try read(folder("a"))
        #expect(records.map(\.text) == lines)
        let text = try folder.read("a")
        for record in records where record.offset % 997 == 0 {
            let start = Int(record.offset)
            let bytes = text[start..<start + record.text.utf8.count]
            #expect(String(decoding: bytes, as: UTF8.self) == record.text)
        }
    }

    @Test func manyShortLinesAtTheEndAreRead() throws {
        let folder = try TemporaryFolder()
        let count = InputLimit.batchRecordLimit * 3 + 1
        try folder.write("a", String(repeating: "x\n", count: count))
        #expect(try read(folder("a")).count == count)
    }

    @Test func longRecordsAreCutOnce() throws {
        let folder = try TemporaryFolder()
        try folder.write("a", String(repeating: "v", count: 2_000_000) + "\nnext\n")
        let records = try read(folder("a"), RecordFraming(recordByteLimit: 5000))
        #expect(records.map(\.text.utf8.count) == [5000, 4])
        #expect(records.map(\.isCut) == [true, false])
        #expect(records[1].offset == 2_000_001)
    }

    @Test func joinedRecordsAreFinishedAtTheEnd() throws {
        let folder = try TemporaryFolder()
        try folder.write("a", "1 a\n b\n2 c\n d")
        let framing = RecordFraming(recordStart: try RegularExpression("^\\d"))
        #expect(try read(folder("a"), framing).map(\.text) == ["1 a\n b", "2 c\n d"])
    }

    @Test func aMissingFileIsAnErrorWithItsPath() throws {
        let folder = try TemporaryFolder()
        do {
            _ = try WholeFileReader(folder("no"), framing: RecordFraming())
            Issue.record("a missing file was opened")
        } catch {
            #expect(error.description.contains(folder("no")))
            #expect(error.code == "ENOENT")
        }
    }
}
