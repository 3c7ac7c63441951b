// SPDX-License-Identifier: Apache-2.0

/// Telling and mending UTF-8 that is not well-formed.
public enum UTF8Repair {
    /// The three bytes of U+FFFD, which stands for what could not be read.
    public static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// Whether all the bytes are well-formed UTF-8.
    public static func isValid(_ bytes: Span<UInt8>) -> Bool {
        isValid(bytes, 0..<bytes.count)
    }

    /// Whether `bytes[range]` is well-formed UTF-8 by itself.
    public static func isValid(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        // Safe because the span is only read, during the call.
        do {
            _ = try UTF8Span(validating: bytes.extracting(range))
            return true
        } catch {
            return false
        }
    }

    /// The same text, with one U+FFFD for each maximal part that is not well-formed.
    ///
    /// This is the practice that chapter 3 of the Unicode standard recommends, so that other
    /// programs arrive at the same text. Well-formed bytes come back as they are.
    public static func repair(_ bytes: Span<UInt8>) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(bytes.count + 16)
        var index = 0
        while index < bytes.count {
            let step = next(bytes, index, bytes.count)
            if step.isWellFormed {
                for offset in 0..<step.count { result.append(bytes[index + offset]) }
            } else {
                result.append(contentsOf: replacement)
            }
            index += step.count
        }
        return result
    }

    /// The character, or the longest beginning of one, at `index` of the bytes before `end`.
    static func next(
        _ bytes: Span<UInt8>, _ index: Int, _ end: Int
    ) -> (count: Int, isWellFormed: Bool) {
        let lead = bytes[index]
        let length: Int
        // The second byte has a narrower range after some leads: no overlong forms, no
        // surrogates, nothing above U+10FFFF (table 3-7 of the Unicode standard).
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch lead {
        case 0x00...0x7F: return (1, true)
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if lead == 0xE0 { low = 0xA0 }
            if lead == 0xED { high = 0x9F }
        case 0xF0...0xF4:
            length = 4
            if lead == 0xF0 { low = 0x90 }
            if lead == 0xF4 { high = 0x8F }
        default: return (1, false)
        }
        for offset in 1..<length {
            guard index + offset < end else { return (offset, false) }
            let byte = bytes[index + offset]
            guard byte >= low, byte <= high else { return (offset, false) }
            low = 0x80
            high = 0xBF
        }
        return (length, true)
    }
}
