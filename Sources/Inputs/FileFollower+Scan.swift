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
        /// True when it is followed only if it turns out to hold known content.
        var isOnlyIfKnown = false
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
        var siblings = SiblingFolders()
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
        if isFirstScan { findElsewhere(numbers) }
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
            if let path = numbers[tail.number] {
                rename(tail, path, isNamed: true)
                continue
            }
            let others = siblings.list(FileSystem.folder(of: tail.path))
            let sibling = others.first { $0.number == tail.number }
            if let sibling, sibling.path == tail.path, !tail.isNamed {
                update(tail, sibling.status)
                pollLater(tail)
                continue
            }
            let oldPath = tail.path
            if let sibling {
                rename(tail, sibling.path, isNamed: false)
            } else if tail.file == nil, !isAtTarget(tail) {
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

    // MARK: While the agent was down

    /// Files that were read before the agent stopped and were renamed while it was down.
    private func findRotatedBefore(
        _ numbers: [FileNumber: String], _ siblings: inout SiblingFolders
    ) -> [Addition] {
        let present = Set(numbers.keys.map(\.inode))
        var additions: [Addition] = []
        var claimed: Set<FileNumber> = []
        for position in known.all where !present.contains(position.inode) {
            guard let lineage = lineage(of: position) else { continue }
            let others = siblings.list(FileSystem.folder(of: position.path))
            guard let sibling = others.first(where: { $0.status.inode == position.inode }) else {
                continue
            }
            let rotated = Addition(
                file: sibling, lineage: lineage, isNamed: false,
                isOnlyIfKnown: !RotatedName.isRelated(sibling.path, to: lineage))
            let newer = unseen(lineage, since: sibling.status.modified, others, Set(numbers.keys))
            for addition in [rotated] + newer where claimed.insert(addition.file.number).inserted {
                additions.append(addition)
            }
        }
        return additions
    }

    /// What was read before the agent stopped and is under its number nowhere: a copy of it is read
    /// on, or what was not read is lost. The same for rotated siblings that were never seen.
    private func findElsewhere(_ numbers: [FileNumber: String]) {
        let present = Set(tails.keys.map(\.inode))
        var byLineage: [String: [FilePosition]] = [:]
        for position in known.all {
            guard let lineage = lineage(of: position) else { continue }
            byLineage[lineage, default: []].append(position)
        }
        for (lineage, positions) in byLineage {
            let isAnyThere = positions.contains { present.contains($0.inode) }
            let next = lineages[RotatedName.root(of: lineage)]?.first
            var since: Timestamp?
            for position in positions where !present.contains(position.inode) {
                guard isWorthASearch(position) else { continue }
                let copy = adoptCopy(of: position, [], before: next)
                if let copy { since = max(since ?? copy.modified, copy.modified) }
                guard copy == nil, position.size > position.offset else { continue }
                abandon(position, .deleted, before: nil)
            }
            // Rotation takes the oldest away first, so what is left is newer.
            guard !isAnyThere, let next else { continue }
            var folders = SiblingFolders()
            let others = folders.list(FileSystem.folder(of: lineage))
            let unseen = unseen(lineage, since: since, others, Set(numbers.keys))
            for addition in FileFollower.inOrder(unseen) { move(follow(addition), before: next) }
        }
    }

    /// Whether there may be more of a content than was read of it.
    ///
    /// Not so when its inode has later content, which comes after it, nor when what was read to its
    /// end was compressed, as nobody writes on there.
    private func isWorthASearch(_ position: FilePosition) -> Bool {
        if position.size > position.offset { return true }
        return known.lastGeneration(position.inode) == position.generation
            && !RotatedName.isCompressed(position.path)
    }

    /// Under which name of the input's a content was written.
    func lineage(of position: FilePosition) -> String? {
        PathSelection.lineage(of: position.path) { selection.includes($0) }
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
        tail.isOnlyIfKnown = addition.isOnlyIfKnown
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

/// The regular files in folders, listed once per look.
struct SiblingFolders {
    private var folders: [String: [FileFollower.Found]] = [:]
    private var unknown: Set<String> = []

    /// Whether what is in a folder can be known; a folder that is not there has nothing in it.
    mutating func isKnown(_ folder: String) -> Bool {
        _ = list(folder)
        return !unknown.contains(folder)
    }

    /// The regular files of a folder; none when it cannot be listed.
    mutating func list(_ folder: String) -> [FileFollower.Found] {
        if let known = folders[folder] { return known }
        var names: [String] = []
        do throws(SystemError) {
            names = try FileSystem.names(in: folder)
        } catch {
            // A folder that cannot be listed holds nothing that could be read.
            if !error.isNotFound { unknown.insert(folder) }
        }
        let prefix = folder == "/" ? "/" : folder + "/"
        let found = names.compactMap { name -> FileFollower.Found? in
            guard let status = try? FileSystem.linkStatus(prefix + name), status.kind == .regular
            else { return nil }
            return FileFollower.Found(path: prefix + name, status: status)
        }
        folders[folder] = found
        return found
    }
}
