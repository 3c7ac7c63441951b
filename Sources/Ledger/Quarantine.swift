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

    /// Sets damage aside, and completes what is said of it. Before it is known in the folder, it is
    /// noted there that it is to be stated, so that the death of the agent cannot come in between.
    func keep(
        _ damage: LedgerDamage, of reader: SegmentReader
    ) -> (damage: LedgerDamage, isSafe: Bool) {
        owe(damage)
        let range = damage.offset..<damage.offset + damage.byteCount
        let kept = keep(range, of: reader)
        var damage = damage
        damage.isNew = kept.copy != .old
        if kept.isUnreadable { damage.kind = .unreadable }
        return (damage, kept.copy != .none)
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
    func note(_ missing: LedgerDamage) -> LedgerDamage {
        owe(missing)
        let name = SegmentName.quarantineName(of: missing.segment, offset: 0)
        var damage = missing
        damage.isNew = byteCount.withLock { used in keep(0, name, &used) { _ in } } != .old
        return damage
    }

    // MARK: What is to be stated

    // A note is the kind, and how many bytes and events, in clear: no more than a statement says.
    private static let noteByteLimit = 100

    private func path(_ damage: LedgerDamage, isDue: Bool) -> String {
        folder + "/"
            + SegmentName.quarantineName(
                of: damage.segment, offset: damage.offset, isDue: isDue)
    }

    private func owe(_ damage: LedgerDamage) {
        guard !damage.isTornTail,
            (try? storage.open(path(damage, isDue: false), isWritable: false)) == nil
        else { return }
        let count = damage.eventCount.map { String($0) } ?? "unknown"
        let text = Array("\(damage.kind.rawValue) \(damage.byteCount) \(count)\n".utf8)
        let path = path(damage, isDue: true)
        do throws(SystemError) {
            try storage.createFolder(folder)
            let file = try storage.create(path, byteCount: text.count)
            try file.write(text.span, at: 0)
            try file.synchronizeData()
            try storage.synchronizeFolder(folder)
        } catch {
            // Without room for the note the damage is stated all the same, if the agent lives.
        }
    }

    /// The damage that was set aside and never stated.
    func due() -> [LedgerDamage] {
        let names = (try? storage.names(in: folder)) ?? []
        return names.compactMap { name in
            SegmentName.due(name).map { due(name, $0.number, $0.offset) }
        }
    }

    private func due(_ name: String, _ segment: UInt64, _ offset: Int) -> LedgerDamage {
        var bytes: [UInt8] = []
        let file = try? storage.open(folder + "/" + name, isWritable: false)
        _ = try? file?.append(to: &bytes, count: Quarantine.noteByteLimit, at: 0)
        // What a power cut left of a note still says where something was lost.
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
            .map(String.init)
        return LedgerDamage(
            segment: segment, offset: offset,
            byteCount: words.count > 1 ? UInt32(words[1]).map { Int($0) } ?? 0 : 0,
            eventCount: words.count > 2 ? UInt32(words[2]).map { Int($0) } : nil,
            firstSequence: nil, isTornTail: false, isNew: true,
            kind: words.first.flatMap(LedgerDamage.Kind.init) ?? .corrupt)
    }

    /// These are stated now.
    func forget(_ damage: [LedgerDamage]) {
        for damage in damage where !damage.isTornTail {
            // One that stays is stated once more, which is better than never.
            try? storage.remove(path(damage, isDue: true))
        }
    }

    // MARK: Copying

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
