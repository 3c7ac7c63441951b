// SPDX-License-Identifier: Apache-2.0
import Testing

/// Shows each rule a small source that breaks it and one that does not.
@Suite struct TidyRulesTests {
    private func file(
        _ text: String, _ path: String = "Sources/Inputs/FileInput.swift"
    ) -> SourceFile {
        SourceFile(path, text)
    }

    @Test func commentsAndTextsAreNoCode() {
        let source = file(
            #"""
            let a = "x // \(f("}", b)) y" // try!
            /* as! /* nested */ still */ let b = #"raw \(no) " text"#
            let c = """
                try! "quoted" \(g { "z" })
                """ + d
            """#)
        #expect(
            source.code == [
                #"let a = "" "#, #" let b = """#, #"let c = """#, "", " + d",
            ])
        #expect(source.beginsInText == [false, false, false, true, true])
        #expect(source.lines.count == source.code.count)
    }

    @Test func importsAreFoundInEveryForm() {
        let source = file(
            "import Events\n@testable import Sinks\npublic import struct Ledger.Segment\n"
                + "// import Foundation\nlet important = 1\n@preconcurrency import CYAML\n")
        #expect(source.imports.map(\.module) == ["Events", "Sinks", "Ledger", "CYAML"])
        #expect(source.imports.map(\.index) == [0, 1, 2, 5])
    }

    @Test func importsUpwardSidewaysAndFromElsewhereAreFound() {
        let text =
            "import Platform\nimport Events\nimport Sinks\nimport Pipeline\n"
            + "import Foundation\nimport Glibc\nimport Synchronization\n"
        #expect(
            TidyRules.importsThatDoNotGoDown([file(text)], cLibraries: ["CCurl"]) == [
                "Sources/Inputs/FileInput.swift:3 imports Sinks",
                "Sources/Inputs/FileInput.swift:4 imports Pipeline",
                "Sources/Inputs/FileInput.swift:5 imports Foundation",
                "Sources/Inputs/FileInput.swift:6 imports Glibc",
            ])
        let owner = file("import CCurl\nimport Glibc\nimport Events\n", "Sources/Sinks/A.swift")
        #expect(TidyRules.importsThatDoNotGoDown([owner], cLibraries: ["CCurl"]).isEmpty)
        let low = file("import Glibc\nimport Events\n", "Sources/Platform/Clock.swift")
        #expect(
            TidyRules.importsThatDoNotGoDown([low], cLibraries: []) == [
                "Sources/Platform/Clock.swift:2 imports Events"
            ])
    }

    @Test func aCLibraryWithTwoOwnersOrNoneIsFound() {
        let files = [
            file("import CYAML\nimport CZstd\nimport CLinux\n", "Sources/Platform/System/A.swift"),
            file("import CZstd\nimport CCurl\n", "Sources/Sinks/B.swift"),
            file("import CLinux\n", "Sources/Platform/System/C.swift"),
            file("import CCurl\n", "Sources/Sinks/D.swift"),
        ]
        let libraries: Set<String> = ["CYAML", "CZstd", "CLinux", "CCurl", "CISAL"]
        #expect(
            TidyRules.cLibrariesWithoutOneOwner(files, cLibraries: libraries) == [
                "CCurl is imported by Sources/Sinks/B.swift, Sources/Sinks/D.swift",
                "CISAL is imported by nobody",
                "CZstd is imported by Sources/Platform/System/A.swift, Sources/Sinks/B.swift",
            ])
    }

    @Test func longFilesLinesAndFunctionsAreFound() {
        let body = String(repeating: "    x()\n", count: TidyRules.functionLineLimit - 2)
        let fits = "func a(\n) {\n" + body.dropFirst(8) + "}\n"
        #expect(TidyRules.functionsTooLong([file(fits)]).isEmpty)
        let source = file("struct S {\n  init(a: Int = 1) {\n" + body + "    y()\n  }\n}\n")
        #expect(TidyRules.functionsTooLong([source]) == ["\(source.path):2 has 71 lines"])
        let line = String(repeating: "é", count: TidyRules.columnLimit)
        let long = file("\(line)\n\(line)x\nlet a = \"\"\"\n\(line)x\n\"\"\"\n")
        #expect(TidyRules.linesTooLong([long]) == ["\(long.path):2 has 101 columns"])
        let lines = String(repeating: "\n", count: TidyRules.fileLineLimit)
        #expect(TidyRules.filesTooLong([file(lines)]).isEmpty)
        #expect(TidyRules.filesTooLong([file(lines + "\n")]).count == 1)
    }

    @Test func aProtocolRequirementHasNoBody() {
        let requirements = String(repeating: "    func a() -> Int\n\n", count: 60)
        #expect(TidyRules.functionsTooLong([file("protocol P {\n\(requirements)}\n")]).isEmpty)
    }

    @Test func functionsAreToldFromCalls() {
        for code in [
            "  public init?(a: Int) {", "deinit {", "private static func a() {",
            "subscript(a: Int) -> Int {", "init<T>(_ a: T) {", "convenience init() {",
        ] {
            #expect(TidyRules.isFunction(code))
        }
        for code in ["self.init(a)", "let a = B.init(c) {", "functions.run {", "initial() {", ""] {
            #expect(!TidyRules.isFunction(code))
        }
    }

    @Test func undocumentedPublicDeclarationsAreFound() {
        let source = file(
            """
            /// Documented.
            @frozen
            @inline(__always)
            public struct A {
                public let a = 1
                /// Documented.
                public private(set) var b = 2
                // Not documented.
                public init() {}
                let c = "public let d"
                /// Documented.
                // Safe because it is.
                public class E {}
                var open = 3
                private let f = open(public)
            }
            """)
        #expect(
            TidyRules.publicWithoutDocumentation([source]) == [
                "\(source.path):5", "\(source.path):9",
            ])
    }

    @Test func bannedWordsAndNamesAreFound() {
        let later = "TO" + "DO"
        let source = file(
            "// \(later): later\nlet x\(later)x = 1\nstruct File\("Mana" + "ger") {}\n")
        #expect(TidyRules.bannedWords([source]) == ["\(source.path):1 says \(later)"])
        #expect(TidyRules.bannedTypeNames([source]).count == 1)
    }

    @Test func unsafeCodeNeedsAReasonNearby() {
        let gap = String(repeating: "let x = 1\n", count: TidyRules.reasonLineLimit - 1)
        let near = "// Safe because it is.\n\(gap)withUnsafeBytes { }\n"
        #expect(TidyRules.unsafeWithoutReason([file(near)]).isEmpty)
        let inside =
            "withUnsafeBytes { bytes in\n    f(\n        bytes,\n    // Safe because it is.\n"
        #expect(TidyRules.unsafeWithoutReason([file(inside)]).isEmpty)
        let below = file("withUnsafeBytes { }\n\n\n\n// Safe because it is.\n")
        #expect(TidyRules.unsafeWithoutReason([below]).count == 1)
        let far = file("// Safe because it is.\n\(gap)\nwithUnsafeBytes { }\n")
        #expect(
            TidyRules.unsafeWithoutReason([far]) == [
                "\(far.path):8 uses withUnsafeBytes"
            ])
        let others = file(
            "final class A: @unchecked Sendable {\n    nonisolated(unsafe) var b = 1\n}\n"
                + "// Unsafe words in a comment\nlet unsafety = unsafe f()\n")
        #expect(TidyRules.unsafeWithoutReason([others]).count == 2)
    }

    @Test func pointersOutsidePlatformAreFound() {
        let text = "// Safe because it is.\nlet p: UnsafeRawPointer\n"
        #expect(TidyRules.pointersOutsidePlatform([file(text)], cLibraries: []).count == 1)
        let platform = file(text, "Sources/Platform/A.swift")
        let owner = file("import CCurl\n" + text, "Sources/Sinks/A.swift")
        #expect(TidyRules.pointersOutsidePlatform([platform, owner], cLibraries: ["CCurl"]) == [])
    }

    @Test func threadsOutsideThePipelineAreFound() {
        let text = "Task { f() }\nlet t = Thread.start(name: x) {}\nmyTask { }\nlet task = 1\n"
        #expect(TidyRules.threadsOutsidePipeline([file(text)]).count == 2)
        #expect(TidyRules.threadsOutsidePipeline([file(text, "Sources/Pipeline/A.swift")]) == [])
    }

    @Test func forcedTriesAndCastsAreFound() {
        let source = file(
            "let a = try! f()\nlet b = c as! D\nlet alias = !e\nretry!\nlet x = c as? D")
        #expect(
            TidyRules.forcedTriesAndCasts([source]) == [
                "\(source.path):1 uses try!", "\(source.path):2 uses as!",
            ])
    }

    @Test func parsersAndFixturesAreCompared() {
        #expect(
            TidyRules.parsersWithoutFixture(["a", "b"], ["b", "c"]) == [
                "parsers/a.yaml has no Tests/Fixtures/parsers/a.fixture",
                "Tests/Fixtures/parsers/c.fixture has no parsers/c.yaml",
            ])
    }
}
