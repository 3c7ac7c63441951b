// SPDX-License-Identifier: Apache-2.0
import Platform

/// What signatures name a key by; the id is an index and binds nothing by itself.
public struct KeyIdentity: Sendable, Hashable {
    /// The name of the key.
    public let name: String
    /// The first four bytes of its hash.
    public let keyID: UInt32

    /// Names a key.
    public init(name: String, keyID: UInt32) {
        self.name = name
        self.keyID = keyID
    }
}

/// The keys that somebody decided to trust; nothing else is ever looked up.
public struct TrustedKeys: Sendable {
    private var keys: [KeyIdentity: Ed25519PublicKey] = [:]

    /// Trusts these keys.
    public init(_ keys: [VerifierKey]) {
        for key in keys { insert(key) }
    }

    /// Trusts one more key; one that is already known under the same name and id stays.
    mutating func insert(_ key: VerifierKey) {
        let identity = KeyIdentity(name: key.name, keyID: key.keyID)
        if keys[identity] == nil { keys[identity] = key.publicKey }
    }

    /// How many there are.
    var count: Int { keys.count }

    /// True when one of them has this name.
    func speak(for name: String) -> Bool { keys.keys.contains { $0.name == name } }

    subscript(identity: KeyIdentity) -> Ed25519PublicKey? { keys[identity] }
}
