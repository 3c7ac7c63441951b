// SPDX-License-Identifier: Apache-2.0
import Platform

/// What to type so that the service's user may read a log.
public struct ReadingRemedy: Sendable {
    private let account: Account
    private let root: String

    /// - Parameters:
    ///   - account: the account of the service.
    ///   - root: where the root folder of the machine is mounted.
    public init(for account: Account, root: String = "") {
        self.account = account
        self.root = root
    }

    /// The commands, joined; nil when nothing is in the way.
    ///
    /// Membership in a group that may already read is proposed first, as it lasts over rotation;
    /// where no group has the right, an access control list that new files inherit.
    public func commands(for path: String, _ obstacles: [AccessObstacle]) -> String? {
        guard !obstacles.isEmpty else { return nil }
        var commands: [String] = []
        for obstacle in obstacles {
            let command = command(for: obstacle)
            if !commands.contains(command) { commands.append(command) }
        }
        return commands.joined(separator: " && ")
    }

    /// What gives the right to read the journal of the machine; nil when nothing is in the way.
    public var journalCommand: String? {
        let files = ["/var/log/journal/*/system.journal", "/run/log/journal/*/system.journal"]
            .flatMap { FileSystem.matches(GlobText.escaped(root) + $0) }
        let isOpen = files.contains { AccessCheck.obstacles(reading: $0, by: account).isEmpty }
        return isOpen || files.isEmpty ? nil : "usermod -aG systemd-journal \(account.name)"
    }

    private func command(for obstacle: AccessObstacle) -> String {
        let path = ShellText.quoted(obstacle.path)
        let status = obstacle.status
        let bit: UInt32
        let right: String
        switch obstacle.right {
        case .read: (bit, right) = (0o040, "r")
        case .write: (bit, right) = (0o020, "rwx")
        case .search: (bit, right) = (0o010, "x")
        }
        if status.permissions & bit != 0, status.groupID != 0,
            let group = AccountNames.group(status.groupID, root: root)
        {
            return "usermod -aG \(group) \(account.name)"
        }
        guard obstacle.right == .read else {
            return "setfacl -m u:\(account.name):\(right) \(path)"
        }
        // What rotation makes anew inherits from the folder.
        let folder = ShellText.quoted(FileSystem.folder(of: obstacle.path))
        return "setfacl -m u:\(account.name):r \(path) && "
            + "setfacl -d -m u:\(account.name):r \(folder)"
    }
}

/// Texts as words of a shell.
enum ShellText {
    /// The word, in quotes where it needs them; what would end the line is made visible.
    static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "@"):
                true
            default: false
            }
        }
        if isPlain, !text.isEmpty { return text }
        let isVisible = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard isVisible else {
            // As bash and zsh read it.
            let bytes = text.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "'"), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
                case 0x20..<0x7F: String(UnicodeScalar(byte))
                default: "\\x" + Hex.encode([byte].span)
                }
            }
            return "$'" + bytes.joined() + "'"
        }
        return "'"
            + text.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "'\\''") + "'"
    }
}
