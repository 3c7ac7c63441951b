// SPDX-License-Identifier: Apache-2.0
import Parsing
import Pipeline
import Platform

/// `sealtail init`: looks at the machine and writes a first configuration.
enum InitCommand {
    static func run(_ options: Options) throws -> ExitCode {
        guard options.operands.isEmpty else {
            throw UsageError("needs no operand; name the file with --out")
        }
        let out = options.value("out") ?? ConfigurationFile.defaultPath
        let isOurs = isUntouched(out)
        if !options.has("print"), !options.has("force"), !isOurs, FileSystem.exists(out) {
            throw CommandFailure(
                "\(out): is there already; look at a draft with --print, name another file with "
                    + "--out, or put the old one aside with --force", .inputOutput)
        }
        if !options.has("print"), !isOurs, FileSystem.exists(out), FileSystem.exists(out + ".old") {
            throw CommandFailure(
                "\(out).old: is there already and would be lost; move it away, or name another "
                    + "file with --out", .inputOutput)
        }
        let library = try ParseCommand.loadLibrary(options.value("parsers"), named: [])
        let root = String((options.value("root") ?? "").reversed().drop { $0 == "/" }.reversed())
        if let user = options.value("user"), AccountNames.account(user, root: root) == nil {
            throw UsageError("there is no user \(user) in \(root)/etc/passwd; name another one")
        }
        let survey = MachineSurvey(library, root: root, user: options.value("user"))
        let draft = ConfigurationDraft(
            survey, hostName: ProcessFacts.hostName,
            stateFolder: options.value("state") ?? "/var/lib/sealtail")
        let problems = ConfigurationProblems()
        ConfigurationFile.read(Array(draft.text.utf8), called: out, problems)
        guard problems.isEmpty else { throw Mistakes(problems.list) }
        SurveyReport(survey).say()
        if options.has("print") {
            emit(draft.text)
            return .ok
        }
        do throws(SystemError) {
            try write(draft.text, to: out, keepingOld: !isOurs, readableFor: survey)
        } catch {
            throw CommandFailure(
                "\(error); name another file with --out",
                error.isPermission ? .permission : .inputOutput)
        }
        sayNext(out, eventsPath: draft.eventsPath)
        return .ok
    }

    /// Whether a file is the one that the package brought, as it came.
    private static func isUntouched(_ path: String) -> Bool {
        guard let shipped = try? FileSystem.read(shippedPath, byteLimit: shippedByteLimit) else {
            return false
        }
        return (try? FileSystem.read(path, byteLimit: shippedByteLimit)) == shipped
    }

    private static let shippedPath = "/usr/share/sealtail/agent.yaml"
    private static let shippedByteLimit = 1 << 20

    /// Writes the file so that the service may read it and nobody else.
    private static func write(
        _ text: String, to path: String, keepingOld: Bool, readableFor survey: MachineSurvey
    ) throws(SystemError) {
        try FileSystem.createFolders(FileSystem.folder(of: path), permissions: 0o755)
        if keepingOld, FileSystem.exists(path) {
            try FileSystem.rename(path, to: path + ".old")
            talk("put the old one aside: \(path).old")
        }
        let bytes = Array(text.utf8)
        if ProcessFacts.effectiveUserID == 0, survey.account.userID != 0,
            let group = AccountNames.primaryGroupID(of: survey.account.name, root: survey.root)
        {
            try FileSystem.write(path, bytes.span, permissions: 0o640, group: group)
            talk("wrote \(path), which root may write and \(survey.account.name) may read")
        } else {
            try FileSystem.write(path, bytes.span, permissions: 0o600)
            talk("wrote \(path), which only this user may read")
        }
    }

    private static func sayNext(_ path: String, eventsPath: String) {
        let start =
            path == ConfigurationFile.defaultPath && FileSystem.exists("/run/systemd/system")
            ? "systemctl enable --now sealtail" : "sealtail run --config \(path)"
        talk(
            "Next:\n  sealtail check --config \(path)\n  \(start)\n"
                + "  sealtail status --config \(path)\n"
                + "The events then stand in \(eventsPath); a SIEM gets them when it stands in the "
                + "file, below sinks.")
    }
}

/// What a survey found, for people.
private struct SurveyReport {
    private let survey: MachineSurvey

    init(_ survey: MachineSurvey) {
        self.survey = survey
    }

    func say() {
        if survey.findings.isEmpty {
            talk("Found no product that is known here; the draft holds an example to fill in.")
        }
        for finding in survey.findings { say(finding) }
        for note in survey.notes { talk("note: \(note)") }
    }

    private func say(_ finding: MachineSurvey.Finding) {
        let running = finding.processes.prefix(3).map { "\($0.identifier)" }
        talk(
            finding.product
                + (running.isEmpty
                    ? "" : ", running as process \(running.joined(separator: ", "))") + ":")
        for log in finding.logs { say(log) }
        for unit in finding.units {
            talk("  the journal of \(ConfigurationText.visible(unit))\(journalRemedy)")
        }
        if finding.logs.isEmpty, finding.units.isEmpty {
            let log = finding.coverage.log.split(whereSeparator: \.isNewline)
                .joined(separator: " ")
            talk("  no log was found. \(log)")
        }
        if let need = finding.coverage.successesNeed {
            talk("  it hides successes unless told otherwise. Needed: \(need)")
            for setting in finding.coverage.settings { talk("    \(setting)") }
        }
    }

    private func say(_ log: MachineSurvey.FoundLog) {
        let path = ConfigurationText.visible(log.path)
        switch log.content {
        case .recognised(let percent): talk("  \(path): knows \(percent) % of its lines")
        case .empty: talk("  \(path): empty as yet")
        case .unreadable: talk("  \(path): could not be looked into; run this as root")
        }
        let name = survey.account.name
        if let commands = ReadingRemedy(for: survey.account, root: survey.root)
            .commands(for: log.path, log.obstacles)
        {
            talk("    the user \(name) may not read it; type: \(commands)")
        }
        if let hidden = survey.unit?.objection(to: log.path) { talk("    \(hidden)") }
    }

    private var journalRemedy: String {
        let command = ReadingRemedy(for: survey.account, root: survey.root).journalCommand
        return command.map { "; the user \(survey.account.name) may not read it; type: \($0)" }
            ?? ""
    }
}
