// SPDX-License-Identifier: Apache-2.0
import Platform
import Sinks

/// Asks all receivers at once whether they would take events, and waits for a named time at most.
struct SinkProbes {
    /// How long all receivers together may take to answer.
    static let timeLimit = Duration.seconds(20)
    /// A certificate that ends sooner than this is worth a warning.
    static let certificateNotice = Duration.seconds(14 * 24 * 3600)
    /// What clocks may differ by.
    static let clockTolerance = Duration.seconds(5)

    private let sinks: [SinkConfiguration]
    private let rights: RightsCheckup
    private let timeLimit: Duration

    init(
        _ sinks: [SinkConfiguration], _ rights: RightsCheckup,
        timeLimit: Duration = SinkProbes.timeLimit
    ) {
        self.sinks = sinks
        self.rights = rights
        self.timeLimit = timeLimit
    }

    /// What one sink turned out to be.
    private struct Answer: Sendable {
        var finding: String?
        var condition: SinkCondition?
    }

    func look(into report: inout Checkup.Report, offline: Bool) {
        let answers = Monitor([String: Answer]())
        for sink in sinks {
            guard !offline else {
                answers.withLock { $0[sink.id] = SinkProbes.make(sink) }
                continue
            }
            let rights = rights
            do throws(SystemError) {
                // Nobody joins it: what hangs is left behind, and the process ends soon.
                _ = try Thread.start(name: "probe-\(sink.id)") {
                    let answer = SinkProbes.ask(sink, rights)
                    answers.update { $0[sink.id] = answer }
                }
            } catch {
                answers.withLock { $0[sink.id] = Answer(finding: "sinks.\(sink.id): \(error)") }
            }
        }
        let count = sinks.count
        _ = answers.wait(timeout: timeLimit) { $0.count == count ? true : nil }
        let found = answers.withLock { $0 }
        for sink in sinks { add(found[sink.id], sink, &report) }
    }

    private func add(
        _ answer: Answer?, _ sink: SinkConfiguration, _ report: inout Checkup.Report
    ) {
        let place = "sinks.\(sink.id)"
        guard let answer else {
            report.findings.append(
                "\(place): gave no answer in \(ConfigurationText.describe(timeLimit)); look at the "
                    + "receiver and at what stands between")
            return
        }
        if let finding = answer.finding { report.findings.append(finding) }
        guard let condition = answer.condition else { return }
        if let problem = condition.problem { report.warnings.append("\(place): \(problem)") }
        let now = SystemClock().now()
        if let expiry = condition.certificateExpiry,
            expiry < now.advanced(by: SinkProbes.certificateNotice)
        {
            let verb = expiry < now ? "expired" : "expires"
            report.warnings.append("\(place).tls: a certificate \(verb) \(expiry.text); renew it")
        }
        if let offset = condition.clockOffset, abs(offset) > SinkProbes.clockTolerance {
            let seconds = abs(offset).components.seconds
            let direction = offset < .zero ? "ahead of" : "behind"
            report.warnings.append(
                "the clock: is \(seconds)s \(direction) that of \(place); turn on time "
                    + "synchronisation on both sides")
        }
    }

    private func abs(_ duration: Duration) -> Duration {
        duration < .zero ? .zero - duration : duration
    }

    private static func make(_ sink: SinkConfiguration) -> Answer {
        do throws(SinkError) {
            try SinkCatalog.make(sink).close()
            return Answer()
        } catch {
            return Answer(finding: error.description)
        }
    }

    private static func ask(_ sink: SinkConfiguration, _ rights: RightsCheckup) -> Answer {
        if let path = sink.options.writtenPath {
            let objection = rights.objection(writing: path)
            return Answer(finding: objection.map { "sinks.\(sink.id).path: \($0)" })
        }
        do throws(SinkError) {
            let made = try SinkCatalog.make(sink)
            defer { made.close() }
            let refusal = made.probe()
            return Answer(
                finding: refusal.map { "sinks.\(sink.id): \($0.advised)" },
                condition: made.condition)
        } catch {
            return Answer(finding: error.description)
        }
    }
}
