// SPDX-License-Identifier: Apache-2.0

/// What a unit of systemd says about the rights of its service.
public struct ServiceUnit: Sendable, Hashable {
    /// The user it runs as; nil when it is not said.
    public private(set) var user: String?
    /// The groups it has beside those of its user.
    public private(set) var groups: [String] = []
    /// Whether it may read whatever there is.
    public private(set) var readsAll = false
    /// Whether it sees no home folders.
    public private(set) var hidesHomes = false
    /// Whether it has temporary folders of its own.
    public private(set) var hasOwnTemporaryFolders = false

    private static let folders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system", "/lib/systemd/system",
    ]
    private static let fileByteLimit = 256 << 10

    /// Reads a unit with its drop-ins; nil when the machine has no such unit.
    ///
    /// - Parameters:
    ///   - name: with its ending, as `sealtail.service`.
    ///   - root: where the root folder of the machine is mounted.
    public static func find(_ name: String, root: String = "") -> ServiceUnit? {
        let folders = folders.map { root + $0 }
        guard let path = folders.map({ $0 + "/" + name }).first(where: FileSystem.exists) else {
            return nil
        }
        var unit = ServiceUnit()
        var dropIns: [String: String] = [:]
        for folder in folders.reversed() {
            let place = folder + "/" + name + ".d"
            for file in (try? FileSystem.names(in: place)) ?? [] where file.hasSuffix(".conf") {
                dropIns[file] = place + "/" + file
            }
        }
        for path in [path] + dropIns.sorted(by: { $0.key < $1.key }).map(\.value) {
            let bytes = (try? FileSystem.read(path, byteLimit: fileByteLimit)) ?? []
            unit.read(String(decoding: bytes, as: UTF8.self))
        }
        return unit
    }

    /// Takes over what the lines of one file say, as systemd.syntax(7) reads them.
    mutating func read(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            let (key, value) = (trimmed(parts[0]), trimmed(parts[1]))
            switch key {
            case "User": user = value.isEmpty ? nil : value
            case "SupplementaryGroups":
                // An empty value takes back what was said before.
                groups = value.isEmpty ? [] : groups + value.split(separator: " ").map(String.init)
            case "AmbientCapabilities":
                readsAll = value.isEmpty ? false : readsAll || value.contains("CAP_DAC_READ_SEARCH")
            case "ProtectHome": hidesHomes = value == "yes" || value == "true" || value == "tmpfs"
            case "PrivateTmp": hasOwnTemporaryFolders = value == "yes" || value == "true"
            default: continue
            }
        }
    }

    private func trimmed(_ text: Substring) -> String {
        let isBlank = { (letter: Character) in letter == " " || letter == "\t" }
        return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    /// The account that the service runs with; nil when its user is not known here.
    ///
    /// - Parameters:
    ///   - fallback: the user where the unit names none.
    ///   - root: where the root folder of the machine is mounted.
    public func account(fallback: String, root: String = "") -> Account? {
        guard var account = AccountNames.account(user ?? fallback, root: root) else { return nil }
        for group in groups {
            if let number = UInt32(group) ?? AccountNames.groupID(group, root: root) {
                account.groupIDs.insert(number)
            }
        }
        account.readsAll = account.readsAll || readsAll
        return account
    }
}

extension ServiceUnit {
    /// Why a service of this unit does not see a path, and the way out; nil when it does.
    public func objection(to path: String) -> String? {
        let homes = ["/home/", "/root/", "/run/user/"]
        if hidesHomes, homes.contains(where: path.hasPrefix) {
            return "the unit hides home folders; write ProtectHome=read-only under [Service] with "
                + "systemctl edit sealtail"
        }
        if hasOwnTemporaryFolders, path.hasPrefix("/tmp/") || path.hasPrefix("/var/tmp/") {
            return "the unit has a /tmp of its own; write PrivateTmp=no under [Service] with "
                + "systemctl edit sealtail"
        }
        return nil
    }
}
