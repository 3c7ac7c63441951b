// SPDX-License-Identifier: Apache-2.0
import Ledger
import Pipeline
import Platform

/// `sealtail replay`: sends events of the ledger, or the dead letters of a sink, to it again.
enum ReplayCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        let request = try request(options)
        let path = options.configurationPath
        let place = try LedgerCommand.place(configuration: path)
        guard FileSystem.exists(place.folder) else {
            throw CommandFailure("\(place.folder): there is no state directory", .noInput)
        }
        if options.has("dry-run") { return try look(request, place) }
        return try replay(request, place, path)
    }

    // MARK: What is meant

    private static func request(_ options: Options) throws(UsageError) -> ReplayRequest {
        guard let sink = options.value("sink") else { throw UsageError("--sink is missing") }
        let isTime = options.value("since") != nil || options.value("until") != nil
        let isNumbers = options.value("stream") != nil || options.value("seq") != nil
        let ways = [isTime, isNumbers, options.has("dead-letter")].count { $0 }
        guard ways == 1 else {
            throw UsageError(
                ways == 0
                    ? "say what to send: a time, a stream with numbers, or --dead-letter"
                    : "time, stream and --dead-letter exclude each other")
        }
        if options.has("dead-letter") { return ReplayRequest(sink: sink, .deadLetter) }
        if isTime { return ReplayRequest(sink: sink, .ledger(try time(options))) }
        guard let stream = options.value("stream"), let text = options.value("seq") else {
            throw UsageError("--stream and --seq go together")
        }
        return ReplayRequest(
            sink: sink, .ledger(.numbers(stream: stream, try numbers(text))))
    }

    private static func time(_ options: Options) throws(UsageError) -> LedgerSelection {
        let now = SystemClock().now()
        func moment(_ option: String, _ text: String?) throws(UsageError) -> Timestamp? {
            guard let text else { return nil }
            if let time = TimeArgument.read(text, now: now) { return time }
            throw UsageError("\(option) takes \(TimeArgument.forms), not \(text)")
        }
        let since = try moment("--since", options.value("since"))
        let until = try moment("--until", options.value("until"))
        if let since, let until, since >= until {
            throw UsageError("--since must be before --until")
        }
        return .time(since: since, until: until)
    }

    /// `7`, `7..9`, `7..` or `..9`; both ends belong to it.
    private static func numbers(_ text: String) throws(UsageError) -> ClosedRange<UInt64> {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let ends: (first: UInt64?, last: UInt64?)
        switch parts.count {
        case 1: ends = (UInt64(parts[0]), UInt64(parts[0]))
        case 3 where parts[1].isEmpty && parts[0] + parts[2] != "":
            ends = (
                parts[0].isEmpty ? 0 : UInt64(parts[0]),
                parts[2].isEmpty ? UInt64(Int64.max) : UInt64(parts[2])
            )
        default: ends = (nil, nil)
        }
        guard let first = ends.first, let last = ends.last, first <= last else {
            throw UsageError("--seq takes two numbers such as 7..9, not \(text)")
        }
        return first...last
    }

    // MARK: Doing it

    private static func look(
        _ request: ReplayRequest, _ place: LedgerCommand.Place
    ) throws(PipelineError) -> ExitCode {
        let tally = try Replayer.look(request, directory: place.folder, keys: place.keys)
        talk("would send \(tally.sent) events to \(request.sink)" + remarks(tally))
        return tally.hasMatches ? .ok : .noInput
    }

    private static func replay(
        _ request: ReplayRequest, _ place: LedgerCommand.Place, _ path: String
    ) throws -> ExitCode {
        let signals = try Signals([.interrupt, .terminate])
        let bar = ProgressBar()
        let replayer = Replayer(request, directory: place.folder, signals: signals) { tally in
            bar.show(
                tally.progress,
                "sent \(tally.sent), confirmed \(tally.confirmed), refused \(tally.refused)")
        }
        defer { bar.clear() }
        let outcome = try replayer.run {
            let problems = ConfigurationProblems()
            let read = ConfigurationFile.read(path, problems)
            guard problems.isEmpty else {
                for problem in problems.list { talk("\(problem)") }
                return nil
            }
            return read
        }
        bar.clear()
        let tally = outcome.tally
        if let problem = outcome.problem { talk("sealtail replay: \(problem)") }
        if let refusal = tally.refusal { talk("\(request.sink) refused events: \(refusal)") }
        if !tally.hasMatches, outcome.problem == nil {
            talk("nothing matched that \(request.sink) has passed")
        }
        talk(
            "sent \(tally.sent), confirmed \(tally.confirmed), refused \(tally.refused), "
                + "still waiting \(tally.waiting)" + remarks(tally))
        return outcome.exitCode
    }

    /// What was selected and is not sent.
    private static func remarks(_ tally: ReplayTally) -> String {
        let parts = [
            (tally.filtered, "filtered"), (tally.foreign, "sealed before the sink was there"),
            (tally.unreadable, "unreadable"), (tally.missing, "segments deleted meanwhile"),
        ]
        let shown = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return shown.isEmpty ? "" : "; " + shown.joined(separator: ", ")
    }
}

/// Shows on a terminal how far a command is, once that takes longer than a second.
final class ProgressBar {
    private static let delay = Duration.seconds(1)
    private static let interval = Duration.milliseconds(200)
    private static let width = 24

    private let clock = SystemClock()
    private let isShown = Console.isTerminal(.error)
    private var next: MonotonicInstant
    private var isThere = false

    init() {
        next = clock.monotonic().advanced(by: ProgressBar.delay)
    }

    /// Shows a part from 0 to 1 with some words, now and then.
    func show(_ part: Double, _ words: String) {
        let now = clock.monotonic()
        guard isShown, now >= next else { return }
        next = now.advanced(by: ProgressBar.interval)
        let full = Int(max(0, min(part, 1)) * Double(ProgressBar.width))
        let bar =
            String(repeating: "#", count: full)
            + String(repeating: ".", count: ProgressBar.width - full)
        Console.write("\r\u{1B}[K[\(bar)] \(words)", to: .error)
        isThere = true
    }

    /// Takes it away.
    func clear() {
        if isThere { Console.write("\r\u{1B}[K", to: .error) }
        isThere = false
    }
}
