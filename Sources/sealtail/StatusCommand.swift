// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform
import Sinks

/// `sealtail status [--watch|--json]`: how the running agent is doing, from its own `/status.json`.
enum StatusCommand {
    /// How often `--watch` asks.
    private static let interval = Duration.seconds(2)
    /// How soon a key, a signal or another size of the terminal is noticed.
    private static let attention = Duration.milliseconds(100)

    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        if options.has("watch"), options.has("json") {
            throw UsageError("--watch and --json do not go together")
        }
        if options.has("watch"), !Terminal.isInteractive {
            throw UsageError("--watch needs a terminal; leave it out, or ask for --json")
        }
        let place = try Place(options.configurationPath)
        if options.has("watch") { return try watch(place) }
        let body = try place.get("/status.json")
        if options.has("json") {
            emit(String(decoding: body, as: UTF8.self))
            return .ok
        }
        let isPlain = !Terminal.isOutput || ProcessFacts.environment("NO_COLOR") != nil
        var screen = StatusScreen(isColored: !isPlain)
        for line in try place.lines(&screen, body) { emit(line + "\n") }
        return .ok
    }

    // MARK: Asking

    /// Where the agent of a configuration answers.
    private struct Place {
        let text: String
        let certificate: String?
        let token: Secret?

        /// Other mistakes than those about the place do not matter here: secrets of sinks, say,
        /// that only the service can read.
        init(_ path: String) throws {
            let problems = ConfigurationProblems()
            guard let configuration = ConfigurationFile.read(path, problems) else {
                throw Mistakes(problems.list)
            }
            guard let listen = configuration.listen else {
                throw CommandFailure(
                    "\(path): agent.listen is none, so the agent tells nothing", .unavailable)
            }
            text = listen.localText
            certificate = configuration.status.tls?.certificate
            token = configuration.status.token
        }

        func get(_ page: String) throws(CommandFailure) -> [UInt8] {
            let answer: LocalRequest.Answer
            do throws(LocalRequest.Failure) {
                answer = try LocalRequest.get(
                    page, at: text, certificate: certificate, token: token)
            } catch {
                throw CommandFailure(
                    "no agent answers: \(error); is it running?", .unavailable)
            }
            if answer.status == 200 { return answer.body }
            if answer.status == 401 {
                throw CommandFailure(
                    "the agent at \(text) does not take the token of "
                        + "agent.status.token; where systemd keeps it, run as root with "
                        + "CREDENTIALS_DIRECTORY=/run/credentials/sealtail.service",
                    .permission)
            }
            let words = ConfigurationText.printable(
                String(decoding: answer.body.prefix(240), as: UTF8.self)
            ).split(separator: " ").joined(separator: " ")
            throw CommandFailure(
                "what listens at \(text) answers \(answer.status): \(words)",
                answer.status == 403 ? .permission : .unavailable)
        }

        func lines(_ screen: inout StatusScreen, _ body: [UInt8]) throws(CommandFailure) -> [String]
        {
            guard let document = try? JSONDocument(reading: body),
                let lines = screen.lines(document)
            else {
                throw CommandFailure(
                    "what listens at \(text) is no agent of this version", .unavailable)
            }
            return lines
        }
    }

    // MARK: Watching

    /// Draws until `q`, ctrl-c or a signal.
    private static func watch(_ place: Place) throws -> ExitCode {
        let signals = try Signals([.terminate, .interrupt, .hangUp])
        let clock = SystemClock()
        let terminal = Terminal()
        defer { terminal.close() }
        var screen = StatusScreen(isColored: ProcessFacts.environment("NO_COLOR") == nil)
        screen.keepsTraces = true
        var lines: [String] = []
        var size: Terminal.Size?
        var next = clock.monotonic()
        while true {
            let isDue = clock.monotonic() >= next
            if isDue {
                next = clock.monotonic().advanced(by: interval)
                lines = look(place, &screen, former: lines)
            }
            if isDue || size != Terminal.size {
                size = Terminal.size
                terminal.draw(StatusScreen.fit(lines + ["", "q leaves"], to: size))
            }
            switch terminal.key(waitingAtMost: attention) {
            // q, Q, ctrl-c, ctrl-d
            case .byte(0x71), .byte(0x51), .byte(3), .byte(4), .end: return .ok
            case .byte, .none: break
            }
            if signals.poll() != nil { return .ok }
        }
    }

    /// The lines by now; the last ones below a sentence when nobody answers.
    private static func look(
        _ place: Place, _ screen: inout StatusScreen, former: [String]
    ) -> [String] {
        do throws(CommandFailure) {
            return try place.lines(&screen, try place.get("/status.json"))
        } catch {
            return screen.lost(error.description, former)
        }
    }
}
