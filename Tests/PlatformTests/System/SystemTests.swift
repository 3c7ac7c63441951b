// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Testing

/// A folder of its own for one test, removed with what is in it.
final class ScratchFolder {
    let path: String

    init() throws {
        path = "/tmp/sealtail-platform-\(Hex.encode(RandomBytes.make(8)))"
        try FileSystem.createFolder(path, permissions: 0o700)
    }

    deinit {
        for name in (try? FileSystem.names(in: path)) ?? [] {
            try? FileSystem.remove("\(path)/\(name)")
            try? FileSystem.removeFolder("\(path)/\(name)")
        }
        try? FileSystem.removeFolder(path)
    }
}

@Suite struct FileTests {
    @Test func whatIsWrittenCanBeReadAtItsPlace() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/a"
        let file = try File(path, .readWrite, .createNew, permissions: 0o600)
        try file.write(Array("hello world".utf8).span, at: 0)
        try file.write(Array("W".utf8).span, at: 6)
        try file.synchronizeData()
        #expect(try file.read(count: 100, at: 6) == Array("World".utf8))
        #expect(try file.read(count: 3, at: 0) == Array("hel".utf8))
        #expect(try file.read(count: 3, at: 11) == [])
        var bytes: [UInt8] = [1, 2, 3, 4]
        #expect(try file.read(into: &bytes, 1..<3, at: 0) == 2)
        #expect(bytes == [1, 0x68, 0x65, 4])
        #expect(try file.append(to: &bytes, count: 50, at: 9) == 2)
        #expect(bytes == [1, 0x68, 0x65, 4, 0x6C, 0x64])
        let status = try file.status()
        #expect(status.byteCount == 11 && status.kind == .regular && status.linkCount == 1)
        #expect(status.permissions == 0o600)
        #expect(try FileSystem.status(path).inode == status.inode)
        try file.truncate(to: 5)
        try file.allocate(4096)
        #expect(try file.status().byteCount == 4096)
        #expect(try file.read(count: 7, at: 0) == Array("hello".utf8) + [0, 0])
        try FileSystem.remove(path)
        #expect(try file.status().linkCount == 0)
    }

    @Test func errorsNameTheCallTheFileAndTheReason() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/missing"
        let error = #expect(throws: SystemError.self) { try File(path) }
        #expect(error?.isNotFound == true)
        #expect(error?.code == "ENOENT")
        #expect(
            error?.description == "\(path): cannot open: No such file or directory (ENOENT)")
        _ = try File(path, .write, .createNew)
        let second = #expect(throws: SystemError.self) { try File(path, .write, .createNew) }
        #expect(second?.isAlreadyThere == true)
        #expect(SystemError(call: "x", number: 100_000).code == "EUNKNOWN")
    }

    @Test func aMissingRightAndAMissingFileAreToldApartFromWhatMayHeal() {
        #expect(SystemError(call: "open", number: EACCES).exitCode.rawValue == 77)
        #expect(SystemError(call: "open", number: ENOENT).exitCode.rawValue == 66)
        #expect(SystemError(call: "open", number: EIO).exitCode.rawValue == 74)
    }

    @Test func appendingReachesTheEndWhereverItIs() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/log"
        let file = try File(path, .write, [.create, .append])
        try file.writeNext(Array("a".utf8).span)
        try File(path, .write, .append).writeNext(Array("b".utf8).span)
        try file.writeNext(Array("c".utf8).span)
        #expect(try FileSystem.read(path, byteLimit: 3) == Array("abc".utf8))
        #expect(throws: SystemError.self) { try FileSystem.read(path, byteLimit: 2) }
    }

    @Test func foldersAreListedMatchedAndReplaced() throws {
        let folder = try ScratchFolder()
        let path = folder.path
        try FileSystem.createFolders(path + "/x")
        try FileSystem.createFolder(path + "/x")
        try FileSystem.write(path + "/b.log", Array("1".utf8).span)
        try FileSystem.write(path + "/a.log", Array("2".utf8).span, permissions: 0o600)
        try FileSystem.write(path + "/a.log", Array("3".utf8).span, permissions: 0o640)
        #expect(try FileSystem.names(in: path) == ["a.log", "b.log", "x"])
        #expect(FileSystem.matches(path + "/*.log") == [path + "/a.log", path + "/b.log"])
        #expect(FileSystem.matches(path + "/*.none") == [])
        #expect(FileSystem.matches(name: "a.log", pattern: "[ab].l?g"))
        #expect(!FileSystem.matches(name: "a.log.1", pattern: "*.log"))
        #expect(try FileSystem.read(path + "/a.log", byteLimit: 10) == Array("3".utf8))
        #expect(try FileSystem.status(path + "/a.log").permissions == 0o640)
        try FileSystem.createLink(path + "/l", to: "a.log")
        #expect(try FileSystem.linkStatus(path + "/l").kind == .symbolicLink)
        #expect(try FileSystem.status(path + "/l").kind == .regular)
        #expect(try FileSystem.resolved(path + "/l") == FileSystem.resolved(path + "/a.log"))
        #expect(throws: SystemError.self) { try File(path + "/l", .read, .noFollow) }
        try FileSystem.rename(path + "/a.log", to: path + "/b.log")
        #expect(try FileSystem.names(in: path) == ["b.log", "l", "x"])
        #expect(FileSystem.folder(of: "/a/b") == "/a" && FileSystem.folder(of: "/a") == "/")
        #expect(FileSystem.folder(of: "a") == "." && FileSystem.name(of: "/a/b") == "b")
        #expect(throws: SystemError.self) { try FileSystem.createFolder(path + "/b.log") }
    }

    @Test func aLinkInTheWayOfAWriteIsNotFollowed() throws {
        let folder = try ScratchFolder()
        let path = folder.path
        try FileSystem.write(path + "/other", Array("other".utf8).span, permissions: 0o600)
        try FileSystem.createLink(path + "/a.new", to: "other")
        let group = try FileSystem.status(path + "/other").groupID
        try FileSystem.write(path + "/a", Array("a".utf8).span, permissions: 0o640, group: group)
        #expect(try FileSystem.read(path + "/other", byteLimit: 9) == Array("other".utf8))
        #expect(try FileSystem.status(path + "/other").permissions == 0o600)
        #expect(try FileSystem.linkStatus(path + "/a").kind == .regular)
        #expect(try FileSystem.status(path + "/a").permissions == 0o640)
        // What cannot be put aside is not written into.
        try FileSystem.createFolder(path + "/b.new")
        #expect(throws: SystemError.self) { try FileSystem.write(path + "/b", [UInt8]().span) }
    }

    @Test func aLockIsHeldOnce() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/lock"
        var first = try FileLock.take(path)
        #expect(first != nil)
        #expect(try FileLock.take(path) == nil)
        first = nil
        #expect(try FileLock.take(path) != nil)
    }
}

@Suite struct ThreadTests {
    @Test func aThreadRunsItsBodyAndCanBeJoined() throws {
        let monitor = Monitor(0)
        let threads = try (0..<4).map { index in
            try Thread.start(name: "a name that is too long \(index)") {
                for _ in 0..<1000 { monitor.withLock { $0 += 1 } }
            }
        }
        threads.forEach { $0.join() }
        #expect(monitor.withLock { $0 } == 4000)
    }

    @Test func aWaitEndsWhenTheValueIsThere() throws {
        let monitor = Monitor([Int]())
        let thread = try Thread.start(name: "producer") {
            for number in 0..<100 { monitor.update { $0.append(number) } }
        }
        var sum = 0
        for _ in 0..<100 {
            sum += monitor.wait { $0.isEmpty ? nil : $0.removeFirst() } ?? -1000
        }
        thread.join()
        #expect(sum == 4950)
    }

    @Test func aWaitEndsWhenTheTimeIsUp() {
        let monitor = Monitor(0)
        #expect(monitor.wait(timeout: .zero) { $0 > 0 ? $0 : nil } == nil)
        #expect(monitor.wait(timeout: .milliseconds(1)) { $0 > 0 ? $0 : nil } == nil)
        #expect(monitor.wait(timeout: .seconds(-5)) { $0 > 0 ? $0 : nil } == nil)
        monitor.update { $0 = 1 }
        #expect(monitor.wait(timeout: .zero) { $0 > 0 ? $0 : nil } == 1)
    }
}

@Suite struct WatcherTests {
    @Test func changesInAFolderAreReported() throws {
        let folder = try ScratchFolder()
        let watcher = try DirectoryWatcher()
        let watch = try watcher.add(folder.path)
        #expect(try watcher.wait(timeout: .zero) == [])
        let file = try File(folder.path + "/a.log", .write, .create)
        try file.write([1].span, at: 0)
        try FileSystem.rename(folder.path + "/a.log", to: folder.path + "/a.log.1")
        var events = [WatchEvent]()
        while !events.contains(where: { $0.kinds.contains(.movedTo) }) {
            let more = try watcher.wait(timeout: .seconds(5))
            try #require(!more.isEmpty)
            events += more
        }
        #expect(events.allSatisfy { $0.watch == watch })
        #expect(events.map(\.kinds) == [.created, .modified, .movedFrom, .movedTo])
        #expect(events.map(\.name) == ["a.log", "a.log", "a.log", "a.log.1"])
        #expect(events[2].cookie == events[3].cookie && events[2].cookie != 0)
        watcher.remove(watch)
        #expect(try watcher.wait(timeout: .seconds(5)).map(\.kinds) == [.ended])
        #expect(throws: SystemError.self) { try watcher.add(folder.path + "/none") }
    }

    @Test func aWaitCanBeEndedFromOutside() throws {
        let watcher = try DirectoryWatcher()
        watcher.wake()
        watcher.wake()
        #expect(try watcher.wait(timeout: nil) == [])
        let bell = try Bell()
        #expect(!bell.wait(timeout: .zero))
        bell.ring()
        #expect(bell.wait(timeout: nil))
        let null = try File("/dev/null", .readWrite)
        #expect(bell.wait(for: null, timeout: .zero) == .readable)
        #expect(bell.waitUntilWritable(null, timeout: .zero))
        let taken = try null.writeSome([1, 2].span)
        #expect(taken == 2)
        bell.ring()
        #expect(bell.wait(for: null, timeout: .zero) == .rung)
        bell.ring()
        #expect(!bell.waitUntilWritable(null, timeout: .seconds(5)))
        #expect(!bell.wait(timeout: .zero))
    }
}

@Suite struct ProcessTests {
    @Test func clocksGoForward() {
        let clock = SystemClock()
        let first = clock.monotonic()
        #expect(clock.monotonic() >= first)
        #expect(first.advanced(by: .seconds(2)).duration(since: first) == .seconds(2))
        #expect(clock.now() > Timestamp(year: 2024, month: 1, day: 1))
        let end = MonotonicInstant(nanoseconds: .max)
        #expect(end.advanced(by: .seconds(1)) == end)
        #expect(Duration.seconds(Int64.max / 2).wholeNanoseconds == .max)
        #expect(Duration.milliseconds(-1500).wholeNanoseconds == -1_500_000_000)
    }

    @Test func theProcessKnowsItself() {
        #expect(!ProcessFacts.hostName.isEmpty)
        #expect(ProcessFacts.environment("SEALTAIL_NOT_SET") == nil)
        #expect(ProcessFacts.processorCount >= 1)
        // Without systemd around, telling it something is no error.
        SystemdNotifier().status("testing\nmore")
    }
}
