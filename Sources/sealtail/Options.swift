// SPDX-License-Identifier: Apache-2.0
import Platform

/// An option as the usage line of a command states it: `--json`, or `--config FILE`.
struct StatedOption: Equatable {
    let name: String
    /// What stands for its value; nil for a flag.
    let value: String?

    /// Those of a usage line, in its order, each once. What follows an option behind one space is
    /// its value, be it in brackets or not: `[--sink ID]`, `--out DIR`.
    static func all(in usage: String) -> [StatedOption] {
        var options: [StatedOption] = []
        var rest = usage[...]
        while let dash = rest.firstIndex(of: "-") {
            rest = rest[dash...]
            let dashed = rest.prefix { $0 == "-" || $0.isLetter }
            rest = rest.dropFirst(dashed.count)
            guard dashed.hasPrefix("--") else { continue }
            let word = rest.dropFirst().prefix { $0 != " " && $0 != "]" && $0 != "\n" }
            var value: String?
            if rest.first == " ", let first = word.first, !"[(|-".contains(first) {
                value = String(word)
                rest = rest.dropFirst(1 + word.count)
            }
            let option = StatedOption(name: String(dashed.dropFirst(2)), value: value)
            if !options.contains(option) { options.append(option) }
        }
        return options
    }
}

/// The options of one command, read as getopt_long(3) reads them: `--name value`, `--name=value`,
/// unambiguous abbreviations, options and operands in any order, `--` ends the options.
struct Options {
    private let stated: [StatedOption]
    private var values: [String: String] = [:]
    private var flags: Set<String> = []
    /// What is no option, in order.
    private(set) var operands: [String] = []

    /// Reads the arguments that follow the command's name; its usage line says what may be there.
    ///
    /// Throws a `UsageError` that says which option is unknown or lacks its value.
    init(_ arguments: [String], usage: String) throws(UsageError) {
        stated = StatedOption.all(in: usage)
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                operands += rest
                return
            }
            guard argument.hasPrefix("--"), argument.count > 2 else {
                if argument.hasPrefix("-"), argument != "-" {
                    throw UsageError("unknown option \(argument)")
                }
                operands.append(argument)
                continue
            }
            let body = argument.dropFirst(2)
            let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let option = try resolve(String(parts[0]))
            let attached = parts.count == 2 ? String(parts[1]) : nil
            if option.value == nil {
                guard attached == nil else { throw UsageError("--\(option.name) takes no value") }
                flags.insert(option.name)
            } else if let value = attached ?? rest.popFirst() {
                values[option.name] = value
            } else {
                throw UsageError("--\(option.name) needs a value")
            }
        }
    }

    private func resolve(_ name: String) throws(UsageError) -> StatedOption {
        if let option = stated.first(where: { $0.name == name }) { return option }
        let candidates = stated.filter { $0.name.hasPrefix(name) }
        if candidates.count == 1, let only = candidates.first { return only }
        if candidates.isEmpty { throw UsageError("unknown option --\(name)") }
        let list = candidates.map { "--" + $0.name }.joined(separator: ", ")
        throw UsageError("--\(name) could be any of \(list)")
    }

    /// True when the flag was given.
    func has(_ flag: String) -> Bool { flags.contains(flag) }

    /// The value of an option, nil when it was not given.
    func value(_ name: String) -> String? { values[name] }

    /// The file of `--config`, or where the package puts it.
    var configurationPath: String { value("config") ?? ConfigurationFile.defaultPath }

    /// For a command that takes nothing but options.
    func refuseOperands() throws(UsageError) {
        if let first = operands.first { throw UsageError("unexpected argument \(first)") }
    }
}

/// A command line that cannot be understood.
struct UsageError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Mistakes of a configuration or of parsers: a line each, which begins with its own place.
struct Mistakes: Error {
    let lines: [String]

    init(_ problems: [ConfigurationProblem]) {
        lines = problems.map(\.description)
    }
}

/// Why a command ends without an answer, where no error of a stage says it.
struct CommandFailure: CommandError {
    let description: String
    let exitCode: ExitCode

    init(_ description: String, _ exitCode: ExitCode) {
        self.description = description
        self.exitCode = exitCode
    }
}

/// Writes a line where people read: standard error.
func talk(_ line: String) {
    Console.write(line + "\n", to: .error)
}

/// Writes text where programs read: standard output.
func emit(_ text: String) {
    Console.write(text, to: .output)
}
