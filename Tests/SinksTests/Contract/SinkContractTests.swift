// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct SinkContractTests {
    /// All sinks at once, so that a clause takes as long as the slowest of them.
    @Test(arguments: SinkClause.allCases)
    func everySinkKeeps(clause: SinkClause) {
        let found = Monitor([(name: String, violations: [String])]())
        let threads = SinkContractRow.all.filter { $0.exemption(clause) == nil }.map { row in
            try? Thread.start(name: "contract") {
                let violations: [String]
                do {
                    violations = try SinkContract(row: row).violations(clause)
                } catch {
                    violations = ["\(error)"]
                }
                found.withLock { $0.append((row.name, violations)) }
            }
        }
        #expect(threads.allSatisfy { $0 != nil })
        for thread in threads { thread?.join() }
        let broken = found.withLock { $0.filter { !$0.violations.isEmpty } }
        for (name, violations) in broken { Issue.record("\(name): \(violations)") }
    }

    /// What the manual says is what is tried; `make contract` writes it anew.
    @Test func theManualSaysHowEachSinkKeepsEachClause() throws {
        let root = (0..<4).reduce(#filePath) { path, _ in FileSystem.folder(of: path) }
        let path = root + "/docs/adding-a-sink.md"
        let page = String(decoding: try FileSystem.read(path, byteLimit: 1 << 20), as: UTF8.self)
        let marks = ("<!-- contract: written by make contract -->\n", "<!-- end of contract -->\n")
        let start = try #require(page.firstRange(of: marks.0)).upperBound
        let end = try #require(page.firstRange(of: marks.1)).lowerBound
        let table = SinkContractPage.text(SinkContractRow.all)
        if ProcessFacts.environment("WRITE_CONTRACT") != nil {
            let whole = page[..<start] + table + page[end...]
            try File(path, .write, [.truncate]).writeNext(Array(whole.utf8).span)
        } else {
            #expect(page[start..<end] == table, "run make contract and read the difference")
        }
    }

    @Test func everySinkOfTheCatalogIsUnderContract() {
        #expect(Set(SinkContractRow.all.map(\.type)) == Set(SinkCatalog.types))
        #expect(SinkContractRow.all.map(\.type) == SinkContractRow.all.map(\.type).sorted())
    }
}
