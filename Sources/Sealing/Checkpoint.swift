// SPDX-License-Identifier: Apache-2.0
import Platform

/// A signed statement about all events of a stream so far: a C2SP tlog-checkpoint in a signed note.
///
/// ```
/// idp1.example.com/main/5f1e0c2ab77d4e10          origin: the stream
/// 4                                               size: how many events
/// eCQCfIm9xBrAFo8sh7AquLxTyiU3AAnJRG2QXFpuVRM=    Merkle root over all of them
///
/// — idp1.example.com Mp/ZkRLq…                    base64(key id ‖ Ed25519 over the three lines)
/// ```
struct Checkpoint: Sendable, Equatable {
    /// The stream it speaks of.
    let stream: String
    /// How many events it covers: those with numbers below.
    let size: UInt64
    /// The root of the tree over them.
    let root: Digest
    /// The name and id of the key that signed.
    let signer: KeyIdentity

    private static let dash = "\u{2014} "
    private static let keyIDByteCount = 4
    private static let signatureByteCount = 64

    /// Makes the signed note.
    static func note(stream: String, size: UInt64, root: Digest, key: SigningKey) -> String {
        var writer = ByteWriter(capacity: 512)
        writer.append(stream)
        writer.append("\n")
        writer.append(decimal: size)
        writer.append("\n")
        writer.append(base64: root)
        writer.append("\n")
        let signature = writer.withBytes { key.sign($0) }
        var blob: [UInt8] = []
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            blob.append(UInt8(truncatingIfNeeded: key.keyID >> shift))
        }
        blob += signature
        writer.append("\n")
        writer.append(dash)
        writer.append(key.name)
        writer.append(" ")
        writer.append(Base64.encode(blob))
        writer.append("\n")
        return writer.makeString()
    }

    /// Reads a note and checks its signature.
    ///
    /// Throws when anything is not exactly as `note` would have written it, when the key is not
    /// among the trusted ones or when the signature is another.
    init(note: String, trusting keys: TrustedKeys) throws(SealingError) {
        // A grapheme may span an LF, so lines are told apart by bytes.
        let bytes = Array(note.utf8)
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard lines.count == 6, lines[3].isEmpty, lines[5].isEmpty else {
            throw SealingError(
                .badNote, "a note is three lines, an empty one and exactly one signature")
        }
        guard let size = ProofText.decimal(lines[1]),
            let root = Base64.decode(lines[2]).flatMap({ Digest($0) })
        else { throw SealingError(.badNote, "its size or root is not spelled exactly") }
        let mark = lines[4]
        guard mark.hasPrefix(Checkpoint.dash) else {
            throw SealingError(.badNote, "its signature line does not begin with a dash")
        }
        let parts = mark.dropFirst(Checkpoint.dash.count)
            .split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, let blob = Base64.decode(String(parts[1])),
            blob.count == Checkpoint.keyIDByteCount + Checkpoint.signatureByteCount
        else { throw SealingError(.badNote, "its signature is not spelled exactly") }
        var keyID: UInt32 = 0
        for byte in blob[..<Checkpoint.keyIDByteCount] { keyID = keyID << 8 | UInt32(byte) }
        let signer = KeyIdentity(name: String(parts[0]), keyID: keyID)
        guard KeyName.objection(to: signer.name) == nil, let key = keys[signer] else {
            throw SealingError(
                .badNote, "no trusted key \(KeyText.hex(keyID)) speaks for \(parts[0])")
        }
        let signedCount = lines[0].utf8.count + lines[1].utf8.count + lines[2].utf8.count + 3
        let signature = Array(blob[Checkpoint.keyIDByteCount...])
        guard key.verify(signature, bytes.span.extracting(0..<signedCount)) else {
            throw SealingError(.badNote, "its signature does not fit")
        }
        stream = lines[0]
        self.size = size
        self.root = root
        self.signer = signer
    }
}
