// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What one segment holds.
public struct SegmentReport: Sendable {
    /// The number of the segment.
    public let number: UInt64
    /// The room that the file takes.
    public let byteCount: Int
    /// Where its last frame ends.
    public internal(set) var usedByteCount = 0
    /// When it was begun; nil when its header cannot be read.
    public internal(set) var created: Timestamp?
    /// How many batches it holds.
    public internal(set) var frameCount = 0
    /// How many events they hold.
    public internal(set) var eventCount = 0
    /// The streams in it, in order, with the first and the last number of each.
    public internal(set) var streams: [StreamRange] = []
    /// The key that it is encrypted with; nil when it is in clear.
    public internal(set) var keyID: UInt32?
    /// Bytes that a repair has blanked.
    public internal(set) var gapByteCount = 0
    /// Ranges that are no frames.
    public internal(set) var damage: [LedgerDamage] = []
    /// Frames of types that this version does not know.
    public internal(set) var skippedFrameCount = 0
    /// What is wrong with whole frames, in sentences; at most `LedgerInspection.problemLimit`.
    public internal(set) var problems: [String] = []

    /// A run of numbers of one stream.
    public struct StreamRange: Sendable, Equatable {
        /// The stream.
        public let stream: String
        /// The first number.
        public let first: UInt64
        /// The last number.
        public internal(set) var last: UInt64
    }
}

/// Reads a ledger without a lock and without changing anything, while an agent runs or not.
public struct LedgerInspection {
    /// The most sentences about one segment.
    public static let problemLimit = 100

    let folder: String
    let storage: any LedgerStorage
    let keys: EncryptionKeyRing?
    /// The numbers of the segments, in order.
    public let segments: [UInt64]

    // What the next frame has to go on from.
    private var stream = ""
    private var next: UInt64 = 0
    private var head = Digest.zero
    private var isBroken = true

    /// Opens a state directory, or the folder of the ledger in it.
    ///
    /// - Parameter keys: what encrypted segments are read with.
    public init(directory: String, keys: EncryptionKeyRing? = nil) throws(LedgerError) {
        let inner = directory + "/ledger"
        try self.init(
            folder: FileSystem.exists(inner) ? inner : directory, storage: DiskStorage(),
            keys: keys)
    }

    init(
        folder: String, storage: any LedgerStorage, keys: EncryptionKeyRing? = nil
    ) throws(LedgerError) {
        self.folder = folder
        self.storage = storage
        self.keys = keys
        do {
            segments = Recovery.segments(among: try storage.names(in: folder))
        } catch {
            throw .system(error)
        }
    }

    /// The cursors in the file, by sink; an entry that cannot be read is left out and counted.
    public func cursors() throws(LedgerError) -> (
        cursors: [(sink: String, cursor: SinkCursor, written: Timestamp)], damagedCount: Int
    ) {
        var bytes: [UInt8] = []
        do {
            let file = try storage.open(folder + "/cursors", isWritable: false)
            _ = try file.append(to: &bytes, count: CursorFile.byteCount, at: 0)
        } catch {
            guard error.isNotFound else { throw .system(error) }
        }
        let entries = CursorFile.read(bytes.span)
        var found: [(sink: String, cursor: SinkCursor, written: Timestamp)] = []
        for case .slot(let slot) in entries {
            found.append((slot.sink, slot.cursor, slot.written))
        }
        return (found.sorted { $0.sink < $1.sink }, entries.count { $0 == .damaged })
    }

    /// Walks over one segment, hands on each batch and says what is there.
    ///
    /// Segments are taken in order, so that what spans two of them can be compared. With
    /// `checking`, each leaf is computed again from its body, and numbers and chain heads must go
    /// on from one frame to the next. Signatures are another matter: `sealtail verify` checks them.
    ///
    /// - Parameter visit: takes a batch, and answers false to stop.
    public mutating func inspect(
        _ number: UInt64, checking: Bool, _ visit: (SealedBatch) -> Bool = { _ in true }
    ) throws(LedgerError) -> SegmentReport {
        let path = SegmentName.path(of: number, in: folder)
        let (reader, limit) = try LedgerError.wrapping { () throws(SystemError) in
            var reader = SegmentReader(
                file: try storage.open(path, isWritable: false), number: number)
            reader.isTolerant = true
            return (reader, try reader.file.measure().byteCount)
        }
        let probe = SequenceProbe(folder: folder, storage: storage, segments: segments)
        var report = SegmentReport(number: number, byteCount: limit)
        var offset = 0
        while true {
            let step = try LedgerError.wrapping { () throws(SystemError) in
                try reader.step(at: offset, limit: limit)
            }
            switch step {
            case .end: return report
            case .otherVersion(let version):
                note("byte \(offset): the format has the version \(version)", &report)
                return report
            case .tail(let range, let header):
                report.damage.append(probe.describe(range, header, reader, isTail: true))
                isBroken = true
                return report
            case .damage(let range, let header):
                report.damage.append(probe.describe(range, header, reader, isTail: false))
                isBroken = true
                offset = range.upperBound
            case .frame(let header, let payload):
                let goesOn = try take(header, payload, at: offset, checking, visit, &report)
                offset += header.frameByteCount
                report.usedByteCount = offset
                if !goesOn { return report }
            }
        }
    }

    private mutating func take(
        _ header: FrameHeader, _ payload: [UInt8], at offset: Int, _ checking: Bool,
        _ visit: (SealedBatch) -> Bool, _ report: inout SegmentReport
    ) throws(LedgerError) -> Bool {
        if header.keyID != 0 { report.keyID = header.keyID }
        do {
            switch header.type {
            case .segmentHeader:
                report.created =
                    try SegmentSnapshot(header, payload: payload, keys: keys).created
            case .batch:
                let batch = try BatchFormat.decode(header, payload: payload, keys: keys)
                report.frameCount += 1
                report.eventCount += batch.events.count
                count(batch, &report)
                if checking { check(batch, at: offset, &report) }
                return visit(batch)
            case .gap:
                // What a repair has set aside is stated in the chain, and no problem any more.
                report.gapByteCount += header.frameByteCount
                isBroken = true
            default: report.skippedFrameCount += 1
            }
        } catch {
            isBroken = true
            switch error {
            case .damaged(let reason), .unsupported(let reason):
                note("byte \(offset): \(reason)", &report)
            case .locked(let keyID):
                let path = SegmentName.path(of: report.number, in: folder)
                throw .keyMissing(path: path, keyID: keyID)
            }
        }
        return true
    }

    private func count(_ batch: SealedBatch, _ report: inout SegmentReport) {
        guard !batch.events.isEmpty else { return }
        let last = batch.firstSequence + UInt64(batch.events.count) - 1
        if report.streams.last?.stream == batch.stream {
            report.streams[report.streams.count - 1].last = last
        } else {
            report.streams.append(
                SegmentReport.StreamRange(
                    stream: batch.stream, first: batch.firstSequence, last: last))
        }
    }

    private mutating func check(
        _ batch: SealedBatch, at offset: Int, _ report: inout SegmentReport
    ) {
        let bodies = batch.bodies.span
        for (index, event) in batch.events.enumerated() {
            let leaf = SHA256.leaf(bodies.extracting(batch.bodyRange(index)))
            guard leaf != event.leaf else { continue }
            let sequence = batch.firstSequence + UInt64(index)
            note("byte \(offset): event \(sequence): body and leaf differ", &report)
        }
        guard !batch.events.isEmpty, let first = batch.groups.first else { return }
        if stream == batch.stream, !isBroken {
            if first.first != next {
                note("byte \(offset): number \(first.first) follows \(next)", &report)
            } else if first.previous != head {
                note("byte \(offset): the chain does not go on", &report)
            }
        }
        stream = batch.stream
        next = batch.firstSequence + UInt64(batch.events.count)
        head = batch.head
        isBroken = false
    }

    private func note(_ sentence: String, _ report: inout SegmentReport) {
        guard report.problems.count < LedgerInspection.problemLimit else { return }
        report.problems.append(sentence)
    }
}
