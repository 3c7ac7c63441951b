// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension ParserCompiler {
    // MARK: Rules

    mutating func rules(
        _ definitions: [RuleDefinition], inherited: [FieldDefinition], depth: Int
    ) -> Int32 {
        var list: [Int32] = []
        for definition in definitions {
            list.append(rule(definition, inherited: inherited, depth: depth))
        }
        let start = Int32(program.ruleNumbers.count)
        program.ruleNumbers += list
        program.ruleLists.append(start..<Int32(program.ruleNumbers.count))
        return Int32(program.ruleLists.count - 1)
    }

    private mutating func rule(
        _ definition: RuleDefinition, inherited: [FieldDefinition], depth: Int
    ) -> Int32 {
        if depth > ParserProgram.ruleDepthLimit {
            problems.add(
                at: definition.node,
                "is nested deeper than \(ParserProgram.ruleDepthLimit) rules; make it flatter")
            return 0
        }
        let fields = ParserCompiler.merge(inherited, definition.fields)
        let steps = steps(definition.steps)
        let conditions = conditions(definition.conditions)
        let line = Int32(definition.node.line)
        let verdict: ParserProgram.Rule.Verdict
        switch definition.verdict {
        case .action(let action):
            program.classes.append(
                ParserProgram.EventClass(
                    action: action, assignments: assignments(fields), line: line))
            verdict = .event(class: Int32(program.classes.count - 1))
        case .ignore(let word): verdict = .ignore(reason: reason(word))
        case .rules(let inner):
            verdict = .rules(list: rules(inner, inherited: fields, depth: depth + 1))
        case .table(let by, let isFolded, let words, let otherwise):
            verdict = wordTable(by, isFolded, words, otherwise, fields, depth)
        }
        let also =
            definition.also.isEmpty
            ? nil : rules(definition.also, inherited: inherited, depth: depth + 1)
        program.rules.append(
            ParserProgram.Rule(
                conditions: conditions, steps: steps, verdict: verdict, also: also, line: line))
        return Int32(program.rules.count - 1)
    }

    private mutating func wordTable(
        _ by: Word, _ isFolded: Bool, _ words: [(words: [Word], rule: RuleDefinition)],
        _ otherwise: RuleDefinition?, _ fields: [FieldDefinition], _ depth: Int
    ) -> ParserProgram.Rule.Verdict {
        var table: [(text: String, value: Int)] = []
        var seen: Set<String> = []
        for (words, definition) in words {
            let rule = rule(definition, inherited: fields, depth: depth + 1)
            for word in words {
                let text = isFolded ? ParserCompiler.fold(word.text) : word.text
                if isFolded, text.utf8.count > ParserCompiler.foldedByteLimit {
                    problems.add(
                        at: word.node,
                        "must be of \(ParserCompiler.foldedByteLimit) letters at most")
                }
                if !seen.insert(text).inserted {
                    problems.add(
                        at: word.node,
                        "\(ConfigurationText.quoted(word.text)) is there twice; leave one out")
                }
                table.append((text, Int(rule)))
            }
        }
        let other = otherwise.map { rule($0, inherited: fields, depth: depth + 1) }
        return .table(
            slot: slot(by), table: self.table(table), isFolded: isFolded, otherwise: other)
    }

    /// The longest folded word.
    static let foldedByteLimit = 128

    /// The word with its letters small and without `_`, `-`, `.`, `:`, `/` and spaces.
    static func fold(_ word: String) -> String {
        String(decoding: word.utf8.compactMap(foldedByte), as: UTF8.self)
    }

    /// A byte of a folded word, nil when it does not count.
    @inline(__always)
    static func foldedByte(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x5F, 0x2D, 0x2E, 0x3A, 0x2F, 0x20: nil
        default: ASCII.lowercase(byte)
        }
    }

    /// The inner list's alternatives stand in place of the outer list's.
    private static func merge(
        _ outer: [FieldDefinition], _ inner: [FieldDefinition]
    ) -> [FieldDefinition] {
        outer.filter { field in !inner.contains { $0.field == field.field } } + inner
    }

    // MARK: Fields

    private mutating func assignments(_ fields: [FieldDefinition]) -> Range<Int32> {
        var compiled: [ParserProgram.Assignment] = []
        for field in fields {
            for alternative in field.alternatives {
                let conditions = conditions(alternative.conditions)
                guard alternative.constant.isEmpty else {
                    guard let source = constantSource(field, alternative) else { continue }
                    compiled.append(
                        .init(field: field.field, slot: -1, conditions: conditions, source: source))
                    continue
                }
                if let separator = alternative.join {
                    let source = joined(alternative, separator)
                    compiled.append(
                        .init(
                            field: field.field, slot: slot(alternative.sources[0]),
                            conditions: conditions, source: source))
                    continue
                }
                for word in alternative.sources {
                    for source in sources(field, alternative) {
                        switch source {
                        case .fingerprint(.session), .fingerprint(.token), .token:
                            program.credentialSlots.insert(slot(word))
                        default: break
                        }
                        compiled.append(
                            .init(
                                field: field.field, slot: slot(word), conditions: conditions,
                                source: source))
                    }
                }
            }
        }
        let start = Int32(program.assignments.count)
        program.assignments += compiled
        return start..<Int32(program.assignments.count)
    }

    private mutating func joined(
        _ alternative: AssignmentDefinition, _ separator: String
    ) -> ParserProgram.Assignment.Source {
        program.slotLists.append(alternative.sources.map(slot))
        return .joined(
            list: Int32(program.slotLists.count - 1), separator: constant(separator))
    }

    // By field; asked for at every rule of every parser.
    private static let words: [[String]] = Field.allCases.map { field in
        field == .errorCode
            ? ErrorCode.allCases.map { String(describing: $0.word) }
            : field.entry.words.map { String(describing: $0) }
    }

    private func wordNumber(
        _ field: Field, _ word: String, _ node: ConfigurationNode
    ) -> Int? {
        let words = ParserCompiler.words[Int(field.rawValue)]
        if let number = words.firstIndex(of: word) { return number }
        problems.add(
            at: node,
            "\(ConfigurationText.quoted(word)) is no word of \(field.path)"
                + (words.count <= 12
                    ? "; write one of \(words.joined(separator: ", "))"
                    : "; write one of those in docs/formats/event.md"),
            suggestion: ConfigurationText.closest(to: word, among: words))
        return nil
    }

    private mutating func constantSource(
        _ field: FieldDefinition, _ alternative: AssignmentDefinition
    ) -> ParserProgram.Assignment.Source? {
        let text = alternative.constant[0]
        switch field.field.entry.kind {
        case .text, .map:
            return .constant(constant(text))
        case .word:
            let number = wordNumber(field.field, text, alternative.node)
            return number.map { .number(.word, UInt64($0)) }
        case .integer(let low, let high):
            guard let number = Int64(text), number >= low, number <= high else {
                problems.add(at: alternative.node, "must be \(low) to \(high)")
                return nil
            }
            return .number(.integer, UInt64(bitPattern: number))
        case .boolean:
            guard text == "true" || text == "false" else {
                problems.add(at: alternative.node, "must be true or false")
                return nil
            }
            return .number(.boolean, text == "true" ? 1 : 0)
        case .time:
            problems.add(
                at: alternative.node, "a time cannot be constant; name a value that has it")
            return nil
        case .set:
            let sorted = Set(alternative.constant.map { Array($0.utf8) })
                .sorted { $0.lexicographicallyPrecedes($1) }
            var bytes: [UInt8] = []
            for text in sorted {
                for shift in stride(from: 0, to: 32, by: 8) {
                    bytes.append(UInt8(truncatingIfNeeded: text.count >> shift))
                }
                bytes += text
            }
            program.constantSets.append(bytes)
            return .constantSet(Int32(program.constantSets.count - 1))
        }
    }

    /// One way to read a value, or several of which the first that succeeds counts.
    private mutating func sources(
        _ field: FieldDefinition, _ alternative: AssignmentDefinition
    ) -> [ParserProgram.Assignment.Source] {
        guard case .time = field.field.entry.kind, !alternative.timeForms.isEmpty else {
            return source(field, alternative).map { [$0] } ?? []
        }
        return alternative.timeForms.compactMap { timeSource($0, isUTC: alternative.isUTC) }
    }

    private mutating func timeSource(
        _ word: Word, isUTC: Bool
    ) -> ParserProgram.Assignment.Source? {
        guard word.text.contains("%") else {
            if let form = TimeForm(rawValue: word.text) { return .time(form, isUTC: isUTC) }
            problems.add(
                at: word.node,
                "is neither a form of time nor a layout with %; write one as in "
                    + "docs/formats/parser.md",
                suggestion: ConfigurationText.closest(
                    to: word.text, among: TimeForm.allCases.map(\.rawValue)))
            return nil
        }
        do throws(TimeLayoutError) {
            program.layouts.append(try TimeLayout(word.text))
            return .layout(Int32(program.layouts.count - 1), isUTC: isUTC)
        } catch {
            problems.add(
                at: word.node, "the layout \(error.reason); write one as in docs/formats/parser.md")
            return nil
        }
    }

    private mutating func source(
        _ field: FieldDefinition, _ alternative: AssignmentDefinition
    ) -> ParserProgram.Assignment.Source? {
        switch field.field.entry.kind {
        case .word: return wordSource(field, alternative)
        case .integer(let low, let high): return .integer(low...high)
        case .boolean: return .boolean
        case .time: return .time(.any, isUTC: alternative.isUTC)
        case .set:
            let map =
                alternative.map.isEmpty
                ? nil
                : table(
                    alternative.map.map { (text: $0.word, value: Int(constant($0.value))) })
            return .set(separator: alternative.separator ?? 0x20, table: map)
        case .text, .map: return textSource(field, alternative)
        }
    }

    private mutating func wordSource(
        _ field: FieldDefinition, _ alternative: AssignmentDefinition
    ) -> ParserProgram.Assignment.Source? {
        var table: [(text: String, value: Int)] = []
        for (word, value) in alternative.map {
            guard let number = wordNumber(field.field, value, alternative.node) else { continue }
            table.append((word, number))
        }
        let words = ParserCompiler.words[Int(field.field.rawValue)]
        for (number, word) in words.enumerated() { table.append((word, number)) }
        var otherwise = -1
        if case .word(let word) = alternative.otherwise {
            otherwise = wordNumber(field.field, word, alternative.node) ?? -1
        }
        return .word(table: self.table(table), otherwise: Int32(otherwise))
    }

    private mutating func textSource(
        _ field: FieldDefinition, _ alternative: AssignmentDefinition
    ) -> ParserProgram.Assignment.Source? {
        if !alternative.map.isEmpty {
            let words = alternative.map.map { (text: $0.word, value: Int(constant($0.value))) }
            var otherwise: Int32 = -1
            var keeps = false
            switch alternative.otherwise {
            case .leaveOut: break
            case .keep: keeps = true
            case .word(let word): otherwise = constant(word)
            }
            return .mapped(table: table(words), otherwise: otherwise, keeps: keeps)
        }
        // Where a field has a form, the form is kept whatever the declaration says.
        switch field.field {
        case .sessionID: return .fingerprint(.session)
        case .sourceIP: return .address
        case .requestRedirectURI: return .uri
        case .requestPath: return .path
        case .requestMethod: return .method
        case .requestTraceID: return .traceID
        case .sourceCountry: return .country
        default:
            guard let kind = alternative.fingerprint else { return .text }
            return kind == .token ? .token : .fingerprint(kind)
        }
    }
}
