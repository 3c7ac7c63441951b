// SPDX-License-Identifier: Apache-2.0
import CLinux

/// A file or folder that keeps an account from what it wants.
public struct AccessObstacle: Sendable, Hashable {
    /// What the account lacks there.
    public enum Right: Sendable {
        /// To read a file.
        case read
        /// To make files in a folder.
        case write
        /// To pass through a folder.
        case search
    }

    /// The file or folder.
    public var path: String
    /// What is lacking.
    public var right: Right
    /// What it is and whose.
    public var status: FileStatus
}

/// Says whether another account may use a file, by owner, group, mode and access control list.
///
/// The kernel is not asked, since it answers for the asking process only: to root it says yes to
/// everything. What a security module or a unit's sandbox forbids is not seen.
public enum AccessCheck {
    /// What keeps the account from reading a file, from the root folder on; nothing when it may.
    ///
    /// What cannot be looked at is left out.
    public static func obstacles(reading path: String, by account: Account) -> [AccessObstacle] {
        obstacles(.read, path, by: account)
    }

    /// What keeps the account from making files in a folder, from the root folder on.
    public static func obstacles(writingIn folder: String, by account: Account)
        -> [AccessObstacle]
    {
        obstacles(.write, folder, by: account)
    }

    /// What keeps the account from writing to a file that is there, from the root folder on.
    public static func obstacles(writing path: String, by account: Account) -> [AccessObstacle] {
        obstacles(.write, path, by: account)
    }

    private static func obstacles(
        _ right: AccessObstacle.Right, _ path: String, by account: Account
    ) -> [AccessObstacle] {
        if account.userID == 0 || (account.readsAll && right == .read) { return [] }
        let resolved = (try? FileSystem.resolved(path)) ?? path
        var folders: [String] = []
        for path in [path, resolved] {
            for folder in above(path) where !folders.contains(folder) { folders.append(folder) }
        }
        var wanted = folders.map { (path: $0, rights: [AccessObstacle.Right.search]) }
        wanted.append((resolved, [right]))
        return wanted.compactMap { path, rights in
            guard let status = try? FileSystem.status(path) else { return nil }
            let list = accessList(path)
            // Who makes a file in a folder passes through it as well.
            let rights = right == .write && status.kind == .directory ? rights + [.search] : rights
            let lacking = rights.first { !allows($0, status, list, account) }
            return lacking.map { AccessObstacle(path: path, right: $0, status: status) }
        }
    }

    /// The folders above a path, the root folder first.
    private static func above(_ path: String) -> [String] {
        var folders: [String] = []
        var folder = FileSystem.folder(of: path)
        while folder != ".", folders.count < depthLimit {
            folders.append(folder)
            if folder == "/" { break }
            folder = FileSystem.folder(of: folder)
        }
        return folders.reversed()
    }

    private static let depthLimit = 128

    /// Decides as path_resolution(7) and acl(5) say.
    ///
    /// - Parameter list: the access control list as the kernel keeps it; empty when there is none.
    static func allows(
        _ right: AccessObstacle.Right, _ status: FileStatus, _ list: [UInt8], _ account: Account
    ) -> Bool {
        let bit: UInt32 =
            switch right {
            case .read: 4
            case .write: 2
            case .search: 1
            }
        if status.userID == account.userID { return status.permissions >> 6 & bit != 0 }
        let entries = AccessEntry.read(list)
        let mask = entries.first { $0.kind == .mask }?.rights ?? 7
        if let own = entries.first(where: { $0.kind == .user && $0.number == account.userID }) {
            return own.rights & mask & bit != 0
        }
        // With a list the bits of the group in the mode are the mask.
        let group = entries.first { $0.kind == .group }?.rights ?? (status.permissions >> 3 & 7)
        var ofGroups: [UInt32] = []
        if account.groupIDs.contains(status.groupID) { ofGroups.append(group) }
        for entry in entries where entry.kind == .namedGroup {
            if account.groupIDs.contains(entry.number) { ofGroups.append(entry.rights) }
        }
        if !ofGroups.isEmpty { return ofGroups.contains { $0 & mask & bit != 0 } }
        return status.permissions & bit != 0
    }

    private static func accessList(_ path: String) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: AccessEntry.listByteLimit)
        // Safe because the call is told how long the buffer is.
        let count = bytes.withUnsafeMutableBufferPointer {
            sealtail_access_list(path, $0.baseAddress, $0.count)
        }
        return Array(bytes.prefix(count))
    }
}

/// One line of an access control list.
private struct AccessEntry {
    enum Kind: UInt32 {
        case owner = 0x01
        case user = 0x02
        case group = 0x04
        case namedGroup = 0x08
        case mask = 0x10
        case other = 0x20
    }

    /// The longest list that is read: some 500 lines.
    static let listByteLimit = 4096
    private static let headByteCount = 4
    private static let entryByteCount = 8

    var kind: Kind
    var rights: UInt32
    var number: UInt32

    /// Reads what the kernel keeps: a version of four bytes, then kind and rights of two and a
    /// number of four each, all with the lowest byte first (linux/posix_acl_xattr.h).
    static func read(_ list: [UInt8]) -> [AccessEntry] {
        guard list.count >= headByteCount, list[0] == 2 else { return [] }
        var entries: [AccessEntry] = []
        var at = headByteCount
        while at + entryByteCount <= list.count {
            let word = { (from: Int, count: Int) in
                (0..<count).reduce(UInt32(0)) { $0 | UInt32(list[from + $1]) << (8 * UInt32($1)) }
            }
            if let kind = Kind(rawValue: word(at, 2)) {
                entries.append(
                    AccessEntry(kind: kind, rights: word(at + 2, 2), number: word(at + 4, 4)))
            }
            at += entryByteCount
        }
        return entries
    }
}
