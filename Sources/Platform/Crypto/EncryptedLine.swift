// SPDX-License-Identifier: Apache-2.0

/// A line of text that rests encrypted, each with a key of its own: docs/formats/frame.md §9.
public struct EncryptedLine: Sendable {
    private static let info = "sealtail-dead-letter/v1"
    // Each key seals one line, so its nonce need not differ.
    private static let nonce = [UInt8](repeating: 0, count: AES256GCM.nonceByteCount)

    /// Encrypts a line; `label` must be given again to read it.
    public static func seal(
        _ line: Span<UInt8>, label: String, key: EncryptionKey
    ) -> [UInt8] {
        let salt = RandomBytes.make(EncryptionKeyRing.saltByteCount)
        var box = salt
        let additional = Array(label.utf8)
        key.cipher(salt: salt, info: info).seal(
            line, nonce: nonce.span, additional: additional.span, into: &box)
        return box
    }

    /// The line in a box; nil when it is not authentic, or not of this key and label.
    public static func open(_ box: [UInt8], label: String, key: EncryptionKey) -> [UInt8]? {
        let count = EncryptionKeyRing.saltByteCount
        guard box.count >= count else { return nil }
        var line: [UInt8] = []
        let additional = Array(label.utf8)
        let isAuthentic = key.cipher(salt: Array(box[..<count]), info: info).open(
            box.span.extracting(count..<box.count), nonce: nonce.span,
            additional: additional.span, into: &line)
        return isAuthentic ? line : nil
    }
}
