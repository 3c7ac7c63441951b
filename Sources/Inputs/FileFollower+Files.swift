// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

// Opening, recognising and closing single files.
extension FileFollower {
    /// The open file of a tail, opened when it was closed; nil when its path names another by now.
    func open(_ tail: FileTail) throws(SystemError) -> FileContent? {
        if let file = tail.file { return file }
        let path = tail.isReachable ? tail.path : tail.target ?? tail.path
        // Its size comes before its first bytes, or what grows in between passes for text.
        let opened = try File(path, .read, .nonBlocking)
        let status = try opened.status()
        guard FileNumber(status) == tail.number else {
            isRescanWanted = true
            return nil
        }
        let file = try FileContent(opened)
        tail.linkCount = status.linkCount
        if RotatedName.isCompressed(tail.path), !file.isCompressed,
            status.byteCount < FileContent.headByteCount
        {
            // What it will be does not show yet.
            tail.byteCount = 0
            pollLater(tail)
            return nil
        }
        if !file.isCompressed {
            tail.byteCount = UInt64(status.byteCount)
            tail.measured = nil
        }
        tail.file = file
        state.openFileCount += 1
        return file
    }

    func closeFile(_ tail: FileTail) {
        guard tail.file != nil else { return }
        tail.file = nil
        state.openFileCount -= 1
    }

    // MARK: Compressed files

    /// Finds out how long a compressed content is, once for each state of the file and a piece at
    /// each call; false when there is more to do.
    func measure(_ tail: FileTail, _ file: FileContent) throws(SystemError) -> Bool {
        let status = try file.status()
        if let measured = tail.measured, measured.byteCount == status.byteCount,
            measured.modified == status.modified
        {
            return true
        }
        guard let byteCount = try file.byteCount(within: InputLimit.measuredByteLimit) else {
            return false
        }
        tail.byteCount = byteCount
        tail.measured = FileTail.Stored(
            byteCount: status.byteCount, modified: status.modified, isWhole: file.end == .whole)
        return true
    }

    /// Says that an archive cannot be read to its end, now that all else of it is handed out.
    func noteDamage(_ tail: FileTail) {
        let now = clock.monotonic()
        let reason =
            "\(tail.path): damaged archive; what is behind byte \(tail.byteCount) of its content "
            + "cannot be read: replace it, or move it away."
        setTrouble(
            tail,
            FileTail.Trouble(
                reason: reason, delay: timing.longestRetry,
                retry: now.advanced(by: timing.longestRetry)))
    }

    /// A compressed file that changed is measured again; one that is whole and changes is another.
    func updateCompressed(_ tail: FileTail, _ measured: FileTail.Stored, _ status: FileStatus) {
        guard
            measured.byteCount != status.byteCount || measured.modified != status.modified
        else { return }
        noteChange(tail)
        tail.modified = status.modified
        if measured.isWhole || status.byteCount < measured.byteCount { closeFile(tail) }
        enqueue(tail)
    }

    // MARK: Recognising

    /// Finds out what a file is when it is read for the first time, and where to begin.
    func recognise(_ tail: FileTail, _ file: FileContent) throws(SystemError) {
        let positions = known[tail.number.inode].filter { !keys.contains($0.key) }
        try recognise(tail, file, positions)
        if tail.isRecognised { seekOthers(positions, besides: tail) }
    }

    private func recognise(
        _ tail: FileTail, _ file: FileContent, _ positions: [FilePosition]
    ) throws(SystemError) {
        var candidates: [FileRecognition.Candidate] = []
        for position in positions {
            candidates.append(try reader.examine(position, file, byteCount: tail.byteCount))
        }
        let origin = FileRecognition.decide(
            byteCount: tail.byteCount, device: tail.number.device, candidates: candidates,
            lastGeneration: known.lastGeneration(tail.number.inode))
        if case .resumed(var position) = origin {
            position.device = tail.number.device
            return try resume(tail, position, file)
        }
        if tail.hasRotatedName, try beginAsCopy(tail, file) { return }
        switch origin {
        case .resumed: break
        case .fresh(let generation):
            try begin(tail, file, generation)
            // The inode was used again, so what was there before is gone or somewhere else.
            let last = positions.max { $0.generation < $1.generation }
            if let last { abandon(last, .deleted, before: tail, since: start(tail)) }
        case .truncated(let position, let generation):
            state.truncationCount += 1
            try begin(tail, file, generation)
            abandon(position, .truncated, before: tail, since: start(tail))
        }
    }

    /// From when on siblings of a file may have been missed: for ever, if the agent was down.
    private func start(_ tail: FileTail) -> Timestamp? {
        tail.isFromStart ? Timestamp(microseconds: .min) : nil
    }

    /// Begins a content that was never seen.
    private func begin(
        _ tail: FileTail, _ file: FileContent, _ generation: UInt32
    ) throws(SystemError) {
        tail.restart(generation: generation, emptyTail: reader.emptyTail)
        tail.isRecognised = true
        tail.isBegunEmpty = tail.byteCount == 0
        let isNewHere = !known.isKnown(path: tail.path) && !known.isKnown(path: tail.firstName)
        guard startAt == .end, tail.isFromStart, isNewHere else { return }
        try reader.skipToEnd(tail, file)
        tail.passed = (tail.position.offset, 0)
        // That place is worth keeping before the first record comes, or the next start would leave
        // out what came in between as well.
        if tail.position.key != .zero { announce(tail) }
    }

    /// Goes on with known content.
    func resume(
        _ tail: FileTail, _ position: FilePosition, _ file: FileContent
    ) throws(SystemError) {
        let skip = try reader.skip(at: position.offset, file)
        tail.resume(position, skip: skip)
        keys.insert(position.key)
        sought.remove(position.key)
        tail.isRecognised = true
        tail.isBegunEmpty = false
        tail.original = nil
        tail.certainModified = tail.modified
    }

    /// Hands out a position without records.
    func announce(_ tail: FileTail) {
        let padding = [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        notices.append(batch(tail, CutRecords(bytes: padding)))
    }

    // MARK: The end

    /// Reads a file from its first byte as a new content.
    func startAgain(_ tail: FileTail, oldByteCount: UInt64) {
        state.truncationCount += 1
        let (ended, passed, checkpoints) = end(tail, byteCount: oldByteCount)
        tail.lastEnded = ended
        let since = tail.certainModified
        let isNameless = ended.key == .zero
        let next = known.lastGeneration(tail.number.inode).map { $0 &+ 1 } ?? 0
        // A content without a record had no key, so nothing has to be kept apart from it.
        tail.restart(
            generation: isNameless && tail.isRecognised ? ended.generation : next,
            emptyTail: reader.emptyTail)
        // What a rotated name leads to now may be a copy of something.
        tail.isRecognised = !tail.hasRotatedName
        tail.original = nil
        takeSize(tail)
        tail.certainModified = tail.modified
        tail.isBegunEmpty = tail.byteCount == 0
        abandon(ended, .truncated, before: tail, checkpoints, since: since, passed: passed)
        // A file that took over the number of another one is none of that one's lineage.
        if !RotatedName.isRelated(tail.path, to: tail.firstName) { changeLineage(tail) }
        enqueue(tail)
    }

    /// Looks how long a file is now, whatever was believed of its last content.
    private func takeSize(_ tail: FileTail) {
        guard tail.measured == nil else { return }
        let status = (try? tail.file?.status()) ?? (try? FileSystem.status(tail.path))
        guard let status, FileNumber(status) == tail.number else {
            tail.byteCount = 0
            return
        }
        tail.byteCount = UInt64(status.byteCount)
        tail.modified = status.modified
    }

    /// Where a content that is no longer followed was left, and what was counted of it.
    private func end(
        _ tail: FileTail, byteCount: UInt64
    ) -> (FilePosition, (from: UInt64, count: UInt64), [FileTail.Checkpoint]) {
        var ended = tail.position
        ended.size = max(byteCount, ended.offset)
        keys.remove(ended.key)
        return (ended, tail.passed, tail.checkpoints)
    }

    /// Gives up a file that is nowhere to be found and not open: a copy of it is read on, or what
    /// was not read is lost.
    ///
    /// - Parameter others: the files of its folder, as they are now.
    func vanish(_ tail: FileTail, among others: [Found]) {
        let isUnfinished = !tail.isCompressed || tail.byteCount > tail.position.offset
        let isFollowed = tail.isRecognised && tail.original == nil && isUnfinished
        let isUnseen =
            !tail.isRecognised && known[tail.number.inode].isEmpty
            && RotatedName.base(of: tail.path) == nil
        let (ended, passed, checkpoints) = end(tail, byteCount: tail.byteCount)
        let next = successor(of: tail)
        remove(tail)
        // Nothing was read of it, so nothing tells its archive from another; but what nobody has
        // read and is long enough is read now, and then nothing of it is lost.
        let isElsewhere = isUnseen && others.contains { mayHold(tail, $0) }
        guard isFollowed || isUnseen, !isElsewhere else {
            if ended.key != .zero, tail.original == nil { known.remember(ended) }
            return
        }
        abandon(ended, .deleted, before: next, checkpoints, passed: passed)
    }

    /// Whether a rotated sibling may hold what a file held that was only seen: nobody has read it,
    /// or it was read from its first byte, and not before the agent started.
    private func mayHold(_ tail: FileTail, _ other: Found) -> Bool {
        guard RotatedName.isRelated(other.path, to: tail.firstName), other.path != tail.firstName,
            other.status.modified >= tail.modified
        else { return false }
        if let holder = tails[other.number], holder.isBegun, holder.passed.from > 0 { return false }
        return RotatedName.isCompressed(other.path)
            || UInt64(other.status.byteCount) >= tail.byteCount
    }

    /// Forgets a file that was read to its end, but not what was read of it.
    func letGo(_ tail: FileTail) {
        let (ended, passed, _) = end(tail, byteCount: tail.byteCount)
        if tail.isRecognised, tail.original == nil {
            let lost = ended.size - ended.offset
            audit(ended, passed, lost: lost)
            lose(ended, .deleted, lost)
            if ended.key != .zero { known.remember(ended) }
        }
        remove(tail)
    }

    private func remove(_ tail: FileTail) {
        setTrouble(tail, nil)
        closeFile(tail)
        state.lagByteCount -= tail.lag
        tail.lag = 0
        if tail.isUnread { unreadCount -= 1 }
        tail.isUnread = false
        tails[tail.number] = nil
        if byPath[tail.path] === tail { byPath[tail.path] = nil }
        leaveLineage(tail)
    }

    func leaveLineage(_ tail: FileTail) {
        lineages[tail.lineage]?.removeAll { $0 === tail }
        if lineages[tail.lineage]?.isEmpty == true { lineages[tail.lineage] = nil }
    }

    private func changeLineage(_ tail: FileTail) {
        leaveLineage(tail)
        tail.firstName =
            PathSelection.lineage(of: tail.path) { byPath[$0]?.isNamed == true } ?? tail.path
        tail.lineage = RotatedName.root(of: tail.firstName)
        tail.isRotated = tail.firstName != tail.path
        enterLineage(tail)
    }

    // MARK: Trouble

    /// Puts a file aside for a while after an error.
    func fail(_ tail: FileTail, _ error: SystemError) {
        if error.isNotFound {
            // The name went away between two looks; the next look at the folder says more.
            isRescanWanted = true
            return pollLater(tail)
        }
        closeFile(tail)
        // A file that may not be read can still be described, when its folder may be entered.
        let status = try? FileSystem.status(tail.path)
        let reason = UnreadableReason.sentence(tail.path, error, status)
        setTrouble(
            tail, .after(tail.trouble, reason: reason, now: clock.monotonic(), timing: timing))
        pollLater(tail)
    }

    func setTrouble(_ tail: FileTail, _ trouble: FileTail.Trouble?) {
        if tail.trouble == nil, trouble != nil { state.unreadableFileCount += 1 }
        if tail.trouble != nil, trouble == nil { state.unreadableFileCount -= 1 }
        tail.trouble = trouble
        if trouble != nil || !troubles.isEmpty { troubles[tail.number] = trouble?.reason }
    }

    // MARK: The state

    /// Keeps the sums over all files up to date.
    func noteLag(_ tail: FileTail) {
        let offset = tail.position.offset
        let isBehind = tail.byteCount > offset && tail.original == nil
        let lag = isBehind ? tail.byteCount - offset : 0
        state.lagByteCount = state.lagByteCount - tail.lag + lag
        tail.lag = lag
        let isUnread = tail.isWaiting
        if isUnread != tail.isUnread { unreadCount += isUnread ? 1 : -1 }
        tail.isUnread = isUnread
    }

    /// The state with the sentences about what cannot be read.
    func currentState() -> InputState {
        var result = state
        result.isReadable = pathTroubles.isEmpty && state.unreadableFileCount == 0
        if !result.isReadable {
            let reasons = Array(troubles.values) + pathTroubles.values
            result.reasons = Array(reasons.sorted().prefix(InputState.reasonLimit))
        }
        result.fileCount = tails.count
        result.isPolling = watch.isRefused
        result.hasUnread = unreadCount > 0 || !notices.isEmpty
        return result
    }
}
