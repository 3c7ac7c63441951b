// SPDX-License-Identifier: Apache-2.0
import CLinux

/// How the C library hands out memory in this process.
public enum MemoryTuning {
    /// How many heaps the threads share.
    private static let heapCount: Int32 = 1
    /// From this size on, a block of memory is a mapping of its own and goes back when it is freed.
    private static let mappingByteCount: Int32 = 4 << 20
    /// More free memory than this at the end of the heap goes back to the system.
    private static let keptByteCount: Int32 = 8 << 20

    /// Makes all threads share one heap, which keeps freed batches for the next ones.
    ///
    /// A batch is made by one thread and freed by another. With a heap for each thread, as is
    /// usual, every heap keeps room for the most that its thread ever held, and together that is
    /// half as much memory again for the same work. To be called once, before threads start.
    public static func apply() {
        sealtail_tune_memory(heapCount, mappingByteCount, keptByteCount)
    }

    /// Gives memory back to the system after a start or a reload: what reading a configuration and
    /// its parsers took, and the pages of program and libraries that nothing else runs through.
    public static func release() {
        sealtail_release_memory()
        sealtail_release_code()
    }
}

/// When free memory goes back to the system while the agent runs.
///
/// What is in use lies scattered over the one heap, so what a burst needed stays with the process
/// after it, and a little more after each further burst.
public struct MemoryRelease: Sendable {
    /// The shortest time between two releases. One holds up who wants memory for milliseconds.
    public static let interval = Duration.seconds(60)

    private var last: MonotonicInstant

    /// The last release was now.
    public init(at now: MonotonicInstant) {
        last = now
    }

    /// Whether it is time, which begins anew when it is.
    public mutating func isDue(at now: MonotonicInstant) -> Bool {
        guard now.duration(since: last) >= MemoryRelease.interval else { return false }
        last = now
        return true
    }
}
