// SPDX-License-Identifier: Apache-2.0
import Platform

/// The folder to which damaged ranges are copied, so that nothing is lost for a later look.
final class Quarantine: Sendable {
    /// The most bytes that are kept; what is found beyond is counted only.
    static let byteLimit = 256 << 20
    /// How much is copied at a time.
    private static let pieceByteCount = 256 << 10

    private let folder: String
    private let storage: any LedgerStorage
    private let byteCount: Monitor<Int?> = Monitor(nil)

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

    /// Copies a range of a segment, whole or not at all; blocks that cannot be read are zeros.
    func keep(_ range: Range<Int>, of reader: SegmentReader) -> (copy: Copy, isUnreadable: Bool) {
        var reader = reader
        reader.isTolerant = true
        let name = SegmentName.quarantineName(of: reader.number, offset: range.lowerBound)
        return byteCount.withLock { used in
            var isUnreadable = false
            let kept = keep(range.count, name, &used) { file throws(SystemError) in
                isUnreadable = try copy(range, of: reader, to: file)
            }
            return (kept, isUnreadable)
        }
    }

    /// Notes that a segment is missing, by an empty file.
    func note(missing segment: UInt64) -> Copy {
        let name = SegmentName.quarantineName(of: segment, offset: 0)
        return byteCount.withLock { used in keep(0, name, &used) { _ in } }
    }

    private func keep(
        _ count: Int, _ name: String, _ used: inout Int?,
        _ fill: (any LedgerFile) throws(SystemError) -> Void
    ) -> Copy {
        let path = folder + "/" + name
        do throws(SystemError) {
            if used == nil { used = try measure() }
            let before = used ?? 0
            guard before + count <= Quarantine.byteLimit else { return .none }
            let file = try storage.create(path, byteCount: count)
            do throws(SystemError) {
                try fill(file)
                try file.synchronizeData()
                try storage.synchronizeFolder(folder)
            } catch {
                // Half a copy would pass for a whole one at the next start.
                try? storage.remove(path)
                throw error
            }
            used = before + count
            return .made
        } catch {
            // The range stays where it is, so there is nothing to undo.
            return error.isAlreadyThere ? .old : .none
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

    /// True when some of it could not be read.
    private func copy(
        _ range: Range<Int>, of source: SegmentReader, to target: any LedgerFile
    ) throws(SystemError) -> Bool {
        var offset = range.lowerBound
        var isUnreadable = false
        while offset < range.upperBound {
            let count = min(Quarantine.pieceByteCount, range.upperBound - offset)
            var (piece, holes) = try source.read(count, at: offset)
            guard !piece.isEmpty else { break }
            for hole in holes {
                isUnreadable = true
                for index in hole { piece[index] = 0 }
            }
            try target.write(piece.span, at: offset - range.lowerBound)
            offset += piece.count
        }
        return isUnreadable
    }
}
