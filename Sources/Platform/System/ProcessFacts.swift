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

    /// The group whose rights it has.
    public static var effectiveGroupID: UInt32 { getegid() }

    /// A variable of the environment; nil when it is not set.
    public static func environment(_ name: String) -> String? {
        // Safe because nothing in this process changes its environment.
        getenv(name).map { String(cString: $0) }
    }

    /// How many processors it may use at the same time.
    public static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// The kernel's name for this boot; nil when /proc does not show it.
    public static var bootIdentifier: String? {
        guard
            let bytes = try? FileSystem.read("/proc/sys/kernel/random/boot_id", byteLimit: 64)
        else { return nil }
        return String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
    }

    /// What a process has used since it started.
    public struct Usage: Sendable, Hashable {
        /// Processor time in the program.
        public var userTime: Duration
        /// Processor time in the kernel on its behalf.
        public var systemTime: Duration
        /// The most memory it has held at once.
        public var peakResidentByteCount: Int
    }

    /// What this process has used so far.
    public static func usage() -> Usage {
        var usage = rusage()
        // Safe because `usage` outlives the call.
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else {
            bug("getrusage failed")
        }
        func duration(_ time: timeval) -> Duration {
            .seconds(time.tv_sec) + .microseconds(time.tv_usec)
        }
        return Usage(
            userTime: duration(usage.ru_utime), systemTime: duration(usage.ru_stime),
            peakResidentByteCount: usage.ru_maxrss * 1024)
    }

    /// The memory it holds now; nil when /proc does not show it.
    public static func residentByteCount() -> Int? {
        guard let bytes = try? FileSystem.read("/proc/self/statm", byteLimit: 256) else {
            return nil
        }
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
