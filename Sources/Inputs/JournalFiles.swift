// SPDX-License-Identifier: Apache-2.0
import Platform

/// The files of a journal, looked at one by one: libsystemd passes over what it may not open
/// without a word.
struct JournalFiles: Sendable, Hashable {
    /// How many there are.
    private(set) var count = 0
    /// How many of them cannot be opened.
    private(set) var unreadableCount = 0
    /// What keeps them from being read, each with a way out.
    private(set) var reasons: [String] = []

    init(_ source: Journal.Source) {
        let patterns: [String]
        switch source {
        case .machine:
            patterns = ["/var/log/journal/*/*.journal", "/run/log/journal/*/*.journal"]
        case .folder(let folder): patterns = [folder + "/*.journal", folder + "/*/*.journal"]
        case .files(let files): patterns = files
        }
        for path in patterns.flatMap({ FileSystem.matches($0) }).prefix(InputLimit.openFileLimit) {
            count += 1
            do throws(SystemError) {
                _ = try File(path, .read, .nonBlocking)
            } catch {
                unreadableCount += 1
                reasons.append(JournalFiles.sentence("", error))
            }
        }
        if count == 0 {
            reasons.append(
                "there is no journal file at \(patterns.joined(separator: " or ")); set directory "
                    + "or files to where the journal is")
        }
    }

    /// A failure with what to do about it.
    static func sentence(_ beginning: String, _ error: SystemError) -> String {
        let wayOut =
            error.isPermission
            ? "add the agent's user to the group systemd-journal"
            : error.isNotFound
                ? "set directory or files to where the journal is"
                : "check it with journalctl --verify"
        return "\(beginning)\(error); \(wayOut)"
    }
}
