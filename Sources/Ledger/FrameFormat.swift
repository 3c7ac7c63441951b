// SPDX-License-Identifier: Apache-2.0
import Platform

// A segment is a file of frames, one behind the other, and zeros behind the last one:
//
//     ┌───────────────┬─────────┬─────────┬───────────────────────────┐
//     │ segment       │ batch   │ batch   │ 0 0 0 … room allocated    │
//     │ header frame  │ frame   │ frame   │ but not written yet       │
//     └───────────────┴─────────┴─────────┴───────────────────────────┘
//
//     frame   ┌──────────────────────┬──────────────────────────────┐
//             │ header, 64 bytes     │ payload, `length` bytes      │
//             └──────────────────────┴──────────────────────────────┘
//     header  magic 4 │ version │ type │ codec │ 0 │ length 4 │ payload CRC 4 │ segment 8
//             stream id 8 │ first 8 │ count 4 │ key id 4 │ nonce 12 │ header CRC 4
//     payload sections: tag │ version │ 0 0 │ length 4 │ bytes
//
// Why it looks like this. The header has a checksum of its own, so that after damage the next
// frame can be found without trusting anything before it, and a length that is not covered by a
// good checksum is never used. The magic begins with a byte that UTF-8 never holds, so a body
// cannot pretend to be a frame. The segment's number is in each frame, so blocks that the disk
// mixed up do not pass. Zeros are the end because the file system answers zeros for room that was
// allocated and not written, and because a page that was lost reads as zeros too. Checksums are
// over what lies on disk, so that damage is found, and told from a missing key, without any key.
//
// Everything here is a function from bytes to values or back. Bytes from disk are not trusted:
// each count is compared with what is there before it is used, and what does not fit is thrown as
// a `FrameProblem`. The bytes are fixed by docs/formats/frame.md.

/// The kinds of frames.
public struct FrameType: RawRepresentable, Hashable, Sendable {
    /// The byte in the header.
    public let rawValue: UInt8

    /// Wraps the byte of a header; any value is a type, perhaps one of a later version.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The first frame of a segment, with a snapshot of the whole state.
    public static let segmentHeader = FrameType(rawValue: 1)
    /// One commit.
    public static let batch = FrameType(rawValue: 2)
    /// Reserved for an index behind the last batch; readers skip it.
    public static let footer = FrameType(rawValue: 3)
    /// What a repair puts over a damaged range; readers skip it.
    public static let gap = FrameType(rawValue: 4)
}

/// How the bodies of a frame are stored.
public enum FrameCodec: UInt8, Sendable, CaseIterable {
    /// As they are.
    case raw = 0
    /// One zstd frame (RFC 8878).
    case zstd = 1
}

/// The bounds of what a frame may hold.
public enum FrameLimit {
    /// The most bytes of a payload.
    public static let payloadByteLimit = 64 << 20
    /// The most events of a frame.
    public static let eventCountLimit = 1 << 20
    /// The most positions of a frame or a snapshot; so many of usual length fit into a payload.
    public static let positionCountLimit = 1 << 17
    /// The most bytes of a stream's name.
    public static let streamByteLimit = 512
    /// The most bytes of a sink's id.
    public static let sinkByteLimit = 64
    /// The most bytes of bodies that one batch should hold; a longer event stands alone.
    public static let bodyByteLimit = 4 << 20
    /// Segment numbers stay below this.
    public static let segmentNumberLimit: UInt64 = 1 << 63
}

/// What is wrong with bytes that should be a frame.
enum FrameProblem: Error, Equatable {
    /// They are not what a writer of this version wrote.
    case damaged(String)
    /// They are whole, but written by a version that knows more.
    case unsupported(String)
    /// They are whole, but nobody has given the key with this id.
    case locked(UInt32)
}

/// The first 64 bytes of a frame.
struct FrameHeader: Equatable, Sendable {
    static let byteCount = 64
    static let version: UInt8 = 1
    static let magic: [UInt8] = [0xF5, 0x53, 0x4C, 0x46]
    private static let checksumOffset = 60

    var type: FrameType
    var codec: UInt8
    var payloadByteCount: Int
    var payloadChecksum: UInt32
    var segment: UInt64
    var streamID: UInt64
    var first: UInt64
    var count: Int
    var keyID: UInt32 = 0
    /// The number of the frame in its segment; 0 while the key id is 0.
    var number: UInt64 = 0

    /// What 64 bytes turned out to be.
    enum Reading: Equatable {
        case header(FrameHeader)
        /// A frame of another version of the format.
        case otherVersion(UInt8)
        case nothing
    }

    /// Reads the header at `offset`; total, whatever the bytes are.
    static func read(_ bytes: Span<UInt8>, at offset: Int) -> Reading {
        guard offset >= 0, bytes.count - offset >= byteCount else { return .nothing }
        for index in 0..<magic.count where bytes[offset + index] != magic[index] {
            return .nothing
        }
        let checksum = CRC32C.checksum(bytes.extracting(offset..<offset + checksumOffset))
        var reader = ByteReader(offset + 4..<offset + byteCount)
        guard checksum == ByteReader.number(bytes, at: offset + checksumOffset) else {
            return .nothing
        }
        let version: UInt8 = reader.unchecked(bytes)
        guard version == FrameHeader.version else { return .otherVersion(version) }
        let type: UInt8 = reader.unchecked(bytes)
        let codec: UInt8 = reader.unchecked(bytes)
        let _: UInt8 = reader.unchecked(bytes)
        let length: UInt32 = reader.unchecked(bytes)
        let payloadChecksum: UInt32 = reader.unchecked(bytes)
        let segment: UInt64 = reader.unchecked(bytes)
        let streamID: UInt64 = reader.unchecked(bytes)
        let first: UInt64 = reader.unchecked(bytes)
        let count: UInt32 = reader.unchecked(bytes)
        let keyID: UInt32 = reader.unchecked(bytes)
        let number: UInt64 = reader.unchecked(bytes)
        guard Int(length) <= FrameLimit.payloadByteLimit,
            Int(count) <= FrameLimit.eventCountLimit
        else { return .nothing }
        return .header(
            FrameHeader(
                type: FrameType(rawValue: type), codec: codec, payloadByteCount: Int(length),
                payloadChecksum: payloadChecksum, segment: segment, streamID: streamID,
                first: first, count: Int(count), keyID: keyID, number: number))
    }

    /// Writes the header over the 64 bytes that `reserve(in:)` left.
    func write(to output: inout ByteWriter, at offset: Int) {
        output.overwrite(FrameHeader.magic.span, at: offset)
        output.overwrite(littleEndian: FrameHeader.version, at: offset + 4)
        output.overwrite(littleEndian: type.rawValue, at: offset + 5)
        output.overwrite(littleEndian: codec, at: offset + 6)
        output.overwrite(littleEndian: UInt8(0), at: offset + 7)
        output.overwrite(littleEndian: UInt32(payloadByteCount), at: offset + 8)
        output.overwrite(littleEndian: payloadChecksum, at: offset + 12)
        output.overwrite(littleEndian: segment, at: offset + 16)
        output.overwrite(littleEndian: streamID, at: offset + 24)
        output.overwrite(littleEndian: first, at: offset + 32)
        output.overwrite(littleEndian: UInt32(count), at: offset + 40)
        output.overwrite(littleEndian: keyID, at: offset + 44)
        output.overwrite(littleEndian: number, at: offset + 48)
        output.overwrite(littleEndian: UInt32(0), at: offset + 56)
        let checksum = output.withBytes { bytes in
            CRC32C.checksum(bytes.extracting(offset..<offset + FrameHeader.checksumOffset))
        }
        output.overwrite(littleEndian: checksum, at: offset + FrameHeader.checksumOffset)
    }

    /// Leaves room for a header in front of a payload.
    static func reserve(in output: inout ByteWriter) {
        for _ in 0..<byteCount / 8 { output.append(littleEndian: UInt64(0)) }
    }

    /// Header and payload together.
    var frameByteCount: Int { FrameHeader.byteCount + payloadByteCount }

    /// True when the payload is what the writer wrote.
    func matches(payload: Span<UInt8>) -> Bool {
        payload.count == payloadByteCount && CRC32C.checksum(payload) == payloadChecksum
    }

    /// The first eight bytes of the hash of a stream's name, as the header keeps them.
    static func streamID(_ stream: String) -> UInt64 {
        guard !stream.isEmpty else { return 0 }
        let digest = SHA256.digest(Array(stream.utf8).span)
        return (0..<8).reduce(0) { $0 | UInt64(digest[byte: $1]) << UInt64($1 * 8) }
    }
}
