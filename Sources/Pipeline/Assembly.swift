// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform

/// What parses the records of each input of a configuration.
public struct Assembly: Sendable {
    /// What is wrong with parsers that no input names, as far as it was looked for.
    let warnings: [String]

    /// The inputs in the order of the configuration.
    private let lines: [Line]

    private struct Line {
        var input: InputConfiguration
        var parsers: [ParserOutline]
        var zone: Zone
    }

    /// The most files of an input that are looked at to say what was recognised.
    static let sampledFileLimit = 5
    /// The most records of each.
    static let sampledRecordLimit = 200

    /// Finds the parsers and binds them to the inputs; every mistake is reported.
    ///
    /// - Parameter isThorough: looks for mistakes in all parsers that an input may need, which with
    ///   `auto` takes longer than all else of a start. Otherwise those that no input names are
    ///   compiled when their records come; see `ParserOutline`.
    public init(
        _ configuration: AgentConfiguration, isThorough: Bool = false,
        problems: ConfigurationProblems
    ) {
        let folders = ParserLibrary.directories(explicit: configuration.parserFolder)
        let named = Set(configuration.inputs.map(\.parser))
        let library = ParserLibrary.load(
            directories: folders, only: named.contains("auto") ? nil : named, named: named,
            deferring: !isThorough, problems: problems)
        warnings = library.warnings
        lines = configuration.inputs.compactMap { input in
            let parsers = Assembly.parsers(input, library, folders, problems)
            guard let zone = Assembly.zone(input, problems), !parsers.isEmpty else { return nil }
            return Line(input: input, parsers: parsers, zone: zone)
        }
    }

    /// How the records of each input become events, and what is recognised in the logs at hand.
    func plans(privacy: PrivacyPolicy) -> [InputPlan] {
        lines.map { line in
            let input = line.input
            let context = ParseContext(
                timezone: line.zone, labels: input.labels, tenant: input.tenant, privacy: privacy)
            var plan = InputPlan(id: input.id, parsers: line.parsers, context: context)
            plan.isAutomatic = input.parser == "auto"
            plan.framing = Assembly.framing(input, plan, line.zone)
            if plan.isAutomatic { plan.notices = Assembly.notices(input, plan) }
            return plan
        }
    }

    /// What parses the records of an input; none, with a problem, when that is not at hand.
    private static func parsers(
        _ input: InputConfiguration, _ library: ParserLibrary, _ folders: [String],
        _ problems: ConfigurationProblems
    ) -> [ParserOutline] {
        let parsers: [ParserOutline]
        if input.parser == "auto" {
            parsers = library.bySpecificity
        } else if input.columns.isEmpty {
            parsers = library.outline(named: input.parser).map { [$0] } ?? []
        } else {
            parsers =
                library.outline(named: input.parser, columns: input.columns).map { [$0] } ?? []
            if parsers.isEmpty, library.outline(named: input.parser) != nil {
                problems.add(
                    at: input.node["parser_options"] ?? input.node,
                    "the parser \(input.parser) knows the columns of its log by itself; leave "
                        + "them out")
                return []
            }
        }
        if parsers.isEmpty { report(input, library, folders, problems) }
        return parsers
    }

    /// How the lines of an input become records.
    private static func framing(
        _ input: InputConfiguration, _ plan: InputPlan, _ zone: Zone
    ) -> RecordFraming {
        var framing = RecordFraming(
            wrapper: input.framing, recordByteLimit: input.recordByteLimit)
        framing.zone = zone
        if plan.isAutomatic {
            framing.products = ProductLines.of(plan.parsers)
        } else {
            framing.recordStart = plan.parsers.first?.recordStart.flatMap {
                try? RegularExpression($0)
            }
        }
        return framing
    }

    /// What the beginnings of the logs at hand were recognised as.
    private static func notices(
        _ input: InputConfiguration, _ plan: InputPlan
    ) -> [String] {
        var notices: [String] = []
        let paths = input.paths.lazy.flatMap { FileSystem.matches($0) }
        for path in paths.prefix(sampledFileLimit) {
            guard (try? FileSystem.status(path))?.kind == .regular,
                var reader = try? WholeFileReader(path, framing: plan.framing),
                let batch = try? reader.next()
            else { continue }
            let sample = batch.records.indices.prefix(sampledRecordLimit).map {
                Array(batch.bytes[batch.body(of: $0)])
            }
            guard let best = plan.parsers.recognise(sample: sample).first else { continue }
            let share = Int((best.confidence * 100).rounded())
            notices.append(
                "\(path): parser \(best.name), which knows \(share) % of \(sample.count) lines")
        }
        return notices
    }

    private static func report(
        _ input: InputConfiguration, _ library: ParserLibrary, _ folders: [String],
        _ problems: ConfigurationProblems
    ) {
        let place = input.node["parser"] ?? input.node
        guard !library.names.isEmpty else {
            problems.add(
                at: place,
                "no parsers were found in \(folders.joined(separator: ", ")); install them or "
                    + "set agent.parsers_dir")
            return
        }
        // The mistakes of the parsers themselves were said before.
        guard input.parser != "auto", !library.names.contains(input.parser) else { return }
        let known = library.names.joined(separator: ", ")
        problems.add(
            at: place, "there is no parser \"\(input.parser)\"; there are \(known)",
            suggestion: ConfigurationText.closest(to: input.parser, among: library.names))
    }

    /// The zone of times without one: the configured one, else that of the host.
    private static func zone(
        _ input: InputConfiguration, _ problems: ConfigurationProblems
    ) -> Zone? {
        do throws(ZoneError) {
            guard let name = input.timezone else { return try Zone.system() }
            return name == "UTC" ? .utc : try Zone(named: name)
        } catch {
            problems.add(at: input.node["timezone"] ?? input.node, "\(error)")
            return nil
        }
    }
}

extension ProductLines {
    /// How the lines of these products are told apart.
    static func of(_ parsers: [ParserOutline]) -> [ProductLines] {
        parsers.map { parser in
            ProductLines(
                recognition: parser.lines,
                recordStart: parser.recordStart.flatMap { try? RegularExpression($0) })
        }
    }
}
