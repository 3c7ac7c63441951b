// SPDX-License-Identifier: Apache-2.0
import Platform

/// When a sink's file is put aside, under which name, and what becomes of it: `rotate`.
///
/// `archive.ndjson` becomes `archive.ndjson.20261121T110207Z.000`, with `.zst` or `.gz` behind it
/// once it is compressed. Names sort as their contents follow each other.
struct FileRotation: Sendable, Equatable {
    /// How a file that was put aside is kept.
    enum Compression: String, Sendable, CaseIterable {
        case zstd, gzip, none

        /// What its name ends in.
        var ending: String {
            switch self {
            case .zstd: ".zst"
            case .gzip: ".gz"
            case .none: ""
            }
        }
    }

    /// A file that would grow beyond this is put aside first.
    var byteLimit: Int?
    /// Events of different spans of this length, counted from 1970, stand in different files.
    var interval: Duration?
    /// How many files that were put aside are kept; older ones are deleted. Nil: nothing ever is.
    var keptCount: Int?
    /// How they are kept.
    var compression = Compression.none

    /// The bounds of `size`.
    static let byteLimits = 64 << 10...1 << 40
    /// The bounds of `interval`.
    static let intervals = Duration.seconds(60)...Duration.seconds(366 * 86_400)
    /// The bounds of `keep`.
    static let keptCounts = 1...100_000

    /// Reads the block `rotate` and reports every mistake; nil where there is none.
    init?(reading reader: inout ConfigurationReader) {
        guard var child = reader.child("rotate") else { return nil }
        byteLimit = child.byteCount("size", in: FileRotation.byteLimits)
        interval = child.duration("interval", in: FileRotation.intervals)
        keptCount = child.integer("keep", in: FileRotation.keptCounts)
        compression = child.choice("compress", default: .none)
        if child.node["size"] == nil, child.node["interval"] == nil {
            child.problem("size", "must be set, or interval, or both")
        }
        child.finish()
    }

    /// Whether a file has to be put aside before so many bytes are added to it.
    ///
    /// - Parameter writtenAt: when something was written to it last.
    func isDue(
        byteCount: Int, adding more: Int, writtenAt: Timestamp, now: Timestamp
    ) -> Bool {
        guard byteCount > 0 else { return false }
        if let byteLimit, byteCount + more > byteLimit { return true }
        guard let interval else { return false }
        let span = interval.wholeNanoseconds / 1000
        return writtenAt.microseconds / span != now.microseconds / span
    }

    /// A name for what is put aside now, behind all those that are there: a clock may be set back.
    func name(for base: String, at now: Timestamp, besides names: [String]) -> String {
        let digits = now.text.utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        let moment = digits.prefix(FileRotation.momentByteCount - 1)
        var start = "\(base).\(String(decoding: moment, as: UTF8.self))Z."
        let stems = names.compactMap { FileRotation.stem(of: $0, base: base) }
        if let newest = stems.max(), newest > start { start = String(newest.prefix(start.count)) }
        // Not the first free number: where older files were deleted it would sort before them.
        let numbers = stems.filter { $0.hasPrefix(start) }
            .compactMap { Int($0.dropFirst(start.count)) }
        let text = String((numbers.max() ?? -1) + 1)
        return start + String(repeating: "0", count: max(0, 3 - text.utf8.count)) + text
    }

    /// The names, of those in the folder, that belong to files beyond `keep`.
    func surplus(_ names: [String], base: String) -> [String] {
        guard let keptCount else { return [] }
        let stems = Set(names.compactMap { FileRotation.stem(of: $0, base: base) }).sorted()
        let old = Set(stems.dropLast(keptCount))
        return names.filter { FileRotation.stem(of: $0, base: base).map(old.contains) ?? false }
    }

    /// The names, of those in the folder, that wait to be compressed.
    func uncompressed(_ names: [String], base: String) -> [String] {
        guard compression != .none else { return [] }
        return names.filter { FileRotation.stem(of: $0, base: base) == $0 }
    }

    /// `20261121T110207Z`.
    private static let momentByteCount = 16

    /// The name that a file was put aside under; nil when it is not one that this sink named.
    static func stem(of name: String, base: String) -> String? {
        guard name.hasPrefix(base + ".") else { return nil }
        var rest = name.dropFirst(base.count + 1)
        let endings = Compression.allCases.map(\.ending) + [FileArchive.partialEnding]
        if let ending = endings.first(where: { !$0.isEmpty && rest.hasSuffix($0) }) {
            rest = rest.dropLast(ending.count)
        }
        let parts = rest.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == momentByteCount, parts[1].utf8.count >= 3,
            parts[1].utf8.allSatisfy(isDigit)
        else { return nil }
        let moment = Array(parts[0].utf8)
        let isMoment = moment.indices.allSatisfy { index in
            switch index {
            case 8: moment[index] == UInt8(ascii: "T")
            case momentByteCount - 1: moment[index] == UInt8(ascii: "Z")
            default: isDigit(moment[index])
            }
        }
        return isMoment ? "\(base).\(rest)" : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
