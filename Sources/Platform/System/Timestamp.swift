// SPDX-License-Identifier: Apache-2.0

/// A moment in UTC with microsecond resolution, the only form in which time travels.
///
/// It is a count since 1970-01-01T00:00:00Z without leap seconds, as in POSIX.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Microseconds since 1970-01-01T00:00:00Z; negative before.
    public var microseconds: Int64

    /// Seconds since 1970 with their fraction, as Prometheus has times.
    public var seconds: Double { Double(microseconds) / 1_000_000 }

    /// Wraps a count of microseconds since 1970.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// The bytes of an RFC 3339 text in the canonical form, `2026-11-21T11:02:07.118000Z`.
    public static let textByteCount = 27

    /// The first moment that the four-digit year of RFC 3339 can say: 0000-01-01.
    public static let earliest = Timestamp(microseconds: -62_167_219_200_000_000)

    /// The last moment that the four-digit year of RFC 3339 can say: end of 9999.
    public static let latest = Timestamp(microseconds: 253_402_300_799_999_999)

    /// Builds the moment of a proleptic Gregorian date and a time of day in UTC.
    ///
    /// The parts are taken as they are: the caller checks their ranges.
    public init(
        year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0,
        microsecond: Int = 0
    ) {
        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
        self.init(microseconds: Int64(seconds) * 1_000_000 + Int64(microsecond))
    }

    /// True when the moment has a four-digit year, hence a canonical text.
    public var isRepresentable: Bool {
        self >= Timestamp.earliest && self <= Timestamp.latest
    }

    /// The moment `duration` later; parts below a microsecond are cut.
    public func advanced(by duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        return Timestamp(
            microseconds: microseconds + seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }

    /// The time from `earlier` to this moment.
    public func since(_ earlier: Timestamp) -> Duration {
        .microseconds(microseconds - earlier.microseconds)
    }

    /// Orders by time.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// The canonical text: RFC 3339, UTC, exactly six digits of fraction and `Z`.
    ///
    /// A moment outside the years 0 to 9999 is shown as the nearest one inside.
    public var text: String {
        var writer = ByteWriter(capacity: Timestamp.textByteCount)
        writer.append(self)
        return writer.makeString()
    }
}

/// A day in the proleptic Gregorian calendar.
public struct CivilDate: Sendable, Hashable {
    /// The year, astronomical numbering.
    public var year: Int
    /// The month, 1 to 12.
    public var month: Int
    /// The day of the month, 1 to 31.
    public var day: Int

    /// Names a day; the parts are taken as they are.
    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day that begins `days` days after 1970-01-01.
    public init(daysSince1970 days: Int) {
        // The era is 400 years, counted from a March so that the leap day comes last.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01; negative before.
    public var daysSince1970: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The number of days in the month, by the Gregorian leap rule.
    public static func dayCount(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
