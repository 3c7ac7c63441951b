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
    var state = InputState()
    var pathTroubles: [String: String] = [:]
    var isFirstScan = true
    var nextRescan = MonotonicInstant(nanoseconds: .min)
    var isRescanWanted = true
    var earliestRescan = MonotonicInstant(nanoseconds: .min)

    private var isWoken = false
    private var queue = TailQueue()
    private var polled: [FileTail] = []
    private var nextPoll = MonotonicInstant(nanoseconds: .max)
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
    }

    /// The next batch, or nil when the time is up, or earlier when something woke the watch.
    func next(waitingAtMost timeout: Duration) -> RecordBatch? {
        let deadline = clock.monotonic().advanced(by: timeout)
        while true {
            let now = clock.monotonic()
            lookAround(now)
            if let batch = readNext() { return batch }
            let later = clock.monotonic()
            guard later < deadline, !isWoken else {
                isWoken = false
                return nil
            }
            let due = min(deadline, nextPoll, isRescanWanted ? earliestRescan : nextRescan)
            take(watch.wait(timeout: max(.zero, due.duration(since: later))))
        }
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
        let byteCount = UInt64(status.byteCount)
        let change = FileChange.decide(
            oldByteCount: tail.byteCount, byteCount: byteCount, offset: tail.position.offset,
            examined: tail.examined, isModified: status.modified != tail.modified)
        if byteCount != tail.byteCount { tail.lastGrowth = clock.monotonic() }
        tail.modified = status.modified
        tail.byteCount = byteCount
        switch change {
        case .nothing: break
        case .readable: enqueue(tail)
        case .truncated(let lost):
            state.lostByteCount += lost
            startAgain(tail)
        }
        noteLag(tail)
    }

    /// Reads a file from its first byte as a new content.
    private func startAgain(_ tail: FileTail) {
        state.truncationCount += 1
        if tail.position.key != .zero { known.end(tail.position) }
        keys.remove(tail.position.key)
        tail.restart(
            generation: max(tail.position.generation, known.lastGeneration(tail.number.inode) ?? 0)
                &+ 1, emptyTail: reader.emptyTail)
        tail.isRecognised = true
        enqueue(tail)
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
        nextPoll =
            polled.isEmpty
            ? MonotonicInstant(nanoseconds: .max) : now.advanced(by: timing.poll)
    }

    private func look(_ tail: FileTail, _ now: MonotonicInstant) {
        if let trouble = tail.trouble {
            if now >= trouble.retry { enqueue(tail) }
            return pollLater(tail)
        }
        refresh(tail)
        let quiet = now.duration(since: tail.lastGrowth)
        if tail.isQueued { return pollLater(tail) }
        if tail.isRotated, quiet >= timing.quiet {
            if tail.byteCount > tail.position.offset, tail.ending != .flushAll {
                tail.ending = .flushAll
                enqueue(tail)
            } else if !tail.isNamed {
                return letGo(tail)
            }
        } else if tail.isJoining, quiet >= joinTimeout, tail.ending == .hold {
            tail.ending = .flushLines
            enqueue(tail)
        }
        pollLater(tail)
    }

    /// Has a file looked at again, as long as there is a reason.
    func pollLater(_ tail: FileTail) {
        let isUnfinished = tail.isRotated && tail.byteCount > tail.position.offset
        guard
            tail.trouble != nil || tail.isJoining || isUnfinished || !tail.isNamed || tail.isLink
                || !watch.covers(FileSystem.folder(of: tail.path))
        else { return }
        guard !tail.isPolled else { return }
        tail.isPolled = true
        polled.append(tail)
        nextPoll = min(nextPoll, clock.monotonic().advanced(by: timing.poll))
    }

    /// Forgets a file, but not what was read of it.
    func letGo(_ tail: FileTail) {
        if tail.byteCount > tail.position.offset, tail.ending != .flushAll {
            state.lostByteCount += tail.byteCount - tail.position.offset
        }
        if tail.position.key != .zero { known.remember(tail.position) }
        keys.remove(tail.position.key)
        setTrouble(tail, nil)
        closeFile(tail)
        state.lagByteCount -= tail.lag
        tail.lag = 0
        tails[tail.number] = nil
        if byPath[tail.path] === tail { byPath[tail.path] = nil }
        lineages[tail.lineage]?.removeAll { $0 === tail }
        if lineages[tail.lineage]?.isEmpty == true { lineages[tail.lineage] = nil }
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
        }
        return nil
    }

    /// Whether an older file of its lineage has something that must be handed out before.
    private func isBehindAnother(_ tail: FileTail) -> Bool {
        guard let list = lineages[tail.lineage], list.count > 1 else { return false }
        for other in list {
            if other === tail { return false }
            if other.trouble != nil { continue }
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
        defer { noteLag(tail) }
        do throws(SystemError) {
            guard let file = try open(tail) else { return nil }
            if !tail.isRecognised, try recognise(tail, file) {
                enqueue(tail)
                let padding = [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
                return batch(tail, padding, [])
            }
            let before = tail.position.offset
            let outcome = try reader.read(tail, file)
            state.readByteCount += tail.position.offset - before
            setTrouble(tail, nil)
            return settle(tail, outcome)
        } catch {
            fail(tail, error)
            return nil
        }
    }

    private func settle(_ tail: FileTail, _ outcome: TailReader.Outcome) -> RecordBatch? {
        switch outcome {
        case .records(let bytes, let records, let mayGoOn):
            if mayGoOn { enqueue(tail) } else { rest(tail) }
            return batch(tail, bytes, records)
        case .advanced:
            if tail.hasUnread { enqueue(tail) } else { rest(tail) }
        case .waiting:
            rest(tail)
        case .changed:
            startAgain(tail)
        }
        return nil
    }

    /// A file at its end: it may be closed, and it may have to be looked at again.
    private func rest(_ tail: FileTail) {
        if tail.ending == .flushLines { tail.ending = .hold }
        // What comes after an end that was taken for final is handed out as well.
        if tail.ending == .flushAll, tail.position.offset == tail.byteCount { tail.ending = .hold }
        let isSafeToClose = tail.isNamed && !tail.isRotated
        if state.openFileCount > InputLimit.openFileLimit, isSafeToClose { closeFile(tail) }
        pollLater(tail)
    }

    private func batch(_ tail: FileTail, _ bytes: [UInt8], _ records: [Record]) -> RecordBatch {
        if keys.insert(tail.position.key).inserted == false, tail.source != tail.claimedSource {
            makeKeyUnique(tail)
        }
        tail.claimedSource = tail.source
        let now = clock.now()
        if !records.isEmpty { state.lastRecord = now }
        state.recordCount += UInt64(records.count)
        for record in records where record.damage.contains(.cut) { state.cutRecordCount += 1 }
        tail.position.path = tail.path
        return RecordBatch(
            input: input, source: tail.source, path: tail.path, observed: now, bytes: bytes,
            records: records,
            positions: [Position(input: input, place: .file(tail.position))])
    }

    /// Two files on two file systems can have one inode and one first record.
    private func makeKeyUnique(_ tail: FileTail) {
        repeat {
            tail.position.generation &+= 1
            reader.makeKey(tail)
        } while !keys.insert(tail.position.key).inserted
    }

    private static let lookInterval = Duration.milliseconds(5)
}

/// Files that wait for their turn, first come first served.
struct TailQueue {
    private var list: [FileTail] = []
    private var start = 0

    var count: Int { list.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ tail: FileTail) {
        list.append(tail)
    }

    mutating func removeFirst() -> FileTail? {
        guard start < list.count else { return nil }
        let tail = list[start]
        start += 1
        if start > 64, start * 2 > list.count {
            list.removeFirst(start)
            start = 0
        }
        return tail
    }
}
