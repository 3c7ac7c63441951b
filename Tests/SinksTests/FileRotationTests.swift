// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct FileRotationTests {
    private struct FixedTime: TimeSource {
        let moment: Timestamp
        func now() -> Timestamp { moment }
        func monotonic() -> MonotonicInstant { SystemClock().monotonic() }
    }

    // Midnight of 2100-01-01, ahead of the times that the file system writes down.
    private let time = FixedTime(moment: Timestamp(microseconds: 4_102_444_800_000_000))

    private func sink(_ path: String, _ rotate: String) throws -> FileSink {
        let (read, problems) = Samples.configuration(
            "{id: a, type: file, path: '\(path)', rotate: {\(rotate)}}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? FileOptions)
        return FileSink(configuration, options, clock: time)
    }

    private func names(_ folder: TemporaryFolder) throws -> [String] {
        try FileSystem.names(in: folder.path)
    }

    /// Goes on until nothing is left to compress.
    private func rest(_ sink: FileSink) {
        for _ in 0..<50 { _ = sink.outcomes(waitingAtMost: .zero) }
    }

    @Test func aFileIsPutAsideBeforeItGrowsBeyondItsSize() throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"), "size: 64KiB")
        let batches = (0..<4).map { Samples.delivery(45, first: $0 * 100) }
        let lines = batches.map { Samples.lines($0, .canonical) }
        // Two of them fit, three do not.
        #expect(lines[0].count > 22 << 10 && lines[0].count < 32 << 10)
        for batch in batches { #expect(Samples.failure(sink, batch) == nil) }
        #expect(try names(folder) == ["out", "out.21000101T000000Z.000"])
        #expect(try folder.read("out.21000101T000000Z.000") == lines[0] + lines[1])
        #expect(try folder.read("out") == lines[2] + lines[3])
    }

    @Test func eachSpanOfTimeHasAFileOfItsOwnAndNoNameIsUsedTwice() throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"), "interval: 1d")
        // The clock of the sink is days ahead of the file's, so each write is in a new span.
        for number in 0..<3 {
            #expect(Samples.failure(sink, Samples.delivery(1, first: number)) == nil)
        }
        #expect(
            try names(folder) == ["out", "out.21000101T000000Z.000", "out.21000101T000000Z.001"])
        for (number, name) in ["out.21000101T000000Z.000", "out.21000101T000000Z.001", "out"]
            .enumerated()
        {
            let lines = Samples.lines(Samples.delivery(1, first: number), .canonical)
            #expect(try folder.read(name) == lines)
        }
    }

    @Test func nothingIsDeletedUnlessItIsAskedFor() throws {
        let folder = try TemporaryFolder()
        let keeping = try sink(folder("out"), "interval: 1d")
        for number in 0..<5 { _ = Samples.failure(keeping, Samples.delivery(1, first: number)) }
        #expect(try names(folder).count == 5)
        try folder.write("out.21000101T000000Z.txt", "not ours")
        try folder.write("out.old", "not ours")
        try folder.write("outer.21000101T000000Z.000", "not ours")
        let deleting = try sink(folder("out"), "interval: 1d, keep: 2")
        _ = Samples.failure(deleting, Samples.delivery(1, first: 9))
        #expect(
            try names(folder) == [
                "out", "out.21000101T000000Z.003", "out.21000101T000000Z.004",
                "out.21000101T000000Z.txt", "out.old", "outer.21000101T000000Z.000",
            ])
    }

    @Test(arguments: [("gzip", ".gz", "/bin/gzip"), ("zstd", ".zst", "/usr/bin/zstd")])
    func whatIsPutAsideIsCompressedForTheUsualTools(
        word: String, ending: String, tool: String
    ) throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"), "interval: 1d, compress: \(word)")
        // More than one piece, so that the copy is several members or frames.
        let big = Samples.delivery(7000)
        let lines = Samples.lines(big, .canonical)
        #expect(lines.count > FileArchive.pieceByteCount)
        #expect(Samples.failure(sink, big) == nil)
        #expect(Samples.failure(sink, Samples.delivery(1, first: 9000)) == nil)
        rest(sink)
        let name = "out.21000101T000000Z.000"
        #expect(try names(folder) == ["out", name + ending])
        #expect(try folder.read(name + ending).count < lines.count)
        try OpenSSLCommand.run(tool, ["-q", "-d", folder(name + ending)])
        #expect(try folder.read(name) == lines)
    }

    @Test func whatAStopHasLeftIsCompressedByTheNextStart() throws {
        let folder = try TemporaryFolder()
        try folder.write("out.21000101T000000Z.000", "one\n")
        try folder.write("out.21000101T000000Z.000.partial", "half")
        // Both are there after a crash between the copy and the removal.
        try folder.write("out.21000101T000000Z.001", "two\n")
        try folder.write("out.21000101T000000Z.001.zst", "copy")
        let sink = try sink(folder("out"), "size: 1MiB, compress: zstd")
        // Asking changes nothing.
        #expect(sink.probe() == nil)
        #expect(try names(folder).count == 4)
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        rest(sink)
        #expect(
            try names(folder) == [
                "out", "out.21000101T000000Z.000.zst", "out.21000101T000000Z.001.zst",
            ])
        #expect(try folder.read("out.21000101T000000Z.001.zst") != Array("copy".utf8))
    }

    @Test func somebodyElsesRotationIsFollowedAsWell() throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"), "size: 64KiB")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        try folder.rename("out", to: "out.1")
        #expect(Samples.failure(sink, Samples.delivery(1, first: 5)) == nil)
        #expect(try names(folder) == ["out", "out.1"])
    }

    @Test func aFileThatCannotBeCompressedIsKeptAndHeardOf() throws {
        let folder = try TemporaryFolder()
        let name = "out.21000101T000000Z.000"
        try folder.write(name, "one\n")
        try folder.createFolder(name + ".partial")
        let sink = try sink(folder("out"), "size: 64KiB, compress: gzip")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        rest(sink)
        #expect(sink.condition.problem?.contains(name + ".partial") == true)
        #expect(try folder.read(name) == Array("one\n".utf8))
        // It stops nothing.
        #expect(Samples.failure(sink, Samples.delivery(1, first: 5)) == nil)
    }

    /// Names that sort wrongly would let `keep` delete what is newest.
    @Test func aClockThatWasSetBackDeletesNothingNew() throws {
        let folder = try TemporaryFolder()
        let names = ["out.22000101T000000Z.000", "out.22000101T000000Z.001"]
        for name in names { try folder.write(name, "from a clock that was wrong\n") }
        let sink = try sink(folder("out"), "interval: 1d, keep: 2")
        for number in 0..<2 {
            #expect(Samples.failure(sink, Samples.delivery(1, first: number)) == nil)
        }
        let put = "out.22000101T000000Z.002"
        #expect(try self.names(folder) == ["out", names[1], put])
        #expect(try folder.read(put) == Samples.lines(Samples.delivery(1), .canonical))
    }

    /// On a full disk it would keep the room that the next events need, for ever.
    @Test func aCopyThatCannotBeFinishedLeavesNothing() throws {
        let folder = try TemporaryFolder()
        let name = "out.21000101T000000Z.000"
        // It can be opened, and not read.
        try folder.createFolder(name)
        let sink = try sink(folder("out"), "size: 64KiB, compress: gzip")
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        rest(sink)
        #expect(sink.condition.problem != nil)
        #expect(try names(folder) == ["out", name])
    }

    @Test(arguments: [
        ("rotate: {}", "rotate.size: must be set, or interval, or both"),
        ("rotate: {size: 1KiB}", "rotate.size: must be"),
        ("rotate: {interval: 1s}", "rotate.interval: must be"),
        ("rotate: {size: 1MiB, keep: 0}", "rotate.keep: must be"),
        ("rotate: {size: 1MiB, compress: lz4}", "rotate.compress: must be"),
    ])
    func mistakesAreSaid(text: String, sentence: String) {
        let (_, problems) = Samples.configuration("{id: a, type: file, path: /o, \(text)}")
        #expect(problems.contains { $0.contains(sentence) }, "\(problems)")
    }
}
