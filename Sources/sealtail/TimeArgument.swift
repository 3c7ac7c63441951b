// SPDX-License-Identifier: Apache-2.0
import Platform

/// A moment on the command line: RFC 3339 with a zone, a date in UTC, or how long ago.
enum TimeArgument {
    static let forms = "a time such as 2026-11-21T08:00:00Z, a date, or how long ago, such as 2h"

    /// Reads a moment; nil for anything else.
    static func read(_ text: String, now: Timestamp) -> Timestamp? {
        if let ago = ConfigurationText.duration(text) {
            guard ago <= now.since(.earliest) else { return nil }
            return now.advanced(by: .zero - ago)
        }
        let bytes = Array(text.utf8)
        guard bytes.count >= 10, bytes[4] == 0x2D, bytes[7] == 0x2D,
            let year = number(bytes[0..<4], 0...9999), let month = number(bytes[5..<7], 1...12),
            let day = number(
                bytes[8..<10], 1...CivilDate.dayCount(ofMonth: month, year: year))
        else { return nil }
        guard bytes.count > 10 else { return Timestamp(year: year, month: month, day: day) }
        guard bytes.count >= 20, [0x54, 0x74, 0x20].contains(bytes[10]), bytes[13] == 0x3A,
            bytes[16] == 0x3A, let hour = number(bytes[11..<13], 0...23),
            let minute = number(bytes[14..<16], 0...59),
            let second = number(bytes[17..<19], 0...59)
        else { return nil }
        var rest = bytes[19...]
        guard let microsecond = fraction(&rest), let offset = offset(rest) else { return nil }
        return Timestamp(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second,
            microsecond: microsecond
        ).advanced(by: .seconds(-offset))
    }

    private static func number(_ digits: ArraySlice<UInt8>, _ range: ClosedRange<Int>) -> Int? {
        var value = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return range.contains(value) ? value : nil
    }

    /// Takes a fraction of a second away; what is finer than a microsecond is cut.
    private static func fraction(_ rest: inout ArraySlice<UInt8>) -> Int? {
        guard rest.first == 0x2E else { return 0 }
        let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { return nil }
        rest = rest.dropFirst(1 + digits.count)
        var six = Array(digits.prefix(6))
        while six.count < 6 { six.append(0x30) }
        return number(six[...], 0...999_999)
    }

    /// The seconds that a zone is ahead of UTC.
    private static func offset(_ zone: ArraySlice<UInt8>) -> Int? {
        if zone.elementsEqual([0x5A]) || zone.elementsEqual([0x7A]) { return 0 }
        let start = zone.startIndex
        guard zone.count == 6, zone[start] == 0x2B || zone[start] == 0x2D,
            zone[start + 3] == 0x3A, let hours = number(zone[start + 1..<start + 3], 0...23),
            let minutes = number(zone[start + 4..<start + 6], 0...59)
        else { return nil }
        return (zone[start] == 0x2B ? 1 : -1) * (hours * 3600 + minutes * 60)
    }
}
