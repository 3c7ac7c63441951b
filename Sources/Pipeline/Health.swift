// SPDX-License-Identifier: Apache-2.0
import Inputs
import Platform
import Sinks

/// Whether the agent makes progress, and whether it can do its work.
struct Health: Sendable {
    let accounts: Accounts
    let readers: [ReaderLoop]
    let deliveries: [DeliveryLoop]
    let sealer: SealerStatus

    /// The sentence that says which thread stands still; nil while all make progress or wait for
    /// the outside.
    func stall(at now: MonotonicInstant) -> String? {
        func isStale(_ beat: MonotonicInstant) -> Bool {
            now.duration(since: beat) > Pipeline.stallLimit
        }
        if isStale(sealer.lastBeat) { return "the sealer has not moved for a minute" }
        for loop in deliveries where isStale(loop.lastBeat) {
            return "delivery to \(loop.configuration.id) has not moved for a minute"
        }
        // A reader that waits for room makes no round; the ledger then says why.
        let isBlocked = accounts.snapshot.commitProblem != nil
        for loop in readers where !isBlocked && !loop.isFinished && isStale(loop.lastBeat) {
            return "reading of \(loop.input.id) has not moved for a minute"
        }
        return nil
    }

    /// Every reason why the agent is not ready; empty when it is.
    var reasons: [String] {
        let snapshot = accounts.snapshot
        var reasons: [String] = []
        for loop in readers where !loop.input.state.isReadable {
            reasons += loop.input.state.reasons.map { "inputs.\(loop.input.id): \($0)" }
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
        let unverified = deliveries.filter(\.configuration.tls.isUnverified)
        if !unverified.isEmpty {
            body.append(",\"warnings\":[")
            for (index, loop) in unverified.enumerated() {
                if index > 0 { body.append(",") }
                let id = loop.configuration.id
                body.append(jsonString: "sinks.\(id): tls.insecure_skip_verify is on")
            }
            body.append("]")
        }
        body.append("}\n")
        return StatusServer.Answer(
            status: reasons.isEmpty ? 200 : 503, contentType: "application/json",
            body: body.makeArray())
    }
}
