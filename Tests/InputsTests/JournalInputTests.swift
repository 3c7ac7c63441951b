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
        recordByteLimit: Int = 4096, framing: RecordFraming = RecordFraming(),
        _ change: (inout JournalConfiguration) -> Void = { _ in }
    ) throws -> JournalInput {
        var configuration = InputConfiguration(
            id: "journal", kind: .journal, startAt: start, recordByteLimit: recordByteLimit)
        configuration.journal.source = .folder(folder.path)
        change(&configuration.journal)
        return try JournalInput(
            configuration, framing: framing, context: InputContext(positions: positions),
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

    /// Records begin with a digit or a brace, and the last line of one waits no longer than that.
    private static func joining(_ wait: Duration = .milliseconds(50)) throws -> RecordFraming {
        RecordFraming(recordStart: try RegularExpression("^[0-9{]"), joinTimeout: wait)
    }

    private static func number(_ batch: RecordBatch?) -> UInt64? {
        guard case .cursor(let cursor)? = batch?.positions.first?.place else { return nil }
        return JournalCursor(cursor)?.number
    }

    @Test func linesOfOneProcessAreJoinedUnderTheCursorOfTheFirst() throws {
        func of(_ process: String) -> [(name: String, value: String)] {
            [("_SYSTEMD_UNIT", "idp.service"), ("_PID", process)]
        }
        try append(
            entry("1 a", 1, of("7")), entry("2 b", 1, of("8")), entry(" at a", 1, of("7")),
            entry("{\"c\":1}", 1, of("8")), entry(" at 2", 1, of("8")), entry("3", 1, of("7")))
        let input = try input(framing: Self.joining())
        let batches = try read(input, 5)
        #expect(texts(batches) == ["1 a\n at a", "2 b", "{\"c\":1}", " at 2", "3"])
        #expect(batches.flatMap(\.records).map(\.offset) == [1, 2, 4, 5, 6])
        let cursors = batches.flatMap { batch in
            if case .cursors(let cursors) = batch.naming { cursors } else { [] as [String] }
        }
        #expect(cursors.compactMap { JournalCursor($0)?.number } == [1, 2, 4, 5, 6])
        #expect(Self.number(batches.last) == 6)
        #expect(!input.state.hasUnread)
    }

    @Test func thePlaceNeverPassesWhatWaits() throws {
        try append(entry("1 a", 1), entry("2 b", 2), entry(" at b", 2))
        let early = try input(framing: Self.joining(.seconds(100)))
        let first = try read(early, 1)
        #expect(texts(first) == ["1 a"])
        // The second one waits, so what is kept stands before it.
        #expect(Self.number(first.last) == 1)
        #expect(early.state.hasUnread)
        try append(entry(" at c", 2), entry("3", 3))
        let later = try input(
            positions: first.flatMap(\.positions), framing: Self.joining(.seconds(100)))
        let second = try read(later, 1)
        #expect(texts(second) == ["2 b\n at b\n at c"])
        #expect(second.flatMap(\.records).map(\.offset) == [2])
        #expect(Self.number(second.last) == 4)
        // The one that went on reading comes to the same.
        let same = try read(early, 1)
        #expect(texts(same) == texts(second))
        #expect(same.first?.naming == second.first?.naming)
    }

    @Test func entriesThatLieTooFarApartAreNotJoined() throws {
        try append(entry("1", 1), entry(" late", 5), entry("2", 6))
        let input = try input(framing: Self.joining(.seconds(2)))
        #expect(texts(try read(input, 2)) == ["1", " late"])
    }

    @Test func aMessageThatJournaldOrDockerCutIsOne() throws {
        let long = "1 " + String(repeating: "x", count: 1500)
        let process = (name: "_PID", value: "7")
        let docker = (name: "CONTAINER_ID_FULL", value: "c1")
        try append(
            entry(long, 1, [process, ("_LINE_BREAK", "line-max")]), entry("yz", 1, [process]),
            entry(long, 1, [docker, ("CONTAINER_PARTIAL_MESSAGE", "true")]),
            entry("end", 1, [docker]))
        let input = try input()
        #expect(texts(try read(input, 2)) == [long + "yz", long + "end"])
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
