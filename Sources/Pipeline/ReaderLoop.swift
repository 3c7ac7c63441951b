// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Platform
import Synchronization

/// Reads one input and hands its batches on, on a thread of its own.
final class ReaderLoop: Sendable {
    /// The longest the loop waits for records before it looks around.
    static let heartbeat = Duration.milliseconds(500)
    /// How long it rests after an input failed.
    static let retryDelay = Duration.seconds(1)

    let input: any Input
    private let index: Int
    private let handover: Handover
    private let accounts: Accounts
    private let positions: CommittedPositions
    private let log: Log
    private let isStopping = Atomic(false)
    private let hasEnded = Atomic(false)
    private let beat: Atomic<Int64>
    private let clock = SystemClock()

    init(
        _ input: any Input, index: Int, handover: Handover, accounts: Accounts,
        positions: CommittedPositions, log: Log
    ) {
        self.input = input
        self.index = index
        self.handover = handover
        self.accounts = accounts
        self.positions = positions
        self.log = log
        beat = Atomic(SystemClock().monotonic().nanoseconds)
    }

    /// When the loop was last seen going round.
    var lastBeat: MonotonicInstant {
        MonotonicInstant(nanoseconds: beat.load(ordering: .relaxed))
    }

    /// True when the loop has ended by itself or was stopped.
    var isFinished: Bool { hasEnded.load(ordering: .acquiring) }

    /// Ends the loop after the batch at hand.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        input.wake()
    }

    /// Reads until it is stopped or the input has ended.
    func run() {
        defer { hasEnded.store(true, ordering: .releasing) }
        while !isStopping.load(ordering: .relaxed), !input.state.isFinished {
            beat.store(clock.monotonic().nanoseconds, ordering: .relaxed)
            for position in positions.take(input: input.id) {
                input.committed(through: position)
            }
            do throws(InputError) {
                guard let batch = try input.next(waitingAtMost: ReaderLoop.heartbeat) else {
                    continue
                }
                let bytes = batch.records.reduce(0) { $0 + Int($1.count) }
                accounts.read(batch.records.count, bytes: bytes, input: input.id)
                guard handover.push(batch, input: index) else { return }
            } catch {
                log.error(
                    "The input cannot be read; it is tried again.",
                    ["input": input.id, "reason": error])
                handover.rest(ReaderLoop.retryDelay)
            }
        }
        input.close()
    }
}
