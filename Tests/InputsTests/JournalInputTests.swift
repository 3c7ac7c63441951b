// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Real journal files, written by systemd's own tool and read by libsystemd.
struct JournalInputTests {
    private let folder: TemporaryFolder
    private static let start: Int64 = 1_790_000_000_000_000

    init() throws {
        folder = try TemporaryFolder()
    }

    private func entry(
        _ message: String, _ second: Int64, _ fields: [(name: String, value: String)] = []
    ) -> JournalMaker.Entry {
        JournalMaker.Entry(
            message, time: JournalInputTests.start + second * 1_000_000,
            [("_HOSTNAME", "idp.example.com")] + fields)
    }

    private func append(_ entries: JournalMaker.Entry..., to name: String = "a.journal") throws {
        try JournalMaker.append(entries, to: folder(name))
    }

    private func input(
        positions: [Position] = [], start: InputConfiguration.Start = .beginning,
        recordByteLimit: Int = 4096, _ change: (inout JournalConfiguration) -> Void = { _ in }
    ) throws -> JournalInput {
        var configuration = InputConfiguration(
            id: "journal", kind: .journal, startAt: start, recordByteLimit: recordByteLimit)
        configuration.journal.source = .folder(folder.path)
        change(&configuration.journal)
        return try JournalInput(
            configuration, context: InputContext(positions: positions),
            timing: JournalTiming(
                poll: .milliseconds(20), firstRetry: .milliseconds(10),
                longestRetry: .milliseconds(20)))
    }

    @Test func entriesComeInOrderWithTheirCursor() throws {
        try append(entry("one", 1), entry("two\nlines\n", 2))
        let input = try input()
        let batches = try read(input, 2)
        #expect(texts(batches) == ["one", "two\nlines"])
        #expect(batches[0].source == "journal")
        #expect(batches[0].records.map(\.offset) == [1, 2])
        guard case .cursor(let cursor)? = batches[0].positions.first?.place else {
            Issue.record("no cursor")
            return
        }
        #expect(JournalCursor(cursor)?.number == 2)
        #expect(input.state.recordCount == 2)
        #expect(input.state.isReadable)
    }

    @Test func aRestartRepeatsNothingAndSkipsNothing() throws {
        try append(entry("one", 1), entry("two", 2))
        let before = try read(try input(), 2)
        try append(entry("three", 3))
        let after = try read(try input(positions: before.flatMap(\.positions)), 1)
        #expect(texts(after) == ["three"])
        #expect(after.flatMap(\.losses) == [])
    }

    @Test func aNewFileWhileReadingLosesNothingAndRepeatsNothing() throws {
        try append(entry("one", 1), entry("two", 2))
        let input = try input()
        #expect(texts(try read(input, 2)) == ["one", "two"])
        // As journald rotates: the file gets another name, and a new one takes its place.
        try folder.rename("a.journal", to: "a@old.journal")
        try append(entry("three", 3), entry("four", 4))
        #expect(texts(try read(input, 2)) == ["three", "four"])
        try append(entry("five", 5))
        #expect(texts(try read(input, 1)) == ["five"])
        #expect(try input.next(waitingAtMost: .milliseconds(50)) == nil)
    }

    @Test func aCursorThatIsGoneIsALossStatedOnce() throws {
        try append(entry("one", 1), entry("two", 2))
        let before = try read(try input(), 2)
        try append(entry("three", 3))
        try folder.remove("a.journal")
        try append(entry("nine", 9), to: "b.journal")
        let later = try input(positions: before.flatMap(\.positions))
        let batches = try read(later, 1)
        #expect(texts(batches) == ["nine"])
        #expect(batches.flatMap(\.losses) == [InputLoss(path: nil, reason: .vanished)])
        try append(entry("ten", 10), to: "b.journal")
        let more = try read(try input(positions: batches.flatMap(\.positions)), 1)
        #expect(texts(more) == ["ten"])
        #expect(more.flatMap(\.losses) == [])
    }

    @Test func nothingIsReportedLostWhileTheJournalIsEmpty() throws {
        try append(entry("one", 1))
        let before = try read(try input(), 1)
        try folder.remove("a.journal")
        #expect(try read(try input(positions: before.flatMap(\.positions)), 1).isEmpty)
    }

    @Test func onlyWantedUnitsAndMatchesAreRead() throws {
        let unit = (name: "_SYSTEMD_UNIT", value: "keycloak.service")
        try append(
            entry("a", 1, [unit, ("_TRANSPORT", "stdout")]),
            entry("b", 2, [("_SYSTEMD_UNIT", "other.service"), ("_TRANSPORT", "stdout")]),
            entry("c", 3, [unit, ("_TRANSPORT", "syslog")]),
            entry("d", 4, [unit, ("_TRANSPORT", "kernel")]))
        let input = try input { options in
            options.units = ["keycloak.service"]
            options.matches = [
                .init(field: "_TRANSPORT", value: "stdout"),
                .init(field: "_TRANSPORT", value: "syslog"),
            ]
        }
        #expect(texts(try read(input, 3)) == ["a", "c"])
    }

    @Test func aFilterMakesNoLossOutOfEntriesThatWereNeverWanted() throws {
        let wanted = (name: "SYSLOG_IDENTIFIER", value: "idp")
        try append(entry("one", 1, [wanted]), to: "a.journal")
        let filter: (inout JournalConfiguration) -> Void = { $0.identifiers = ["idp"] }
        let before = try read(try input(filter), 1)
        try append(entry("noise", 2), entry("two", 3, [wanted]))
        let after = try read(try input(positions: before.flatMap(\.positions), filter), 1)
        #expect(texts(after) == ["two"])
        #expect(after.flatMap(\.losses) == [])
    }

    @Test func startAtEndKeepsItsPlaceBeforeAnythingIsRead() throws {
        try append(entry("old", 1))
        let input = try input(start: .end)
        let place = try #require(try input.next(waitingAtMost: .seconds(5)))
        #expect(place.records.isEmpty)
        #expect(place.positions.count == 1)
        try append(entry("new", 2))
        // As after a crash: only the place is known.
        let later = try self.input(positions: place.positions, start: .end)
        #expect(texts(try read(later, 1)) == ["new"])
    }

    @Test func longMessagesAreCutAndFlagged() throws {
        try append(entry(String(repeating: "x", count: 200_000), 1), entry("next", 2))
        let input = try input(recordByteLimit: 100_000)
        let batches = try read(input, 2)
        #expect(texts(batches).map(\.utf8.count) == [100_000, 4])
        #expect(batches.flatMap(\.records).map { $0.damage.contains(.cut) } == [true, false])
        #expect(input.state.cutRecordCount == 1)
    }

    /// libsystemd 252 leaves out what it cannot read without a word; others say so, and then
    /// it is counted. Either way reading goes on.
    @Test(arguments: [72, 0])
    func damagedObjectsDoNotStopReading(distance: Int) throws {
        try append(entry("one", 1), entry("damaged-entry-text", 2), entry("three", 3))
        var bytes = try FileSystem.read(folder("a.journal"), byteLimit: 64 << 20)
        let needle = Array("MESSAGE=damaged-entry-text".utf8)
        let found = ByteSearch.first(needle, in: bytes.span, 0..<bytes.count)
        let place = try #require(found)
        // The type of the object, 72 bytes before its payload, becomes one that does not exist; or
        // the payload no longer is what its hash says.
        bytes[place - distance] = 0xEE
        try folder.write("a.journal", bytes)
        let batches = try read(try input(), 2)
        #expect(texts(batches) == ["one", "three"])
        #expect(batches.flatMap(\.losses).allSatisfy { $0.reason == .vanished })
    }

    @Test func aFolderThatIsMissingIsSaidAndReadWhenItAppears() throws {
        let input = try input { $0.source = .folder(folder("later")) }
        #expect(try input.next(waitingAtMost: .milliseconds(30)) == nil)
        #expect(!input.state.isReadable)
        #expect(input.state.reasons.first?.contains("set directory or files") ?? false)
        try folder.createFolder("later")
        try append(entry("one", 1), to: "later/a.journal")
        #expect(texts(try read(input, 1)) == ["one"])
        #expect(input.state.isReadable)
    }

    @Test func theContractOfInputsHolds() throws {
        var second: Int64 = 0
        let contract = InputContract(
            make: { ContractInput(try input(positions: $0)) },
            feed: { text in
                for line in text.split(separator: "\n") {
                    second += 1
                    let message = line.last == "\r" ? line.dropLast() : line
                    try append(entry(String(message), second))
                }
            })
        #expect(try contract.failures() == [])
    }
}
