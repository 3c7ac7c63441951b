// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What a parser saw in one record and why it decided as it did.
public struct ParseExplanation: Sendable {
    /// The format whose steps succeeded; nil when none did.
    public var format: String?
    /// The named values in the order of the declaration; secrets are masked.
    public var values: [(name: String, value: String)]
    /// The line of the declaration that named the last event, 0 when none did.
    public var ruleLine: Int
    /// Why the record was ignored; nil when it gave events.
    public var ignoredReason: String?
    /// What was wrong with the record, as in the label `sealtail_damage`.
    public var damage: String

    /// The longest value that is shown whole.
    static let valueByteLimit = 200
    /// Parts of names whose values are never shown.
    static let secretNames = [
        "password", "secret", "cookie", "authorization", "assertion", "verifier", "code", "token",
        "session", "requesturi", "message", "front", "ticket", "what",
    ]

    static func shown(_ name: String, _ text: String) -> String {
        let lower = name.lowercased()
        let isHarmless =
            ["error", "message", "type", "status"].contains(lower)
            || lower.hasSuffix("_type") || lower.hasSuffix("_method") || lower.hasSuffix("expires")
        if !isHarmless, secretNames.contains(where: lower.contains) {
            return "*** (\(text.utf8.count) bytes)"
        }
        if lower == "message" { return "(\(text.utf8.count) bytes)" }
        let bytes = Array(text.utf8)
        if Scrubber().scrubbed(bytes.span) != nil { return "*** (\(bytes.count) bytes)" }
        let printable = printable(text)
        if printable.utf8.count > valueByteLimit { return printable.prefix(valueByteLimit) + "…" }
        return printable
    }

    /// The text with control characters spelt out, which a terminal would obey.
    private static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || (scalar.value >= 0x7F && scalar.value < 0xA0) {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension RecordParser {
    /// Parses one record and tells what happened; the batch must hold that record only.
    public mutating func explain(
        _ batch: consuming RecordBatch
    ) -> (events: EventBatch, explanation: ParseExplanation) {
        trace = ParseTrace()
        let events = parse(batch)
        var values: [(name: String, value: String)] = []
        for number in slots.indices where slots[number].stamp == stamp {
            guard number < program.slotNames.count, let text = show(slots[number], events)
            else { continue }
            let name = program.slotNames[number]
            let isCredential = program.credentialSlots.contains(Int32(number))
            values.append(
                (
                    name,
                    isCredential
                        ? "*** (\(text.utf8.count) bytes)" : ParseExplanation.shown(name, text)
                ))
        }
        let isIgnored = events.events.isEmpty
        return (
            events,
            ParseExplanation(
                format: trace.format >= 0 ? program.formats[trace.format].name : nil,
                values: values, ruleLine: isIgnored ? 0 : Int(trace.line),
                ignoredReason: isIgnored ? events.tally.ignored.keys.first : nil,
                damage: damage.text)
        )
    }

    private func show(_ slot: Slot, _ events: EventBatch) -> String? {
        switch slot.form {
        case .nothing: return nil
        case .block: return String(decoding: events.records.bytes[slot.range], as: UTF8.self)
        case .scratch:
            // What an ignored record left in the scratch is gone.
            guard slot.range.upperBound <= events.scratch.count else { return "…" }
            return String(decoding: events.scratch[slot.range], as: UTF8.self)
        case .integer: return String(Int64(bitPattern: slot.payload))
        case .double: return String(Double(bitPattern: slot.payload))
        case .boolean: return slot.payload == 1 ? "true" : "false"
        case .list:
            guard slot.range.upperBound <= events.scratch.count else { return "…" }
            return members(of: slot, events.scratch).joined(separator: " | ")
        }
    }

    private func members(of list: Slot, _ bytes: [UInt8]) -> [String] {
        var members: [String] = []
        var at = list.offset
        while at + 4 <= list.range.upperBound {
            let count = RecordParser.length(bytes.span, at)
            let end = min(at + 4 + count, list.range.upperBound)
            members.append(String(decoding: bytes[at + 4..<end], as: UTF8.self))
            at += 4 + count
        }
        return members
    }
}
