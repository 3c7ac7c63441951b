// SPDX-License-Identifier: Apache-2.0
import Platform

/// Reads one segment frame by frame and finds its way over whatever is damaged.
///
/// docs/formats/frame.md §7 says how. It always comes to an end: each step moves on.
struct SegmentReader {
    /// How much is read at a time while looking for the next frame.
    static let windowByteCount = 256 << 10
    /// What a disk refuses to read, it refuses in blocks of this size.
    static let blockByteCount = 4096
    // Neither zeros, which would be the end, nor the beginning of a frame.
    private static let filler: UInt8 = 0xEE

    let file: any LedgerFile
    let number: UInt64
    var buffers = PayloadBuffers()
    /// True to take blocks that the disk refuses to read for damage; else they are errors.
    var isTolerant = false

    /// What lies at a place.
    enum Step {
        /// A whole frame; the next place is behind it. The payload may be given back to `buffers`.
        case frame(FrameHeader, payload: [UInt8])
        /// A frame of another version of the format.
        case otherVersion(UInt8)
        /// A range that is no frame, with a frame behind it; the header where it can be read.
        case damage(Range<Int>, FrameHeader?)
        /// The same with nothing behind it.
        case tail(Range<Int>, FrameHeader?)
        /// Only zeros, or nothing.
        case end
    }

    /// Says what lies at `offset`; nothing at or behind `limit` is looked at.
    func step(at offset: Int, limit: Int) throws(SystemError) -> Step {
        guard offset < limit else { return .end }
        let bytes = try read(min(FrameHeader.byteCount, limit - offset), at: offset).bytes
        var found: FrameHeader?
        switch FrameHeader.read(bytes.span, at: 0) {
        case .otherVersion(let version): return .otherVersion(version)
        case .header(let header) where header.segment == number: found = header
        case .header, .nothing: break
        }
        if let header = found, header.frameByteCount <= limit - offset {
            let payload = try readPayload(header, at: offset + FrameHeader.byteCount)
            if header.matches(payload: payload.span) { return .frame(header, payload: payload) }
            // The header has its own checksum, so its length can be trusted.
            let end = offset + header.frameByteCount
            if try search(from: end, limit: limit).frame != nil {
                return .damage(offset..<end, header)
            }
        } else if let next = try search(from: offset + 1, limit: limit).frame {
            return .damage(offset..<next, found)
        }
        guard let last = try search(from: offset, limit: limit, ignoringFrames: true).lastByte
        else { return .end }
        return .tail(offset..<last + 1, found)
    }

    /// The place of the next header, and else of the last byte that is not zero.
    private func search(
        from start: Int, limit: Int, ignoringFrames: Bool = false
    ) throws(SystemError) -> (frame: Int?, lastByte: Int?) {
        let overlap = FrameHeader.byteCount - 1
        let zeros = [UInt8](repeating: 0, count: SegmentReader.windowByteCount + overlap)
        var lastByte: Int?
        var offset = start
        while offset < limit {
            let count = min(SegmentReader.windowByteCount + overlap, limit - offset)
            let window = try read(count, at: offset).bytes
            let span = window.span
            if !ByteSearch.equal(span, zeros.span.extracting(0..<span.count)) {
                if !ignoringFrames, let hit = firstHeader(span) { return (offset + hit, nil) }
                var index = span.count - 1
                while index >= 0, span[index] == 0 { index -= 1 }
                lastByte = offset + index
            }
            if span.count < count { break }
            offset += SegmentReader.windowByteCount
        }
        return (nil, lastByte)
    }

    private func firstHeader(_ bytes: Span<UInt8>) -> Int? {
        let magic = FrameHeader.magic
        let needle = magic.span
        var from = 0
        while from < bytes.count,
            let hit = ByteSearch.first(needle, in: bytes, from..<bytes.count)
        {
            switch FrameHeader.read(bytes, at: hit) {
            case .otherVersion: return hit
            case .header(let header) where header.segment == number: return hit
            case .header, .nothing: from = hit + 1
            }
        }
        return nil
    }

    private func readPayload(
        _ header: FrameHeader, at offset: Int
    ) throws(SystemError) -> [UInt8] {
        var payload = buffers.take()
        do {
            _ = try file.append(to: &payload, count: header.payloadByteCount, at: offset)
            return payload
        } catch {
            guard isTolerant, error.isUnreadable else { throw error }
            return try readBlocks(header.payloadByteCount, at: offset).bytes
        }
    }

    /// Reads bytes; with `isTolerant` it says which of them the disk did not give.
    func read(
        _ count: Int, at offset: Int
    ) throws(SystemError) -> (bytes: [UInt8], holes: [Range<Int>]) {
        var bytes = [UInt8]()
        do {
            _ = try file.append(to: &bytes, count: count, at: offset)
            return (bytes, [])
        } catch {
            guard isTolerant, error.isUnreadable else { throw error }
            return try readBlocks(count, at: offset)
        }
    }

    private func readBlocks(
        _ count: Int, at offset: Int
    ) throws(SystemError) -> (bytes: [UInt8], holes: [Range<Int>]) {
        var bytes = [UInt8]()
        var holes: [Range<Int>] = []
        while bytes.count < count {
            let start = bytes.count
            let at = offset + start
            let block = SegmentReader.blockByteCount
            let piece = min(block - at % block, count - start)
            do throws(SystemError) {
                guard try file.append(to: &bytes, count: piece, at: at) == piece else { break }
            } catch {
                guard error.isUnreadable else { throw error }
                bytes.removeLast(bytes.count - start)
                bytes += [UInt8](repeating: SegmentReader.filler, count: piece)
                holes.append(start..<bytes.count)
            }
        }
        return (bytes, holes)
    }
}

extension SystemError {
    /// The disk has the bytes no more; a later attempt may still get them.
    var isUnreadable: Bool { code == "EIO" }
}
