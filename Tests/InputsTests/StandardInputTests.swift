// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

struct StandardInputTests {
    /// A named pipe stands in for standard input: it can be waited on, and it ends.
    private struct Pipe {
        let folder: TemporaryFolder
        let reader: File
        private(set) var writer: File?

        init() throws {
            folder = try TemporaryFolder()
            try folder.createPipe("pipe")
            reader = try File(folder("pipe"), .read, .nonBlocking)
            writer = try File(folder("pipe"), .write, .nonBlocking)
        }

        func write(_ text: String) throws {
            try writer?.writeNext(Array(text.utf8).span)
        }

        mutating func end() { writer = nil }

        func input(
            _ framing: RecordFraming = RecordFraming(), positions: [Position] = []
        ) throws -> StandardInput {
            try StandardInput(
                InputConfiguration(id: "in", kind: .stdin), framing: framing,
                context: InputContext(stream: "host/0123456789abcdef", positions: positions),
                file: reader)
        }
    }

    private func read(_ input: StandardInput, _ count: Int) throws -> [ReadRecord] {
        var records: [ReadRecord] = []
        while records.count < count {
            guard let batch = try input.next(waitingAtMost: .seconds(10)) else { break }
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

    @Test func recordsAreNumberedFromZero() throws {
        let pipe = try Pipe()
        let input = try pipe.input()
        try pipe.write("one\ntwo\nthr")
        try #require(try read(input, 2).map(\.text) == ["one", "two"])
        try pipe.write("ee\n")
        let third = try read(input, 1)
        #expect(third.map(\.text) == ["three"])
        #expect(third.map(\.offset) == [2])
        #expect(third.map(\.source) == ["host/0123456789abcdef in"])
    }

    @Test func numbersGoOnAfterARestart() throws {
        let pipe = try Pipe()
        let input = try pipe.input(positions: [
            Position(input: "other", place: .count(99)), Position(input: "in", place: .count(7)),
        ])
        try pipe.write("one\ntwo\n")
        let batch = try input.next(waitingAtMost: .seconds(10))
        #expect(batch?.records.map(\.offset) == [7, 8])
        #expect(batch?.positions == [Position(input: "in", place: .count(9))])
    }

    @Test func theEndFinishesTheLastLineAndTheInput() throws {
        var pipe = try Pipe()
        let input = try pipe.input()
        try pipe.write("one\nlast")
        pipe.end()
        #expect(try read(input, 2).map(\.text) == ["one", "last"])
        #expect(try input.next(waitingAtMost: .seconds(60))?.records.count == nil)
        #expect(input.state.isFinished)
        #expect(input.state.recordCount == 2)
        #expect(input.state.readByteCount == 8)
    }

    @Test func joinedRecordsAreCompleteAfterQuiet() throws {
        let pipe = try Pipe()
        let framing = RecordFraming(
            recordStart: try RegularExpression("^\\d"), joinTimeout: .milliseconds(20))
        let input = try pipe.input(framing)
        try pipe.write("1 a\n b\n")
        #expect(try read(input, 1).map(\.text) == ["1 a\n b"])
    }

    @Test func longLinesAreCut() throws {
        var pipe = try Pipe()
        let input = try pipe.input(RecordFraming(recordByteLimit: 1024))
        try pipe.write(String(repeating: "a", count: 5000) + "\nnext\n")
        pipe.end()
        let records = try read(input, 2)
        #expect(records.map(\.text.utf8.count) == [1024, 4])
        #expect(records.map(\.isCut) == [true, false])
        #expect(input.state.cutRecordCount == 1)
    }

    @Test func theContractOfInputsHolds() throws {
        let pipe = try Pipe()
        let contract = InputContract(
            make: { ContractInput(try pipe.input(positions: $0)) }, feed: { try pipe.write($0) })
        #expect(try contract.failures() == [])
    }
}
