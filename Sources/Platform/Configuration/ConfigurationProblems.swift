// SPDX-License-Identifier: Apache-2.0

/// One mistake in a configuration: a place, and a sentence with a way out.
public struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file as the caller named it.
    public let file: String
    /// The first line is 1. Zero means the file as a whole.
    public let line: Int
    /// The first column is 1.
    public let column: Int
    /// The way to the value, for example `sinks[0].timeout`; empty when there is none.
    public let keyPath: String
    /// What is wrong and what to write instead.
    public let sentence: String
    /// True when nothing is known to be wrong: the value is a credential, and this process is no
    /// service of systemd, which alone hands credentials out. Who needs the value cannot go on.
    public let isElsewhere: Bool

    /// For example `agent.yaml:14:9: sinks[0].timeout: must be 1s to 5m, is "0"`.
    public var description: String {
        let place = line > 0 ? "\(file):\(line):\(column)" : file
        return keyPath.isEmpty ? "\(place): \(sentence)" : "\(place): \(keyPath): \(sentence)"
    }
}

/// Collects every mistake, so that a person sees all of them at once.
///
/// One loader and its readers share one object on one thread; hand on `list`, not the object.
public final class ConfigurationProblems {
    private var collected: [ConfigurationProblem] = []

    /// How many problems were left out of `list` because there were too many.
    public private(set) var omittedCount = 0

    /// Starts with no problem.
    public init() {}

    /// True as long as nothing was wrong.
    public var isEmpty: Bool { collected.isEmpty }

    /// The problems by file, line and column; at one place in the order they were found.
    public var list: [ConfigurationProblem] {
        collected.enumerated().sorted { left, right in
            let (a, b) = (left.element, right.element)
            if a.file != b.file { return a.file < b.file }
            if a.line != b.line { return a.line < b.line }
            if a.column != b.column { return a.column < b.column }
            return left.offset < right.offset
        }.map(\.element)
    }

    /// What is wrong wherever the configuration is read, in the order of `list`.
    public var mistakes: [ConfigurationProblem] { list.filter { !$0.isElsewhere } }

    /// Records a mistake at a node. The sentence goes on after the key path: `must be …`.
    public func add(at node: ConfigurationNode, _ sentence: String, isElsewhere: Bool = false) {
        guard !node.isBroken else { return }
        add(
            file: node.file, line: node.line, column: node.column, keyPath: node.keyPath,
            sentence, isElsewhere: isElsewhere)
    }

    /// Records a mistake at a node and, if there is one, the word that was probably meant.
    public func add(at node: ConfigurationNode, _ sentence: String, suggestion: String?) {
        guard let suggestion else { return add(at: node, sentence) }
        add(at: node, sentence + "; did you mean " + ConfigurationText.quoted(suggestion) + "?")
    }

    /// Records a mistake at a place that has no node. Line 0 means the file as a whole.
    public func add(
        file: String, line: Int = 0, column: Int = 0, keyPath: String = "", _ sentence: String,
        isElsewhere: Bool = false
    ) {
        let problem = ConfigurationProblem(
            file: file, line: line, column: column, keyPath: keyPath, sentence: sentence,
            isElsewhere: isElsewhere)
        // What several parts refer to is noticed several times and is one mistake.
        if collected.contains(problem) { return }
        guard collected.count < ConfigurationLimit.problemLimit else {
            omittedCount += 1
            return
        }
        collected.append(problem)
    }
}
