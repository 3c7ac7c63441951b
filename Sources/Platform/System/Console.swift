// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What a command line needs of the process: its two streams and its end.
public enum Console {
    /// A stream to write to.
    public enum Stream: Int32, Sendable {
        /// Where programs read.
        case output = 1
        /// Where people read.
        case error = 2
    }

    /// Writes all of a text; what a closed pipe does not take is given up.
    public static func write(_ text: String, to stream: Stream) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            // Safe because the slice's buffer is valid for the call and its count goes along.
            let written = rest.withUnsafeBytes {
                Glibc.write(stream.rawValue, $0.baseAddress, $0.count)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }

    /// True when people look at the stream as it is written.
    public static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

    /// Ends the process.
    public static func exit(_ code: ExitCode) -> Never {
        Glibc.exit(code.rawValue)
    }
}
