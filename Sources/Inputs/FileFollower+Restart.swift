// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

// What was read before the agent stopped. Each content is sought until it was found: under its
// number, or in a copy. One that is nowhere is given up, and what was not read of it is stated as
// lost. No file that is recognised, gone or let go takes a content with it that it only may hold.
extension FileFollower {
    /// Files that were read before the agent stopped and were renamed while it was down.
    func findRotatedBefore(
        _ numbers: [FileNumber: String], _ siblings: inout SiblingFolders
    ) -> [Addition] {
        let present = Set(numbers.keys.map(\.inode))
        var additions: [Addition] = []
        var claimed: Set<FileNumber> = []
        for position in known.all where !present.contains(position.inode) {
            guard known.isLatest(position), let lineage = lineage(of: position) else { continue }
            let others = siblings.list(FileSystem.folder(of: position.path))
            guard let sibling = others.first(where: { $0.status.inode == position.inode }),
                RotatedName.isRelated(sibling.path, to: lineage)
                    || isHeld(position, by: sibling.path)
            else { continue }
            let rotated = Addition(file: sibling, lineage: lineage, isNamed: false)
            let newer = unseen(lineage, since: sibling.status.modified, others, Set(numbers.keys))
            for addition in [rotated] + newer where claimed.insert(addition.file.number).inserted {
                additions.append(addition)
            }
        }
        return additions
    }

    /// Whether a file of a strange name holds a content; it may just have got a number that was
    /// free, and then it is none of that content's lineage.
    func isHeld(_ position: FilePosition, by path: String) -> Bool {
        guard let content = try? FileContent(path) else { return false }
        return (try? reader.placeInCopy(position, [], content)) != nil
    }

    /// Looks for what was read before the agent stopped and is under its number nowhere.
    ///
    /// What a file may hold that is not known yet is left until it is. The rotated siblings that
    /// were never seen are found with it.
    func seekKnown() {
        guard !sought.isEmpty else { return }
        let unknown = Set(tails.values.lazy.filter { !$0.isRecognised }.map(\.number.inode))
        var byLineage: [String: [FilePosition]] = [:]
        for key in sought {
            guard let position = known[key], let lineage = lineage(of: position) else {
                sought.remove(key)
                continue
            }
            if unknown.contains(position.inode) { continue }
            byLineage[lineage, default: []].append(position)
        }
        soughtFolders = SiblingFolders(folderNames)
        defer { soughtFolders = nil }
        for (lineage, positions) in byLineage {
            let isAnyThere = known.related(to: lineage).contains { position in
                keys.contains(position.key)
                    || (unknown.contains(position.inode) && known.isLatest(position))
            }
            let next = lineages[RotatedName.root(of: lineage)]?.first
            // Listed here, so that the copies of this list know it.
            _ = soughtFolders?.list(FileSystem.folder(of: lineage))
            var isAnyFound = false
            for position in positions where sought.remove(position.key) != nil {
                if search(position, before: next) != nil { isAnyFound = true }
            }
            // Rotation takes the oldest away first, so what is left is newer.
            guard !isAnyThere, !isAnyFound else { continue }
            addUnseen(lineage, since: Timestamp(microseconds: .min), before: next)
        }
    }

    /// Looks for what else was read under the number of a file, now that it is known what it is:
    /// before anything is read of it, as a later content there ends the search for earlier ones.
    func seekOthers(_ positions: [FilePosition], besides tail: FileTail) {
        for position in positions where !keys.contains(position.key) {
            let number = FileNumber(inode: position.inode, device: position.device)
            // On another device there may be another file of that number.
            if let other = tails[number], other !== tail, !other.isRecognised { continue }
            guard sought.remove(position.key) != nil else { continue }
            let isRelated = RotatedName.isRelated(tail.path, to: position.path)
            search(position, before: isRelated ? tail : first(of: position))
        }
    }

    /// Has the rest of a content read from a copy of it, or states what is lost.
    @discardableResult
    private func search(_ position: FilePosition, before next: FileTail?) -> FileTail? {
        guard isWorthASearch(position) else { return nil }
        guard position.size == position.offset else {
            return abandon(position, .deleted, before: next)
        }
        // As far as is known it was read to its end, so it may as well come back as it was.
        let copy = adoptCopy(of: position, [], before: next)
        if let copy, let lineage = lineage(of: position) {
            let newer = copy === next ? successor(of: copy) : next
            addUnseen(lineage, since: copy.modified, before: newer)
        }
        return copy
    }

    /// Whether there may be more of a content than was read of it.
    ///
    /// Not so when its inode has later content, because then it was sought before that was read,
    /// nor when what was read to its end was compressed, as nobody writes on there.
    private func isWorthASearch(_ position: FilePosition) -> Bool {
        if position.size > position.offset { return true }
        return known.isLatest(position) && !RotatedName.isCompressed(position.path)
    }

    /// The file that is read first among those of a content's lineage.
    func first(of position: FilePosition) -> FileTail? {
        lineage(of: position).flatMap { lineages[RotatedName.root(of: $0)]?.first }
    }

    /// Under which name of the input's a content was written.
    func lineage(of position: FilePosition) -> String? {
        PathSelection.lineage(of: position.path) { selection.includes($0) }
    }
}
