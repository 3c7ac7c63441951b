// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct ZoneTests {
    private func time(_ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int = 0)
        -> Timestamp
    {
        Timestamp(year: year, month: month, day: day, hour: hour, minute: minute)
    }

    /// Builds a TZif file with these changes and this rule.
    private func file(_ changes: [(Int64, Int)], offsets: [Int32], rule: String) -> [UInt8] {
        func big(_ value: Int64, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> Int64($0 * 8)) }
        }
        func header(_ counts: [Int]) -> [UInt8] {
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
                + counts.flatMap { big(Int64($0), 4) }
        }
        var bytes = header([0, 0, 0, 0, 1, 1]) + [UInt8](repeating: 0, count: 7)
        bytes += header([0, 0, 0, changes.count, offsets.count, 1])
        for change in changes { bytes += big(change.0, 8) }
        for change in changes { bytes.append(UInt8(change.1)) }
        for offset in offsets { bytes += big(Int64(offset), 4) + [0, 0] }
        return bytes + [0] + Array("\n\(rule)\n".utf8)
    }

    @Test func theRuleHoldsAfterTheLastChange() throws {
        let zone = try Zone(
            bytes: file([(0, 0)], offsets: [3600], rule: "CET-1CEST,M3.5.0,M10.5.0/3"), name: "x")
        #expect(zone.offset(at: time(2026, 3, 29, 0, 59)) == 3600)
        #expect(zone.offset(at: time(2026, 3, 29, 1)) == 7200)
        #expect(zone.offset(at: time(2026, 10, 25, 0, 59)) == 7200)
        #expect(zone.offset(at: time(2026, 10, 25, 1)) == 3600)
        #expect(zone.offset(at: time(2090, 7, 1, 0)) == 7200)
    }

    @Test func localTimesComeOnceTwiceOrNever() throws {
        let zone = try Zone(
            bytes: file([(0, 0)], offsets: [3600], rule: "CET-1CEST,M3.5.0,M10.5.0/3"), name: "x")
        #expect(zone.meaning(ofLocal: time(2026, 7, 1, 12)) == .once(7200))
        #expect(zone.meaning(ofLocal: time(2026, 3, 29, 1, 59)) == .once(3600))
        #expect(
            zone.meaning(ofLocal: time(2026, 3, 29, 2, 30)) == .never(before: 3600, after: 7200))
        #expect(zone.meaning(ofLocal: time(2026, 3, 29, 3)) == .once(7200))
        #expect(zone.meaning(ofLocal: time(2026, 10, 25, 2)) == .twice(first: 7200, second: 3600))
        #expect(zone.meaning(ofLocal: time(2026, 10, 25, 3)) == .once(3600))
        #expect(zone.moment(ofLocal: time(2026, 10, 25, 2, 30)) == time(2026, 10, 25, 0, 30))
        #expect(zone.moment(ofLocal: time(2026, 3, 29, 2, 30)) == time(2026, 3, 29, 1, 30))
    }

    @Test func summerMayLieAcrossTheNewYear() throws {
        let zone = try Zone(
            bytes: file([], offsets: [34_200], rule: "ACST-9:30ACDT,M10.1.0,M4.1.0/3"), name: "x")
        #expect(zone.offset(at: time(2026, 1, 1, 0)) == 37_800)
        #expect(zone.offset(at: time(2026, 12, 31, 23)) == 37_800)
        #expect(zone.offset(at: time(2026, 7, 1, 0)) == 34_200)
    }

    @Test func otherSpellingsOfRulesAreRead() throws {
        let plain = try Zone(bytes: file([], offsets: [0], rule: "<+0545>-5:45"), name: "x")
        #expect(plain.offset(at: time(2026, 1, 1, 0)) == 20_700)
        // Day 60 without leap days is 1 March; the change is at -1 h, the evening before.
        let days = try Zone(bytes: file([], offsets: [0], rule: "AAA0BBB,J60/-1,J61"), name: "x")
        #expect(days.offset(at: time(2028, 2, 29, 22, 59)) == 0)
        #expect(days.offset(at: time(2028, 2, 29, 23)) == 3600)
        #expect(days.offset(at: time(2028, 3, 2, 1)) == 0)
    }

    @Test func changesInTheTableGoBeforeTheRule() throws {
        let zone = try Zone(
            bytes: file([(-100, 1), (100, 2)], offsets: [1, 2, 3], rule: ""), name: "x")
        #expect(zone.offset(at: Timestamp(microseconds: -100_000_001)) == 1)
        #expect(zone.offset(at: Timestamp(microseconds: -100_000_000)) == 2)
        #expect(zone.offset(at: Timestamp(microseconds: 99_999_999)) == 2)
        #expect(zone.offset(at: Timestamp(microseconds: 100_000_000)) == 3)
    }

    @Test func theSystemsZonesCanBeRead() throws {
        guard FileSystem.exists(Zone.systemFolder + "/America/New_York") else { return }
        let zone = try Zone(named: "America/New_York")
        #expect(zone.offset(at: time(2026, 7, 1, 0)) == -14_400)
        #expect(zone.offset(at: time(2026, 12, 1, 0)) == -18_000)
        #expect(zone.offset(at: time(1943, 7, 1, 0)) == -14_400)
        _ = try Zone.system()
    }

    @Test(arguments: [
        "", "/etc/passwd", "../../../etc/passwd", "Europe/Nowhere", "zone.tab", "a b",
    ])
    func whatIsNoZoneIsRefused(name: String) {
        #expect(throws: ZoneError.self) { try Zone(named: name) }
    }

    @Test func noCutFileTraps() throws {
        let bytes = file(
            [(-100, 1), (100, 2)], offsets: [1, 2, 3], rule: "CET-1CEST,M3.5.0,M10.5.0/3")
        for count in 0..<bytes.count {
            #expect(throws: ZoneError.self) {
                try Zone(bytes: Array(bytes.prefix(count)), name: "x")
            }
        }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0xFF
            let zone = try? Zone(bytes: damaged, name: "x")
            _ = zone?.offset(at: Timestamp(microseconds: 0))
        }
        #expect(try Zone(named: "UTC").offset(at: Timestamp(microseconds: 0)) == 0)
    }
}
