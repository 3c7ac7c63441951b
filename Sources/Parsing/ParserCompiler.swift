// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Turns a definition into a program and reports every mistake with its place.
public struct ParserCompiler {
    let problems: ConfigurationProblems
    let definition: ParserDefinition
    var program: ParserProgram
    var slots: [String: Int] = [:]
    private var constantNumbers: [String: Int32] = [:]
    private var reasonNumbers: [String: Int32] = [:]
    private var knownTables: [[KnownWord]: Int32] = [:]

    private struct KnownWord: Hashable {
        let text: String
        let value: Int
    }

    /// The columns that the operator names in place of the declaration's.
    let columnNames: [String]?

    private init(
        _ definition: ParserDefinition, _ columnNames: [String]?,
        _ problems: ConfigurationProblems
    ) {
        self.definition = definition
        self.columnNames = columnNames
        self.problems = problems
        program = ParserProgram(
            name: definition.name, vendor: definition.vendor, product: definition.product)
    }

    /// Compiles; nil when the definition has a mistake, which `problems` then holds.
    ///
    /// - Parameter columns: the columns of a log whose layout the operator has changed.
    public static func compile(
        _ definition: ParserDefinition, columns: [String]? = nil, problems: ConfigurationProblems
    ) -> ParserProgram? {
        var compiler = ParserCompiler(definition, columns, problems)
        let before = problems.list.count
        compiler.run()
        return problems.list.count == before ? compiler.program : nil
    }

    /// Compiles what tells the product's records from others, and finds the mistakes in it.
    static func compileOutline(
        _ definition: ParserDefinition, problems: ConfigurationProblems
    ) -> [RegularExpression] {
        ParserCompiler(definition, nil, problems).compileOutline()
    }

    private func compileOutline() -> [RegularExpression] {
        if let start = definition.recordStart {
            do throws(RegularExpressionError) { _ = try RegularExpression(start) } catch {
                problems.add(file: definition.file, keyPath: "record_start", error.description)
            }
        }
        return definition.recognition.compactMap(expression)
    }

    private mutating func run() {
        _ = compileOutline()
        program.nullTable = TextTable(definition.nullWords.map { ($0, 1) })
        // Names must exist before conditions and fields use them, wherever they stand.
        declare(definition.formats.flatMap(\.steps))
        for name in names(ofRules: definition.events) { declare(name) }
        program.slotNames = slots.sorted { $0.value < $1.value }.map(\.key)
        if slots.count > ParserProgram.slotLimit {
            problems.add(
                file: definition.file,
                "names more than \(ParserProgram.slotLimit) values; leave out what no field needs")
        }
        for format in definition.formats {
            let range = steps(format.steps, isFormat: true)
            program.formats.append(ParserProgram.Format(name: format.name.text, steps: range))
        }
        program.withoutRaw = definition.withoutRaw.map { conditions($0) }
        program.rootRules = rules(definition.events, inherited: definition.fields, depth: 0)
    }

    // MARK: Names

    private mutating func declare(_ steps: [StepDefinition]) {
        for name in names(of: steps) { declare(name) }
    }

    /// The names of the values that steps give, in their order.
    func names(of steps: [StepDefinition]) -> [String] {
        steps.flatMap { step -> [String] in
            switch step {
            case .json(_, let values), .keyValue(_, let values), .logfmt(_, let values):
                return values.map(\.name.text)
            case .columns(let definition): return definition.values.map(\.name.text)
            case .pattern(_, let expression, _):
                let compiled = try? RegularExpression(expression.text)
                return compiled?.names.map(\.name) ?? []
            case .set(let constants): return constants.map(\.name.text)
            case .firstOf(let alternatives): return alternatives.flatMap { names(of: $0) }
            case .ignore, .require, .unwrap, .each: return []
            }
        }
    }

    /// The names of the values that the steps of rules give.
    func names(ofRules rules: [RuleDefinition]) -> [String] {
        rules.flatMap { rule -> [String] in
            let own = names(of: rule.steps) + names(ofRules: rule.also)
            switch rule.verdict {
            case .action, .ignore: return own
            case .rules(let inner): return own + names(ofRules: inner)
            case .table(_, _, let words, let otherwise):
                return own + names(ofRules: words.map(\.rule) + (otherwise.map { [$0] } ?? []))
            }
        }
    }

    private mutating func declare(_ name: String) {
        if slots[name] == nil { slots[name] = slots.count }
    }

    func slot(_ word: Word) -> Int32 {
        if let slot = slots[word.text] { return Int32(slot) }
        problems.add(
            at: word.node,
            "\(ConfigurationText.quoted(word.text)) is no value of any extractor; name one that is",
            suggestion: ConfigurationText.closest(to: word.text, among: slots.keys.sorted()))
        return 0
    }

    // MARK: Tables

    func expression(_ word: Word) -> RegularExpression? {
        do throws(RegularExpressionError) {
            return try RegularExpression(word.text)
        } catch {
            problems.add(at: word.node, error.description)
            return nil
        }
    }

    /// The number of a constant text in `ParserProgram.constantRanges`.
    mutating func constant(_ text: String) -> Int32 {
        if let number = constantNumbers[text] { return number }
        let start = Int32(program.constants.count)
        program.constants += Array(text.utf8)
        let number = Int32(program.constantRanges.count)
        program.constantRanges.append(start..<Int32(program.constants.count))
        constantNumbers[text] = number
        return number
    }

    mutating func reason(_ word: Word) -> Int32 {
        let isGood = word.text.utf8.allSatisfy { byte in
            (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || byte == 0x5F
        }
        if !isGood { problems.add(at: word.node, "must be of a-z, 0-9 and _") }
        if let number = reasonNumbers[word.text] { return number }
        let number = Int32(program.reasons.count)
        program.reasons.append(word.text)
        reasonNumbers[word.text] = number
        return number
    }

    mutating func table(_ words: [(text: String, value: Int)]) -> Int32 {
        // Rules that inherit a field have its list alike; one of each is enough.
        let list = words.map { KnownWord(text: $0.text, value: $0.value) }
        if let number = knownTables[list] { return number }
        let number = Int32(program.wordLists.append(words))
        knownTables[list] = number
        return number
    }

    // MARK: Steps and conditions

    mutating func conditions(_ definitions: [ConditionDefinition]) -> Range<Int32> {
        var compiled: [ParserProgram.Condition] = []
        for definition in definitions {
            let test: ParserProgram.Condition.Test
            switch definition.test {
            case .present: test = .present
            case .absent: test = .absent
            case .oneOf(let words): test = .oneOf(table: table(words.map { ($0, 1) }))
            case .noneOf(let words): test = .noneOf(table: table(words.map { ($0, 1) }))
            case .startsWith(let words):
                test = .startsWith(table: table(words.map { ($0, 1) }))
            case .contains(let words): test = .contains(needles(words))
            case .matches(let word):
                guard let expression = expression(word) else { continue }
                program.patterns.append(ParserProgram.Pattern(expression: expression, groups: []))
                test = .matches(pattern: Int32(program.patterns.count - 1))
            }
            compiled.append(ParserProgram.Condition(slot: slot(definition.name), test: test))
        }
        let start = Int32(program.conditions.count)
        program.conditions += compiled
        return start..<Int32(program.conditions.count)
    }

    private mutating func needles(_ words: [String]) -> Range<Int32> {
        let start = Int32(program.needles.count)
        program.needles += words.map { Array($0.utf8) }
        return start..<Int32(program.needles.count)
    }
}
