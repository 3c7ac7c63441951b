// SPDX-License-Identifier: Apache-2.0
import Events

/// What each parser makes of its product's log, for people who choose or doubt one.
public struct CoveragePage {
    private let entries: [Entry]

    private struct Entry {
        var definition: ParserDefinition
        var actions: [Action]
    }

    /// Gathers the parsers of a library.
    public init(_ library: ParserLibrary) {
        entries = library.names.compactMap { name in
            guard let definition = library.definition(named: name),
                let program = library.program(named: name)
            else { return nil }
            return Entry(definition: definition, actions: program.actions)
        }
    }

    /// A line for each parser, in columns, for a terminal.
    public var table: String {
        let head = ["PARSER", "PRODUCT", "VERIFIED BY", "ACTIONS", "SUCCESSES"]
        let rows =
            [head]
            + entries.map { entry in
                let definition = entry.definition
                return [
                    definition.name, definition.title, definition.verification.kind,
                    "\(entry.actions.count)",
                    definition.coverage.successesNeed == nil ? "logged" : "need a setting",
                ]
            }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let isLast = column == row.count - 1
                let padding = widths[column] - row[column].count
                return row[column] + String(repeating: " ", count: isLast ? 0 : padding)
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }

    /// The page docs/coverage.md.
    public var markdown: String {
        """
        # What each parser covers

        This page is made from `parsers/*.yaml` by `make coverage`; a test fails when it is old.

        A parser is verified by real lines (sample), by the product's own source, or by the vendor's
        documentation alone. The words are the product's own names of events, where a parser maps
        them one by one; rules for families of words and for texts come on top. What a product logs
        and no parser knows becomes `Unclassified` with the product's word in `provider.event`.

        | product | parser | verified by | actions | successes |
        | --- | --- | --- | --- | --- |
        \(entries.map(CoveragePage.row).joined(separator: "\n"))

        \(entries.map(CoveragePage.section).joined(separator: "\n"))
        """
    }

    private static func row(_ entry: Entry) -> String {
        let definition = entry.definition
        let successes = definition.coverage.successesNeed == nil ? "logged" : "need a setting"
        let name = definition.name
        return "| \(definition.title) | [\(name)](#\(name)) | \(definition.verification.kind) "
            + "| \(entry.actions.count) | \(successes) |"
    }

    private static func section(_ entry: Entry) -> String {
        let definition = entry.definition
        let coverage = definition.coverage
        var lines = ["## \(definition.name)", "", "\(definition.title): \(coverage.log)", ""]
        if let need = coverage.successesNeed {
            lines += ["**Successes need a setting:** \(need)", ""]
        }
        lines += list("Switch on", coverage.settings)
        lines += list("It never logs", coverage.neverLogged)
        let ignored = coverage.ignored.sorted { $0.key < $1.key }
        lines += list("Left out by name", ignored.map { "`\($0.key)`: \($0.value)" })
        lines += list("Verified by real lines", definition.verification.samples)
        lines += list("Verified by the source", definition.verification.sources)
        lines += list("Verified by documentation", definition.verification.documentation)
        let actions = entry.actions.map { "`\($0.name)`" }.joined(separator: ", ")
        lines += ["Actions: \(actions).", ""]
        let words = Set(definition.mappedWords.map { $0.drop { $0 != "=" }.dropFirst() }).sorted()
        if !words.isEmpty {
            lines += ["Words: \(words.map { "`\($0)`" }.joined(separator: ", ")).", ""]
        }
        return lines.joined(separator: "\n")
    }

    private static func list(_ title: String, _ texts: [String]) -> [String] {
        texts.isEmpty ? [] : ["\(title):", ""] + texts.map { "- \($0)" } + [""]
    }
}

extension ParserDefinition {
    /// What people call the product.
    public var title: String {
        vendor.lowercased() == product.lowercased() ? vendor : "\(vendor) \(product)"
    }

    /// The vendor's words that rules turn into events, each once, behind the name of its value.
    public var mappedWords: Set<String> {
        var words: Set<String> = []
        let own = ParserDefinition.constantNames(formats.flatMap(\.steps))
            .union(ParserDefinition.constantNames(of: events))
        ParserDefinition.collect(events, without: own, into: &words)
        return words
    }

    private static func collect(
        _ rules: [RuleDefinition], without own: Set<String>, into words: inout Set<String>
    ) {
        for rule in rules {
            collect(rule.also, without: own, into: &words)
            switch rule.verdict {
            case .action, .ignore: break
            case .rules(let inner): collect(inner, without: own, into: &words)
            case .table(let by, _, let table, let otherwise):
                for (keys, inner) in table {
                    if case .ignore = inner.verdict { continue }
                    // What the declaration sets itself is no word of the vendor.
                    if !own.contains(by.text) {
                        words.formUnion(keys.map { "\(by.text)=\($0.text)" })
                    }
                    collect([inner], without: own, into: &words)
                }
                if let otherwise { collect([otherwise], without: own, into: &words) }
            }
        }
    }

    /// The names of the values that steps set to a constant.
    private static func constantNames(_ steps: [StepDefinition]) -> Set<String> {
        var names: Set<String> = []
        for step in steps {
            switch step {
            case .set(let constants): names.formUnion(constants.map(\.name.text))
            case .firstOf(let alternatives):
                names.formUnion(constantNames(alternatives.flatMap { $0 }))
            default: break
            }
        }
        return names
    }

    private static func constantNames(of rules: [RuleDefinition]) -> Set<String> {
        var names: Set<String> = []
        for rule in rules {
            names.formUnion(constantNames(rule.steps))
            names.formUnion(constantNames(of: rule.also))
            switch rule.verdict {
            case .action, .ignore: break
            case .rules(let inner): names.formUnion(constantNames(of: inner))
            case .table(_, _, let table, let otherwise):
                let inner = table.map(\.rule) + (otherwise.map { [$0] } ?? [])
                names.formUnion(constantNames(of: inner))
            }
        }
        return names
    }
}
