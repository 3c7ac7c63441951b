// SPDX-License-Identifier: Apache-2.0
import CSodium

/// Key material or a sealed text that cannot be used.
public enum CryptoError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A seed or key of another length.
    case wrongLength(expected: Int, actual: Int)
    /// Bytes that are no point of the curve, or one of the few weak ones.
    case badPublicKey
    /// The text was altered, or the key or its context is another.
    case notAuthentic

    /// A bounded word for metrics.
    public var code: String {
        switch self {
        case .wrongLength: "wrong_length"
        case .badPublicKey: "bad_public_key"
        case .notAuthentic: "not_authentic"
        }
    }

    /// One sentence that says what is wrong and what would be right.
    public var description: String {
        switch self {
        case .wrongLength(let expected, let actual):
            "the key must be \(expected) bytes long, is \(actual)"
        case .badPublicKey: "the bytes are no Ed25519 public key; check that they were copied whole"
        case .notAuthentic:
            "the text is not what was encrypted with this key; name the key it was written with"
        }
    }
}

private enum Sodium {
    // Choosing the processor's code is the library's one piece of global state.
    static let isReady: Bool = sodium_init() >= 0

    static func prepare() {
        if !isReady { bug("libsodium cannot start") }
    }
}

/// The secret half of an Ed25519 key pair (RFC 8032).
///
/// It is never printed; the seed is the only thing worth storing.
public struct Ed25519SigningKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// The bytes of a seed.
    public static let seedByteCount = 32

    /// The thirty-two bytes that the key is made from.
    public let seed: [UInt8]
    private let secretKey: [UInt8]
    /// The half that anyone may have.
    public let publicKey: Ed25519PublicKey

    /// Makes the key pair that belongs to a seed of thirty-two bytes.
    public init(seed: [UInt8]) throws(CryptoError) {
        guard seed.count == Ed25519SigningKey.seedByteCount else {
            throw .wrongLength(expected: Ed25519SigningKey.seedByteCount, actual: seed.count)
        }
        Sodium.prepare()
        var publicBytes = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
        var secretBytes = [UInt8](repeating: 0, count: Int(crypto_sign_SECRETKEYBYTES))
        // Safe because the arrays have the lengths that the library states.
        guard crypto_sign_seed_keypair(&publicBytes, &secretBytes, seed) == 0 else {
            bug("libsodium made no key")
        }
        self.seed = seed
        secretKey = secretBytes
        publicKey = Ed25519PublicKey(checked: publicBytes)
    }

    /// Makes a new key pair from random bytes.
    public static func generate() -> Ed25519SigningKey {
        do {
            return try Ed25519SigningKey(seed: RandomBytes.make(seedByteCount))
        } catch {
            bug("a fresh seed was refused: \(error)")
        }
    }

    /// The signature of a message, sixty-four bytes; the same message gives the same signature.
    public func sign(_ message: Span<UInt8>) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: Int(crypto_sign_BYTES))
        // Safe because the arrays have the lengths that the library states.
        let result = message.withUnsafeBufferPointer { message in
            crypto_sign_detached(
                &signature, nil, message.baseAddress, UInt64(message.count), secretKey)
        }
        guard result == 0 else { bug("libsodium did not sign") }
        return signature
    }

    /// Shows nothing of the key.
    public var description: String { "***" }
    /// Shows nothing of the key.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// The public half of an Ed25519 key pair.
public struct Ed25519PublicKey: Sendable, Hashable {
    /// The bytes of a key.
    public static let byteCount = 32

    /// The thirty-two bytes of RFC 8032.
    public let bytes: [UInt8]

    /// Takes thirty-two bytes that are a point of the curve and not a weak one.
    public init(bytes: [UInt8]) throws(CryptoError) {
        guard bytes.count == Ed25519PublicKey.byteCount else {
            throw .wrongLength(expected: Ed25519PublicKey.byteCount, actual: bytes.count)
        }
        Sodium.prepare()
        // Safe because the array has the length that the library states.
        guard crypto_core_ed25519_is_valid_point(bytes) == 1 else { throw .badPublicKey }
        self.bytes = bytes
    }

    fileprivate init(checked bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Whether the signature is this key's for this message.
    public func verify(_ signature: [UInt8], _ message: Span<UInt8>) -> Bool {
        guard signature.count == Int(crypto_sign_BYTES) else { return false }
        // Safe because the arrays have the lengths that the library states.
        return message.withUnsafeBufferPointer { message in
            crypto_sign_verify_detached(
                signature, message.baseAddress, UInt64(message.count), bytes) == 0
        }
    }
}
