// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension DefinitionReader {
    // MARK: Fields

    func fields(_ node: ConfigurationNode?) -> [FieldDefinition] {
        guard let node else { return [] }
        guard let entries = node.entries else {
            problems.add(at: node, "must be a mapping of fields to values")
            return []
        }
        return entries.compactMap { entry in
            guard let path = entry.key.scalar else { return nil }
            guard let field = Field(path: path), DefinitionReader.isAssignable(field) else {
                let known = Field.allCases.filter(DefinitionReader.isAssignable).map(\.path)
                let isKnown = Field(path: path) != nil
                problems.add(
                    at: entry.key,
                    isKnown
                        ? "is filled by the agent itself; leave it out"
                        : "is no field of an event; write one of those in docs/formats/event.md",
                    suggestion: ConfigurationText.closest(to: path, among: known))
                return nil
            }
            return FieldDefinition(
                field: field, node: entry.key, alternatives: alternatives(entry.value))
        }
    }

    /// Fields that the engine fills from its own knowledge are no parser's business.
    private static func isAssignable(_ field: Field) -> Bool {
        switch field {
        case .action, .id, .labels, .observed, .originOffset, .originPath, .outcome,
            .privacyFields, .privacyKey, .privacyPolicy, .providerProduct, .providerVendor, .raw,
            .schema, .severity:
            false
        default: field.entry.group.map { "\($0)" } != "agent"
        }
    }

    private func alternatives(_ node: ConfigurationNode) -> [AssignmentDefinition] {
        // An empty value takes a field away that an outer list gave.
        if node.isNull { return [] }
        if let elements = node.elements { return elements.compactMap(assignment) }
        return assignment(node).map { [$0] } ?? []
    }

    private func assignment(_ node: ConfigurationNode) -> AssignmentDefinition? {
        var assignment = AssignmentDefinition(node: node)
        if node.scalar != nil {
            assignment.sources = words(node)
            return assignment.sources.isEmpty ? nil : assignment
        }
        guard node.entries != nil else {
            problems.add(at: node, "must be the name of a value or a mapping")
            return nil
        }
        var reader = ConfigurationReader(node, problems)
        assignment.sources = words(reader.node("from"))
        assignment.constant = words(reader.node("is")).map(\.text)
        assignment.map = (reader.node("map")?.entries ?? []).compactMap { entry in
            guard let word = entry.key.scalar, let value = entry.value.scalar, !value.isEmpty
            else {
                problems.add(at: entry.key, "must be followed by a blank and a word")
                return nil
            }
            return (word, value)
        }
        switch reader.string("otherwise") {
        case nil: assignment.otherwise = .leaveOut
        case "keep": assignment.otherwise = .keep
        case let word?: assignment.otherwise = .word(word)
        }
        if let split = reader.string("split") {
            assignment.separator = split.utf8.first
            if split.utf8.count != 1 { reader.problem("split", "must be one ASCII character") }
        }
        assignment.join = reader.string("join")
        assignment.fingerprint = reader.choice("fingerprint", of: FingerprintKind.self)
        assignment.timeForms = words(reader.node("time"))
        assignment.isUTC = reader.string("zone") == "UTC"
        if reader.keys.contains("zone"), !assignment.isUTC {
            reader.problem("zone", "must be UTC; other zones belong to the input")
        }
        assignment.conditions = conditions(reader.node("when"))
        if assignment.join != nil, assignment.fingerprint != nil || !assignment.timeForms.isEmpty {
            reader.problem("join", "makes a text; leave it out beside fingerprint or time")
        }
        reader.finish()
        if assignment.sources.isEmpty == assignment.constant.isEmpty {
            problems.add(at: node, "must have either from or is")
            return nil
        }
        return assignment
    }

    // MARK: Rules

    func rules(_ node: ConfigurationNode?) -> [RuleDefinition] {
        guard let node else { return [] }
        guard let elements = node.elements else {
            problems.add(at: node, "must be a list of rules")
            return []
        }
        return elements.compactMap(rule)
    }

    private func rule(_ node: ConfigurationNode) -> RuleDefinition? {
        if node.scalar != nil {
            return action(node).map { RuleDefinition(node: node, verdict: .action($0)) }
        }
        var reader = ConfigurationReader(node, problems)
        let conditions = conditions(reader.node("when"))
        let steps = steps(reader.node("steps"))
        let fields = fields(reader.node("fields"))
        let also = rules(reader.node("also"))
        let verdict = verdict(&reader)
        reader.finish()
        return verdict.map {
            RuleDefinition(
                node: node, conditions: conditions, steps: steps, fields: fields, also: also,
                verdict: $0)
        }
    }

    private func verdict(_ reader: inout ConfigurationReader) -> RuleDefinition.Verdict? {
        let given = ["action", "ignore", "by", "rules"].filter(reader.keys.contains)
        guard given.count == 1 else {
            problems.add(at: reader.node, "must have exactly one of action, ignore, by, rules")
            for key in ["action", "ignore", "by", "rules", "words", "otherwise", "fold"] {
                reader.allow(key)
            }
            return nil
        }
        if let node = reader.node("action") { return action(node).map { .action($0) } }
        if let node = reader.node("ignore") { return word(node).map { .ignore($0) } }
        if let node = reader.node("rules") { return .rules(rules(node)) }
        guard let by = reader.node("by").flatMap(word) else { return nil }
        let isFolded = reader.bool("fold", default: false)
        let otherwise = reader.node("otherwise").flatMap(rule)
        var table: [(words: [Word], rule: RuleDefinition)] = []
        for entry in reader.node("words")?.entries ?? [] {
            guard let keys = word(entry.key), let rule = rule(entry.value) else { continue }
            table.append((split(keys), rule))
        }
        if table.isEmpty { reader.problem("words", "must have a word at least") }
        return .table(by: by, isFolded: isFolded, words: table, otherwise: otherwise)
    }

    /// `A, B` stands for two words with the same meaning.
    private func split(_ word: Word) -> [Word] {
        word.text.split(separator: ",").map { part in
            Word(text: String(part.drop { $0 == " " }), node: word.node)
        }
    }

    private func action(_ node: ConfigurationNode) -> Action? {
        guard let word = word(node) else { return nil }
        if let action = Action(name: word.text), !action.isAgentAction { return action }
        problems.add(
            at: node, "is no action; write one of those in docs/formats/event.md",
            suggestion: ConfigurationText.closest(
                to: word.text,
                among: Action.allCases.filter { !$0.isAgentAction }.map(\.name)))
        return nil
    }
}
