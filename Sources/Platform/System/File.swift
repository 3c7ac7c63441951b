// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What the kernel says about a file.
public struct FileStatus: Sendable, Hashable {
    /// What lies at a path.
    public enum Kind: Sendable {
        case regular, directory, symbolicLink, pipe, socket, device, other
    }

    /// What it is.
    public var kind: Kind
    /// The number that stays with the file when it is renamed.
    public var inode: UInt64
    /// The number of the file system; it may change when the machine starts again.
    public var device: UInt64
    /// The size.
    public var byteCount: Int
    /// When the content changed last.
    public var modified: Timestamp
    /// The permission bits, as 0o640.
    public var permissions: UInt32
    /// The number of the owner.
    public var userID: UInt32
    /// The number of the group.
    public var groupID: UInt32
    /// How many names the file has; 0 after the last one was removed.
    public var linkCount: UInt64

    init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .regular
        case S_IFDIR: kind = .directory
        case S_IFLNK: kind = .symbolicLink
        case S_IFIFO: kind = .pipe
        case S_IFSOCK: kind = .socket
        case S_IFCHR, S_IFBLK: kind = .device
        default: kind = .other
        }
        inode = UInt64(status.st_ino)
        device = UInt64(status.st_dev)
        byteCount = Int(status.st_size)
        modified = Timestamp(
            microseconds: Int64(status.st_mtim.tv_sec) * 1_000_000
                + Int64(status.st_mtim.tv_nsec) / 1000)
        permissions = status.st_mode & 0o7777
        userID = status.st_uid
        groupID = status.st_gid
        linkCount = UInt64(status.st_nlink)
    }
}

/// An open file, closed when the last reference goes.
///
/// Reads and writes name their place, so threads may share a file; who writes where is the
/// caller's concern.
public final class File: Sendable {
    /// What the file is opened for.
    public enum Access: Sendable {
        case read, write, readWrite
    }

    /// What else opening does. Every file is closed on exec.
    public struct Options: OptionSet, Sendable {
        /// The flags of open(2).
        public let rawValue: Int32

        /// Combines options.
        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        /// Creates the file when it is missing.
        public static let create = Options(rawValue: O_CREAT)
        /// Creates the file, and fails when something is there.
        public static let createNew = Options(rawValue: O_CREAT | O_EXCL)
        /// Empties the file.
        public static let truncate = Options(rawValue: O_TRUNC)
        /// Writes at the end, wherever that is by then.
        public static let append = Options(rawValue: O_APPEND)
        /// Fails when the last part of the path is a symbolic link.
        public static let noFollow = Options(rawValue: O_NOFOLLOW)
        /// Fails when the path is not a folder.
        public static let directory = Options(rawValue: O_DIRECTORY)
        /// Does not wait for the other end of a pipe, nor for data.
        public static let nonBlocking = Options(rawValue: O_NONBLOCK)
    }

    /// The path it was opened by, for messages; the file may have another name by now.
    public let path: String
    /// The kernel's number of the open file; it must not be closed by the caller.
    public let descriptor: Int32
    private let closesAtEnd: Bool

    /// Opens a file; `permissions` count only when it is created, and the umask applies.
    public init(
        _ path: String, _ access: Access = .read, _ options: Options = [],
        permissions: UInt32 = 0o640
    ) throws(SystemError) {
        let mode: Int32
        switch access {
        case .read: mode = O_RDONLY
        case .write: mode = O_WRONLY
        case .readWrite: mode = O_RDWR
        }
        let flags = mode | options.rawValue | O_CLOEXEC
        let number = retrying { open(path, flags, mode_t(permissions)) }
        guard number >= 0 else { throw SystemError(call: "open", path: path) }
        self.path = path
        descriptor = Int32(number)
        closesAtEnd = true
    }

    /// Wraps a descriptor that is already open, as standard input is, and leaves it open.
    public init(borrowing descriptor: Int32, path: String) {
        self.path = path
        self.descriptor = descriptor
        closesAtEnd = false
    }

    /// Takes over a descriptor that is already open and closes it at the end.
    init(adopting descriptor: Int32, path: String) {
        self.path = path
        self.descriptor = descriptor
        closesAtEnd = true
    }

    deinit {
        if closesAtEnd { close(descriptor) }
    }

    /// What the kernel says about the open file.
    public func status() throws(SystemError) -> FileStatus {
        var status = stat()
        // Safe because `status` outlives the call.
        guard fstat(descriptor, &status) == 0 else { throw failure("stat") }
        return FileStatus(status)
    }

    // MARK: Reading

    /// Reads up to `count` bytes at `offset`; fewer at the end of the file, none behind it.
    public func read(count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8]()
        _ = try append(to: &bytes, count: count, at: offset)
        return bytes
    }

    /// Appends up to `count` bytes from `offset` to an array and says how many it got.
    ///
    /// An array with enough capacity is not allocated anew.
    public func append(
        to bytes: inout [UInt8], count: Int, at offset: Int
    ) throws(SystemError) -> Int {
        try append(to: &bytes, count: count) { (target: UnsafeMutableRawPointer, room: Int) in
            // Safe because `target` has room for `room` bytes.
            pread(self.descriptor, target, room, off_t(offset))
        }
    }

    /// Reads over `bytes[range]` from `offset` and says how many bytes it got, 0 at the end.
    public func read(
        into bytes: inout [UInt8], _ range: Range<Int>, at offset: Int
    ) throws(SystemError) -> Int {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
            bug("a read into \(range) of \(bytes.count) bytes")
        }
        // Safe because the range was checked against the array.
        let count = bytes.withUnsafeMutableBytes { buffer in
            retrying {
                pread(
                    descriptor, buffer.baseAddress?.advanced(by: range.lowerBound), range.count,
                    off_t(offset))
            }
        }
        guard count >= 0 else { throw failure("read") }
        return count
    }

    /// Reads from where a pipe, a socket or standard input stands, and appends to an array.
    ///
    /// Says how many bytes came: 0 at the end. Throws EAGAIN when a non-blocking one has none.
    public func appendNext(to bytes: inout [UInt8], count: Int) throws(SystemError) -> Int {
        try append(to: &bytes, count: count) { (target: UnsafeMutableRawPointer, room: Int) in
            // Safe because `target` has room for `room` bytes.
            Glibc.read(self.descriptor, target, room)
        }
    }

    private func append(
        to bytes: inout [UInt8], count: Int, _ body: (UnsafeMutableRawPointer, Int) -> Int
    ) throws(SystemError) -> Int {
        guard count > 0 else { return 0 }
        var result = 0
        bytes.append(addingCapacity: count) { output in
            output.withUnsafeMutableBufferPointer { buffer, used in
                guard let start = buffer.baseAddress else { return }
                // Safe because the free part of the buffer has room for `count` bytes.
                result = retrying { body(start + used, count) }
                if result > 0 { used += result }
            }
        }
        guard result >= 0 else { throw failure("read") }
        return result
    }

    /// Where bytes begin that were written, at or behind `offset`; nil when only a hole is left.
    public func nextData(from offset: Int) -> Int? {
        let result = sealtail_next_data(descriptor, Int64(offset))
        return result < 0 ? nil : Int(result)
    }

    // MARK: Writing

    /// Writes all the bytes at `offset`, however many calls it takes.
    public func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        try write(bytes) { (source: UnsafeRawPointer, count: Int, done: Int) in
            // Safe because `source` has `count` bytes.
            pwrite(self.descriptor, source, count, off_t(offset + done))
        }
    }

    /// Writes all the bytes where the file stands, or at its end when opened to append.
    public func writeNext(_ bytes: Span<UInt8>) throws(SystemError) {
        try write(bytes) { (source: UnsafeRawPointer, count: Int, _: Int) in
            // Safe because `source` has `count` bytes.
            Glibc.write(self.descriptor, source, count)
        }
    }

    /// Writes once, where the file stands, and says how many bytes it took: perhaps not all.
    ///
    /// Throws EAGAIN when a non-blocking file takes none.
    public func writeSome(_ bytes: Span<UInt8>) throws(SystemError) -> Int {
        // Safe because the buffer is alive during the call.
        let count = bytes.withUnsafeBytes { buffer in
            retrying { Glibc.write(descriptor, buffer.baseAddress, buffer.count) }
        }
        guard count >= 0 else { throw failure("write") }
        return count
    }

    private func write(
        _ bytes: Span<UInt8>, _ body: (UnsafeRawPointer, Int, Int) -> Int
    ) throws(SystemError) {
        // Safe because every call stays inside the buffer.
        let isWritten = bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return true }
            var done = 0
            while done < buffer.count {
                let count = retrying {
                    body(start + done, buffer.count - done, done)
                }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
        guard isWritten else { throw failure("write") }
    }

    /// Returns when content and size are safe against power loss.
    public func synchronizeData() throws(SystemError) {
        guard retrying({ fdatasync(descriptor) }) == 0 else { throw failure("synchronize") }
    }

    /// Returns when content and all facts about the file are safe against power loss.
    public func synchronize() throws(SystemError) {
        guard retrying({ fsync(descriptor) }) == 0 else { throw failure("synchronize") }
    }

    /// Makes room on the disk for the file to reach `byteCount`; new bytes read as zero.
    public func allocate(_ byteCount: Int) throws(SystemError) {
        let result = sealtail_fallocate(descriptor, 0, Int64(byteCount))
        guard result == 0 else {
            throw SystemError(call: "allocate", path: path, number: result)
        }
    }

    /// Cuts the file, or lengthens it with zeros that take no room.
    public func truncate(to byteCount: Int) throws(SystemError) {
        guard retrying({ ftruncate(descriptor, off_t(byteCount)) }) == 0 else {
            throw failure("truncate")
        }
    }

    /// Sets the permission bits, whatever the umask.
    public func setPermissions(_ permissions: UInt32) throws(SystemError) {
        guard fchmod(descriptor, mode_t(permissions)) == 0 else { throw failure("chmod") }
    }

    /// Gives the file to a group, by its number, and leaves its owner.
    public func setGroup(_ group: UInt32) throws(SystemError) {
        // chown(2) leaves the user for a number of all ones.
        guard fchown(descriptor, uid_t.max, group) == 0 else { throw failure("chown") }
    }

    /// Takes the file for this process until it is closed; false when another has it.
    public func lockExclusively() throws(SystemError) -> Bool {
        if retrying({ sealtail_flock_exclusive(descriptor) }) == 0 { return true }
        if errno == EWOULDBLOCK { return false }
        throw failure("lock")
    }

    private func failure(_ call: String) -> SystemError {
        SystemError(call: call, path: path)
    }
}

/// Repeats a call that a signal interrupted.
func retrying<Count: FixedWidthInteger>(_ call: () -> Count) -> Count {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
