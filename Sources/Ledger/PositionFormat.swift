// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Positions on disk: tag, version, input and a payload that begins with a key.
///
/// The key is there for readers that know nothing else of a position: two positions with the same
/// input, tag and key are one, and the later one counts. docs/formats/frame.md §5.
enum PositionFormat {
    private static let fileTag: UInt8 = 1
    private static let cursorTag: UInt8 = 2
    private static let countTag: UInt8 = 3
    private static let version: UInt8 = 1
    private static let fileKeyByteCount = 16
    private static let entryByteCount = 8

    /// Appends a count and the positions.
    static func append(_ positions: some Collection<Position>, to output: inout ByteWriter) {
        output.append(littleEndian: UInt32(positions.count))
        for position in positions { append(position, to: &output) }
    }

    private static func append(_ position: Position, to output: inout ByteWriter) {
        let (tag, version) = stamp(of: position.place)
        let input = Array(position.input.utf8.prefix(Int(UInt16.max)))
        output.append(tag)
        output.append(version)
        output.append(littleEndian: UInt16(input.count))
        let lengthOffset = output.count
        output.append(littleEndian: UInt32(0))
        output.append(input)
        let start = output.count
        switch position.place {
        case .file(let file): append(file, to: &output)
        case .cursor(let text):
            output.append(UInt8(0))
            output.append(text)
        case .count(let count):
            output.append(UInt8(0))
            output.append(littleEndian: count)
        case .foreign(_, _, let bytes): output.append(bytes)
        }
        output.overwrite(littleEndian: UInt32(output.count - start), at: lengthOffset)
    }

    private static func stamp(of place: Position.Place) -> (tag: UInt8, version: UInt8) {
        switch place {
        case .file: (fileTag, version)
        case .cursor: (cursorTag, version)
        case .count: (countTag, version)
        case .foreign(let tag, let version, _): (tag, version)
        }
    }

    private static func append(_ file: FilePosition, to output: inout ByteWriter) {
        output.append(UInt8(fileKeyByteCount))
        output.append(littleEndian: file.key.high.byteSwapped)
        output.append(littleEndian: file.key.low.byteSwapped)
        output.append(littleEndian: file.inode)
        output.append(littleEndian: file.device)
        output.append(littleEndian: file.generation)
        output.append(littleEndian: file.size)
        output.append(file.firstRecord)
        output.append(littleEndian: file.firstRecordByteCount)
        output.append(file.tail)
        output.append(littleEndian: file.offset)
        output.append(file.path)
    }

    /// Reads what `append` wrote, from exactly this range.
    static func read(
        _ bytes: borrowing [UInt8], _ range: Range<Int>
    ) throws(FrameProblem) -> [Position] {
        let span = bytes.span
        var reader = ByteReader(range)
        let count = Int(try reader.number(span) as UInt32)
        guard count <= FrameLimit.positionCountLimit, count <= reader.remaining / entryByteCount
        else { throw .damaged("\(count) positions are announced") }
        var positions = [Position]()
        positions.reserveCapacity(count)
        for _ in 0..<count {
            let tag: UInt8 = try reader.number(span)
            let version: UInt8 = try reader.number(span)
            let inputByteCount = Int(try reader.number(span) as UInt16)
            let payloadByteCount = Int(try reader.number(span) as UInt32)
            let input = try reader.text(span, count: inputByteCount)
            let payload = try reader.take(payloadByteCount)
            let place = try place(tag: tag, version: version, bytes, payload)
            positions.append(Position(input: input, place: place))
        }
        guard reader.remaining == 0 else { throw .damaged("bytes are left behind the positions") }
        return positions
    }

    private static func place(
        tag: UInt8, version: UInt8, _ bytes: borrowing [UInt8], _ payload: Range<Int>
    ) throws(FrameProblem) -> Position.Place {
        let span = bytes.span
        var reader = ByteReader(payload)
        let keyByteCount = Int(try reader.number(span) as UInt8)
        guard keyByteCount <= reader.remaining else {
            throw .damaged("the key of a position is cut")
        }
        switch (tag, version) {
        case (fileTag, PositionFormat.version):
            guard keyByteCount == fileKeyByteCount else { throw .damaged("a file key is cut") }
            return .file(try file(span, &reader))
        case (cursorTag, PositionFormat.version):
            _ = try reader.take(keyByteCount)
            return .cursor(try reader.text(span, count: reader.remaining))
        case (countTag, PositionFormat.version):
            _ = try reader.take(keyByteCount)
            return .count(try reader.number(span))
        default:
            return .foreign(tag: tag, version: version, bytes: Array(bytes[payload]))
        }
    }

    private static func file(
        _ bytes: Span<UInt8>, _ reader: inout ByteReader
    ) throws(FrameProblem) -> FilePosition {
        let high: UInt64 = try reader.number(bytes)
        let low: UInt64 = try reader.number(bytes)
        let inode: UInt64 = try reader.number(bytes)
        let device: UInt64 = try reader.number(bytes)
        let generation: UInt32 = try reader.number(bytes)
        let size: UInt64 = try reader.number(bytes)
        let firstRecord = try reader.digest(bytes)
        let firstRecordByteCount: UInt16 = try reader.number(bytes)
        let tail = try reader.digest(bytes)
        let offset: UInt64 = try reader.number(bytes)
        let path = try reader.text(bytes, count: reader.remaining)
        return FilePosition(
            key: FileKey(high: high.byteSwapped, low: low.byteSwapped), inode: inode,
            device: device, generation: generation, size: size, firstRecord: firstRecord,
            firstRecordByteCount: firstRecordByteCount, tail: tail, offset: offset, path: path)
    }

    /// What must be equal for a later position to replace an earlier one.
    struct Identity: Hashable {
        let input: String
        let tag: UInt8
        let key: [UInt8]
    }

    /// The identity of a position, of those too that this version cannot read.
    static func identity(of position: Position) -> Identity {
        switch position.place {
        case .file(let file):
            var key = ByteWriter(capacity: fileKeyByteCount)
            key.append(littleEndian: file.key.high.byteSwapped)
            key.append(littleEndian: file.key.low.byteSwapped)
            return Identity(input: position.input, tag: fileTag, key: key.makeArray())
        case .cursor: return Identity(input: position.input, tag: cursorTag, key: [])
        case .count: return Identity(input: position.input, tag: countTag, key: [])
        case .foreign(let tag, _, let bytes):
            let key = bytes.dropFirst().prefix(Int(bytes.first ?? 0))
            return Identity(input: position.input, tag: tag, key: Array(key))
        }
    }
}

/// The newest position of everything that is read, in the order in which each was first seen.
struct PositionTable {
    private(set) var positions: [Position] = []
    private var places: [PositionFormat.Identity: Int] = [:]

    /// Replaces or adds positions; of two with one identity the later counts.
    mutating func merge(_ newer: [Position]) {
        for position in newer {
            let identity = PositionFormat.identity(of: position)
            if let place = places[identity] {
                positions[place] = position
            } else {
                places[identity] = positions.count
                positions.append(position)
            }
        }
    }

    /// Forgets positions of files that are gone for good.
    mutating func remove(_ gone: [Position]) {
        let identities = Set(gone.map { PositionFormat.identity(of: $0) })
        let kept = positions.filter { !identities.contains(PositionFormat.identity(of: $0)) }
        positions = []
        places = [:]
        merge(kept)
    }
}
