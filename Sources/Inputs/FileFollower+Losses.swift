// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

// What is gone: losses, the audit of contents that ended, and positions that need not be kept.
extension FileFollower {
    /// Follows a content that is no longer where it was to where it is, or states what is lost.
    ///
    /// - Parameters:
    ///   - ended: its position, with the size that was seen last.
    ///   - newer: the file that is read after it.
    ///   - checkpoints: places that reading came past.
    ///   - since: when it was seen last, if that is known.
    ///   - passed: what was counted of it, if it was followed.
    /// - Returns: the file in which it goes on.
    @discardableResult
    func abandon(
        _ ended: FilePosition, _ reason: InputLoss.Reason, before newer: FileTail?,
        _ checkpoints: [FileTail.Checkpoint] = [], since: Timestamp? = nil,
        passed: (from: UInt64, count: UInt64)? = nil
    ) -> FileTail? {
        sought.remove(ended.key)
        let unread = ended.size > ended.offset ? ended.size - ended.offset : 0
        var (lost, carried) = (unread, UInt64(0))
        var since = since
        var newer = newer
        var copy: FileTail?
        if let follower = newer, !RotatedName.isRelated(follower.path, to: ended.path) {
            // Its inode is used by another log now.
            newer = first(of: ended)
        }
        if ended.key != .zero {
            known.end(ended)
            copy = adoptCopy(of: ended, checkpoints, before: newer)
            if let copy {
                let reach = max(copy.byteCount, ended.offset)
                lost = ended.size > reach ? ended.size - reach : 0
                carried = unread - lost
                since = copy.modified
                if copy === newer { newer = successor(of: copy) }
            } else {
                // It may have been moved, and come back; and a copy that is renamed while it is
                // looked for turns up under its next name.
                known.remember(ended)
            }
        }
        if let since, let lineage = newer?.firstName ?? lineage(of: ended) {
            addUnseen(lineage, since: since, before: newer)
        }
        if ended.key == .zero, let newer, let since,
            isAnyUnseen(before: newer, byteCount: ended.size, since: since)
        {
            // Nothing was read of it, so nothing tells its copy from another file; but there is one
            // that nobody has read, and it is long enough.
            (lost, carried) = (0, unread)
        }
        if let passed { audit(ended, passed, lost: lost, carried: carried) }
        if let copy, lost > 0 {
            // The content goes on in its copy, so its position is that of the copy.
            state(reason, lost, copy.position)
        } else {
            lose(ended, reason, lost)
        }
        return copy
    }

    private func isAnyUnseen(
        before newer: FileTail, byteCount: UInt64, since: Timestamp
    ) -> Bool {
        (lineages[newer.lineage] ?? []).prefix { $0 !== newer }.contains { other in
            !other.isRecognised && other.hasRotatedName && other.modified > since
                && (other.byteCount >= byteCount
                    || (RotatedName.isCompressed(other.path) && other.measured == nil))
        }
    }

    /// States that so many bytes behind a position are gone, in one batch with the position behind
    /// them.
    func lose(_ position: FilePosition, _ reason: InputLoss.Reason, _ byteCount: UInt64) {
        guard byteCount > 0 else { return }
        var end = position
        end.offset = max(position.size, position.offset)
        // No content has these bytes before it, so nothing is ever resumed there.
        end.tail = .zero
        state(reason, byteCount, end)
    }

    /// States that so many bytes are gone at the end of a file that is read on.
    func loseEnd(_ tail: FileTail, _ byteCount: UInt64) {
        state.audit.byteCount += byteCount
        state.audit.lostByteCount += byteCount
        tail.position.size = tail.byteCount
        state(.truncated, byteCount, tail.position)
    }

    private func state(
        _ reason: InputLoss.Reason, _ byteCount: UInt64, _ position: FilePosition
    ) {
        state.lostByteCount += byteCount
        let padding = [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        let isNamed = position.key != .zero
        var batch = RecordBatch(
            input: input, source: isNamed ? position.key.text : "", path: position.path,
            observed: clock.now(), bytes: padding, records: [],
            positions: isNamed ? [Position(input: input, place: .file(position))] : [])
        batch.losses = [InputLoss(path: position.path, reason: reason, byteCount: byteCount)]
        giveUp(&batch)
        notices.append(batch)
    }

    func takeNotice() -> RecordBatch? {
        notices.isEmpty ? nil : notices.removeFirst()
    }

    // MARK: The audit

    /// Compares what was handed out of a content with the bytes it had.
    ///
    /// - Parameter carried: the bytes that a copy has, so that they are handed out from there.
    func audit(
        _ ended: FilePosition, _ passed: (from: UInt64, count: UInt64), lost: UInt64,
        carried: UInt64 = 0
    ) {
        let size = max(ended.size, ended.offset)
        guard size > passed.from else { return }
        let byteCount = size - passed.from - min(carried, size - passed.from)
        let accounted = passed.count + lost
        state.audit.contentCount += 1
        state.audit.byteCount += byteCount
        state.audit.passedByteCount += passed.count
        state.audit.lostByteCount += lost
        state.audit.unaccountedByteCount +=
            accounted > byteCount ? accounted - byteCount : byteCount - accounted
    }

    // MARK: What need not be kept

    /// Looks for positions whose files are gone for good.
    func review(_ now: MonotonicInstant) {
        nextReview = now.advanced(by: timing.review)
        guard forgotten.count < InputLimit.forgottenLimit else { return }
        var folders = SiblingFolders(folderNames)
        let limit =
            known.count + keys.count > InputLimit.rememberedFileLimit
            ? 0 : InputLimit.vanishedFileLimit
        var known = known
        let superfluous = known.superfluous(
            keeping: limit, most: InputLimit.forgottenLimit - forgotten.count
        ) { position in
            keys.contains(position.key) || mayBeThere(position, &folders)
        }
        self.known = known
        for key in superfluous {
            guard let position = self.known.forget(key) else { continue }
            forgotten.append(Position(input: input, place: .file(position)).identity)
        }
    }

    /// Whether some file of the folder may still hold a content.
    private func mayBeThere(_ position: FilePosition, _ folders: inout SiblingFolders) -> Bool {
        let folder = FileSystem.folder(of: position.path)
        // A folder that cannot be looked into may hold everything.
        guard folders.isKnown(folder) else { return true }
        for file in folders.list(folder) {
            let isSameNumber = file.number.inode == position.inode
            guard isSameNumber || RotatedName.isRelated(file.path, to: position.path) else {
                continue
            }
            // What is followed has a key of its own.
            if let tail = tails[file.number], tail.isRecognised, tail.original == nil { continue }
            do throws(SystemError) {
                let content = try FileContent(file.path)
                if try reader.placeInCopy(position, [], content) != nil { return true }
            } catch {
                // What cannot be read may hold it.
                return true
            }
        }
        return false
    }

    /// Puts what need not be kept into a batch.
    func giveUp(_ batch: inout RecordBatch) {
        guard !forgotten.isEmpty else { return }
        batch.forgotten = forgotten
        forgotten = []
    }
}
