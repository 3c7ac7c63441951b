// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Parsing

struct TimestampReaderTests {
    private func read(_ text: String, _ form: TimeForm = .any, _ zone: Zone = .utc) -> String? {
        var reader = TimestampReader(zone: zone)
        let bytes = Array(text.utf8)
        return reader.read(bytes.span, form)?.text
    }

    @Test(arguments: [
        ("2026-11-20T08:00:00.004615077Z", "2026-11-20T08:00:00.004615Z"),
        ("2026-11-20T08:00:00.9999999Z", "2026-11-20T08:00:00.999999Z"),
        ("2026-11-20T08:00:00+05:30", "2026-11-20T02:30:00.000000Z"),
        ("2026-11-20T08:00:00.5-0800", "2026-11-20T16:00:00.500000Z"),
        ("2026-11-20 08:00:00,123", "2026-11-20T08:00:00.123000Z"),
        ("2026-11-20 08:00:00.123 +01", "2026-11-20T07:00:00.123000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("1795168800", "2026-11-20T10:00:00.000000Z"),
        ("1795168800.1234567", "2026-11-20T10:00:00.123456Z"),
        ("1795168800123", "2026-11-20T10:00:00.123000Z"),
        ("1795168800123456", "2026-11-20T10:00:00.123456Z"),
        ("1795168800123456789", "2026-11-20T10:00:00.123456Z"),
    ])
    func momentsAreReadInEveryForm(_ text: String, _ expected: String) {
        #expect(read(text) == expected)
    }

    @Test(arguments: [
        "", "x", "2026-11-20", "2026-11-20T08:00", "2026-11-20T24:00:00Z",
        "2026-11-20T08:00:00.Z", "2026-11-20T08:00:00+5:30", "2026-11-20T08:00:00Zx",
        "2026-02-29T08:00:00Z", "99999999999999999999", "1.2.3", "-", "2026-11-20T08:00:61Z",
    ])
    func whatIsNoMomentIsNone(_ text: String) {
        #expect(read(text) == nil)
    }

    @Test func clocksThatJumpAreFollowed() throws {
        let berlin = try Zone(named: "Europe/Berlin")
        #expect(read("2026-03-29 01:59:59,000", .iso8601, berlin) == "2026-03-29T00:59:59.000000Z")
        #expect(read("2026-03-29 03:00:00,000", .iso8601, berlin) == "2026-03-29T01:00:00.000000Z")
        #expect(read("2026-10-25 03:00:00,000", .iso8601, berlin) == "2026-10-25T02:00:00.000000Z")
    }

    @Test func oneReaderKeepsNoOffsetTooLong() throws {
        var reader = TimestampReader(zone: try Zone(named: "Europe/Berlin"))
        for (text, expected) in [
            ("2026-03-29 01:59:59,999", "2026-03-29T00:59:59.999000Z"),
            ("2026-03-29 03:00:00,000", "2026-03-29T01:00:00.000000Z"),
            ("2026-01-29 03:00:00,000", "2026-01-29T02:00:00.000000Z"),
        ] {
            let bytes = Array(text.utf8)
            #expect(reader.read(bytes.span, .iso8601)?.text == expected)
        }
    }
}
