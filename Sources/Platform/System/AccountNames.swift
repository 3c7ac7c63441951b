// SPDX-License-Identifier: Apache-2.0

/// The names of local users and groups.
///
/// They are read from the files, not asked of a name service, which may wait for the network. An
/// account that is known elsewhere has a number and no name here.
public enum AccountNames {
    static let fileByteLimit = 4 << 20

    /// The name of a user; nil when the file of users names none.
    public static func user(_ number: UInt32) -> String? {
        name(number, in: "/etc/passwd")
    }

    /// The name of a group; nil when the file of groups names none.
    public static func group(_ number: UInt32) -> String? {
        name(number, in: "/etc/group")
    }

    /// Finds a number in lines of the form `name:password:number:…`.
    private static func name(_ number: UInt32, in path: String) -> String? {
        // A file that cannot be read knows no names; people see the number then.
        guard let bytes = try? FileSystem.read(path, byteLimit: fileByteLimit) else { return nil }
        return name(number, in: bytes)
    }

    static func name(_ number: UInt32, in bytes: [UInt8]) -> String? {
        let wanted = Array(String(number).utf8)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(
                separator: UInt8(ascii: ":"), maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count > 2, parts[2].elementsEqual(wanted), !parts[0].isEmpty else {
                continue
            }
            return String(decoding: parts[0], as: UTF8.self)
        }
        return nil
    }
}
