// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Raw records with the events that they must give, in one file that people can read.
///
/// A block is one record (all its lines), a line `---`, and then one canonical event a line, or
/// `ignored: reason`. Blocks are parted by a line `===`. Lines that begin with `# ` before a
/// block's record are remarks and are kept. `\xhh` in a record stands for that byte, and a
/// backslash before `x` is written `\\x`.
public struct FixtureFile: Sendable, Equatable {
    /// One record and what it gives.
    public struct Block: Sendable, Equatable {
        /// The line of the file at which the record begins.
        public var line: Int
        /// Remarks, as written.
        public var remarks: [String]
        /// The record as written, escapes and all.
        public let record: String
        /// The bytes of the record.
        public let bytes: [UInt8]
        /// What it must give: one line `ignored: reason`, or canonical events. Lines before that
        /// say which elements of a list gave none.
        public var expected: [String]
    }

    /// The longest file.
    public static let byteLimit = 64 << 20

    /// The blocks in the order of the file.
    public var blocks: [Block]

    /// Reads a file's text.
    public init(_ text: String) {
        blocks = []
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        for part in lines.split(separator: "===", omittingEmptySubsequences: true) {
            let remarks = part.prefix { $0.hasPrefix("# ") || $0.isEmpty }
            let rest = part.dropFirst(remarks.count)
            guard !rest.isEmpty else { continue }
            let record = rest.prefix { $0 != "---" }
            let expected = rest.dropFirst(record.count + 1)
            blocks.append(
                Block(
                    line: rest.startIndex + 1, remarks: Array(remarks),
                    record: record.joined(separator: "\n"),
                    expected: Array(expected)))
        }
    }

    /// The file's text.
    public var text: String {
        blocks.map { block in
            (block.remarks + [block.record, "---"] + block.expected).joined(separator: "\n") + "\n"
        }.joined(separator: "===\n")
    }
}

extension FixtureFile.Block {
    fileprivate init(line: Int, remarks: [String], record: String, expected: [String]) {
        self.line = line
        self.remarks = remarks
        self.record = record
        self.expected = expected
        bytes = FixtureFile.unescape(Array(record.utf8))
    }
}

extension FixtureFile {
    private static func unescape(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var rest = text[...]
        while let slash = rest.firstIndex(of: UInt8(ascii: "\\")) {
            result += rest[..<slash]
            rest = rest[slash...]
            if rest.starts(with: #"\x"#.utf8), rest.count >= 4,
                let byte = Hex.decode(String(decoding: rest.dropFirst(2).prefix(2), as: UTF8.self))
            {
                result += byte
                rest = rest.dropFirst(4)
            } else {
                // A backslash that belongs to the record loses the one that protects it.
                if rest.starts(with: #"\\x"#.utf8) { rest = rest.dropFirst() }
                result.append(UInt8(ascii: "\\"))
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }
}

extension ElementTally {
    /// The elements that gave no event, as a fixture names them.
    public var lines: [String] {
        ignored.sorted { $0.key < $1.key }.map { "elements ignored: \($0.key) \($0.value)" }
            + dropped.sorted { $0.key < $1.key }.map { "elements dropped: \($0.key) \($0.value)" }
    }
}
