// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What this process is and what it has used.
public enum ProcessFacts {
    /// The machine's name.
    public static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        // Safe because the call is told one byte less than there is, so a zero ends the name.
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The number of this process.
    public static var identifier: Int { Int(getpid()) }

    /// The user whose rights it has; 0 is root.
    public static var effectiveUserID: UInt32 { geteuid() }

    /// The groups whose rights it has.
    public static var groupIDs: Set<UInt32> {
        let count = getgroups(0, nil)
        var groups = [gid_t](repeating: 0, count: max(0, Int(count)))
        // Safe because the call is told how many numbers there is room for.
        let filled = getgroups(Int32(groups.count), &groups)
        return Set(groups.prefix(max(0, Int(filled)))).union([getegid()])
    }

    /// A variable of the environment; nil when it is not set.
    public static func environment(_ name: String) -> String? {
        // Safe because nothing in this process changes its environment.
        getenv(name).map { String(cString: $0) }
    }

    /// How many processors it may use at the same time.
    public static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
