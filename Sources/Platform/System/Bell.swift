// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Something one thread waits on together with other descriptors and any thread can ring.
public final class Bell: Sendable {
    private let file: File

    /// Makes a silent bell.
    public init() throws(SystemError) {
        let descriptor = sealtail_event_open()
        guard descriptor >= 0 else { throw SystemError(call: "open an eventfd") }
        file = File(adopting: descriptor, path: "eventfd")
    }

    /// Readable, for poll(2), from `ring` until `silence`.
    public var descriptor: Int32 { file.descriptor }

    /// Makes the descriptor readable. Ringing twice is like ringing once.
    public func ring() {
        sealtail_event_ring(file.descriptor)
    }

    /// Makes the descriptor unreadable again.
    public func silence() {
        sealtail_event_silence(file.descriptor)
    }

    /// Waits until the bell is rung or the time is up; true, and silent again, when it was rung.
    public func wait(timeout: Duration?) -> Bool {
        var ready: Int32 = 0
        // Safe because `ready` outlives the call.
        _ = sealtail_wait_readable(
            file.descriptor, -1, timeout.map { max(0, $0.wholeNanoseconds) } ?? -1, &ready)
        guard ready & 1 != 0 else { return false }
        silence()
        return true
    }

    /// How a wait for a file and the bell ended.
    public enum Outcome: Sendable {
        /// The file has something to read, or its end or an error.
        case readable
        /// The bell was rung; it is silent again.
        case rung
        /// The time is up, or a signal came.
        case timedOut
    }

    /// Waits until the file can be read, the bell is rung or the time is up. The bell goes first.
    public func wait(for file: File, timeout: Duration) -> Outcome {
        var ready: Int32 = 0
        // Safe because `ready` outlives the call.
        _ = sealtail_wait_readable(
            file.descriptor, descriptor, max(0, timeout.wholeNanoseconds), &ready)
        if ready & 2 != 0 {
            silence()
            return .rung
        }
        return ready & 1 != 0 ? .readable : .timedOut
    }

    /// Waits until the file takes bytes; false when the bell was rung or the time is up first.
    public func waitUntilWritable(_ file: File, timeout: Duration) -> Bool {
        var ready: Int32 = 0
        // Safe because `ready` outlives the call.
        _ = sealtail_wait_writable(
            file.descriptor, descriptor, max(0, timeout.wholeNanoseconds), &ready)
        if ready & 2 != 0 {
            silence()
            return false
        }
        return ready & 1 != 0
    }
}
