// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The way from the readers through the parse workers to the sealer, with a bound on what is on
/// it.
///
/// A reader takes a ticket with `push`, workers `pop` in order of tickets and `deliver` in any, and
/// the sealer takes what is there in order again. A ticket is given back by `settle` after the
/// commit, so `ticketLimit` bounds all batches between reading and the disk.
final class Handover: Sendable {
    /// A batch to be parsed, with its place in the order.
    struct Work: Sendable {
        let ticket: UInt64
        let input: Int
        let batch: RecordBatch
    }

    private struct State {
        var nextTicket: UInt64 = 0
        var work: [Work] = []
        var nextToSeal: UInt64 = 0
        var ready: [UInt64: EncodedBatch] = [:]
        var readyBytes = 0
        var unsettled = 0
        var isClosed = false
        var isUrgent = false
    }

    private let state = Monitor(State())
    private let ticketLimit: Int

    /// Makes an empty way that holds at most `ticketLimit` batches.
    init(ticketLimit: Int) {
        self.ticketLimit = ticketLimit
    }

    /// Hands a batch to the workers; waits while the way is full. False when it is closed.
    func push(_ batch: RecordBatch, input: Int) -> Bool {
        let pushed = state.wait { state -> Bool? in
            if state.isClosed { return false }
            guard state.unsettled < ticketLimit else { return nil }
            state.unsettled += 1
            state.work.append(Work(ticket: state.nextTicket, input: input, batch: batch))
            state.nextTicket += 1
            return true
        }
        if pushed == true { state.notifyAll() }
        return pushed ?? false
    }

    /// The next batch to parse; waits for one. Nil when the way is closed and empty.
    func pop() -> Work? {
        let work = state.wait { state -> Work?? in
            if !state.work.isEmpty { return state.work.removeFirst() }
            return state.isClosed ? .some(nil) : nil
        }
        return work ?? nil
    }

    /// Hands a parsed batch to the sealer.
    func deliver(_ batch: EncodedBatch, ticket: UInt64) {
        state.update { state in
            state.readyBytes += batch.bodies.count
            state.ready[ticket] = batch
        }
    }

    /// Takes what is ready, in order, at most about `byteLimit` bytes of bodies and one batch more.
    ///
    /// Waits until `deadline` unless `byteLimit` is reached before or the way is closed; then waits
    /// on, at most `patience`, for a first batch. Empty when none came.
    func take(
        byteLimit: Int, notBefore rest: Duration, patience: Duration
    ) -> [EncodedBatch] {
        if rest > .zero {
            _ = state.wait(timeout: rest) { state -> Bool? in
                state.readyBytes >= byteLimit || state.isClosed || state.isUrgent ? true : nil
            }
        }
        let taken = state.wait(timeout: patience) { state -> [EncodedBatch]? in
            var taken: [EncodedBatch] = []
            var bytes = 0
            while bytes < byteLimit, let batch = state.ready[state.nextToSeal] {
                state.ready[state.nextToSeal] = nil
                state.nextToSeal += 1
                state.readyBytes -= batch.bodies.count
                bytes += batch.bodies.count
                taken.append(batch)
            }
            if state.isUrgent {
                state.isUrgent = false
                return taken
            }
            let isDone = state.isClosed && state.nextToSeal == state.nextTicket
            return taken.isEmpty && !isDone ? nil : taken
        }
        return taken ?? []
    }

    /// Gives back the tickets of batches that are committed.
    func settle(_ count: Int) {
        state.update { $0.unsettled -= count }
    }

    /// Lets nothing more in; what is on the way goes on.
    func close() {
        state.update { $0.isClosed = true }
    }

    /// Makes a waiting `take` return.
    func hurry() {
        state.update { $0.isUrgent = true }
    }

    /// Sleeps, unless the way is closed.
    func rest(_ duration: Duration) {
        _ = state.wait(timeout: duration) { $0.isClosed ? true : nil }
    }

    /// True when the way is closed and everything on it was taken by the sealer.
    var isDrained: Bool {
        state.withLock { $0.isClosed && $0.nextToSeal == $0.nextTicket }
    }
}
