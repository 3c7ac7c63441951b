// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Inputs

struct WrapperTimeTests {
    private let now = Timestamp(year: 2026, month: 11, day: 22, hour: 9)

    private func read(_ text: String, now: Timestamp? = nil) throws -> Timestamp? {
        let bytes = Array(text.utf8)
        return WrapperTime.read(
            bytes.span, 0..<bytes.count, zone: try Zone(named: "UTC"), now: now ?? self.now)
    }

    /// Half a year back was taken for the spring that comes, which is no time for an event.
    @Test func aTimeWithoutAYearIsOfTheLastYearInWhichItHasCome() throws {
        #expect(
            try read("Mar 15 08:30:44")
                == Timestamp(year: 2026, month: 3, day: 15, hour: 8, minute: 30, second: 44))
        #expect(
            try read("Nov 22 23:00:00") == Timestamp(year: 2026, month: 11, day: 22, hour: 23))
        #expect(try read("Dec  1 00:00:00") == Timestamp(year: 2025, month: 12, day: 1))
        let newYear = Timestamp(year: 2026, month: 12, day: 31, hour: 23, minute: 59)
        #expect(
            try read("Jan  1 00:00:01", now: newYear)
                == Timestamp(year: 2027, month: 1, day: 1, second: 1))
    }

    @Test func theLastDayOfALongFebruaryIsOfALeapYear() throws {
        #expect(try read("Feb 29 12:00:00") == Timestamp(year: 2024, month: 2, day: 29, hour: 12))
    }

    @Test func aYearThatIsNamedHolds() throws {
        #expect(try read("Mar 15 2031 00:00:00") == Timestamp(year: 2031, month: 3, day: 15))
    }
}
