// SPDX-License-Identifier: Apache-2.0
import Inputs
import Platform

/// Whether the agent's account may read the logs and write its state.
///
/// Root may do anything, so what root can do says nothing about a service that is not root.
struct RightsCheckup: Sendable {
    private let configuration: AgentConfiguration
    /// The account that the agent runs with.
    let account: Account
    private let unit: ServiceUnit?
    private let remedy: ReadingRemedy

    /// The most files of an input that are looked at.
    static let fileLimit = 1_000

    init(_ configuration: AgentConfiguration, account: Account?, unit: ServiceUnit?) {
        self.configuration = configuration
        self.account = account ?? ServiceAccount.asking
        self.unit = unit
        remedy = ReadingRemedy(for: self.account)
    }

    /// Whether the kernel's answer to this process is the answer that the agent gets.
    private var isAsking: Bool { account.userID == ProcessFacts.effectiveUserID }

    func look(into report: inout Checkup.Report) {
        lookAtState(&report)
        lookAtFiles(&report)
        for input in configuration.inputs {
            guard input.kind == .file else {
                report.findings += InputCatalog.findings(input).map { "inputs.\(input.id): \($0)" }
                lookAtJournal(input, &report)
                continue
            }
            for pattern in input.paths { look(at: pattern, of: input, &report) }
        }
    }

    // MARK: Inputs

    private func look(
        at pattern: String, of input: InputConfiguration, _ report: inout Checkup.Report
    ) {
        let place = "inputs.\(input.id).paths"
        let shown = ConfigurationText.visible(pattern)
        let paths = FileSystem.matches(pattern).filter { path in
            let name = FileSystem.name(of: path)
            return !input.exclude.contains { FileSystem.matches(name: name, pattern: $0) }
        }
        if let objection = unit?.objection(to: pattern) {
            report.warnings.append("\(place): \(shown): \(objection)")
        }
        if paths.isEmpty, let objection = objection(reading: RightsCheckup.folder(of: pattern)) {
            // What lies in a closed folder cannot be known.
            report.findings.append("\(place): \(objection)")
        } else if paths.isEmpty {
            report.warnings.append(
                "\(place): \(shown): no file is there yet; correct the pattern, or wait for the "
                    + "file")
        }
        if paths.count > RightsCheckup.fileLimit {
            report.warnings.append(
                "\(place): \(shown): only \(RightsCheckup.fileLimit) of \(paths.count) files were "
                    + "looked at; name fewer to have all checked")
        }
        for path in paths.prefix(RightsCheckup.fileLimit) {
            if let objection = objection(reading: path) {
                report.findings.append("\(place): \(objection)")
            }
        }
    }

    /// The nearest folder that is there, of those that the pattern names without wildcards.
    private static func folder(of pattern: String) -> String {
        let wild = pattern.firstIndex { "*?[\\".contains($0) } ?? pattern.endIndex
        var folder = FileSystem.folder(of: String(pattern[..<wild]))
        while !FileSystem.exists(folder), folder != "/" { folder = FileSystem.folder(of: folder) }
        return folder
    }

    /// The configuration, its secret files and its certificates, which the agent reads itself.
    private func lookAtFiles(_ report: inout Checkup.Report) {
        let path = configuration.node.file
        var files = ConfigurationLoader.outline(path)?.mentionedFiles ?? []
        if !path.isEmpty { files.insert(path) }
        let blocks = Array(configuration.sinkNodes.values) + configuration.inputs.map(\.node)
        files.formUnion(blocks.flatMap(\.namedFiles))
        for file in files.sorted() where !file.isEmpty {
            let obstacles = AccessCheck.obstacles(reading: file, by: account)
            guard !obstacles.isEmpty else { continue }
            // Its group and mode stay as they are: another service may live by them.
            let name = ShellText.quoted(file)
            let enters = obstacles.filter { $0.right == .search }
            let commands =
                remedy.commands(for: file, enters)
                ?? "setfacl -m u:\(account.name):r \(name)"
            report.findings.append(
                "\(ConfigurationText.visible(file)): \(refusal(obstacles)); type: \(commands)")
        }
    }

    private func objection(reading path: String) -> String? {
        let obstacles = AccessCheck.obstacles(reading: path, by: account)
        if let commands = remedy.commands(for: path, obstacles) {
            return "\(ConfigurationText.visible(path)): \(refusal(obstacles)); type: \(commands)"
        }
        guard isAsking else { return nil }
        do throws(SystemError) {
            // Where the kernel can be asked it is: it knows of more than owners and modes.
            _ = try File(path, .read, .nonBlocking)
            return nil
        } catch {
            return "\(error); add the agent's user to the file's group"
        }
    }

    /// What stands in the way first, with whose it is.
    private func refusal(_ obstacles: [AccessObstacle]) -> String {
        guard let first = obstacles.first else { return "" }
        let status = first.status
        let owner = AccountNames.user(status.userID) ?? "\(status.userID)"
        let group = AccountNames.group(status.groupID) ?? "\(status.groupID)"
        let mode = "0" + String(status.permissions, radix: 8)
        let verb =
            switch first.right {
            case .read: "read it"
            case .write: "write in it"
            case .search: "enter \(ConfigurationText.visible(first.path))"
            }
        return "the user \(account.name) may not \(verb) (\(mode) \(owner):\(group))"
    }

    private func lookAtJournal(_ input: InputConfiguration, _ report: inout Checkup.Report) {
        guard input.kind == .journal, input.journal.source == .machine,
            let command = remedy.journalCommand
        else { return }
        report.findings.append(
            "inputs.\(input.id): the user \(account.name) may not read the journal; type: "
                + command)
    }

    // MARK: State

    private func lookAtState(_ report: inout Checkup.Report) {
        let folder = configuration.stateFolder
        let shown = ConfigurationText.visible(folder)
        guard FileSystem.exists(folder) else {
            // systemd makes the folder of StateDirectory= itself.
            if unit != nil, folder == "/var/lib/sealtail" { return }
            var existing = folder
            while !FileSystem.exists(existing) { existing = FileSystem.folder(of: existing) }
            if mayWrite(in: existing) { return }
            report.findings.append(
                "agent.state_dir: \(shown): is not there and the user \(account.name) may not make "
                    + "it; type: install -d -m 0700 -o \(account.name) \(ShellText.quoted(folder))")
            return
        }
        let parts = ["", "/keys", "/ledger", "/dead_letter"].map { folder + $0 }
        for part in parts where FileSystem.exists(part) && !mayWrite(in: part) {
            report.findings.append(
                "agent.state_dir: \(ConfigurationText.visible(part)): the user \(account.name) may "
                    + "not write there; type: chown -R \(account.name): "
                    + ShellText.quoted(folder))
            return
        }
    }

    /// Whether the agent may make files in a folder.
    func mayWrite(in folder: String) -> Bool {
        guard AccessCheck.obstacles(writingIn: folder, by: account).isEmpty else { return false }
        return !isAsking || FileSystem.isWritable(folder)
    }

    /// Why a sink cannot write a file; nil when it can.
    func objection(writing path: String) -> String? {
        let folder = FileSystem.folder(of: path)
        // The state folder is made at the first start.
        if !FileSystem.exists(folder), folder == configuration.stateFolder { return nil }
        guard FileSystem.exists(folder) else {
            return
                "\(ConfigurationText.visible(folder)): is not there; type: install -d -m 0750 -o "
                + "\(account.name) \(ShellText.quoted(folder))"
        }
        guard FileSystem.exists(path) else {
            if mayWrite(in: folder) { return nil }
            return "\(ConfigurationText.visible(folder)): the user \(account.name) may not write "
                + "there; type: chown \(account.name): \(ShellText.quoted(folder))"
        }
        if AccessCheck.obstacles(writing: path, by: account).isEmpty { return nil }
        return "\(ConfigurationText.visible(path)): the user \(account.name) may not write it; "
            + "type: chown \(account.name): \(ShellText.quoted(path))"
    }
}
