// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks
import Testing

@testable import Pipeline

/// The repository, found from this file.
private let root: String = {
    var folder = #filePath
    for _ in 0..<3 { folder = FileSystem.folder(of: folder) }
    return folder
}()

private func read(_ text: String) -> (AgentConfiguration?, [String]) {
    let problems = ConfigurationProblems()
    guard
        let node = ConfigurationLoader.parse(
            Array(text.utf8), file: "agent.yaml", problems: problems)
    else { return (nil, problems.list.map(\.description)) }
    let configuration = AgentConfiguration(
        reading: node, hostName: "host.example.com", problems: problems)
    return (configuration, problems.list.map(\.description))
}

private func manual() throws -> String {
    let bytes = try FileSystem.read(root + "/agent.yaml", byteLimit: 1 << 20)
    // The key of the receiver is the one value that is not on this machine.
    return String(decoding: bytes, as: UTF8.self)
        .split(separator: "\n", omittingEmptySubsequences: false)
        .map { $0.contains("api_key:") ? "      api_key: k" : String($0) }
        .joined(separator: "\n")
}

@Test func shippedConfigurationHasNoMistake() throws {
    let (configuration, problems) = read(try manual())
    #expect(problems == [])
    #expect(configuration?.name == "idp1.example.com")
    #expect(configuration?.sinks.map(\.id) == ["siem", "archive"])
}

/// A block with a key that does not exist is answered with the list of those that do.
private func knownKeys(_ block: String) -> [String] {
    let (_, problems) = read(block)
    let mark = "known keys: "
    for problem in problems where problem.contains("qqqqqqqqqq") {
        guard let range = problem.range(of: mark) else { continue }
        return problem[range.upperBound...].split(separator: ",").map {
            String($0.drop { $0 == " " })
        }
    }
    return []
}

extension String {
    fileprivate func range(of text: String) -> Range<Index>? {
        indices.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
    }
}

@Test(arguments: [
    "qqqqqqqqqq: 1", "agent: {qqqqqqqqqq: 1}", "agent: {log: {qqqqqqqqqq: 1}}",
    "inputs: [{id: a, type: file, paths: [/a], qqqqqqqqqq: 1}]", "privacy: {qqqqqqqqqq: 1}",
    "inputs: [{id: a, type: journal, qqqqqqqqqq: 1}]",
    "inputs: [{id: a, type: syslog, transport: tls, qqqqqqqqqq: 1}]",
    "inputs: [{id: a, type: syslog, transport: tls, tls: {qqqqqqqqqq: 1}}]",
    "inputs: [{id: a, type: http, qqqqqqqqqq: 1}]",
    "inputs: [{id: a, type: http, auth: {qqqqqqqqqq: 1}}]",
    "signing: {qqqqqqqqqq: 1}", "ledger: {qqqqqqqqqq: 1}",
    "sinks: [{id: a, type: elasticsearch, qqqqqqqqqq: 1}]",
    "sinks: [{id: a, type: elasticsearch, tls: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: elasticsearch, auth: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: elasticsearch, batch: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: elasticsearch, retry: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: elasticsearch, dead_letter: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: elasticsearch, proxy: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: file, qqqqqqqqqq: 1}]",
    "sinks: [{id: a, type: cloudwatch_logs, qqqqqqqqqq: 1}]",
    "sinks: [{id: a, type: s3, qqqqqqqqqq: 1}]",
    "sinks: [{id: a, type: s3, auth: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: s3, object_lock: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: http, qqqqqqqqqq: 1}]",
    "sinks: [{id: a, type: kafka, qqqqqqqqqq: 1}]",
    "sinks: [{id: a, type: kafka, sasl: {qqqqqqqqqq: 1}}]",
    "sinks: [{id: a, type: otlp, qqqqqqqqqq: 1}]",
])
func everyKeyIsInTheManual(block: String) throws {
    let keys = knownKeys(block)
    #expect(!keys.isEmpty, "no list of keys for \(block)")
    let text = try manual()
    for key in keys {
        #expect(text.contains(key + ":"), "agent.yaml does not explain \(key)")
    }
}

@Test func everyMistakeIsReportedAtOnce() {
    let (_, problems) = read(
        """
        agent: {name: "a b", listen: here, tiemout: 1}
        inputs:
          - {id: A, type: fil, paths: []}
        sinks:
          - {id: x, type: elasticserch, format: csv}
        """)
    for word in ["agent.name", "agent.listen", "tiemout", "inputs[0].id", "inputs[0].type"] {
        #expect(problems.contains { $0.contains(word) }, "\(word) is not reported")
    }
    #expect(problems.contains { $0.contains("sinks[0].type") })
    #expect(problems.allSatisfy { $0.hasPrefix("agent.yaml:") })
}
