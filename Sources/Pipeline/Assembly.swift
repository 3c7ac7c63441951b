// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform

/// Finds for each input of a configuration what parses it.
struct Assembly {
    /// The inputs in the order of the configuration.
    let plans: [InputPlan]
    /// What is wrong with parsers that no input names.
    let warnings: [String]

    /// The most files of an input that are looked at to say what was recognised.
    static let sampledFileLimit = 5
    /// The most records of each.
    static let sampledRecordLimit = 200

    /// Loads the parsers and binds them to the inputs; every mistake is reported.
    init(
        _ configuration: AgentConfiguration, privacy: PrivacyPolicy,
        problems: ConfigurationProblems
    ) {
        let folders = ParserLibrary.directories(explicit: configuration.parserFolder)
        let named = Set(configuration.inputs.map(\.parser))
        let library = ParserLibrary.load(
            directories: folders, only: named.contains("auto") ? nil : named, named: named,
            keeping: named, problems: problems)
        warnings = library.warnings
        plans = configuration.inputs.compactMap { input in
            let programs = Assembly.programs(input, library, folders, problems)
            guard let zone = Assembly.zone(input, problems), !programs.isEmpty else { return nil }
            let context = ParseContext(
                timezone: zone, labels: input.labels, tenant: input.tenant, privacy: privacy)
            var plan = InputPlan(id: input.id, programs: programs, context: context)
            plan.isAutomatic = input.parser == "auto"
            plan.framing = Assembly.framing(input, plan, zone)
            if plan.isAutomatic { plan.notices = Assembly.notices(input, plan, library) }
            return plan
        }
    }

    /// What parses the records of an input; none, with a problem, when that is not at hand.
    private static func programs(
        _ input: InputConfiguration, _ library: ParserLibrary, _ folders: [String],
        _ problems: ConfigurationProblems
    ) -> [ParserProgram] {
        let programs: [ParserProgram]
        if input.parser == "auto" {
            programs = library.programsBySpecificity
        } else if input.columns.isEmpty {
            programs = library.program(named: input.parser).map { [$0] } ?? []
        } else {
            programs =
                library.program(named: input.parser, columns: input.columns).map { [$0] } ?? []
            if programs.isEmpty, library.program(named: input.parser) != nil {
                problems.add(
                    at: input.node["parser_options"] ?? input.node,
                    "the parser \(input.parser) knows the columns of its log by itself; leave "
                        + "them out")
                return []
            }
        }
        if programs.isEmpty { report(input, library, folders, problems) }
        return programs
    }

    /// How the lines of an input become records.
    private static func framing(
        _ input: InputConfiguration, _ plan: InputPlan, _ zone: Zone
    ) -> RecordFraming {
        var framing = RecordFraming(
            wrapper: input.framing, recordByteLimit: input.recordByteLimit)
        framing.zone = zone
        if plan.isAutomatic {
            framing.products = ProductLines.of(plan.programs)
        } else {
            framing.recordStart = plan.programs.first?.recordStart.flatMap {
                try? RegularExpression($0)
            }
        }
        return framing
    }

    /// What the beginnings of the logs at hand were recognised as.
    private static func notices(
        _ input: InputConfiguration, _ plan: InputPlan, _ library: ParserLibrary
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
            guard let best = library.recognise(sample: sample).first else { continue }
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
    static func of(_ programs: [ParserProgram]) -> [ProductLines] {
        programs.map { program in
            ProductLines(
                recognition: program.lines,
                recordStart: program.recordStart.flatMap { try? RegularExpression($0) })
        }
    }
}
