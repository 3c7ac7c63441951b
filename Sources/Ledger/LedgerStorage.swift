// SPDX-License-Identifier: Apache-2.0
import Platform

/// The calls to the file system on which the promises of the ledger rest.
///
/// There are two of them: the disk, and in tests a disk that fails and forgets.
public protocol LedgerStorage: Sendable {
    /// The names in a folder, sorted.
    func names(in folder: String) throws(SystemError) -> [String]
    /// Creates a folder that only its owner may use; fine when it is there already.
    func createFolder(_ path: String) throws(SystemError)
    /// Opens a file that exists.
    func open(_ path: String, isWritable: Bool) throws(SystemError) -> any LedgerFile
    /// Creates a file that only its owner may use, with room for `byteCount` bytes that read as
    /// zeros; fails when the name exists.
    func create(_ path: String, byteCount: Int) throws(SystemError) -> any LedgerFile
    /// Gives a file another name in the same folder, which nothing has yet.
    func rename(_ path: String, to newPath: String) throws(SystemError)
    /// Removes a file.
    func remove(_ path: String) throws(SystemError)
    /// Returns when the names in a folder are safe against power loss.
    func synchronizeFolder(_ path: String) throws(SystemError)
}

/// An open file of the ledger; threads may share it.
public protocol LedgerFile: AnyObject, Sendable {
    /// Appends up to `count` bytes from `offset` to an array and says how many it got.
    func append(
        to bytes: inout [UInt8], count: Int, at offset: Int
    ) throws(SystemError) -> Int
    /// Writes all the bytes, or throws.
    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError)
    /// Returns when content and size are safe against power loss.
    func synchronizeData() throws(SystemError)
    /// Cuts the file.
    func truncate(to byteCount: Int) throws(SystemError)
    /// The size and the time of the last change.
    func measure() throws(SystemError) -> (byteCount: Int, modified: Timestamp)
}

/// The file system of the machine.
public struct DiskStorage: LedgerStorage {
    private static let filePermissions: UInt32 = 0o600
    private static let folderPermissions: UInt32 = 0o700
    // EEXIST, on every Linux.
    private static let existsNumber: Int32 = 17

    /// Makes the one that the agent uses.
    public init() {}

    /// The names in a folder, sorted.
    public func names(in folder: String) throws(SystemError) -> [String] {
        try FileSystem.names(in: folder)
    }

    /// Creates a folder with mode 0700.
    public func createFolder(_ path: String) throws(SystemError) {
        try FileSystem.createFolder(path, permissions: DiskStorage.folderPermissions)
    }

    /// Opens a file; a symbolic link is refused.
    public func open(_ path: String, isWritable: Bool) throws(SystemError) -> any LedgerFile {
        DiskFile(try File(path, isWritable ? .readWrite : .read, .noFollow))
    }

    /// Creates a file with mode 0600 by O_EXCL and fallocate(2).
    public func create(_ path: String, byteCount: Int) throws(SystemError) -> any LedgerFile {
        let file = try File(
            path, .readWrite, [.createNew, .noFollow], permissions: DiskStorage.filePermissions)
        do {
            try file.allocate(byteCount)
        } catch {
            // The name would otherwise stay behind as an empty segment.
            try? FileSystem.remove(path)
            throw error
        }
        return DiskFile(file)
    }

    /// Calls rename(2); the caller holds the lock of the directory, so nothing comes in between.
    public func rename(_ path: String, to newPath: String) throws(SystemError) {
        guard !FileSystem.exists(newPath) else {
            throw SystemError(call: "rename", path: newPath, number: DiskStorage.existsNumber)
        }
        try FileSystem.rename(path, to: newPath)
    }

    /// Removes a file.
    public func remove(_ path: String) throws(SystemError) {
        try FileSystem.remove(path)
    }

    /// Calls fsync(2) on the folder.
    public func synchronizeFolder(_ path: String) throws(SystemError) {
        try FileSystem.synchronizeFolder(path)
    }
}

/// A file on the disk.
private final class DiskFile: LedgerFile {
    private let file: File

    init(_ file: File) {
        self.file = file
    }

    func append(
        to bytes: inout [UInt8], count: Int, at offset: Int
    ) throws(SystemError) -> Int {
        // pread(2) may answer with less than there is.
        var total = 0
        while total < count {
            let more = try file.append(to: &bytes, count: count - total, at: offset + total)
            if more == 0 { break }
            total += more
        }
        return total
    }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        try file.write(bytes, at: offset)
    }

    func synchronizeData() throws(SystemError) {
        try file.synchronizeData()
    }

    func truncate(to byteCount: Int) throws(SystemError) {
        try file.truncate(to: byteCount)
    }

    func measure() throws(SystemError) -> (byteCount: Int, modified: Timestamp) {
        let status = try file.status()
        return (status.byteCount, status.modified)
    }
}
