// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The shell around `Recovery`: it reads the files of one start.
struct Opening {
    let folder: String
    let storage: any LedgerStorage
    let quarantine: Quarantine
    let keys: EncryptionKeyRing?
    var state = LedgerState()
    private(set) var recovery = Recovery()
    private(set) var damage: [LedgerDamage] = []

    init(
        folder: String, storage: any LedgerStorage, quarantine: Quarantine,
        keys: EncryptionKeyRing?
    ) {
        self.folder = folder
        self.storage = storage
        self.quarantine = quarantine
        self.keys = keys
    }

    /// Lists the segments and looks for the reserve.
    mutating func survey() throws(LedgerError) {
        do {
            let names = try storage.names(in: folder)
            if names.contains(SegmentName.reserve) {
                let path = folder + "/" + SegmentName.reserve
                let (byteCount, _) = try storage.open(path, isWritable: false).measure()
                state.reserveByteCount = byteCount
                state.statistics.hasReserve = byteCount > 0
            }
            for number in Recovery.segments(among: names) {
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

    /// States segments that are gone together with events that a sink has not passed.
    mutating func findMissing() {
        guard let slowest = state.slowest else { return }
        let numbers = state.segments.map(\.number)
        for (number, next) in zip(numbers, numbers.dropFirst()) where next != number + 1 {
            let missing = number + 1
            // Of what was delivered, some may be removed and some not after a crash; a sink that
            // stands in the last one removed has passed all of it.
            guard slowest.segment <= number else { continue }
            guard let found = probe.describe(missing: missing) else { continue }
            state.statistics.damagedFrameCount += 1
            damage.append(quarantine.note(found))
        }
    }

    private var probe: SequenceProbe {
        SequenceProbe(folder: folder, storage: storage, segments: state.segments.map(\.number))
    }

    fileprivate func reader(_ entry: SegmentEntry) throws(LedgerError) -> SegmentReader {
        let file = try LedgerError.wrapping { () throws(SystemError) in try open(entry.number) }
        var reader = SegmentReader(file: file, number: entry.number)
        // A start that waited for the disk to change its mind might wait for ever.
        reader.isTolerant = true
        return reader
    }

    private func step(
        _ reader: SegmentReader, at offset: Int, limit: Int
    ) throws(LedgerError) -> SegmentReader.Step {
        try LedgerError.wrapping { () throws(SystemError) in
            try reader.step(at: offset, limit: limit)
        }
    }

    private func hasWholeHeader(_ entry: SegmentEntry) throws(LedgerError) -> Bool {
        let reader = try self.reader(entry)
        switch try step(reader, at: 0, limit: entry.byteCount) {
        case .frame(let header, let payload):
            guard header.type == .segmentHeader else { return false }
            let snapshot = try decode(entry.number, 0) { () throws(FrameProblem) in
                try SegmentSnapshot(header, payload: payload, keys: keys)
            }
            return snapshot != nil
        case .otherVersion(let version):
            throw .otherVersion(version, path: path(entry.number), offset: 0)
        case .damage, .tail, .end: return false
        }
    }

    /// Walks over one segment from its beginning.
    private mutating func read(_ index: Int) throws(LedgerError) {
        let entry = state.segments[index]
        let reader = try self.reader(entry)
        var offset = 0
        while true {
            switch try step(reader, at: offset, limit: entry.byteCount) {
            case .otherVersion(let version):
                throw .otherVersion(version, path: path(entry.number), offset: offset)
            case .frame(let header, let payload):
                let range = offset..<offset + header.frameByteCount
                try take(header, payload, range, reader)
                offset = range.upperBound
            case .damage(let range, let header):
                _ = report(range, header, reader, isTail: false)
                if header?.type == .batch { recovery.lose(header?.count ?? 0) }
                offset = range.upperBound
            case .tail(let range, let header):
                let isSafe = report(range, header, reader, isTail: true)
                // What could not be copied stays where it is; readers pass over it.
                if isSafe { cut(index, reader.file, at: offset) }
                state.segments[index].end = offset
                return
            case .end:
                if offset < entry.byteCount { cut(index, reader.file, at: offset) }
                state.segments[index].end = offset
                return
            }
        }
    }

    private mutating func take(
        _ header: FrameHeader, _ payload: [UInt8], _ range: Range<Int>, _ reader: SegmentReader
    ) throws(LedgerError) {
        switch header.type {
        case .segmentHeader:
            let snapshot = try decode(reader.number, range.lowerBound) {
                () throws(FrameProblem) in
                try SegmentSnapshot(header, payload: payload, keys: keys)
            }
            if let snapshot { return recovery.take(snapshot) }
        case .batch:
            let batch = try decode(reader.number, range.lowerBound) { () throws(FrameProblem) in
                try BatchFormat.decode(header, payload: payload, .tables, keys: keys)
            }
            if let batch { return recovery.take(batch) }
        default: return
        }
        _ = report(range, header, reader, isTail: false)
    }

    /// What a frame holds; nil for damage. Throws for a later version and for a missing key.
    private func decode<Value>(
        _ number: UInt64, _ offset: Int, _ body: () throws(FrameProblem) -> Value
    ) throws(LedgerError) -> Value? {
        do throws(FrameProblem) {
            return try body()
        } catch {
            if let refusal = error.refusal(path: path(number), offset: offset) { throw refusal }
            return nil
        }
    }

    /// Gives back the room behind the last frame; if that fails, it only takes room.
    private mutating func cut(_ index: Int, _ file: any LedgerFile, at end: Int) {
        guard file.isCut(to: end) else { return }
        state.segments[index].byteCount = end
    }

    /// Sets a range aside; true when a copy of it is safe.
    private mutating func report(
        _ range: Range<Int>, _ header: FrameHeader?, _ reader: SegmentReader, isTail: Bool
    ) -> Bool {
        let kept = quarantine.keep(
            probe.describe(range, header, reader, isTail: isTail), of: reader)
        _ = state.damage.insert(segment: reader.number, offset: range.lowerBound)
        state.statistics.damagedFrameCount += 1
        state.statistics.damagedByteCount += UInt64(range.count)
        damage.append(kept.damage)
        // What the disk does not give today it may give tomorrow.
        return kept.isSafe && kept.damage.kind != .unreadable
    }

    fileprivate func path(_ number: UInt64) -> String {
        SegmentName.path(of: number, in: folder)
    }

    private func open(_ number: UInt64) throws(SystemError) -> any LedgerFile {
        try storage.open(path(number), isWritable: true)
    }
}

// MARK: - Cursors and keys

extension Opening {
    /// The file of the cursors; `areLost` when sinks may have to begin at the oldest segment.
    struct Cursors {
        let file: CursorFile
        let areLost: Bool
    }

    /// Opens the file of the cursors, or makes it.
    func openCursors() throws(LedgerError) -> Cursors {
        let path = folder + "/cursors"
        let file: any LedgerFile
        var bytes: [UInt8] = []
        do {
            if try storage.names(in: folder).contains("cursors") {
                file = try storage.open(path, isWritable: true)
                // A block that cannot be read costs the sinks in it their places, not the start.
                var reader = SegmentReader(file: file, number: 0)
                reader.isTolerant = true
                bytes = try reader.read(CursorFile.byteCount, at: 0).bytes
            } else {
                file = try storage.create(path, byteCount: CursorFile.byteCount)
            }
            // The first cursors are durable before the first segment. So beside segments a file
            // that is missing, cut or empty has lost some, and a sink without an entry is not new.
            // That stays visible until all sinks have a durable cursor: see `clearDamaged`.
            let isFirstStart = state.segments.isEmpty
            if !isFirstStart, bytes.allSatisfy({ $0 == 0 }) { bytes = [] }
            let missing = CursorFile.byteCount - bytes.count
            if missing > 0 {
                // Written, not only allocated, so that moving a cursor never needs room.
                let rest = [UInt8](repeating: isFirstStart ? 0 : .max, count: missing)
                try file.write(rest.span, at: bytes.count)
                try file.synchronizeData()
                try storage.synchronizeFolder(folder)
                bytes += rest
            }
        } catch {
            throw error.isNoSpace ? .noSpace(error) : .system(error)
        }
        let entries = CursorFile.read(bytes.span)
        // What the last process wrote may be in memory only.
        let isDurable = (try? file.synchronizeData()) != nil
        return Cursors(
            file: CursorFile(file: file, entries: entries, isDurable: isDurable),
            areLost: entries.contains(.damaged))
    }

    /// Takes over the cursors, gives new sinks one, and says which sinks are configured no more.
    mutating func assign(
        _ cursors: Cursors, to sinks: [String], newSegment: UInt64
    ) throws(LedgerError) -> [String] {
        var retired: [String] = []
        for slot in cursors.file.slots {
            let isConfigured = sinks.contains(slot.sink)
            if !isConfigured { retired.append(slot.sink) }
            state.cursors[slot.sink] = LedgerState.CursorState(
                cursor: slot.cursor, isDirty: false, isConfigured: isConfigured)
        }
        for sink in sinks where state.cursors[sink] == nil {
            guard (1...FrameLimit.sinkByteLimit).contains(sink.utf8.count) else {
                throw .refused(reason: "the id of a sink must have 1 to 64 bytes")
            }
            let place = cursors.areLost ? .beginning : LedgerPlace(segment: newSegment)
            state.cursors[sink] = LedgerState.CursorState(
                cursor: SinkCursor(place: place), isDirty: true, isConfigured: true)
        }
        return retired.sorted()
    }

    /// Throws when a sink would come to a segment later that nobody has the key of.
    func requireKeys() throws(LedgerError) {
        guard let slowest = state.slowest else { return }
        for entry in state.segments where entry.number >= slowest.segment {
            guard let reader = try? reader(entry),
                let bytes = try? reader.read(FrameHeader.byteCount, at: 0).bytes,
                case .header(let header) = FrameHeader.read(bytes.span, at: 0), header.keyID != 0,
                keys?.key(header.keyID) == nil
            else { continue }
            throw .keyMissing(path: path(entry.number), keyID: header.keyID)
        }
    }
}
