// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

/// Writes journal files with systemd's own tool, without a journald that runs.
public struct JournalMaker: Sendable {
    /// One entry.
    public struct Entry: Sendable {
        /// The members beside the ones that every entry has.
        public var fields: [(name: String, value: String)]
        /// When it was received, in microseconds since 1970.
        public var time: Int64

        /// An entry with a message.
        public init(
            _ message: String, time: Int64, _ fields: [(name: String, value: String)] = []
        ) {
            self.fields = [("MESSAGE", message)] + fields
            self.time = time
        }
    }

    private static let tools = [
        "/usr/lib/systemd/systemd-journal-remote", "/lib/systemd/systemd-journal-remote",
    ]

    /// Appends entries to a journal file, which is made when it is missing.
    public static func append(_ entries: [Entry], to path: String) throws {
        var text: [UInt8] = []
        for entry in entries {
            text += Array("__REALTIME_TIMESTAMP=\(entry.time)\n".utf8)
            text += Array("__MONOTONIC_TIMESTAMP=\(entry.time % 1_000_000_000_000)\n".utf8)
            text += Array("_BOOT_ID=00112233445566778899aabbccddeeff\n".utf8)
            for field in entry.fields {
                // With its length in front a value may hold line feeds.
                var size = UInt64(field.value.utf8.count)
                text += Array("\(field.name)\n".utf8)
                for _ in 0..<8 {
                    text.append(UInt8(truncatingIfNeeded: size))
                    size >>= 8
                }
                text += Array("\(field.value)\n".utf8)
            }
            text.append(UInt8(ascii: "\n"))
        }
        let export = path + ".export"
        try File(export, .write, [.create, .truncate]).writeNext(text.span)
        defer { try? FileSystem.remove(export) }
        guard let tool = tools.first(where: { access($0, X_OK) == 0 }) else {
            throw SystemError(call: "find systemd-journal-remote", number: ENOENT)
        }
        try run([tool, "-o", path, export])
    }

    private static func run(_ arguments: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let copies = arguments.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        var process = pid_t()
        // Safe because the list ends with NULL and lives for the call.
        let result = posix_spawn(&process, arguments[0], &actions, nil, copies + [nil], environ)
        guard result == 0 else {
            throw SystemError(call: "start", path: arguments[0], number: result)
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else {
            throw SystemError(call: "run", path: arguments[0], number: EIO)
        }
    }
}
