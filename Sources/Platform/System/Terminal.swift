// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A screen of a terminal that is drawn again and again, and is given back as it was.
public final class Terminal {
    /// How many characters fit.
    public struct Size: Sendable, Equatable {
        /// From left to right.
        public var columns: Int
        /// From top to bottom.
        public var rows: Int
    }

    private var former = termios()
    private var isOpen = false

    /// True when a person reads the standard output and types at the standard input.
    public static var isInteractive: Bool { isatty(0) == 1 && isatty(1) == 1 }

    /// True when a person reads the standard output.
    public static var isOutput: Bool { isatty(1) == 1 }

    /// How large the terminal of the standard output is by now; nil when there is none.
    public static var size: Size? {
        var columns: Int32 = 0
        var rows: Int32 = 0
        // Safe because both numbers outlive the call.
        guard sealtail_terminal_size(1, &columns, &rows) == 0, columns > 0, rows > 0 else {
            return nil
        }
        return Size(columns: Int(columns), rows: Int(rows))
    }

    /// Takes the terminal: another screen, no cursor, keys as they are pressed. Call `close`.
    public init() {
        guard tcgetattr(0, &former) == 0 else { return }
        var raw = former
        raw.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        guard tcsetattr(0, TCSANOW, &raw) == 0 else { return }
        isOpen = true
        Console.write("\u{1B}[?1049h\u{1B}[?25l", to: .output)
    }

    deinit { close() }

    /// Gives the terminal back as it was.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        Console.write("\u{1B}[?25h\u{1B}[?1049l", to: .output)
        tcsetattr(0, TCSANOW, &former)
    }

    /// Replaces what stands there, without flicker: each line is overwritten, the rest is wiped.
    public func draw(_ lines: [String]) {
        let text = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\n")
        Console.write("\u{1B}[H" + text + "\u{1B}[J", to: .output)
    }

    /// What came of waiting for a key.
    public enum Key: Sendable, Equatable {
        /// A byte that was typed.
        case byte(UInt8)
        /// Nothing in time.
        case none
        /// Nobody will type any more.
        case end
    }

    /// Waits for a key.
    public func key(waitingAtMost timeout: Duration) -> Key {
        var entry = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        let milliseconds = Int32(clamping: max(0, timeout.wholeNanoseconds) / 1_000_000)
        // Safe because the entry outlives the call, which is told that it is one.
        guard poll(&entry, 1, milliseconds) > 0 else { return .none }
        var byte: UInt8 = 0
        // Safe because there is room for the one byte that is asked for.
        return read(0, &byte, 1) == 1 ? .byte(byte) : .end
    }
}
