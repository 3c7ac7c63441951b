// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

/// Each way to split a record, by declarations of its own.
struct StepTests {
    /// A declaration with these steps whose values `a` to `d` go into four fields.
    private func declaration(_ steps: String) -> String {
        let fields = [
            ("a", "actor.id"), ("b", "actor.name"), ("c", "client.id"), ("d", "scope.granted"),
        ].filter { name, _ in
            ["{\(name): ", " \(name): ", "<\(name)>"].contains { steps.contains($0) }
        }.map { "\($0.1): \($0.0)" }.joined(separator: ", ")
        return """
            format: 1
            name: test
            provider: {vendor: Test, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file}
            recognise: {lines: [x]}
            null_words: ['-', 'HIDDEN FOR SECURITY']
            formats: [{name: only, steps: [\(steps)]}]
            fields: {\(fields)}
            events: [LoginSucceeded]
            """
    }

    /// The values `a` to `d` of each event, `_` for none.
    private func values(_ steps: String, _ record: String) throws -> [String] {
        let events = try Shipped.parse(yaml: declaration(steps), record)
        return events.events.indices.map { index in
            let fields = events.fields(index)
            return ["actor.id", "actor.name", "client.id", "scope.granted"]
                .map { fields[$0] ?? "_" }.joined(separator: " ")
        }
    }

    // MARK: Paths

    @Test func aPathGoesIntoArraysByNumberByWordAndIntoAll() throws {
        let steps = """
            {json: {a: 't[type=User].id', b: 't[1].name', c: "t[type='My App'|App].id", \
            d: 't[].tags[].k'}}
            """
        let record = """
            {"t":[{"type":"App","id":"c1","tags":[{"k":"x"},{"k":"y"}]},\
            {"id":"u1","name":"mina","type":"User","tags":[{"k":"a"}]},{"type":"User","id":"u2"}]}
            """
        #expect(try values(steps, record) == ["u1 mina c1 a|x|y"])
    }

    @Test func anObjectInPlaceOfAnArrayIsItsOnlyElement() throws {
        let steps = "{json: {a: 't[type=User].id', b: 't[0].name', d: 't[].id'}}"
        let record = #"{"t":{"type":"User","id":"u1","name":"mina"}}"#
        #expect(try values(steps, record) == ["u1 mina _ u1"])
    }

    @Test func anArrayOfSimpleValuesHasElementsToo() throws {
        let steps = "{json: {a: 't[0]', b: 't[1]', d: 't[]'}}"
        #expect(try values(steps, #"{"t":["x",7,"-"]}"#) == ["x 7 _ 7|x"])
    }

    @Test func aTextThatHoldsADocumentIsGoneInto() throws {
        let steps = "{json: {a: p.user.id, b: 'p.list[k=n].v', c: p.deep.id}}"
        let record = #"""
            {"p":"{\"user\":{\"id\":\"u1\"},\"list\":\"[{\\\"k\\\":\\\"n\\\",\\\"v\\\":\\\"mina\\\"}]\",\#
            \"deep\":{\"id\":\"c1\"}}"}
            """#
        #expect(try values(steps, record) == ["u1 mina c1 _"])
        #expect(try values(steps, #"{"p":"{ no document"}"#) == ["_ _ _ _"])
    }

    @Test func aDocumentInsideAValueIsReadByAStepOfItsOwn() throws {
        let steps = """
            {pattern: '^audit: (?<text>.*)$'}, {json: {from: text, values: {a: u.id, b: '[1].n'}}}
            """
        #expect(try values(steps, #"audit: {"u":{"id":"u1"}}"#) == ["u1 _ _ _"])
        #expect(try values(steps, #"audit: [{"n":"x"},{"n":"mina"}]"#) == ["_ mina _ _"])
        #expect(try values(steps, "audit: nothing").isEmpty)
    }

    @Test func pathsThatCannotBeReadAreMistakes() {
        for (path, part) in [
            ("t[", "close its ["), ("t[x]", "a number, member=word"), ("t[=x]", "around ="),
            ("t[k=]", "around ="), ("t[0][1]", "between two brackets"), ("''", "a word"),
        ] {
            let found = Shipped.problems(
                yaml: declaration("{json: {a: \(path == "''" ? path : "'\(path)'")}}"))
            #expect(found.contains { $0.contains(part) }, "\(path): \(found)")
        }
    }

    // MARK: Lists of records

    @Test func anArrayIsGoneThroughAndEachElementIsARecord() throws {
        let steps = "{json: {a: id, b: name}}"
        let events = try Shipped.parse(
            yaml: declaration(steps), #"[{"id":"1","name":"x"},{"id":"2"},7,{"id":"3"}]"#)
        #expect(events.events.map(\.ordinal) == [0, 1, 2])
        #expect(events.fields(1)["actor.name"] == nil, "nothing of the element before is left")
        #expect(events.fields(2)["actor.id"] == "3")
        #expect(events.tally.parsed == 1 && events.tally.events == 3)
        #expect(try Shipped.parse(yaml: declaration(steps), "[]").tally.parsed == 0)
    }

    @Test func eachKeepsWhatWasReadBeforeIt() throws {
        let steps = "{json: {a: who, c: c}}, {each: [events, more.list]}, {json: {b: n, c: c}}"
        let record = #"{"who":"mina","events":[{"n":"x"},{"n":"y","c":"app"},{}]}"#
        #expect(try values(steps, record) == ["mina x _ _", "mina y app _", "mina _ _ _"])
        #expect(
            try values(steps, #"{"who":"mina","more":{"list":{"n":"x"}}}"#) == ["mina x _ _"])
        #expect(try values(steps, #"{"who":"mina","n":"x"}"#) == ["mina x _ _"])
    }

    @Test func eachInsideEach() throws {
        let steps = "{each: items}, {json: {a: who}}, {each: events}, {json: {b: n}}"
        let record = """
            {"items":[{"who":"a","events":[{"n":"1"},{"n":"2"}]},{"who":"b","events":[{"n":"3"}]}]}
            """
        #expect(try values(steps, record) == ["a 1 _ _", "a 2 _ _", "b 3 _ _"])
    }

    @Test func wrappersAreTakenOff() throws {
        let steps = "{unwrap: [detail, x.event]}, {json: {a: id}}"
        #expect(try values(steps, #"{"detail":{"id":"1"},"id":"0"}"#) == ["1 _ _ _"])
        #expect(try values(steps, #"{"detail":"none","x":{"event":{"id":"2"}}}"#) == ["2 _ _ _"])
        #expect(try values(steps, #"{"detail":"{\"id\":\"3\"}"}"#) == ["3 _ _ _"])
        #expect(try values(steps, #"{"id":"4"}"#) == ["4 _ _ _"])
    }

    @Test func aTextIsUnwrappedInsideAListToo() throws {
        let steps = "{each: records}, {json: {b: n}}, {unwrap: p}, {json: {a: id}}"
        let record = #"{"records":[{"n":"x","p":"{\"id\":\"1\"}"},{"n":"y","p":{"id":"2"}}]}"#
        #expect(try values(steps, record) == ["1 x _ _", "2 y _ _"])
        #expect(try values(steps, #"{"n":"x","p":"{\"id\":\"1\"}"}"#) == ["1 x _ _"])
    }

    @Test func aListIsGoneThroughBehindOtherStepsToo() throws {
        #expect(
            try values("{each: records}, {json: {a: id}}", #"[{"id":"1"},{"id":"2"}]"#)
                == ["1 _ _ _", "2 _ _ _"])
    }

    @Test func aCutDocumentInsideAValueIsReadAsFarAsItGoes() throws {
        let yaml = declaration(
            "{pattern: '^audit: (?<text>.*)$'}, {json: {from: text, values: {a: u, b: n}}}")
        let events = try Shipped.parse(yaml: yaml, #"audit: {"u":"u1","n":"mi"#)
        #expect(events.fields()["actor.id"] == "u1")
        #expect(events.damageLabel == "no_time,repaired_json,truncated")
    }

    @Test func testsOfTextsLookAtNumbersAsTheyAreWritten() throws {
        for test in ["{matches: '^4'}", "{starts_with: '40'}", "{contains: '4'}", "'404'"] {
            let steps = "{json: {a: a, s: s}}, {require: {s: \(test)}}"
            #expect(try values(steps, #"{"a":"x","s":404}"#) == ["x _ _ _"], "\(test)")
            #expect(try values(steps, #"{"a":"x","s":200}"#).isEmpty, "\(test)")
        }
    }

    @Test func aPatternSeesNumbersAsTheyAreWritten() throws {
        let steps = "{json: {s: s}}, {pattern: {from: s, regexp: '^(?<a>[0-9])(?<b>[0-9]+)$'}}"
        #expect(try values(steps, #"{"s":50126}"#) == ["5 0126 _ _"])
    }

    @Test func aTextOfWhichAPatternSawOnlyTheBeginningIsFlagged() throws {
        let yaml = declaration("{pattern: '^(?<a>[^ ]+) (?<b>.*)$'}")
        for (count, isFlagged) in [(10, false), (RegularExpression.textByteLimit, true)] {
            let text = "mina " + String(repeating: "x", count: count)
            let parsed = try Shipped.parse(yaml: yaml, text)
            #expect(parsed.events.count == 1 && parsed.fields(0)["actor.id"] == "mina")
            #expect((parsed.tally.damaged["truncated"] == 1) == isFlagged)
        }
    }

    @Test func whatIsJoinedIsText() {
        let yaml = declaration("{json: {a: a, b: b}}").replacing(
            "actor.id: a", "session.id: {from: [a, b], join: '-', fingerprint: session}")
        #expect(Shipped.problems(yaml: yaml).contains { $0.contains("leave it out beside") })
    }

    /// The limit of patterns was one for all elements, and what stood behind it was read wrongly.
    @Test func eachElementHasPatternsOfItsOwn() throws {
        let steps = """
            {each: list}, {json: {n: n}}, {pattern: {regexp: '(?<c>end)"\\}$', optional: true}}, \
            {pattern: {from: n, regexp: '^y', optional: true}}, \
            {pattern: {from: n, regexp: '^(?<a>x)(?<b>[0-9]+)$'}}
            """
        let count = RecordParser.matchCountLimit / 2 + 10
        let elements = (0..<count).map { "{\"n\":\"x\($0)\"}" }.joined(separator: ",")
        let found = try values(steps, "{\"list\":[\(elements)],\"z\":\"end\"}")
        #expect(found.count == count)
        #expect(found.last == "x \(count - 1) end _" && found.first == "x 0 end _")
    }

    @Test func eachBelongsToFormats() {
        let yaml = declaration("{json: {a: a}}").replacingEvents(
            "[{steps: [{each: list}], action: LoginSucceeded}]")
        #expect(
            Shipped.problems(yaml: yaml).contains { $0.contains("among the steps of a format") })
    }

    // MARK: Texts

    @Test func logfmtKnowsQuotesAndEscapes() throws {
        let steps = "{logfmt: {values: {a: user, b: [name, who], c: app, d: groups}}}"
        let record = #"time=x user="o\"hara" noise who=mina app="a\n\u00e9\x41" groups="b a""#
        #expect(try values(steps, record) == ["o\"hara mina a\né\u{41} a|b"])
        #expect(try values(steps, "user=a user=b app=- name=").first == "a _ _ _")
        #expect(try values(steps, "no pairs here").isEmpty)
    }

    @Test func aCutLogfmtValueIsNoValue() throws {
        let events = try Shipped.parse(
            yaml: declaration("{logfmt: {values: {a: user, b: name}}}"), #"name=mina user="o\"har"#)
        #expect(events.fields()["actor.name"] == "mina" && events.fields()["actor.id"] == nil)
        #expect(events.damageLabel?.contains("truncated") == true)
    }

    @Test func aForgedPairInsideQuotesIsText() throws {
        let steps = "{logfmt: {values: {a: user, b: name}}}"
        #expect(try values(steps, #"name="x user=root" user=mina"#) == ["mina x user=root _ _"])
    }

    @Test func columnsAreTrimmedAndCounted() throws {
        let steps = """
            {delimited: {separator: '|', columns: [w, x, y, z], at_least: 3, \
            values: {a: x, b: z, c: w}}}
            """
        #expect(try values(steps, "app | mina |-") == ["mina _ app _"])
        #expect(try values(steps, "app|mina||n|more") == ["mina n app _"])
        #expect(try values(steps, "app|mina").isEmpty)
    }

    @Test func columnsInQuotesMayHoldTheSeparator() throws {
        let steps = "{csv: {columns: [x, y, z], values: {a: x, b: y, c: z}}}"
        #expect(try values(steps, #""a,b","o ""x"" p",c"#) == ["a,b o \"x\" p c _"])
        #expect(try values(steps, #""open,b"#) == ["\"open b _ _"])
    }

    @Test func theOperatorMayNameTheColumns() throws {
        let yaml = declaration(
            "{delimited: {separator: '|', columns: ['%u', '%s'], configurable: true, "
                + "values: {a: '%u', b: '%s', c: '%x'}}}")
        let found = ConfigurationProblems()
        let definition = try #require(
            ParserDefinition.read(Array(yaml.utf8), file: "test.yaml", problems: found))
        let program = try #require(
            ParserCompiler.compile(definition, columns: ["%x", "%u"], problems: found))
        var parser = RecordParser(program: program, context: Shipped.context())
        let events = parser.parse(Shipped.batch([Array("app|mina".utf8)]))
        #expect(events.fields()["client.id"] == "app" && events.fields()["actor.id"] == "mina")
        #expect(definition.hasConfigurableColumns && found.isEmpty)
    }

    @Test func theFirstAlternativeThatSucceedsCounts() throws {
        let steps = """
            {first_of: [[{pattern: '^in (?<a>[^ ]+)$'}, {set: {b: entered}}], \
            [{pattern: '^out (?<a>[^ ]+)$'}, {require: {a: {not: [root]}}}, \
            {set: {b: left, c: door}}], [{pattern: '^idle$'}]]}
            """
        #expect(try values(steps, "in mina") == ["mina entered _ _"])
        #expect(try values(steps, "out mina") == ["mina left door _"])
        #expect(try values(steps, "out root").isEmpty)
        #expect(try values(steps, "idle") == ["_ _ _ _"])
    }

    @Test func anAlternativeThatFailsLeavesNothingBehind() throws {
        let steps = """
            {set: {b: before}}, {first_of: [[{csv: {columns: [x, y], values: {a: y, b: x}}}, \
            {require: {a: nope}}], [{csv: {columns: [x, y, z], values: {a: z}}}]]}
            """
        #expect(try values(steps, "1,2,3") == ["3 before _ _"])
    }

    @Test func aFormatThatFailsLeavesNothingBehind() throws {
        let yaml = declaration("{json: {a: id}}").split(separator: "\n").map { line in
            line.hasPrefix("formats:")
                ? "formats: [{name: one, steps: [{json: {a: x}}, {require: {a: nope}}]}, "
                    + "{name: two, steps: [{json: {a: y}}]}]" : String(line)
        }.joined(separator: "\n")
        let events = try Shipped.parse(yaml: yaml, #"{"x":"1","y":"2"}"#)
        #expect(events.fields()["actor.id"] == "2")
    }

    @Test func oneMemberMayGiveSeveralValues() throws {
        let steps = "{json: {a: id, b: [name, id], c: [id]}}"
        #expect(try values(steps, #"{"id":"1"}"#) == ["1 1 1 _"])
    }

    @Test func joinedValuesCanBeASetOfOne() throws {
        let yaml = declaration("{json: {a: x, b: y}}") + "\n"
        let joined = yaml.replacing(
            "actor.id: a, ", "request.resource: {from: [a, b], join: ':'}, ")
        let events = try Shipped.parse(yaml: joined, #"{"x":"app","y":"read"}"#)
        #expect(events.fields()["request.resource"] == "app:read")
    }

    @Test func aWordForNothingMayBeLong() throws {
        let steps = "{json: {a: a, b: b}}"
        #expect(
            try values(steps, #"{"a":"HIDDEN FOR SECURITY","b":"HIDDEN FOR SECURITY!"}"#)
                == ["_ HIDDEN FOR SECURITY! _ _"])
    }
}

extension String {
    /// The text with the first coming of a part replaced.
    fileprivate func replacing(_ part: String, _ other: String) -> String {
        for index in indices where self[index...].hasPrefix(part) {
            return String(self[..<index]) + other + self[index...].dropFirst(part.count)
        }
        return self
    }

    /// The declaration with other rules.
    fileprivate func replacingEvents(_ events: String) -> String {
        split(separator: "\n").dropLast().joined(separator: "\n") + "\nevents: " + events
    }
}

struct TimeLayoutTests {
    private func time(_ layout: String, _ text: String, zone: Zone = .utc) throws -> String? {
        let events = try Shipped.parse(
            yaml: declaration(layout), "{\"t\":\"\(text)\"}", Shipped.context(zone: zone))
        return events.damageLabel == nil ? events.fields()["time"] : nil
    }

    @Test(arguments: [
        ("'%d/%b/%Y:%H:%M:%S %z'", "20/Nov/2026:08:00:04 +0100", "2026-11-20T07:00:04.000000Z"),
        ("'%b %e %H:%M:%S'", "Nov  9 08:00:05", "2026-11-09T08:00:05.000000Z"),
        ("'%b %e %H:%M:%S'", "Dec 31 23:00:05", "2025-12-31T23:00:05.000000Z"),
        ("'%b %e %H:%M:%S'", "Feb 29 23:00:05", "2024-02-29T23:00:05.000000Z"),
        (
            "'%a %b %e %H:%M:%S %Z %Y'", "Fri Nov 20 08:00:06 CET 2026",
            "2026-11-20T07:00:06.000000Z"
        ),
        (
            "'%a %b %d %H:%M:%S %Z %Y'", "Fri Nov 20 08:00:06 GMT+08:00 2026",
            "2026-11-20T00:00:06.000000Z"
        ),
        (
            "'%m/%d/%Y %I:%M:%S %p %z'", "11/2/2026 12:05:09 AM +00:00",
            "2026-11-02T00:05:09.000000Z"
        ),
        ("'%Y-%m-%d %H:%M:%S%f'", "2026-1-5 9:5:3,25", "2026-01-05T09:05:03.250000Z"),
        ("'%s%f'", "1795168800.5", "2026-11-20T10:00:00.500000Z"),
        ("iso8601", "2026/11/20 8:5:3", "2026-11-20T08:05:03.000000Z"),
        ("iso8601", "20261120T080503Z", "2026-11-20T08:05:03.000000Z"),
        ("iso8601", "2026-11-20 08:05:03 UTC", "2026-11-20T08:05:03.000000Z"),
        ("iso8601", "2026-11-20T08:05:03.1234567+02:00", "2026-11-20T06:05:03.123456Z"),
        (
            "[epoch_s, '%B %d, %Y %H:%M:%S']", "November 20, 2026 08:05:03",
            "2026-11-20T08:05:03.000000Z"
        ),
    ])
    func aTimeIsRead(_ layout: String, _ text: String, _ expected: String) throws {
        #expect(try time(layout, text) == expected)
    }

    @Test(arguments: [
        ("'%d/%b/%Y:%H:%M:%S %z'", "20/Nov/2026:08:00:04"),
        ("'%b %e %H:%M:%S'", "Feb 30 08:00:05"), ("'%b %e %H:%M:%S'", "Nov 9 24:00:05"),
        ("'%a %b %e %H:%M:%S %Z %Y'", "Fri Nov 20 08:00:06 XYZ 2026"),
        ("'%m/%d/%Y %I:%M:%S %p'", "11/2/2026 13:05:09 AM"), ("iso8601", "2026-13-01 08:05:03"),
        ("iso8601", "08:05:03"), ("iso8601", "2026-11-20 08:05:03 and more"),
    ])
    func whatIsNoTimeIsFlaggedAndNotInvented(_ layout: String, _ text: String) throws {
        #expect(try time(layout, text) == nil)
    }

    @Test func aProductThatWritesUTCWithoutSayingSoIsBelieved() throws {
        let berlin = try Zone(named: "Europe/Berlin")
        #expect(
            try time("iso8601, zone: UTC", "2026-07-20T08:00:00.5", zone: berlin)
                == "2026-07-20T08:00:00.500000Z")
        #expect(
            try time("iso8601, zone: UTC", "2026-07-20T08:00:00+02:00", zone: berlin)
                == "2026-07-20T06:00:00.000000Z")
    }

    @Test func aTimeWithoutAZoneIsInTheZoneOfTheInput() throws {
        let berlin = try Zone(named: "Europe/Berlin")
        #expect(
            try time("'%d.%m.%Y %H:%M:%S'", "20.07.2026 08:00:00", zone: berlin)
                == "2026-07-20T06:00:00.000000Z")
    }

    @Test(arguments: [
        ("'%H:%M:%S'", "must have a month"), ("'%Y-%q'", "%q"), ("'%Y%'", "middle of a %"),
        ("isoo8601", "did you mean \"iso8601\"?"),
    ])
    func layoutsThatCannotWorkAreMistakes(_ layout: String, _ part: String) {
        let found = Shipped.problems(yaml: declaration(layout))
        #expect(found.contains { $0.contains(part) }, "\(found)")
    }

    private func declaration(_ layout: String) -> String {
        """
        format: 1
        name: test
        provider: {vendor: Test, product: test}
        verified: {sample: [a line]}
        coverage: {log: a file}
        recognise: {lines: [x]}
        formats: [{name: only, steps: [{json: {t: t}}]}]
        fields: {time: {from: t, time: \(layout)}}
        events: [LoginSucceeded]
        """
    }
}
