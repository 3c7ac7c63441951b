// SPDX-License-Identifier: Apache-2.0

/// A user with its groups, as the kernel judges it.
public struct Account: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// Its number.
    public var userID: UInt32
    /// The numbers of all its groups.
    public var groupIDs: Set<UInt32>
    /// True for root, and for a service that has CAP_DAC_READ_SEARCH: it reads whatever there is.
    public var readsAll: Bool

    /// Describes an account.
    public init(name: String, userID: UInt32, groupIDs: Set<UInt32>, readsAll: Bool = false) {
        self.name = name
        self.userID = userID
        self.groupIDs = groupIDs
        self.readsAll = readsAll || userID == 0
    }
}

extension AccountNames {
    /// The account of a local user; nil when the file of users does not name it.
    ///
    /// - Parameter root: where the root folder of the machine is mounted.
    public static func account(_ name: String, root: String = "") -> Account? {
        guard let line = lines(root + "/etc/passwd").first(where: { $0.first == name }),
            line.count > 3, let user = UInt32(line[2]), let group = UInt32(line[3])
        else { return nil }
        var groups: Set<UInt32> = [group]
        for line in lines(root + "/etc/group") where line.count > 3 {
            guard line[3].split(separator: ",").contains(where: { $0 == name }) else { continue }
            if let number = UInt32(line[2]) { groups.insert(number) }
        }
        return Account(name: name, userID: user, groupIDs: groups)
    }

    /// The number of the group that a local user's own files have; nil when nobody has the name.
    public static func primaryGroupID(of user: String, root: String = "") -> UInt32? {
        let line = lines(root + "/etc/passwd").first { $0.first == user }
        return line.flatMap { $0.count > 3 ? UInt32($0[3]) : nil }
    }

    /// The number of a local group; nil when the file of groups does not name it.
    public static func groupID(_ name: String, root: String = "") -> UInt32? {
        let line = lines(root + "/etc/group").first { $0.first == name }
        return line.flatMap { $0.count > 2 ? UInt32($0[2]) : nil }
    }

    /// The name of a group of a machine; nil when its file of groups names none.
    public static func group(_ number: UInt32, root: String) -> String? {
        lines(root + "/etc/group").first { $0.count > 2 && $0[2] == String(number) }?.first
    }

    private static func lines(_ path: String) -> [[String]] {
        // A file that cannot be read knows no names.
        guard let bytes = try? FileSystem.read(path, byteLimit: fileByteLimit) else { return [] }
        return bytes.split(separator: UInt8(ascii: "\n")).map { line in
            line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
        }
    }
}
