// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What the operator wants to have replaced by fingerprints.
public struct PrivacyConfiguration: Sendable {
    /// The fields to replace, in the order of `Field`.
    public var pseudonymized: [Field]
    /// The key as it was given; nil when the agent keeps one of its own.
    public var key: Secret?

    /// Replaces nothing and leaves the key to the agent.
    public init() {
        pseudonymized = []
        key = nil
    }

    /// Reads `pseudonymize` and `key`; the caller finishes the reader.
    ///
    /// A key is 32 bytes, as 64 hexadecimal digits or base64.
    public init(reading reader: inout ConfigurationReader) {
        self.init()
        let known = PrivacyPolicy.pseudonymizable.map(\.path)
        for node in reader.nodes("pseudonymize") {
            guard let path = node.scalar, let field = Field(path: path),
                PrivacyPolicy.pseudonymizable.contains(field)
            else {
                reader.problems.add(
                    at: node, "must be one of \(known.joined(separator: ", "))",
                    suggestion: ConfigurationText.closest(to: node.scalar ?? "", among: known))
                continue
            }
            pseudonymized.append(field)
        }
        pseudonymized = Set(pseudonymized).sorted()
        if let secret = reader.secret("key") {
            key = PrivacyConfiguration.decode(secret)
            if key == nil {
                reader.problem(
                    "key", "must be \(PrivacyPolicy.keyByteCount) bytes in hexadecimal or base64")
            }
        }
    }

    /// The bytes of a key that was written as text; nil when it is none.
    public static func decode(_ text: Secret) -> Secret? {
        let string = text.withBytes { String(copying: $0) }
        let trimmed = String(string.filter { !$0.isWhitespace })
        for bytes in [Hex.decode(trimmed), Base64.decode(trimmed)] {
            if var bytes, bytes.count == PrivacyPolicy.keyByteCount {
                return Secret(wiping: &bytes)
            }
        }
        return nil
    }
}
