// SPDX-License-Identifier: Apache-2.0
import Platform

/// The times that wrappers write: RFC 3339 with a zone, and `Nov  1 09:08:07` of RFC 3164.
enum WrapperTime {
    /// Microseconds since 1970, as a journal counts.
    static func moment(_ microseconds: Int64) -> Timestamp? {
        let moment = Timestamp(microseconds: microseconds)
        return moment.isRepresentable ? moment : nil
    }

    /// RFC 3339 with any number of digits of fraction, and a zone.
    static func read(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Timestamp? {
        let start = range.lowerBound
        let shortest = 20
        guard range.count >= shortest, range.count <= 40, bytes[start + 4] == UInt8(ascii: "-"),
            bytes[start + 7] == UInt8(ascii: "-"), bytes[start + 10] == UInt8(ascii: "T"),
            let year = number(bytes, start, 4), let month = number(bytes, start + 5, 2),
            let day = number(bytes, start + 8, 2), (1...12).contains(month),
            day >= 1, day <= CivilDate.dayCount(ofMonth: month, year: year),
            let clock = clock(bytes, start + 11)
        else { return nil }
        var place = start + 19
        var microsecond = 0
        if bytes[place] == UInt8(ascii: ".") {
            place += 1
            var scale = 100_000
            let first = place
            while place < range.upperBound, SyslogHeader.isDigit(bytes[place]) {
                microsecond += Int(bytes[place] - UInt8(ascii: "0")) * scale
                scale /= 10
                place += 1
            }
            guard place > first else { return nil }
        }
        guard let offset = offset(bytes, place..<range.upperBound) else { return nil }
        let moment = Timestamp(
            year: year, month: month, day: day, hour: clock.hour, minute: clock.minute,
            second: clock.second - offset, microsecond: microsecond)
        return moment.isRepresentable ? moment : nil
    }

    /// The same, or a time of RFC 3164: in `zone`, and where it names no year in the last one in
    /// which it is no more than a day ahead of `now`, as clocks and zones can be.
    static func read(
        _ bytes: Span<UInt8>, _ range: Range<Int>, zone: Zone, now: Timestamp
    ) -> Timestamp? {
        guard let month = month(bytes, range) else { return read(bytes, range) }
        var place = range.lowerBound + 4
        while place < range.upperBound, bytes[place] == UInt8(ascii: " ") { place += 1 }
        let dayByteCount =
            place + 1 < range.upperBound && SyslogHeader.isDigit(bytes[place + 1]) ? 2 : 1
        guard place + dayByteCount < range.upperBound,
            let day = number(bytes, place, dayByteCount), day >= 1
        else { return nil }
        place += dayByteCount + 1
        var named: Int?
        if place + 5 <= range.upperBound, bytes[place + 4] == UInt8(ascii: " ") {
            named = number(bytes, place, 4)
            place += 5
        }
        guard place + 8 <= range.upperBound, let clock = clock(bytes, place) else { return nil }
        func moment(_ year: Int) -> Timestamp? {
            guard day <= CivilDate.dayCount(ofMonth: month, year: year) else { return nil }
            return zone.moment(
                ofLocal: Timestamp(
                    year: year, month: month, day: day, hour: clock.hour, minute: clock.minute,
                    second: clock.second))
        }
        if let named { return moment(named) }
        let tomorrow = now.microseconds + 86_400_000_000
        let latest = CivilDate(daysSince1970: Int(tomorrow / 86_400_000_000)).year
        // The 29th of February is not of every year.
        return stride(from: latest, through: latest - 8, by: -1).lazy
            .compactMap(moment).first { $0.microseconds <= tomorrow }
    }

    /// The number of the month that three letters and a blank name.
    static func month(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        guard range.count >= 14, bytes[range.lowerBound + 3] == UInt8(ascii: " ") else {
            return nil
        }
        let start = range.lowerBound
        for (index, name) in months.enumerated()
        where bytes[start] == name[0] && bytes[start + 1] == name[1] && bytes[start + 2] == name[2]
        {
            return index + 1
        }
        return nil
    }

    static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ].map { Array($0.utf8) }

    /// `09:08:07`; a leap second counts as the second after.
    private static func clock(
        _ bytes: Span<UInt8>, _ start: Int
    ) -> (hour: Int, minute: Int, second: Int)? {
        guard bytes[start + 2] == UInt8(ascii: ":"), bytes[start + 5] == UInt8(ascii: ":"),
            let hour = number(bytes, start, 2), let minute = number(bytes, start + 3, 2),
            let second = number(bytes, start + 6, 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        return (hour, minute, second)
    }

    /// `Z`, `+01:00` or `+0100` in seconds.
    private static func offset(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        guard !range.isEmpty else { return nil }
        let start = range.lowerBound
        if bytes[start] == UInt8(ascii: "Z") { return range.count == 1 ? 0 : nil }
        guard range.count == 5 || (range.count == 6 && bytes[start + 3] == UInt8(ascii: ":")),
            bytes[start] == UInt8(ascii: "+") || bytes[start] == UInt8(ascii: "-"),
            let hours = number(bytes, start + 1, 2),
            let minutes = number(bytes, range.upperBound - 2, 2), hours < 24, minutes < 60
        else { return nil }
        let seconds = hours * 3600 + minutes * 60
        return bytes[start] == UInt8(ascii: "-") ? -seconds : seconds
    }

    private static func number(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> Int? {
        var number = 0
        for index in start..<start + count {
            guard SyslogHeader.isDigit(bytes[index]) else { return nil }
            number = number * 10 + Int(bytes[index] - UInt8(ascii: "0"))
        }
        return number
    }
}
