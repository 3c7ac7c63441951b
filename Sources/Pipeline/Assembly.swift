// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform

/// Finds for each input of a configuration what parses it.
struct Assembly {
    /// The inputs in the order of the configuration.
    let plans: [InputPlan]

    /// The bytes of a log that `parser: auto` looks at.
    static let sampleByteLimit = 64 << 10

    /// Loads the parsers and binds one to each input; every mistake is reported.
    ///
    /// - Parameter bound: what `parser: auto` has recognised before, by the id of the input.
    init(
        _ configuration: AgentConfiguration, privacy: PrivacyPolicy, bound: [String: String] = [:],
        problems: ConfigurationProblems
    ) {
        let folders = ParserLibrary.directories(explicit: configuration.parserFolder)
        let named = Set(configuration.inputs.map(\.parser))
        let library = ParserLibrary.load(
            directories: folders, only: named.contains("auto") ? nil : named, problems: problems)
        plans = configuration.inputs.compactMap { input in
            let name =
                input.parser == "auto"
                ? bound[input.id] ?? Assembly.recognise(input, library) : input.parser
            guard let name, let program = library.program(named: name) else {
                Assembly.report(input, library, folders, problems)
                _ = Assembly.zone(input, problems)
                return nil
            }
            guard let zone = Assembly.zone(input, problems) else { return nil }
            let context = ParseContext(
                timezone: zone, labels: input.labels, tenant: input.tenant, privacy: privacy)
            return InputPlan(id: input.id, program: program, context: context)
        }
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
        let known = library.names.joined(separator: ", ")
        if input.parser == "auto" {
            problems.add(
                at: place,
                "cannot be recognised from what is in the log now; name one of \(known)")
        } else {
            problems.add(
                at: place, "there is no parser \"\(input.parser)\"; there are \(known)",
                suggestion: ConfigurationText.closest(to: input.parser, among: library.names))
        }
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

    private static func recognise(
        _ input: InputConfiguration, _ library: ParserLibrary
    ) -> String? {
        for pattern in input.paths {
            for path in FileSystem.matches(pattern) {
                var bytes: [UInt8] = []
                guard let file = try? File(path, .read, .nonBlocking),
                    (try? file.append(to: &bytes, count: sampleByteLimit, at: 0)) != nil
                else { continue }
                let lines = bytes.split(separator: UInt8(ascii: "\n")).map { Array($0) }
                if let best = library.recognise(sample: lines).first { return best.name }
            }
        }
        return nil
    }
}
