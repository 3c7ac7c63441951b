// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

// Copies: what copytruncate leaves behind and what rotated files are compressed to. A copy goes on
// under the key of its original, so nothing of it is handed out twice.
extension FileFollower {
    /// Finds the copy of a content that is no longer where it was, and has it read on from there.
    func adoptCopy(
        of ended: FilePosition, _ checkpoints: [FileTail.Checkpoint], before newer: FileTail?
    ) -> FileTail? {
        guard ended.offset > 0 else { return nil }
        var folders = soughtFolders ?? SiblingFolders(folderNames)
        for _ in 0..<SiblingFolders.lookLimit {
            var isMoved = false
            let files = mayBeCopies(of: ended, &folders)
            if let copy = adoptCopy(in: files, of: ended, checkpoints, before: newer, &isMoved) {
                return copy
            }
            // Who was renamed or compressed since the folder was listed is there under a new name.
            if !isMoved { break }
            folders = SiblingFolders(folderNames)
        }
        return nil
    }

    private func adoptCopy(
        in files: [Found], of ended: FilePosition, _ checkpoints: [FileTail.Checkpoint],
        before newer: FileTail?, _ isMoved: inout Bool
    ) -> FileTail? {
        for file in files {
            if let tail = tails[file.number], !tail.isBegun, !mayBe(tail, at: file.path) {
                replace(tail)
            }
            let tail = tails[file.number]
            if let tail, tail === newer, !mayBeCopy(tail, of: ended) { continue }
            if let tail {
                let isRead = tail.isBegun && tail.position.offset > 0
                if isRead, isUnchanged(tail, at: file.path) { continue }
                // Its number is used by another file by now.
                if tail.path != file.path {
                    rename(tail, file.path, isNamed: selection.includes(file.path))
                }
                guard tails[file.number] === tail else { continue }
                if isRead, tail.isRecognised {
                    startAgain(tail, oldByteCount: tail.certainByteCount)
                }
            }
            do throws(SystemError) {
                let content = try FileContent(file.path)
                guard FileNumber(try content.status()) == file.number else {
                    isMoved = true
                    continue
                }
                if let adopted = try adopt(file, content, tail, ended, checkpoints, newer) {
                    return adopted
                }
            } catch {
                if error.isNotFound { isMoved = true }
            }
        }
        return nil
    }

    /// Whether the file that is read after a content may be its copy: another one, of which it is
    /// not known yet what it is.
    private func mayBeCopy(_ newer: FileTail, of ended: FilePosition) -> Bool {
        newer.isRotated && !newer.isBegun && newer.number.inode != ended.inode
    }

    /// The files that may hold a content by their names: as it was written before compressed, newer
    /// before older, because that is where it should be.
    private func mayBeCopies(
        of ended: FilePosition, _ folders: inout SiblingFolders
    ) -> [Found] {
        folders.list(FileSystem.folder(of: ended.path)).filter {
            RotatedName.isRelated($0.path, to: ended.path) && !RotatedName.isForeign($0.path)
        }.sorted { left, right in
            let (a, b) = (RotatedName.isCompressed(left.path), RotatedName.isCompressed(right.path))
            return a == b ? left.status.modified > right.status.modified : b
        }
    }

    /// Whether a file still holds what was read of it, as far as can be seen.
    func isUnchanged(_ tail: FileTail, at path: String) -> Bool {
        // What another file's bytes say does not matter.
        guard let file = try? FileContent(path), let status = try? file.status(),
            FileNumber(status) == tail.number
        else { return true }
        let (offset, bytes) = (tail.position.offset, tail.position.tail)
        return (try? reader.isSame(bytes, before: offset, file)) ?? true
    }

    /// Has a file read on as a known content, if it holds that; nil when it does not.
    private func adopt(
        _ file: Found, _ content: FileContent, _ follower: FileTail?, _ ended: FilePosition,
        _ checkpoints: [FileTail.Checkpoint], _ newer: FileTail?
    ) throws(SystemError) -> FileTail? {
        guard let place = try reader.placeInCopy(ended, checkpoints, content) else { return nil }
        let tail: FileTail
        if let follower {
            tail = follower
        } else {
            let lineage =
                newer?.firstName ?? PathSelection.lineage(of: file.path) { selection.includes($0) }
            tail = follow(
                Addition(
                    file: file, lineage: lineage ?? file.path,
                    isNamed: selection.includes(file.path)))
        }
        closeFile(tail)
        tail.file = content
        state.openFileCount += 1
        try readOn(tail, place, content, newer)
        return tail
    }

    /// Goes on in a copy at the place that its original came to.
    private func readOn(
        _ tail: FileTail, _ place: FilePosition, _ content: FileContent, _ newer: FileTail?
    ) throws(SystemError) {
        if content.isCompressed {
            while try !measure(tail, content) { continue }
        } else {
            tail.byteCount = UInt64(try content.status().byteCount)
        }
        try resume(tail, place, content)
        tail.position.size = tail.byteCount
        // The number of the original stays in the position until a later content has a key there:
        // it is what keeps the two keys apart.
        takeNumber(tail)
        if let newer, newer !== tail { move(tail, before: newer) }
        announce(tail)
        enqueue(tail)
        noteLag(tail)
    }

    /// Puts a copy's own number into its position, once that of the original has other content.
    func takeNumber(_ tail: FileTail) {
        guard tail.position.inode != tail.number.inode,
            let last = known.lastGeneration(tail.position.inode), last > tail.position.generation
        else { return }
        tail.position.inode = tail.number.inode
        tail.position.device = tail.number.device
    }

    /// The file that is read after another one.
    func successor(of tail: FileTail) -> FileTail? {
        lineages[tail.lineage]?.drop { $0 !== tail }.dropFirst().first
    }

    /// Has a file read right before another one.
    func move(_ tail: FileTail, before newer: FileTail) {
        leaveLineage(tail)
        tail.lineage = newer.lineage
        var list = lineages[newer.lineage] ?? []
        list.insert(tail, at: list.firstIndex { $0 === newer } ?? list.count)
        lineages[newer.lineage] = list
    }

    // MARK: Files that turn up

    /// Whether a file that was never seen is a copy of one that is read, or of one that is gone.
    ///
    /// True as well when that cannot be said yet; then it is not recognised afterwards.
    func beginAsCopy(_ tail: FileTail, _ file: FileContent) throws(SystemError) -> Bool {
        tail.isInQuestion = true
        defer { tail.isInQuestion = false }
        let others = lineages[tail.lineage] ?? []
        for other in others where other !== tail && !other.isRecognised && other.original == nil {
            // It may be what is known, and then this one is not.
            try recogniseFirst(other)
            if tail.isRecognised || tails[tail.number] !== tail { return true }
        }
        // Whether an original was truncated by now decides which of the two is read on.
        for other in others where isPossible(other, of: tail) {
            if isDecided(tail, byLookingAt: other) { return true }
        }
        for original in others where isPossible(original, of: tail) {
            var content: FileContent?
            do throws(SystemError) {
                content = try open(original)
            } catch {
                guard error.isNotFound else {
                    fail(original, error)
                    continue
                }
            }
            guard let content else {
                // Nothing can be said before it is known what became of the original.
                isRescanWanted = true
                return true
            }
            guard try reader.isCopy(file, of: content) else {
                // It may have been truncated while the two were compared.
                if isDecided(tail, byLookingAt: original) { return true }
                continue
            }
            tail.original = original
            tail.originalContent = original.contentCount
            tail.isRecognised = true
            tail.examined = tail.byteCount
            return true
        }
        let inherited = tail.inherited.map { [$0] } ?? []
        tail.inherited = nil
        for position in inherited + known.related(to: tail.path)
        where position.key != .zero && !keys.contains(position.key) {
            guard let place = try reader.placeInCopy(position, [], file) else { continue }
            try readOn(tail, place, file, nil)
            return true
        }
        return false
    }

    /// Whether it is known what a file is once it is clear that another one is as it was, or is
    /// read from its beginning.
    private func isDecided(_ tail: FileTail, byLookingAt other: FileTail) -> Bool {
        refresh(other)
        if tails[other.number] === other, other.position.offset > 0,
            !isUnchanged(other, at: other.path)
        {
            startAgain(other, oldByteCount: other.certainByteCount)
        }
        return tail.isRecognised || tails[tail.number] !== tail
    }

    private func recogniseFirst(_ tail: FileTail) throws(SystemError) {
        let mayBeOriginal = !tail.isRotated || !known[tail.number.inode].isEmpty
        guard mayBeOriginal, tail.trouble == nil, !tail.isInQuestion else { return }
        do throws(SystemError) {
            guard let file = try open(tail) else { return }
            while file.isCompressed, try !measure(tail, file) { continue }
            guard !isTooEarly(tail) else { return }
            try recognise(tail, file)
        } catch {
            fail(tail, error)
        }
    }

    /// Whether a file may be the original of another: it is read, and their names are related.
    private func isPossible(_ original: FileTail, of copy: FileTail) -> Bool {
        original !== copy && original.isRecognised && original.original == nil
            && original.trouble == nil
            && RotatedName.isRelated(copy.path, to: original.path)
    }

    /// Looks whether the original of a copy is still there as it was.
    func lookAtOriginal(_ tail: FileTail) {
        guard let original = tail.original else { return }
        let isThere =
            tails[original.number] === original && original.contentCount == tail.originalContent
        guard !isThere else { return }
        // What it is a copy of may be known by now, or nowhere else.
        tail.inherited =
            tails[original.number] === original ? original.lastEnded : original.position
        tail.original = nil
        tail.isRecognised = false
        enqueue(tail)
    }

    /// Compares a copy that changed with its original again.
    func compareAgain(_ tail: FileTail, _ file: FileContent) throws(SystemError) {
        lookAtOriginal(tail)
        guard let original = tail.original else { return }
        if !file.isCompressed { tail.byteCount = UInt64(try file.status().byteCount) }
        guard let content = try? open(original) else { return }
        if try reader.isCopy(file, of: content) {
            tail.examined = tail.byteCount
            return
        }
        tail.original = nil
        tail.isRecognised = false
    }

    /// Rotated files of a log that were never seen and are newer than a content that came to an
    /// end. The log itself may not be there yet.
    func addUnseen(_ lineage: String, since: Timestamp, before newer: FileTail?) {
        var folders = soughtFolders ?? SiblingFolders(folderNames)
        let others = folders.list(FileSystem.folder(of: lineage))
        for addition in FileFollower.inOrder(unseen(lineage, since: since, others, [])) {
            let tail = follow(addition)
            if let newer { move(tail, before: newer) }
        }
    }
}
