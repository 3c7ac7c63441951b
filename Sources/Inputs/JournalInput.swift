// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization

/// Reads the messages of a systemd journal, each entry once, and goes on from its cursor.
///
/// What a full pipeline leaves unread stays in the journal, as long as journald keeps it.
public final class JournalInput: Input {
    /// The id of the input, as configured.
    public let id: String

    private let options: JournalConfiguration
    private let start: InputConfiguration.Start
    private let recordByteLimit: Int
    private let clock: any TimeSource
    private let bell: Bell
    private let reading: Monitor<Reading>
    private let snapshot = Monitor(InputState())
    private let isClosed = Atomic(false)
    private let timing: JournalTiming
    private let joinTimeout: Duration

    /// What the thread that reads keeps between two calls.
    private struct Reading: ~Copyable {
        var records: JournalRecords
        /// When the last entry was read.
        var tookAt: MonotonicInstant
        var journal: Journal?
        var changes: File?
        /// Where reading goes on; nil before the first entry.
        var cursor: String?
        /// Set while the entry at hand was found and not handed out yet.
        var isAtUnread = false
        /// Entries that could not be read and are no loss yet.
        var damagedCount: UInt64 = 0
        /// Losses that go into the next batch.
        var losses: [InputLoss] = []
        /// Set while the place is to be kept although nothing was read from it.
        var tellsPlace = false
        /// What ended a batch that was handed out before it is dealt with.
        var error: SystemError?
        /// Attempts to open that failed, in a row.
        var failures = 0
        /// Attempts to read one entry that failed, in a row.
        var damages = 0
        var retryAt: MonotonicInstant?
        var nextCheck: MonotonicInstant?
        /// Set while a cursor has to be found again.
        var resume: JournalResume?
    }

    /// Prepares to read. The journal is opened by the first `next`, and again when that fails.
    public convenience init(
        _ configuration: InputConfiguration, framing: RecordFraming = RecordFraming(),
        context: InputContext
    ) throws(InputError) {
        try self.init(
            configuration, framing: framing, context: context, timing: JournalTiming())
    }

    init(
        _ configuration: InputConfiguration, framing: RecordFraming = RecordFraming(),
        context: InputContext, timing: JournalTiming
    ) throws(InputError) {
        id = configuration.id
        options = configuration.journal
        start = configuration.startAt
        recordByteLimit = configuration.recordByteLimit
        clock = context.clock
        self.timing = timing
        joinTimeout = framing.joinTimeout
        do throws(SystemError) {
            bell = try Bell()
        } catch {
            throw .system(input: configuration.id, error)
        }
        var cursor: String?
        for position in context.positions where position.input == configuration.id {
            if case .cursor(let place) = position.place { cursor = place }
        }
        reading = Monitor(
            Reading(
                records: JournalRecords(
                    framing, recordByteLimit: configuration.recordByteLimit, cursor: cursor),
                tookAt: clock.monotonic(), cursor: cursor))
        snapshot.withLock { $0.quietSince = clock.monotonic() }
    }

    /// The next entries; nil when there are none in time.
    ///
    /// A journal that cannot be read is no error: `state` says why, and it is tried again.
    public func next(waitingAtMost timeout: Duration) throws(InputError) -> RecordBatch? {
        let deadline = clock.monotonic().advanced(by: timeout)
        return reading.withLock { reading in next(&reading, until: deadline) }
    }

    /// Does nothing: a journal waits for no answer.
    public func committed(through position: Position) {
        // The journal keeps its entries by its own rules.
    }

    /// Makes a `next` that waits return.
    public func wake() { bell.ring() }

    /// Ends reading.
    public func close() {
        isClosed.store(true, ordering: .releasing)
        bell.ring()
    }

    /// How the input is doing.
    public var state: InputState { snapshot.withLock { $0 } }

    // MARK: Reading

    private func next(_ reading: inout Reading, until deadline: MonotonicInstant) -> RecordBatch? {
        while !isClosed.load(ordering: .acquiring) {
            let now = clock.monotonic()
            if let retryAt = reading.retryAt, now < retryAt {
                if bell.wait(timeout: min(retryAt, deadline).duration(since: now)) { return nil }
                if clock.monotonic() >= deadline { return nil }
                continue
            }
            do throws(SystemError) {
                if let batch = try read(&reading) { return batch }
                guard try wait(&reading, until: deadline) else { return nil }
            } catch {
                failed(&reading, error)
            }
        }
        return nil
    }

    /// Reads what is there; nil when there is nothing.
    private func read(_ reading: inout Reading) throws(SystemError) -> RecordBatch? {
        if let error = reading.error {
            reading.error = nil
            throw error
        }
        let journal = try open(&reading)
        do throws(SystemError) {
            while !reading.records.collector.isFull {
                guard try advance(&reading, journal) else {
                    if isQuiet(reading) { reading.records.completeMessages(now: clock.now()) }
                    break
                }
                try take(&reading, journal)
            }
        } catch {
            // What was read before goes on its way first.
            reading.error = error
        }
        if reading.damagedCount > 0 {
            reading.losses.append(
                InputLoss(path: nil, reason: .vanished, recordCount: reading.damagedCount))
            reading.damagedCount = 0
        }
        // A loss is committed with the place behind it, so nothing may wait before that.
        if !reading.losses.isEmpty { reading.records.completeAll() }
        if let batch = batch(&reading) { return batch }
        if let error = reading.error {
            reading.error = nil
            throw error
        }
        return nil
    }

    /// True when records need not wait any longer for entries that may belong to them.
    private func isQuiet(_ reading: borrowing Reading) -> Bool {
        clock.monotonic().duration(since: reading.tookAt) >= joinTimeout
    }

    /// Takes the entry at hand.
    private func take(_ reading: inout Reading, _ journal: Journal) throws(SystemError) {
        let cursor = try journal.cursor()
        switch try journal.field("MESSAGE", byteLimit: recordByteLimit) {
        case .value(let message, let isCut):
            let entry = JournalRecords.Entry(
                message: message, isCut: isCut, cursor: cursor, host: try hostName(journal))
            let origin = reading.records.needsOrigin(message) ? try journal.origin() : nil
            reading.records.add(entry, of: origin)
        case .missing: reading.records.pass(cursor)
        case .damaged:
            reading.damagedCount += 1
            reading.records.pass(cursor)
        }
        reading.tookAt = clock.monotonic()
        reading.cursor = cursor
        reading.isAtUnread = false
        reading.failures = 0
        reading.damages = 0
    }

    /// The name of the host; empty when it is unknown or no name.
    private func hostName(_ journal: Journal) throws(SystemError) -> [UInt8] {
        guard
            case .value(let name, false) = try journal.field(
                "_HOSTNAME", byteLimit: InputLimit.hostByteLimit), SyslogHeader.isHost(name[...])
        else { return [] }
        return name
    }

    private func batch(_ reading: inout Reading) -> RecordBatch? {
        let collector = reading.records.collector
        let losses = reading.losses
        let isHolding = reading.records.isHolding
        snapshot.withLock { $0.hasUnread = isHolding }
        guard let cursor = reading.records.cursor,
            !collector.isEmpty || !losses.isEmpty || reading.tellsPlace
        else { return nil }
        if !snapshot.withLock({ $0.isReadable }) { look(&reading) }
        reading.losses = []
        reading.tellsPlace = false
        let now = clock.now()
        snapshot.withLock { state in
            state.recordCount += UInt64(collector.records.count)
            state.readByteCount += UInt64(collector.recordByteCount)
            state.cutRecordCount += collector.cutCount
            guard !collector.isEmpty else { return }
            state.lastRecord = now
            state.quietSince = clock.monotonic()
        }
        var batch = RecordBatch(
            input: id, source: id, path: nil, observed: now, bytes: collector.block(),
            records: collector.records,
            positions: [Position(input: id, place: .cursor(cursor))])
        batch.losses = losses
        batch.naming = .cursors(reading.records.cursors)
        collector.complete(&batch)
        reading.records.removeComplete()
        return batch
    }

    // MARK: Going on

    /// Opens the journal where that has not been done, and finds the place.
    private func open(_ reading: inout Reading) throws(SystemError) -> Journal {
        if let journal = reading.journal { return journal }
        let journal = try openFiltered()
        reading.changes = journal.changes()
        try seek(&reading, journal)
        reading.journal = journal
        reading.retryAt = nil
        look(&reading)
        return journal
    }

    private func openFiltered() throws(SystemError) -> Journal {
        let journal = try Journal(options.source)
        // One byte more than is wanted shows that there was more, behind the name and the sign.
        try journal.limitFields(to: recordByteLimit + "MESSAGE=".utf8.count + 1)
        for wanted in options.wanted { try journal.match(wanted.field, wanted.values) }
        return journal
    }

    /// Goes to where reading has to go on.
    private func seek(_ reading: inout Reading, _ journal: Journal) throws(SystemError) {
        reading.isAtUnread = false
        reading.resume = nil
        if let cursor = reading.cursor, let resume = JournalResume(after: cursor) {
            if reading.damages >= InputLimit.journalDamageLimit {
                // Nothing else leads past an entry that cannot even be stepped over.
                reading.damages = 0
                reading.losses.append(InputLoss(path: nil, reason: .vanished))
                let time = resume.last.time.microseconds + 1
                return try journal.seek(to: Timestamp(microseconds: time))
            }
            try journal.seek(to: cursor)
            reading.resume = resume
            return
        }
        guard start == .end, reading.cursor == nil else { return try journal.seekToHead() }
        try journal.seekToTail()
        // Behind the tail there is no next: the entry before has to be found first.
        guard try journal.previous() == .entry else { return try journal.seekToHead() }
        let tail = try journal.cursor()
        reading.cursor = tail
        reading.records.begin(behind: tail)
        reading.tellsPlace = true
    }

    /// Goes on to the next entry that was not read; false when there is none yet.
    private func advance(_ reading: inout Reading, _ journal: Journal) throws(SystemError) -> Bool {
        if reading.isAtUnread { return true }
        while try journal.next() == .entry {
            guard var resume = reading.resume, let cursor = reading.cursor else { return true }
            guard let found = JournalCursor(try journal.cursor()) else { return true }
            let isSame = try journal.isAt(cursor)
            let verdict = resume.judge(found, isSame: isSame)
            reading.resume = resume
            switch verdict {
            case .skip:
                // The entry is there, so nothing before it matters.
                if isSame { reading.resume = nil }
            case .seek(let time):
                try journal.seek(to: time)
            case .take:
                reading.resume = nil
                reading.isAtUnread = true
                if let loss = try loss(resume, found) { reading.losses.append(loss) }
                return true
            }
        }
        return false
    }

    /// What went unread, judged by the first entry that is left, wanted or not.
    private func loss(
        _ resume: JournalResume, _ found: JournalCursor
    ) throws(SystemError) -> InputLoss? {
        guard !options.wanted.isEmpty else { return resume.loss(first: found, isFiltered: false) }
        let everything = try Journal(options.source)
        var probe = resume
        try everything.seek(to: resume.last.time)
        while try everything.next() == .entry {
            guard let entry = JournalCursor(try everything.cursor()) else { break }
            if probe.judge(entry, isSame: false) == .take {
                return resume.loss(first: entry, isFiltered: true)
            }
        }
        return resume.loss(first: found, isFiltered: true)
    }

    // MARK: Waiting

    /// Waits for more; false when the time is up or somebody woke the input.
    private func wait(
        _ reading: inout Reading, until deadline: MonotonicInstant
    ) throws(SystemError) -> Bool {
        guard let journal = reading.journal else { return true }
        if clock.monotonic() >= reading.nextCheck ?? deadline { look(&reading) }
        var left = max(.zero, deadline.duration(since: clock.monotonic()))
        let isJoining = reading.records.isHolding && joinTimeout < left
        if isJoining { left = joinTimeout }
        let hasTime: Bool
        if let changes = reading.changes {
            switch bell.wait(for: changes, timeout: left) {
            case .rung: return false
            case .readable: hasTime = true
            case .timedOut: hasTime = isJoining
            }
        } else {
            if bell.wait(timeout: min(left, timing.poll)) { return false }
            hasTime = isJoining || left > timing.poll
        }
        if try journal.process() == .files {
            look(&reading)
            try seek(&reading, journal)
        }
        return hasTime
    }

    /// Gives up the open journal; it is opened again after a rest.
    private func failed(_ reading: inout Reading, _ error: SystemError) {
        if reading.journal != nil, Journal.isDamage(error) { reading.damages += 1 }
        reading.journal = nil
        reading.changes = nil
        reading.failures += 1
        reading.retryAt = clock.monotonic().advanced(by: timing.retry(after: reading.failures))
        let reason = JournalFiles.sentence("the journal cannot be read: ", error)
        snapshot.withLock { state in
            state.isReadable = false
            state.reasons = [reason]
        }
    }

    private func look(_ reading: inout Reading) {
        reading.nextCheck = clock.monotonic().advanced(by: timing.check)
        let files = JournalFiles(options.source)
        snapshot.withLock { state in
            state.isReadable = files.reasons.isEmpty
            state.reasons = Array(files.reasons.prefix(InputState.reasonLimit))
            state.fileCount = files.count
            state.unreadableFileCount = files.unreadableCount
        }
    }
}

/// How long a journal input waits, and for what.
struct JournalTiming: Sendable {
    /// Between two looks where the kernel does not report changes.
    var poll: Duration = .milliseconds(250)
    /// Between two looks at whether the files can be opened.
    var check: Duration = .seconds(30)
    /// Before the first new attempt after a failure.
    var firstRetry: Duration = .milliseconds(250)
    /// The longest time between two attempts.
    var longestRetry: Duration = .seconds(30)

    /// How long to rest after so many failures in a row.
    func retry(after failures: Int) -> Duration {
        min(longestRetry, firstRetry * (1 << min(max(failures, 1) - 1, 20)))
    }
}
