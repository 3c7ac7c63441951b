// SPDX-License-Identifier: Apache-2.0
import Platform

/// A shell pattern for paths, as glob(7) describes it: `*` does not cross a slash.
struct PathPattern: Sendable, Hashable {
    /// The pattern, with single slashes.
    let text: String
    private let parts: [String]

    init(_ text: String) {
        parts = text.split(separator: "/").map(String.init)
        self.text = "/" + parts.joined(separator: "/")
    }

    /// Whether a path fits, by its spelling alone.
    func matches(_ path: String) -> Bool {
        let names = path.split(separator: "/")
        guard names.count == parts.count else { return false }
        return zip(names, parts).allSatisfy {
            FileSystem.matches(name: String($0), pattern: $1)
        }
    }

    /// The folders in which a file or a folder that the pattern needs may appear.
    ///
    /// For each part from the first wildcard on: the folders that fit the parts before it. Where
    /// none is there yet, the nearest one above it.
    func folders() -> [String] {
        let wild = parts.firstIndex(where: PathPattern.isWild) ?? parts.count
        let first = min(wild, max(0, parts.count - 1))
        var folders: [String] = []
        for depth in first..<max(parts.count, first + 1) {
            folders += PathPattern.folders(parts.prefix(depth), isWild: depth > wild)
        }
        return folders
    }

    private static func folders(_ parts: ArraySlice<String>, isWild: Bool) -> [String] {
        let path = "/" + parts.joined(separator: "/")
        if isWild { return FileSystem.matches(path).filter(isFolder) }
        var nearest = path
        while nearest != "/", !isFolder(nearest) { nearest = FileSystem.folder(of: nearest) }
        return [nearest]
    }

    private static func isFolder(_ path: String) -> Bool {
        // A folder that may not be looked at counts as missing; the nearest one above is watched.
        (try? FileSystem.status(path).kind) == .directory
    }

    private static func isWild(_ part: String) -> Bool {
        part.utf8.contains {
            [UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "[")].contains($0)
        }
    }
}

/// Which paths an input reads: patterns, and patterns for what it leaves out.
struct PathSelection: Sendable {
    let patterns: [PathPattern]
    /// Patterns without a slash are about the name, others about the whole path.
    let excluded: [String]

    func isExcluded(_ path: String) -> Bool {
        excluded.contains { pattern in
            pattern.utf8.contains(UInt8(ascii: "/"))
                ? PathPattern(pattern).matches(path)
                : FileSystem.matches(name: FileSystem.name(of: path), pattern: pattern)
        }
    }

    /// Whether a path is one of the input's, by its spelling.
    func includes(_ path: String) -> Bool {
        patterns.contains { $0.matches(path) } && !isExcluded(path)
    }

    /// The path under which the content of a rotated file was written: `/x/app.log` for
    /// `/x/app.log.1`, given which paths count. Nil when none does.
    static func lineage(of path: String, where counts: (String) -> Bool) -> String? {
        var result = counts(path) ? path : nil
        var base = path
        while let shorter = RotatedName.base(of: base) {
            if counts(shorter) { result = shorter }
            base = shorter
        }
        return result
    }
}
