// SPDX-License-Identifier: Apache-2.0
import Platform

/// Spells numbers as people read them, each with its unit.
enum Quantity {
    /// `118/s`, `0.4/s`; a dash where nothing is known.
    static func rate(_ value: Double?) -> String {
        guard let value else { return "-" }
        return (value < 9.95 && value > 0 ? tenths(value) : count(value)) + "/s"
    }

    /// `12 345`.
    static func count(_ value: Double?) -> String {
        guard let value else { return "-" }
        let digits = Array(String(Int64(min(max(value.rounded(), -largest), largest))))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(" ") }
            text.append(digit)
        }
        return text
    }

    /// What is beyond it is no number that an agent counts to, and would not be an Int64.
    private static let largest = 1e18

    /// `1.3 GiB`.
    static func bytes(_ value: Double) -> String {
        var (value, unit) = (value, 0)
        while value >= 1000, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let isWhole = unit == 0 || value >= 99.95
        return (isWhole ? count(value) : tenths(value)) + " " + units[unit]
    }

    private static let units = ["B", "KiB", "MiB", "GiB", "TiB"]

    /// `12 ms`, `3.4 s`, `4 min 5 s`, `2 h 4 min`, `3 d 4 h`; a dash where nothing is known.
    static func duration(_ seconds: Double?) -> String {
        guard let seconds = seconds.map({ min(max($0, 0), largest) }) else { return "-" }
        if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 10 { return tenths(seconds) + " s" }
        let whole = Int(seconds)
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return pair(whole / 60, "min", whole % 60, "s") }
        if whole < 86_400 { return pair(whole / 3600, "h", whole % 3600 / 60, "min") }
        return pair(whole / 86_400, "d", whole % 86_400 / 3600, "h")
    }

    /// `12 s ago`, by the agent's own clock.
    static func ago(_ moment: String?, _ now: String) -> String {
        guard let then = moment.flatMap(timestamp), let present = timestamp(now) else {
            return "never"
        }
        let seconds = Double(present.microseconds - then.microseconds) / 1_000_000
        return seconds < 1 ? "now" : duration(seconds.rounded(.down)) + " ago"
    }

    private static func timestamp(_ text: String) -> Timestamp? {
        TimeArgument.read(text, now: .earliest)
    }

    private static func pair(_ first: Int, _ unit: String, _ rest: Int, _ small: String) -> String {
        rest == 0 ? "\(first) \(unit)" : "\(first) \(unit) \(rest) \(small)"
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}

extension JSONDocument {
    /// The value of a number of either kind; nil for everything else, and beyond what a Double has.
    var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let text): Double(text).flatMap { $0.isFinite ? $0 : nil }
        case _: nil
        }
    }
}
