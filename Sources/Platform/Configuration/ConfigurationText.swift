// SPDX-License-Identifier: Apache-2.0

/// How durations, sizes and words are spelled in a configuration and on the command line.
public enum ConfigurationText {
    private static let durationUnits: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]

    private static let byteUnits: [(name: String, byteCount: Int)] = [
        ("TiB", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000),
        ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1_000), ("KB", 1_000),
        ("B", 1),
    ]

    /// Reads `500ms`, `5s`, `1m`, `1h`, `30d` or `0`; nil for anything else, overflow included.
    ///
    /// Only zero may stand without a unit, because only zero means the same in every unit.
    public static func duration(_ text: String) -> Duration? {
        guard let (number, unit) = split(text) else { return nil }
        if unit.isEmpty { return number == 0 ? .zero : nil }
        guard let factor = durationUnits.first(where: { $0.name == unit })?.milliseconds else {
            return nil
        }
        let product = Int64(number).multipliedReportingOverflow(by: factor)
        return product.overflow ? nil : .milliseconds(product.partialValue)
    }

    /// Reads `512`, `64MiB` or `1GB`; nil for anything else, overflow included.
    public static func byteCount(_ text: String) -> Int? {
        guard let (number, unit) = split(text) else { return nil }
        if unit.isEmpty { return number }
        guard let factor = byteUnits.first(where: { $0.name == unit })?.byteCount else {
            return nil
        }
        let product = number.multipliedReportingOverflow(by: factor)
        return product.overflow ? nil : product.partialValue
    }

    /// Spells a duration in the largest unit that leaves a whole number: `5m`, `1500ms`.
    ///
    /// What is finer than a millisecond is cut off, since no setting is finer.
    public static func describe(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds.multipliedReportingOverflow(by: 1_000)
        if milliseconds.overflow { return "\(seconds)s" }
        let total = milliseconds.partialValue &+ attoseconds / 1_000_000_000_000_000
        if total == 0 { return "0s" }
        for unit in durationUnits where total % unit.milliseconds == 0 {
            return "\(total / unit.milliseconds)\(unit.name)"
        }
        return "\(total)ms"
    }

    /// Spells a size in the largest unit that leaves a whole number: `64MiB`, `1GB`, `512`.
    public static func describe(byteCount: Int) -> String {
        guard byteCount != 0 else { return "0" }
        for unit in byteUnits where byteCount % unit.byteCount == 0 && unit.byteCount > 1 {
            return "\(byteCount / unit.byteCount)\(unit.name)"
        }
        return "\(byteCount)"
    }

    /// The known word that a misspelled one most likely means; nil when none is near.
    ///
    /// Near is at most two letters added, left out, replaced or swapped with the next one, and
    /// at most one in a word of three letters or fewer.
    public static func closest(to word: String, among known: [String]) -> String? {
        let letters = Array(word.lowercased().unicodeScalars)
        guard letters.count <= ConfigurationLimit.suggestionLengthLimit else { return nil }
        let limit = letters.count <= 3 ? 1 : ConfigurationLimit.suggestionDistanceLimit
        var best: (word: String, distance: Int)?
        for candidate in known {
            let other = Array(candidate.lowercased().unicodeScalars)
            guard abs(other.count - letters.count) <= limit else { continue }
            let distance = editDistance(letters, other)
            if distance <= limit, distance < best?.distance ?? Int.max {
                best = (candidate, distance)
            }
        }
        return best?.word
    }

    /// Puts text in quotes for a message: cut to a named length, control characters escaped.
    public static func quoted(_ text: String) -> String {
        var result = "\""
        var count = 0
        for scalar in text.unicodeScalars {
            if count == ConfigurationLimit.quoteLimit {
                result += "…"
                break
            }
            count += 1
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where isPrintable(scalar): result.unicodeScalars.append(scalar)
            default: result += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return result + "\""
    }

    /// The text with a space for whatever could move a cursor or hide what stands beside it.
    public static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(isPrintable(scalar) ? scalar : " ") }
        return String(result)
    }

    /// The text as it is, but for what would end the line or forge the text around it.
    public static func visible(_ text: String) -> String {
        if text.unicodeScalars.allSatisfy(isPrintable) { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isPrintable(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return result
    }

    /// `a`, `a or b`, `a, b or c`.
    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last else { return "nothing" }
        let first = words.dropLast().joined(separator: ", ")
        return first.isEmpty ? last : first + " or " + last
    }

    /// False for what moves the cursor, ends a line or turns the direction of writing, because
    /// such a character in a message would let a value forge the text around it.
    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069,
            0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE007F:
            return false
        default: return true
        }
    }

    /// Digits, then a unit that may be missing.
    private static func split(_ text: String) -> (number: Int, unit: String)? {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty, let number = Int(Substring(digits)) else { return nil }
        return (number, String(text[digits.endIndex...]))
    }

    /// Optimal string alignment: insertions, deletions, replacements, swaps of neighbours.
    private static func editDistance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                let replaced = last[j] + (a[i] == b[j] ? 0 : 1)
                var distance = min(replaced, last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    distance = min(distance, beforeLast[j - 1] + 1)
                }
                row.append(distance)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
