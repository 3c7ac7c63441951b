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
    /// How long an ended loop waits for its last commit, so that an upstream can be answered.
    static let answerTime = Duration.seconds(5)

    let input: any Input
    let configuration: InputConfiguration
    let pulse: Pulse
    private let handover: Handover
    private let accounts: Accounts
    private let positions: CommittedPositions
    private let log: Log
    private let isStopping = Atomic(false)
    private let hasEnded = Atomic(false)

    init(
        _ input: any Input, _ configuration: InputConfiguration, handover: Handover,
        accounts: Accounts, positions: CommittedPositions, log: Log
    ) {
        self.input = input
        self.configuration = configuration
        self.handover = handover
        self.accounts = accounts
        self.positions = positions
        self.log = log
        pulse = Pulse("reading of \(input.id)")
    }

    /// The id of the input.
    var id: String { configuration.id }

    /// True when the loop has ended by itself or was stopped.
    var isFinished: Bool { hasEnded.load(ordering: .acquiring) }

    /// True when somebody upstream waits to be told that records are safe.
    var isAnswering: Bool {
        switch configuration.kind {
        case .file, .stdin: false
        default: true
        }
    }

    /// Ends the loop after the batch at hand.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        input.wake()
    }

    /// Reads until it is stopped or the input has ended.
    func run() {
        defer { hasEnded.store(true, ordering: .releasing) }
        var told: [String] = []
        while !isStopping.load(ordering: .relaxed), !input.state.isFinished {
            answer()
            tellTrouble(&told)
            pulse.beat(.kernel)
            do throws(InputError) {
                guard let batch = try input.next(waitingAtMost: ReaderLoop.heartbeat) else {
                    continue
                }
                guard handOver(batch) else { break }
            } catch {
                log.error(
                    "The input cannot be read; it is tried again.",
                    ["input": input.id, "reason": error])
                pulse.beat(.waiting)
                handover.rest(ReaderLoop.retryDelay)
            }
        }
        pulse.beat(.waiting)
        if let batch = input.remainder() { _ = handOver(batch) }
        if isAnswering {
            _ = handover.waitUntilSettled(input: id, timeout: ReaderLoop.answerTime)
            answer()
        }
        input.close()
    }

    /// Hands a batch on; false when nothing is taken any more.
    private func handOver(_ batch: RecordBatch) -> Bool {
        let bytes = batch.records.reduce(0) { $0 + Int($1.count) }
        let count = batch.records.count
        // Counted first: the batch may be committed before `push` has even returned.
        accounts.read(count, bytes: bytes, input: id)
        // Where the way is full the ledger or a parser says why; the reader itself waits.
        pulse.beat(.waiting)
        if handover.push(batch, input: id) { return true }
        accounts.read(-count, bytes: -bytes, input: id)
        return false
    }

    /// Says what is new among the input's troubles, and when all are over.
    private func tellTrouble(_ told: inout [String]) {
        let reasons = input.state.reasons
        guard reasons != told else { return }
        for reason in reasons where !told.contains(reason) {
            log.warning("The input reports trouble.", ["input": id, "reason": reason])
        }
        if reasons.isEmpty { log.info("The input has no trouble any more.", ["input": id]) }
        told = reasons
    }

    /// Tells the input what is safe by now.
    private func answer() {
        for position in positions.take(input: id) { input.committed(through: position) }
    }
}
