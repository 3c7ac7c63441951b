// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Testing

@Suite struct MemoryTuningTests {
    private static let blockByteCount = 64 << 10
    private static let blockCount = 4096

    /// A sanitizer brings an allocator of its own, which gives nothing back.
    private static let isSanitized =
        dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

    /// After an hour of bursts the agent held three times the memory that it used.
    @Test(.enabled(if: !isSanitized, "the allocator is glibc's"))
    func whatABurstNeededGoesBackAlthoughSomeOfItIsInUse() throws {
        var blocks = (0..<Self.blockCount).map { _ in
            [UInt8](repeating: 1, count: Self.blockByteCount)
        }
        for index in blocks.indices where index % 64 != 63 { blocks[index] = [] }
        let before = try #require(ProcessUsage().residentByteCount)
        MemoryTuning.release()
        let after = try #require(ProcessUsage().residentByteCount)
        // Other tests run beside this one, so half of it must do.
        #expect(before - after > Self.blockCount * Self.blockByteCount / 2)
        #expect(blocks.count { !$0.isEmpty } == Self.blockCount / 64)
    }

    @Test func memoryIsReleasedOnceInAnInterval() {
        let start = MonotonicInstant(nanoseconds: 0)
        var release = MemoryRelease(at: start)
        let due = (1...150).filter { second in
            release.isDue(at: start.advanced(by: .seconds(second)))
        }
        #expect(due == [60, 120])
    }
}
