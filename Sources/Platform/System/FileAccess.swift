// SPDX-License-Identifier: Apache-2.0
import Glibc

extension FileSystem {
    /// True when this process may write to the file or folder, as access(2) sees it.
    public static func isWritable(_ path: String) -> Bool {
        access(path, W_OK) == 0
    }
}
