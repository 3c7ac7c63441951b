// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Inputs

struct PathPatternTests {
    @Test func aStarDoesNotCrossASlash() {
        let pattern = PathPattern("/var/log/*/app*.log")
        #expect(pattern.matches("/var/log/a/app1.log"))
        #expect(!pattern.matches("/var/log/a/b/app1.log"))
        #expect(!pattern.matches("/var/log/app1.log"))
    }

    @Test func foldersOfEachPartFromTheFirstWildcardOnAreWatched() throws {
        let folder = try TemporaryFolder()
        try folder.createFolder("a")
        try folder.createFolder("b")
        try folder.write("file", "")
        #expect(
            PathPattern(folder("*/app.log")).folders()
                == [folder.path, folder("a"), folder("b")])
        #expect(PathPattern(folder("a/app.log")).folders() == [folder("a")])
        #expect(PathPattern(folder("a/*.log")).folders() == [folder("a")])
    }

    @Test func theNearestFolderIsWatchedForOneThatIsMissing() throws {
        let folder = try TemporaryFolder()
        #expect(PathPattern(folder("x/y/app.log")).folders() == [folder.path])
        #expect(PathPattern("/app.log").folders() == ["/"])
    }

    @Test func exclusionsAreAboutTheNameOrTheWholePath() {
        let selection = PathSelection(
            patterns: [PathPattern("/x/*/*")], excluded: ["*.gz", "/x/old/*"])
        #expect(selection.includes("/x/new/app.log"))
        #expect(!selection.includes("/x/new/app.log.gz"))
        #expect(!selection.includes("/x/old/app.log"))
        #expect(!selection.includes("/y/new/app.log"))
    }

    @Test func theLineageIsTheShortestNameThatCounts() {
        let there: Set<String> = ["/x/app.log", "/x/app.log.1"]
        #expect(
            PathSelection.lineage(of: "/x/app.log.1", where: there.contains) == "/x/app.log")
        #expect(PathSelection.lineage(of: "/x/b.log.1", where: there.contains) == nil)
    }
}
