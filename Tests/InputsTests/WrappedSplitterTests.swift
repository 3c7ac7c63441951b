// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct WrappedSplitterTests {
    /// A record as a parser and the maker of ids see it.
    struct Seen: Equatable {
        var body: String
        var record: String
        var offset: UInt64
        var damage: RecordDamage
        var host = ""
        var time: Timestamp?
    }

    static func see(_ cut: CutRecords) -> [Seen] {
        cut.records.indices.map { index in
            func text(_ range: Range<UInt32>) -> String {
                String(
                    decoding: cut.bytes[Int(range.lowerBound)..<Int(range.upperBound)],
                    as: UTF8.self)
            }
            let record = cut.records[index]
            let own = record.start..<record.start + record.count
            return Seen(
                body: text(cut.bodies.isEmpty ? own : cut.bodies[index]), record: text(own),
                offset: record.offset, damage: record.damage,
                host: cut.hosts.isEmpty ? "" : text(cut.hosts[index]),
                time: cut.times.isEmpty ? nil : cut.times[index])
        }
    }

    /// All records of a text that is shown as a whole.
    static func split(
        _ text: String, _ framing: RecordFraming, at ending: RecordSplitter.End = .flushAll
    ) -> (seen: [Seen], end: Int) {
        var splitter = RecordSplitter(framing)
        var skip = RecordSplitter.Skip.nothing
        let bytes = Array(text.utf8)
        var seen: [Seen] = []
        var start = 0
        repeat {
            var block = Array(bytes[start...])
            splitter.split(
                block.span, from: 0, origin: UInt64(start), skip: &skip, at: ending)
            start += splitter.end
            if !splitter.records.isEmpty { seen += see(splitter.take(from: &block)) }
        } while splitter.hasMore
        return (seen, start)
    }

    /// The same when it is shown piece by piece, and from the beginning of what is left each time.
    static func follow(_ text: String, _ framing: RecordFraming, seed: UInt64) -> [Seen] {
        var random = Xorshift(seed)
        let bytes = Array(text.utf8)
        var splitter = RecordSplitter(framing)
        var skip = RecordSplitter.Skip.nothing
        var (start, shown) = (0, 0)
        var seen: [Seen] = []
        while true {
            if !splitter.hasMore { shown = min(bytes.count, shown + 1 + random.next(90)) }
            var block = Array(bytes[start..<shown])
            // A restart knows nothing but the position.
            if skip == .nothing, random.next(4) == 0 { splitter = RecordSplitter(framing) }
            splitter.split(
                block.span, from: 0, origin: UInt64(start), skip: &skip,
                at: shown == bytes.count ? .flushAll : .hold)
            start += splitter.end
            if !splitter.records.isEmpty { seen += see(splitter.take(from: &block)) }
            if shown == bytes.count, !splitter.hasMore { return seen }
        }
    }

    static func docker(_ log: String, _ stream: String = "stdout", at second: Int = 0) -> String {
        let time = "2026-11-20T08:00:\(second < 10 ? "0" : "")\(second).123456789Z"
        return #"{"log":""# + log + #"","stream":""# + stream + #"","time":""# + time + "\"}\n"
    }

    static func cri(
        _ message: String, _ tag: String = "F", _ stream: String = "stdout", at second: Int = 0
    ) -> String {
        let time = "2026-11-20T08:00:\(second < 10 ? "0" : "")\(second).123456789Z"
        return "\(time) \(stream) \(tag) \(message)\n"
    }

    private static let auto = RecordFraming(wrapper: .auto)

    static func joining(
        _ wrapper: InputConfiguration.Framing = .auto, byteLimit: Int = 4096, lineLimit: Int = 100
    ) throws -> RecordFraming {
        RecordFraming(
            recordStart: try RegularExpression("^\\d{4}-"), wrapper: wrapper,
            recordByteLimit: byteLimit, recordLineLimit: lineLimit)
    }

    // MARK: Two wrappers

    @Test func syslogInAContainerIsPeeledAsWell() {
        let line = #"<86>1 2026-11-20T07:59:59Z idp1 dex 7 - - {\"level\":\"INFO\"}"#
        let old = "<86>Nov 20 07:59:59 idp2 sso[7]: two"
        let (seen, _) = Self.split(
            Self.docker(line + #"\n"#) + Self.cri(old) + Self.docker(#"plain\n"#), Self.auto)
        #expect(seen.map(\.body) == [#"{"level":"INFO"}"#, "two", "plain"])
        #expect(seen.map(\.host) == ["idp1", "idp2", ""])
        #expect(seen[0].record == #"<86>1 2026-11-20T07:59:59Z idp1 dex 7 - - {"level":"INFO"}"#)
        #expect(seen[1].record == old)
        #expect(seen[0].time?.text == "2026-11-20T08:00:00.123456Z", "the outer wrapper's")
    }

    @Test func containersInSyslogAndAJournalInAContainerArePeeledAsWell() {
        let inner = String(Self.docker(#"one\n"#).dropLast())
        let journal = #"{\"MESSAGE\":\"two\",\"__REALTIME_TIMESTAMP\":\"1763625600000000\"}"#
        let (seen, _) = Self.split(
            "<14>Nov 20 08:00:00 node1 kubelet: \(inner)\n" + Self.docker(journal + #"\n"#),
            Self.auto)
        #expect(seen.map(\.body) == ["one", "two"])
        #expect(seen[0].record.hasPrefix("<14>Nov 20") && seen[0].host == "node1")
    }

    @Test func asManyWrappersArePeeledAsTheLimitSays() {
        let header = "<14>Nov 20 08:00:00 a b: "
        for count in 1...InputLimit.wrapperLimit + 1 {
            let line = String(repeating: header, count: count) + "x\n"
            let left = max(0, count - InputLimit.wrapperLimit)
            #expect(
                Self.split(line, Self.auto).seen.map(\.body)
                    == [String(repeating: header, count: left) + "x"])
        }
    }

    @Test func aThirdWrapperStaysAndSoDoesWhatIsInANamedOne() {
        let third = "<14>Nov 20 08:00:00 a b: <14>Nov 20 08:00:00 c d: x"
        #expect(
            Self.split(Self.docker(third + #"\n"#), Self.auto).seen.map(\.body)
                == ["<14>Nov 20 08:00:00 c d: x"])
        #expect(
            Self.split(Self.docker(third + #"\n"#), RecordFraming(wrapper: .docker)).seen
                .map(\.body) == [third])
    }

    @Test func linesOfARecordInTwoWrappersAreJoined() throws {
        func line(_ text: String) -> String { "<14>Nov 20 08:00:00 idp1 cas: \(text)" }
        let text =
            Self.docker(line("2026- one")) + Self.docker(#"more\n"#)
            + Self.docker(line(#"  two\n"#)) + Self.docker(line(#"2026- next\n"#))
        let expected = ["2026- onemore\n  two", "2026- next"]
        #expect(Self.split(text, try Self.joining()).seen.map(\.body) == expected)
        for seed in 1...20 as ClosedRange<UInt64> {
            #expect(Self.follow(text, try Self.joining(), seed: seed).map(\.body) == expected)
        }
    }

    // MARK: Docker

    @Test func dockerLinesAreUnwrapped() {
        let (seen, end) = Self.split(
            Self.docker(#"{\"a\":\"\\u00fc\u00fc\"}\n"#) + Self.docker(#"two\r\n"#), Self.auto)
        #expect(seen.map(\.body) == [#"{"a":"\u00fcü"}"#, "two"])
        #expect(seen.map(\.record) == seen.map(\.body))
        #expect(seen[1].offset == UInt64(Self.docker(#"{\"a\":\"\\u00fc\u00fc\"}\n"#).utf8.count))
        #expect(seen[0].time?.text == "2026-11-20T08:00:00.123456Z")
        #expect(end == Int(seen[1].offset) + Self.docker(#"two\r\n"#).utf8.count)
    }

    @Test func aProductsOwnLineWithAMemberLogIsNotTakenApart() {
        for line in [
            #"{"log":"x\n","stream":"stdout","time":"2026-11-20T08:00:00Z","user":"a"}"#,
            #"{"log":"x\n","stream":"audit","time":"2026-11-20T08:00:00Z"}"#,
            #"{"log":"x\n","stream":"stdout"}"#,
            #"{"log":"x\n","stream":"stdout","time":"yesterday"}"#,
            #"{"log":{"a":1},"stream":"stdout","time":"2026-11-20T08:00:00Z"}"#,
            #"{"log":"x\q","stream":"stdout","time":"2026-11-20T08:00:00Z"}"#,
            #"{"log":"x\n","stream":"stdout","time":"2026-11-20T08:00:00Z""#,
        ] {
            #expect(Self.split(line + "\n", Self.auto).seen.map(\.body) == [line])
        }
    }

    @Test func attributesThatDockerAddsDoNotMatter() {
        let line =
            #"{"log":"x\n","stream":"stderr","attrs":{"tag":"a}\""},"time":"2026-11-20T08:00:00Z"}"#
        #expect(Self.split(line + "\n", Self.auto).seen.map(\.body) == ["x"])
    }

    @Test func piecesOfALineAreJoinedForEachOutput() {
        let (seen, _) = Self.split(
            Self.docker("one ") + Self.docker("ONE ", "stderr") + Self.docker("two ")
                + Self.docker("TWO\\n", "stderr") + Self.docker("three\\n") + Self.docker("x\\n"),
            Self.auto)
        #expect(seen.map(\.body) == ["one two three", "ONE TWO", "x"])
        #expect(seen[0].offset == 0)
    }

    @Test func aPositionNeverPassesALineThatIsNotComplete() {
        let text = Self.docker("one ") + Self.docker("other\\n", "stderr")
        let held = Self.split(text, Self.auto, at: .hold)
        #expect(held.seen.isEmpty)
        #expect(held.end == 0)
        let whole = Self.split(text + Self.docker("two\\n"), Self.auto, at: .hold)
        #expect(whole.seen.map(\.body) == ["one two", "other"])
    }

    @Test func aPieceWithoutTheNextIsARecordWhenItsTimeIsOver() {
        let text = Self.docker("lost ") + Self.docker("later\\n", at: 20)
        let (seen, _) = Self.split(text, Self.auto, at: .hold)
        #expect(seen.map(\.body) == ["lost ", "later"])
        #expect(seen[0].damage == .truncated)
        #expect(
            Self.split(Self.docker("last"), Self.auto, at: .flushLines).seen.map(\.damage)
                == [.truncated])
    }

    @Test func aLineOfPiecesIsCutAtTheLimitAndItsRestLeftOut() {
        let framing = RecordFraming(wrapper: .docker, recordByteLimit: 6)
        let text =
            Self.docker("abcd") + Self.docker("efgh") + Self.docker("ijkl") + Self.docker("m\\n")
            + Self.docker("next\\n")
        let (seen, _) = Self.split(text, framing)
        #expect(seen.map(\.body) == ["abcdef", "next"])
        #expect(seen.map(\.damage) == [.cut, []])
    }

    @Test func emptyMessagesAreNoRecords() {
        let (seen, end) = Self.split(Self.docker("\\n") + Self.cri(""), Self.auto)
        #expect(seen.isEmpty)
        #expect(end > 0)
    }

    // MARK: CRI

    @Test func partialLinesOfCRIAreJoined() {
        let (seen, _) = Self.split(
            Self.cri("one ", "P") + Self.cri("other", "F", "stderr") + Self.cri("two", "P")
                + Self.cri("", "F") + Self.cri("x", "F:tag"), Self.auto)
        #expect(seen.map(\.body) == ["one two", "other", "x"])
        #expect(seen[1].time?.text == "2026-11-20T08:00:00.123456Z")
    }

    @Test func linesThatLookLikeCRIAreLeftAsTheyAre() {
        for line in [
            "2026-11-20T08:00:00.1Z stdout X message", "2026-11-20T08:00:00.1 stdout F message",
            "2026-11-20T08:00:00.1Z stdin F message", "2026-13-20T08:00:00.1Z stdout F message",
            "2026-11-20T08:00:00.1Z stdout Full message",
        ] {
            #expect(Self.split(line + "\n", Self.auto).seen.map(\.body) == [line])
        }
    }

    // MARK: Records of several lines

    @Test func stackTracesAreJoinedAfterUnwrapping() throws {
        let text =
            Self.docker("2026-11-20 a\\n") + Self.docker("\\tat b\\n")
            + Self.docker("2026-11-20 other\\n", "stderr") + Self.docker("Caused by: c\\n")
            + Self.docker("2026-11-20 d\\n")
        let (seen, _) = Self.split(text, try Self.joining())
        #expect(
            seen.map(\.body) == [
                "2026-11-20 a\n\tat b\nCaused by: c", "2026-11-20 other", "2026-11-20 d",
            ])
    }

    @Test func nothingIsHandedOutThatARecordReachesAcross() throws {
        let text =
            Self.docker("2026-11-20 a\\n") + Self.docker("2026-11-20 b\\n", "stderr")
            + Self.docker("\\tat a\\n") + Self.docker("2026-11-20 c\\n")
        let (seen, end) = Self.split(text, try Self.joining(), at: .hold)
        // The first record is complete, but the second began inside it and is not.
        #expect(seen.isEmpty)
        #expect(end == 0)
    }

    @Test func aRecordEndsWhenTheTimesOfTheLinesSaySo() throws {
        let text =
            Self.docker("2026-11-20 a\\n", "stderr") + Self.docker("2026-11-20 b\\n", at: 5)
            + Self.docker("2026-11-20 c\\n", at: 5)
        let (seen, end) = Self.split(text, try Self.joining(), at: .hold)
        #expect(seen.map(\.body) == ["2026-11-20 a", "2026-11-20 b"])
        #expect(end == text.utf8.count - Self.docker("2026-11-20 c\\n", at: 5).utf8.count)
    }

    @Test func joinedRecordsAreCutAtTheirLimits() throws {
        var text = Self.docker("2026-11-20 a\\n")
        for number in 0..<5 { text += Self.docker(" line \(number)\\n") }
        text += Self.docker("2026-11-20 b\\n")
        let lines = Self.split(text, try Self.joining(lineLimit: 3)).seen
        #expect(lines.map(\.body) == ["2026-11-20 a\n line 0\n line 1", "2026-11-20 b"])
        #expect(lines.map(\.damage) == [.cut, []])
        let bytes = Self.split(text, try Self.joining(byteLimit: 24)).seen
        #expect(bytes.map(\.body) == ["2026-11-20 a\n line 0\n li", "2026-11-20 b"])
    }

    // MARK: Syslog, journal, compose, colours

    @Test func theRecordOfASyslogLineIsTheLineAsItWasRead() {
        let old = "Nov  3 12:30:37 host1 dex[692]: time=x level=y"
        let modern = "2026-11-03T12:30:37.123456+01:00 host2 doorman: hello"
        let full = "<165>1 2026-11-03T12:30:37Z host3 app 1 id [a b=\"c]\"] \u{FEFF}text"
        let seen = Self.split([old, modern, full].joined(separator: "\n") + "\n", Self.auto).seen
        #expect(seen.map(\.body) == ["time=x level=y", "hello", "text"])
        #expect(seen.map(\.record) == [old, modern, full])
        #expect(seen.map(\.host) == ["host1", "host2", "host3"])
        #expect(seen[1].time?.text == "2026-11-03T11:30:37.123456Z")
    }

    @Test func linesThatLookLikeSyslogAreLeftAsTheyAre() {
        for line in [
            "2026-11-20T08:00:00Z INFO doorman: hello", "2026-11-20T08:00:00Z - doorman: hello",
            "2026-11-20T08:00:00 host doorman: hello", "Nov  3 12:30:37 host something happened",
            "<Audit trail record BEGIN", "<12>hello", "March against: time",
        ] {
            #expect(Self.split(line + "\n", Self.auto).seen.map(\.body) == [line])
        }
    }

    @Test func linesOfSeveralProgramsAreJoinedEachByItself() throws {
        let text = """
            Nov  3 12:30:37 h kc[1]: 2026-11-20 a
            Nov  3 12:30:37 h other[2]: 2026-11-20 b
            Nov  3 12:30:37 h kc[1]: \tat x

            """
        let seen = Self.split(text, try Self.joining()).seen
        #expect(seen.map(\.body) == ["2026-11-20 a\n\tat x", "2026-11-20 b"])
        #expect(
            seen[0].record
                == "Nov  3 12:30:37 h kc[1]: 2026-11-20 a\nNov  3 12:30:37 h kc[1]: \tat x")
    }

    @Test func entriesOfAJournalGiveMessageHostAndTime() {
        let text = #"""
            {"__REALTIME_TIMESTAMP":"1795161600123456","_HOSTNAME":"h1","MESSAGE":"a\tb"}
            {"MESSAGE":[104,228,105],"_PID":"1","__REALTIME_TIMESTAMP":"1795161600123456"}
            {"MESSAGE":null,"__REALTIME_TIMESTAMP":"1795161600123456"}
            {"MESSAGE":"no time"}

            """#
        var splitter = RecordSplitter(Self.auto)
        var skip = RecordSplitter.Skip.nothing
        var block = Array(text.utf8)
        splitter.split(block.span, from: 0, origin: 0, skip: &skip, at: .flushAll)
        let cut = splitter.take(from: &block)
        #expect(Array(cut.bytes[cut.records[1].range]) == [104, 228, 105])
        let seen = Self.see(cut)
        #expect(seen[0].body == "a\tb")
        #expect(seen[0].host == "h1")
        #expect(seen[0].time?.microseconds == 1_795_161_600_123_456)
        #expect(seen[2].body.hasPrefix(#"{"MESSAGE":null"#))
        #expect(seen[3].body == #"{"MESSAGE":"no time"}"#)
    }

    @Test func prefixesOfComposeArePeeledOff() {
        let text =
            "Attaching to kc-1\nkc-1      | one\n\u{1B}[36mdb-12  |\u{1B}[0m two\nkc-1  | \n"
            + "LOGIN | raw\n"
        let seen = Self.split(text, Self.auto).seen
        #expect(seen.map(\.body) == ["Attaching to kc-1", "one", "two", "LOGIN | raw"])
        #expect(seen[1].record == "kc-1      | one")
        let given =
            "keycloak  | one\n\u{1B}[33mmy.idp    | \u{1B}[0mtwo\nweb | x\n"
            + "2026-11-20  | y\nINFO  | z\n"
        #expect(
            Self.split(given, Self.auto).seen.map(\.body)
                == ["one", "two", "web | x", "2026-11-20  | y", "INFO  | z"])
        let certain = Self.split("my.kc | one\n", RecordFraming(wrapper: .compose)).seen
        #expect(certain.map(\.body) == ["one"])
    }

    @Test func aListThatSomebodyExportedIsOneRecordHoweverManyLinesItHas() throws {
        let lines = ["["] + (0..<1500).map { "  {\n    \"a\": \($0)\n  }," } + ["]"]
        let text = lines.joined(separator: "\n")
        let prefixed = text.split(separator: "\n").map { "idp-1  | \($0)\n" }.joined()
        var framing = RecordFraming(wrapper: .auto)
        #expect(Self.split(text + "\n", framing).seen.map(\.body) == [text])
        #expect(Self.split(prefixed, framing).seen.map(\.body) == [text])
        framing.printedLineLimit = 4
        let cut = Self.split(prefixed, framing).seen
        #expect(cut.map(\.body) == ["[\n  {\n    \"a\": 0\n  },"] && cut[0].damage == [.cut])
    }

    @Test func coloursDoNotCount() throws {
        let text = "\u{1B}[32m2026-11-20\u{1B}[0m a\n\tat b\n\u{1B}[1;34m2026-x\u{1B}[39m\n"
        let seen = Self.split(text, try Self.joining(.raw)).seen
        #expect(seen.map(\.body) == ["2026-11-20 a\n\tat b", "2026-x"])
        #expect(seen[0].record == "\u{1B}[32m2026-11-20\u{1B}[0m a\n\tat b")
        let other = "a\u{1B}]0;title\u{7}b"
        #expect(Self.split(other + "\n", Self.auto).seen.map(\.body) == [other])
    }
}
