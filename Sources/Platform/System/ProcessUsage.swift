// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What this process has used of the machine, read at the moment it is made.
public struct ProcessUsage: Sendable {
    /// Processor time of all threads, in user space and in the kernel.
    public let processorTime: Duration
    /// Memory that is in use now; nil where /proc does not say.
    public let residentByteCount: Int?
    /// Open files, sockets and the like; nil where /proc does not say.
    public let openFileCount: Int?
    /// The most of them that the system allows.
    public let openFileLimit: Int

    /// A page of a few numbers; what is longer is something else.
    private static let pageByteLimit = 4096

    /// Reads everything now.
    public init() {
        var usage = rusage()
        // Safe because both calls fill a structure of our own, and cannot fail for this process.
        getrusage(RUSAGE_SELF.rawValue, &usage)
        processorTime = Duration(usage.ru_utime) + Duration(usage.ru_stime)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        openFileLimit = Int(clamping: limit.rlim_cur)
        residentByteCount = ProcessUsage.residentPageCount().map {
            $0 * sysconf(Int32(_SC_PAGESIZE))
        }
        do throws(SystemError) {
            // One of them is the folder that is being read.
            openFileCount = try FileSystem.names(in: "/proc/self/fd").count - 1
        } catch {
            openFileCount = nil
        }
    }

    /// The second number of /proc/self/statm, as proc(5) has it.
    private static func residentPageCount() -> Int? {
        do throws(SystemError) {
            let bytes = try FileSystem.read("/proc/self/statm", byteLimit: pageByteLimit)
            let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
            return words.count > 1 ? Int(words[1]) : nil
        } catch {
            return nil
        }
    }
}

extension Duration {
    fileprivate init(_ time: timeval) {
        self = .seconds(time.tv_sec) + .microseconds(time.tv_usec)
    }
}
