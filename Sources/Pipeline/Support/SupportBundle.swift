// SPDX-License-Identifier: Apache-2.0
import Inputs
import Ledger
import Platform
import Sinks

/// What somebody who helps with an agent needs to know, without secrets and without any event.
public struct SupportBundle: Sendable {
    /// One file of the bundle.
    public struct Part: Sendable {
        /// Its name.
        public let name: String
        /// Its text.
        public let text: String
    }

    /// What is in it, in the order of gathering.
    public private(set) var parts: [Part] = []

    /// What is left out, in one sentence.
    public static let omissions =
        "left out: keys, secrets and every value of the configuration that could be one, events, "
        + "records, dead letters, the logs that are read, and the environment"

    /// The most lines of the agent's own log.
    public static let logLineLimit = 500
    /// The most files that are listed, of all folders together.
    public static let fileLimit = 2_000
    /// The longest line of the log that is taken.
    static let lineByteLimit = 4 << 10
    static let textByteLimit = 256 << 10

    private let redaction: RedactedConfiguration?

    /// Begins a bundle.
    ///
    /// - Parameters:
    ///   - path: where the configuration is.
    ///   - report: what `sealtail check` says.
    public init(configuration path: String, report: [String]) {
        let written = ConfigurationLoader.outline(path)
        let filled = ConfigurationLoader.load(path, problems: ConfigurationProblems())
        redaction = written.map { RedactedConfiguration($0, filled: filled) }
        add("configuration.yaml", redaction?.text ?? "is no YAML; see check.txt")
        add("check.txt", report.joined(separator: "\n"))
    }

    /// Gathers the rest.
    ///
    /// What a configuration with mistakes says of the state folder, the listener and the logs is
    /// most often right: its secrets are the service's alone, and this is run by hand.
    ///
    /// - Parameter configuration: nil when the file is no YAML; what it would say is left out.
    public mutating func gather(_ configuration: AgentConfiguration?, path: String) {
        addMachine()
        addProcess()
        addLog()
        var listed = [path, FileSystem.folder(of: path) + "/conf.d"]
        if let configuration {
            addPages(configuration)
            addLedger(configuration)
            listed += configuration.inputs.flatMap(\.paths).flatMap(FileSystem.matches)
            listed += configuration.sinks.compactMap(\.options.writtenPath)
            // The last, as the segments of a ledger may be more than are listed.
            listed.append(configuration.stateFolder)
        }
        let lines = SupportBundle.listing(listed.filter { !$0.isEmpty })
        add("files.txt", lines.joined(separator: "\n"))
    }

    /// The bundle as a gzipped tar archive.
    public func archive(at time: Timestamp) -> [UInt8] {
        var archive = TarArchive()
        for part in parts {
            archive.add("sealtail-doctor/" + part.name, Array(part.text.utf8), modified: time)
        }
        var packed: [UInt8] = []
        GzipEncoder(level: 1).compress(archive.finished.span, into: &packed)
        return packed
    }

    private mutating func add(_ name: String, _ text: String) {
        let redacted = redaction?.redact(text) ?? text
        parts.append(Part(name: name, text: redacted.hasSuffix("\n") ? redacted : redacted + "\n"))
    }

    // MARK: The machine

    private mutating func addMachine() {
        let own = (try? FileSystem.resolved("/proc/self/exe")) ?? "unknown"
        add("version.txt", "sealtail \(sealtailVersion)\nprogram \(own)\n")
        let facts = ["/proc/version", "/etc/os-release", "/proc/meminfo", "/proc/loadavg"]
        let clock = SystemClock.isKept.map { $0 ? "kept" : "not kept" } ?? "unknown"
        add(
            "machine.txt",
            "processors \(ProcessFacts.processorCount)\nclock \(clock), "
                + "\(SystemClock().now().text)\n\n"
                + facts.map { "\($0):\n\(SupportBundle.text($0))" }.joined(separator: "\n"))
    }

    private mutating func addProcess() {
        let agents = ProcessTable().processes().filter { process in
            process.isCalled("sealtail") && process.commandLine.contains(" run")
        }
        guard !agents.isEmpty else { return add("process.txt", "no agent runs here") }
        let texts = agents.prefix(4).map { agent in
            ["limits", "status", "cgroup"].map { name in
                "/proc/\(agent.identifier)/\(name):\n"
                    + SupportBundle.text("/proc/\(agent.identifier)/\(name)")
            }.joined(separator: "\n")
        }
        add("process.txt", texts.joined(separator: "\n"))
    }

    private static func text(_ path: String) -> String {
        guard let file = try? File(path, .read, .nonBlocking),
            let bytes = try? file.read(count: textByteLimit, at: 0)
        else { return "cannot be read\n" }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: The agent

    private mutating func addPages(_ configuration: AgentConfiguration) {
        guard let listen = configuration.listen else {
            return add("metrics.txt", "agent.listen is none")
        }
        let pages = [
            ("metrics.txt", "/metrics"), ("live.txt", "/livez"), ("ready.txt", "/readyz"),
            ("status.json", "/status.json"),
        ]
        for (name, path) in pages {
            do throws(LocalRequest.Failure) {
                let page = try LocalRequest.get(
                    path, at: listen.localText, certificate: configuration.status.tls?.certificate,
                    token: configuration.status.token)
                let body = String(decoding: page.body, as: UTF8.self)
                add(name, page.status == 200 || page.status == 503 ? body : "status \(page.status)")
            } catch {
                add(name, "\(error)")
            }
        }
    }

    private mutating func addLedger(_ configuration: AgentConfiguration) {
        do throws(LedgerError) {
            let ledger = try LedgerInspection(directory: configuration.stateFolder)
            var lines = ["segments \(ledger.segments.count)"]
            if let first = ledger.segments.first, let last = ledger.segments.last {
                lines.append("numbers \(first) to \(last)")
            }
            let (cursors, damagedCount) = try ledger.cursors()
            for entry in cursors {
                lines.append("\(entry.sink): \(entry.cursor), written \(entry.written.text)")
            }
            if damagedCount > 0 { lines.append("\(damagedCount) damaged cursors") }
            add("ledger.txt", lines.joined(separator: "\n"))
        } catch {
            add("ledger.txt", error.description)
        }
    }

    /// Warnings and errors of the service, the newest last; the journal keeps them by urgency.
    private mutating func addLog() {
        do throws(SystemError) {
            let journal = try Journal(.machine)
            try journal.match("_SYSTEMD_UNIT", [ServiceAccount.unitName])
            try journal.match("PRIORITY", (0...4).map { "\($0)" })
            try journal.seekToTail()
            var lines: [String] = []
            while lines.count < SupportBundle.logLineLimit, try journal.previous() == .entry {
                let field = try journal.field("MESSAGE", byteLimit: SupportBundle.lineByteLimit)
                guard case .value(let bytes, _) = field else { continue }
                let message = String(decoding: bytes, as: UTF8.self)
                lines.append("\(try journal.time().text) \(message)")
            }
            add("log.txt", lines.isEmpty ? "nothing" : lines.reversed().joined(separator: "\n"))
        } catch {
            add("log.txt", "\(error)")
        }
    }

    // MARK: Files

    /// Modes, owners and sizes of files, and of all below folders, in their order.
    static func listing(_ paths: [String]) -> [String] {
        var lines: [String] = []
        var folders = Array(paths.reversed())
        while let next = folders.popLast() {
            guard lines.count < fileLimit else {
                lines.append("and more: \(fileLimit) are listed at most")
                break
            }
            guard let status = try? FileSystem.linkStatus(next) else {
                lines.append("missing \(ConfigurationText.visible(next))")
                continue
            }
            let owner = AccountNames.user(status.userID) ?? "\(status.userID)"
            let group = AccountNames.group(status.groupID) ?? "\(status.groupID)"
            lines.append(
                "\(status.kind) 0\(String(status.permissions, radix: 8)) \(owner):\(group) "
                    + "\(status.byteCount) \(status.modified.text) "
                    + ConfigurationText.visible(next))
            guard status.kind == .directory, let names = try? FileSystem.names(in: next) else {
                continue
            }
            folders += names.prefix(fileLimit).reversed().map { next + "/" + $0 }
        }
        return lines
    }
}
