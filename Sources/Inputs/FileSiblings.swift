// SPDX-License-Identifier: Apache-2.0
import Platform

/// The regular files in folders, listed once per look.
///
/// Names are read first and each is looked up after, so a file that is renamed in between may be
/// missing although it was there all the time. Who is missing counts as gone, so a folder is
/// listed until two lists in a row are the same: both are true for the moment between them.
struct SiblingFolders {
    /// Lists the names in a folder.
    typealias Names = @Sendable (String) throws(SystemError) -> [String]

    private let names: Names
    private var folders: [String: [FileFollower.Found]] = [:]
    private var unknown: Set<String> = []

    init(_ names: @escaping Names) {
        self.names = names
    }

    /// Whether what is in a folder can be known; a folder that is not there has nothing in it.
    mutating func isKnown(_ folder: String) -> Bool {
        _ = list(folder)
        return !unknown.contains(folder)
    }

    /// The regular files of a folder; none when it cannot be listed.
    mutating func list(_ folder: String) -> [FileFollower.Found] {
        if let known = folders[folder] { return known }
        var found = look(folder)
        for _ in 0..<SiblingFolders.lookLimit {
            let before = found
            found = look(folder)
            if before.elementsEqual(found, by: { $0.path == $1.path && $0.number == $1.number }) {
                break
            }
        }
        folders[folder] = found
        return found
    }

    private mutating func look(_ folder: String) -> [FileFollower.Found] {
        var list: [String] = []
        do throws(SystemError) {
            list = try names(folder)
        } catch {
            // A folder that cannot be listed holds nothing that could be read.
            if !error.isNotFound { unknown.insert(folder) }
        }
        let prefix = folder == "/" ? "/" : folder + "/"
        return list.compactMap { name in
            guard let status = try? FileSystem.linkStatus(prefix + name), status.kind == .regular
            else { return nil }
            return FileFollower.Found(path: prefix + name, status: status)
        }
    }

    /// A folder in which names never rest is taken as it is after so many looks.
    static let lookLimit = 8
}
