// SPDX-License-Identifier: Apache-2.0

/// Writes a tar archive of small files in memory: the ustar format of POSIX.1-1988.
public struct TarArchive {
    /// The archive so far; `finished` ends it.
    private var bytes: [UInt8] = []

    private static let blockByteCount = 512
    /// The longest name that the format has one field for.
    public static let nameByteLimit = 99

    /// Begins an archive.
    public init() {}

    /// Adds a file that its owner alone may read.
    ///
    /// - Parameter name: a relative path of at most `nameByteLimit` bytes of ASCII.
    public mutating func add(_ name: String, _ content: [UInt8], modified: Timestamp) {
        guard name.utf8.count <= TarArchive.nameByteLimit else { bug("a long name in an archive") }
        var header = [UInt8](repeating: 0, count: TarArchive.blockByteCount)
        func put(_ text: String, at start: Int) {
            for (index, byte) in text.utf8.enumerated() { header[start + index] = byte }
        }
        func number(_ value: Int, digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put(number(0o600, digits: 7), at: 100)
        put(number(0, digits: 7), at: 108)
        put(number(0, digits: 7), at: 116)
        put(number(content.count, digits: 11), at: 124)
        put(number(max(0, Int(modified.microseconds / 1_000_000)), digits: 11), at: 136)
        // The checksum counts itself as eight spaces.
        put("        ", at: 148)
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put("root", at: 265)
        put("root", at: 297)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(number(sum, digits: 6), at: 148)
        header[154] = 0
        bytes += header + content
        let rest = bytes.count % TarArchive.blockByteCount
        if rest > 0 { bytes += [UInt8](repeating: 0, count: TarArchive.blockByteCount - rest) }
    }

    /// The whole archive, ended by two empty blocks.
    public var finished: [UInt8] {
        bytes + [UInt8](repeating: 0, count: 2 * TarArchive.blockByteCount)
    }
}
