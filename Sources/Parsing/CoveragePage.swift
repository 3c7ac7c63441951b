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
        let head = ["PARSER", "PRODUCT", "VERIFIED BY", "WORDS", "ACTIONS", "SUCCESSES"]
        let rows =
            [head]
            + entries.map { entry in
                let definition = entry.definition
                return [
                    definition.name, CoveragePage.product(definition), definition.verification.kind,
                    "\(definition.mappedWords.count)", "\(entry.actions.count)",
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
        documentation alone. Words are the product's own names of events that a parser maps one by
        one; rules for whole families of words come on top. What a product logs and no parser knows
        becomes `Unclassified` with the product's word in `provider.event`.

        | product | parser | verified by | words | actions | successes |
        | --- | --- | --- | --- | --- | --- |
        \(entries.map(CoveragePage.row).joined(separator: "\n"))

        \(entries.map(CoveragePage.section).joined(separator: "\n"))
        """
    }

    private static func product(_ definition: ParserDefinition) -> String {
        definition.vendor.lowercased() == definition.product.lowercased()
            ? definition.vendor : "\(definition.vendor) \(definition.product)"
    }

    private static func row(_ entry: Entry) -> String {
        let definition = entry.definition
        let successes = definition.coverage.successesNeed == nil ? "logged" : "need a setting"
        let name = definition.name
        return "| \(product(definition)) | [\(name)](#\(name)) | \(definition.verification.kind) "
            + "| \(definition.mappedWords.count) | \(entry.actions.count) | \(successes) |"
    }

    private static func section(_ entry: Entry) -> String {
        let definition = entry.definition
        let coverage = definition.coverage
        var lines = ["## \(definition.name)", "", "\(product(definition)): \(coverage.log)", ""]
        if let need = coverage.successesNeed {
            lines += ["**Successes need a setting:** \(need)", ""]
        }
        lines += list("Switch on", coverage.settings)
        lines += list("It never logs", coverage.neverLogged)
        lines += list("Verified by real lines", definition.verification.samples)
        lines += list("Verified by the source", definition.verification.sources)
        lines += list("Verified by documentation", definition.verification.documentation)
        let actions = entry.actions.map { "`\($0.name)`" }.joined(separator: ", ")
        return (lines + ["Actions: \(actions).", ""]).joined(separator: "\n")
    }

    private static func list(_ title: String, _ texts: [String]) -> [String] {
        texts.isEmpty ? [] : ["\(title):", ""] + texts.map { "- \($0)" } + [""]
    }
}

extension ParserDefinition {
    /// The vendor's words that rules turn into events, each once.
    public var mappedWords: Set<String> {
        var words: Set<String> = []
        ParserDefinition.collect(events, into: &words)
        return words
    }

    private static func collect(_ rules: [RuleDefinition], into words: inout Set<String>) {
        for rule in rules {
            collect(rule.also, into: &words)
            switch rule.verdict {
            case .action, .ignore: break
            case .rules(let inner): collect(inner, into: &words)
            case .table(let by, _, let table, let otherwise):
                for (keys, inner) in table {
                    if case .ignore = inner.verdict { continue }
                    words.formUnion(keys.map { "\(by.text)=\($0.text)" })
                    collect([inner], into: &words)
                }
                if let otherwise { collect([otherwise], into: &words) }
            }
        }
    }
}
