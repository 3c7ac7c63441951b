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
        "verify config": "looks for events that the filter of that sink there leaves out",
        "verify sink": "the events are those of this sink; what its filter left out is no gap",
        "vkey": "the verifier key, or a file with one in each line",
        "watch": "keeps it live in the terminal; q leaves",
    ]

    /// What may stand first behind a command.
    private static let verbs: [String: [(name: String, meaning: String)]] = [
        "ledger": [
            ("ls", "segments and cursors"),
            ("dump", "every event as a sealed line, oldest first"),
            ("verify", "checksums, leaves, numbers and chain heads"),
            ("repair", "what is damaged, and with --apply sets it aside"),
            ("letters", "dead letters, decrypted"),
        ],
        "parsers": [
            ("list", "what each parser reads, and what its product must be told to log"),
            ("show", "what one parser was tried with, its formats and its actions"),
            ("test", "compares what parsers answer with their examples"),
            ("bench", "what a record of each format costs"),
        ],
    ]

    /// The summary, the usage and a line for each verb and each option.
    static func page(_ command: String, summary: String, usage: String) -> String {
        let options = StatedOption.all(in: usage).map { option in
            (
                name: "--" + option.name + (option.value.map { " " + $0 } ?? ""),
                meaning: meanings["\(command) \(option.name)"] ?? meanings[option.name] ?? ""
            )
        }
        let parts = [
            ["\(summary)", "usage: sealtail \(command) \(usage)"], lines(verbs[command] ?? []),
            lines(options),
        ]
        return parts.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") + "\n" }
            .joined(separator: "\n")
    }

    private static func lines(_ rows: [(name: String, meaning: String)]) -> [String] {
        let width = rows.map(\.name.count).max() ?? 0
        return rows.map { name, meaning in
            "  " + name + String(repeating: " ", count: width - name.count + 2) + meaning
        }
    }
}
