// SPDX-License-Identifier: Apache-2.0

/// What `sealtail COMMAND --help` prints: the usage line says which options there are, this file
/// what each one means. The manual page and the shells' completions are made from that output.
enum Help {
    /// Options by name; `command option` where one command means something of its own.
    private static let meanings: [String: String] = [
        "check user": "the user whose rights are looked at; without it the service's own",
        "config": "the configuration; without it /etc/sealtail/agent.yaml",
        "dead-letter": "what rests in the sink's dead letter",
        "doctor out": "the archive; - is standard output, and without it a name with the time",
        "dry-run": "says what would be done and does nothing",
        "explain": "says of each record on standard error how it was read and what named it",
        "format": "how events are written",
        "framing": "what wraps the lines, as inputs[].framing in the configuration",
        "init force": "puts a configuration that is there aside, as agent.yaml.old",
        "init out": "where the configuration goes; without it /etc/sealtail/agent.yaml",
        "init print": "prints the configuration and writes nothing",
        "init root": "looks at the machine whose files are under this folder",
        "init state": "the state directory that the configuration names",
        "init user": "the user who will have to read the logs; without it the service's own",
        "json": "prints JSON for programs",
        "key": "a file with the key of an encrypted ledger",
        "keygen name": "the name that the key and its streams carry, as agent.name",
        "keygen out": "the folder for the two files",
        "kind": "what the value is; without it a token",
        "ledger apply": "sets aside what is damaged; without it nothing is changed",
        "ledger config": "takes the state directory and its keys from a configuration",
        "ledger sink": "only the events that this sink gets",
        "markdown": "prints a page for the documentation",
        "offline": "does not ask whether logs can be read, the state written and sinks reached",
        "parser": "the parser; auto, the default, lets every record find its own",
        "parsers fixtures": "the folder with the examples that parsers are tested with",
        "parsers update": "writes what the parsers answer into the examples",
        "parsers": "a folder whose parsers come before those of /etc and /usr/share",
        "replay sink": "the sink that gets them again",
        "seq": "their first and last number",
        "setup dry-run": "prints the requests and sends nothing",
        "setup sink": "the sink whose cluster is meant, where there are several",
        "setup templates": "the folder of the templates; without it the package's own",
        "since": "events from this time on",
        "stream": "events of this stream",
        "timezone": "for times without a zone, a name such as Europe/Berlin",
        "until": "events before this time",
        "verify sink": "the events are those of this sink; what its filter left out is no gap",
        "vkey": "the verifier key, or a file with one in each line",
        "watch": "keeps it live in the terminal; q leaves",
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
            if rest.first == " ", let first = value.first, !"[(|-".contains(first) {
                option += " " + value
                rest = rest.dropFirst(1 + value.count)
            }
            if !options.contains(String(option)) { options.append(String(option)) }
        }
        return options
    }
}
