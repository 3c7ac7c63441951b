// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform

/// One look at a machine: who runs, who writes what, whose lines these are.
struct MachineLook {
    private(set) var notes: [String] = []

    private let library: ParserLibrary
    private let parsers: [ParserOutline]
    private let products: [ProductLines]
    private let root: String
    private let account: Account
    private let table: ProcessTable
    private let clock: any TimeSource
    private let end: MonotonicInstant
    // By file system and number: two file systems give the same numbers.
    private var seen: Set<[UInt64]> = []
    private var results: [String: MachineSurvey.Finding] = [:]

    /// What runs programs that are no programs of their own; others only have the words of a
    /// product in their arguments, as an editor of its configuration has.
    private static let interpreters = [
        "java", "python", "ruby", "node", "php", "perl", "dotnet", "puma", "gunicorn", "uwsgi",
    ]
    /// Logs of the machine that any product may write into.
    private static let sharedLogs = ["/var/log/syslog", "/var/log/messages", "/var/log/auth.log"]
    /// Where container runtimes keep what containers write.
    private static let containerLogs = [
        "/var/log/containers/*.log", "/var/lib/docker/containers/*/*-json.log",
        "/var/lib/containers/storage/overlay-containers/*/userdata/ctr.log",
    ]

    init(_ library: ParserLibrary, root: String, account: Account, clock: any TimeSource) {
        self.library = library
        self.root = root
        self.account = account
        self.clock = clock
        table = ProcessTable(root: root)
        end = clock.monotonic().advanced(by: MachineSurvey.timeLimit)
        parsers = library.bySpecificity.filter { !$0.isGeneric }
        products = ProductLines.of(parsers)
    }

    /// What was found, by parser.
    mutating func findings() -> [MachineSurvey.Finding] {
        let processes = table.processes()
        for name in library.names {
            guard let definition = library.definition(named: name) else { continue }
            let places = definition.whereabouts
            let running = processes.filter { MachineLook.runs(places, $0) }
            if !running.isEmpty { change(name) { $0.processes = running } }
            look(for: name, places, running)
        }
        lookIntoJournal()
        for pattern in MachineLook.containerLogs + MachineLook.sharedLogs {
            for path in matches(pattern) { take(path, expected: nil) }
        }
        return results.values.sorted { $0.parser < $1.parser }
    }

    private static func runs(_ places: Whereabouts, _ process: RunningProcess) -> Bool {
        if places.processes.contains(where: process.isCalled) { return true }
        guard interpreters.contains(where: process.program.hasPrefix) else { return false }
        return places.arguments.contains { process.commandLine.contains($0) }
    }

    /// Takes the logs of one product: where they usually are, else what its processes write, else
    /// the journal.
    private mutating func look(
        for name: String, _ places: Whereabouts, _ running: [RunningProcess]
    ) {
        let usual = places.files.flatMap(matches)
        for path in usual { take(path, expected: name, isSure: !running.isEmpty) }
        guard results[name]?.logs.isEmpty ?? true, !running.isEmpty else { return }
        for process in running where table.container(of: process) == nil {
            for path in table.writtenFiles(of: process) where path.contains("log") {
                take(root + path, expected: name, isSure: false)
            }
        }
        guard places.isOnStandardOutput, results[name]?.logs.isEmpty ?? true else { return }
        let units = Set(running.compactMap(table.service)).sorted()
        if !units.isEmpty { change(name) { $0.units = units } }
    }

    /// Takes services whose newest entries in the journal a product knows, also where none of its
    /// programs was found, as under another name.
    private mutating func lookIntoJournal() {
        guard let journal = openedJournal() else { return }
        let match = Match()
        var units: [String: Set<String>] = [:]
        var count = 0
        while count < MachineSurvey.recordLimit, clock.monotonic() < end,
            (try? journal.previous()) == .entry
        {
            count += 1
            guard case .value(let unit, false)? = field("_SYSTEMD_UNIT", of: journal),
                case .value(let message, _)? = field("MESSAGE", of: journal)
            else { continue }
            let known = parsers.first { parser in
                parser.lines.contains { $0.match(message.span, 0..<message.count, into: match) }
            }
            guard let known else { continue }
            units[known.name, default: []].insert(String(decoding: unit, as: UTF8.self))
        }
        for (name, found) in units where results[name]?.logs.isEmpty ?? true {
            guard library.definition(named: name)?.whereabouts.isOnStandardOutput == true else {
                continue
            }
            change(name) { $0.units = found.union($0.units).sorted() }
        }
    }

    /// The journal behind its last entry; nil where there is none that can be read.
    private func openedJournal() -> Journal? {
        let source: Journal.Source =
            root.isEmpty ? .machine : .folder(root + "/var/log/journal")
        guard let journal = try? Journal(source), (try? journal.seekToTail()) != nil else {
            return nil
        }
        return journal
    }

    private func field(_ name: String, of journal: Journal) -> Journal.Field? {
        try? journal.field(name, byteLimit: ProductSorter.byteLimit)
    }

    private func matches(_ pattern: String) -> [String] {
        FileSystem.matches(GlobText.escaped(root) + pattern)
    }

    private mutating func change(
        _ name: String, _ body: (inout MachineSurvey.Finding) -> Void
    ) {
        guard let definition = library.definition(named: name) else { return }
        var finding =
            results[name]
            ?? MachineSurvey.Finding(
                parser: name, product: definition.title, coverage: definition.coverage)
        body(&finding)
        results[name] = finding
    }

    // MARK: Files

    /// Looks into a file and takes it for the product whose lines it has.
    ///
    /// - Parameters:
    ///   - expected: the product that is looked for; nil when only the lines can say.
    ///   - isSure: whether it is that product's even when there is no line to tell.
    private mutating func take(_ path: String, expected: String?, isSure: Bool = false) {
        guard !FileInput.isRotated(path), let status = try? FileSystem.status(path),
            status.kind == .regular, isWithinLimits(path),
            seen.insert([status.device, status.inode]).inserted
        else { return }
        guard path.unicodeScalars.allSatisfy({ $0 != "\u{FFFD}" }) else {
            return notes.append("\(ConfigurationText.visible(path)): has a name that is no UTF-8")
        }
        let sample = sample(path)
        let parser: String
        var content = MachineSurvey.FoundLog.Content.empty
        var isShared = false
        if let (number, known) = sample?.known.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })
        {
            parser = parsers[number].name
            let count = max(1, sample?.recordCount ?? 1)
            content = .recognised(percent: known * 100 / count)
            isShared =
                sample?.known.contains {
                    $0.key != number && $0.value * 100 >= count * MachineSurvey.sharedPercent
                } ?? false
        } else {
            guard let expected, isSure, sample?.recordCount ?? 0 == 0 else { return }
            parser = expected
            if sample == nil { content = .unreadable }
        }
        let log = MachineSurvey.FoundLog(
            path: path, pattern: GlobText.pattern(for: path, root: root), content: content,
            isShared: isShared, obstacles: AccessCheck.obstacles(reading: path, by: account))
        change(parser) { $0.logs.append(log) }
    }

    private mutating func isWithinLimits(_ path: String) -> Bool {
        let isIn = seen.count < MachineSurvey.fileLimit && clock.monotonic() < end
        let note = "not every file was looked into; name the others in the configuration yourself"
        if !isIn, !notes.contains(note) { notes.append(note) }
        return isIn
    }

    /// How many of the first records of a file each product knows; nil when it cannot be read.
    private func sample(_ path: String) -> (recordCount: Int, known: [Int: Int])? {
        var framing = RecordFraming(wrapper: .auto)
        framing.products = products
        guard var reader = try? WholeFileReader(path, framing: framing) else { return nil }
        var sorter = ProductSorter(parsers: parsers)
        var known: [Int: Int] = [:]
        var recordCount = 0
        while recordCount < MachineSurvey.recordLimit, clock.monotonic() < end,
            let batch = try? reader.next()
        {
            recordCount += batch.records.count
            for run in sorter.runs(of: batch) {
                if let number = run.parser, run.knownCount > 0 {
                    known[number, default: 0] += run.knownCount
                }
            }
        }
        return (recordCount, known)
    }
}

/// Paths as shell patterns.
enum GlobText {
    /// A path as the pattern that matches it alone.
    static func escaped(_ path: String) -> String {
        var result = ""
        for scalar in path.unicodeScalars {
            if "*?[]\\".unicodeScalars.contains(scalar) { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    /// What is to be read in place of one file: itself, or, of a pod's container, the logs of all
    /// that come after it.
    static func pattern(for path: String, root: String) -> String {
        let folder = root + "/var/log/containers/"
        guard path.hasPrefix(folder) else { return escaped(path) }
        // POD_NAMESPACE_CONTAINER-ID.log, of which POD and ID change with each pod.
        let parts = path.dropFirst(folder.count).split(separator: "_")
        guard parts.count == 3, let dash = parts[2].lastIndex(of: "-") else {
            return escaped(path)
        }
        return escaped(folder) + "*_" + escaped(String(parts[1])) + "_"
            + escaped(String(parts[2][..<dash])) + "-*.log"
    }
}
