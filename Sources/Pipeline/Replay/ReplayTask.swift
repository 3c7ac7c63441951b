// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform
import Sinks

/// A replay that a running agent was asked for: the delivery loop works on it, the main thread
/// tells how it goes.
final class ReplayTask: Sendable {
    private struct State {
        var tally = ReplayTally()
        var outcome: ReplayOutcome?
        var isCancelled = false
    }

    let request: ReplayRequest
    private let directory: String
    private let keys: EncryptionKeyRing?
    private let state = Monitor(State())

    /// - Parameters:
    ///   - directory: the state directory.
    ///   - keys: what encrypted segments are read with.
    init(_ request: ReplayRequest, directory: String, keys: EncryptionKeyRing?) {
        self.request = request
        self.directory = directory
        self.keys = keys
    }

    /// Opens what is to be sent; of the ledger what lies before the sink's cursor.
    func source(
        _ deadLetter: DeadLetter, until cursor: LedgerPlace
    ) throws(PipelineError) -> any ReplaySource {
        switch request.origin {
        case .deadLetter: return DeadLetterReplay(LetterReplay(deadLetter))
        case .ledger(let selection):
            let walk = try PipelineError.wrapping { () throws(LedgerError) in
                try LedgerWalk(directory: directory, keys: keys, until: cursor)
            }
            return LedgerReplay(sink: request.sink, selection, walk)
        }
    }

    /// What became of it so far.
    var tally: ReplayTally { state.withLock { $0.tally } }

    /// How it ended; nil when it did not in this time.
    func outcome(waitingAtMost time: Duration) -> ReplayOutcome? {
        state.wait(timeout: time) { $0.outcome }
    }

    /// Takes note of how far it is.
    func note(_ tally: ReplayTally) { state.withLock { $0.tally = tally } }

    /// Takes note of its end.
    func finish(_ outcome: ReplayOutcome) {
        state.update { state in
            state.tally = outcome.tally
            state.outcome = outcome
        }
    }

    /// Nobody waits for it any more.
    func cancel() { state.withLock { $0.isCancelled = true } }

    /// True when nobody waits for it any more.
    var isCancelled: Bool { state.withLock { $0.isCancelled } }
}
