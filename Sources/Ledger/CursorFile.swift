// SPDX-License-Identifier: Apache-2.0
import Platform

// A sink's entry in the file `cursors` is two slots, written in turn:
//
//     ┌────────────┬────────────┬────────────┬────────────┬────
//     │ A, write 8 │ A, write 9 │ B, write 4 │ B, write 3 │ …      512 bytes each
//     └────────────┴────────────┴────────────┴────────────┴────
//
// A slot is written at each move, so that the death of the process costs nothing, and synchronised
// at most once a second. Until then only this slot is written again; the other one keeps the last
// place that is safe. So a write that a power cut tears costs only the moves of that second, and
// events are then sent twice, never left out. The bytes are fixed by docs/formats/frame.md §8.

/// One slot: a sink, its place and its totals.
struct CursorSlot: Equatable {
    static let byteCount = 512
    static let version: UInt8 = 1
    static let totalCountLimit = 49
    private static let magic: [UInt8] = [0xF5, 0x53, 0x4C, 0x43]
    private static let idOffset = 48
    private static let totalsOffset = 112
    private static let checksumOffset = 508

    var sink: String
    var writeNumber: UInt64
    var cursor: SinkCursor
    var written: Timestamp

    init(sink: String, writeNumber: UInt64, cursor: SinkCursor, written: Timestamp) {
        self.sink = sink
        self.writeNumber = writeNumber
        self.cursor = cursor
        self.written = written
    }

    /// Reads the slot at `offset`; nil for anything that is not whole.
    init?(_ bytes: Span<UInt8>, at offset: Int) {
        guard offset >= 0, bytes.count - offset >= CursorSlot.byteCount else { return nil }
        let end = offset + CursorSlot.checksumOffset
        guard CRC32C.checksum(bytes.extracting(offset..<end)) == ByteReader.number(bytes, at: end)
        else { return nil }
        for index in 0..<4 where bytes[offset + index] != CursorSlot.magic[index] { return nil }
        let idByteCount = Int(bytes[offset + 5])
        let totalCount = Int(ByteReader.number(bytes, at: offset + 6) as UInt16)
        guard bytes[offset + 4] == CursorSlot.version,
            (1...FrameLimit.sinkByteLimit).contains(idByteCount),
            totalCount <= CursorSlot.totalCountLimit
        else { return nil }
        let idStart = offset + CursorSlot.idOffset
        var reader = ByteReader(idStart..<idStart + idByteCount)
        guard let sink = try? reader.text(bytes, count: idByteCount) else { return nil }
        self.sink = sink
        writeNumber = ByteReader.number(bytes, at: offset + 8)
        written = Timestamp(microseconds: ByteReader.number(bytes, at: offset + 40))
        let place = LedgerPlace(
            segment: ByteReader.number(bytes, at: offset + 16),
            offset: ByteReader.number(bytes, at: offset + 24),
            index: ByteReader.number(bytes, at: offset + 32))
        let totals: [UInt64] = (0..<totalCount).map { index in
            ByteReader.number(bytes, at: offset + CursorSlot.totalsOffset + index * 8)
        }
        cursor = SinkCursor(place: place, totals: SinkTotals(stored: totals))
    }

    /// Appends the slot.
    func append(to output: inout ByteWriter) {
        let start = output.count
        let totals = cursor.totals.stored.prefix(CursorSlot.totalCountLimit)
        output.append(CursorSlot.magic)
        output.append(CursorSlot.version)
        output.append(UInt8(sink.utf8.count))
        output.append(littleEndian: UInt16(totals.count))
        output.append(littleEndian: writeNumber)
        output.append(littleEndian: cursor.place.segment)
        output.append(littleEndian: cursor.place.offset)
        output.append(littleEndian: cursor.place.index)
        output.append(littleEndian: UInt32(0))
        output.append(littleEndian: written.microseconds)
        output.append(sink)
        while output.count < start + CursorSlot.totalsOffset { output.append(UInt8(0)) }
        for total in totals { output.append(littleEndian: total) }
        while output.count < start + CursorSlot.checksumOffset { output.append(UInt8(0)) }
        let checksum = output.withBytes { bytes in
            CRC32C.checksum(bytes.extracting(start..<bytes.count))
        }
        output.append(littleEndian: checksum)
    }
}

extension SinkTotals {
    private static let sumCount = 6

    /// The totals in the order of the file.
    var stored: [UInt64] {
        [offered, delivered, rejected, filtered, evicted, replayed]
            + epochs.flatMap { [$0.number, $0.rejected, $0.lost] }
    }

    /// Reads totals in the order of the file; those that are missing are zero.
    init(stored: [UInt64]) {
        func total(_ index: Int) -> UInt64 { index < stored.count ? stored[index] : 0 }
        self.init(
            offered: total(0), delivered: total(1), rejected: total(2), filtered: total(3),
            evicted: total(4), replayed: total(5))
        let ends = stride(from: SinkTotals.sumCount + 3, through: stored.count, by: 3)
        for end in ends {
            add(
                EpochTotals(
                    number: stored[end - 3], rejected: stored[end - 2], lost: stored[end - 1]))
        }
    }
}

/// The file of all cursors. One thread at a time writes it.
struct CursorFile {
    /// The most sinks of which the file keeps the place, those included that are gone.
    static let entryCountLimit = 256
    static let entryByteCount = 2 * CursorSlot.byteCount
    static let byteCount = entryCountLimit * entryByteCount

    /// What an entry of the file says.
    enum Entry: Equatable {
        case empty
        case slot(CursorSlot)
        /// Neither slot can be read, and something was there.
        case damaged
    }

    private let file: any LedgerFile
    private(set) var entries: [Entry]
    // By entry the number of the last slot that is safe; absent when none is.
    private var durable: [Int: UInt64] = [:]
    // After a failed synchronisation the kernel may have forgotten what it was to write.
    private var mustRewrite = false

    /// Takes over an open file that has been read.
    ///
    /// - Parameter isDurable: false when what was read may only be in memory.
    init(file: any LedgerFile, entries: [Entry], isDurable: Bool = true) {
        self.file = file
        self.entries = entries
        mustRewrite = !isDurable
        for case (let index, .slot(let slot)) in entries.enumerated() {
            durable[index] = isDurable ? slot.writeNumber : slot.writeNumber &- 1
        }
    }

    /// Reads all entries from the bytes of the file, however many there are.
    static func read(_ bytes: Span<UInt8>) -> [Entry] {
        let zeros = [UInt8](repeating: 0, count: entryByteCount)
        return (0..<entryCountLimit).map { entry in
            let offset = entry * entryByteCount
            let end = min(bytes.count, offset + entryByteCount)
            guard offset < end else { return .empty }
            let isEmpty = ByteSearch.equal(
                bytes.extracting(offset..<end), zeros.span.extracting(0..<end - offset))
            if isEmpty { return .empty }
            let slots = [
                CursorSlot(bytes, at: offset),
                CursorSlot(bytes, at: offset + CursorSlot.byteCount),
            ].compactMap { $0 }
            guard let newest = slots.max(by: { $0.writeNumber < $1.writeNumber }) else {
                return .damaged
            }
            return .slot(newest)
        }
    }

    /// The slots that count.
    var slots: [CursorSlot] {
        entries.compactMap { entry in
            guard case .slot(let slot) = entry else { return nil }
            return slot
        }
    }

    /// True when something was written that a power cut may take back.
    var needsSynchronization: Bool {
        for case (let index, .slot(let slot)) in entries.enumerated()
        where durable[index] != slot.writeNumber { return true }
        return false
    }

    /// Writes cursors, so that they survive the process but not a power cut.
    ///
    /// Of the two slots of a sink it leaves the one alone that was synchronised last. After an
    /// error that one still counts, and the next call writes to the same slots again.
    mutating func write(
        _ cursors: [(sink: String, cursor: SinkCursor)], now: Timestamp, keeping: Set<String>
    ) throws(LedgerError) {
        var taken: Set<Int> = []
        for (sink, cursor) in cursors {
            guard let entry = place(of: sink, keeping: keeping, taken: taken) else {
                throw .refused(reason: "more than \(CursorFile.entryCountLimit) sinks")
            }
            taken.insert(entry)
            let slot = CursorSlot(
                sink: sink, writeNumber: nextNumber(entry), cursor: cursor, written: now)
            do {
                try write(slot, entry)
            } catch {
                throw .system(error)
            }
            entries[entry] = .slot(slot)
        }
    }

    /// Returns when all that was written is safe against power loss.
    mutating func synchronize() throws(LedgerError) {
        do {
            if mustRewrite {
                for case (let index, .slot(var slot)) in entries.enumerated()
                where durable[index] != slot.writeNumber {
                    slot.writeNumber = nextNumber(index)
                    try write(slot, index)
                    entries[index] = .slot(slot)
                }
            }
            mustRewrite = true
            try file.synchronizeData()
            mustRewrite = false
        } catch {
            throw .system(error)
        }
        for case (let index, .slot(let slot)) in entries.enumerated() {
            durable[index] = slot.writeNumber
        }
    }

    /// The number of the next write, which says which slot it goes to.
    private func nextNumber(_ entry: Int) -> UInt64 {
        guard case .slot(let slot) = entries[entry] else { return 1 }
        return slot.writeNumber &+ (durable[entry] == slot.writeNumber ? 1 : 2)
    }

    private func write(_ slot: CursorSlot, _ entry: Int) throws(SystemError) {
        var output = ByteWriter(capacity: CursorSlot.byteCount)
        slot.append(to: &output)
        let offset =
            entry * CursorFile.entryByteCount + Int(slot.writeNumber & 1) * CursorSlot.byteCount
        try output.withBytes { bytes throws(SystemError) in try file.write(bytes, at: offset) }
    }

    /// Empties the entries that nobody can read, when all sinks have a durable one.
    mutating func clearDamaged() throws(LedgerError) {
        let damaged = entries.indices.filter { entries[$0] == .damaged }
        guard !damaged.isEmpty else { return }
        let zeros = [UInt8](repeating: 0, count: CursorFile.entryByteCount)
        do {
            for index in damaged {
                try file.write(zeros.span, at: index * CursorFile.entryByteCount)
            }
            try file.synchronizeData()
        } catch {
            throw .system(error)
        }
        for index in damaged { entries[index] = .empty }
    }

    // Its own entry, else a free one, else that of the sink gone longest.
    private func place(of sink: String, keeping: Set<String>, taken: Set<Int>) -> Int? {
        var free: Int?
        var oldest: (entry: Int, written: Timestamp)?
        for (index, entry) in entries.enumerated() where !taken.contains(index) {
            switch entry {
            case .slot(let slot):
                if slot.sink == sink { return index }
                if keeping.contains(slot.sink) { continue }
                if slot.written < oldest?.written ?? Timestamp.latest {
                    oldest = (index, slot.written)
                }
            case .empty: free = free ?? index
            case .damaged: oldest = oldest ?? (index, Timestamp.latest)
            }
        }
        return free ?? oldest?.entry
    }
}
