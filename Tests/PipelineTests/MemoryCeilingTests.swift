// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Pipeline

private func ceiling(
    agent: String = "", input: String = "", sink: String = "", more: String = "",
    workers: Int = 2
) -> MemoryCeiling {
    MemoryCeiling(
        PipelineFixture.configuration(
            """
            agent: {name: a, state_dir: /tmp/x\(agent)}
            inputs: [{id: idp, type: file, paths: [/tmp/x.log], parser: keycloak\(input)}]
            sinks: [{id: out, type: file, path: /tmp/y\(sink)}\(more)]
            """), workerCount: workers)
}

@Test func ceilingIsTheSumOfItsParts() {
    let ceiling = ceiling()
    #expect(ceiling.byteCount == ceiling.parts.reduce(0) { $0 + $1.byteCount })
    #expect(Set(ceiling.parts.map(\.name)).count == ceiling.parts.count)
    let names = [
        "program", "inputs.idp", "parsing", "on_the_way", "sealing", "ledger", "sinks.out",
        "replay", "monitoring",
    ]
    for name in names { #expect(ceiling.parts.contains { $0.name == name }, "no \(name)") }
}

/// Each key of the configuration that makes some queue or buffer larger must raise the ceiling.
@Test func everyKeyThatMakesAQueueLargerRaisesTheCeiling() {
    let least = ceiling().byteCount
    #expect(ceiling(input: ", max_record_bytes: 4MiB").byteCount > least)
    #expect(ceiling(sink: ", in_flight: 9").byteCount > least)
    #expect(ceiling(sink: ", batch: {max_bytes: 8MiB}").byteCount > least)
    let remote = ", {id: two, type: elasticsearch, endpoint: \"https://es.example.com\""
    #expect(
        ceiling(more: remote + ", batch: {max_events: 9000}}").byteCount
            > ceiling(more: remote + "}").byteCount)
    #expect(ceiling(more: ", {id: two, type: stdout}").byteCount > least)
    #expect(ceiling(workers: 4).byteCount > least)
    #expect(ceiling(agent: ", listen: none").byteCount < least)
}

@Test func ceilingOfTheDefaultsFitsTheUnitThatIsShipped() {
    // MemoryMax of the shipped unit; beyond it the kernel ends the agent.
    #expect(ceiling().byteCount < 1 << 30)
}
