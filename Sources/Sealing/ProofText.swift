// SPDX-License-Identifier: Apache-2.0
import Platform

/// Reads the parts of proofs and notes by their exact grammar.
enum ProofText {
    /// The most digits of a number; more would not fit the integers that every JSON reader keeps.
    static let digitLimit = 16

    /// A decimal without leading zeros, of at most `digitLimit` digits.
    static func decimal(_ text: String) -> UInt64? {
        decimal(Array(text.utf8).span)
    }

    /// A decimal without leading zeros, of at most `digitLimit` digits.
    static func decimal(_ text: Span<UInt8>) -> UInt64? {
        guard text.count > 0, text.count <= digitLimit else { return nil }
        guard text[0] != UInt8(ascii: "0") || text.count == 1 else { return nil }
        var value: UInt64 = 0
        for index in text.indices {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        return value
    }
}
