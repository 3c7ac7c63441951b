// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Follows the files of one input on one thread: which there are, what they are, who is read next.
///
/// Files with something to read take turns, a batch each. The files of one lineage (a log and what
/// it was renamed to) are read one after the other, oldest first, so the order of records is kept.
final class FileFollower {
    let input: String
    let selection: PathSelection
    let startAt: InputConfiguration.Start
    let joinTimeout: Duration
    let timing: FileTiming
    let clock: any TimeSource
    let watch: FolderWatch

    var reader: TailReader
    var known: KnownFiles
    var tails: [FileNumber: FileTail] = [:]
    var byPath: [String: FileTail] = [:]
    var lineages: [String: [FileTail]] = [:]
    var keys: Set<FileKey> = []
    /// Contents that were read before the start and were neither found nor given up since.
    var sought: Set<FileKey>
    /// Lists the names in a folder.
    var folderNames: SiblingFolders.Names = FileSystem.names
    /// One list of the folders for all contents that are sought at once.
    var soughtFolders: SiblingFolders?
    var state = InputState()
    var troubles: [FileNumber: String] = [:]
    var pathTroubles: [String: String] = [:]
    var unreadCount = 0
    /// Batches without records that go before all others: losses, and places worth keeping.
    var notices: [RecordBatch] = []
    /// Positions to give up with the next batch.
    var forgotten: [Position.Identity] = []
    var isFirstScan = true
    var nextRescan = MonotonicInstant(nanoseconds: .min)
    var isRescanWanted = true
    var earliestRescan = MonotonicInstant(nanoseconds: .min)
    var nextReview: MonotonicInstant

    private var isWoken = false
    private var lastBatch = MonotonicInstant(nanoseconds: .min)
    private var queue = TailQueue()
    private var polled: [FileTail] = []
    private var nextPoll = MonotonicInstant(nanoseconds: .max)
    private var earliestPoll = MonotonicInstant(nanoseconds: .min)
    private var nextLook = MonotonicInstant(nanoseconds: .min)

    init(
        _ configuration: InputConfiguration, framing: RecordFraming, context: InputContext,
        timing: FileTiming, watch: FolderWatch
    ) {
        input = configuration.id
        selection = PathSelection(
            patterns: configuration.paths.map(PathPattern.init), excluded: configuration.exclude)
        startAt = configuration.startAt
        joinTimeout = framing.joinTimeout
        self.timing = timing
        self.watch = watch
        clock = context.clock
        reader = TailReader(input: configuration.id, framing: framing)
        known = KnownFiles(context.positions, input: configuration.id)
        sought = Set(known.all.map(\.key))
        nextReview = context.clock.monotonic().advanced(by: timing.review)
    }

    /// The next batch, or nil when the time is up, or earlier when something woke the watch.
    func next(waitingAtMost timeout: Duration) -> RecordBatch? {
        let deadline = clock.monotonic().advanced(by: timeout)
        gather(until: deadline)
        while true {
            let now = clock.monotonic()
            lookAround(now)
            if let batch = takeNotice() ?? readNext() ?? takeNotice() {
                lastBatch = now
                return batch
            }
            let later = clock.monotonic()
            guard later < deadline, !isWoken else {
                isWoken = false
                return nil
            }
            let due = min(deadline, nextPoll, isRescanWanted ? earliestRescan : nextRescan)
            take(watch.wait(timeout: max(.zero, due.duration(since: later))))
        }
    }

    /// Rests after a batch that was the last there was, so that lines which are written one by one
    /// are not read, parsed and sealed one by one.
    private func gather(until deadline: MonotonicInstant) {
        guard notices.isEmpty, !queue.hasUnread else { return }
        let end = min(lastBatch.advanced(by: timing.gather), deadline)
        let now = clock.monotonic()
        if now < end { isWoken = watch.rest(end.duration(since: now)) }
    }

    /// Closes every file.
    func close() {
        for tail in tails.values { tail.file = nil }
        state.openFileCount = 0
    }

    // MARK: What happened

    /// Takes the kernel's news, and looks at what is due. Cheap when nothing is.
    private func lookAround(_ now: MonotonicInstant) {
        if now >= nextLook || queue.isEmpty {
            nextLook = now.advanced(by: FileFollower.lookInterval)
            take(watch.wait(timeout: .zero))
        }
        if now >= nextRescan || (isRescanWanted && now >= earliestRescan) { rescan(now) }
        if now >= nextPoll { poll(now) }
        if now >= nextReview { review(now) }
    }

    private func take(_ news: (changes: [FolderWatch.Change], isWoken: Bool)) {
        if news.isWoken { isWoken = true }
        for change in news.changes {
            switch change {
            case .content(let path):
                if let tail = byPath[path] { refresh(tail) }
            case .names:
                isRescanWanted = true
            case .attributes(let path):
                if let tail = byPath[path] {
                    if tail.trouble != nil { retry(tail) }
                    refresh(tail)
                } else {
                    isRescanWanted = true
                }
            }
        }
    }

    /// Asks the kernel about a file and draws the conclusions.
    func refresh(_ tail: FileTail) {
        let status: FileStatus
        do throws(SystemError) {
            if let file = tail.file {
                status = try file.status()
            } else {
                status = try FileSystem.status(tail.path)
            }
        } catch {
            isRescanWanted = true
            return
        }
        guard FileNumber(status) == tail.number else {
            isRescanWanted = true
            return
        }
        update(tail, status)
    }

    /// Compares a file's status with what is known and queues it when there is something to do.
    func update(_ tail: FileTail, _ status: FileStatus) {
        tail.linkCount = status.linkCount
        if let measured = tail.measured {
            updateCompressed(tail, measured, status)
            return
        }
        let byteCount = UInt64(status.byteCount)
        let change = FileChange.decide(
            oldByteCount: tail.byteCount, byteCount: byteCount, offset: tail.position.offset,
            examined: tail.examined, isModified: status.modified != tail.modified)
        let oldByteCount = tail.byteCount
        if byteCount != oldByteCount || status.modified != tail.modified { noteChange(tail) }
        tail.modified = status.modified
        tail.byteCount = byteCount
        switch change {
        case .nothing: break
        case .readable: enqueue(tail)
        case .cut:
            tail.cutFrom = max(tail.cutFrom, oldByteCount)
            enqueue(tail)
        case .truncated:
            // Of what is not known yet, and of a copy, nothing was to be read here.
            if tail.isBegun || isNewHere(tail) {
                startAgain(tail, oldByteCount: oldByteCount)
            } else {
                enqueue(tail)
            }
        }
        noteLag(tail)
    }

    /// Whether a file has a name and a number of which nothing is known.
    private func isNewHere(_ tail: FileTail) -> Bool {
        !tail.isRecognised && !tail.hasRotatedName && known[tail.number.inode].isEmpty
    }

    func noteChange(_ tail: FileTail) {
        let now = clock.monotonic()
        tail.lastGrowth = now
        state.quietSince = now
    }

    // MARK: Looking again and again

    /// Looks at the files the kernel does not report on, and at those that wait for time to pass.
    private func poll(_ now: MonotonicInstant) {
        let list = polled
        polled = []
        for tail in list {
            tail.isPolled = false
            guard tails[tail.number] === tail else { continue }
            look(tail, now)
        }
        // A look at many files costs time, so it takes at most a small share of it.
        let later = clock.monotonic()
        let cost = later.duration(since: now)
        let rest = min(cost * FileFollower.restPerWork, timing.longestPoll)
        earliestPoll = later.advanced(by: max(timing.poll, rest))
        nextPoll = polled.isEmpty ? MonotonicInstant(nanoseconds: .max) : earliestPoll
    }

    private func look(_ tail: FileTail, _ now: MonotonicInstant) {
        if let trouble = tail.trouble {
            if now >= trouble.retry { enqueue(tail) }
            return pollLater(tail)
        }
        refresh(tail)
        if tail.isLink { lookAtLink(tail) }
        guard tails[tail.number] === tail else { return }
        if tail.original != nil { lookAtOriginal(tail) }
        let quiet = now.duration(since: tail.lastGrowth)
        if tail.isQueued { return pollLater(tail) }
        if tail.isRotated, quiet >= timing.quiet {
            if tail.isWaiting, tail.ending != .flushAll {
                tail.ending = .flushAll
                enqueue(tail)
            } else if !tail.isNamed, !isInDoubt(tail), isDone(tail, quiet) {
                return letGo(tail)
            }
        } else if tail.isJoining, quiet >= joinTimeout, tail.ending == .hold {
            tail.ending = .flushLines
            enqueue(tail)
        }
        pollLater(tail)
    }

    /// Whether a file has bytes and it is not known yet whose they are.
    private func isInDoubt(_ tail: FileTail) -> Bool { !tail.isRecognised && tail.byteCount > 0 }

    /// Whether a rotated file that no pattern names need not be followed any longer.
    func isDone(_ tail: FileTail, _ quiet: Duration) -> Bool {
        if tail.linkCount == 0 || tail.isCompressed || quiet >= timing.linger { return true }
        // Its writer may go on. A name is enough to notice that; without one the open file is.
        if tail.isReachable {
            closeFile(tail)
            return false
        }
        return state.openFileCount > InputLimit.keptOpenFileCount
    }

    /// A link may lead to another file by now, of which its folder says nothing.
    private func lookAtLink(_ tail: FileTail) {
        guard let status = try? FileSystem.status(tail.path), FileNumber(status) != tail.number
        else { return }
        isRescanWanted = true
    }

    /// Has a file looked at again, as long as there is a reason.
    func pollLater(_ tail: FileTail) {
        let isUnfinished =
            tail.isRotated && tail.byteCount > tail.position.offset && tail.original == nil
        let isLeaving = !tail.isNamed && (tail.file != nil || !tail.isReachable)
        guard
            tail.trouble != nil || tail.isJoining || isUnfinished || isLeaving || tail.isLink
                || tail.original != nil || tail.measured?.isWhole == false
                || (tail.measured == nil && RotatedName.isCompressed(tail.path))
                || !watch.covers(FileSystem.folder(of: tail.path))
        else { return }
        guard !tail.isPolled else { return }
        tail.isPolled = true
        polled.append(tail)
        let due = max(earliestPoll, clock.monotonic().advanced(by: timing.poll))
        nextPoll = min(nextPoll, due)
    }

    // MARK: Turns

    func enqueue(_ tail: FileTail) {
        guard !tail.isQueued else { return }
        tail.isQueued = true
        queue.append(tail)
    }

    private func retry(_ tail: FileTail) {
        tail.trouble?.retry = clock.monotonic()
        enqueue(tail)
    }

    /// Gives every file that waits one turn, until one of them has a batch.
    private func readNext() -> RecordBatch? {
        for _ in 0..<queue.count {
            guard let tail = queue.removeFirst() else { return nil }
            guard tails[tail.number] === tail else { continue }
            if isBehindAnother(tail) {
                queue.append(tail)
                continue
            }
            tail.isQueued = false
            if let batch = readTurn(tail) { return batch }
            // What was found out may have to go before what is read next.
            if let notice = takeNotice() { return notice }
        }
        return nil
    }

    /// Whether an older file of its lineage has something that must be handed out before.
    private func isBehindAnother(_ tail: FileTail) -> Bool {
        guard let list = lineages[tail.lineage], list.count > 1 else { return false }
        for other in list {
            if other === tail { return false }
            // Files with other names that are all being written do not wait for each other.
            if other.trouble != nil || other.isHeld || !other.isRotated { continue }
            if other.hasUnread { enqueue(other) }
            if other.hasUnread || other.isJoining { return true }
        }
        return false
    }

    private func readTurn(_ tail: FileTail) -> RecordBatch? {
        if let trouble = tail.trouble, clock.monotonic() < trouble.retry {
            pollLater(tail)
            return nil
        }
        defer { if tails[tail.number] === tail { noteLag(tail) } }
        do throws(SystemError) {
            guard let file = try open(tail) else { return nil }
            if file.isCompressed {
                guard try measure(tail, file) else {
                    tail.isHeld = true
                    enqueue(tail)
                    return nil
                }
            } else {
                // It may have shrunk since it was looked at.
                update(tail, try file.status())
            }
            guard try isReady(tail, file) else { return nil }
            let before = tail.position.offset
            let outcome = try reader.read(tail, file)
            state.readByteCount += tail.position.offset - before
            setTrouble(tail, nil)
            if case .changed = outcome {} else { noteCertain(tail) }
            if case .advanced = outcome { try reader.passHole(tail, file) }
            return settle(tail, outcome)
        } catch {
            fail(tail, error)
            return nil
        }
    }

    /// Takes note that a file holds the content that it held before.
    private func noteCertain(_ tail: FileTail) {
        tail.certainModified = tail.modified
        if tail.cutFrom > tail.byteCount { loseEnd(tail, tail.cutFrom - tail.byteCount) }
        tail.cutFrom = 0
    }

    /// Whether a file is one to be read, found out when it is not known yet.
    private func isReady(_ tail: FileTail, _ file: FileContent) throws(SystemError) -> Bool {
        if tail.original != nil {
            try compareAgain(tail, file)
            if tail.original != nil { return false }
        }
        if tail.isBegunEmpty, tail.byteCount > 0 {
            tail.isBegunEmpty = false
            // It was nothing yet, and may be a copy.
            if tail.hasRotatedName { tail.isRecognised = false }
        }
        guard !tail.isRecognised else { return true }
        tail.isHeld = isTooEarly(tail)
        if tail.isHeld {
            setTrouble(tail, nil)
            rest(tail)
            return false
        }
        try recognise(tail, file)
        guard tails[tail.number] === tail else { return false }
        setTrouble(tail, nil)
        guard tail.isRecognised else {
            enqueue(tail)
            return false
        }
        if tail.original != nil {
            closeFile(tail)
            pollLater(tail)
            return false
        }
        // Others may have to go before it by now.
        guard notices.isEmpty, tail.file === file, !isBehindAnother(tail) else {
            if state.openFileCount > InputLimit.keptOpenFileCount { closeFile(tail) }
            enqueue(tail)
            return false
        }
        return true
    }

    /// Whether a copy is just being made, and does not show yet what it is a copy of.
    func isTooEarly(_ tail: FileTail) -> Bool {
        guard tail.hasRotatedName else { return false }
        let quiet = clock.monotonic().duration(since: tail.lastGrowth)
        let isUnfinished = tail.measured?.isWhole == false
        if isUnfinished {
            // gzip(1) keeps the original until it is done.
            let original =
                RotatedName.isCompressed(tail.path) ? RotatedName.base(of: tail.path) : nil
            return quiet < timing.quiet || original.map(FileSystem.exists) == true
        }
        return tail.byteCount == 0 && known[tail.number.inode].isEmpty
    }

    private func settle(_ tail: FileTail, _ outcome: TailReader.Outcome) -> RecordBatch? {
        switch outcome {
        case .records(let cut, let mayGoOn):
            if mayGoOn { enqueue(tail) } else { rest(tail) }
            return batch(tail, cut)
        case .advanced:
            if tail.hasUnread { enqueue(tail) } else { rest(tail) }
        case .waiting:
            rest(tail)
        case .changed:
            startAgain(tail, oldByteCount: tail.certainByteCount)
        }
        return nil
    }

    /// A file at its end: it may be closed, and it may have to be looked at again.
    private func rest(_ tail: FileTail) {
        if tail.ending == .flushLines { tail.ending = .hold }
        // What comes after an end that was taken for final is handed out as well.
        if tail.ending == .flushAll, tail.position.offset == tail.byteCount { tail.ending = .hold }
        if state.openFileCount > InputLimit.openFileLimit, isSafeToClose(tail) { closeFile(tail) }
        if tail.file?.end == .damaged, !tail.isHeld, !tail.hasUnread { noteDamage(tail) }
        if tail.measured?.isWhole == true { closeFile(tail) }
        pollLater(tail)
    }

    /// Whether a file can be opened again, or has nothing left to give if not.
    func isSafeToClose(_ tail: FileTail) -> Bool {
        guard tail.isReachable else { return false }
        return !tail.isRotated || tail.byteCount == tail.position.offset || tail.isHeld
    }

    /// The records of a file with the position behind them.
    func batch(_ tail: FileTail, _ cut: CutRecords) -> RecordBatch {
        if keys.insert(tail.position.key).inserted == false, tail.source != tail.claimedSource {
            makeKeyUnique(tail)
        }
        tail.claimedSource = tail.source
        takeNumber(tail)
        if tail.position.inode == tail.number.inode { known.note(tail.position) }
        let now = clock.now()
        if !cut.records.isEmpty { state.lastRecord = now }
        state.recordCount += UInt64(cut.records.count)
        for record in cut.records where record.damage.contains(.cut) { state.cutRecordCount += 1 }
        tail.position.path = tail.path
        var batch = RecordBatch(
            input: input, source: tail.source, path: tail.path, observed: now, bytes: cut.bytes,
            records: cut.records,
            positions: [Position(input: input, place: .file(tail.position))])
        cut.complete(&batch)
        giveUp(&batch)
        return batch
    }

    /// Two files on two file systems can have one inode and one first record.
    private func makeKeyUnique(_ tail: FileTail) {
        repeat {
            tail.position.generation &+= 1
            reader.makeKey(tail)
        } while !keys.insert(tail.position.key).inserted
    }

    private static let lookInterval = Duration.milliseconds(5)
    /// How much longer than a look at many files the rest after it is.
    static let restPerWork = 200
}
