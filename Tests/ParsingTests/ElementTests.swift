// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

/// What becomes of the elements of a record that is a list, or holds one.
struct ElementTests {
    /// Logins are named, hints ignored, polls left out by the engine, and what has no `kind` fails.
    private static let declaration = """
        format: 1
        name: test
        provider: {vendor: Test, product: test}
        verified: {sample: [a line]}
        coverage: {log: a file}
        recognise: {lines: [x]}
        formats:
          - name: list
            steps: [{each: records}, {json: [kind]}, {require: {kind: present}}]
        events:
          - by: kind
            words:
              login: LoginSucceeded
              hint: {ignore: notification}
              poll: {action: TokenRequestFailed, fields: {error.code: {is: authorization_pending}}}
            otherwise: Unclassified
        """

    private func parse(_ record: String) throws -> EventBatch {
        try Shipped.parse(yaml: ElementTests.declaration, record)
    }

    private func list(_ kinds: [String]) -> String {
        #"{"records":["# + kinds.map { #"{"kind":"\#($0)"}"# }.joined(separator: ",") + "]}"
    }

    @Test func eachElementHasOneFateOfItsOwn() throws {
        let record = """
            {"records":[{"kind":"login"},{"kind":"hint"},{"kind":"odd"},7,{"kind":"poll"},\
            {"kind":"hint"},{"other":1}]}
            """
        let tally = try parse(record).tally
        #expect(tally.parsed == 1 && tally.ignored.isEmpty)
        #expect(tally.events == 2 && tally.unclassified == 1)
        #expect(tally.elements.read == 7 && tally.elements.parsed == 2)
        #expect(
            tally.elements.ignored
                == ["notification": 2, "no_record": 2, "authorization_pending": 1])
        #expect(tally.elements.dropped.isEmpty)
    }

    @Test func aListWithoutAnEventIsIgnoredAndItsElementsAreCountedAsWell() throws {
        let tally = try parse(list(["hint", "hint"])).tally
        #expect(tally.ignored == ["notification": 1])
        #expect(tally.elements.ignored == ["notification": 2] && tally.elements.read == 2)
    }

    /// A list that was cut off gave nothing, while an object around it kept what could be read.
    @Test(arguments: ["[", "[ \n", #"{"records":["#])
    func aListThatIsCutKeepsTheElementsBefore(_ opening: String) throws {
        let batch = try parse(opening + #"{"kind":"login"},{"kind":"login"},{"ki"#)
        #expect(batch.events.map(\.action) == [.loginSucceeded, .loginSucceeded])
        #expect(batch.tally.ignored.isEmpty)
        #expect(batch.damageLabel?.contains("truncated") == true)
    }

    @Test func textBehindABracketIsNoList() throws {
        let tally = try parse("[2026-11-20 08:00:00] {\"kind\":\"login\"}").tally
        #expect(tally.ignored == ["no_record": 1] && tally.events == 0)
    }

    @Test func aListInAListCountsByItsElements() throws {
        let record = #"[{"records":[{"kind":"login"},{"kind":"hint"}]},{"records":[]},[7]]"#
        let tally = try Shipped.parse(
            yaml: ElementTests.declaration.replacing(
                "{each: records}", "{unwrap: x}, {each: records}"),
            record
        ).tally
        #expect(tally.elements.parsed == 1)
        #expect(tally.elements.ignored == ["notification": 1, "no_record": 2])
    }

    @Test func aRecordThatIsNoListHasNoElements() throws {
        let steps = "[{json: [kind]}, {require: {kind: present}}]"
        let yaml = ElementTests.declaration.replacing(
            "[{each: records}, {json: [kind]}, {require: {kind: present}}]", steps)
        #expect(try Shipped.parse(yaml: yaml, #"{"kind":"login"}"#).tally.elements.read == 0)
        #expect(try Shipped.parse(yaml: yaml, #"[{"kind":"login"}]"#).tally.elements.parsed == 1)
        for record in [#"{"kind":"login"}"#, #"{"records":{"kind":"hint"}}"#] {
            #expect(try parse(record).tally.elements.read == 0, "\(record)")
        }
    }

    /// The first format goes through the list and fails on each element; the second fits.
    @Test func elementsOfAFormatThatFailedDoNotCount() throws {
        let yaml = ElementTests.declaration.replacing(
            "events:\n  - by",
            """
              - {name: whole, steps: [{pattern: '"kind": ?"(?<kind>[a-z]+)"'}]}
            events:
              - by
            """)
        let tally = try Shipped.parse(yaml: yaml, #"{"records":[1,2],"kind":"login"}"#).tally
        #expect(tally.parsed == 1 && tally.elements.read == 0)
        let lost = try Shipped.parse(yaml: yaml, #"{"records":[1,2]}"#).tally
        #expect(lost.ignored == ["no_record": 1] && lost.elements.ignored == ["no_record": 2])
    }

    /// Two lines of a megabyte made 63,000 events, and those a hundred megabytes of memory.
    @Test func aListGivesSoManyEventsAndNoMoreAndTheRestIsStated() throws {
        let limit = RecordParser.eventCountLimit
        let kinds = Array(repeating: "login", count: limit + 2500)
        let events = try parse(list(kinds))
        #expect(events.events.count == limit)
        #expect(events.tally.parsed == 1 && events.tally.dropped.isEmpty)
        #expect(events.tally.elements.parsed == limit)
        #expect(events.tally.elements.dropped == ["events_of_record": 2500])
        #expect(events.records.losses.map(\.reason) == [.excess])
        #expect(events.records.losses.map(\.recordCount) == [2500])
        #expect(try parse(list(Array(kinds.prefix(limit)))).records.losses.isEmpty)
    }

    @Test func elementsThatGiveNoEventDoNotCountForTheLimit() throws {
        let hints = Array(repeating: "hint", count: RecordParser.eventCountLimit + 1)
        let tally = try parse(list(hints + ["login"])).tally
        #expect(tally.events == 1 && tally.elements.dropped.isEmpty)
    }
}

extension String {
    /// The text with the first of these words replaced.
    fileprivate func replacing(_ word: String, _ other: String) -> String {
        let bytes = Array(utf8)
        let needle = Array(word.utf8)
        guard let place = ByteSearch.first(needle, in: bytes.span, 0..<bytes.count) else {
            Issue.record("\(word) is missing")
            return self
        }
        let rest = bytes[(place + needle.count)...]
        return String(decoding: bytes[..<place] + Array(other.utf8) + rest, as: UTF8.self)
    }
}
