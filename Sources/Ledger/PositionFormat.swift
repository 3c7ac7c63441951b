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

    // MARK: Forgotten positions

    /// Appends a count and the keys of positions that are given up.
    static func append(forgotten identities: [Position.Identity], to output: inout ByteWriter) {
        output.append(littleEndian: UInt32(identities.count))
        for identity in identities {
            let key = key(of: identity)
            let input = Array(identity.input.utf8.prefix(Int(UInt16.max)))
            output.append(identity.tag)
            output.append(version)
            output.append(littleEndian: UInt16(input.count))
            output.append(littleEndian: UInt32(key.count + 1))
            output.append(input)
            output.append(UInt8(key.count))
            output.append(key)
        }
    }

    /// Reads what `append(forgotten:to:)` wrote, from exactly this range.
    static func readForgotten(
        _ bytes: borrowing [UInt8], _ range: Range<Int>
    ) throws(FrameProblem) -> [Position.Identity] {
        let span = bytes.span
        var reader = ByteReader(range)
        let count = Int(try reader.number(span) as UInt32)
        guard count <= FrameLimit.positionCountLimit, count <= reader.remaining / entryByteCount
        else { throw .damaged("\(count) forgotten positions are announced") }
        var identities = [Position.Identity]()
        identities.reserveCapacity(count)
        for _ in 0..<count {
            let tag: UInt8 = try reader.number(span)
            _ = try reader.take(1)
            let inputByteCount = Int(try reader.number(span) as UInt16)
            let payloadByteCount = Int(try reader.number(span) as UInt32)
            let input = try reader.text(span, count: inputByteCount)
            var payload = ByteReader(try reader.take(payloadByteCount))
            let keyByteCount = Int(try payload.number(span) as UInt8)
            let key = try payload.take(keyByteCount)
            identities.append(try identity(input: input, tag: tag, Array(bytes[key])))
        }
        guard reader.remaining == 0 else {
            throw .damaged("bytes are left behind the forgotten positions")
        }
        return identities
    }

    private static func identity(
        input: String, tag: UInt8, _ key: [UInt8]
    ) throws(FrameProblem) -> Position.Identity {
        switch tag {
        case fileTag:
            guard key.count == fileKeyByteCount else { throw .damaged("a file key is cut") }
            let high: UInt64 = ByteReader.number(key.span, at: 0)
            let low: UInt64 = ByteReader.number(key.span, at: 8)
            return Position.Identity(
                input: input, tag: tag,
                key: FileKey(high: high.byteSwapped, low: low.byteSwapped))
        case cursorTag, countTag: return Position.Identity(input: input, tag: tag, key: .zero)
        default:
            return Position.Identity(
                input: input, tag: tag, key: .zero, foreign: [UInt8(key.count)] + key)
        }
    }

    /// The key that the payload of a position begins with.
    private static func key(of identity: Position.Identity) -> [UInt8] {
        switch identity.tag {
        case fileTag:
            var key = ByteWriter(capacity: fileKeyByteCount)
            key.append(littleEndian: identity.key.high.byteSwapped)
            key.append(littleEndian: identity.key.low.byteSwapped)
            return key.makeArray()
        case cursorTag, countTag: return []
        default: return Array(identity.foreign.dropFirst().prefix(Int(identity.foreign.first ?? 0)))
        }
    }
}
