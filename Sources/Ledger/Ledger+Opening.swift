// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization

extension Ledger {
    private static let folderPermissions: UInt32 = 0o700
    // Bits by which the group or others may write.
    private static let foreignWriteBits: UInt32 = 0o022

    /// Opens the ledger of a state directory for one agent, and says where it goes on.
    ///
    /// Takes the lock of the directory until the ledger is gone. Begins a new segment; when the
    /// disk has no room for one, that is left to the first `append`.
    ///
    /// - Parameters:
    ///   - directory: the state directory; it is created when it is missing.
    ///   - sinks: the ids of the sinks that are configured; only these hold segments back.
    public static func open(
        directory: String, configuration: LedgerConfiguration, sinks: [String],
        time: any TimeSource = SystemClock()
    ) throws(LedgerError) -> (ledger: Ledger, recovered: RecoveredState) {
        let folder = directory + "/ledger"
        let lock: FileLock
        do {
            if !FileSystem.exists(directory) {
                try FileSystem.createFolders(directory, permissions: folderPermissions)
            }
            try FileSystem.createFolder(folder, permissions: folderPermissions)
            for path in [directory, folder] {
                let permissions = try FileSystem.status(path).permissions
                guard permissions & foreignWriteBits == 0 else {
                    throw LedgerError.exposed(path: path, permissions: permissions)
                }
            }
            guard let taken = try FileLock.take(directory + "/lock", permissions: 0o600) else {
                throw LedgerError.locked(path: directory + "/lock")
            }
            lock = taken
        } catch let error as LedgerError {
            throw error
        } catch let error as SystemError {
            throw .system(error)
        } catch {
            bug("an error of another kind: \(error)")
        }
        return try open(
            folder: folder, configuration: configuration, sinks: sinks, time: time,
            storage: DiskStorage(), lock: lock)
    }

    /// Opens a ledger in a folder that exists, on any storage.
    public static func open(
        folder: String, configuration: LedgerConfiguration, sinks: [String],
        time: any TimeSource, storage: any LedgerStorage, lock: FileLock? = nil
    ) throws(LedgerError) -> (ledger: Ledger, recovered: RecoveredState) {
        let quarantine = Quarantine(folder: folder + "/quarantine", storage: storage)
        var opening = Opening(folder: folder, storage: storage, quarantine: quarantine)
        try opening.survey()
        try opening.recover()
        let numbers = opening.state.segments.map(\.number)
        guard let number = Recovery.nextNumber(after: numbers) else {
            throw .refused(reason: "the numbers of segments have run out")
        }
        let (cursorFile, retired, areLost) = try opening.openCursors(
            sinks, newSegment: number, time: time)
        let recovery = opening.recovery
        let recovered = RecoveredState(
            positions: recovery.positions.positions, stream: recovery.stream,
            nextSequence: recovery.nextSequence, head: recovery.head,
            isNew: numbers.isEmpty, damage: opening.damage, retiredSinks: retired,
            lostCursors: areLost)
        if !numbers.isEmpty {
            // Whether old segments hold anything to read is found out by reading.
            opening.state.newestFrame = LedgerPlace(segment: number)
        }
        let ledger = Ledger(
            folder: folder, configuration: configuration, storage: storage, time: time,
            lock: lock, quarantine: quarantine,
            writer: LedgerWriter(recovery, nextNumber: number, codec: configuration.codec),
            cursorFile: cursorFile, state: opening.state)
        try ledger.begin()
        return (ledger, recovered)
    }

    /// Makes the cursors of new sinks durable and begins the segment of this start.
    private func begin() throws(LedgerError) {
        try flushCursors()
        do {
            try writer.withLock { writer throws(LedgerError) in
                try openSegment(for: 0, usingReserve: true, &writer)
            }
        } catch {
            // Without room delivery still goes on, and that is what makes room.
            guard error.isTemporary else { throw error }
        }
    }
}

/// The shell around `Recovery`: it reads the files of one start.
private struct Opening {
    let folder: String
    let storage: any LedgerStorage
    let quarantine: Quarantine
    var state = LedgerState()
    var recovery = Recovery()
    var damage: [LedgerDamage] = []

    /// Lists the segments.
    mutating func survey() throws(LedgerError) {
        do {
            for number in Recovery.segments(among: try storage.names(in: folder)) {
                let (byteCount, modified) = try open(number).measure()
                state.segments.append(
                    SegmentEntry(number: number, byteCount: byteCount, modified: modified))
            }
        } catch {
            throw .system(error)
        }
    }

    /// Reads the newest segment with a whole header, and what follows it.
    mutating func recover() throws(LedgerError) {
        var first = state.segments.count
        while first > 0 {
            first -= 1
            if try hasWholeHeader(state.segments[first]) { break }
        }
        for index in state.segments.indices.dropFirst(first) { try read(index) }
    }

    private func hasWholeHeader(_ entry: SegmentEntry) throws(LedgerError) -> Bool {
        do {
            let reader = SegmentReader(file: try open(entry.number), number: entry.number)
            switch try reader.firstStep(limit: entry.byteCount) {
            case .frame(let header, let payload):
                guard header.type == .segmentHeader else { return false }
                _ = try decode(entry.number, 0) { () throws(FrameProblem) in
                    try SegmentSnapshot(header, payload: payload)
                }
                return true
            case .otherVersion(let version): throw refusal(entry.number, 0, version)
            case .damage, .tail, .end: return false
            }
        } catch let error as LedgerError {
            throw error
        } catch let error as SystemError {
            throw .system(error)
        } catch is FrameProblem {
            return false
        } catch {
            bug("an error of another kind: \(error)")
        }
    }

    /// Walks over one segment from its beginning.
    private mutating func read(_ index: Int) throws(LedgerError) {
        let entry = state.segments[index]
        do {
            let file = try open(entry.number)
            let reader = SegmentReader(file: file, number: entry.number)
            var offset = 0
            while true {
                switch try reader.step(at: offset, limit: entry.byteCount) {
                case .otherVersion(let version): throw refusal(entry.number, offset, version)
                case .frame(let header, let payload):
                    let range = offset..<offset + header.frameByteCount
                    try take(header, payload, range, reader)
                    offset = range.upperBound
                case .damage(let range, let header):
                    _ = report(range, header, reader, isTail: false)
                    offset = range.upperBound
                case .tail(let range, let header):
                    let isSafe = report(range, header, reader, isTail: true)
                    // What could not be copied stays where it is; readers pass over it.
                    if isSafe { cut(index, file, at: offset) }
                    state.segments[index].end = offset
                    return
                case .end:
                    if offset < entry.byteCount { cut(index, file, at: offset) }
                    state.segments[index].end = offset
                    return
                }
            }
        } catch let error as LedgerError {
            throw error
        } catch let error as SystemError {
            throw .system(error)
        } catch {
            bug("an error of another kind: \(error)")
        }
    }

    private mutating func take(
        _ header: FrameHeader, _ payload: [UInt8], _ range: Range<Int>, _ reader: SegmentReader
    ) throws(LedgerError) {
        do {
            switch header.type {
            case .segmentHeader:
                let snapshot = try decode(reader.number, range.lowerBound) {
                    () throws(FrameProblem) in try SegmentSnapshot(header, payload: payload)
                }
                recovery.take(snapshot)
            case .batch:
                let batch = try decode(reader.number, range.lowerBound) {
                    () throws(FrameProblem) in
                    try BatchFormat.decode(header, payload: payload, .tables)
                }
                recovery.take(batch)
            default: break
            }
        } catch let error as LedgerError {
            throw error
        } catch {
            _ = report(range, header, reader, isTail: false)
        }
    }

    /// Turns «written by a later version» into the error that says so.
    private func decode<Value>(
        _ number: UInt64, _ offset: Int, _ body: () throws(FrameProblem) -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch {
            guard case .unsupported(let reason) = error else { throw error }
            throw LedgerError.unsupported(
                path: path(number), offset: offset, reason: reason)
        }
    }

    /// Gives back the room behind the last frame; if that fails, it only takes room.
    private mutating func cut(_ index: Int, _ file: any LedgerFile, at end: Int) {
        guard (try? file.truncate(to: end)) != nil else { return }
        state.segments[index].byteCount = end
    }

    /// Sets a range aside; true when a copy of it is safe.
    private mutating func report(
        _ range: Range<Int>, _ header: FrameHeader?, _ reader: SegmentReader, isTail: Bool
    ) -> Bool {
        let copy = quarantine.keep(range, of: reader)
        _ = state.damage.insert(segment: reader.number, offset: range.lowerBound)
        state.statistics.damagedFrameCount += 1
        state.statistics.damagedByteCount += UInt64(range.count)
        damage.append(
            LedgerDamage(range, header, segment: reader.number, isTail: isTail, copy))
        return copy != .none
    }

    private func path(_ number: UInt64) -> String {
        folder + "/" + SegmentName.name(of: number)
    }

    private func open(_ number: UInt64) throws(SystemError) -> any LedgerFile {
        try storage.open(path(number), isWritable: true)
    }

    private func refusal(_ number: UInt64, _ offset: Int, _ version: UInt8) -> LedgerError {
        .unsupported(
            path: path(number), offset: offset, reason: "the format has the version \(version)")
    }

    // MARK: Cursors

    /// Reads the cursors and gives new sinks one.
    mutating func openCursors(
        _ sinks: [String], newSegment: UInt64, time: any TimeSource
    ) throws(LedgerError) -> (file: CursorFile, retired: [String], areLost: Bool) {
        let path = folder + "/cursors"
        let file: any LedgerFile
        var bytes: [UInt8] = []
        var isMissing = false
        do {
            if try storage.names(in: folder).contains("cursors") {
                file = try storage.open(path, isWritable: true)
                _ = try file.append(to: &bytes, count: CursorFile.byteCount, at: 0)
            } else {
                isMissing = true
                file = try storage.create(path, byteCount: CursorFile.byteCount)
            }
            if bytes.count < CursorFile.byteCount {
                // Written, not only allocated, so that moving a cursor never needs room.
                let zeros = [UInt8](repeating: 0, count: CursorFile.byteCount - bytes.count)
                try file.write(zeros.span, at: bytes.count)
                try file.synchronizeData()
                try storage.synchronizeFolder(folder)
            }
        } catch {
            throw error.isNoSpace ? .noSpace(error) : .system(error)
        }
        let entries = CursorFile.read(bytes.span)
        let areLost = isMissing && !state.segments.isEmpty || entries.contains(.damaged)
        let cursorFile = CursorFile(file: file, entries: entries)
        var retired: [String] = []
        for slot in cursorFile.slots {
            let isConfigured = sinks.contains(slot.sink)
            if !isConfigured { retired.append(slot.sink) }
            state.cursors[slot.sink] = LedgerState.CursorState(
                cursor: slot.cursor, isDirty: false, isConfigured: isConfigured)
        }
        for sink in sinks where state.cursors[sink] == nil {
            guard (1...FrameLimit.sinkByteLimit).contains(sink.utf8.count) else {
                throw .refused(reason: "the id of a sink must have 1 to 64 bytes")
            }
            let place = areLost ? .beginning : LedgerPlace(segment: newSegment)
            state.cursors[sink] = LedgerState.CursorState(
                cursor: SinkCursor(place: place), isDirty: true, isConfigured: true)
        }
        return (cursorFile, retired.sorted(), areLost)
    }
}

extension SegmentReader {
    /// What the segment begins with.
    func firstStep(limit: Int) throws(SystemError) -> Step {
        try step(at: 0, limit: limit)
    }
}
