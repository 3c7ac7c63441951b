// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Why an event cannot be verified, going on after «line 12: ».
struct Objection: Error, Equatable {
    let reason: String
    /// True when another key of the same name might speak for the event.
    let lacksKey: Bool

    init(_ reason: String, lacksKey: Bool = false) {
        self.reason = reason
        self.lacksKey = lacksKey
    }
}

/// The seven parts of a proof: `1.first.count.kid.prev.path.sig`.
struct Proof {
    let first: UInt64
    let count: Int
    let keyID: UInt32
    let previous: Digest
    /// The sibling hashes from the leaf to the root.
    let path: [Digest]
    let signature: [UInt8]
    /// Where the path's text begins and ends: what stands around it is the same for a whole group.
    let pathRange: Range<Int>

    private static let partCount = 7
    private static let version = "1"
    private static let signatureByteCount = 64
    private static let keyIDDigitCount = 8

    /// Reads a proof by its exact grammar.
    init(_ text: Span<UInt8>) throws(Objection) {
        let parts = Proof.split(text)
        guard parts.count == Proof.partCount else {
            throw Objection("the proof has not seven parts")
        }
        guard ByteSearch.equal(text, parts[0], Array(Proof.version.utf8).span) else {
            throw Objection("the proof is of a version that this program does not know")
        }
        guard let first = ProofText.decimal(text.extracting(parts[1])),
            let count = ProofText.decimal(text.extracting(parts[2]))
        else { throw Objection("a number in the proof is not spelled exactly") }
        guard count >= 1, count <= SealedGroup.countLimit else {
            throw Objection("the proof speaks of a group of \(count) events")
        }
        guard parts[3].count == Proof.keyIDDigitCount,
            let kid = Hex.decode(text.extracting(parts[3]))
        else { throw Objection("the key id in the proof is not spelled exactly") }
        guard
            let previous = Base64.decode(text.extracting(parts[4]), .urlSafe)
                .flatMap({ Digest($0) })
        else { throw Objection("the previous statement's hash is not spelled exactly") }
        guard let signature = Base64.decode(text.extracting(parts[6]), .urlSafe),
            signature.count == Proof.signatureByteCount
        else { throw Objection("the signature is not spelled exactly") }
        self.first = first
        self.count = Int(count)
        self.keyID = kid.reduce(0) { $0 << 8 | UInt32($1) }
        self.previous = previous
        self.signature = signature
        path = try Proof.path(text.extracting(parts[5]))
        pathRange = parts[5]
    }

    /// Reads the sibling hashes alone.
    static func path(_ text: Span<UInt8>) throws(Objection) -> [Digest] {
        guard let bytes = Base64.decode(text, .urlSafe), bytes.count % Digest.byteCount == 0
        else { throw Objection("the path is not spelled exactly") }
        var path: [Digest] = []
        path.reserveCapacity(bytes.count / Digest.byteCount)
        var at = 0
        while at < bytes.count {
            path.append(Digest(bytes: bytes.span, at: at))
            at += Digest.byteCount
        }
        return path
    }

    private static func split(_ text: Span<UInt8>) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start = 0
        while parts.count <= partCount {
            guard let dot = ByteSearch.first(UInt8(ascii: "."), in: text, start..<text.count)
            else {
                parts.append(start..<text.count)
                break
            }
            parts.append(start..<dot)
            start = dot + 1
        }
        return parts
    }
}
