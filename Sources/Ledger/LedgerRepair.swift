// SPDX-License-Identifier: Apache-2.0
import Platform

/// Brings a ledger that no agent uses into order: what cannot be read is set aside, so that it is
/// not stumbled over again.
///
/// Nothing that can be read is changed, and whatever is overwritten or cut lies in `quarantine/`
/// first. An agent needs no repair to go on; it skips damage by itself.
public struct LedgerRepair: ~Copyable {
    /// One thing that is out of order, and what would be done about it.
    public struct Finding: Sendable, Equatable, CustomStringConvertible {
        enum Action: Sendable, Equatable {
            case blank(UInt64, Range<Int>)
            case cut(UInt64, Range<Int>)
            case remove(UInt64)
            case leave
        }

        let action: Action
        /// One sentence.
        public let description: String

        /// False when nothing can be done about it.
        public var isRepairable: Bool { action != .leave }
    }

    private let folder: String
    private let storage: any LedgerStorage
    private let quarantine: Quarantine
    // Held as long as this value lives.
    private let lock: FileLock?

    /// Takes a state directory for itself; throws `locked` while an agent runs.
    public init(directory: String) throws(LedgerError) {
        lock = try Ledger.lock(directory)
        folder = directory + "/ledger"
        storage = DiskStorage()
        quarantine = Quarantine(folder: folder + "/quarantine", storage: storage)
    }

    init(folder: String, storage: any LedgerStorage) {
        self.folder = folder
        self.storage = storage
        quarantine = Quarantine(folder: folder + "/quarantine", storage: storage)
        lock = nil
    }

    /// Looks for all that is out of order, and changes nothing.
    public func look() throws(LedgerError) -> [Finding] {
        var findings: [Finding] = []
        do throws(SystemError) {
            let names = try storage.names(in: folder)
            let numbers = Recovery.segments(among: names)
            for number in numbers {
                findings += try look(at: number, isNewest: number == numbers.last)
            }
            guard names.contains("cursors") else { return findings }
            let file = try storage.open(folder + "/cursors", isWritable: false)
            var bytes: [UInt8] = []
            _ = try file.append(to: &bytes, count: CursorFile.byteCount, at: 0)
            let damagedCount = CursorFile.read(bytes.span).count { $0 == .damaged }
            if damagedCount > 0 {
                findings.append(
                    Finding(
                        action: .leave,
                        description: "cursors: \(damagedCount) entries cannot be read; at the next "
                            + "start these sinks begin at the oldest segment"))
            }
        } catch {
            throw .system(error)
        }
        return findings
    }

    private func look(at number: UInt64, isNewest: Bool) throws(SystemError) -> [Finding] {
        let reader = try open(number, isWritable: false)
        let limit = try reader.file.measure().byteCount
        let name = SegmentName.name(of: number)
        var findings: [Finding] = []
        var offset = 0
        while true {
            switch try reader.step(at: offset, limit: limit) {
            case .frame(let header, _): offset += header.frameByteCount
            case .damage(let range, _):
                let place = "\(name): bytes \(range.lowerBound) to \(range.upperBound - 1)"
                // A gap is a frame, which has at least its header.
                let fits = range.count >= FrameHeader.byteCount
                findings.append(
                    Finding(
                        action: fits ? .blank(number, range) : .leave,
                        description: place
                            + (fits
                                ? " are damaged; set them aside and blank them"
                                : " are damaged; too few to blank, readers skip them")))
                offset = range.upperBound
            case .tail(let range, _):
                findings.append(
                    Finding(
                        action: .cut(number, range),
                        description: "\(name): bytes from \(range.lowerBound) on are no frame; set "
                            + "them aside and cut them"))
                return findings
            case .otherVersion(let version):
                findings.append(
                    Finding(
                        action: .leave,
                        description: "\(name): byte \(offset): the format has the version "
                            + "\(version); a later sealtail wrote it"))
                return findings
            case .end:
                if offset == 0, !isNewest {
                    findings.append(
                        Finding(action: .remove(number), description: "\(name) is empty; remove it")
                    )
                }
                return findings
            }
        }
    }

    /// Does what a finding proposes; false when it was left, as when there is no room to set the
    /// range aside.
    public func apply(_ finding: Finding) throws(LedgerError) -> Bool {
        do throws(SystemError) {
            switch finding.action {
            case .leave: return false
            case .remove(let number):
                try storage.remove(SegmentName.path(of: number, in: folder))
                try storage.synchronizeFolder(folder)
                return true
            case .cut(let number, let range):
                let reader = try open(number, isWritable: true)
                guard quarantine.keep(range, of: reader).copy != .none else { return false }
                try reader.file.truncate(to: range.lowerBound)
                try reader.file.synchronizeData()
                return true
            case .blank(let number, let range):
                let reader = try open(number, isWritable: true)
                // The next start states it, for it does not come upon it any more.
                guard quarantine.keep(try describe(range, reader), of: reader).isSafe else {
                    return false
                }
                try blank(range, reader)
                return true
            }
        } catch {
            throw .system(error)
        }
    }

    private func describe(
        _ range: Range<Int>, _ reader: SegmentReader
    ) throws(SystemError) -> LedgerDamage {
        let names = try storage.names(in: folder)
        let probe = SequenceProbe(
            folder: folder, storage: storage, segments: Recovery.segments(among: names))
        let bytes = try reader.read(FrameHeader.byteCount, at: range.lowerBound).bytes
        guard case .header(let header) = FrameHeader.read(bytes.span, at: 0),
            header.segment == reader.number, header.frameByteCount == range.count
        else { return probe.describe(range, nil, reader, isTail: false) }
        return probe.describe(range, header, reader, isTail: false)
    }

    /// Puts gap frames over a range.
    private func blank(_ range: Range<Int>, _ reader: SegmentReader) throws(SystemError) {
        let zeros = [UInt8](repeating: 0, count: SegmentReader.windowByteCount)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: zeros.count) {
            let count = min(zeros.count, range.upperBound - start)
            try reader.file.write(zeros.span.extracting(0..<count), at: start)
        }
        try reader.file.synchronizeData()
        // Headers last: until then the range is as damaged as before.
        var start = range.lowerBound
        while start < range.upperBound {
            let count = LedgerRepair.gapByteCount(range.upperBound - start)
            var output = ByteWriter(capacity: count)
            FrameHeader.reserve(in: &output)
            for _ in FrameHeader.byteCount..<count { output.append(UInt8(0)) }
            FrameHeader(
                type: .gap, codec: FrameCodec.raw.rawValue, payloadByteCount: 0,
                payloadChecksum: 0, segment: reader.number, streamID: 0, first: 0, count: 0
            ).finish(&output, cipher: nil)
            output.truncate(to: FrameHeader.byteCount)
            try output.withBytes { bytes throws(SystemError) in
                try reader.file.write(bytes, at: start)
            }
            start += count
        }
        try reader.file.synchronizeData()
    }

    /// The length of the next gap frame, so that what is left is none or holds another one.
    private static func gapByteCount(_ rest: Int) -> Int {
        let most = FrameHeader.byteCount + FrameLimit.payloadByteLimit
        if rest <= most { return rest }
        return min(most, rest - FrameHeader.byteCount)
    }

    private func open(
        _ number: UInt64, isWritable: Bool
    ) throws(SystemError) -> SegmentReader {
        let path = SegmentName.path(of: number, in: folder)
        var reader = SegmentReader(
            file: try storage.open(path, isWritable: isWritable), number: number)
        reader.isTolerant = true
        return reader
    }
}
