// SPDX-License-Identifier: Apache-2.0
import Platform

/// The text that is signed for a group of events.
///
/// ```
/// sealtail-group/v1
/// idp1.example.com/main/5f1e0c2ab77d4e10          stream
/// 329fd991                                        key id
/// 2                                               number of the first event
/// 2                                               how many events
/// CLqW9TV59UYG2lXDdPgxl74U4106LQ37NKRYoLvHobY=    SHA-256 of the statement before
/// 3lan9VJTGPlPb+UkgKSYUd4lyfRRhM4fE8Vm1pluqsc=    Merkle root of the group
/// ```
///
/// Every line ends in LF, the last one too. docs/formats/seal.md has the whole format.
enum Statement {
    /// Writes a statement in place of what the writer held.
    static func write(
        stream: String, keyID: UInt32, first: UInt64, count: Int, previous: Digest, root: Digest,
        to writer: inout ByteWriter
    ) {
        writer.removeAll()
        writer.append("sealtail-group/v1\n")
        writer.append(stream)
        writer.append("\n")
        writer.append(keyID: keyID)
        writer.append("\n")
        writer.append(decimal: first)
        writer.append("\n")
        writer.append(decimal: UInt64(count))
        writer.append("\n")
        writer.append(base64: previous)
        writer.append("\n")
        writer.append(base64: root)
        writer.append("\n")
    }
}

extension ByteWriter {
    /// Appends a digest as base64 of RFC 4648 §4, padded.
    mutating func append(base64 digest: Digest) {
        append(Base64.encode(digest.bytes))
    }
}
