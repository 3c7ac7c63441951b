// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks
import TestSupport
import Testing

@testable import Pipeline

struct CheckupTests {
    private let folder: TemporaryFolder
    private let other = Account(name: "idp", userID: 70_000, groupIDs: [70_000])

    init() throws {
        folder = try TemporaryFolder(othersMayEnter: true)
        try folder.write("a.log", "")
    }

    private func configuration(_ more: String) throws -> AgentConfiguration {
        let text = """
            agent: {name: idp1.example.com, state_dir: \(folder("state"))}
            inputs: [{id: idp, type: file, paths: ["\(folder("*.log"))"], parser: dex}]
            \(more)

            """
        try folder.write("agent.yaml", text)
        try FileSystem.setPermissions(folder("agent.yaml"), 0o644)
        let problems = ConfigurationProblems()
        let node = try #require(
            ConfigurationLoader.load(folder("agent.yaml"), problems: problems))
        let configuration = AgentConfiguration(reading: node, hostName: "x", problems: problems)
        #expect(problems.isEmpty, "\(problems.list)")
        return configuration
    }

    private func rights(
        _ more: String, _ account: Account? = nil
    ) throws -> Checkup.Report {
        var report = Checkup.Report()
        let rights = RightsCheckup(try configuration(more), account: account, unit: nil)
        rights.look(into: &report)
        return report
    }

    private let fileSink = "sinks: [{id: out, type: file, path: /dev/null}]"

    @Test func whatRootMayDoSaysNothingAboutTheService() throws {
        try FileSystem.setPermissions(folder("a.log"), 0o600)
        #expect(try rights(fileSink).findings.isEmpty)
        let findings = try rights(fileSink, other).findings
        #expect(
            findings.contains { $0.hasPrefix("inputs.idp.paths: \(folder("a.log")): the user idp") }
        )
        #expect(
            findings.contains { $0.hasPrefix("agent.state_dir: ") && $0.contains("install -d") })
        #expect(findings.allSatisfy { $0.contains("; type: ") })
    }

    @Test func aSecretThatOnlyRootReadsIsSharedWithoutTakingItFromOthers() throws {
        try folder.write("key", "secret")
        try FileSystem.setPermissions(folder("key"), 0o600)
        let sink =
            "sinks: [{id: siem, type: elasticsearch, endpoint: \"https://127.0.0.1:9\", "
            + "auth: {api_key: \"${file:\(folder("key"))}\"}}]"
        #expect(try rights(sink).findings.isEmpty)
        let finding = try rights(sink, other).findings.first { $0.hasPrefix(folder("key")) }
        #expect(finding?.hasSuffix("type: setfacl -m u:idp:r \(folder("key"))") == true)
    }

    @Test func patternsThatMatchNothingAreSaid() throws {
        try folder.remove("a.log")
        let warnings = try rights(fileSink).warnings
        #expect(warnings.contains { $0.contains("no file is there yet") })
    }

    @Test func aReceiverThatNeverAnswersEndsTheWaitForAll() throws {
        // The kernel accepts, and nobody ever says anything.
        let server = try Socket.listen(try #require(ListenAddress("127.0.0.1:0")))
        let endpoint = "http://127.0.0.1:\(Socket.port(of: server))"
        let more =
            "sinks: [{id: siem, type: http, endpoint: \"\(endpoint)\"}, "
            + "{id: out, type: file, path: \(folder("none/out"))}]"
        let configuration = try configuration(more)
        var report = Checkup.Report()
        let rights = RightsCheckup(configuration, account: nil, unit: nil)
        SinkProbes(configuration.sinks, rights, timeLimit: .milliseconds(300))
            .look(into: &report, offline: false)
        #expect(report.findings.count == 2)
        #expect(report.findings.contains { $0.hasPrefix("sinks.siem: gave no answer in 300ms; ") })
        #expect(report.findings.contains { $0.hasPrefix("sinks.out.path: ") })
        // Nothing is made where only somebody looks.
        #expect(!FileSystem.exists(folder("none")))
        withExtendedLifetime(server) {}
    }
}
