// SPDX-License-Identifier: Apache-2.0
import Platform

/// How a product writes a moment, in the letters of strptime(3).
///
/// `%Y %y %m %d %e %b %B %a %A %H %I %p %M %S %s %z %Z %%`, and `%f` for a fraction of any length
/// with the point or comma before it, which may be missing. Numbers may be unpadded; a blank stands
/// for any number of blanks.
struct TimeLayout: Sendable {
    enum Part: Sendable, Hashable {
        case literal(UInt8)
        case blanks
        case year, shortYear, month, day, monthName, dayName
        case hour, hour12, half, minute, second, fraction
        case offset, zoneName, epoch
    }

    let parts: [Part]

    /// Reads a layout; nil with the reason when a letter is unknown.
    init(_ text: String) throws(TimeLayoutError) {
        var parts: [Part] = []
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            if byte == 0x20 {
                if parts.last != .blanks { parts.append(.blanks) }
            } else if byte != UInt8(ascii: "%") {
                parts.append(.literal(byte))
            } else {
                guard let letter = bytes.popFirst() else {
                    throw TimeLayoutError(reason: "ends in the middle of a %")
                }
                parts.append(try TimeLayout.part(letter))
            }
        }
        let hasMonth = parts.contains(.month) || parts.contains(.monthName)
        let hasHour = parts.contains(.hour) || parts.contains(.hour12)
        // A day that is not written would have to be invented.
        guard parts.contains(.epoch) || (hasMonth && parts.contains(.day) && hasHour) else {
            throw TimeLayoutError(reason: "must have a month, a day and an hour, or %s")
        }
        self.parts = parts
    }

    private static func part(_ letter: UInt8) throws(TimeLayoutError) -> Part {
        switch letter {
        case UInt8(ascii: "Y"): return .year
        case UInt8(ascii: "y"): return .shortYear
        case UInt8(ascii: "m"): return .month
        case UInt8(ascii: "d"), UInt8(ascii: "e"): return .day
        case UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "h"): return .monthName
        case UInt8(ascii: "a"), UInt8(ascii: "A"): return .dayName
        case UInt8(ascii: "H"), UInt8(ascii: "k"): return .hour
        case UInt8(ascii: "I"), UInt8(ascii: "l"): return .hour12
        case UInt8(ascii: "p"): return .half
        case UInt8(ascii: "M"): return .minute
        case UInt8(ascii: "S"): return .second
        case UInt8(ascii: "f"): return .fraction
        case UInt8(ascii: "z"): return .offset
        case UInt8(ascii: "Z"): return .zoneName
        case UInt8(ascii: "s"): return .epoch
        case UInt8(ascii: "%"): return .literal(letter)
        default:
            let shown = Unicode.Scalar(letter)
            throw TimeLayoutError(reason: "has %\(shown), which is no part of a time")
        }
    }
}

/// A layout that cannot be read.
struct TimeLayoutError: Error {
    let reason: String
}

/// What a text says of a moment, part by part.
struct TimeReading {
    var year: Int?
    var month: Int?
    var day: Int?
    var hour = 0
    var minute = 0
    var second = 0
    var microseconds: Int64 = 0
    var isAfternoon: Bool?
    /// Seconds east of UTC.
    var offset: Int64?
    var epoch: Int64?

    /// Reads a text by a layout to its end; nil when it is not of this form.
    init?(_ text: Span<UInt8>, _ layout: TimeLayout) {
        var index = 0
        for part in layout.parts {
            guard read(part, text, &index) else { return nil }
        }
        guard index == text.count else { return nil }
        if let isAfternoon {
            guard hour >= 1, hour <= 12 else { return nil }
            hour = hour % 12 + (isAfternoon ? 12 : 0)
        }
        guard hour <= 23, minute <= 59, second <= 60 else { return nil }
        if second == 60 { (second, microseconds) = (59, 999_999) }
    }

    private mutating func read(
        _ part: TimeLayout.Part, _ text: Span<UInt8>, _ index: inout Int
    ) -> Bool {
        switch part {
        case .literal(let byte):
            guard index < text.count, text[index] == byte else { return false }
            index += 1
        case .blanks:
            guard index < text.count, text[index] == 0x20 else { return false }
            while index < text.count, text[index] == 0x20 { index += 1 }
        case .year: return TimeReading.number(text, &index, 4, 1...9999) { year = $0 }
        case .shortYear:
            return TimeReading.number(text, &index, 2, 0...99) {
                year = $0 + ($0 < 69 ? 2000 : 1900)
            }
        case .month: return TimeReading.number(text, &index, 2, 1...12) { month = $0 }
        case .day:
            // `%e` is padded with a blank.
            if index < text.count, text[index] == 0x20 { index += 1 }
            return TimeReading.number(text, &index, 2, 1...31) { day = $0 }
        case .hour, .hour12: return TimeReading.number(text, &index, 2, 0...23) { hour = $0 }
        case .minute: return TimeReading.number(text, &index, 2, 0...59) { minute = $0 }
        case .second: return TimeReading.number(text, &index, 2, 0...60) { second = $0 }
        case .monthName:
            guard let number = TimeReading.name(text, &index, TimeNames.months) else {
                return false
            }
            month = number + 1
        case .dayName: return TimeReading.name(text, &index, TimeNames.days) != nil
        case .half:
            guard let number = TimeReading.name(text, &index, ["am", "pm"]) else { return false }
            isAfternoon = number == 1
        case .fraction: return readFraction(text, &index)
        case .offset: return readOffset(text, &index)
        case .zoneName: return readZoneName(text, &index)
        case .epoch:
            var number: Int64 = 0
            let start = index
            while index < text.count, ASCII.isDigit(text[index]), index - start < 12 {
                number = number * 10 + Int64(text[index] - 0x30)
                index += 1
            }
            epoch = number
            return index > start
        }
        return true
    }

    /// A number of up to some digits.
    private static func number(
        _ text: Span<UInt8>, _ index: inout Int, _ digits: Int, _ range: ClosedRange<Int>,
        _ store: (Int) -> Void
    ) -> Bool {
        var value = 0
        let start = index
        while index < text.count, index - start < digits, ASCII.isDigit(text[index]) {
            value = value * 10 + Int(text[index] - 0x30)
            index += 1
        }
        guard index > start, range.contains(value) else { return false }
        store(value)
        return true
    }

    /// The place in the list of the name that stands here, whole or by its first three letters.
    private static func name(
        _ text: Span<UInt8>, _ index: inout Int, _ names: [String]
    ) -> Int? {
        let word = letters(text, &index).lowercased()
        return names.firstIndex { $0 == word || (word.utf8.count == 3 && $0.hasPrefix(word)) }
    }

    private static func letters(_ text: Span<UInt8>, _ index: inout Int) -> String {
        var word: [UInt8] = []
        while index < text.count, (text[index] | 0x20) &- 0x61 < 26, word.count < 16 {
            word.append(text[index])
            index += 1
        }
        return String(decoding: word, as: UTF8.self)
    }

    private mutating func readFraction(_ text: Span<UInt8>, _ index: inout Int) -> Bool {
        guard index < text.count, text[index] == 0x2E || text[index] == 0x2C else { return true }
        guard let micros = TimestampReader.fraction(text, &index) else { return false }
        microseconds = micros
        return true
    }

    /// `Z`, `+01:00`, `+0100`, `+01`.
    private mutating func readOffset(_ text: Span<UInt8>, _ index: inout Int) -> Bool {
        guard index < text.count else { return false }
        if text[index] | 0x20 == 0x7A {
            index += 1
            offset = 0
            return true
        }
        let isWest = text[index] == 0x2D
        guard isWest || text[index] == 0x2B else { return false }
        index += 1
        var hours = 0
        var minutes = 0
        let start = index
        guard TimeReading.number(text, &index, 2, 0...23, { hours = $0 }), index == start + 2
        else { return false }
        let hasColon = index < text.count && text[index] == 0x3A
        if hasColon { index += 1 }
        if hasColon || (index < text.count && ASCII.isDigit(text[index])) {
            guard TimeReading.number(text, &index, 2, 0...59, { minutes = $0 }) else {
                return false
            }
        }
        let seconds = Int64(hours * 3600 + minutes * 60)
        offset = isWest ? -seconds : seconds
        return true
    }

    /// An abbreviation, perhaps with an offset behind it, as `GMT+08:00`.
    private mutating func readZoneName(_ text: Span<UInt8>, _ index: inout Int) -> Bool {
        let word = TimeReading.letters(text, &index)
        if index < text.count, text[index] == 0x2B || text[index] == 0x2D,
            ["GMT", "UTC", ""].contains(word)
        {
            return readOffset(text, &index)
        }
        guard let seconds = TimeNames.abbreviations[word] else { return false }
        offset = Int64(seconds)
        return true
    }
}

/// The names that stand in written times.
enum TimeNames {
    static let months = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september",
        "october", "november", "december",
    ]
    static let days = [
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ]

    /// Abbreviations of zones, as Java's and Go's loggers write them, in seconds east of UTC.
    ///
    /// An abbreviation that means several places (IST, CST outside America, BST in Bangladesh) is
    /// here only where RFC 822 or the tz database leaves little doubt. One that is missing makes
    /// the time unknown rather than wrong.
    static let abbreviations: [String: Int] = [
        "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 3600, "BST": 3600, "CET": 3600,
        "CEST": 7200, "EET": 7200, "EEST": 10800, "MSK": 10800, "TRT": 10800, "SAST": 7200,
        "EST": -18000, "EDT": -14400, "CST": -21600, "CDT": -18000, "MST": -25200, "MDT": -21600,
        "PST": -28800, "PDT": -25200, "AKST": -32400, "AKDT": -28800, "HST": -36000,
        "JST": 32400, "KST": 32400, "HKT": 28800, "SGT": 28800, "AWST": 28800, "ACST": 34200,
        "ACDT": 37800, "AEST": 36000, "AEDT": 39600, "NZST": 43200, "NZDT": 46800,
    ]
}
