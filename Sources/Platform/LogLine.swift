// SPDX-License-Identifier: Apache-2.0

/// Spells one log line; it decides nothing and writes nothing.
struct LogLine: Sendable {
    let format: Log.Format
    let isJournal: Bool

    /// The whole line with its newline.
    func bytes(
        _ level: Log.Level, _ message: String,
        _ fields: [(key: String, value: any CustomStringConvertible)], at now: Timestamp
    ) -> [UInt8] {
        var line = isJournal ? "<\(level.priority)>" : ""
        switch format {
        case .text:
            if !isJournal { line += "\(now.text) \(level.rawValue) " }
            line += LogLine.escaped(message, inJSON: false)
            for (key, value) in fields {
                line += " " + LogLine.key(key) + "=" + LogLine.text(value)
            }
        case .json:
            line += "{"
            if !isJournal { line += "\"time\":\"\(now.text)\"," }
            line += "\"level\":\"\(level.rawValue)\",\"message\":\""
            line += LogLine.escaped(message, inJSON: true) + "\""
            for (key, value) in fields {
                // A reader of JSON keeps one of two equal names, so ours must not be repeated.
                let isTaken = key == "time" || key == "level" || key == "message"
                let name = LogLine.escaped(isTaken ? "field_" + key : key, inJSON: true)
                line += ",\"\(name)\":" + LogLine.json(value)
            }
            line += "}"
        }
        return Array((line + "\n").utf8)
    }

    private static func text(_ value: any CustomStringConvertible) -> String {
        let text = spelled(value)
        let isPlain =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy { scalar in
                scalar.value > 0x20 && ConfigurationText.isPrintable(scalar)
                    && scalar != "\"" && scalar != "=" && scalar != "\\"
            }
        return isPlain ? text : "\"" + escaped(text, inJSON: false) + "\""
    }

    private static func json(_ value: any CustomStringConvertible) -> String {
        switch value {
        case let value as Bool: return value ? "true" : "false"
        case let value as any BinaryInteger: return value.description
        case let value as Double where value.isFinite: return value.description
        default: return "\"" + escaped(spelled(value), inJSON: true) + "\""
        }
    }

    /// The value as text, durations and moments as elsewhere in the product, cut to the limit.
    static func spelled(_ value: any CustomStringConvertible) -> String {
        let text: String
        switch value {
        case let value as Duration: text = ConfigurationText.describe(value)
        default: text = value.description
        }
        return cut(text, to: Log.valueByteLimit)
    }

    /// The text, or its beginning with a mark when it is longer than the limit.
    static func cut(_ text: String, to byteLimit: Int) -> String {
        guard text.utf8.count > byteLimit else { return text }
        // Cutting inside a character would leave half of it, which decoding shows as U+FFFD.
        var cut = text.utf8.index(text.startIndex, offsetBy: byteLimit)
        while cut > text.startIndex, text.utf8[cut] & 0xC0 == 0x80 {
            cut = text.utf8.index(before: cut)
        }
        return String(text[..<cut]) + "…"
    }

    private static func key(_ key: String) -> String {
        String(
            key.map { character in
                let isPlain = character.isASCII && (character.isLetter || character.isNumber)
                return isPlain || character == "_" || character == "." ? character : "_"
            })
    }

    private static func escaped(_ text: String, inJSON: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where ConfigurationText.isPrintable(scalar):
                result.unicodeScalars.append(scalar)
            case _ where inJSON:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
                }
            default: result += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return result
    }
}
