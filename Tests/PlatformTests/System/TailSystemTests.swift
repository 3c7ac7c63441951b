// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Platform

struct TailSystemTests {
    @Test func namesOfAccountsComeFromTheLinesOfTheFile() {
        let file = Array("root:x:0:0::/root:/bin/sh\nidp:x:997:\n:x:5:\nbroken\n".utf8)
        #expect(AccountNames.name(0, in: file) == "root")
        #expect(AccountNames.name(997, in: file) == "idp")
        #expect(AccountNames.name(99, in: file) == nil)
        #expect(AccountNames.name(5, in: file) == nil)
        #expect(AccountNames.user(0) == "root")
    }

    @Test func aHoleEndsWhereDataBegins() throws {
        let folder = try TemporaryFolder()
        let file = try File(folder("sparse"), .readWrite, .create)
        try file.write([1, 2, 3].span, at: 1 << 30)
        #expect(file.nextData(from: 1 << 30) == 1 << 30)
        let next = try #require(file.nextData(from: 0))
        #expect(next <= 1 << 30)
        #expect(file.nextData(from: (1 << 30) + 3) == nil)
    }

    @Test func localFileSystemsReportChanges() throws {
        let folder = try TemporaryFolder()
        #expect(FileSystem.reportsChanges(folder.path))
        #expect(FileSystem.reportsChanges("/nonexistent"))
        #expect(FileSystem.isReadable(folder.path))
        #expect(!FileSystem.isReadable("/nonexistent"))
    }
}
