// SPDX-License-Identifier: Apache-2.0
import Platform

// An encrypted payload, docs/formats/frame.md §9:
//
//     ┌────────────────────────┬──────────────────────────────┬────────┐
//     │ section 9: the salt    │ the other sections, as a box │ tag 16 │
//     │ in clear, 40 bytes     │ of the same length           │        │
//     └────────────────────────┴──────────────────────────────┴────────┘
//
// Each frame repeats the salt of its segment: a damaged segment header must not make all the
// frames behind it unreadable.

/// The encryption of one segment, for its writer.
struct SegmentCipher {
    /// How many bytes longer an encrypted payload is.
    static let overheadByteCount =
        FrameSections.headByteCount + EncryptionKeyRing.saltByteCount + AES256GCM.tagByteCount
    fileprivate static let info = "sealtail-ledger/v1"

    let keyID: UInt32
    private let salt: [UInt8]
    private let cipher: AES256GCM

    /// Begins a segment with a salt of its own.
    init(_ key: EncryptionKey, salt: [UInt8] = RandomBytes.make(EncryptionKeyRing.saltByteCount)) {
        keyID = key.id
        self.salt = salt
        cipher = key.cipher(salt: salt, info: SegmentCipher.info)
    }

    /// Turns the sections behind the header into the payload of an encrypted frame.
    fileprivate func encrypt(_ output: inout ByteWriter, _ header: FrameHeader) {
        let nonce = header.nonce
        let additional = header.additionalData
        var box: [UInt8] = []
        output.withBytes { bytes in
            cipher.seal(
                bytes.extracting(FrameHeader.byteCount..<bytes.count), nonce: nonce.span,
                additional: additional.span, into: &box)
        }
        output.truncate(to: FrameHeader.byteCount)
        let start = FrameSections.begin(.salt, in: &output)
        output.append(salt)
        FrameSections.end(start, in: &output)
        output.append(box)
    }
}

extension FrameHeader {
    /// Completes a frame whose sections stand behind the room for its header.
    ///
    /// - Parameter cipher: encrypts the payload, with `number` as its nonce.
    func finish(_ output: inout ByteWriter, cipher: SegmentCipher?) {
        var header = self
        header.payloadByteCount = output.count - FrameHeader.byteCount
        if let cipher {
            header.keyID = cipher.keyID
            header.payloadByteCount += SegmentCipher.overheadByteCount
            cipher.encrypt(&output, header)
        } else {
            header.number = 0
        }
        header.payloadChecksum = output.withBytes { bytes in
            CRC32C.checksum(bytes.extracting(FrameHeader.byteCount..<bytes.count))
        }
        header.write(to: &output, at: 0)
    }

    /// Throws when the payload needs more than this version knows.
    func requireReadable() throws(FrameProblem) {
        guard FrameCodec(rawValue: codec) != nil else {
            throw .unsupported("the codec has the number \(codec)")
        }
    }

    /// The sections of an encrypted payload.
    func decrypt(
        _ payload: Span<UInt8>, _ keys: EncryptionKeyRing?
    ) throws(FrameProblem) -> [UInt8] {
        guard let key = keys?.key(keyID) else { throw .locked(keyID) }
        var reader = ByteReader(0..<payload.count)
        let tag: UInt8 = try reader.number(payload)
        let version: UInt8 = try reader.number(payload)
        let zeros: UInt16 = try reader.number(payload)
        let length: UInt32 = try reader.number(payload)
        guard tag == FrameSections.Tag.salt.rawValue, version == FrameSections.version,
            zeros == 0, length == EncryptionKeyRing.saltByteCount
        else { throw .damaged("the salt of the frame is missing") }
        let salt = [UInt8](
            copying: payload.extracting(try reader.take(EncryptionKeyRing.saltByteCount)))
        let nonce = nonce
        let additional = additionalData
        var clear: [UInt8] = []
        let isAuthentic = key.cipher(salt: salt, info: SegmentCipher.info).open(
            payload.extracting(reader.at..<reader.end), nonce: nonce.span,
            additional: additional.span, into: &clear)
        guard isAuthentic else { throw .damaged("the encrypted payload is not authentic") }
        return clear
    }

    /// The bytes 48 to 59 of the header.
    fileprivate var nonce: [UInt8] {
        var output = ByteWriter(capacity: AES256GCM.nonceByteCount)
        output.append(littleEndian: number)
        output.append(littleEndian: UInt32(0))
        return output.makeArray()
    }

    /// The header without magic and checksums: everything in it that a reader relies on.
    fileprivate var additionalData: [UInt8] {
        var output = ByteWriter(capacity: FrameHeader.byteCount)
        FrameHeader.reserve(in: &output)
        write(to: &output, at: 0)
        return output.makeArray(4..<12) + output.makeArray(16..<60)
    }
}
