// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Reads the batches of a ledger one by one, up to a place, without a lock and without changing
/// anything, while an agent runs or not.
///
/// The place is a sink's cursor or another one that is committed, so nothing that is being written
/// is ever looked at. Segments that are deleted on the way are left out and counted.
public struct LedgerWalk {
    private let folder: String
    private let storage: any LedgerStorage
    private let keys: EncryptionKeyRing?
    private let limit: LedgerPlace
    private let segments: [UInt64]

    // The segment that is read, and where.
    private var index = 0
    private var reader: SegmentReader?
    private var byteCount = 0
    private var offset = 0

    /// Segments that were there at the beginning and were gone when their turn came.
    public private(set) var missingCount = 0
    /// Ranges that are no frames, or frames that cannot be understood.
    public private(set) var damagedCount = 0

    /// Prepares to read a state directory, or the folder of the ledger in it.
    ///
    /// - Parameters:
    ///   - keys: what encrypted segments are read with.
    ///   - limit: where reading ends.
    public init(
        directory: String, keys: EncryptionKeyRing? = nil, until limit: LedgerPlace
    ) throws(LedgerError) {
        let inner = directory + "/ledger"
        try self.init(
            folder: FileSystem.exists(inner) ? inner : directory, storage: DiskStorage(),
            keys: keys, until: limit)
    }

    init(
        folder: String, storage: any LedgerStorage, keys: EncryptionKeyRing? = nil,
        until limit: LedgerPlace
    ) throws(LedgerError) {
        self.folder = folder
        self.storage = storage
        self.keys = keys
        self.limit = limit
        do {
            segments = Recovery.segments(among: try storage.names(in: folder)).filter {
                LedgerPlace(segment: $0) < limit
            }
        } catch {
            throw .system(error)
        }
    }

    /// How much of the way is behind, from 0 to 1.
    public var progress: Double {
        guard index < segments.count else { return 1 }
        let part = byteCount > 0 ? Double(offset) / Double(byteCount) : 0
        return (Double(index) + min(part, 1)) / Double(segments.count)
    }

    /// The next batch, with those of its events that lie before the end of the way; nil there.
    ///
    /// Throws when a frame needs a key that is not there, was written by a later version, or when
    /// the disk refuses to read.
    public mutating func next() throws(LedgerError) -> (batch: SealedBatch, events: Range<Int>)? {
        while index < segments.count {
            let opened = try LedgerError.wrapping { () throws(SystemError) in try open() }
            guard let reader = opened else { continue }
            let place = LedgerPlace(segment: reader.number, offset: UInt64(offset))
            // A frame of which only some events were passed ends the way.
            guard place.at(index: 0) < limit else {
                leave()
                continue
            }
            let step = try LedgerError.wrapping { () throws(SystemError) in
                try reader.step(at: offset, limit: byteCount)
            }
            switch step {
            case .end: leave()
            case .tail:
                damagedCount += 1
                leave()
            case .otherVersion(let version):
                throw .otherVersion(version, path: path(reader), offset: offset)
            case .damage(let range, _):
                damagedCount += 1
                offset = range.upperBound
            case .frame(let header, let payload):
                let start = offset
                offset += header.frameByteCount
                guard header.type == .batch,
                    let batch = try decode(header, payload, at: start, reader)
                else { continue }
                var end = batch.events.count
                if limit.at(index: 0) == place { end = min(end, Int(limit.index)) }
                if end > 0 { return (batch, 0..<end) }
            }
        }
        return nil
    }

    /// The segment that is read; nil, and on to the next one, when its file is gone.
    private mutating func open() throws(SystemError) -> SegmentReader? {
        if let reader { return reader }
        let number = segments[index]
        do throws(SystemError) {
            let file = try storage.open(
                SegmentName.path(of: number, in: folder), isWritable: false)
            var opened = SegmentReader(file: file, number: number)
            opened.isTolerant = true
            byteCount = try file.measure().byteCount
            offset = 0
            reader = opened
            return opened
        } catch {
            guard error.isNotFound else { throw error }
            missingCount += 1
            leave()
            return nil
        }
    }

    private mutating func leave() {
        reader = nil
        index += 1
    }

    private mutating func decode(
        _ header: FrameHeader, _ payload: [UInt8], at offset: Int, _ reader: SegmentReader
    ) throws(LedgerError) -> SealedBatch? {
        do throws(FrameProblem) {
            return try BatchFormat.decode(header, payload: payload, keys: keys)
        } catch {
            if let refusal = error.refusal(path: path(reader), offset: offset) { throw refusal }
            damagedCount += 1
            return nil
        }
    }

    private func path(_ reader: SegmentReader) -> String {
        SegmentName.path(of: reader.number, in: folder)
    }
}
