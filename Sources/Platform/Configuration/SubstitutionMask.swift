// SPDX-License-Identifier: Apache-2.0

/// Lets `{key: ${file:/path}}` be written without quotes.
///
/// In YAML a brace, a bracket or a comma ends a plain scalar inside `{…}` and `[…]`. Before the
/// bytes go to the YAML library, such characters inside `${…}` are replaced by private ones, one
/// for one, so that lines and columns stay right, and they are put back in every scalar.
enum SubstitutionMask {
    // U+10FF00 plus the ASCII code. In UTF-8: F4 8F BC 80+low, or F4 8F BD 80+low from 64 on.
    private static let firstPrivateScalar: UInt32 = 0x10_FF00

    private static let masked: Set<UInt8> = Set("{}[],:#?&*!|>%@`".utf8)

    /// The offset of a character that the mask itself uses, if the bytes hold one.
    static func reservedCharacter(in bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for start in 0...(bytes.count - 4) where bytes[start] == 0xF4 {
            let isPrivate = bytes[start + 1] == 0x8F && (0xBC...0xBD).contains(bytes[start + 2])
            if isPrivate { return start }
        }
        return nil
    }

    /// Replaces the special characters inside every `${…}` that closes on its line.
    static func masking(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard let end = substitutionEnd(bytes, from: index) else {
                result.append(bytes[index])
                index += 1
                continue
            }
            for byte in bytes[index...end] {
                if masked.contains(byte) {
                    let page: UInt8 = byte < 64 ? 0xBC : 0xBD
                    result += [0xF4, 0x8F, page, 0x80 | (byte & 0x3F)]
                } else {
                    result.append(byte)
                }
            }
            index = end + 1
        }
        return result
    }

    /// Puts the characters back that `masking` replaced.
    static func unmasking(_ text: String) -> String {
        guard text.utf8.contains(0xF4) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            let code = scalar.value
            if (firstPrivateScalar..<firstPrivateScalar + 128).contains(code) {
                result.unicodeScalars.append(
                    Unicode.Scalar(UInt8(truncatingIfNeeded: code - firstPrivateScalar)))
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The offset of the `}` of a `${…}` that begins here. A quote ends the search, because it
    /// may close the scalar, and what follows would then be structure.
    private static func substitutionEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        guard bytes[start] == UInt8(ascii: "$"), start + 1 < bytes.count,
            bytes[start + 1] == UInt8(ascii: "{")
        else { return nil }
        for index in (start + 2)..<max(start + 2, bytes.count) {
            switch bytes[index] {
            case UInt8(ascii: "}"): return index
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\""), UInt8(ascii: "'"):
                return nil
            default: continue
            }
        }
        return nil
    }
}
