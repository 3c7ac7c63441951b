// SPDX-License-Identifier: Apache-2.0
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Sinks

@Suite struct SinkContractTests {
    /// All sinks at once, so that a clause takes as long as the slowest of them.
    @Test(arguments: SinkClause.allCases)
    func everySinkKeeps(clause: SinkClause) {
        let found = Mutex([(name: String, violations: [String])]())
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

    @Test func everySinkOfTheCatalogIsUnderContract() {
        #expect(Set(SinkContractRow.all.map(\.type)) == Set(SinkCatalog.types))
        #expect(SinkContractRow.all.map(\.type) == SinkContractRow.all.map(\.type).sorted())
    }
}
