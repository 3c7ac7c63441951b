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
        let node = ConfigurationLoader.parse(bytes, file: file, problems: problems)
        return node.flatMap { read($0, file: file, isOutline: false, problems: problems) }
    }

    /// Reads what is needed to recognise the product; what its records mean is only gone over for
    /// being YAML.
    static func readOutline(
        _ bytes: [UInt8], file: String, problems: ConfigurationProblems
    ) -> ParserDefinition? {
        let node = ConfigurationLoader.parse(
            bytes, file: file, leavingOut: meaning, problems: problems)
        return node.flatMap { read($0, file: file, isOutline: true, problems: problems) }
    }

    /// What says how records are split and what they mean: nearly all of a declaration.
    private static let meaning: Set = ["formats", "fields", "events", "without_raw"]

    private static func read(
        _ node: ConfigurationNode, file: String, isOutline: Bool, problems: ConfigurationProblems
    ) -> ParserDefinition? {
        var reader = ConfigurationReader(node, problems)
        let version = reader.integer("format", in: 1...Int(Int32.max))
        if let version, version != formatVersion {
            reader.problem("format", "must be \(formatVersion); a newer agent may read it")
            return nil
        }
        if version == nil { reader.problem("format", "must be \(formatVersion)") }
        let name = reader.requiredString("name")
        var definition = ParserDefinition(
            name: name, vendor: "", product: "", recordStart: reader.string("record_start"),
            file: file)
        readKnowledge(&reader, into: &definition)
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
        if definition.recognition.isEmpty {
            reader.problem("recognise", "must list in lines what the product's lines look like")
        }
        // Left out, they look empty.
        guard !isOutline else { return definition }
        if definition.formats.isEmpty { reader.problem("formats", "must list a format at least") }
        if definition.events.isEmpty { reader.problem("events", "must list a rule at least") }
        return definition
    }
}

extension ParserDefinition {
    /// What stands in the declaration for people: where it comes from and what the log shows.
    private static func readKnowledge(
        _ reader: inout ConfigurationReader, into definition: inout ParserDefinition
    ) {
        if var verified = reader.child("verified") {
            definition.verification = Verification(
                samples: verified.strings("sample"), sources: verified.strings("source"),
                documentation: verified.strings("documentation"))
            verified.finish()
        }
        if definition.verification == Verification() {
            reader.problem("verified", "must give sample, source or documentation at least")
        }
        guard var coverage = reader.child("coverage") else {
            reader.problem("coverage", "must say in log where the product writes it")
            return
        }
        definition.coverage = Coverage(
            log: coverage.requiredString("log"), settings: coverage.strings("settings"),
            neverLogged: coverage.strings("never_logs"),
            ignored: coverage.stringMap("ignores"),
            successesNeed: coverage.string("successes_need"))
        coverage.finish()
        guard var found = reader.child("found_at") else { return }
        definition.whereabouts = Whereabouts(
            processes: found.strings("processes"), arguments: found.strings("arguments"),
            files: found.strings("files"),
            isOnStandardOutput: found.bool("standard_output", default: false))
        for file in definition.whereabouts.files where !file.hasPrefix("/") {
            found.problem("files", "must be absolute paths; begin \(file) with a slash")
        }
        found.finish()
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
                at: entry.key, "is no test; write not, starts_with, contains or matches",
                suggestion: ConfigurationText.closest(
                    to: kind, among: ["not", "starts_with", "contains", "matches"]))
            return nil
        }
    }
}
