// SPDX-License-Identifier: Apache-2.0
import Platform

/// The public half of a signing key with its name, in the text form of C2SP signed-note:
/// `<name>+<key id>+<base64(0x01 ‖ public key)>`.
public struct VerifierKey: Sendable, Hashable, CustomStringConvertible {
    /// The name of the key, which is the name of the agent.
    public let name: String
    /// The first four bytes of SHA-256(name ‖ LF ‖ 0x01 ‖ public key), most significant first.
    public let keyID: UInt32
    /// The key that signatures are checked with.
    public let publicKey: Ed25519PublicKey

    /// The number that stands for Ed25519 in notes and keys.
    static let algorithm: UInt8 = 1

    init(name: String, publicKey: Ed25519PublicKey) {
        self.name = name
        self.publicKey = publicKey
        keyID = VerifierKey.keyID(name: name, publicKey: publicKey.bytes)
    }

    /// Reads the text form; white space around it is no part of it.
    ///
    /// Throws when any part is not exactly as it would be written, or when the key id does not
    /// belong to the name and the key.
    public init(text: String) throws(SealingError) {
        let trimmed = KeyText.trimmed(text)
        let parts = trimmed.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw SealingError(
                .badKey,
                "a verifier key is <name>+<key id>+<base64>; copy the line that keygen printed")
        }
        let name = String(parts[0])
        if let objection = KeyName.objection(to: name) { throw SealingError(.badName, objection) }
        let bytes = try KeyText.decode(String(parts[2]))
        do {
            publicKey = try Ed25519PublicKey(bytes: bytes)
        } catch {
            throw SealingError(.badKey, "\(error)")
        }
        self.name = name
        keyID = VerifierKey.keyID(name: name, publicKey: bytes)
        guard parts[1] == KeyText.hex(keyID) else {
            throw SealingError(
                .badKey,
                "the key id \(parts[1]) does not belong to the name and the key; "
                    + "copy the whole line that keygen printed")
        }
    }

    /// The text form.
    public var text: String {
        let encoded = Base64.encode([VerifierKey.algorithm] + publicKey.bytes)
        return "\(name)+\(KeyText.hex(keyID))+\(encoded)"
    }

    /// The text form.
    public var description: String { text }

    static func keyID(name: String, publicKey: [UInt8]) -> UInt32 {
        let digest = SHA256.digest(
            Array(name.utf8) + [UInt8(ascii: "\n"), algorithm] + publicKey)
        var number: UInt32 = 0
        for index in 0..<4 { number = number << 8 | UInt32(digest[byte: index]) }
        return number
    }
}

/// What the two kinds of key texts have in common.
enum KeyText {
    static func hex(_ keyID: UInt32) -> String {
        var writer = ByteWriter(capacity: 8)
        writer.append(keyID: keyID)
        return writer.makeString()
    }

    static func trimmed(_ text: String) -> String {
        var bytes = Array(text.utf8)[...]
        while let last = bytes.last, last == 0x0A || last == 0x0D || last == 0x20 {
            bytes.removeLast()
        }
        while let first = bytes.first, first == 0x0A || first == 0x0D || first == 0x20 {
            bytes.removeFirst()
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Takes the algorithm off; throws when it is another or the length is wrong.
    static func decode(_ text: String) throws(SealingError) -> [UInt8] {
        guard let bytes = Base64.decode(text), let first = bytes.first else {
            throw SealingError(.badKey, "the last part of the key is not base64; copy it whole")
        }
        guard first == VerifierKey.algorithm else {
            throw SealingError(
                .badKey,
                "the key is of algorithm \(first); only 1, Ed25519, is known; name a key of "
                    + "sealtail keygen")
        }
        guard bytes.count == 1 + Ed25519PublicKey.byteCount else {
            throw SealingError(
                .badKey, "the key has \(bytes.count - 1) bytes instead of 32; copy it whole")
        }
        return Array(bytes.dropFirst())
    }
}

extension ByteWriter {
    /// Appends a key id as eight lower-case hexadecimal digits.
    mutating func append(keyID: UInt32) {
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            append(hex: UInt8(truncatingIfNeeded: keyID >> shift))
        }
    }
}
