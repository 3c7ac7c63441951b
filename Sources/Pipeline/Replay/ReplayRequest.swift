// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform

/// What somebody wants to be sent to a sink again.
public struct ReplayRequest: Sendable, Hashable {
    /// Where the events come from.
    public enum Origin: Sendable, Hashable {
        /// Those of the ledger that the sink has passed, as far as they are selected.
        case ledger(LedgerSelection)
        /// All letters of the sink.
        case deadLetter
    }

    /// The id of the sink.
    public var sink: String
    /// What is sent.
    public var origin: Origin

    /// Asks for events to be sent again.
    public init(sink: String, _ origin: Origin) {
        self.sink = sink
        self.origin = origin
    }
}

/// What became of a replay so far.
public struct ReplayTally: Sendable, Hashable {
    /// Events that were handed to the sink, each counted once.
    public var sent = 0
    /// Those that the receiver confirmed.
    public var confirmed = 0
    /// Those that it refused for good.
    public var refused = 0
    /// Selected events that the sink's filter left out when they were sealed.
    public var filtered = 0
    /// Selected events that were sealed when the sink was not configured.
    public var foreign = 0
    /// Letters that cannot be read, or ranges of the ledger that are damaged.
    public var unreadable = 0
    /// Segments that were deleted while the ledger was read.
    public var missing = 0
    /// How much of the way was read, from 0 to 1.
    public var progress = 0.0
    /// What the receiver said about the event that it refused last.
    public var refusal: String?

    /// Nothing yet.
    public init() {}

    /// Events that were to be sent and came to no outcome.
    public var waiting: Int { sent - confirmed - refused }

    /// True when something was selected, whatever became of it.
    public var hasMatches: Bool { sent + filtered + foreign + unreadable > 0 }
}

/// How a replay ended.
public struct ReplayOutcome: Sendable, Hashable {
    /// What became of the events.
    public var tally: ReplayTally
    /// Why not all were sent, in one sentence; nil when they were.
    public var problem: String?
    /// How the command exits.
    public var exitCode: ExitCode

    /// Describes an end; without a problem the code follows from the tally.
    public init(_ tally: ReplayTally, problem: (sentence: String, exit: ExitCode)? = nil) {
        self.tally = tally
        self.problem = problem?.sentence
        if let problem {
            exitCode = problem.exit
        } else if !tally.hasMatches {
            exitCode = .noInput
        } else {
            exitCode = tally.refused + tally.unreadable > 0 ? .badData : .ok
        }
    }
}
