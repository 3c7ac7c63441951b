// SPDX-License-Identifier: Apache-2.0
import Platform

/// The block `agent.shutdown`: how SIGTERM begins to end the agent.
public struct ShutdownConfiguration: Sendable, Equatable {
    /// The ways to begin.
    public enum Mode: String, Sendable, CaseIterable {
        /// Reading stops at once.
        case drain
        /// Reading goes on until the logs are quiet, for an agent beside a provider that gets the
        /// same signal and writes its last lines after it.
        case sidecar
    }

    /// How a stop begins.
    public var mode = Mode.drain
    /// How long nothing must have been written for the logs to count as quiet.
    public var quiet = defaultQuiet

    /// `quiet` when it is left out.
    public static let defaultQuiet = Duration.seconds(5)
    /// What `quiet` may be.
    static let quietLimits = Duration.milliseconds(100)...Duration.seconds(600)

    /// Drains.
    public init() {}

    /// Reads the block, if there is one, and reports every mistake.
    init(reading reader: consuming ConfigurationReader?) {
        guard var reader else { return }
        mode = reader.choice("mode", default: Mode.drain)
        quiet = reader.duration(
            "quiet", in: ShutdownConfiguration.quietLimits,
            default: ShutdownConfiguration.defaultQuiet)
        if mode == .drain, reader.node("quiet") != nil {
            reader.problem("quiet", "goes with mode: sidecar only; leave it out")
        }
        reader.finish()
    }
}

/// Decides until when a sidecar goes on reading after it was asked to stop. A pure value.
///
/// Of the grace time a part is kept for what comes after reading, so that writers that never fall
/// silent do not cost the last commit and the last delivery.
struct Linger: Sendable {
    /// The part of the grace time that reading may take at most.
    private static let readingShare = (of: 3, parts: 4)

    private let quiet: Duration
    private let end: MonotonicInstant
    /// The end of the whole grace time.
    let deadline: MonotonicInstant
    private var lastRead: Int
    private var lastMoved: MonotonicInstant

    /// Begins when the signal comes.
    ///
    /// - Parameter read: how many records were read so far, over all inputs.
    init(
        _ configuration: ShutdownConfiguration, grace: Duration, read: Int, at now: MonotonicInstant
    ) {
        quiet = configuration.quiet
        let share = Linger.readingShare
        end = now.advanced(by: grace * share.of / share.parts)
        deadline = now.advanced(by: grace)
        lastRead = read
        lastMoved = now
    }

    /// True when reading is to stop now; false to look again soon.
    ///
    /// - Parameters:
    ///   - read: how many records were read so far, over all inputs.
    ///   - hasUnread: true while something is there that can be read and was not.
    ///   - growth: when something was last seen to be written, where inputs can tell.
    mutating func isOver(
        read: Int, hasUnread: Bool, growth: MonotonicInstant? = nil, at now: MonotonicInstant
    ) -> Bool {
        if read != lastRead || hasUnread {
            lastRead = read
            lastMoved = now
        }
        if let growth { lastMoved = max(lastMoved, growth) }
        return now >= end || now.duration(since: lastMoved) >= quiet
    }
}
