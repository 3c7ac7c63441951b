// SPDX-License-Identifier: Apache-2.0

/// What `sealtail COMMAND --help` prints: the usage line says which options there are, this file
/// what each one means. The manual page and the shells' completions are made from that output.
enum Help {
    /// Options by name; `command option` where one command means something of its own.
    private static let meanings: [String: String] = [
        "config": "the configuration; without it /etc/sealtail/agent.yaml",
        "explain": "says for each record which parser took it and why, on standard error",
        "format": "how events are written",
        "framing": "what wraps the lines, as inputs[].framing in the configuration",
        "json": "prints JSON for programs",
        "key": "a file with the key of an encrypted ledger",
        "keygen name": "the name that the key and its streams carry, as agent.name",
        "keygen out": "the folder for the two files",
        "kind": "what the value is; without it a token",
        "ledger apply": "sets aside what is damaged; without it nothing is changed",
        "ledger config": "takes the state directory and its keys from a configuration",
        "ledger sink": "only the events that this sink gets",
        "markdown": "prints a page for the documentation",
        "offline": "reads the configuration and nothing else: no log, no disk, no network",
        "parser": "the parser; auto, the default, lets every record find its own",
        "parsers fixtures": "the folder with the examples that parsers are tested with",
        "parsers update": "writes what the parsers answer into the examples",
        "parsers": "a folder whose parsers come before those of /etc and /usr/share",
        "setup dry-run": "prints the requests and sends nothing",
        "setup sink": "the sink whose cluster is meant, where there are several",
        "setup templates": "the folder of the templates; without it the package's own",
        "timezone": "for times without a zone, a name such as Europe/Berlin",
        "verify sink": "the events are those of this sink; what its filter left out is no gap",
        "vkey": "the verifier key, or a file with one in each line",
    ]

    /// The summary, the usage and a line for each option.
    static func page(_ command: String, summary: String, usage: String) -> String {
        let options = options(in: usage)
        let width = options.map(\.count).max() ?? 0
        let lines = options.map { option -> String in
            let name = String(option.dropFirst(2).prefix { $0 != " " })
            guard let meaning = meanings["\(command) \(name)"] ?? meanings[name] else {
                return "  " + option
            }
            let space = String(repeating: " ", count: width - option.count + 2)
            return "  " + option + space + meaning
        }
        let head = [summary, "usage: sealtail \(command) \(usage)"]
        return (head + (lines.isEmpty ? [] : [""]) + lines).joined(separator: "\n") + "\n"
    }

    /// `--name` or `--name VALUE`, in the order of the usage line, each once. What follows an
    /// option behind one space is its value, be it in brackets or not: `[--sink ID]`, `--out DIR`.
    private static func options(in usage: String) -> [String] {
        var options: [String] = []
        var rest = usage[...]
        while let dash = rest.firstIndex(of: "-") {
            rest = rest[dash...]
            var option = rest.prefix { $0 == "-" || $0.isLetter }
            rest = rest.dropFirst(option.count)
            guard option.hasPrefix("--") else { continue }
            let value = rest.dropFirst().prefix { $0 != " " && $0 != "]" && $0 != "\n" }
            if rest.first == " ", let first = value.first, first != "[", first != "-" {
                option += " " + value
                rest = rest.dropFirst(1 + value.count)
            }
            if !options.contains(String(option)) { options.append(String(option)) }
        }
        return options
    }
}
