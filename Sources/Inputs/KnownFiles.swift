// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The positions of an input: those it started with and those of files it let go of.
struct KnownFiles {
    private struct Entry {
        var position: FilePosition
        /// Later entries have higher numbers.
        var age: UInt64
        /// True when the content is nowhere any more: nothing is resumed there.
        var isEnded = false
        /// True when its inode has later content, so that it is not resumed by its inode.
        var isSuperseded = false
    }

    private var entries: [FileKey: Entry] = [:]
    private var byInode: [UInt64: [FileKey]] = [:]
    private var byRoot: [String: [FileKey]] = [:]
    private var generations: [UInt64: UInt32] = [:]
    private var paths: Set<String> = []
    private var nextAge: UInt64 = 0

    /// Starts with the positions of one input.
    init(_ all: [Position], input: String) {
        for position in all where position.input == input {
            if case .file(let file) = position.place { remember(file) }
        }
    }

    /// The positions whose content was last seen under this inode.
    subscript(inode: UInt64) -> [FilePosition] {
        (byInode[inode] ?? []).compactMap { key in
            guard let entry = entries[key], !entry.isEnded, !entry.isSuperseded else {
                return nil
            }
            return entry.position
        }
    }

    /// All positions where reading may go on.
    var all: [FilePosition] { entries.values.filter { !$0.isEnded }.map(\.position) }

    /// How many positions are kept, those included that only keep keys apart.
    var count: Int { entries.count }

    /// The positions of contents that had this name, or were rotated from it.
    func related(to path: String) -> [FilePosition] {
        var keys = byRoot[RotatedName.root(of: path)] ?? []
        if let other = RotatedName.rootBeforeExtension(of: path) { keys += byRoot[other] ?? [] }
        return keys.compactMap { key in
            guard let entry = entries[key], !entry.isEnded else { return nil }
            return entry.position
        }
    }

    /// The position of a content, if reading may go on there.
    subscript(key: FileKey) -> FilePosition? {
        guard let entry = entries[key], !entry.isEnded else { return nil }
        return entry.position
    }

    /// Whether no later content of its inode is known.
    func isLatest(_ position: FilePosition) -> Bool {
        (byInode[position.inode] ?? []).allSatisfy { key in
            guard let other = entries[key]?.position, other.device == position.device else {
                return true
            }
            return other.generation <= position.generation
        }
    }

    /// Whether a file was read under this path.
    func isKnown(path: String) -> Bool { paths.contains(path) }

    /// The highest generation an inode has had; nil for an inode never seen.
    func lastGeneration(_ inode: UInt64) -> UInt32? { generations[inode] }

    /// Takes note that a generation of an inode has a key by now.
    mutating func note(_ position: FilePosition) {
        generations[position.inode] = max(generations[position.inode] ?? 0, position.generation)
    }

    /// Takes note that a content is nowhere any more: nothing is resumed there, and the next
    /// content of the inode gets a later generation.
    mutating func end(_ position: FilePosition) {
        remember(position)
        entries[position.key]?.isEnded = true
        for key in byInode[position.inode] ?? [] {
            guard let other = entries[key]?.position, other.device == position.device,
                other.generation <= position.generation
            else { continue }
            entries[key]?.isSuperseded = true
        }
    }

    /// Keeps a position, in place of an earlier one of the same content.
    mutating func remember(_ position: FilePosition) {
        let old = entries[position.key]
        if let old { unlink(old.position) }
        let isSuperseded = old?.isSuperseded == true && old?.position.inode == position.inode
        entries[position.key] = Entry(
            position: position, age: nextAge, isSuperseded: isSuperseded)
        nextAge += 1
        byInode[position.inode, default: []].append(position.key)
        byRoot[RotatedName.root(of: position.path), default: []].append(position.key)
        if paths.count < InputLimit.rememberedFileLimit { paths.insert(position.path) }
        note(position)
    }

    /// Gives a position up. The generation of its inode stays known until the next start.
    mutating func forget(_ key: FileKey) -> FilePosition? {
        guard let position = entries.removeValue(forKey: key)?.position else { return nil }
        unlink(position)
        return position
    }

    /// Which positions need not be kept any longer, oldest first; at most `most` are looked at.
    ///
    /// The highest generation of each inode stays, or the next content there could get a key that
    /// was used before; of those that are kept for this alone, only so many stay.
    ///
    /// - Parameter isNeeded: whether the content is followed, or may still lie somewhere.
    mutating func superfluous(
        keeping limit: Int, most: Int, isNeeded: (FilePosition) -> Bool
    ) -> [FileKey] {
        var candidates: [FileKey] = []
        var keptCount = 0
        for (key, entry) in entries.sorted(by: { $0.value.age > $1.value.age }) {
            let isHighest = generations[entry.position.inode] == entry.position.generation
            if isHighest, keptCount < limit {
                keptCount += 1
            } else {
                candidates.append(key)
            }
        }
        var result: [FileKey] = []
        for key in candidates.reversed().prefix(most) {
            guard let entry = entries[key] else { continue }
            if isNeeded(entry.position) {
                // Others have their turn next time.
                entries[key]?.age = nextAge
                nextAge += 1
            } else {
                result.append(key)
            }
        }
        return result
    }

    private mutating func unlink(_ position: FilePosition) {
        KnownFiles.remove(position.key, from: &byInode, position.inode)
        KnownFiles.remove(position.key, from: &byRoot, RotatedName.root(of: position.path))
    }

    private static func remove<Name: Hashable>(
        _ key: FileKey, from index: inout [Name: [FileKey]], _ name: Name
    ) {
        index[name]?.removeAll { $0 == key }
        if index[name]?.isEmpty == true { index[name] = nil }
    }
}
