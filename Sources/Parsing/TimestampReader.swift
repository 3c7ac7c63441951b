// SPDX-License-Identifier: Apache-2.0
import Platform

/// How a product writes a moment.
public enum TimeForm: String, CaseIterable, Sendable {
    /// ISO 8601 with a date, a fraction of any length behind `.` or `,`, and `Z`, an offset or
    /// nothing, which means the time zone of the input.
    case iso8601
    /// Seconds since 1970, with or without a fraction.
    case epochSeconds = "epoch_s"
    /// Milliseconds since 1970.
    case epochMilliseconds = "epoch_ms"
    /// Nanoseconds since 1970.
    case epochNanoseconds = "epoch_ns"
    /// ISO 8601, or a number since 1970 whose unit follows from its size.
    case any
}

/// Turns texts and numbers into moments.
///
/// One serves one thread: it remembers the offset of the last local quarter of an hour.
struct TimestampReader: ~Copyable {
    private let zone: Zone
    /// Whether a time without a zone is in UTC rather than in the zone.
    var assumesUTC = false
    private var localQuarter = Int64.min
    private var localOffset: Int64 = 0

    init(zone: Zone) {
        self.zone = zone
    }

    /// Reads a text; nil when it is no moment.
    mutating func read(_ text: Span<UInt8>, _ form: TimeForm) -> Timestamp? {
        switch form {
        case .iso8601: return readISO(text) ?? readLoose(text)
        case .epochSeconds, .epochMilliseconds, .epochNanoseconds:
            return TimestampReader.readNumber(text, form)
        case .any:
            if let number = TimestampReader.readNumber(text, .any) { return number }
            return readISO(text) ?? readLoose(text)
        }
    }

    /// Reads a whole number; nil when it is out of range.
    static func read(_ number: Int64, _ form: TimeForm) -> Timestamp? {
        let microseconds: Int64
        switch form {
        case .epochSeconds, .iso8601:
            let (product, overflow) = number.multipliedReportingOverflow(by: 1_000_000)
            if overflow { return nil }
            microseconds = product
        case .epochMilliseconds:
            let (product, overflow) = number.multipliedReportingOverflow(by: 1_000)
            if overflow { return nil }
            microseconds = product
        case .epochNanoseconds: microseconds = floorDivide(number, 1_000)
        case .any:
            // Each unit's numbers for 1973 to 5138 lie apart from the others'.
            switch number.magnitude {
            case 0..<100_000_000_000: return read(number, .epochSeconds)
            case 100_000_000_000..<100_000_000_000_000: return read(number, .epochMilliseconds)
            case 100_000_000_000_000..<100_000_000_000_000_000: microseconds = number
            default: return read(number, .epochNanoseconds)
            }
        }
        let moment = Timestamp(microseconds: microseconds)
        return moment.isRepresentable ? moment : nil
    }

    /// Reads another number of seconds.
    static func read(_ number: Double, _ form: TimeForm) -> Timestamp? {
        guard number.isFinite, number.magnitude < 1e18 else { return nil }
        switch form {
        case .epochSeconds, .iso8601:
            guard number.magnitude < 1e12 else { return nil }
            let moment = Timestamp(microseconds: Int64((number * 1e6).rounded(.down)))
            return moment.isRepresentable ? moment : nil
        case .any where number.magnitude < 1e11: return read(number, .epochSeconds)
        case .epochMilliseconds, .epochNanoseconds, .any:
            return read(Int64(number.rounded(.down)), form)
        }
    }

    static func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
        let quotient = number / divisor
        return number % divisor < 0 ? quotient - 1 : quotient
    }

    /// `1700000000`, `-5`, `1700000000.123456789`.
    private static func readNumber(_ text: Span<UInt8>, _ form: TimeForm) -> Timestamp? {
        var index = 0
        let isNegative = text.count > 0 && text[0] == 0x2D
        if isNegative { index = 1 }
        guard index < text.count, text.count <= 32 else { return nil }
        var whole: Int64 = 0
        let first = index
        while index < text.count, ASCII.isDigit(text[index]) {
            guard whole < 100_000_000_000_000_000 else {
                guard whole < 900_000_000_000_000_000 else { return nil }
                whole = whole * 10 + Int64(text[index] - 0x30)
                index += 1
                continue
            }
            whole = whole * 10 + Int64(text[index] - 0x30)
            index += 1
        }
        guard index > first else { return nil }
        var micros: Int64 = 0
        if index < text.count {
            guard text[index] == 0x2E, form == .epochSeconds || form == .any,
                whole < 100_000_000_000
            else { return nil }
            guard let fraction = fraction(text, &index) else { return nil }
            micros = fraction
            guard index == text.count else { return nil }
        }
        guard let moment = read(isNegative ? -whole : whole, form) else { return nil }
        return Timestamp(microseconds: moment.microseconds + (isNegative ? -micros : micros))
    }

    /// The digits behind the point at `index` as microseconds, finer ones cut; moves `index`.
    @inline(__always)
    static func fraction(_ text: Span<UInt8>, _ index: inout Int) -> Int64? {
        index += 1
        var micros: Int64 = 0
        var digits = 0
        while index < text.count, ASCII.isDigit(text[index]) {
            if digits < 6 { micros = micros * 10 + Int64(text[index] - 0x30) }
            digits += 1
            index += 1
        }
        guard digits > 0 else { return nil }
        while digits < 6 {
            micros *= 10
            digits += 1
        }
        return micros
    }

    @inline(__always)
    private static func digits(_ text: Span<UInt8>, _ at: Int, _ count: Int) -> Int? {
        guard at + count <= text.count else { return nil }
        var value = 0
        for index in at..<at + count {
            let byte = text[index]
            guard ASCII.isDigit(byte) else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        return value
    }

    // MARK: Layouts

    /// Forms that resemble ISO 8601: unpadded, with slashes, without separators, with ` UTC`.
    private static let looseLayouts: [TimeLayout] = [
        "%Y-%m-%dT%H:%M:%S%f%z", "%Y-%m-%d %H:%M:%S%f%z", "%Y-%m-%d %H:%M:%S%f %z",
        "%Y-%m-%d %H:%M:%S%f %Z", "%Y-%m-%d %H:%M:%S%f", "%Y-%m-%dT%H:%M:%S%f",
        "%Y/%m/%d %H:%M:%S%f", "%Y/%m/%d %H:%M:%S%f %z", "%Y%m%dT%H%M%S%f%z", "%Y%m%dT%H%M%S%f",
    ].compactMap { try? TimeLayout($0) }

    private mutating func readLoose(_ text: Span<UInt8>) -> Timestamp? {
        guard text.count >= 14, text.count <= 64, ASCII.isDigit(text[0]) else { return nil }
        for layout in TimestampReader.looseLayouts {
            if let time = read(text, layout, observed: Timestamp(microseconds: 0)) { return time }
        }
        return nil
    }

    /// Reads a text by a layout; nil when it is not of this form.
    ///
    /// Without a zone it is in the zone of the input. Without a year it is of the last year in
    /// which it is not later than a day after `observed`.
    mutating func read(
        _ text: Span<UInt8>, _ layout: TimeLayout, observed: Timestamp
    ) -> Timestamp? {
        guard let reading = TimeReading(text, layout) else { return nil }
        if let epoch = reading.epoch {
            return Timestamp(microseconds: epoch * 1_000_000 + reading.microseconds)
        }
        if let year = reading.year { return moment(reading, year) }
        let day = TimestampReader.floorDivide(observed.microseconds, 86_400_000_000)
        let latest = CivilDate(daysSince1970: Int(day) + 1).year
        for year in stride(from: latest, through: latest - 8, by: -1) {
            // The 29th of February is not of every year.
            guard let moment = moment(reading, year) else { continue }
            if moment.microseconds <= observed.microseconds + 86_400_000_000 { return moment }
        }
        return nil
    }

    private mutating func moment(_ reading: TimeReading, _ year: Int) -> Timestamp? {
        guard let month = reading.month, let day = reading.day,
            day <= CivilDate.dayCount(ofMonth: month, year: year)
        else { return nil }
        let days = Int64(CivilDate(year: year, month: month, day: day).daysSince1970)
        let local =
            days * 86_400
            + Int64(reading.hour * 3600 + reading.minute * 60 + reading.second)
        let offset = reading.offset ?? zoneOffset(local)
        let moment = Timestamp(
            microseconds: (local - offset) * 1_000_000 + reading.microseconds)
        return moment.isRepresentable ? moment : nil
    }

    private mutating func readISO(_ text: Span<UInt8>) -> Timestamp? {
        guard text.count >= 19, text[4] == 0x2D, text[7] == 0x2D, text[13] == 0x3A,
            text[16] == 0x3A, text[10] == 0x54 || text[10] == 0x20 || text[10] == 0x74,
            let year = TimestampReader.digits(text, 0, 4),
            let month = TimestampReader.digits(text, 5, 2),
            let day = TimestampReader.digits(text, 8, 2),
            let hour = TimestampReader.digits(text, 11, 2),
            let minute = TimestampReader.digits(text, 14, 2),
            var second = TimestampReader.digits(text, 17, 2)
        else { return nil }
        guard month >= 1, month <= 12, day >= 1, hour <= 23, minute <= 59, second <= 60,
            day <= CivilDate.dayCount(ofMonth: month, year: year)
        else { return nil }
        var index = 19
        var micros: Int64 = 0
        if index < text.count, text[index] == 0x2E || text[index] == 0x2C {
            guard let fraction = TimestampReader.fraction(text, &index) else { return nil }
            micros = fraction
        }
        if second == 60 {
            second = 59
            micros = 999_999
        }
        let days = Int64(CivilDate(year: year, month: month, day: day).daysSince1970)
        let local = days * 86_400 + Int64(hour * 3600 + minute * 60 + second)
        guard let offset = offset(text, index, local) else { return nil }
        return Timestamp(microseconds: (local - offset) * 1_000_000 + micros)
    }

    /// Seconds east of UTC that are written at `index`, or of the zone when nothing is.
    private mutating func offset(_ text: Span<UInt8>, _ index: Int, _ local: Int64) -> Int64? {
        guard index < text.count else { return zoneOffset(local) }
        var index = index
        if text[index] == 0x20 { index += 1 }
        guard index < text.count else { return nil }
        let sign = text[index]
        if sign == 0x5A || sign == 0x7A { return index + 1 == text.count ? 0 : nil }
        guard sign == 0x2B || sign == 0x2D,
            let hours = TimestampReader.digits(text, index + 1, 2), hours <= 23
        else { return nil }
        var minutes = 0
        index += 3
        if index < text.count {
            if text[index] == 0x3A { index += 1 }
            guard let written = TimestampReader.digits(text, index, 2), written <= 59,
                index + 2 == text.count
            else { return nil }
            minutes = written
        }
        let seconds = Int64(hours * 3600 + minutes * 60)
        return sign == 0x2D ? -seconds : seconds
    }

    /// Rules change the offset on a quarter of an hour, so one look-up serves that long.
    @inline(__always)
    private mutating func zoneOffset(_ local: Int64) -> Int64 {
        if assumesUTC { return 0 }
        let quarter = TimestampReader.floorDivide(local, 900)
        if quarter != localQuarter {
            localQuarter = quarter
            let written = Timestamp(microseconds: local * 1_000_000)
            let moment = zone.moment(ofLocal: written)
            localOffset = (written.microseconds - moment.microseconds) / 1_000_000
        }
        return localOffset
    }
}
