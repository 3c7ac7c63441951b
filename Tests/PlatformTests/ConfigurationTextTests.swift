// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct ConfigurationTextTests {
    @Test(arguments: [
        ("0", Duration.zero), ("0s", .zero), ("500ms", .milliseconds(500)), ("5s", .seconds(5)),
        ("1m", .seconds(60)), ("1h", .seconds(3_600)), ("30d", .seconds(2_592_000)),
    ])
    func durationsAreReadInTheirUnit(text: String, duration: Duration) {
        #expect(ConfigurationText.duration(text) == duration)
    }

    @Test(arguments: [
        "", "5", "s", "5 s", "-5s", "+5s", "1.5s", "5S", "5sec", "1h30m", "٥s", "5s ",
        "106751991168d", "9223372036854775808ms", "99999999999999999999s",
    ])
    func whatIsNoDurationIsRefused(text: String) {
        #expect(ConfigurationText.duration(text) == nil)
    }

    @Test(arguments: [
        ("512", 512), ("0", 0), ("1B", 1), ("1kB", 1_000), ("1KiB", 1_024), ("64MiB", 67_108_864),
        ("1GB", 1_000_000_000), ("2TiB", 2_199_023_255_552), ("1MB", 1_000_000),
    ])
    func sizesAreReadInTheirUnit(text: String, byteCount: Int) {
        #expect(ConfigurationText.byteCount(text) == byteCount)
    }

    @Test(arguments: ["", "-1", "1M", "1 MiB", "MiB", "1.5GiB", "8388608TiB", "1mib"])
    func whatIsNoSizeIsRefused(text: String) {
        #expect(ConfigurationText.byteCount(text) == nil)
    }

    @Test(arguments: ["0s", "1500ms", "90s", "5m", "1h", "2d", "1ms"])
    func aDescribedDurationReadsBack(text: String) throws {
        let duration = try #require(ConfigurationText.duration(text))
        #expect(ConfigurationText.describe(duration) == text)
    }

    @Test(arguments: ["0", "512", "1KiB", "64MiB", "1GB", "1536", "3TiB"])
    func aDescribedSizeReadsBack(text: String) throws {
        let byteCount = try #require(ConfigurationText.byteCount(text))
        #expect(
            ConfigurationText.byteCount(ConfigurationText.describe(byteCount: byteCount))
                == byteCount)
        #expect(text == "1536" || ConfigurationText.describe(byteCount: byteCount) == text)
    }

    @Test func nearWordsAreSuggestedAndFarOnesAreNot() {
        let known = ["timeout", "id", "type", "tls", "max_bytes", "max_events"]
        #expect(ConfigurationText.closest(to: "tiemout", among: known) == "timeout")
        #expect(ConfigurationText.closest(to: "Timeout", among: known) == "timeout")
        #expect(ConfigurationText.closest(to: "tiemuot", among: known) == "timeout")
        #expect(ConfigurationText.closest(to: "timeouts", among: known) == "timeout")
        #expect(ConfigurationText.closest(to: "max_byte", among: known) == "max_bytes")
        #expect(ConfigurationText.closest(to: "tmeoutss", among: known) == nil)
        #expect(ConfigurationText.closest(to: "ip", among: known) == "id")
        #expect(ConfigurationText.closest(to: "xy", among: known) == nil)
        #expect(ConfigurationText.closest(to: "", among: known) == nil)
        #expect(
            ConfigurationText.closest(to: String(repeating: "t", count: 5_000), among: known)
                == nil)
    }

    @Test func quotedTextIsShortAndCannotForgeItsSurroundings() {
        #expect(
            ConfigurationText.quoted("a\"b\\c\nd\u{1B}[0m\u{202E}")
                == #""a\"b\\c\nd\u{1b}[0m\u{202e}""#)
        let long = ConfigurationText.quoted(String(repeating: "x", count: 500))
        #expect(long == "\"" + String(repeating: "x", count: 60) + "…\"")
    }
}
