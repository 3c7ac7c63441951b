// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

// Opening, recognising and closing single files.
extension FileFollower {
    /// The open file of a tail, opened when it was closed; nil when its path names another by now.
    func open(_ tail: FileTail) throws(SystemError) -> File? {
        if let file = tail.file { return file }
        let file = try File(tail.path, .read, .nonBlocking)
        let status = try file.status()
        guard FileNumber(status) == tail.number else {
            isRescanWanted = true
            return nil
        }
        tail.byteCount = UInt64(status.byteCount)
        tail.file = file
        state.openFileCount += 1
        return file
    }

    func closeFile(_ tail: FileTail) {
        guard tail.file != nil else { return }
        tail.file = nil
        state.openFileCount -= 1
    }

    /// Finds out what a file is when it is read for the first time, and where to begin.
    ///
    /// True when what is there was left out: that place is worth keeping before the first record
    /// comes, or the next start would leave out what came in between as well.
    func recognise(_ tail: FileTail, _ file: File) throws(SystemError) -> Bool {
        var candidates: [FileRecognition.Candidate] = []
        for position in known[tail.number.inode] {
            candidates.append(try reader.examine(position, file, byteCount: tail.byteCount))
        }
        let origin = FileRecognition.decide(
            byteCount: tail.byteCount, device: tail.number.device, candidates: candidates,
            lastGeneration: known.lastGeneration(tail.number.inode))
        switch origin {
        case .resumed(let position):
            let skip = try reader.skip(at: position.offset, file)
            tail.position = position
            tail.position.device = tail.number.device
            tail.source = position.key.text
            tail.skip = skip
            tail.examined = position.offset
        case .fresh(let generation):
            tail.restart(generation: generation, emptyTail: reader.emptyTail)
            let isNewHere = !known.isKnown(path: tail.path) && !known.isKnown(path: tail.lineage)
            if startAt == .end, tail.isFromStart, isNewHere { try reader.skipToEnd(tail, file) }
            tail.isRecognised = true
            return tail.position.key != .zero
        case .truncated(let position, let generation):
            tail.restart(generation: generation, emptyTail: reader.emptyTail)
            state.truncationCount += 1
            if position.size > position.offset {
                state.lostByteCount += position.size - position.offset
            }
        }
        tail.isRecognised = true
        return false
    }

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
    }

    /// Keeps the sum over all files up to date.
    func noteLag(_ tail: FileTail) {
        let offset = tail.position.offset
        let lag = tail.byteCount > offset ? tail.byteCount - offset : 0
        state.lagByteCount = state.lagByteCount - tail.lag + lag
        tail.lag = lag
    }

    /// The state with the sentences about what cannot be read.
    func currentState() -> InputState {
        var result = state
        result.isReadable = pathTroubles.isEmpty && state.unreadableFileCount == 0
        if !result.isReadable {
            let reasons = tails.values.compactMap(\.trouble?.reason) + pathTroubles.values
            result.reasons = Array(reasons.sorted().prefix(InputState.reasonLimit))
        }
        result.fileCount = tails.count
        result.isPolling = watch.isRefused
        return result
    }
}
