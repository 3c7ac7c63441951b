// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

/// A fresh folder for one test, removed with everything in it when the last reference goes.
public final class TemporaryFolder: Sendable {
    /// The absolute path of the folder, links resolved.
    public let path: String

    /// Makes a folder that nobody else uses.
    ///
    /// - Parameter othersMayEnter: makes it where every user can go, which `TMPDIR` need not be.
    public init(othersMayEnter: Bool = false) throws {
        let usual = othersMayEnter ? nil : ProcessFacts.environment("TMPDIR")
        let parent = try FileSystem.resolved(usual ?? "/tmp")
        let name = "sealtail-test-" + Hex.encode(RandomBytes.make(8).span)
        path = parent + "/" + name
        try FileSystem.createFolder(path, permissions: 0o700)
        if othersMayEnter { try FileSystem.setPermissions(path, 0o755) }
    }

    deinit {
        TemporaryFolder.remove(path)
    }

    /// The path of a name in the folder.
    public func callAsFunction(_ name: String) -> String {
        path + "/" + name
    }

    /// Creates or replaces a file.
    public func write(_ name: String, _ text: String) throws {
        try write(name, Array(text.utf8))
    }

    /// Creates or replaces a file, keeping the inode of one that is there.
    public func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try File(self(name), .write, [.create, .truncate])
        try file.writeNext(bytes.span)
    }

    /// Writes at the end of a file, which is created when it is missing.
    public func append(_ name: String, _ text: String) throws {
        let file = try File(self(name), .write, [.create, .append])
        try file.writeNext(Array(text.utf8).span)
    }

    /// Renames a file inside the folder.
    public func rename(_ name: String, to newName: String) throws {
        try FileSystem.rename(self(name), to: self(newName))
    }

    /// Removes a file.
    public func remove(_ name: String) throws {
        try FileSystem.remove(self(name))
    }

    /// Creates a folder inside the folder.
    public func createFolder(_ name: String) throws {
        try FileSystem.createFolder(self(name))
    }

    /// Creates a named pipe.
    public func createPipe(_ name: String) throws {
        guard mkfifo(self(name), 0o600) == 0 else {
            throw SystemError(call: "make pipe", path: self(name))
        }
    }

    /// Cuts a file.
    public func truncate(_ name: String, to byteCount: Int = 0) throws {
        try File(self(name), .write).truncate(to: byteCount)
    }

    /// Gives a file the times of another one, as gzip(1) does with what it makes.
    public func copyTimes(from name: String, to other: String) throws {
        var status = stat()
        guard stat(self(name), &status) == 0 else {
            throw SystemError(call: "stat", path: self(name))
        }
        let times = [status.st_atim, status.st_mtim]
        guard utimensat(AT_FDCWD, self(other), times, 0) == 0 else {
            throw SystemError(call: "set times", path: self(other))
        }
    }

    /// The bytes of a file.
    public func read(_ name: String) throws -> [UInt8] {
        try FileSystem.read(self(name), byteLimit: 1 << 30)
    }

    private static func remove(_ path: String) {
        for name in (try? FileSystem.names(in: path)) ?? [] {
            let child = path + "/" + name
            if (try? FileSystem.linkStatus(child).kind) == .directory {
                remove(child)
            } else {
                try? FileSystem.remove(child)
            }
        }
        try? FileSystem.removeFolder(path)
    }
}
