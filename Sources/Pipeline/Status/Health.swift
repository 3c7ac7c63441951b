// SPDX-License-Identifier: Apache-2.0
import Inputs
import Platform
import Sinks

/// Whether the agent makes progress, and whether it can do its work.
struct Health: Sendable {
    let accounts: Accounts
    let roster: Roster

    /// The sentence that says which thread stands still; nil while all get on or wait for the
    /// outside.
    func stall(at now: MonotonicInstant) -> String? {
        ProgressJudge.stall(roster.readings, at: now)
    }

    /// Every reason why the agent is not ready; empty when it is.
    var reasons: [String] {
        let snapshot = accounts.snapshot
        var reasons: [String] = []
        for loop in roster.readers where !loop.input.state.isReadable {
            reasons += loop.input.state.reasons.map { "inputs.\(loop.id): \($0)" }
        }
        for (id, reason) in roster.unopened.sorted(by: { $0.key < $1.key }) {
            reasons.append("inputs.\(id): \(reason)")
        }
        if let problem = snapshot.commitProblem { reasons.append("ledger: \(problem)") }
        let down = snapshot.sinks.filter { !$0.value.isUp }
        if !down.isEmpty, down.count == snapshot.sinks.count {
            for (id, sums) in down.sorted(by: { $0.key < $1.key }) {
                reasons.append("sinks.\(id): \(sums.problem ?? "takes no events")")
            }
        }
        return reasons
    }

    /// What somebody should look at although the agent can do its work.
    var warnings: [String] {
        let snapshot = accounts.snapshot
        return roster.deliveries.flatMap { loop -> [String] in
            let configuration = loop.configuration
            var found: [String] = []
            if configuration.options.tls?.isUnverified == true {
                found.append("tls.insecure_skip_verify is on")
            }
            if let problem = snapshot.sinks[configuration.id]?.certificateProblem {
                found.append("\(problem); the certificates read before stay in use")
            }
            return found.map { "sinks.\(configuration.id): \($0)" }
        }
    }

    /// What `/livez` answers.
    func live() -> StatusServer.Answer {
        if let stall = stall(at: SystemClock().monotonic()) { return .text(503, stall + "\n") }
        return .text(200, "ok\n")
    }

    /// What `/readyz` answers: 200 or 503 with every reason, as JSON.
    func ready() -> StatusServer.Answer {
        let reasons = reasons
        var body = ByteWriter()
        body.append(reasons.isEmpty ? "{\"ready\":true" : "{\"ready\":false")
        body.append(",\"reasons\":[")
        for (index, reason) in reasons.enumerated() {
            if index > 0 { body.append(",") }
            body.append(jsonString: reason)
        }
        body.append("]")
        let warnings = warnings
        if !warnings.isEmpty {
            body.append(",\"warnings\":[")
            for (index, warning) in warnings.enumerated() {
                if index > 0 { body.append(",") }
                body.append(jsonString: warning)
            }
            body.append("]")
        }
        body.append("}\n")
        return StatusServer.Answer(
            status: reasons.isEmpty ? 200 : 503, contentType: "application/json",
            body: body.makeArray())
    }
}
