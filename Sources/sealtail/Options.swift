// SPDX-License-Identifier: Apache-2.0
import Platform

/// The options of one command, read as getopt_long(3) reads them: `--name value`, `--name=value`,
/// unambiguous abbreviations, options and operands in any order, `--` ends the options.
struct Options {
    private var values: [String: String] = [:]
    private var flags: Set<String> = []
    /// What is no option, in order.
    private(set) var positional: [String] = []

    /// Reads the arguments that follow the command's name.
    ///
    /// Throws a `UsageError` that says which option is unknown or lacks its value.
    init(_ arguments: [String], flags: [String] = [], values: [String] = []) throws(UsageError) {
        let known = flags + values
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                positional += rest
                return
            }
            guard argument.hasPrefix("--"), argument.count > 2 else {
                if argument.hasPrefix("-"), argument != "-" {
                    throw UsageError("unknown option \(argument)")
                }
                positional.append(argument)
                continue
            }
            let body = argument.dropFirst(2)
            let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try Options.resolve(String(parts[0]), among: known)
            let attached = parts.count == 2 ? String(parts[1]) : nil
            if flags.contains(name) {
                guard attached == nil else { throw UsageError("--\(name) takes no value") }
                self.flags.insert(name)
            } else if let value = attached ?? rest.popFirst() {
                self.values[name] = value
            } else {
                throw UsageError("--\(name) needs a value")
            }
        }
    }

    private static func resolve(
        _ name: String, among known: [String]
    ) throws(UsageError) -> String {
        if known.contains(name) { return name }
        let candidates = known.filter { $0.hasPrefix(name) }
        if candidates.count == 1, let only = candidates.first { return only }
        if candidates.isEmpty { throw UsageError("unknown option --\(name)") }
        let list = candidates.map { "--" + $0 }.joined(separator: ", ")
        throw UsageError("--\(name) could be any of \(list)")
    }

    /// True when the flag was given.
    func has(_ flag: String) -> Bool { flags.contains(flag) }

    /// The value of an option, nil when it was not given.
    func value(_ name: String) -> String? { values[name] }
}

/// A command line that cannot be understood; exits with 64.
struct UsageError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// What the commands answer with, as sysexits(3) numbers it.
enum ExitCode {
    static let ok: Int32 = 0
    static let usage: Int32 = 64
    static let badData: Int32 = 65
    static let noInput: Int32 = 66
    static let unavailable: Int32 = 69
    static let software: Int32 = 70
    static let inputOutput: Int32 = 74
    static let permission: Int32 = 77
    static let configuration: Int32 = 78
}

/// Writes a line where people read: standard error.
func talk(_ line: String) {
    Console.write(line + "\n", to: .error)
}

/// Writes text where programs read: standard output.
func emit(_ text: String) {
    Console.write(text, to: .output)
}
