// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct FileSinkTests {
    private func sink(_ path: String, _ format: SinkFormat = .canonical) throws -> any Sink {
        try Samples.sink(
            "{id: archive, type: file, path: '\(path)', format: \(format.rawValue)}")
    }

    @Test func theFileIsNotForEverybody() throws {
        let folder = try TemporaryFolder()
        #expect(Samples.failure(try sink(folder("out")), Samples.delivery(1)) == nil)
        #expect(try FileSystem.status(folder("out")).permissions & 0o137 == 0)
    }

    @Test func aFileThatWasMovedAwayIsBegunAnew() throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"))
        let (first, second) = (Samples.delivery(1), Samples.delivery(2, first: 10))
        #expect(Samples.failure(sink, first) == nil)
        try folder.rename("out", to: "out.1")
        // Whoever moves it away may put an empty one in its place.
        try folder.write("out", "")
        #expect(Samples.failure(sink, second) == nil)
        #expect(try folder.read("out.1") == Samples.lines(first, .canonical))
        #expect(try folder.read("out") == Samples.lines(second, .canonical))
    }

    @Test func aFileThatWasRemovedIsBegunAnew() throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"))
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        try folder.remove("out")
        let second = Samples.delivery(2, first: 10)
        #expect(Samples.failure(sink, second) == nil)
        #expect(try folder.read("out") == Samples.lines(second, .canonical))
    }

    @Test func aFileThatWasEmptiedGoesOnFromItsNewEnd() throws {
        let folder = try TemporaryFolder()
        let sink = try sink(folder("out"))
        #expect(Samples.failure(sink, Samples.delivery(3)) == nil)
        try folder.truncate("out")
        let second = Samples.delivery(2, first: 10)
        #expect(Samples.failure(sink, second) == nil)
        #expect(try folder.read("out") == Samples.lines(second, .canonical))
    }

    @Test func aHalfLineOfACrashIsCutOff() throws {
        let folder = try TemporaryFolder()
        try folder.write("out", "{\"whole\":1}\n{\"half\":")
        let batch = Samples.delivery(1)
        #expect(Samples.failure(try sink(folder("out")), batch) == nil)
        #expect(
            try folder.read("out")
                == Array("{\"whole\":1}\n".utf8) + Samples.lines(batch, .canonical))
    }

    @Test func aFolderThatIsNotThereIsAnAlarm() throws {
        let sink = try sink("/nowhere/at/all/out")
        #expect(sink.probe()?.code == .place)
        guard case .alarm(let reason, .place)? = Samples.failure(sink, Samples.delivery(1)) else {
            Issue.record("no alarm")
            return
        }
        #expect(reason.contains("/nowhere/at/all/out"))
    }

    /// A named pipe that nobody reads takes 64 KiB and then holds its writer for ever.
    @Test(arguments: ["pipe", "folder"])
    func whatIsNoFileIsRefusedAndNotWaitedFor(kind: String) throws {
        let folder = try TemporaryFolder()
        if kind == "pipe" {
            try folder.createPipe("out")
        } else {
            try folder.createFolder("out")
        }
        let sink = try sink(folder("out"))
        let batch = Samples.delivery(200)
        #expect(sink.probe()?.code == .place)
        guard case .alarm(let reason, .place)? = Samples.failure(sink, batch) else {
            Issue.record("no alarm")
            return
        }
        #expect(reason.contains("out: is a \(kind) and no file"))
        if kind == "folder" {
            try FileSystem.removeFolder(folder("out"))
        } else {
            try folder.remove("out")
        }
        #expect(Samples.failure(sink, batch) == nil)
        #expect(try folder.read("out") == Samples.lines(batch, .canonical))
    }
}
