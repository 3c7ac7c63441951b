// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension DefinitionReader {
    private static let stepNames = [
        "json", "unwrap", "each", "key_value", "logfmt", "delimited", "csv", "pattern", "set",
        "require", "first_of", "ignore",
    ]

    func steps(_ node: ConfigurationNode?) -> [StepDefinition] {
        guard let node else { return [] }
        guard let elements = node.elements else {
            problems.add(at: node, "must be a list of steps")
            return []
        }
        return elements.compactMap(step)
    }

    private func step(_ node: ConfigurationNode) -> StepDefinition? {
        guard let entries = node.entries, entries.count == 1, let entry = entries.first,
            let kind = entry.key.scalar
        else {
            let names = DefinitionReader.stepNames.joined(separator: ", ")
            problems.add(at: node, "must be one of \(names)")
            return nil
        }
        switch kind {
        case "json": return json(entry.value)
        case "unwrap": return .unwrap(words(entry.value))
        case "each": return .each(words(entry.value))
        case "key_value": return keyValue(entry.value)
        case "logfmt": return logfmt(entry.value)
        case "delimited": return columns(entry.value, isCSV: false)
        case "csv": return columns(entry.value, isCSV: true)
        case "pattern": return pattern(entry.value)
        case "set": return constants(entry.value)
        case "require": return .require(conditions(entry.value))
        case "first_of": return firstOf(entry.value)
        case "ignore": return ignore(entry.value)
        default:
            problems.add(
                at: entry.key, "is no step; write one as in docs/formats/parser.md",
                suggestion: ConfigurationText.closest(
                    to: kind, among: DefinitionReader.stepNames))
            return nil
        }
    }

    /// Values of the root, or, with `values`, of the JSON in the value that `from` names.
    private func json(_ node: ConfigurationNode) -> StepDefinition? {
        guard node["values"] != nil else { return .json(from: nil, values: values(node)) }
        var reader = ConfigurationReader(node, problems)
        let from = reader.node("from").flatMap(word)
        let values = values(reader.node("values"))
        reader.finish()
        return .json(from: from, values: values)
    }

    private func keyValue(_ node: ConfigurationNode) -> StepDefinition? {
        var reader = ConfigurationReader(node, problems)
        let from = reader.node("from").flatMap(word)
        let values = values(reader.node("values"))
        if from == nil { reader.problem("from", "must name the value to split") }
        reader.finish()
        return from.map { .keyValue(from: $0, values: values) }
    }

    private func logfmt(_ node: ConfigurationNode) -> StepDefinition? {
        var reader = ConfigurationReader(node, problems)
        let from = reader.node("from").flatMap(word)
        let values = values(reader.node("values"))
        if values.isEmpty { reader.problem("values", "must name a value at least") }
        reader.finish()
        return .logfmt(from: from, values: values)
    }

    private func columns(_ node: ConfigurationNode, isCSV: Bool) -> StepDefinition? {
        var reader = ConfigurationReader(node, problems)
        let separator = isCSV ? "," : reader.string("separator") ?? ""
        let quote = isCSV ? "\"" : reader.string("quote")
        let definition = ColumnsDefinition(
            from: reader.node("from").flatMap(word), separator: separator,
            quote: quote?.utf8.first, columns: words(reader.node("columns")),
            leastCount: reader.integer("at_least", in: 1...ColumnSplitter.columnLimit) ?? 1,
            isConfigurable: reader.bool("configurable", default: false),
            values: values(reader.node("values")))
        if separator.isEmpty { reader.problem("separator", "must be a text") }
        if let quote, quote.utf8.count != 1 { reader.problem("quote", "must be one character") }
        if definition.columns.isEmpty { reader.problem("columns", "must list the columns") }
        for source in definition.values.flatMap(\.sources) where !definition.isConfigurable {
            let names = definition.columns.map(\.text)
            if names.contains(source.text) { continue }
            problems.add(
                at: source.node,
                "\(ConfigurationText.quoted(source.text)) is no column; name one that is",
                suggestion: ConfigurationText.closest(to: source.text, among: names))
        }
        reader.finish()
        return .columns(definition)
    }

    private func pattern(_ node: ConfigurationNode) -> StepDefinition? {
        if node.scalar != nil {
            return word(node).map { .pattern(from: nil, expression: $0, isOptional: false) }
        }
        var reader = ConfigurationReader(node, problems)
        let from = reader.node("from").flatMap(word)
        let expression = reader.node("regexp").flatMap(word)
        let isOptional = reader.bool("optional", default: false)
        if expression == nil { reader.problem("regexp", "must be given") }
        reader.finish()
        return expression.map { .pattern(from: from, expression: $0, isOptional: isOptional) }
    }

    private func constants(_ node: ConfigurationNode) -> StepDefinition? {
        guard let entries = node.entries, !entries.isEmpty else {
            problems.add(at: node, "must be a mapping of names to texts")
            return nil
        }
        return .set(
            entries.compactMap { entry in
                guard let name = word(entry.key), let text = word(entry.value) else { return nil }
                return (name, text.text)
            })
    }

    private func firstOf(_ node: ConfigurationNode) -> StepDefinition? {
        guard let elements = node.elements, !elements.isEmpty else {
            problems.add(at: node, "must be a list of lists of steps")
            return nil
        }
        return .firstOf(
            elements.map { $0.elements == nil ? [step($0)].compactMap(\.self) : steps($0) })
    }

    private func ignore(_ node: ConfigurationNode) -> StepDefinition? {
        var reader = ConfigurationReader(node, problems)
        let reason = reader.node("reason").flatMap(word)
        let when = conditions(reader.node("when"))
        if reason == nil { reader.problem("reason", "must be given") }
        reader.finish()
        return reason.map { .ignore(reason: $0, when: when) }
    }

    private func values(_ node: ConfigurationNode?) -> [ValueDefinition] {
        guard let node else { return [] }
        if let elements = node.elements {
            return elements.compactMap(word).map { ValueDefinition(name: $0, sources: [$0]) }
        }
        guard let entries = node.entries else {
            problems.add(at: node, "must be a list of keys or a mapping of names to keys")
            return []
        }
        return entries.compactMap { entry in
            guard let name = word(entry.key) else { return nil }
            return ValueDefinition(name: name, sources: words(entry.value))
        }
    }
}
