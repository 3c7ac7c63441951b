// SPDX-License-Identifier: Apache-2.0

/// Reads one mapping key by key and reports every mistake instead of throwing.
///
/// A value of the wrong kind or out of range gets a problem and the default. A key without a
/// value, `key:`, counts as left out. After the last key call `finish()`, which reports the keys
/// that nobody asked for.
public struct ConfigurationReader {
    /// The mapping that is read.
    public let node: ConfigurationNode
    /// Where mistakes go.
    public let problems: ConfigurationProblems

    private var entries: [String: (key: ConfigurationNode, value: ConfigurationNode)] = [:]
    private var order: [String] = []
    private var known: [String] = []

    /// Begins to read. Anything but a mapping or an empty value is a problem.
    public init(_ node: ConfigurationNode, _ problems: ConfigurationProblems) {
        self.node = node
        self.problems = problems
        switch node.content {
        case .null: break
        case .mapping(let list):
            for entry in list {
                guard let key = entry.key.scalar else { continue }
                entries[key] = entry
                order.append(key)
            }
        case .scalar, .sequence:
            problems.add(at: node, "must be a mapping of keys to values, is \(node.shown)")
        }
    }

    /// The keys as written, in the order of the file.
    public var keys: [String] { order }

    /// The node of a key, ticked off; nil when the key is missing or has no value.
    public mutating func node(_ key: String) -> ConfigurationNode? {
        allow(key)
        guard let value = entries[key]?.value, !value.isNull else { return nil }
        return value
    }

    /// Ticks a key off without reading it, so that `finish()` does not call it unknown.
    public mutating func allow(_ key: String) {
        if !known.contains(key) { known.append(key) }
    }

    /// Records a mistake at the value of a key, or at this mapping when the key is missing.
    public func problem(_ key: String, _ sentence: String) {
        if let value = entries[key]?.value { return problems.add(at: value, sentence) }
        problems.add(
            file: node.file, line: node.line, column: node.column, keyPath: node.path(of: key),
            sentence)
    }

    /// Reports the keys that were not asked for, with the key that was probably meant.
    public mutating func finish() {
        for key in order where !known.contains(key) {
            guard let entry = entries[key] else { continue }
            let sentence = "unknown key " + ConfigurationText.quoted(key)
            if let suggestion = ConfigurationText.closest(to: key, among: known) {
                problems.add(at: entry.key, sentence, suggestion: suggestion)
            } else if known.isEmpty {
                problems.add(at: entry.key, sentence + "; no key belongs here, leave it out")
            } else {
                problems.add(
                    at: entry.key,
                    sentence + "; known keys: " + known.sorted().joined(separator: ", "))
            }
        }
    }
}

// MARK: - Scalars

extension ConfigurationReader {
    /// The text of a key; nil when it is missing or no scalar.
    public mutating func string(_ key: String) -> String? {
        guard let value = node(key) else { return nil }
        guard let text = value.scalar else {
            problems.add(at: value, "must be a text, is \(value.shown)")
            return nil
        }
        return text
    }

    /// The text of a key, or the default.
    public mutating func string(_ key: String, default fallback: String) -> String {
        string(key) ?? fallback
    }

    /// The text of a key that must be there and not be empty; the empty text after a problem.
    public mutating func requiredString(_ key: String) -> String {
        guard let value = node(key) else {
            problem(key, "must be set")
            return ""
        }
        guard let text = value.scalar, !text.isEmpty else {
            problems.add(at: value, "must be a text that is not empty, is \(value.shown)")
            return ""
        }
        return text
    }

    /// `true` or `false`; nil when the key is missing or anything else.
    public mutating func bool(_ key: String) -> Bool? {
        guard let value = node(key) else { return nil }
        switch value.scalar {
        case "true": return true
        case "false": return false
        default:
            problems.add(at: value, "must be true or false, is \(value.shown)")
            return nil
        }
    }

    /// `true` or `false`, or the default.
    public mutating func bool(_ key: String, default fallback: Bool) -> Bool {
        bool(key) ?? fallback
    }

    /// A whole number of the range; nil when the key is missing or anything else.
    public mutating func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = node(key) else { return nil }
        guard let number = value.scalar.flatMap({ Int($0) }), range.contains(number) else {
            let bounds = "\(range.lowerBound) to \(range.upperBound)"
            problems.add(at: value, "must be \(bounds), is \(value.shown)")
            return nil
        }
        return number
    }

    /// A whole number of the range, or the default.
    public mutating func integer(
        _ key: String, in range: ClosedRange<Int>, default fallback: Int
    ) -> Int {
        integer(key, in: range) ?? fallback
    }

    /// A duration of the range, `500ms 5s 1m 1h 30d`; nil when missing or anything else.
    public mutating func duration(_ key: String, in range: ClosedRange<Duration>) -> Duration? {
        guard let value = node(key) else { return nil }
        let parsed = value.scalar.flatMap { ConfigurationText.duration($0) }
        if let parsed, range.contains(parsed) { return parsed }
        let lower = ConfigurationText.describe(range.lowerBound)
        let upper = ConfigurationText.describe(range.upperBound)
        let hint = parsed == nil ? "; write a number and one of ms, s, m, h, d" : ""
        problems.add(at: value, "must be \(lower) to \(upper), is \(value.shown)\(hint)")
        return nil
    }

    /// A duration of the range, or the default.
    public mutating func duration(
        _ key: String, in range: ClosedRange<Duration>, default fallback: Duration
    ) -> Duration {
        duration(key, in: range) ?? fallback
    }

    /// A size of the range in bytes, `64MiB 1GB 512`; nil when missing or anything else.
    public mutating func byteCount(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = node(key) else { return nil }
        let parsed = value.scalar.flatMap { ConfigurationText.byteCount($0) }
        if let parsed, range.contains(parsed) { return parsed }
        let lower = ConfigurationText.describe(byteCount: range.lowerBound)
        let upper = ConfigurationText.describe(byteCount: range.upperBound)
        let hint = parsed == nil ? "; write a number and one of KiB, MiB, GiB, kB, MB, GB" : ""
        problems.add(at: value, "must be \(lower) to \(upper), is \(value.shown)\(hint)")
        return nil
    }

    /// A size of the range in bytes, or the default.
    public mutating func byteCount(
        _ key: String, in range: ClosedRange<Int>, default fallback: Int
    ) -> Int {
        byteCount(key, in: range) ?? fallback
    }

    /// What one of the words stands for; nil when the key is missing or another word.
    public mutating func choice<T>(_ key: String, of choices: [String: T]) -> T? {
        choice(key, words: choices.keys.sorted()) { choices[$0] }
    }

    /// What one of the words stands for, or the default.
    public mutating func choice<T>(
        _ key: String, of choices: [String: T], default fallback: T
    ) -> T {
        choice(key, of: choices) ?? fallback
    }

    /// A case by its raw value; nil when the key is missing or another word.
    public mutating func choice<T: CaseIterable & RawRepresentable<String>>(
        _ key: String, of type: T.Type
    ) -> T? {
        choice(key, words: T.allCases.map(\.rawValue)) { T(rawValue: $0) }
    }

    /// A case by its raw value, or the default.
    public mutating func choice<T: CaseIterable & RawRepresentable<String>>(
        _ key: String, default fallback: T
    ) -> T {
        choice(key, of: T.self) ?? fallback
    }

    /// The bytes of a text that must never be printed; nil when the key is missing or empty.
    ///
    /// No problem about the value quotes it, wherever it came from.
    public mutating func secret(_ key: String) -> Secret? {
        guard let value = node(key) else { return nil }
        guard let text = value.scalar, !text.isEmpty else {
            problems.add(at: value, "must be a text that is not empty")
            return nil
        }
        return Secret(Array(text.utf8))
    }

    private mutating func choice<T>(
        _ key: String, words: [String], _ find: (String) -> T?
    ) -> T? {
        guard let value = node(key) else { return nil }
        if let found = value.scalar.flatMap(find) { return found }
        let sentence = "must be \(ConfigurationText.alternatives(words)), is \(value.shown)"
        let suggestion =
            value.isSecret
            ? nil : value.scalar.flatMap { ConfigurationText.closest(to: $0, among: words) }
        problems.add(at: value, sentence, suggestion: suggestion)
        return nil
    }
}

// MARK: - Lists and mappings

extension ConfigurationReader {
    /// The elements of a list of any kind; empty when the key is missing or no list.
    public mutating func nodes(_ key: String) -> [ConfigurationNode] {
        guard let value = node(key) else { return [] }
        guard let elements = value.elements else {
            let hint = value.scalar != nil && !value.isSecret ? "; write [\(value.shown)]" : ""
            problems.add(at: value, "must be a list, is \(value.shown)\(hint)")
            return []
        }
        return elements
    }

    /// The texts of a list; empty when the key is missing. What is no text is left out.
    public mutating func strings(_ key: String) -> [String] {
        nodes(key).compactMap { element in
            if let text = element.scalar { return text }
            problems.add(at: element, "must be a text, is \(element.shown)")
            return nil
        }
    }

    /// The texts of a list, or the default when the key is missing.
    public mutating func strings(_ key: String, default fallback: [String]) -> [String] {
        node(key) == nil ? fallback : strings(key)
    }

    /// The texts of a mapping of words to texts; empty when the key is missing.
    public mutating func stringMap(_ key: String) -> [String: String] {
        guard let value = node(key) else { return [:] }
        guard let entries = value.entries else {
            problems.add(at: value, "must be a mapping of words to texts, is \(value.shown)")
            return [:]
        }
        var result: [String: String] = [:]
        for entry in entries {
            guard let word = entry.key.scalar else { continue }
            guard let text = entry.value.scalar else {
                problems.add(at: entry.value, "must be a text, is \(entry.value.shown)")
                continue
            }
            result[word] = text
        }
        return result
    }

    /// A reader of the mapping at a key; nil when the key is missing or no mapping.
    ///
    /// The caller finishes the child as well.
    public mutating func child(_ key: String) -> ConfigurationReader? {
        guard let value = node(key) else { return nil }
        let reader = ConfigurationReader(value, problems)
        return value.entries == nil ? nil : reader
    }

    /// Readers of the mappings in a list; empty when the key is missing.
    ///
    /// An element that is no mapping is a problem and left out. The caller finishes each child.
    public mutating func children(_ key: String) -> [ConfigurationReader] {
        nodes(key).compactMap { element in
            let reader = ConfigurationReader(element, problems)
            if element.isNull {
                problems.add(at: element, "must be a mapping of keys to values, is empty")
            }
            return element.entries == nil ? nil : reader
        }
    }
}
