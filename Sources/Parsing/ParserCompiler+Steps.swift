// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension ParserCompiler {
    /// Compiles steps that stand one behind the other.
    ///
    /// - Parameter isFormat: whether they are the steps of a format, which alone can go through the
    ///   elements of a list.
    mutating func steps(
        _ definitions: [StepDefinition], isFormat: Bool = false
    ) -> Range<Int32> {
        var compiled: [ParserProgram.Step] = []
        for (index, definition) in definitions.enumerated() {
            if case .each(let words) = definition {
                guard isFormat else {
                    if let node = words.first?.node {
                        problems.add(at: node, "each must stand among the steps of a format")
                    }
                    continue
                }
                let later = slots(of: Array(definitions.dropFirst(index + 1)))
                let earlier = slots(named: names(of: Array(definitions[..<index])))
                program.slotLists.append(
                    later.isEmpty ? [] : earlier.filter { !later.contains($0) })
                compiled.append(
                    .each(paths: paths(words), kept: Int32(program.slotLists.count - 1)))
            } else if let step = step(definition) {
                compiled.append(step)
            }
        }
        let start = Int32(program.steps.count)
        program.steps += compiled
        return start..<Int32(program.steps.count)
    }

    /// The slots that change with each element: those of later steps and of all rules.
    private func slots(of steps: [StepDefinition]) -> [Int32] {
        slots(named: names(of: steps) + names(ofRules: definition.events))
    }

    private func slots(named names: [String]) -> [Int32] {
        Set(names).compactMap { slots[$0].map { Int32($0) } }.sorted()
    }

    private mutating func step(_ definition: StepDefinition) -> ParserProgram.Step? {
        switch definition {
        case .json(let from, let values):
            return .json(
                table: Int32(program.members.append(members(values))), from: from.map(slot))
        case .unwrap(let words): return .unwrap(paths: paths(words))
        case .each: return nil
        case .keyValue(let from, let values):
            program.keyTables.append(TextTable(keys(values)))
            return .keyValue(from: slot(from), table: Int32(program.keyTables.count - 1))
        case .logfmt(let from, let values):
            program.logfmtTables.append(TextTable(keys(values)))
            return .logfmt(from: from.map(slot), table: Int32(program.logfmtTables.count - 1))
        case .columns(let columns): return self.columns(columns)
        case .pattern(let from, let word, let isOptional):
            guard let expression = expression(word) else { return nil }
            let groups = expression.names.map { name in
                (group: name.group, slot: Int32(slots[name.name] ?? 0))
            }
            program.patterns.append(ParserProgram.Pattern(expression: expression, groups: groups))
            return .pattern(
                Int32(program.patterns.count - 1), from: from.map(slot), isOptional: isOptional)
        case .set(let constants): return set(constants)
        case .require(let when): return .require(conditions(when))
        case .firstOf(let alternatives):
            var compiled: [ParserProgram.Alternative] = []
            for alternative in alternatives {
                // A step that fails gives nothing, so what stands behind the last of them stays.
                let lastToFail = alternative.lastIndex { $0.canFail } ?? 0
                let saved = Int32(program.savedSlots.count)
                program.savedSlots += slots(named: names(of: Array(alternative[..<lastToFail])))
                let end = Int32(program.savedSlots.count)
                compiled.append(.init(steps: steps(alternative), slots: saved..<end))
            }
            return .firstOf(append(compiled))
        case .ignore(let word, let when):
            return .ignore(reason: reason(word), when: conditions(when))
        }
    }

    /// Several constants become one alternative of as many steps.
    private mutating func set(
        _ constants: [(name: Word, text: String)]
    ) -> ParserProgram.Step? {
        var compiled: [ParserProgram.Step] = []
        for (name, text) in constants {
            compiled.append(.set(slot: slot(name), constant: constant(text)))
        }
        if compiled.count == 1 { return compiled[0] }
        let start = Int32(program.steps.count)
        program.steps += compiled
        return .firstOf(
            append([.init(steps: start..<Int32(program.steps.count), slots: 0..<0)]))
    }

    private mutating func append(_ alternatives: [ParserProgram.Alternative]) -> Range<Int32> {
        let start = Int32(program.alternatives.count)
        program.alternatives += alternatives
        return start..<Int32(program.alternatives.count)
    }

    private func keys(_ values: [ValueDefinition]) -> [(text: String, value: Int)] {
        values.flatMap { value in
            value.sources.map { (text: $0.text, value: slots[value.name.text] ?? 0) }
        }
    }

    private func members(
        _ values: [ValueDefinition]
    ) -> [(path: MemberPath, slot: Int, rank: Int)] {
        values.flatMap { value in
            value.sources.enumerated().compactMap { rank, source in
                path(source).map {
                    (path: $0, slot: slots[value.name.text] ?? 0, rank: rank)
                }
            }
        }
    }

    private func path(_ word: Word) -> MemberPath? {
        do throws(MemberPathError) {
            return try MemberPath(word.text)
        } catch {
            problems.add(
                at: word.node, "the path \(error.reason); write one as in docs/formats/parser.md")
            return nil
        }
    }

    /// Paths of plain names, for the roots of documents.
    private mutating func paths(_ words: [Word]) -> Int32 {
        var paths: [[JSONKey]] = []
        for word in words {
            guard let path = path(word) else { continue }
            var keys: [JSONKey] = []
            for element in path.elements {
                if case .name(let name) = element {
                    keys.append(JSONKey(name))
                } else {
                    problems.add(at: word.node, "a path without brackets must stand here")
                }
            }
            paths.append(keys)
        }
        program.paths.append(paths)
        return Int32(program.paths.count - 1)
    }

    private mutating func columns(_ definition: ColumnsDefinition) -> ParserProgram.Step {
        var names = definition.columns.map(\.text)
        if definition.isConfigurable, let chosen = columnNames { names = chosen }
        let wanted = names.map { name in
            definition.values.filter { $0.sources.contains { $0.text == name } }
                .compactMap { slots[$0.name.text].map { Int32($0) } }
        }
        program.columnPlans.append(
            ColumnPlan(
                separator: Array(definition.separator.utf8), quote: definition.quote,
                leastCount: min(definition.leastCount, names.count), slots: wanted))
        return .columns(Int32(program.columnPlans.count - 1), from: definition.from.map(slot))
    }
}
