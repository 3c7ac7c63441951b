// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension ParserDefinition {
    /// Reads a declaration; every mistake goes to `problems`, and what is sound is kept.
    ///
    /// - Parameters:
    ///   - bytes: the YAML.
    ///   - file: the path, for messages; its last part without `.yaml` must be the name.
    public static func read(
        _ bytes: [UInt8], file: String, problems: ConfigurationProblems
    ) -> ParserDefinition? {
        guard let node = ConfigurationLoader.parse(bytes, file: file, problems: problems)
        else { return nil }
        var reader = ConfigurationReader(node, problems)
        let version = reader.integer("format", in: 1...Int(Int32.max))
        if let version, version != formatVersion {
            reader.problem("format", "must be \(formatVersion); a newer agent may read it")
            return nil
        }
        if version == nil { reader.problem("format", "must be \(formatVersion)") }
        let name = reader.requiredString("name")
        var definition = ParserDefinition(
            name: name, vendor: "", product: "", verified: reader.strings("verified"),
            recordStart: reader.string("record_start"), file: file)
        if file != name + ".yaml", !file.hasSuffix("/" + name + ".yaml") {
            reader.problem("name", "must be the name of the file without .yaml")
        }
        if var provider = reader.child("provider") {
            definition.vendor = provider.requiredString("vendor")
            definition.product = provider.requiredString("product")
            provider.finish()
        } else {
            reader.problem("provider", "must give vendor and product")
        }
        definition.nullWords = reader.strings("null_words")
        let read = DefinitionReader(problems: problems)
        if var recognise = reader.child("recognise") {
            definition.recognition = read.words(recognise.node("lines"))
            definition.isGeneric = recognise.bool("generic", default: false)
            recognise.finish()
        }
        definition.formats = read.formats(reader.node("formats"))
        definition.fields = read.fields(reader.node("fields"))
        definition.events = read.rules(reader.node("events"))
        for node in reader.nodes("without_raw") {
            definition.withoutRaw.append(read.conditions(node))
        }
        reader.finish()
        if definition.formats.isEmpty { reader.problem("formats", "must list a format at least") }
        if definition.events.isEmpty { reader.problem("events", "must list a rule at least") }
        return definition
    }
}

/// Turns nodes into parts of a definition and collects what is wrong with them.
struct DefinitionReader {
    let problems: ConfigurationProblems

    func word(_ node: ConfigurationNode) -> Word? {
        guard let text = node.scalar, !text.isEmpty else {
            problems.add(at: node, "must be a word, is \(node.shown)")
            return nil
        }
        return Word(text: text, node: node)
    }

    func words(_ node: ConfigurationNode?) -> [Word] {
        guard let node else { return [] }
        if let elements = node.elements { return elements.compactMap(word) }
        return word(node).map { [$0] } ?? []
    }

    func formats(_ node: ConfigurationNode?) -> [FormatDefinition] {
        (node?.elements ?? []).map { element in
            var reader = ConfigurationReader(element, problems)
            let name = reader.node("name").flatMap(word)
            if name == nil { reader.problem("name", "must be given") }
            let steps = steps(reader.node("steps"))
            if steps.isEmpty { reader.problem("steps", "must list an extractor at least") }
            reader.finish()
            return FormatDefinition(
                name: name ?? Word(text: "unnamed", node: element), steps: steps)
        }
    }

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
            problems.add(at: node, "must be one of json, key_value, pattern, ignore")
            return nil
        }
        switch kind {
        case "json": return .json(values(entry.value))
        case "key_value": return keyValue(entry.value)
        case "pattern": return pattern(entry.value)
        case "ignore":
            var reader = ConfigurationReader(entry.value, problems)
            let reason = reader.node("reason").flatMap(word)
            let when = conditions(reader.node("when"))
            if reason == nil { reader.problem("reason", "must be given") }
            reader.finish()
            return reason.map { .ignore(reason: $0, when: when) }
        default:
            problems.add(
                at: entry.key, "is no step",
                suggestion: ConfigurationText.closest(
                    to: kind, among: ["json", "key_value", "pattern", "ignore"]))
            return nil
        }
    }

    private func keyValue(_ node: ConfigurationNode) -> StepDefinition? {
        var reader = ConfigurationReader(node, problems)
        let from = reader.node("from").flatMap(word)
        let values = values(reader.node("values"))
        if from == nil { reader.problem("from", "must name the value to split") }
        reader.finish()
        return from.map { .keyValue(from: $0, values: values) }
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

    private func values(_ node: ConfigurationNode?) -> [ValueDefinition] {
        guard let node else { return [] }
        if let elements = node.elements {
            return elements.compactMap(word).map { ValueDefinition(name: $0, sources: [$0.text]) }
        }
        guard let entries = node.entries else {
            problems.add(at: node, "must be a list of keys or a mapping of names to keys")
            return []
        }
        return entries.compactMap { entry in
            guard let name = word(entry.key) else { return nil }
            return ValueDefinition(name: name, sources: words(entry.value).map(\.text))
        }
    }

    // MARK: Conditions

    func conditions(_ node: ConfigurationNode?) -> [ConditionDefinition] {
        guard let node else { return [] }
        guard let entries = node.entries else {
            problems.add(at: node, "must be a mapping of values to conditions")
            return []
        }
        return entries.compactMap { entry in
            guard let name = word(entry.key), let test = test(entry.value) else { return nil }
            return ConditionDefinition(name: name, test: test)
        }
    }

    private func test(_ node: ConfigurationNode) -> ConditionDefinition.Test? {
        if let text = node.scalar {
            switch text {
            case "present": return .present
            case "absent": return .absent
            default: return .oneOf([text])
            }
        }
        if node.elements != nil { return .oneOf(words(node).map(\.text)) }
        guard let entries = node.entries, entries.count == 1, let entry = entries.first,
            let kind = entry.key.scalar
        else {
            problems.add(at: node, "must be present, absent, a list of words or one test")
            return nil
        }
        let words = words(entry.value)
        switch kind {
        case "not": return .noneOf(words.map(\.text))
        case "starts_with": return .startsWith(words.map(\.text))
        case "contains": return .contains(words.map(\.text))
        case "matches": return words.first.map { .matches($0) }
        default:
            problems.add(
                at: entry.key, "is no test",
                suggestion: ConfigurationText.closest(
                    to: kind, among: ["not", "starts_with", "contains", "matches"]))
            return nil
        }
    }
}
