// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

struct SinkAuditTests {
    private let key: SigningKey
    private let filter: SinkFilter

    init() throws {
        key = try SigningKey.generate(name: "idp1.example.com")
        var configuration = FilterConfiguration()
        configuration.minimumSeverity = .low
        filter = SinkFilter(sink: "siem", configuration)
    }

    private func stream(
        epoch: String = "00000000000000aa", after: Predecessor = .none, rejected: [String] = [],
        lost: [String] = []
    ) throws -> TestStream {
        try TestStream(
            key, epoch: epoch, groups: [6, 0, 4], after: after,
            sinks: [(id: "siem", filter: filter), (id: "all", filter: nil)], rejected: rejected,
            lost: lost)
    }

    /// What the filter leaves over.
    private func copy(_ lines: [String]) -> [String] {
        lines.filter { !$0.contains("\"severity\":\"info\"") || $0.contains("\"sealtail\"") }
    }

    private func check(_ lines: [String], sink: String = "siem") -> VerificationReport {
        verify(lines, keys: [key.verifierKey], sink: sink)
    }

    @Test func whatTheFilterLeftOutIsAccountedFor() throws {
        let stream = try stream()
        let copy = copy(stream.lines)
        #expect(copy.count == 7)
        #expect(stream.lines[7].contains("\"filtered\":[\"siem eb91487279cbb351 4\"]"))
        let report = check(copy)
        #expect(report.found == [])
        #expect(report.noted.contains("accounted for"))
        // Without the name of the sink the same copy has holes.
        #expect(!verify(copy, keys: [key.verifierKey]).found.isEmpty)
        // The whole is whole for the sink without a filter, and too much for the one with.
        #expect(check(stream.lines, sink: "all").found == [])
        #expect(check(stream.lines).found == ["inconsistency"])
    }

    @Test func whatTheFilterLeavesOutIsForeignInTheCopy() throws {
        let stream = try stream()
        let keys = [key.verifierKey]
        let copy = copy(stream.lines)
        let foreign = stream.lines.enumerated().filter { !copy.contains($0.element) }
        #expect(foreign.count == 7)
        let one = foreign[1]
        #expect(verify(copy, keys: keys, sink: "siem", filter: filter).found == [])
        let report = verify(
            copy + [one.element], keys: keys, sink: "siem", filter: filter)
        #expect(report.found == ["foreign \(one.offset)", "inconsistency"])
        #expect(report.findings[0].line == 8)
        #expect(
            verify(stream.lines, keys: keys, sink: "siem", filter: filter).found
                == foreign.map { "foreign \($0.offset)" } + ["inconsistency"])
        // What was sealed with another filter is no business of this one.
        var configuration = FilterConfiguration()
        configuration.minimumSeverity = .high
        let other = SinkFilter(sink: "siem", configuration)
        let compared = verify(copy, keys: keys, sink: "siem", filter: other)
        #expect(compared.found == [] && compared.noted.contains("not compared"))
        let unfiltered = verify(
            stream.lines, keys: keys, sink: "all",
            filter: SinkFilter(sink: "all", configuration))
        #expect(unfiltered.found == [] && unfiltered.noted.contains("not compared"))
    }

    @Test func aDeletedEventIsUnsettledUntilTheNextStreamHasSpoken() throws {
        let first = try stream()
        let second = try stream(epoch: "00000000000000bb", after: first.end)
        var copy = copy(first.lines)
        copy.remove(at: 1)
        #expect(check(copy).found == [])
        #expect(check(copy).noted.contains("unsettled"))
        #expect(check(copy + self.copy(second.lines)).found == ["deleted"])
    }

    @Test func whatWasRejectedOrLostIsTakenFromLaterCheckpoints() throws {
        let first = try stream()
        var copy = copy(first.lines)
        copy.removeSubrange(1...2)
        for entries in [
            (rejected: ["siem 00000000000000aa 2"], lost: []),
            (rejected: ["siem 00000000000000aa 1"], lost: ["siem 00000000000000aa 1"]),
        ] as [(rejected: [String], lost: [String])] {
            let second = try stream(
                epoch: "00000000000000bb", after: first.end, rejected: entries.rejected,
                lost: entries.lost)
            #expect(check(copy + self.copy(second.lines)).found == [])
        }
        let another = try stream(
            epoch: "00000000000000bb", after: first.end,
            rejected: ["other 00000000000000aa 2", "siem 00000000000000bb 0"])
        #expect(check(copy + self.copy(another.lines)).found == ["deleted"])
    }

    @Test func whatWasRejectedMayHaveBeenSentAgainAndNothingElse() throws {
        let first = try stream()
        let next = try stream(
            epoch: "00000000000000bb", after: first.end, rejected: ["siem 00000000000000aa 2"])
        for range in [1..<1, 1..<2, 1..<3] {
            var copy = copy(first.lines)
            copy.removeSubrange(range)
            #expect(check(copy + self.copy(next.lines)).found == [])
        }
        var fewer = copy(first.lines)
        fewer.removeSubrange(1..<4)
        #expect(check(fewer + copy(next.lines)).found == ["deleted"])
        // What was filtered or lost does not come later.
        #expect(check(first.lines + copy(next.lines)).found == ["inconsistency"])
        let lost = try stream(
            epoch: "00000000000000bb", after: first.end, lost: ["siem 00000000000000aa 2"])
        #expect(check(copy(first.lines) + copy(lost.lines)).found == ["inconsistency"])
    }

    @Test func thePredecessorsTailMayBeFiltered() throws {
        let crashed = try TestStream(
            key, epoch: "00000000000000aa", groups: [0, 6],
            sinks: [(id: "siem", filter: filter)], closes: false)
        let next = try stream(epoch: "00000000000000bb", after: crashed.end)
        let copy = copy(crashed.lines)
        let report = check(copy.dropLast(2) + self.copy(next.lines))
        #expect(report.found == [])
        #expect(report.noted.contains { $0.hasPrefix("unsettled") })
    }
}
