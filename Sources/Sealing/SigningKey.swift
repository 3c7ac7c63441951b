// SPDX-License-Identifier: Apache-2.0
import Platform

/// The key that signs groups and checkpoints: Ed25519 with the name of the agent.
///
/// Its text form is that of Go's and C2SP's note keys,
/// `PRIVATE+KEY+<name>+<key id>+<base64(0x01 ‖ seed)>`. It is never printed.
public struct SigningKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: Ed25519SigningKey
    /// The half that anyone may have.
    public let verifierKey: VerifierKey

    private static let prefix = "PRIVATE+KEY+"

    private init(name: String, key: Ed25519SigningKey) {
        self.key = key
        verifierKey = VerifierKey(name: name, publicKey: key.publicKey)
    }

    /// Makes a new key from random bytes.
    public static func generate(name: String) throws(SealingError) -> SigningKey {
        if let objection = KeyName.objection(to: name) { throw SealingError(.badName, objection) }
        return SigningKey(name: name, key: .generate())
    }

    /// Reads the text form; white space around it is no part of it.
    ///
    /// No error quotes any part of the text but the name and the key id.
    public init(text: String) throws(SealingError) {
        let trimmed = KeyText.trimmed(text)
        guard trimmed.hasPrefix(SigningKey.prefix) else {
            throw SealingError(
                .badKey,
                "a signing key begins with PRIVATE+KEY+; make one with sealtail keygen")
        }
        let parts = trimmed.dropFirst(SigningKey.prefix.count)
            .split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw SealingError(
                .badKey,
                "a signing key is PRIVATE+KEY+<name>+<key id>+<base64>; copy it whole")
        }
        let name = String(parts[0])
        if let objection = KeyName.objection(to: name) { throw SealingError(.badName, objection) }
        let seed = try KeyText.decode(String(parts[2]))
        do {
            self.init(name: name, key: try Ed25519SigningKey(seed: seed))
        } catch {
            throw SealingError(.badKey, "\(error)")
        }
        guard parts[1] == KeyText.hex(keyID) else {
            throw SealingError(
                .badKey,
                "the key id \(parts[1]) does not belong to the name and the seed; "
                    + "restore the key from its backup")
        }
    }

    /// The name of the key, which is the name of the agent.
    public var name: String { verifierKey.name }

    /// The index of the key, four bytes of a hash.
    public var keyID: UInt32 { verifierKey.keyID }

    /// The text form, for the key file.
    public var text: Secret {
        var bytes = Array("\(SigningKey.prefix)\(name)+\(KeyText.hex(keyID))+".utf8)
        bytes += Base64.encode([VerifierKey.algorithm] + key.seed).utf8
        return Secret(wiping: &bytes)
    }

    /// The signature of a message, sixty-four bytes.
    public func sign(_ message: Span<UInt8>) -> [UInt8] { key.sign(message) }

    /// Shows nothing of the key.
    public var description: String { "***" }

    /// A mirror without members.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
