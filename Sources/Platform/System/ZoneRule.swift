// SPDX-License-Identifier: Apache-2.0

/// The rule for all the years to come, in the spelling of the TZ variable (POSIX, tzset(3)), as
/// `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneRule: Sendable {
    private enum Day: Sendable {
        /// Month, week (5 is the last), day of the week (0 is Sunday).
        case weekday(month: Int, week: Int, day: Int)
        /// 1 to 365, never counting 29 February.
        case julian(Int)
        /// 0 to 365, counting it.
        case ordinal(Int)
    }

    private struct Change: Sendable {
        var day: Day
        var second: Int
    }

    private var standard = 0
    private var summer: (offset: Int, start: Change, end: Change)?

    init?(_ text: String) {
        var scanner = Scanner(bytes: Array(text.utf8))
        guard scanner.skipName(), let west = scanner.offset() else { return nil }
        standard = -west
        guard !scanner.isAtEnd else { return }
        guard scanner.skipName() else { return nil }
        var offset = standard + 3600
        if !scanner.isAtEnd, !scanner.sees(",") {
            guard let west = scanner.offset() else { return nil }
            offset = -west
        }
        guard scanner.take(","), let start = ZoneRule.change(&scanner), scanner.take(","),
            let end = ZoneRule.change(&scanner), scanner.isAtEnd
        else { return nil }
        summer = (offset, start, end)
    }

    /// Seconds east of UTC at a second since 1970.
    func offset(at second: Int64) -> Int {
        guard let summer else { return standard }
        let local = Int(second) + standard
        let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
        let year = CivilDate(daysSince1970: day).year
        let start = ZoneRule.second(summer.start, year) - standard
        let end = ZoneRule.second(summer.end, year) - summer.offset
        let now = Int(second)
        let isSummer =
            start < end ? now >= start && now < end : !(now >= end && now < start)
        return isSummer ? summer.offset : standard
    }

    /// The local second, as if it were UTC, at which a change happens.
    private static func second(_ change: Change, _ year: Int) -> Int {
        let newYear = CivilDate(year: year, month: 1, day: 1).daysSince1970
        let day: Int
        switch change.day {
        case .julian(let number):
            let isLeap = CivilDate.dayCount(ofMonth: 2, year: year) == 29
            day = newYear + number - 1 + (isLeap && number > 59 ? 1 : 0)
        case .ordinal(let number): day = newYear + number
        case .weekday(let month, let week, let weekday):
            let first = CivilDate(year: year, month: month, day: 1).daysSince1970
            // 1970-01-01 was a Thursday.
            let firstWeekday = ((first + 4) % 7 + 7) % 7
            var number = (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
            while number >= CivilDate.dayCount(ofMonth: month, year: year) { number -= 7 }
            day = first + number
        }
        return day * 86_400 + change.second
    }

    private static func change(_ scanner: inout Scanner) -> Change? {
        let day: Day
        if scanner.take("M") {
            guard let month = scanner.number(1...12), scanner.take("."),
                let week = scanner.number(1...5), scanner.take("."),
                let weekday = scanner.number(0...6)
            else { return nil }
            day = .weekday(month: month, week: week, day: weekday)
        } else if scanner.take("J") {
            guard let number = scanner.number(1...365) else { return nil }
            day = .julian(number)
        } else {
            guard let number = scanner.number(0...365) else { return nil }
            day = .ordinal(number)
        }
        guard scanner.take("/") else { return Change(day: day, second: 7200) }
        return scanner.offset().map { Change(day: day, second: $0) }
    }
}

private struct Scanner {
    let bytes: [UInt8]
    private var index = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { index == bytes.count }

    func sees(_ character: Unicode.Scalar) -> Bool {
        index < bytes.count && bytes[index] == UInt8(ascii: character)
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard sees(character) else { return false }
        index += 1
        return true
    }

    mutating func skipName() -> Bool {
        if take("<") {
            while !isAtEnd, !sees(">") { index += 1 }
            return take(">")
        }
        let start = index
        while index < bytes.count, bytes[index] | 0x20 >= 0x61, bytes[index] | 0x20 <= 0x7A {
            index += 1
        }
        return index - start >= 3
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int? {
        let start = index
        var value = 0
        while index < bytes.count, index - start < 4, bytes[index] >= 0x30, bytes[index] <= 0x39 {
            value = value * 10 + Int(bytes[index] - 0x30)
            index += 1
        }
        return index > start && range.contains(value) ? value : nil
    }

    /// Hours, with minutes and seconds where they are given, in seconds.
    mutating func offset() -> Int? {
        let isNegative = take("-")
        if !isNegative { _ = take("+") }
        guard var seconds = number(0...167).map({ $0 * 3600 }) else { return nil }
        for unit in [60, 1] where take(":") {
            guard let part = number(0...59) else { return nil }
            seconds += part * unit
        }
        return isNegative ? -seconds : seconds
    }
}
