// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Stops the process because our own code broke a promise, after one line on standard error.
///
/// Never call it for what came from outside: a log line, a file, the network, the configuration.
public func bug(
    _ message: String, file: StaticString = #fileID, line: UInt = #line
) -> Never {
    let text = "sealtail: bug at \(file):\(line): \(message). Please report it.\n"
    _ = text.utf8.withContiguousStorageIfAvailable { bytes in
        // Safe because `bytes` is alive and exactly `bytes.count` long during the call.
        write(2, bytes.baseAddress, bytes.count)
    }
    abort()
}
