// SPDX-License-Identifier: Apache-2.0
import Platform

// A sink's entry in the file `cursors` is two slots, written in turn:
//
//     ┌────────────┬────────────┬────────────┬────────────┬────
//     │ A, write 8 │ A, write 9 │ B, write 4 │ B, write 3 │ …      512 bytes each
//     └────────────┴────────────┴────────────┴────────────┴────
//
// A write that a crash tears costs only the slot it was made to; the other one holds the place of
// a moment before, and events are then sent twice, never left out. The bytes are fixed by
// docs/formats/frame.md §8.

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
    /// The totals in the order of the file.
    var stored: [UInt64] { [offered, delivered, rejected, filtered, evicted] + others }

    /// Reads totals in the order of the file; those that are missing are zero.
    init(stored: [UInt64]) {
        func total(_ index: Int) -> UInt64 { index < stored.count ? stored[index] : 0 }
        self.init(
            offered: total(0), delivered: total(1), rejected: total(2), filtered: total(3),
            evicted: total(4))
        others = Array(stored.dropFirst(5))
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

    /// Takes over an open file that has been read.
    init(file: any LedgerFile, entries: [Entry]) {
        self.file = file
        self.entries = entries
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

    /// Writes cursors and returns when they are durable.
    ///
    /// After an error the slots written last before still count, and the same slots are tried
    /// again by the next call.
    mutating func write(
        _ cursors: [(sink: String, cursor: SinkCursor)], now: Timestamp, keeping: Set<String>
    ) throws(LedgerError) {
        var changed: [(entry: Int, slot: CursorSlot)] = []
        for (sink, cursor) in cursors {
            let taken = Set(changed.map(\.entry))
            guard let entry = place(of: sink, keeping: keeping, taken: taken) else {
                throw .refused(reason: "more than \(CursorFile.entryCountLimit) sinks")
            }
            var number: UInt64 = 1
            if case .slot(let old) = entries[entry] { number = old.writeNumber &+ 1 }
            changed.append(
                (entry, CursorSlot(sink: sink, writeNumber: number, cursor: cursor, written: now)))
        }
        do {
            for (entry, slot) in changed {
                var output = ByteWriter(capacity: CursorSlot.byteCount)
                slot.append(to: &output)
                let offset =
                    entry * CursorFile.entryByteCount
                    + Int(slot.writeNumber & 1) * CursorSlot.byteCount
                let bytes = output.makeArray()
                try file.write(bytes.span, at: offset)
            }
            try file.synchronizeData()
        } catch {
            throw .system(error)
        }
        for (entry, slot) in changed { entries[entry] = .slot(slot) }
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
