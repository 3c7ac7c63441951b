// SPDX-License-Identifier: Apache-2.0
import Platform
import Synchronization

/// The folder to which damaged ranges are copied, so that nothing is lost for a later look.
final class Quarantine: Sendable {
    /// The most bytes that are kept; what is found beyond is counted only.
    static let byteLimit = 256 << 20
    /// How much is copied at a time.
    private static let pieceByteCount = 256 << 10

    private let folder: String
    private let storage: any LedgerStorage
    private let byteCount: Mutex<Int?> = Mutex(nil)

    init(folder: String, storage: any LedgerStorage) {
        self.folder = folder
        self.storage = storage
    }

    /// What became of a range.
    enum Copy {
        /// It is safe in the folder now.
        case made
        /// An earlier run had copied it.
        case old
        /// There was no room for it, or it could not be read.
        case none
    }

    /// Copies a range of a segment, whole or not at all.
    func keep(_ range: Range<Int>, of reader: SegmentReader) -> Copy {
        let name = SegmentName.quarantineName(of: reader.number, offset: range.lowerBound)
        let path = folder + "/" + name
        return byteCount.withLock { used in
            do throws(SystemError) {
                if used == nil { used = try measure() }
                let before = used ?? 0
                guard before + range.count <= Quarantine.byteLimit else { return .none }
                try make(path, range, reader.file)
                used = before + range.count
                return .made
            } catch {
                // The range stays where it is, so there is nothing to undo.
                return error.isAlreadyThere ? .old : .none
            }
        }
    }

    private func make(
        _ path: String, _ range: Range<Int>, _ source: any LedgerFile
    ) throws(SystemError) {
        let file = try storage.create(path, byteCount: range.count)
        do throws(SystemError) {
            try copy(range, of: source, to: file)
            try storage.synchronizeFolder(folder)
        } catch {
            // Half a copy would pass for a whole one at the next start.
            try? storage.remove(path)
            throw error
        }
    }

    private func measure() throws(SystemError) -> Int {
        try storage.createFolder(folder)
        var total = 0
        for name in try storage.names(in: folder) {
            total += try storage.open(folder + "/" + name, isWritable: false).measure().byteCount
        }
        return total
    }

    private func copy(
        _ range: Range<Int>, of source: any LedgerFile, to target: any LedgerFile
    ) throws(SystemError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            var piece = [UInt8]()
            let count = min(Quarantine.pieceByteCount, range.upperBound - offset)
            guard try source.append(to: &piece, count: count, at: offset) > 0 else { break }
            try target.write(piece.span, at: offset - range.lowerBound)
            offset += piece.count
        }
        try target.synchronizeData()
    }
}

extension LedgerDamage {
    /// Describes a range that was found.
    init(
        _ range: Range<Int>, _ header: FrameHeader?, segment: UInt64, isTail: Bool,
        _ copy: Quarantine.Copy
    ) {
        let batch = header?.type == .batch ? header : nil
        self.init(
            segment: segment, offset: range.lowerBound, byteCount: range.count,
            eventCount: batch?.count, firstSequence: batch?.first, isTornTail: isTail,
            isNew: copy != .old)
    }
}
