// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import TestSupport
import Testing

struct ParserDefinitionTests {
    private let minimal = """
        format: 1
        name: test
        provider: {vendor: Test, product: test}
        verified: {sample: [a line]}
        coverage: {log: a file}
        recognise: {lines: [x]}
        formats:
          - name: line
            steps:
              - pattern: '^(?<user>\\S+) (?<word>\\S+) (?<rest>.*)$'
        events:
          - by: word
            words: {in: LoginSucceeded, out: LoggedOut}
            otherwise: {ignore: chatter}
        """

    @Test func aSmallDeclarationWorks() throws {
        let events = try Shipped.parse(yaml: minimal, "mina in now")
        #expect(events.events.map(\.action) == [.loginSucceeded])
        #expect(try Shipped.parse(yaml: minimal, "mina up now").tally.ignored == ["chatter": 1])
        #expect(try Shipped.parse(yaml: minimal, "mina").tally.ignored == ["no_record": 1])
    }

    @Test func everyMistakeIsReportedWithItsPlace() {
        let found = Shipped.problems(
            yaml:
                """
                format: 1
                name: test
                provider: {vendor: Test}
                verified: {sampel: [a line]}
                formats:
                  - name: line
                    steps:
                      - patern: '^(?<user>.*)$'
                      - pattern: '^(?<user>.*$'
                      - pattern: '^(?<user>.*)$'
                fields:
                  actor.nmae: user
                  actor.name: usr
                  severity: user
                  actor.type: {is: robot}
                  error.code: {from: user, map: {x: invalid_grnt}}
                events:
                  - {by: user, words: {a: LoginSuceeded, 'b, b': LoggedOut}}
                  - {action: LoggedOut, ignore: x}
                  - {ignore: Bad Reason}
                  - {when: {user: {startswith: a}}, action: LoggedOut}
                unknown: 1
                """)
        for part in [
            "test.yaml:3:11: provider", "test.yaml:8:9: formats[0].steps[0].patern: is no step",
            "did you mean \"pattern\"?", "test.yaml:9:18", "did you mean \"sample\"?",
            "coverage: must say in log", "verified: must give sample, source or documentation",
            "did you mean \"actor.name\"?",
            "\"usr\" is no value of any extractor", "did you mean \"user\"?",
            "fields.severity: is filled by the agent", "is no field of an event",
            "\"robot\" is no word of actor.type",
            "did you mean \"invalid_grant\"?", "did you mean \"LoginSucceeded\"?",
            "\"b\" is there twice", "exactly one of action, ignore, by, rules",
            "must be of a-z, 0-9 and _", "did you mean \"starts_with\"?", "unknown key \"unknown\"",
        ] {
            #expect(found.contains { $0.contains(part) }, "\(part)")
        }
    }

    @Test func aNewerFormatIsRefusedAsAWhole() {
        let found = Shipped.problems(
            yaml:
                minimal.split(separator: "\n").dropFirst().reduce("format: 2") {
                    $0 + "\n" + $1
                })
        #expect(found == ["test.yaml:1:9: format: must be 1; a newer agent may read it"])
    }

    @Test func theNameMustBeThatOfTheFile() {
        let found = Shipped.problems(
            yaml:
                minimal.split(separator: "\n").map {
                    $0 == "name: test" ? "name: other" : String($0)
                }.joined(separator: "\n"))
        #expect(found.count == 1 && found[0].contains("name of the file"))
    }

    @Test func fieldsTakeTheFirstAlternativeThatGivesAValue() throws {
        let yaml = """
            format: 1
            name: test
            provider: {vendor: Test, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file}
            recognise: {lines: [x]}
            null_words: ['-']
            formats:
              - name: json
                steps: [{json: {a: a, b: [x.b, y.b], s: s, n: n, t: t}}]
            fields:
              actor.name: [a, b]
              actor.type: [{is: client, when: {a: absent}}, {is: user}]
              scope.granted: s
              request.resource: {is: [z, y, z]}
              request.status: n
              time: {from: t, time: epoch_ms}
              error.reason: a
            events: [LoginSucceeded]
            """
        let first = try Shipped.parse(
            yaml: yaml, #"{"a":"-","x":{"b":null},"y.b":"mina","s":["q","p","q"],"n":200}"#)
        #expect(first.fields()["actor.name"] == "mina")
        #expect(first.fields()["actor.type"] == "client")
        #expect(first.fields()["scope.granted"] == "p|q")
        #expect(first.fields()["request.resource"] == "y|z")
        #expect(first.fields()["request.status"] == "200")
        #expect(first.fields()["error.reason"] == nil)
        let second = try Shipped.parse(
            yaml: yaml, #"{"a":"bo","s":" b  a b ","n":"1000","t":1795168800123}"#)
        #expect(second.fields()["actor.type"] == "user")
        #expect(second.fields()["scope.granted"] == "a|b")
        #expect(second.fields()["request.status"] == nil)
        #expect(second.fields()["time"] == "2026-11-20T10:00:00.123000Z")
    }

    @Test func opaqueTokensAreFingerprintsAndSignedOnesTheirIdentifier() throws {
        let yaml = """
            format: 1
            name: test
            provider: {vendor: Test, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file}
            recognise: {lines: [x]}
            formats: [{name: json, steps: [{json: {t: t}}]}]
            fields: {token.id: {from: t, fingerprint: token}}
            events: [AccessTokenIssued]
            """
        let payload = Base64.encode(Array(#"{"jti":"abc-1"}"#.utf8), .urlSafe)
        let signed = try Shipped.parse(yaml: yaml, "{\"t\":\"eyJhIjoxfQ.\(payload).sig\"}")
        #expect(signed.fields()["token.id"] == "abc-1")
        let opaque = try Shipped.parse(yaml: yaml, #"{"t":"opaque"}"#)
        #expect(opaque.fields()["token.id"]?.hasPrefix("h1:") == true)
        #expect(!String(decoding: opaque.scratch.suffix(25), as: UTF8.self).contains("opaque"))
    }
}

struct ParserLibraryTests {
    @Test func theEarlierFolderWinsByName() throws {
        let first = try TemporaryFolder()
        let second = try TemporaryFolder()
        let text = """
            format: 1
            name: test
            provider: {vendor: One, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file}
            recognise: {lines: [x]}
            formats: [{name: line, steps: [{pattern: '^a'}]}]
            events: [LoggedOut]
            """
        try first.write("test.yaml", text)
        try second.write("test.yaml", text + "\nwrong: 1")
        try second.write("readme.txt", "no parser")
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: [first.path, "/nowhere/at/all", second.path], problems: problems)
        #expect(problems.isEmpty && library.names == ["test"])
        #expect(library.program(named: "test")?.vendor == "One")
        #expect(library.program(named: "other") == nil)
    }

    @Test func onlyWhatIsWantedIsRead() throws {
        let folder = try TemporaryFolder()
        let good = """
            format: 1
            name: good
            provider: {vendor: One, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file}
            recognise: {lines: [x]}
            formats: [{name: line, steps: [{pattern: '^a'}]}]
            events: [LoggedOut]
            """
        try folder.write("good.yaml", good)
        try folder.write("renamed.yaml", good)
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: [folder.path], only: ["good"], problems: problems)
        #expect(problems.isEmpty && library.names == ["good", "renamed"])
        #expect(library.program(named: "good") != nil)
        _ = ParserLibrary.load(directories: [folder.path], problems: problems)
        #expect(
            problems.list.map(\.description) == [
                folder.path
                    + "/renamed.yaml:2:7: name: must be the name of the file without .yaml"
            ])
    }

    /// A mistake in a parser of the operator's own refused every configuration with `auto`.
    @Test func aMistakeInAParserThatNobodyNamedIsAWarning() throws {
        let (own, shipped) = (try TemporaryFolder(), try TemporaryFolder())
        let good = """
            format: 1
            name: one
            provider: {vendor: One, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file}
            recognise: {lines: [x]}
            formats: [{name: line, steps: [{pattern: '^a'}]}]
            events: [LoggedOut]
            """
        try own.write("one.yaml", good + "\nwrong: 1")
        try own.write("two.yaml", "wrong: 1")
        try shipped.write("one.yaml", good)
        func load(named: Set<String>) -> (ParserLibrary, [String]) {
            let problems = ConfigurationProblems()
            let library = ParserLibrary.load(
                directories: [own.path, shipped.path], named: named, problems: problems)
            return (library, problems.list.map(\.description))
        }
        let (library, problems) = load(named: ["auto"])
        #expect(problems.isEmpty && library.names == ["one", "two"])
        #expect(library.program(named: "one") != nil && library.program(named: "two") == nil)
        #expect(library.warnings.count >= 2)
        #expect(library.warnings.first?.hasPrefix(own.path + "/one.yaml:9:1: ") == true)
        #expect(
            library.warnings.first?.hasSuffix(
                "until the parser one is right, the one in \(shipped.path)/one.yaml stands in")
                == true)
        #expect(library.warnings.last?.hasSuffix("its lines are not recognised") == true)
        let (strict, mistakes) = load(named: ["one"])
        #expect(mistakes.count == 1 && strict.program(named: "one") == nil)
        #expect(strict.warnings.allSatisfy { $0.contains("two.yaml") })
    }

    /// A folder that the agent might not read was as good as none, without a word.
    @Test func aFolderOfParsersThatCannotBeReadIsAWarning() throws {
        let shipped = try TemporaryFolder()
        let unreadable = shipped.path + "/" + String(repeating: "x", count: 300)
        let library = ParserLibrary.load(
            directories: [unreadable, shipped.path + "/absent", shipped.path],
            problems: ConfigurationProblems())
        #expect(library.warnings.count == 1)
        #expect(library.warnings.first?.hasPrefix(unreadable) == true)
    }

    @Test(arguments: Shipped.names)
    func eachParserIsRecognisedByItsOwnLines(_ name: String) throws {
        let sample = try Shipped.fixtures(name).blocks.map(\.bytes)
        let found = Shipped.library.bySpecificity.recognise(sample: sample)
        #expect(found.first?.name == name)
    }

    @Test func linesOfNobodyAreRecognisedByNobody() {
        let sample = [Array("GET / HTTP/1.1".utf8), Array("{\"a\":1}".utf8)]
        #expect(Shipped.library.bySpecificity.recognise(sample: sample).isEmpty)
        #expect(Shipped.library.bySpecificity.recognise(sample: []).isEmpty)
    }

    @Test func thePageOfCoverageIsMadeFromTheParsers() throws {
        let path = Shipped.root + "/docs/coverage.md"
        let written = try FileSystem.read(path, byteLimit: 1 << 22)
        let made = CoveragePage(Shipped.library).markdown
        #expect(String(decoding: written, as: UTF8.self) == made, "run make coverage")
    }

    @Test(arguments: Shipped.names)
    func everyParserHasSourcesAndAFixture(_ name: String) throws {
        let definition = try #require(Shipped.library.definition(named: name))
        let verification = definition.verification
        #expect(
            !(verification.samples + verification.sources + verification.documentation).isEmpty)
        #expect(!definition.coverage.log.isEmpty)
        #expect(!(try Shipped.fixtures(name)).blocks.isEmpty)
        #expect(Shipped.library.names.contains(name))
    }
}
