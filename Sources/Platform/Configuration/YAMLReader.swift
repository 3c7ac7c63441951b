// SPDX-License-Identifier: Apache-2.0
import CYAML

/// Builds a tree of nodes from libyaml's events.
///
/// libyaml's own document loader is not used: it resolves aliases, so a short file could grow
/// without bound, and it forgets where a key was written twice.
struct YAMLReader: ~Copyable {
    private struct Event {
        enum Kind {
            case streamStart, streamEnd, documentStart, documentEnd, alias, scalar
            case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        }

        var kind: Kind
        var line: Int
        var column: Int
        var text = ""
        var isPlain = false
        var hasAnchor = false
        var hasTag = false
    }

    // Safe because nobody else has it: it is made in init and freed in deinit.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: [UInt8]
    private let file: String
    private let problems: ConfigurationProblems
    private let keepsSubstitutionsWhole: Bool
    /// Keys of the top whose values nobody asks for.
    private let leftOut: Set<String>
    private var nodeCount = 0

    /// Reads one document. Returns nil, with a problem recorded, when there is no whole tree.
    ///
    /// A tree comes back although problems were recorded when the rest can still be checked:
    /// after a duplicate key, an alias or a tag.
    static func read(
        _ bytes: [UInt8], file: String, problems: ConfigurationProblems,
        keepingSubstitutionsWhole: Bool, leavingOut leftOut: Set<String> = []
    ) -> ConfigurationNode? {
        guard bytes.count <= ConfigurationLimit.fileByteLimit else {
            let limit = ConfigurationText.describe(byteCount: ConfigurationLimit.fileByteLimit)
            problems.add(
                file: file, "is \(bytes.count) bytes long, \(limit) are allowed; split it")
            return nil
        }
        // A byte order mark would become part of the first key.
        var text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        if keepingSubstitutionsWhole {
            if let place = SubstitutionMask.reservedCharacter(in: text) {
                let (line, column) = YAMLReader.place(ofByte: place, in: text)
                problems.add(
                    file: file, line: line, column: column,
                    "holds a character of the private range U+10FF00; remove it")
                return nil
            }
            text = SubstitutionMask.masking(text)
        }
        var reader = YAMLReader(
            text, file: file, problems: problems,
            keepsSubstitutionsWhole: keepingSubstitutionsWhole, leftOut: leftOut)
        return reader.document()
    }

    private init(
        _ bytes: [UInt8], file: String, problems: ConfigurationProblems,
        keepsSubstitutionsWhole: Bool, leftOut: Set<String>
    ) {
        // Safe because this object owns the parser and deinit deletes and frees it, once.
        parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        self.bytes = bytes
        self.file = file
        self.problems = problems
        self.keepsSubstitutionsWhole = keepsSubstitutionsWhole
        self.leftOut = leftOut
    }

    deinit {
        parser.deinitialize(count: 1)
        parser.deallocate()
    }

    private mutating func document() -> ConfigurationNode? {
        guard yaml_parser_initialize(parser) == 1 else {
            problems.add(
                file: file, "cannot be read: the YAML library has no memory left; make it shorter")
            return nil
        }
        defer { yaml_parser_delete(parser) }
        let input = bytes
        // Safe because the parser reads the input only in yaml_parser_parse, and every such
        // call happens inside this closure, where the pointer is valid.
        return input.withUnsafeBufferPointer { buffer in
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
            return root()
        }
    }

    private mutating func root() -> ConfigurationNode? {
        let empty = ConfigurationNode(file: file, line: 1, column: 1, keyPath: "", content: .null)
        guard next() != nil, let first = next() else { return nil }
        guard first.kind == .documentStart else { return empty }
        guard let start = next(), let tree = node(start, path: "", depth: 0) else { return nil }
        guard next() != nil, let last = next() else { return nil }
        guard last.kind == .streamEnd else {
            refuse(last, "", "begins a second document; put one document in a file")
            return nil
        }
        return tree
    }

    /// Builds the value that begins with an event. Nil means that reading cannot go on.
    private mutating func node(_ event: Event, path: String, depth: Int) -> ConfigurationNode? {
        nodeCount += 1
        guard nodeCount <= ConfigurationLimit.nodeLimit else {
            refuse(
                event, path,
                "is one value too many: \(ConfigurationLimit.nodeLimit) are allowed in a file")
            return nil
        }
        guard depth <= ConfigurationLimit.depthLimit else {
            refuse(
                event, path,
                "is nested too deeply: \(ConfigurationLimit.depthLimit) levels are allowed")
            return nil
        }
        if event.hasAnchor {
            refuse(event, path, "has an anchor (&); anchors are not read, write the value out")
        }
        if event.hasTag {
            refuse(event, path, "has a tag (!); tags are not read, remove it")
        }
        let content: ConfigurationNode.Content
        switch event.kind {
        case .alias:
            refuse(
                event, path,
                "is an alias (*); aliases are not read: write the value out, or put quotes "
                    + "around a text that begins with *")
            content = .null
        case .scalar:
            content = YAMLReader.scalar(event)
        case .sequenceStart:
            guard let elements = elements(path: path, depth: depth) else { return nil }
            content = .sequence(elements)
        case .mappingStart:
            guard let entries = entries(path: path, depth: depth) else { return nil }
            content = .mapping(entries)
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            refuse(event, path, "is not valid YAML here")
            return nil
        }
        return ConfigurationNode(
            file: file, line: event.line, column: event.column, keyPath: path, content: content)
    }

    private mutating func elements(path: String, depth: Int) -> [ConfigurationNode]? {
        var elements: [ConfigurationNode] = []
        while true {
            guard let event = next() else { return nil }
            if event.kind == .sequenceEnd { return elements }
            let path = ConfigurationNode.join(path, elements.count)
            guard let element = node(event, path: path, depth: depth + 1) else { return nil }
            elements.append(element)
        }
    }

    private mutating func entries(
        path: String, depth: Int
    ) -> [(key: ConfigurationNode, value: ConfigurationNode)]? {
        var entries: [(key: ConfigurationNode, value: ConfigurationNode)] = []
        var lineOfKey: [String: Int] = [:]
        while true {
            guard let event = next() else { return nil }
            if event.kind == .mappingEnd { return entries }
            let keyPath = event.kind == .scalar ? ConfigurationNode.join(path, event.text) : path
            let isLeftOut = depth == 0 && leftOut.contains(event.text)
            guard let key = node(event, path: keyPath, depth: depth + 1), let start = next(),
                let value = isLeftOut
                    ? skipped(start, path: keyPath)
                    : node(start, path: keyPath, depth: depth + 1)
            else { return nil }
            guard event.kind == .scalar else {
                if event.kind != .alias {
                    refuse(event, path, "has a key that is a list or a mapping; use a word")
                }
                continue
            }
            if let line = lineOfKey[event.text] {
                refuse(event, keyPath, "duplicate key: it is already set in line \(line)")
                continue
            }
            lineOfKey[event.text] = event.line
            // A key is a word even when it is spelled like a null: `~`, `null`.
            var word = key
            word.content = .scalar(event.text, event.isPlain ? .plain : .quoted)
            entries.append((word, value))
        }
    }

    /// Goes over the value that begins with an event, in its place a null. Nil means that reading
    /// cannot go on.
    private mutating func skipped(_ start: Event, path: String) -> ConfigurationNode? {
        var openCount = 0
        var event = start
        while true {
            switch event.kind {
            case .sequenceStart, .mappingStart: openCount += 1
            case .sequenceEnd, .mappingEnd: openCount -= 1
            case .alias, .scalar, .streamStart, .streamEnd, .documentStart, .documentEnd: break
            }
            if openCount == 0 { break }
            guard let next = next() else { return nil }
            event = next
        }
        return ConfigurationNode(
            file: file, line: start.line, column: start.column, keyPath: path, content: .null)
    }

    private static func scalar(_ event: Event) -> ConfigurationNode.Content {
        guard event.isPlain else { return .scalar(event.text, .quoted) }
        switch event.text {
        case "", "~", "null", "Null", "NULL": return .null
        default: return .scalar(event.text, .plain)
        }
    }

    private func refuse(_ event: Event, _ path: String, _ sentence: String) {
        problems.add(
            file: file, line: event.line, column: event.column, keyPath: path, sentence)
    }
}

// MARK: - libyaml

extension YAMLReader {
    /// The next event, or nil with a problem recorded when the bytes are not YAML.
    private mutating func next() -> Event? {
        var raw = yaml_event_t()
        guard yaml_parser_parse(parser, &raw) == 1 else {
            recordSyntaxError()
            return nil
        }
        defer { yaml_event_delete(&raw) }
        var event = Event(
            kind: .streamEnd, line: Int(raw.start_mark.line) + 1,
            column: Int(raw.start_mark.column) + 1)
        switch raw.type {
        case YAML_STREAM_START_EVENT: event.kind = .streamStart
        case YAML_DOCUMENT_START_EVENT: event.kind = .documentStart
        case YAML_DOCUMENT_END_EVENT: event.kind = .documentEnd
        case YAML_ALIAS_EVENT: event.kind = .alias
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            event.kind = .scalar
            // Safe because libyaml owns `length` bytes at `value` until the event is deleted.
            let buffer = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            event.text = String(decoding: buffer, as: UTF8.self)
            if keepsSubstitutionsWhole { event.text = SubstitutionMask.unmasking(event.text) }
            event.isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            event.hasAnchor = scalar.anchor != nil
            event.hasTag = scalar.tag != nil
        case YAML_SEQUENCE_START_EVENT:
            event.kind = .sequenceStart
            event.hasAnchor = raw.data.sequence_start.anchor != nil
            event.hasTag = raw.data.sequence_start.tag != nil
        case YAML_SEQUENCE_END_EVENT: event.kind = .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            event.kind = .mappingStart
            event.hasAnchor = raw.data.mapping_start.anchor != nil
            event.hasTag = raw.data.mapping_start.tag != nil
        case YAML_MAPPING_END_EVENT: event.kind = .mappingEnd
        default: event.kind = .streamEnd
        }
        return event
    }

    private func recordSyntaxError() {
        let state = parser.pointee
        // Safe because libyaml points to constant, terminated texts of its own.
        let reason = state.problem.map { String(cString: $0) } ?? "unknown error"
        // Safe because libyaml points to constant, terminated texts of its own.
        let context = state.context.map { String(cString: $0) } ?? ""
        var line = Int(state.problem_mark.line) + 1
        var column = Int(state.problem_mark.column) + 1
        if state.error == YAML_READER_ERROR {
            (line, column) = YAMLReader.place(ofByte: state.problem_offset, in: bytes)
        }
        var sentence = "is not valid YAML: " + reason
        if !context.isEmpty {
            sentence += " " + context
            let startLine = Int(state.context_mark.line) + 1
            if startLine != line { sentence += " that begins in line \(startLine)" }
        }
        problems.add(
            file: file, line: line, column: column,
            sentence + "; " + wayOut(reason: reason, context: context, line: line, column: column))
    }

    private func wayOut(reason: String, context: String, line: Int, column: Int) -> String {
        if context.hasSuffix("alias") || context.hasSuffix("anchor") {
            return "put quotes around a text that begins with * or &"
        }
        if reason.hasPrefix("mapping values are not allowed") {
            return "check the indentation, and put quotes around a text that holds \": \""
        }
        if reason.contains("UTF-8") || reason.contains("control characters") {
            return "save the file as UTF-8 text"
        }
        switch byte(line: line, column: column) {
        case UInt8(ascii: "\t"): return "indent with spaces, not with tabs"
        case UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "%"):
            return "put quotes around a text that begins with this character"
        default: return "check indentation, brackets and quotes"
        }
    }

    /// The byte at a place, as far as the line is ASCII; good enough to choose a hint.
    private func byte(line: Int, column: Int) -> UInt8? {
        let lines = bytes.split(
            separator: UInt8(ascii: "\n"), maxSplits: line, omittingEmptySubsequences: false)
        guard lines.indices.contains(line - 1) else { return nil }
        return lines[line - 1].dropFirst(column - 1).first
    }

    private static func place(ofByte offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        var line = 1
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return (line, column)
    }
}
