// SPDX-License-Identifier: Apache-2.0
import Platform

/// What a thread does at the moment, as far as its progress is concerned.
enum Activity: Sendable, Equatable {
    /// It computes, and must come back soon.
    case working
    /// It asks the kernel for something that a sick disk may hold up for minutes.
    case kernel
    /// It waits for the outside: records, room on the disk, an answer of a receiver.
    case waiting
}

/// Where one thread stands: what it does, on what, and since when.
struct PulseReading: Sendable, Equatable {
    /// What the thread is for, as it begins a sentence: `delivery to siem`.
    var stage: String
    var activity: Activity
    /// What it works on, where that changes: the id of an input.
    var subject: String?
    /// The last sign of progress.
    var since: MonotonicInstant
}

/// The sign of progress of one thread, which any other may look at.
///
/// A thread beats when it gets on, not when it merely goes round: a loop that turns and turns
/// without an outcome must not look alive.
final class Pulse: Sendable {
    private let state: Monitor<PulseReading>
    private let clock: any TimeSource

    init(_ stage: String, clock: any TimeSource = SystemClock()) {
        self.clock = clock
        state = Monitor(
            PulseReading(stage: stage, activity: .waiting, since: clock.monotonic()))
    }

    /// The thread got on, and does this now.
    func beat(_ activity: Activity, on subject: String? = nil) {
        let now = clock.monotonic()
        state.withLock { reading in
            reading.activity = activity
            reading.subject = subject
            reading.since = now
        }
    }

    /// Where the thread stands.
    var reading: PulseReading { state.withLock { $0 } }
}

/// Decides whether the agent is stuck. A pure value: the readings and the time come in.
///
/// Progress counts, not existence, and waiting for the outside is progress: with a dead receiver,
/// a full disk or a silent log the agent is well and must not be ended by a watchdog.
struct ProgressJudge: Sendable {
    /// How long a stage may compute without an outcome.
    static let workLimit = Duration.seconds(60)
    /// How long one request to the kernel may take.
    static let kernelLimit = Duration.seconds(300)

    /// The sentence that says which stage stands still; nil while all get on or wait.
    static func stall(_ readings: [PulseReading], at now: MonotonicInstant) -> String? {
        for reading in readings {
            let limit: Duration
            switch reading.activity {
            case .waiting: continue
            case .working: limit = workLimit
            case .kernel: limit = kernelLimit
            }
            let still = now.duration(since: reading.since)
            guard still > limit else { continue }
            let subject = reading.subject.map { " of \($0)" } ?? ""
            return "\(reading.stage)\(subject) has not moved for \(still.components.seconds) s"
        }
        return nil
    }
}

/// Tells a delivery loop's turns that get on from those that only go round. A pure value.
struct DeliveryProgress: Sendable {
    /// What one turn of the loop came to.
    struct Turn: Sendable {
        /// Requests are on their way, or the sink rests until a moment that was decided.
        var awaitsReceiver = false
        /// Everything in the ledger was taken: nothing is left to do.
        var isCaughtUp = false
        /// Something was taken from the ledger, sent, or settled.
        var moved = false
    }

    /// What the loop is at after a turn; nil when the turn led nowhere and must not count.
    static func activity(after turn: Turn) -> Activity? {
        if turn.awaitsReceiver || turn.isCaughtUp { return .waiting }
        return turn.moved ? .working : nil
    }
}
