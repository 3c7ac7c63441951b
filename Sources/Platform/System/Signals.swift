// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The signals that mean something to a service.
public enum Signal: Sendable, Hashable, CaseIterable {
    /// SIGTERM: stop in good order.
    case terminate
    /// SIGINT: the same, from a terminal.
    case interrupt
    /// SIGHUP: read the configuration again.
    case hangUp
    /// SIGUSR1: free for the caller.
    case user1

    var number: Int32 {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        case .user1: SIGUSR1
        }
    }
}

/// Receives signals as values instead of interruptions.
///
/// Make it before any thread is started: a thread inherits what its maker blocked.
public final class Signals: Sendable {
    private let file: File
    private let bell: Bell

    /// Blocks the signals for this thread and those it starts. SIGPIPE is ignored from now on.
    public init(_ signals: [Signal] = Signal.allCases) throws(SystemError) {
        let numbers = signals.map(\.number)
        // Safe because the array outlives the call.
        let descriptor = sealtail_signals_open(numbers, numbers.count)
        guard descriptor >= 0 else { throw SystemError(call: "open a signalfd") }
        file = File(adopting: descriptor, path: "signalfd")
        bell = try Bell()
        Signals.ignoreBrokenPipes()
    }

    /// Writing to a closed pipe or socket becomes an error instead of the end of the process.
    public static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for a signal, at most this long; nil when the time is up or after `wake`.
    public func wait(timeout: Duration? = nil) throws(SystemError) -> Signal? {
        let clock = SystemClock()
        let deadline = timeout.map { clock.monotonic().advanced(by: $0) }
        while true {
            if let signal = try next() { return signal }
            var nanoseconds: Int64 = -1
            if let deadline {
                nanoseconds = deadline.duration(since: clock.monotonic()).wholeNanoseconds
                if nanoseconds <= 0 { return nil }
            }
            var ready: Int32 = 0
            // Safe because `ready` outlives the call.
            let result = sealtail_wait_readable(
                file.descriptor, bell.descriptor, nanoseconds, &ready)
            if result < 0, errno != EINTR { throw SystemError(call: "wait for a signal") }
            if ready & 2 != 0 {
                bell.silence()
                return try next()
            }
        }
    }

    /// As `wait`, for who ends without a signal too: nil as well when the kernel hands over none.
    public func poll(timeout: Duration = .zero) -> Signal? {
        (try? wait(timeout: timeout)) ?? nil
    }

    /// Ends the wait of another thread.
    public func wake() {
        bell.ring()
    }

    private func next() throws(SystemError) -> Signal? {
        let number = sealtail_signals_next(file.descriptor)
        guard number >= 0 else { throw SystemError(call: "read a signal") }
        return Signal.allCases.first { $0.number == number }
    }
}
