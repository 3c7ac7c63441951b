// SPDX-License-Identifier: Apache-2.0
import Parsing
import Platform
import Sealing
import TestSupport
import Testing

@testable import Pipeline

/// Two readings of one configuration file, the second after an edit.
private struct Edit {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.createFolder("parsers")
        try folder.write("parsers/plain.yaml", Edit.parser("plain", ""))
        try folder.write("parsers/other.yaml", Edit.parser("other", ""))
        try folder.write("parsers/joined.yaml", Edit.parser("joined", "record_start: '^\\['\n"))
    }

    /// A parser that is quickly read.
    private static func parser(_ name: String, _ more: String) -> String {
        """
        format: 1
        name: \(name)
        provider: {vendor: Example, product: \(name)}
        verified: {sample: [nothing]}
        coverage: {log: a file}
        \(more)recognise: {lines: ['^\\{"\(name)"']}
        formats: [{name: json, steps: [{json: {word: event}}]}]
        fields: {provider.event: word}
        events: [{action: Unclassified}]
        """
    }

    func path(_ name: String) -> String { folder.path + "/" + name }

    func setup(
        agent: String = "", inputs: String = Edit.input, sinks: String = Edit.sink,
        ledger: String = "{}"
    ) throws -> Setup {
        try Setup(
            PipelineFixture.configuration(
                """
                agent:
                  name: idp1.example.com
                  state_dir: \(path("state"))
                  parsers_dir: \(path("parsers"))
                  \(agent)
                ledger: \(ledger)
                inputs: [\(inputs)]
                sinks: [\(sinks)]
                """))
    }

    static let input = "{id: idp, type: file, paths: [/tmp/x.log], parser: plain}"
    static let sink = "{id: out, type: file, path: /tmp/y}"
}

@Test func nothingIsDoneWhereNothingChanged() throws {
    let edit = try Edit()
    let old = try edit.setup()
    let change = ConfigurationChange(
        from: old,
        to: try edit.setup(inputs: "  {parser: plain, id: idp, type: file,\n paths: [/tmp/x.log]}"))
    #expect(change.isEmpty)
}

@Test func parserAndLabelsDoNotCloseAnInput() throws {
    let edit = try Edit()
    let change = ConfigurationChange(
        from: try edit.setup(),
        to: try edit.setup(
            inputs: "{id: idp, type: file, paths: [/tmp/x.log], parser: other, "
                + "labels: {site: fra1}, tenant: t, timezone: Europe/Berlin}"))
    #expect(change.reopenedInputs.isEmpty)
    #expect(change.closedInputs.isEmpty)
    #expect(!change.opensStream)
}

@Test func parserThatCutsRecordsOtherwiseReopensTheInput() throws {
    let edit = try Edit()
    let change = ConfigurationChange(
        from: try edit.setup(),
        to: try edit.setup(
            inputs: "{id: idp, type: file, paths: [/tmp/x.log], parser: joined}"))
    #expect(change.reopenedInputs == ["idp"])
}

@Test func inputsAreOpenedReopenedAndClosed() throws {
    let edit = try Edit()
    let two = Edit.input + ", {id: two, type: stdin, parser: plain}"
    let change = ConfigurationChange(
        from: try edit.setup(inputs: two),
        to: try edit.setup(
            inputs: "{id: idp, type: file, paths: [/tmp/other.log], parser: plain}, "
                + "{id: three, type: file, paths: [/tmp/z.log], parser: plain}"))
    #expect(change.reopenedInputs == ["idp"])
    #expect(change.openedInputs == ["three"])
    #expect(change.closedInputs == ["two"])
    #expect(!change.opensStream)
}

@Test func otherFilterOpensAStreamAndLeavesTheSinkAlone() throws {
    let edit = try Edit()
    let filtered = "{id: out, type: file, path: /tmp/y, filter: {min_severity: low}}"
    let change = ConfigurationChange(
        from: try edit.setup(), to: try edit.setup(sinks: filtered))
    #expect(change.opensStream)
    #expect(change.replacedSinks.isEmpty)
    let back = ConfigurationChange(from: try edit.setup(sinks: filtered), to: try edit.setup())
    #expect(back.opensStream)
}

@Test func otherSinksOpenAStream() throws {
    let edit = try Edit()
    let two = Edit.sink + ", {id: two, type: stdout}"
    let more = ConfigurationChange(from: try edit.setup(), to: try edit.setup(sinks: two))
    #expect(more.openedSinks == ["two"])
    #expect(more.opensStream)
    let fewer = ConfigurationChange(from: try edit.setup(sinks: two), to: try edit.setup())
    #expect(fewer.closedSinks == ["two"])
    #expect(fewer.opensStream)
    let moved = ConfigurationChange(
        from: try edit.setup(), to: try edit.setup(sinks: "{id: out, type: file, path: /tmp/w}"))
    #expect(moved.replacedSinks == ["out"])
    #expect(moved.opensStream)
}

@Test func wayOfDeliveringChangesWithoutANewStream() throws {
    let edit = try Edit()
    let change = ConfigurationChange(
        from: try edit.setup(),
        to: try edit.setup(
            sinks: "{id: out, type: file, path: /tmp/y, batch: {max_events: 7}, in_flight: 2}"))
    #expect(change.replacedSinks == ["out"])
    #expect(!change.opensStream)
}

@Test func certificateWithOtherContentReplacesTheSink() throws {
    let edit = try Edit()
    let path = edit.path("ca.pem")
    let sink =
        "{id: out, type: elasticsearch, endpoint: \"https://es.example.com\", "
        + "tls: {ca_file: \(path)}}"
    try FileSystem.write(path, Array("one".utf8).span, permissions: 0o600)
    let old = try edit.setup(sinks: sink)
    #expect(ConfigurationChange(from: old, to: try edit.setup(sinks: sink)).isEmpty)
    try FileSystem.write(path, Array("two".utf8).span, permissions: 0o600)
    let change = ConfigurationChange(from: old, to: try edit.setup(sinks: sink))
    #expect(change.replacedSinks == ["out"])
    #expect(!change.opensStream)
}

@Test func whatNeedsARestartIsRefusedInASentence() throws {
    let edit = try Edit()
    let old = try edit.setup().configuration
    let new = try edit.setup(agent: "listen: 127.0.0.1:9999", ledger: "{max_size: 1GiB}")
    #expect(
        ConfigurationChange.refusals(old, new.configuration) == [
            "agent.listen: cannot change while the agent runs, monitoring listens there; "
                + "restart it",
            "ledger: cannot change while the agent runs, its segments are open; restart it",
        ])
}

/// After a rotation the log is empty for a moment, and a reload refused `parser: auto`.
@Test func logThatSaysNothingIsNoObstacleToRecognisingItsRecords() throws {
    let edit = try Edit()
    let log = edit.path("idp.log")
    let line = "{\"plain\":1}\n"
    try FileSystem.write(log, Array(line.utf8).span, permissions: 0o600)
    let input = "{id: idp, type: file, paths: [\(log)], parser: auto}"
    let old = try edit.setup(inputs: input)
    #expect(old.plans.first?.notices == ["\(log): parser plain, which knows 100 % of 1 lines"])
    try FileSystem.write(log, [UInt8]().span, permissions: 0o600)
    let next = try edit.setup(inputs: input)
    // Those of the folder; the checkout's own come behind them.
    let names = next.plans.first?.parsers.map(\.name) ?? []
    #expect(["joined", "other", "plain"].allSatisfy(names.contains))
    #expect(next.plans.first?.notices == [])
    #expect(ConfigurationChange(from: old, to: next).isEmpty)
}

@Test func columnsOfAParserThatChoosesNoneAreAMistake() throws {
    let edit = try Edit()
    let input =
        "{id: idp, type: file, paths: [/tmp/x.log], parser: plain, "
        + "parser_options: {columns: [a, b]}}"
    #expect(throws: PipelineError.self) { _ = try edit.setup(inputs: input) }
}
