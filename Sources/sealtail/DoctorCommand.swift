// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform

/// `sealtail doctor`: gathers what helps to find a fault, and nothing that is secret.
enum DoctorCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        let path = options.configurationPath
        let now = SystemClock().now()
        let out = options.value("out") ?? "sealtail-doctor-\(name(of: now)).tar.gz"
        let problems = ConfigurationProblems()
        let read = ConfigurationFile.load(path, problems)
        var lines = problems.list.map(\.description)
        // With mistakes too: what has none is looked at, or the bundle would say next to nothing.
        if let (configuration, assembly) = read {
            let unit = ServiceUnit.find(ServiceAccount.unitName)
            let account = ServiceAccount.find(nil, unit: unit)
            let checkup = Checkup(
                configuration, assembly, mistakes: problems.mistakes, account: account, unit: unit)
            let report = checkup.report(offline: options.has("offline"))
            lines += ["as the user \(account.name)"] + report.findings
            lines += report.warnings.map { "warning: \($0)" }
        }
        var bundle = SupportBundle(configuration: path, report: lines)
        bundle.gather(read?.0, path: path)
        for part in bundle.parts { talk("\(part.name): \(part.text.utf8.count) bytes") }
        talk(SupportBundle.omissions)
        do throws(SystemError) {
            try write(bundle.archive(at: now), to: out)
        } catch {
            throw CommandFailure("\(error); name another file with --out", .inputOutput)
        }
        if out != "-" { talk("wrote \(out); look into it before you give it away") }
        return .ok
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
        if path == "-" {
            let standardOutput: Int32 = 1
            let file = File(borrowing: standardOutput, path: "standard output")
            return try file.writeNext(bytes.span)
        }
        let file = try File(path, .write, [.createNew, .noFollow], permissions: 0o600)
        try file.writeNext(bytes.span)
    }

    /// The time as part of a name: `20261122T103000Z`.
    private static func name(of time: Timestamp) -> String {
        let digits = time.text.filter { $0.isNumber || $0 == "T" }
        return digits.prefix(15) + "Z"
    }
}
