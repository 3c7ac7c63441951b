// SPDX-License-Identifier: Apache-2.0
import Testing

/// Reads the tree that this test was built from. Each rule fails once and lists every place.
@Suite struct TidyTests {
    // Read once, because the rules run at the same time and each wants all of it.
    private static let sourceFiles = Result { try SourceTree().files(below: "Sources") }
    private static let testFiles = Result { try SourceTree().files(below: "Tests") }

    private let tree = SourceTree()

    private func expectNone(
        _ places: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            places.isEmpty, "\(places.count):\n\(places.joined(separator: "\n"))",
            sourceLocation: sourceLocation)
    }

    private func sources() throws -> [SourceFile] { try TidyTests.sourceFiles.get() }
    private func tests() throws -> [SourceFile] { try TidyTests.testFiles.get() }
    private func libraries() throws -> Set<String> { Set(try tree.cLibraries()) }

    @Test func theTreeIsThere() throws {
        #expect(try sources().count > 20)
        #expect(try libraries().contains("CYAML"))
    }

    @Test func importsGoToLowerFloorsOnly() throws {
        expectNone(TidyRules.importsThatDoNotGoDown(try sources(), cLibraries: try libraries()))
    }

    @Test func eachCLibraryHasOneOwner() throws {
        expectNone(TidyRules.cLibrariesWithoutOneOwner(try sources(), cLibraries: try libraries()))
    }

    @Test func everyFileBeginsWithTheLicence() throws {
        let endings = [".swift", ".h", ".c", ".cpp"]
        let sources = try tree.files(below: "Sources", endings: endings)
        expectNone(TidyRules.filesWithoutLicence(try sources + tests()))
    }

    @Test func filesAreShort() throws {
        expectNone(TidyRules.filesTooLong(try sources() + tests()))
    }

    @Test func linesAreShort() throws {
        expectNone(TidyRules.linesTooLong(try sources() + tests()))
    }

    @Test func functionsAreShort() throws {
        expectNone(TidyRules.functionsTooLong(try sources() + tests()))
    }

    @Test func everyPublicDeclarationIsDocumented() throws {
        expectNone(TidyRules.publicWithoutDocumentation(try sources()))
    }

    @Test func nothingIsLeftForLater() throws {
        expectNone(TidyRules.bannedWords(try sources() + tests()))
    }

    @Test func typesAreNamedForWhatTheyAre() throws {
        expectNone(TidyRules.bannedTypeNames(try sources() + tests()))
    }

    @Test func unsafeCodeSaysWhyItIsSafe() throws {
        expectNone(TidyRules.unsafeWithoutReason(try sources()))
    }

    @Test func pointersStayInPlatform() throws {
        expectNone(TidyRules.pointersOutsidePlatform(try sources(), cLibraries: try libraries()))
    }

    @Test func onlyThePipelineStartsThreads() throws {
        expectNone(TidyRules.threadsOutsidePipeline(try sources()))
    }

    @Test func nothingIsForced() throws {
        expectNone(TidyRules.forcedTriesAndCasts(try sources() + tests()))
    }

    @Test func everyParserHasAFixtureAndTheReverse() throws {
        expectNone(
            TidyRules.parsersWithoutFixture(
                try tree.names(in: "parsers", ending: ".yaml"),
                try tree.names(in: "Tests/Fixtures/parsers", ending: ".fixture")))
    }
}
