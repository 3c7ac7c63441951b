// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import TestSupport
import Testing

struct ParserOutlineTests {
    /// A parser whose mistake, if any, only its program shows.
    private func declaration(action: String = "LoggedOut", product: String = "test") -> String {
        """
        format: 1
        name: one
        provider: {vendor: Example, product: \(product)}
        verified: {sample: [a line]}
        coverage: {log: a file, successes_need: a setting}
        record_start: '^x'
        recognise: {lines: ['^x'], generic: true}
        formats: [{name: line, steps: [{pattern: '^a'}]}]
        events: [{action: \(action)}]
        """
    }

    private func load(_ folders: [String], named: Set<String> = []) -> ParserLibrary {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: folders, named: named, deferring: true, problems: problems)
        #expect(problems.isEmpty, "\(problems.list)")
        return library
    }

    @Test func anOutlineSaysWhatTheWholeDeclarationSays() throws {
        let library = load([Shipped.root + "/parsers"])
        #expect(library.warnings == [])
        #expect(library.bySpecificity.map(\.name) == Shipped.library.bySpecificity.map(\.name))
        for name in Shipped.names {
            let outline = try #require(library.outline(named: name))
            let whole = try #require(Shipped.library.outline(named: name))
            #expect(outline.lines.map(\.pattern) == whole.lines.map(\.pattern))
            #expect(outline.recordStart == whole.recordStart)
            #expect(outline.successesNeed == whole.successesNeed)
        }
    }

    @Test func theProgramIsMadeWhenItIsAskedFor() throws {
        let folder = try TemporaryFolder()
        try folder.write("one.yaml", declaration())
        let library = load([folder.path])
        // What was read at the start counts, whatever becomes of the file.
        try folder.write("one.yaml", "no parser any more")
        #expect(library.definition(named: "one") == nil)
        let outline = try #require(library.outline(named: "one"))
        #expect(outline.program { Issue.record("\($0)") }?.actions.map(\.name) == ["LoggedOut"])
    }

    @Test func aMistakeBehindTheOutlineIsToldOnce() throws {
        let folder = try TemporaryFolder()
        try folder.write("one.yaml", declaration(action: "NoSuchAction"))
        let library = load([folder.path])
        #expect(library.warnings == [])
        let outline = try #require(library.outline(named: "one"))
        var reports: [String] = []
        #expect(outline.program { reports.append($0) } == nil)
        #expect(outline.program { Issue.record("\($0)") } == nil)
        #expect(reports.first?.hasPrefix(folder.path + "/one.yaml:9:") == true)
        #expect(reports.first?.hasSuffix("its lines are not recognised") == true)
    }

    @Test func theNextDeclarationOfTheNameStandsIn() throws {
        let (own, shipped) = (try TemporaryFolder(), try TemporaryFolder())
        try own.write("one.yaml", declaration(action: "NoSuchAction"))
        try shipped.write("one.yaml", declaration(product: "shipped"))
        let outline = try #require(load([own.path, shipped.path]).outline(named: "one"))
        var reports: [String] = []
        #expect(outline.program { reports.append($0) }?.product == "shipped")
        #expect(reports.first?.hasSuffix("the one in \(shipped.path)/one.yaml stands in") == true)
    }

    @Test func aMistakeInTheOutlineIsToldAtOnce() throws {
        let folder = try TemporaryFolder()
        try folder.write("one.yaml", declaration() + "\nwrong: 1")
        let library = load([folder.path])
        #expect(library.warnings.count == 1 && library.outline(named: "one") == nil)
    }

    @Test func aParserThatIsNamedIsReadWhole() throws {
        let folder = try TemporaryFolder()
        try folder.write("one.yaml", declaration(action: "NoSuchAction"))
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: [folder.path], named: ["one"], deferring: true, problems: problems)
        #expect(!problems.isEmpty && library.outline(named: "one") == nil)
    }
}
