// SPDX-License-Identifier: Apache-2.0
import Platform

/// Finds out how many events a damaged or missing part of the ledger held.
///
/// Sequence numbers have no gaps. So what the frames before lead to, and what the frame behind
/// begins with, tells what is missing in between, without reading any of it.
struct SequenceProbe {
    /// A stream, and the number that comes next in it.
    private struct Point: Equatable {
        let streamID: UInt64
        let next: UInt64

        /// Before anything was ever written.
        static let beginning = Point(streamID: 0, next: 0)

        init(streamID: UInt64, next: UInt64) {
            self.streamID = streamID
            self.next = next
        }

        init(_ header: FrameHeader, behind: Bool) {
            streamID = header.streamID
            next = behind ? header.first &+ UInt64(header.count) : header.first
        }
    }

    /// The most segments that are looked at behind the gap.
    private static let segmentLimit = 64

    let folder: String
    let storage: any LedgerStorage
    /// The numbers of the segments that are there, in order.
    let segments: [UInt64]

    /// The events between the frames before `range` and the frame behind it; nil when one of the
    /// two cannot be found. Where the stream changes in between, those of the new one only.
    func lost(in range: Range<Int>, of segment: UInt64) -> (count: Int, first: UInt64)? {
        guard let before = point(before: range.lowerBound, in: segment),
            let after = point(behind: range.upperBound, in: segment)
        else { return nil }
        // A stream that is not the one before begins in the range, with the number 0.
        let first = before.streamID == after.streamID ? before.next : 0
        guard after.next >= first else { return nil }
        return (Int(clamping: after.next - first), first)
    }

    /// True when the last frame of a segment was never committed.
    ///
    /// That is so after a write that failed and was there all the same after a crash. The header
    /// of the segment behind it knows nothing of it, and its events come once more.
    func isGhost(_ last: FrameHeader, of segment: UInt64) -> Bool {
        guard last.count > 0 else { return false }
        for number in segments.drop(while: { $0 <= segment }).prefix(SequenceProbe.segmentLimit) {
            guard let reader = open(number), let found = segmentHeader(reader) else { continue }
            return found.streamID != last.streamID || found.first == last.first
        }
        return false
    }

    private func segmentHeader(_ reader: SegmentReader) -> FrameHeader? {
        guard let limit = try? reader.file.measure().byteCount,
            case .frame(let header, _) = try? reader.step(at: 0, limit: limit),
            header.type == .segmentHeader
        else { return nil }
        return header
    }

    private func point(before offset: Int, in segment: UInt64) -> Point? {
        guard offset > 0, let reader = open(segment) else {
            // All before it lies in the segment before.
            guard let previous = segments.last(where: { $0 < segment }) else {
                return segment == 1 ? Point.beginning : nil
            }
            return point(before: Int.max, in: previous)
        }
        guard let limit = try? reader.file.measure().byteCount else { return nil }
        var found: Point?
        var at = 0
        while at < offset, let step = try? reader.step(at: at, limit: limit) {
            switch step {
            case .frame(let header, let payload):
                reader.buffers.give(payload)
                at += header.frameByteCount
                found = point(header) ?? found
            case .damage(let range, let header):
                found = header.flatMap { point($0) }
                at = range.upperBound
            case .otherVersion, .tail, .end: return found
            }
        }
        return found
    }

    private func point(_ header: FrameHeader) -> Point? {
        guard header.type == .segmentHeader || header.type == .batch && header.count > 0 else {
            return nil
        }
        return Point(header, behind: true)
    }

    private func point(behind offset: Int, in segment: UInt64) -> Point? {
        if let reader = open(segment), let found = firstHeader(reader, from: offset) {
            return Point(found, behind: false)
        }
        for number in segments.drop(while: { $0 <= segment }).prefix(SequenceProbe.segmentLimit) {
            if let reader = open(number), let found = firstHeader(reader, from: 0) {
                return Point(found, behind: false)
            }
        }
        return nil
    }

    private func firstHeader(_ reader: SegmentReader, from offset: Int) -> FrameHeader? {
        func isWanted(_ header: FrameHeader) -> Bool {
            header.type == .segmentHeader || header.type == .batch && header.count > 0
        }
        guard let limit = try? reader.file.measure().byteCount else { return nil }
        var offset = offset
        while let step = try? reader.step(at: offset, limit: limit) {
            switch step {
            case .frame(let header, let payload):
                reader.buffers.give(payload)
                if isWanted(header) { return header }
                offset += header.frameByteCount
            case .damage(let range, let header):
                if let header, isWanted(header) { return header }
                offset = range.upperBound
            case .otherVersion, .tail, .end: return nil
            }
        }
        return nil
    }

    private func open(_ segment: UInt64) -> SegmentReader? {
        guard segments.contains(segment),
            let file = try? storage.open(
                SegmentName.path(of: segment, in: folder), isWritable: false)
        else { return nil }
        var reader = SegmentReader(file: file, number: segment)
        reader.isTolerant = true
        return reader
    }

    /// Describes a range that was found; `Quarantine` knows whether it is new.
    func describe(
        _ range: Range<Int>, _ header: FrameHeader?, _ reader: SegmentReader, isTail: Bool
    ) -> LedgerDamage {
        let batch = header?.type == .batch ? header : nil
        let isLast = reader.number == segments.last
        // At the end of an older segment, what nobody misses was never claimed.
        let found = batch == nil || isTail && !isLast ? lost(in: range, of: reader.number) : nil
        let count = found?.count ?? batch?.count
        // Nothing is claimed before the header of its segment is durable.
        let isUnclaimed = found.map { $0.count == 0 } ?? (range.lowerBound == 0)
        return LedgerDamage(
            segment: reader.number, offset: range.lowerBound, byteCount: range.count,
            eventCount: count, firstSequence: found?.first ?? batch?.first,
            isTornTail: isTail && (isLast || isUnclaimed), isNew: true, kind: .corrupt)
    }

    /// Describes a segment whose file is gone; nil when nothing is missing with it.
    func describe(missing segment: UInt64) -> LedgerDamage? {
        guard let found = lost(in: 0..<0, of: segment), found.count > 0 else { return nil }
        return LedgerDamage(
            segment: segment, offset: 0, byteCount: 0, eventCount: found.count,
            firstSequence: found.first, isTornTail: false, isNew: true, kind: .missing)
    }
}
