// SPDX-License-Identifier: Apache-2.0
import Platform

/// The command line: finds the command, hands it its options and tells what went wrong.
@main
enum Main {
    private struct Command: Sendable {
        let name: String
        let summary: String
        let usage: String
        let run: @Sendable (Options) throws -> ExitCode
    }

    private static let commands = [
        Command(
            name: "run", summary: "run the agent in the foreground",
            usage: "[--config FILE]", run: RunCommand.run),
        Command(
            name: "status", summary: "show how the running agent is doing",
            usage: "[--config FILE] [--watch|--json]", run: StatusCommand.run),
        Command(
            name: "init", summary: "look at this machine and write a first configuration",
            usage: "[--out FILE] [--force] [--print] [--state DIR] [--user NAME] [--root DIR] "
                + "[--parsers DIR]",
            run: InitCommand.run),
        Command(
            name: "check", summary: "find every mistake of a configuration",
            usage: "[--config FILE] [--offline] [--user NAME]", run: CheckCommand.run),
        Command(
            name: "parse", summary: "turn log files into canonical events",
            usage: "[--parser NAME|auto] [--framing KIND] [--format canonical|ecs|ocsf] "
                + "[--timezone ZONE] [--parsers DIR] [--explain] FILE…|-",
            run: ParseCommand.run),
        Command(
            name: "parsers", summary: "list, show and test the parsers",
            usage: "list [--markdown]|show NAME|test [NAME] [--update]|bench [NAME] "
                + "[--parsers DIR] [--fixtures DIR]",
            run: ParsersCommand.run),
        Command(
            name: "schema", summary: "print the fields of events and where other models have them",
            usage: "[--json|--markdown]", run: SchemaCommand.run),
        Command(
            name: "keygen", summary: "make a signing key and its verifier key",
            usage: "--name NAME --out DIR", run: KeygenCommand.run),
        Command(
            name: "verify", summary: "check sealed events with a verifier key",
            usage: "--vkey KEY|FILE [--sink ID [--config FILE]] [--json] FILE…|-",
            run: VerifyCommand.run),
        Command(
            name: "fingerprint", summary: "turn a value into the fingerprint that events carry",
            usage: "[--kind token|session|user|email|ip] [--config FILE] -",
            run: FingerprintCommand.run),
        Command(
            name: "ledger", summary: "look into a state directory",
            usage: "ls [--json]|dump [--sink ID]|verify [--json]|repair [--apply]|letters "
                + "DIR|FILE…|--config FILE [--key FILE]",
            run: LedgerCommand.run),
        Command(
            name: "doctor", summary: "gather what helps to find a fault, and no secret",
            usage: "[--config FILE] [--out FILE.tar.gz|-] [--offline]", run: DoctorCommand.run),
        Command(
            name: "replay", summary: "send events to a sink again, or its dead letters",
            usage: "--sink ID (--since T --until T | --stream S --seq A..B | --dead-letter) "
                + "[--dry-run] [--config FILE]",
            run: ReplayCommand.run),
        Command(
            name: "setup", summary: "put index templates into a cluster",
            usage: "elasticsearch [--config FILE] [--sink ID] [--templates DIR] [--dry-run]",
            run: SetupCommand.run),
        Command(
            name: "version", summary: "say the version", usage: "[--json]",
            run: VersionCommand.run),
    ]

    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        guard let name = arguments.first else {
            talk(usage)
            Console.exit(.usage)
        }
        arguments.removeFirst()
        if name == "help" || name == "--help" || name == "-h" {
            emit(usage + "\n")
            Console.exit(.ok)
        }
        guard let command = commands.first(where: { $0.name == name || "--" + $0.name == name })
        else {
            talk("sealtail: there is no command \(name)\n\n\(usage)")
            Console.exit(.usage)
        }
        if arguments.contains("--help") || arguments.contains("-h") {
            emit(Help.page(command.name, summary: command.summary, usage: command.usage))
            Console.exit(.ok)
        }
        do {
            Console.exit(try command.run(Options(arguments, usage: command.usage)))
        } catch {
            Console.exit(tell(error, command))
        }
    }

    /// Tells why a command ended, and says how it exits.
    private static func tell(_ error: any Error, _ command: Command) -> ExitCode {
        switch error {
        case let mistakes as Mistakes:
            for line in mistakes.lines { talk(line) }
            return .configuration
        case let error as any CommandError:
            talk("sealtail \(command.name): \(error)")
            return error.exitCode
        case let error as UsageError:
            talk("sealtail \(command.name): \(error)")
            talk("usage: sealtail \(command.name) \(command.usage)")
            return .usage
        default:
            talk("sealtail \(command.name): \(error)")
            return .software
        }
    }

    private static var usage: String {
        let width = commands.map(\.name.count).max() ?? 0
        let lines = commands.map { command in
            let space = String(repeating: " ", count: width - command.name.count + 2)
            return "  " + command.name + space + command.summary
        }
        return (["usage: sealtail COMMAND [OPTIONS]", ""] + lines).joined(separator: "\n")
    }
}

/// Prints the version.
enum VersionCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        emit(
            options.has("json")
                ? "{\"name\":\"sealtail\",\"version\":\"\(sealtailVersion)\"}\n"
                : "sealtail \(sealtailVersion)\n")
        return .ok
    }
}
