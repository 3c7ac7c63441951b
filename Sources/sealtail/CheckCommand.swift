// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform

/// `sealtail check --config agent.yaml`: every mistake at once; then, without `--offline`, whether
/// the inputs can be read, the state written and the sinks reached.
enum CheckCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        let path = options.configurationPath
        let problems = ConfigurationProblems()
        // A start waits for this, and not for parsers that it may never need.
        let isOffline = options.has("offline")
        let read = ConfigurationFile.load(path, isThorough: !isOffline, problems)
        let mistakes = problems.mistakes
        guard let (configuration, assembly) = read, mistakes.isEmpty else {
            for problem in mistakes { emit("\(problem)\n") }
            talk("\(path): \(mistakes.count) mistake\(mistakes.count == 1 ? "" : "s")")
            return .configuration
        }
        let unit = ServiceUnit.find(ServiceAccount.unitName)
        if let user = options.value("user"), AccountNames.account(user) == nil {
            throw UsageError("there is no user \(user) in /etc/passwd; name another one")
        }
        let checkup = Checkup(
            configuration, assembly,
            account: ServiceAccount.find(options.value("user"), unit: unit), unit: unit)
        let report = checkup.report(offline: isOffline)
        let findings = report.findings
        for finding in findings { emit("\(path): \(finding)\n") }
        let absent = problems.list.map(\.keyPath)
        if !absent.isEmpty {
            emit(
                "\(path): warning: \(absent.joined(separator: ", ")): a credential is only there "
                    + "under systemd, so what needs it is not tried here; to try it, run as root "
                    + "with CREDENTIALS_DIRECTORY=/run/credentials/\(ServiceAccount.unitName)\n")
        }
        for warning in report.warnings { emit("\(path): warning: \(warning)\n") }
        if !isOffline {
            for promise in checkup.promises() { talk("\(path): \(promise)") }
        }
        guard findings.isEmpty else { return .configuration }
        talk("\(path): good")
        return .ok
    }
}
