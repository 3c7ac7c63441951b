// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Pipeline

struct SupportBundleTests {
    @Test func manyFoldersTogetherAreListedUpToTheLimit() throws {
        let folder = try TemporaryFolder()
        for place in ["a", "b"] {
            try FileSystem.createFolder(folder(place))
            for number in 0..<(SupportBundle.fileLimit / 2 + 10) {
                try folder.write("\(place)/\(number)", "")
            }
        }
        let lines = SupportBundle.listing([folder("a"), folder("b"), folder("none")])
        #expect(lines.count == SupportBundle.fileLimit + 1)
        #expect(lines.first?.hasSuffix(folder("a")) == true)
        #expect(lines.last?.hasPrefix("and more") == true)
        let few = SupportBundle.listing([folder("none"), folder("a/1")])
        #expect(few.count == 2 && few.first == "missing \(folder("none"))")
    }
}
