// SPDX-License-Identifier: Apache-2.0
import Platform

/// How rotation names files: the old name, a mark, digits of a number or a date, and perhaps what
/// compression adds.
enum RotatedName {
    /// What is added to the names of compressed files that can be read.
    static let compressedSuffixes = [".gz", ".zst"]
    /// What is added by compression that cannot be read; such files are left out.
    static let foreignSuffixes = [".bz2", ".xz", ".lz4", ".lzo", ".zip"]

    /// Whether a name says that the file is compressed in a way that cannot be read.
    static func isForeign(_ path: String) -> Bool {
        foreignSuffixes.contains { path.hasSuffix($0) }
    }

    /// Whether a name says that the file is compressed in a way that can be read.
    static func isCompressed(_ path: String) -> Bool {
        compressedSuffixes.contains { path.hasSuffix($0) }
    }

    /// The path without what compression added, else without its last mark and digits; nil when it
    /// does not end in such.
    static func base(of path: String) -> String? {
        for suffix in compressedSuffixes where path.hasSuffix(suffix) {
            let rest = path.dropLast(suffix.count)
            return rest.isEmpty || rest.hasSuffix("/") ? nil : String(rest)
        }
        var bytes = Array(path.utf8)
        var digitCount = 0
        while let byte = bytes.last, isDateByte(byte) {
            digitCount += 1
            bytes.removeLast()
        }
        guard digitCount > 0, let mark = bytes.last, isMark(mark), bytes.count > 1 else {
            return nil
        }
        bytes.removeLast()
        return bytes.last == UInt8(ascii: "/") ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// The shortest name that a path may have been rotated from; itself when none.
    static func root(of path: String) -> String {
        var shorter = path
        while let next = base(of: shorter) { shorter = next }
        return shorter
    }

    /// The same for names as `app-20260102.log` and `app.1.log`, where the digits stand before the
    /// end of the name: `app.log`.
    static func rootBeforeExtension(of path: String) -> String? {
        var path = path
        for suffix in compressedSuffixes where path.hasSuffix(suffix) {
            path = String(path.dropLast(suffix.count))
        }
        let name = FileSystem.name(of: path)
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else {
            return nil
        }
        let ending = name[dot...]
        let stem = String(path.dropLast(ending.count))
        let root = root(of: stem)
        return root == stem ? nil : root + ending
    }

    /// Whether two paths of one folder may hold the content of one log, by their spelling.
    static func isRelated(_ path: String, to other: String) -> Bool {
        let root = root(of: other)
        return RotatedName.root(of: path) == root || rootBeforeExtension(of: path) == root
            || rootBeforeExtension(of: other).map { $0 == RotatedName.root(of: path) } == true
    }

    /// Whether rotation made the first of two names before the second: a higher number, or an
    /// earlier date.
    static func isOlder(_ left: String, than right: String) -> Bool {
        let (a, b) = (lastDigits(left), lastDigits(right))
        let numberDigitLimit = 5
        if a.count <= numberDigitLimit, b.count <= numberDigitLimit, a != b {
            return (Int(a) ?? 0) > (Int(b) ?? 0)
        }
        return a.isEmpty || b.isEmpty || a == b ? left > right : left < right
    }

    /// The last digits in the name, wherever they stand.
    private static func lastDigits(_ path: String) -> String {
        var path = path
        for suffix in compressedSuffixes where path.hasSuffix(suffix) {
            path = String(path.dropLast(suffix.count))
        }
        let isDigit = { (byte: UInt8) in byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
        let digits = FileSystem.name(of: path).utf8.reversed().drop { !isDigit($0) }
            .prefix(while: isDigit)
        return String(decoding: Array(digits.reversed()), as: UTF8.self)
    }

    private static func isMark(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    private static func isDateByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "T"), UInt8(ascii: "Z"),
            UInt8(ascii: ":"):
            true
        default: false
        }
    }
}
