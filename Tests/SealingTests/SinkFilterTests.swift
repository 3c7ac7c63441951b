// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

struct SinkFilterTests {
    private func event(
        _ action: Action, _ severity: Severity = .info, _ outcome: Outcome = .success,
        _ code: ErrorCode? = nil
    ) -> EncodedEvent {
        EncodedEvent(
            end: 0, leaf: .zero, action: action, outcome: outcome, severity: severity,
            errorCode: code)
    }

    private func configuration(
        _ yaml: String
    ) throws -> (FilterConfiguration, [ConfigurationProblem]) {
        let problems = ConfigurationProblems()
        let node = ConfigurationLoader.load(
            Array(yaml.utf8), file: "agent.yaml", environment: ConfigurationEnvironment([:]),
            problems: problems)
        return (FilterConfiguration(reading: try #require(node), problems), problems.list)
    }

    @Test func theDigestOfTheExampleIsAsInTheCheckpoints() {
        var filter = FilterConfiguration()
        #expect(filter.isEmpty)
        filter.minimumSeverity = .low
        #expect(filter.digest == "eb91487279cbb351")
        #expect(SinkFilter(sink: "siem_b", filter).digest == "eb91487279cbb351")
    }

    @Test func theDigestDoesNotDependOnTheOrderOfAList() {
        var one = FilterConfiguration()
        one.actions = [.loginFailed, .consentGranted]
        one.tenants = ["b", "a"]
        var other = one
        other.actions.reverse()
        other.tenants = ["a", "b", "a"]
        #expect(one.digest == other.digest)
        let text = #"{"actions":["ConsentGranted","LoginFailed"],"tenants":["a","b"]}"#
        let digest = SHA256.digest(Array(text.utf8)).hex()
        #expect(one.digest == String(digest.prefix(16)))
    }

    @Test func everyMemberThatIsSetMustLetTheEventPass() {
        var configuration = FilterConfiguration()
        configuration.minimumSeverity = .medium
        configuration.actions = [.loginFailed, .mfaFailed]
        configuration.outcomes = [.failure]
        configuration.errorCodes = [.mfaFailed, .unknown]
        configuration.tenants = ["payments"]
        let filter = SinkFilter(sink: "siem", configuration)
        #expect(filter.needsTenants)
        let good = event(.mfaFailed, .high, .failure, .mfaFailed)
        #expect(filter.matches(event: good, tenant: "payments"))
        #expect(!filter.matches(event: good, tenant: "other"))
        #expect(!filter.matches(event: good, tenant: nil))
        for bad in [
            event(.mfaFailed, .low, .failure, .mfaFailed),
            event(.userDeleted, .high, .failure, .mfaFailed),
            event(.mfaFailed, .high, .denied, .mfaFailed),
            event(.mfaFailed, .high, .failure, .userLocked),
            event(.mfaFailed, .high, .failure, nil),
        ] {
            #expect(!filter.matches(event: bad, tenant: "payments"))
        }
    }

    @Test func theAgentsOwnEventsPassEveryFilter() {
        var configuration = FilterConfiguration()
        configuration.minimumSeverity = .critical
        configuration.actions = [.loginFailed]
        configuration.outcomes = [.denied]
        configuration.errorCodes = [.rateLimited]
        configuration.tenants = ["x"]
        let filter = SinkFilter(sink: "siem", configuration)
        let own = Action.allCases.filter(\.isAgentAction)
        #expect(own.count == 5)
        for action in own { #expect(filter.matches(event: event(action), tenant: nil)) }
    }

    @Test func aFilterIsReadFromYAML() throws {
        let (filter, problems) = try configuration(
            """
            actions: [LoginFailed, MfaFailed]
            outcomes: [failure, denied]
            error_codes: [invalid_grant]
            tenants: [payments]
            min_severity: low
            """)
        #expect(problems == [])
        #expect(filter.actions == [.loginFailed, .mfaFailed])
        #expect(filter.outcomes == [.failure, .denied])
        #expect(filter.errorCodes == [.invalidGrant])
        #expect(filter.tenants == ["payments"])
        #expect(filter.minimumSeverity == .low)
    }

    @Test func mistakesInAFilterAreReportedWithTheirPlace() throws {
        let (filter, problems) = try configuration(
            """
            actions: [LoginFaild, AgentStarted, LoginFailed]
            outcomes: failure
            error_codes: []
            tenants: [""]
            min_severity: lo
            minimum: 3
            """)
        #expect(filter.actions == [.loginFailed])
        let places = problems.map { "\($0.line):\($0.keyPath)" }
        #expect(
            places == [
                "1:actions[0]", "1:actions[1]", "2:outcomes", "3:error_codes", "4:tenants[0]",
                "5:min_severity", "6:minimum",
            ])
        #expect(problems[0].sentence.contains("did you mean \"LoginFailed\"?"))
        #expect(problems[1].sentence.contains("pass always"))
    }
}
