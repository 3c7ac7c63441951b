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

    /// Compares the folders with the files that are followed.
    func rescan(_ now: MonotonicInstant) {
        isRescanWanted = false
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
                let lineage = PathSelection.lineage(of: file.path) { paths[$0] != nil }
                additions.append(
                    Addition(file: file, lineage: lineage ?? file.path, isNamed: true))
            }
        }
        add(additions, now)
        closeIdle(now)
        isFirstScan = false
        schedule(now)
    }

    /// A full look costs time by the number of files, so it takes at most a hundredth of it.
    private func schedule(_ started: MonotonicInstant) {
        let now = clock.monotonic()
        let cost = now.duration(since: started)
        let interval = watch.isRefused ? timing.rescanWithoutWatch : timing.rescan
        nextRescan = now.advanced(by: max(interval, cost * 100))
        earliestRescan = now.advanced(by: max(timing.rescanPause, cost * 4))
    }

    /// The regular files that the patterns find and no exclusion names.
    private func findFiles(_ folders: Set<String>) -> [Found] {
        pathTroubles = [:]
        var found: [Found] = []
        var seen: Set<String> = []
        for pattern in selection.patterns {
            for path in FileSystem.matches(pattern.text) where !selection.isExcluded(path) {
                guard seen.insert(path).inserted, let status = status(path) else { continue }
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
        guard let error = watch.refusal(of: folder), error.isPermission else { return }
        let status = try? FileSystem.status(folder)
        pathTroubles[folder] = UnreadableReason.sentence(folder, error, status)
    }

    // MARK: Other names

    /// A file to follow from now on.
    struct Addition {
        var file: Found
        var lineage: String
        var isNamed: Bool
    }

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
            if let sibling = others.first(where: { $0.number == tail.number }) {
                let isMoved = sibling.path != tail.path
                rename(tail, sibling.path, isNamed: false)
                if isMoved { additions += unseen(tail.lineage, since: sibling, others, numbers) }
            } else if tail.file == nil {
                letGo(tail)
            } else {
                rename(tail, tail.path, isNamed: false)
            }
        }
        return additions
    }

    private func rename(_ tail: FileTail, _ path: String, isNamed: Bool) {
        if byPath[tail.path] === tail { byPath[tail.path] = nil }
        if !tail.isRotated { tail.lastGrowth = clock.monotonic() }
        tail.isRotated = path != tail.lineage || !isNamed
        tail.isNamed = isNamed
        tail.path = path
        tail.position.path = path
        if byPath[path] == nil || isNamed { byPath[path] = tail }
        // What it has to give comes before the file that took its name, so it must be known now.
        refresh(tail)
        pollLater(tail)
    }

    /// The rotated siblings of a log that are newer than one that was read.
    ///
    /// One that was read to its end before is recognised when it is opened, and let go again.
    private func unseen(
        _ lineage: String, since known: Found, _ others: [Found], _ numbers: [FileNumber: String]
    ) -> [Addition] {
        others.filter { other in
            other.number != known.number && numbers[other.number] == nil
                && tails[other.number] == nil
                && other.status.modified >= known.status.modified
                && RotatedName.isRotation(other.path, of: lineage)
                && !selection.isExcluded(other.path)
        }.map { Addition(file: $0, lineage: lineage, isNamed: false) }
    }

    /// Files that were read before the agent stopped and were renamed while it was down.
    private func findRotatedBefore(
        _ numbers: [FileNumber: String], _ siblings: inout SiblingFolders
    ) -> [Addition] {
        let present = Set(numbers.keys.map(\.inode))
        var additions: [Addition] = []
        var claimed: Set<FileNumber> = []
        for position in known.all where !present.contains(position.inode) {
            guard
                let lineage = PathSelection.lineage(
                    of: position.path, where: { selection.includes($0) })
            else { continue }
            let others = siblings.list(FileSystem.folder(of: position.path))
            guard let sibling = others.first(where: { $0.status.inode == position.inode })
            else { continue }
            let rotated = Addition(file: sibling, lineage: lineage, isNamed: false)
            let unread = unseen(lineage, since: sibling, others, numbers)
            for addition in [rotated] + unread where claimed.insert(addition.file.number).inserted {
                additions.append(addition)
            }
        }
        return additions
    }

    // MARK: New files

    private func add(_ additions: [Addition], _ now: MonotonicInstant) {
        // Oldest first within a lineage, and the file that still has the first name last.
        let sorted = additions.sorted { left, right in
            let (a, b) = (left.file, right.file)
            let isLastLeft = a.path == left.lineage
            let isLastRight = b.path == right.lineage
            if isLastLeft != isLastRight { return isLastRight }
            if a.status.modified != b.status.modified {
                return a.status.modified < b.status.modified
            }
            return a.path > b.path
        }
        for addition in sorted where tails[addition.file.number] == nil {
            let tail = FileTail(
                path: addition.file.path, lineage: addition.lineage,
                status: addition.file.status, isFromStart: isFirstScan, now: now)
            tail.isNamed = addition.isNamed
            tail.isRotated = !addition.isNamed || addition.file.path != addition.lineage
            tail.position.tail = reader.emptyTail
            tail.isLink = (try? FileSystem.linkStatus(tail.path).kind) == .symbolicLink
            tails[tail.number] = tail
            byPath[tail.path] = tail
            lineages[tail.lineage, default: []].append(tail)
            enqueue(tail)
            noteLag(tail)
            pollLater(tail)
        }
    }

    /// Closes files that were quiet for long, when many are open.
    private func closeIdle(_ now: MonotonicInstant) {
        guard state.openFileCount > InputLimit.keptOpenFileCount else { return }
        for tail in tails.values where tail.file != nil && tail.isNamed && !tail.isRotated {
            guard !tail.hasUnread, !tail.isQueued,
                now.duration(since: tail.lastGrowth) >= timing.idle
            else { continue }
            closeFile(tail)
        }
    }
}

/// The regular files in folders, listed once per look.
struct SiblingFolders {
    private var folders: [String: [FileFollower.Found]] = [:]

    /// The regular files of a folder; none when it cannot be listed.
    mutating func list(_ folder: String) -> [FileFollower.Found] {
        if let known = folders[folder] { return known }
        // A folder that cannot be listed holds nothing that could be read.
        let names = (try? FileSystem.names(in: folder)) ?? []
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
