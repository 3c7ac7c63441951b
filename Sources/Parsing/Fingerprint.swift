// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What a fingerprint is made of; part of the message, so kinds never collide.
public enum FingerprintKind: String, CaseIterable, Sendable {
    /// Ids and names of people.
    case user
    /// Addresses of electronic mail.
    case email
    /// Addresses of the network.
    case ip
    /// Sessions, and grants that a product names by their session.
    case session
    /// Opaque tokens, codes and tickets.
    case token

    /// The first part of the message: the kind and a zero byte.
    var prefix: [UInt8] { Array(rawValue.utf8) + [0] }

    /// True for the kinds whose letters A to Z count as a to z.
    var isFolded: Bool { self == .user || self == .email }
}

/// Which fields are replaced by fingerprints, and the key that makes them.
public struct PrivacyPolicy: Sendable {
    /// The key of HMAC-SHA-256, 32 bytes.
    public let key: Secret
    /// Which key it is since the first: the `1` of `h1:`.
    public let generation: Int
    /// The fields to replace, beside sessions, tokens and codes, which always are.
    public let pseudonymized: [Field]

    /// The bytes of a key.
    public static let keyByteCount = 32
    /// The fields that `pseudonymized` can name.
    public static let pseudonymizable: [Field] = [
        .actorEmail, .actorID, .actorName, .sourceIP, .targetEmail, .targetID, .targetName,
    ]

    /// Describes a policy. Fields that cannot be replaced are left out.
    public init(key: Secret, generation: Int = 1, pseudonymized: [Field] = []) {
        self.key = key
        self.generation = generation
        self.pseudonymized = Set(pseudonymized)
            .filter(PrivacyPolicy.pseudonymizable.contains).sorted()
    }

    /// The kind of the fingerprint that replaces a field.
    static func kind(of field: Field) -> FingerprintKind {
        switch field {
        case .actorEmail, .targetEmail: .email
        case .sourceIP: .ip
        default: .user
        }
    }
}

/// Makes fingerprints: `h1:` and 22 characters of base64url.
///
/// One serves one thread. The same value of the same kind always gives the same fingerprint.
public struct Fingerprinter: ~Copyable {
    /// Enough for ids of sessions; longer values are hashed each time.
    private static let rememberedByteLimit = 128

    private let hmac: HMACSHA256
    private let mark: [UInt8]
    /// For each kind, a message that has begun.
    private let beginnings: [SHA256]
    private let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private var folded = ByteWriter(capacity: 256)
    // Products write the id of a session twice in a line, as a grant's too.
    private var lastKind: FingerprintKind?
    private var lastValue = ByteWriter(capacity: rememberedByteLimit)
    private var lastText = [22 of UInt8](repeating: 0)

    /// Makes fingerprints by the key of a policy.
    public init(policy: PrivacyPolicy) {
        let hmac = HMACSHA256(key: policy.key)
        self.hmac = hmac
        mark = Array("h\(policy.generation):".utf8)
        beginnings = FingerprintKind.allCases.map { kind in
            var state = hmac.begin()
            state.update(kind.prefix.span)
            return state
        }
    }

    /// Appends the fingerprint of a value.
    public mutating func append(
        _ kind: FingerprintKind, of value: Span<UInt8>, to output: inout ByteWriter
    ) {
        if kind != lastKind || !lastValue.withBytes({ ByteSearch.equal($0, value) }) {
            remember(kind, value)
        }
        output.append(mark)
        output.append(lastText.span)
    }

    private mutating func remember(_ kind: FingerprintKind, _ value: Span<UInt8>) {
        var state = beginnings[Fingerprinter.index(of: kind)]
        if kind.isFolded {
            folded.removeAll()
            for index in 0..<value.count { folded.append(ASCII.lowercase(value[index])) }
            folded.withBytes { state.update($0) }
        } else {
            state.update(value)
        }
        let tag = hmac.finish(state)
        lastKind = value.count <= Fingerprinter.rememberedByteLimit ? kind : nil
        lastValue.removeAll()
        if lastKind != nil { lastValue.append(value) }
        // Half of the tag is enough against collisions and keeps events short: 22 characters.
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        var index = 0
        for place in 0..<16 {
            bits = bits << 8 | UInt32(tag[byte: place])
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                lastText[index] = alphabet[Int(bits >> bitCount & 63)]
                index += 1
            }
        }
        lastText[index] = alphabet[Int(bits << (6 - bitCount) & 63)]
    }

    @inline(__always)
    private static func index(of kind: FingerprintKind) -> Int {
        switch kind {
        case .user: 0
        case .email: 1
        case .ip: 2
        case .session: 3
        case .token: 4
        }
    }
}

/// Bytes of ASCII.
enum ASCII {
    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 {
        byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
