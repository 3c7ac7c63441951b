// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

@Suite struct ECSComparisonTests {
    private let body: String
    private let document: String

    init() {
        body = Samples.plain(7)
        let batch = Samples.batch([body], first: 5)
        var rendering = DocumentRendering.ecs(dataStream: "logs-oauth.audit-prod")
        var output = ByteWriter()
        _ = rendering.append(batch, event: 0, to: &output)
        document = output.makeString()
    }

    private func compare(_ document: String) -> DocumentComparison {
        DocumentComparer.ecs().compare(
            document: Array(document.utf8).span, signedBytes: Array(body.utf8).span)
    }

    private func changed(_ from: String, _ to: String) -> String {
        let parts = document.split(separator: from, maxSplits: 1)
        #expect(parts.count == 2, "\(from) is not there")
        return parts.joined(separator: to)
    }

    @Test func aDocumentAsItWasWrittenHasNoDifferences() {
        #expect(compare(document) == .compared([]))
    }

    @Test(arguments: [
        (#""name":"alice""#, #""name":"mallory""#, "user.name: altered"),
        (
            #""outcome":"success","severity""#, #""outcome":"failure","severity""#,
            "event.outcome: altered"
        ),
        (#""severity":1"#, #""severity":"1""#, "event.severity: altered"),
        (#""product":"keycloak","#, "", "observer.product: missing"),
        (#""tags":"#, #""host":{"name":"x"},"tags":"#, "host.name: added, unsigned"),
        (#""tags":"#, #""user.name":"alice","tags":"#, "user.name: altered"),
        (#""tags":"#, #""integrity.note":"x","tags":"#, "integrity.note: added, unsigned"),
        (#""sequence":5"#, #""sequence":6"#, "event.sequence: altered"),
        (#""kind":"event","#, "", "event.kind: missing"),
        (#"118000Z","event""#, #"118001Z","event""#, "@timestamp: altered"),
    ])
    func eachChangeIsNamed(from: String, to: String, expected: String) {
        guard case .compared(let found) = compare(changed(from, to)) else {
            Issue.record("not compared")
            return
        }
        #expect(found.map(\.description) == [expected])
    }

    @Test(arguments: [
        (#"118000Z","event""#, #"118Z","event""#),
        (#"["authentication"]"#, #""authentication""#),
        (#"["alice","u-7"]"#, #"["u-7","alice"]"#),
        (#""ecs":{"version":"9.4.0"}"#, #""ecs.version":"9.4.0""#),
        (#""namespace":"prod""#, #""namespace":"other""#),
    ])
    func changesOfFormAreNoDifferences(from: String, to: String) {
        #expect(compare(changed(from, to)) == .compared([]))
    }

    @Test func aMappingThatIsNotKnownIsNotCompared() {
        guard case .notCompared = compare(changed(#""mapping":"1""#, #""mapping":"2""#)) else {
            Issue.record("compared")
            return
        }
    }

    @Test func leavingOutTheMappingDoesNotHideAnything() {
        guard case .compared(let found) = compare(changed(#","mapping":"1""#, "")) else {
            Issue.record("not compared")
            return
        }
        #expect(found.map(\.description) == ["oauth.mapping: missing"])
    }

    @Test func bytesThatAreNoBodyAreNotCompared() {
        for text in ["", "{}", "[1"] {
            let found = DocumentComparer.ecs().compare(
                document: Array(document.utf8).span, signedBytes: Array(text.utf8).span)
            guard case .notCompared = found else {
                Issue.record("compared \(text)")
                continue
            }
        }
    }
}
