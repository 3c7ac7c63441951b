// SPDX-License-Identifier: Apache-2.0

/// A key that encrypts what rests on disk, with the id by which a reader finds it again.
public struct EncryptionKey: Sendable, Equatable {
    /// The first four bytes of a digest that only the key gives; never 0.
    public let id: UInt32
    private let secret: Secret

    private static let idLabel = "sealtail-ledger-id/v1"

    /// Takes thirty-two bytes; nil for any other count.
    public init?(_ secret: Secret) {
        guard secret.byteCount == AES256GCM.keyByteCount else { return nil }
        self.secret = secret
        let bytes = KeyDerivation.derive(secret, salt: [], info: EncryptionKey.idLabel)
        let number = bytes.withBytes { bytes in
            (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[$1]) }
        }
        id = number == 0 ? 1 : number
    }

    /// Reads 64 hexadecimal digits or the base64 of thirty-two bytes; nil for anything else.
    public init?(text: Secret) {
        let bytes = text.withBytes { bytes -> [UInt8]? in
            let text = String(decoding: [UInt8](copying: bytes), as: UTF8.self)
                .filter { !$0.isWhitespace }
            if let bytes = Hex.decode(text.lowercased()) { return bytes }
            return Base64.decode(text)
        }
        guard var bytes else { return nil }
        self.init(Secret(wiping: &bytes))
    }

    /// The id as people see it: eight hexadecimal digits.
    public var name: String { EncryptionKey.name(of: id) }

    /// An id as people see it.
    public static func name(of id: UInt32) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    /// A cipher for one purpose and one salt; the salt must be random and belong to one writer.
    public func cipher(salt: [UInt8], info: String) -> AES256GCM {
        AES256GCM(key: KeyDerivation.derive(secret, salt: salt, info: info))
    }
}

/// The key that encrypts from now on, and those that older files were encrypted with.
public struct EncryptionKeyRing: Sendable, Equatable {
    /// The key that is written with.
    public let current: EncryptionKey
    /// Keys that are only read with.
    public let previous: [EncryptionKey]

    /// The bytes of a salt.
    public static let saltByteCount = 32

    /// Gathers keys; one that is there twice does no harm.
    public init(current: EncryptionKey, previous: [EncryptionKey] = []) {
        self.current = current
        self.previous = previous
    }

    /// The key with an id; nil when the ring does not have it.
    public func key(_ id: UInt32) -> EncryptionKey? {
        current.id == id ? current : previous.first { $0.id == id }
    }
}

/// HKDF with SHA-256 (RFC 5869), for one block of output.
enum KeyDerivation {
    /// Derives thirty-two bytes; an empty salt stands for zeros, as the RFC says.
    static func derive(_ secret: Secret, salt: [UInt8], info: String) -> Secret {
        let salt = salt.isEmpty ? [UInt8](repeating: 0, count: Digest.byteCount) : salt
        let extracted = secret.withBytes { HMACSHA256(key: salt).tag($0) }
        var pseudorandom = extracted.bytes
        let mac = HMACSHA256(key: pseudorandom)
        Secret.wipe(&pseudorandom)
        let label = Array(info.utf8) + [1]
        var derived = mac.tag(label.span).bytes
        return Secret(wiping: &derived)
    }
}
