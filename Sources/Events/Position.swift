// SPDX-License-Identifier: Apache-2.0
import Platform

/// A place in an input from which reading can go on without loss or repetition.
///
/// A Position is committed together with the events of the records before it. It is tagged and
/// versioned on disk (docs/formats/frame.md), so a later agent can add kinds of places and an
/// earlier one carries along what it does not know.
public struct Position: Sendable, Hashable {
    /// The id of the input, as configured.
    public var input: String
    /// Where in the input.
    public var place: Place

    /// The kinds of places.
    public enum Place: Sendable, Hashable {
        /// In a file that is tailed.
        case file(FilePosition)
        /// An opaque cursor of a journal.
        case cursor(String)
        /// The number of records read so far, for inputs without a memory of their own.
        case count(UInt64)
        /// A place written by a later version: kept, never interpreted.
        case foreign(tag: UInt8, version: UInt8, bytes: [UInt8])
    }

    /// Names a place in an input.
    public init(input: String, place: Place) {
        self.input = input
        self.place = place
    }

    /// What must be equal for a later Position to replace an earlier one.
    public var identity: Identity {
        switch place {
        case .file(let file): Identity(input: input, tag: 1, key: file.key)
        case .cursor: Identity(input: input, tag: 2, key: .zero)
        case .count: Identity(input: input, tag: 3, key: .zero)
        case .foreign(let tag, _, let bytes):
            Identity(input: input, tag: tag, key: .zero, foreign: bytes)
        }
    }

    /// The part of a Position that stays the same while reading goes on.
    public struct Identity: Sendable, Hashable {
        /// The id of the input.
        public let input: String
        /// The kind of place: 1 a file, 2 a journal's cursor, 3 a count; else a later version's.
        public let tag: UInt8
        /// The name of the file's content; `FileKey.zero` for other kinds.
        public let key: FileKey
        /// The bytes of a kind that this version does not know.
        public let foreign: [UInt8]

        /// Names what a position is of.
        public init(input: String, tag: UInt8, key: FileKey, foreign: [UInt8] = []) {
            self.input = input
            self.tag = tag
            self.key = key
            self.foreign = foreign
        }
    }
}

/// The name of a file's content, made once and carried for ever: 16 bytes.
///
/// It follows a rename, is inherited by a copy that `copytruncate` made, and changes with each
/// truncation, so two contents of one agent never share it.
public struct FileKey: Sendable, Hashable {
    /// The first eight bytes, most significant first.
    public let high: UInt64
    /// The last eight bytes, most significant first.
    public let low: UInt64

    /// No key.
    public static let zero = FileKey(high: 0, low: 0)

    /// Wraps the two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes the key of a file content seen for the first time.
    ///
    /// - Parameters:
    ///   - input: the id of the input.
    ///   - inode: the file's number.
    ///   - generation: how often the file was truncated under the agent's eyes.
    ///   - firstRecord: the raw bytes of the first whole record; at most 1 KiB of it counts.
    public init(
        input: String, inode: UInt64, generation: UInt32, firstRecord: Digest
    ) {
        var writer = ByteWriter(capacity: 160)
        writer.append("sealtail-file/v1\n")
        writer.append(input)
        writer.append("\n")
        writer.append(decimal: inode)
        writer.append("\n")
        writer.append(decimal: UInt64(generation))
        writer.append("\n")
        writer.append(firstRecord.hex())
        let digest = writer.withBytes { SHA256.digest($0) }
        self.init(digest)
    }

    /// Takes the first sixteen bytes of a digest.
    private init(_ digest: Digest) {
        var halves: (UInt64, UInt64) = (0, 0)
        for index in 0..<8 {
            halves.0 = halves.0 << 8 | UInt64(digest[byte: index])
            halves.1 = halves.1 << 8 | UInt64(digest[byte: index + 8])
        }
        self.init(high: halves.0, low: halves.1)
    }

    /// The most bytes of the first record that count for the key.
    public static let firstRecordByteLimit = 1024

    /// 32 lower-case hexadecimal digits.
    public var text: String {
        var writer = ByteWriter(capacity: 32)
        for shift in stride(from: 56, through: 0, by: -8) {
            writer.append(hex: UInt8(truncatingIfNeeded: high >> UInt64(shift)))
        }
        for shift in stride(from: 56, through: 0, by: -8) {
            writer.append(hex: UInt8(truncatingIfNeeded: low >> UInt64(shift)))
        }
        return writer.makeString()
    }
}

/// A place in a file, with what it takes to recognise the file again.
public struct FilePosition: Sendable, Hashable {
    /// The name of the content.
    public var key: FileKey
    /// The inode when it was last seen.
    public var inode: UInt64
    /// The device when it was last seen; a hint only, it changes at reboot on LVM and NFS.
    public var device: UInt64
    /// How often the file was truncated.
    public var generation: UInt32
    /// The size when it was last seen.
    public var size: UInt64
    /// SHA-256 of the first record, at most `FileKey.firstRecordByteLimit` bytes of it.
    public var firstRecord: Digest
    /// How many bytes `firstRecord` covers.
    public var firstRecordByteCount: UInt16
    /// SHA-256 of the bytes before `offset`, at most `tailByteLimit` of them.
    public var tail: Digest
    /// Where the next record begins.
    public var offset: UInt64
    /// The path when it was last seen; a hint only.
    public var path: String

    /// The most bytes before the offset that are kept as a hash.
    public static let tailByteLimit = 256

    /// Describes a place in a file.
    public init(
        key: FileKey, inode: UInt64, device: UInt64, generation: UInt32, size: UInt64,
        firstRecord: Digest, firstRecordByteCount: UInt16, tail: Digest, offset: UInt64,
        path: String
    ) {
        self.key = key
        self.inode = inode
        self.device = device
        self.generation = generation
        self.size = size
        self.firstRecord = firstRecord
        self.firstRecordByteCount = firstRecordByteCount
        self.tail = tail
        self.offset = offset
        self.path = path
    }
}
