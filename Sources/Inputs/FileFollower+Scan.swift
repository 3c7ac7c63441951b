// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

// Looking at all names: which files there are, which have other names, which are gone.
extension FileFollower {
    /// A file that a pattern found, or a sibling of one.
    struct Found {
        var path: String
        var status: FileStatus
        var number: FileNumber { FileNumber(status) }
    }

    /// A file to follow from now on.
    struct Addition {
        var file: Found
        var lineage: String
        var isNamed: Bool
    }

    /// Compares the folders with the files that are followed.
    func rescan(_ now: MonotonicInstant) {
        isRescanWanted = false
        if state.quietSince == nil { state.quietSince = now }
        // Watched before they are listed, so that nothing falls between the two.
        let folders = Set(selection.patterns.flatMap { $0.folders() })
        for folder in folders { watch.add(folder) }
        let found = findFiles(folders)
        var numbers: [FileNumber: String] = [:]
        var paths: [String: Found] = [:]
        for file in found {
            paths[file.path] = file
            if numbers[file.number] == nil { numbers[file.number] = file.path }
        }
        var siblings = SiblingFolders(folderNames)
        var additions = moveDisplaced(paths, numbers, &siblings)
        if isFirstScan { additions += findRotatedBefore(numbers, &siblings) }
        for file in found {
            if let tail = tails[file.number] {
                if tail.path == file.path, !tail.isNamed { rename(tail, tail.path, isNamed: true) }
                update(tail, file.status)
                pollLater(tail)
            } else if numbers[file.number] == file.path {
                let lineage = PathSelection.lineage(of: file.path) {
                    paths[$0] != nil || isFollowed(from: $0) || known.isKnown(path: $0)
                }
                additions.append(
                    Addition(file: file, lineage: lineage ?? file.path, isNamed: true))
            }
        }
        add(additions)
        closeIdle(now)
        seekKnown()
        isFirstScan = false
        schedule(now)
    }

    /// A full look costs time by the number of files, so it takes only a small share of it.
    private func schedule(_ started: MonotonicInstant) {
        let now = clock.monotonic()
        let cost = now.duration(since: started)
        let interval = watch.isRefused ? timing.rescanWithoutWatch : timing.rescan
        let rest = min(cost * FileFollower.restPerWork, timing.longestRescan)
        nextRescan = now.advanced(by: max(interval, rest))
        earliestRescan = now.advanced(by: max(timing.rescanPause, cost * 4))
    }

    /// The regular files that the patterns find and no exclusion names.
    private func findFiles(_ folders: Set<String>) -> [Found] {
        pathTroubles = [:]
        var found: [Found] = []
        var seen: Set<String> = []
        for pattern in selection.patterns {
            for path in FileSystem.matches(pattern.text) where !selection.isExcluded(path) {
                guard !RotatedName.isForeign(path) || path == pattern.text,
                    seen.insert(path).inserted, let status = status(path)
                else { continue }
                if status.kind == .regular { found.append(Found(path: path, status: status)) }
            }
        }
        for folder in folders { checkFolder(folder) }
        return found
    }

    private func status(_ path: String) -> FileStatus? {
        do throws(SystemError) {
            return try FileSystem.status(path)
        } catch {
            if !error.isNotFound {
                pathTroubles[path] = UnreadableReason.sentence(path, error, nil)
            }
            return nil
        }
    }

    /// glob(3) passes over a folder that it may not list; people have to know.
    private func checkFolder(_ folder: String) {
        guard let error = watch.refusal(of: folder), error.isPermission,
            !FileSystem.isReadable(folder)
        else { return }
        let status = try? FileSystem.status(folder)
        pathTroubles[folder] = UnreadableReason.sentence(folder, error, status)
    }

    // MARK: Other names

    /// Finds out what became of files whose path names another file, or none, by now.
    ///
    /// Returns rotated files that were never seen under their first name, because they were
    /// written and renamed between two looks.
    private func moveDisplaced(
        _ paths: [String: Found], _ numbers: [FileNumber: String],
        _ siblings: inout SiblingFolders
    ) -> [Addition] {
        var additions: [Addition] = []
        for tail in Array(tails.values) where paths[tail.path]?.number != tail.number {
            if let path = numbers[tail.number], mayBe(tail, at: path) {
                rename(tail, path, isNamed: true)
                continue
            }
            let others = siblings.list(FileSystem.folder(of: tail.path))
            let sibling = others.first {
                $0.number == tail.number && mayBe(tail, at: $0.path)
            }
            if let sibling, sibling.path == tail.path, !tail.isNamed {
                update(tail, sibling.status)
                pollLater(tail)
                continue
            }
            let oldPath = tail.path
            if let sibling {
                rename(tail, sibling.path, isNamed: false)
            } else if isOver(tail), !isAtTarget(tail) {
                vanish(tail, among: others)
            } else {
                rename(tail, tail.path, isNamed: false, isReachable: false)
            }
            guard sibling?.path != oldPath else { continue }
            let since = sibling?.status.modified ?? tail.modified
            additions += unseen(tail.firstName, since: since, others, Set(numbers.keys))
        }
        return additions
    }

    /// Whether a file that has the number of a tail may be it under another name. One that is not
    /// open may be gone, and then its number goes to the next file that is made.
    func mayBe(_ tail: FileTail, at path: String) -> Bool {
        if tail.file != nil || RotatedName.isRelated(path, to: tail.firstName) { return true }
        if tail.isBegun { return isUnchanged(tail, at: path) }
        return known[tail.number.inode].contains { isHeld($0, by: path) }
    }

    /// Gives up a file whose number another one has by now; what came after it is read.
    func replace(_ tail: FileTail) {
        var folders = SiblingFolders(folderNames)
        let (lineage, since) = (tail.firstName, tail.modified)
        vanish(tail, among: folders.list(FileSystem.folder(of: tail.path)))
        let newer = lineages[RotatedName.root(of: lineage)]?.first { !$0.isRotated }
        addUnseen(lineage, since: since, before: newer)
        isRescanWanted = true
    }

    /// Whether the open file of a tail, if there is one, has nothing more to give.
    private func isOver(_ tail: FileTail) -> Bool {
        tail.file == nil || (tail.file?.end == .damaged && tail.isRecognised && !tail.hasUnread)
    }

    /// Whether the file of a link that leads elsewhere by now is where it was.
    private func isAtTarget(_ tail: FileTail) -> Bool {
        guard let target = tail.target, let status = try? FileSystem.status(target) else {
            return false
        }
        return FileNumber(status) == tail.number
    }

    func rename(
        _ tail: FileTail, _ path: String, isNamed: Bool, isReachable: Bool = true
    ) {
        if byPath[tail.path] === tail { byPath[tail.path] = nil }
        if !tail.isRotated { noteChange(tail) }
        tail.isRotated = path != tail.firstName || !isNamed
        tail.isNamed = isNamed
        tail.isReachable = isReachable
        tail.path = path
        tail.position.path = path
        if isReachable, byPath[path] == nil || isNamed { byPath[path] = tail }
        // What it has to give comes before the file that took its name, so it must be known now.
        refresh(tail)
        pollLater(tail)
    }

    /// The rotated siblings of a log that nobody follows and that are newer than one that was read.
    ///
    /// One that was read to its end before is recognised when it is opened, and let go again.
    func unseen(
        _ lineage: String, since: Timestamp?, _ others: [Found], _ numbers: Set<FileNumber>
    ) -> [Addition] {
        others.filter { other in
            !numbers.contains(other.number) && tails[other.number] == nil
                && since.map { other.status.modified >= $0 } != false
                && RotatedName.isRelated(other.path, to: lineage) && other.path != lineage
                && !RotatedName.isForeign(other.path)
                && !selection.isExcluded(other.path)
        }.map {
            Addition(file: $0, lineage: lineage, isNamed: selection.includes($0.path))
        }
    }

    // MARK: New files

    private func add(_ additions: [Addition]) {
        for addition in FileFollower.inOrder(additions) where tails[addition.file.number] == nil {
            follow(addition)
        }
    }

    /// Oldest first within a lineage, and the file that still has the first name last.
    static func inOrder(_ additions: [Addition]) -> [Addition] {
        additions.sorted { left, right in
            let (a, b) = (left.file, right.file)
            let isLastLeft = a.path == left.lineage
            let isLastRight = b.path == right.lineage
            if isLastLeft != isLastRight { return isLastRight }
            if a.status.modified != b.status.modified {
                return a.status.modified < b.status.modified
            }
            return RotatedName.isOlder(a.path, than: b.path)
        }
    }

    @discardableResult
    func follow(_ addition: Addition) -> FileTail {
        let now = clock.monotonic()
        let tail = FileTail(
            path: addition.file.path, firstName: addition.lineage,
            status: addition.file.status, isFromStart: isFirstScan, now: now)
        state.quietSince = now
        tail.isNamed = addition.isNamed
        tail.isRotated = !addition.isNamed || addition.file.path != addition.lineage
        tail.position.tail = reader.emptyTail
        tail.isLink = (try? FileSystem.linkStatus(tail.path).kind) == .symbolicLink
        if tail.isLink { tail.target = try? FileSystem.resolved(tail.path) }
        tails[tail.number] = tail
        if byPath[tail.path] == nil || tail.isNamed { byPath[tail.path] = tail }
        enterLineage(tail)
        enqueue(tail)
        noteLag(tail)
        pollLater(tail)
        return tail
    }

    /// Whether a file is followed whose first name is this.
    private func isFollowed(from path: String) -> Bool {
        (lineages[RotatedName.root(of: path)] ?? []).contains { $0.firstName == path }
    }

    /// Puts a file among those of its lineage: rotated ones first, in the order in which they were
    /// written last.
    func enterLineage(_ tail: FileTail) {
        var list = lineages[tail.lineage] ?? []
        var place = list.count
        if tail.isRotated {
            while place > 0,
                !list[place - 1].isRotated || list[place - 1].modified > tail.modified
            {
                place -= 1
            }
        }
        list.insert(tail, at: place)
        lineages[tail.lineage] = list
    }

    // MARK: Few descriptors

    /// Closes files that were quiet for long, when many are open, and lets go of rotated ones.
    private func closeIdle(_ now: MonotonicInstant) {
        let isMany = state.openFileCount > InputLimit.keptOpenFileCount
        for tail in Array(tails.values) where !tail.hasUnread && !tail.isQueued {
            let quiet = now.duration(since: tail.lastGrowth)
            if !tail.isNamed, tail.file == nil, quiet >= timing.linger {
                letGo(tail)
            } else if isMany, tail.file != nil, quiet >= timing.idle, isSafeToClose(tail) {
                closeFile(tail)
            }
        }
    }
}
