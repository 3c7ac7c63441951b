// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Names, folders and whole files.
public enum FileSystem {
    /// What lies at a path, links followed.
    public static func status(_ path: String) throws(SystemError) -> FileStatus {
        var status = stat()
        // Safe because `status` outlives the call.
        guard stat(path, &status) == 0 else { throw SystemError(call: "stat", path: path) }
        return FileStatus(status)
    }

    /// What lies at a path; a symbolic link is described itself.
    public static func linkStatus(_ path: String) throws(SystemError) -> FileStatus {
        var status = stat()
        // Safe because `status` outlives the call.
        guard lstat(path, &status) == 0 else { throw SystemError(call: "stat", path: path) }
        return FileStatus(status)
    }

    /// Whether anything lies at a path; false as well when it may not be looked at.
    public static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// True when this process may read the file or list the folder, as access(2) sees it.
    public static func isReadable(_ path: String) -> Bool {
        access(path, R_OK) == 0
    }

    /// The names in a folder, sorted, without `.` and `..`.
    public static func names(in folder: String) throws(SystemError) -> [String] {
        // Safe because the stream is closed once, at the end, and each entry is copied at once.
        guard let stream = opendir(folder) else {
            throw SystemError(call: "list", path: folder)
        }
        defer { closedir(stream) }
        var names = [String]()
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            // Safe because readdir(3) ends the name with a zero byte inside the field.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 256) {
                    String(cString: $0)
                }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw SystemError(call: "list", path: folder) }
        return names.sorted()
    }

    /// Creates one folder with exactly these permissions; fine when it is there already.
    public static func createFolder(
        _ path: String, permissions: UInt32 = 0o750
    ) throws(SystemError) {
        if mkdir(path, mode_t(permissions)) == 0 {
            guard chmod(path, mode_t(permissions)) == 0 else {
                throw SystemError(call: "chmod", path: path)
            }
            return
        }
        let error = SystemError(call: "create folder", path: path)
        guard error.isAlreadyThere, try status(path).kind == .directory else { throw error }
    }

    /// Creates a folder and those above it that are missing.
    public static func createFolders(
        _ path: String, permissions: UInt32 = 0o750
    ) throws(SystemError) {
        var part = path.hasPrefix("/") ? "" : "."
        for name in path.split(separator: "/") {
            part += "/" + name
            if !exists(part) { try createFolder(part, permissions: permissions) }
        }
    }

    /// Gives a file another name, replacing what has that name. Both are on one file system.
    public static func rename(_ path: String, to newPath: String) throws(SystemError) {
        // rename(2) is atomic only within one file system.
        guard Glibc.rename(path, newPath) == 0 else {
            throw SystemError(call: "rename to \(newPath)", path: path)
        }
    }

    /// Removes a name; the file goes with its last name and its last open descriptor.
    public static func remove(_ path: String) throws(SystemError) {
        guard unlink(path) == 0 else { throw SystemError(call: "remove", path: path) }
    }

    /// Removes an empty folder.
    public static func removeFolder(_ path: String) throws(SystemError) {
        guard rmdir(path) == 0 else { throw SystemError(call: "remove folder", path: path) }
    }

    /// Makes a symbolic link that points at `target`.
    public static func createLink(_ path: String, to target: String) throws(SystemError) {
        guard symlink(target, path) == 0 else { throw SystemError(call: "link", path: path) }
    }

    /// What a symbolic link points at, as it is written in the link.
    public static func linkTarget(_ path: String) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: linkByteLimit)
        // Safe because the call is told the length of the buffer and answers how much it used.
        let count = readlink(path, &buffer, buffer.count)
        guard count >= 0 else { throw SystemError(call: "read link", path: path) }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The longest target of a link that is read: PATH_MAX.
    private static let linkByteLimit = 4096

    /// Sets the permission bits.
    public static func setPermissions(
        _ path: String, _ permissions: UInt32
    ) throws(SystemError) {
        guard chmod(path, mode_t(permissions)) == 0 else {
            throw SystemError(call: "chmod", path: path)
        }
    }

    /// Returns when the names in a folder are safe against power loss.
    public static func synchronizeFolder(_ path: String) throws(SystemError) {
        try File(path, .read, .directory).synchronize()
    }

    /// The absolute path with every link resolved.
    public static func resolved(_ path: String) throws(SystemError) -> String {
        // Safe because realpath allocates the answer, which is copied and then freed.
        guard let answer = realpath(path, nil) else {
            throw SystemError(call: "resolve", path: path)
        }
        defer { free(answer) }
        return String(cString: answer)
    }

    /// The paths that a shell pattern matches, sorted. `*` does not cross a slash.
    ///
    /// A folder that cannot be read matches nothing, as in a shell.
    public static func matches(_ pattern: String) -> [String] {
        var result = glob_t()
        // Safe because the paths are copied before globfree.
        defer { globfree(&result) }
        guard glob(pattern, 0, nil, &result) == 0 else { return [] }
        var paths = [String]()
        for index in 0..<Int(result.gl_pathc) {
            if let path = result.gl_pathv[index] { paths.append(String(cString: path)) }
        }
        return paths
    }

    /// Whether a name matches a shell pattern as fnmatch(3) without flags sees it.
    public static func matches(name: String, pattern: String) -> Bool {
        // Safe because both texts outlive the call.
        sealtail_matches(pattern, name) != 0
    }

    /// False for file systems of other machines or programs, as NFS: inotify(7) sees nothing of
    /// what those do.
    public static func reportsChanges(_ path: String) -> Bool {
        sealtail_reports_changes(path) != 0
    }

    /// The content of a small file; throws EFBIG when it is longer than `byteLimit`.
    public static func read(_ path: String, byteLimit: Int) throws(SystemError) -> [UInt8] {
        let file = try File(path)
        var bytes = [UInt8]()
        // Sizes of files under /proc and of pipes are not known before they are read.
        while bytes.count <= byteLimit {
            let room = min(1 << 16, byteLimit + 1 - bytes.count)
            if try file.appendNext(to: &bytes, count: room) == 0 { return bytes }
        }
        throw SystemError(call: "read", path: path, number: EFBIG)
    }

    /// Replaces a file so that after a crash either the old or the new content is there, whole.
    ///
    /// No link is followed, so that whoever else may write in the folder cannot have another file
    /// written or given away.
    ///
    /// - Parameter group: the number of the group that the file is given to; nil leaves it.
    public static func write(
        _ path: String, _ bytes: Span<UInt8>, permissions: UInt32 = 0o640, group: UInt32? = nil
    ) throws(SystemError) {
        let temporary = path + ".new"
        // What a crash left behind; what cannot be removed is refused by the next line.
        try? remove(temporary)
        let file = try File(temporary, .write, [.createNew, .noFollow], permissions: 0o600)
        if let group { try file.setGroup(group) }
        try file.setPermissions(permissions)
        try file.write(bytes, at: 0)
        try file.synchronize()
        try rename(temporary, to: path)
        try synchronizeFolder(folder(of: path))
    }

    /// The folder part of a path, `.` when there is none.
    public static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The last part of a path.
    public static func name(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }
}

/// A file that one process at a time can hold, as a claim on what lies around it.
public final class FileLock: Sendable {
    private let file: File

    private init(file: File) {
        self.file = file
    }

    /// Takes the lock, creating the file when needed; nil when another process holds it.
    ///
    /// The kernel gives the lock back when the last reference goes or the process ends.
    public static func take(
        _ path: String, permissions: UInt32 = 0o640
    ) throws(SystemError) -> FileLock? {
        let file = try File(path, .readWrite, .create, permissions: permissions)
        return try file.lockExclusively() ? FileLock(file: file) : nil
    }
}
