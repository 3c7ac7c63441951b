// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The agent's own voice: one line per statement, on standard error.
///
/// The message is fixed text; what varies goes into fields. Values are escaped, so a value can
/// neither begin a line nor look like another field. The same message more often than
/// `LogRateLimiter.lineLimit` times within `LogRateLimiter.window` is left out and counted, and
/// a later line says how many lines are missing.
public struct Log: Sendable {
    /// How much a line matters. A logger writes its own level and those above.
    public enum Level: String, Sendable, CaseIterable, Comparable {
        /// Data is at risk, or somebody must act.
        case error
        /// Unexpected, and nothing is lost.
        case warning
        /// Start, stop, reload, a sink up or down.
        case info
        /// What only the search for a mistake needs.
        case debug

        /// The priority of syslog(3), by which journald sorts.
        var priority: Int {
            switch self {
            case .error: 3
            case .warning: 4
            case .info: 6
            case .debug: 7
            }
        }

        /// Orders by urgency: `debug` is least, `error` is greatest.
        public static func < (left: Level, right: Level) -> Bool {
            left.priority > right.priority
        }
    }

    /// How a line is spelled.
    public enum Format: String, Sendable, CaseIterable {
        /// `2026-11-21T11:02:07.118000Z warning Sink is slow. sink=siem lag=5s`
        case text
        /// `{"time":"…","level":"warning","message":"Sink is slow.","sink":"siem","lag":5}`
        case json
    }

    /// The most bytes of a field's value that a line holds; the rest is cut and marked with `…`.
    public static let valueByteLimit = 1_024

    /// Lines below this level are not written.
    public let level: Level

    private let line: LogLine
    private let time: any TimeSource
    private let output: LogOutput

    /// Writes to a file descriptor, each line by one write(2).
    ///
    /// When the descriptor is the journal that systemd connected, lines begin with a priority
    /// instead of a time, because journald keeps both by itself.
    public init(
        level: Level = .info, format: Format = .text, descriptor: Int32 = 2,
        time: any TimeSource = SystemClock()
    ) {
        let isJournal = LogOutput.isJournal(
            descriptor, journalStream: ProcessFacts.environment("JOURNAL_STREAM"))
        self.init(level: level, format: format, isJournal: isJournal, time: time) { line in
            LogOutput.write(line, to: descriptor)
        }
    }

    /// Hands each finished line, newline included, to a closure, which runs on any thread.
    public init(
        level: Level = .info, format: Format = .text, isJournal: Bool = false,
        time: any TimeSource = SystemClock(), write: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.level = level
        self.time = time
        line = LogLine(format: format, isJournal: isJournal)
        output = LogOutput(write: write)
    }

    private init(_ log: Log, level: Level, format: Format) {
        self.level = level
        time = log.time
        line = LogLine(format: format, isJournal: log.line.isJournal)
        output = log.output
    }

    /// The same output and the same limits with another level and format, as after a reload.
    public func with(level: Level, format: Format) -> Log {
        Log(self, level: level, format: format)
    }

    /// The last warnings and errors that were written, the newest first.
    public var recentProblems: [LogProblem] { output.recentProblems }

    /// A logger that writes nothing, for tests.
    public static let silent = Log(write: { _ in })

    /// Data is at risk, or somebody must act.
    public func error(
        _ message: StaticString, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:]
    ) {
        write(.error, message, fields)
    }

    /// Unexpected, and nothing is lost.
    public func warning(
        _ message: StaticString, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:]
    ) {
        write(.warning, message, fields)
    }

    /// Start, stop, reload, a sink up or down; nothing per event.
    public func info(
        _ message: StaticString, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:]
    ) {
        write(.info, message, fields)
    }

    /// What only the search for a mistake needs; never what is in an event.
    public func debug(
        _ message: StaticString, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:]
    ) {
        write(.debug, message, fields)
    }

    /// Says now which lines were left out. Call it before the process ends.
    public func reportSuppressed() {
        output.withLimiter { limiter in
            for report in limiter.drain() { write(report, at: time.now()) }
        }
    }

    private func write(
        _ level: Level, _ message: StaticString,
        _ fields: KeyValuePairs<String, any CustomStringConvertible>
    ) {
        guard level >= self.level else { return }
        let text = message.description
        // One lock around deciding and writing keeps lines in the order of their times.
        output.withLimiter { limiter in
            let decision = limiter.admit(text, at: time.monotonic())
            let now = time.now()
            for report in decision.reports { write(report, at: now) }
            guard decision.isAdmitted else { return }
            let pairs = fields.map { ($0.key, $0.value) }
            if level >= .warning { output.remember(level, text, pairs, at: now) }
            output.write(line.bytes(level, text, pairs, at: now))
        }
    }

    private func write(_ report: LogRateLimiter.Report, at now: Timestamp) {
        let (text, pairs) = ("Lines were left out.", report.fields)
        output.remember(.warning, text, pairs, at: now)
        output.write(line.bytes(.warning, text, pairs, at: now))
    }
}

/// Decides which lines are too many; it writes nothing itself.
struct LogRateLimiter {
    /// The most lines with one message in one window.
    static let lineLimit = 10
    /// How long lines of one message are counted together.
    static let window = Duration.seconds(1)
    /// The most messages counted apart; beyond it a message takes the place of the oldest.
    static let messageLimit = 512

    /// Says that lines with a message were left out.
    struct Report: Equatable {
        let message: String
        let count: Int

        /// The fields of the line that says so.
        var fields: [(key: String, value: any CustomStringConvertible)] {
            [("left_out", count), ("line", message)]
        }
    }

    struct Decision: Equatable {
        let isAdmitted: Bool
        /// What is to be written before the line itself.
        let reports: [Report]
    }

    private struct Window {
        var start: MonotonicInstant
        var count = 0
        var suppressedCount = 0
    }

    private var windows: [String: Window] = [:]
    private var suppressing: Set<String> = []

    /// How many messages are counted apart now.
    var messageCount: Int { windows.count }

    /// Counts a line and says whether to write it, and which earlier windows to report.
    mutating func admit(_ message: String, at now: MonotonicInstant) -> Decision {
        var reports = expired(at: now)
        if windows[message] == nil, windows.count >= LogRateLimiter.messageLimit {
            if let oldest = windows.min(by: { $0.value.start < $1.value.start })?.key {
                reports += report { oldest == $0 }
                windows[oldest] = nil
            }
        }
        var window = windows[message] ?? Window(start: now)
        if now.duration(since: window.start) >= LogRateLimiter.window {
            window = Window(start: now)
        }
        window.count += 1
        let isAdmitted = window.count <= LogRateLimiter.lineLimit
        if !isAdmitted {
            window.suppressedCount += 1
            suppressing.insert(message)
        }
        windows[message] = window
        return Decision(isAdmitted: isAdmitted, reports: reports)
    }

    /// Everything left out and not yet reported, and forgets it.
    mutating func drain() -> [Report] {
        report { _ in true }
    }

    private mutating func expired(at now: MonotonicInstant) -> [Report] {
        // The usual case, nothing left out, costs nothing.
        guard !suppressing.isEmpty else { return [] }
        let windows = windows
        return report { message in
            guard let start = windows[message]?.start else { return false }
            return now.duration(since: start) >= LogRateLimiter.window
        }
    }

    private mutating func report(where isDue: (String) -> Bool) -> [Report] {
        var reports: [Report] = []
        for message in suppressing.sorted() where isDue(message) {
            let count = windows[message]?.suppressedCount ?? 0
            reports.append(Report(message: message, count: count))
            windows[message]?.suppressedCount = 0
            suppressing.remove(message)
        }
        return reports
    }
}

/// The way out of the process, shared by every copy of a logger.
final class LogOutput: Sendable {
    let write: @Sendable ([UInt8]) -> Void
    private let limiter = Monitor(LogRateLimiter())
    private let memory = Monitor(LogMemory())

    init(write: @escaping @Sendable ([UInt8]) -> Void) {
        self.write = write
    }

    func withLimiter(_ body: (inout LogRateLimiter) -> Void) {
        limiter.withLock { body(&$0) }
    }

    func remember(
        _ level: Log.Level, _ message: String,
        _ fields: [(key: String, value: any CustomStringConvertible)], at now: Timestamp
    ) {
        let spelled = fields.map { LogProblem.Field($0.key, LogLine.spelled($0.value)) }
        memory.withLock { $0.note(level, message, spelled, at: now) }
    }

    var recentProblems: [LogProblem] { memory.withLock { $0.problems.reversed() } }

    /// $JOURNAL_STREAM is inherited by children whose output goes elsewhere, so that it only
    /// counts when it names the very stream; systemd.exec(5).
    static func isJournal(_ descriptor: Int32, journalStream: String?) -> Bool {
        guard let parts = journalStream?.split(separator: ":"), parts.count == 2 else {
            return false
        }
        let file = File(borrowing: descriptor, path: "log")
        guard let status = try? file.status() else { return false }
        return String(status.device) == parts[0] && String(status.inode) == parts[1]
    }

    /// One write(2) for a line, so that lines of several threads and processes do not mix. When
    /// standard error is gone there is nobody left to tell.
    static func write(_ line: [UInt8], to descriptor: Int32) {
        var start = 0
        while start < line.count {
            // Safe because the slice lies within the array, which outlives the call.
            let count = unsafe line[start...].withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            start += count
        }
    }
}
