// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The way from the readers through the parse workers to the sealer, with a bound on what is on
/// it.
///
/// A reader takes a ticket with `push`, workers `pop` in order of tickets and `deliver` in any, and
/// the sealer takes what is there in order again. A ticket is given back by `settle` after the
/// commit, so the limits bound all that is between reading and the disk.
///
/// It also decides which configuration a batch belongs to: `change` takes a ticket of its own, so
/// what was read before it is parsed and sealed as before, and what is read after it as it says.
final class Handover: Sendable {
    /// The most bytes of records between reading and the disk, but for the batch that crosses it.
    static let byteLimit = 3 << 20
    /// The most batches between reading and the disk.
    ///
    /// Far more than full batches would need: a log that grows line by line gives a batch a line,
    /// and those that come between two commits must not wait for the next but one.
    static let batchLimit = 2048

    /// A batch to be parsed, with its place in the order and the plan it was read under.
    struct Work: Sendable {
        let ticket: UInt64
        let plan: InputPlan
        let batch: RecordBatch
    }

    /// What the sealer takes at once.
    struct Taken: Sendable {
        /// Encoded batches, in the order of reading.
        var batches: [EncodedBatch] = []
        /// What the stream is to be like from here on; it comes after the batches.
        var terms: StreamTerms?
    }

    private enum Ready {
        case batches([EncodedBatch])
        case change(StreamTerms)
    }

    private struct State {
        var plans: [String: InputPlan]
        var nextTicket: UInt64 = 0
        var work = FirstInFirstOut<Work>()
        var nextToSeal: UInt64 = 0
        var ready: [UInt64: Ready] = [:]
        var readyBytes = 0
        var unsettled: [String: Int] = [:]
        /// The bytes of each batch that is not settled, in the order of tickets.
        var sizes = FirstInFirstOut<Int>()
        var unsettledBytes = 0
        /// Changes of the stream that the sealer has not performed yet.
        var changeCount = 0
        var isClosed = false
    }

    private let state: Monitor<State>
    private let batchLimit: Int
    private let byteLimit: Int

    /// Makes an empty way for batches of these inputs.
    init(
        plans: [InputPlan], batchLimit: Int = Handover.batchLimit,
        byteLimit: Int = Handover.byteLimit
    ) {
        self.batchLimit = batchLimit
        self.byteLimit = byteLimit
        state = Monitor(State(plans: Handover.table(plans)))
    }

    private static func table(_ plans: [InputPlan]) -> [String: InputPlan] {
        Dictionary(plans.map { ($0.id, $0) }) { _, last in last }
    }

    /// Hands a batch to the workers; waits while the way is full. False when it is closed.
    func push(_ batch: RecordBatch, input: String) -> Bool {
        let batch = Handover.fitted(batch)
        let size = batch.bytes.count
        let pushed = state.wait { state -> Bool? in
            guard !state.isClosed else { return false }
            guard hasRoom(state) else { return nil }
            guard let plan = state.plans[input] else { bug("\(input) has no plan") }
            state.sizes.append(size)
            state.unsettledBytes += size
            state.unsettled[input, default: 0] += 1
            state.work.append(Work(ticket: state.nextTicket, plan: plan, batch: batch))
            state.nextTicket += 1
            return true
        }
        if pushed == true { state.notifyAll() }
        return pushed ?? false
    }

    private func hasRoom(_ state: State) -> Bool {
        state.sizes.count < batchLimit && state.unsettledBytes < byteLimit
    }

    /// The batch without room that it does not use: a line can sit in a block of many times its
    /// size, and the limit counts what is used.
    private static func fitted(_ batch: RecordBatch) -> RecordBatch {
        guard batch.bytes.capacity > 2 * batch.bytes.count + fittingByteCount else { return batch }
        var fitted = batch
        fitted.bytes = []
        fitted.bytes.reserveCapacity(batch.bytes.count)
        fitted.bytes.append(contentsOf: batch.bytes)
        return fitted
    }

    /// Less room than this is not worth a copy.
    private static let fittingByteCount = 4 << 10

    /// Lets other plans hold, and other terms of the stream, for all that is pushed from now on.
    ///
    /// Inputs that are not named keep the plan they had, because their last batches may still
    /// come; an input that is opened again gets its new plan when nothing of the old one is left.
    func change(plans: [InputPlan], terms: StreamTerms?) {
        state.update { state in
            for plan in plans { state.plans[plan.id] = plan }
            guard let terms else { return }
            for id in state.plans.keys { state.plans[id]?.needsTenants = terms.needsTenants }
            state.ready[state.nextTicket] = .change(terms)
            state.changeCount += 1
            state.nextTicket += 1
        }
    }

    /// Waits until the sealer has come to every change; false when the time is up first.
    func waitUntilChanged(timeout: Duration) -> Bool {
        state.wait(timeout: timeout) { $0.changeCount == 0 ? true : nil } ?? false
    }

    /// Takes note that the sealer has performed a change.
    func changed() {
        state.update { $0.changeCount -= 1 }
    }

    /// The next batch to parse; waits for one. Nil when the way is closed and empty.
    func pop() -> Work? {
        let work = state.wait { state -> Work?? in
            if let work = state.work.removeFirst() { return work }
            return state.isClosed ? .some(nil) : nil
        }
        return work ?? nil
    }

    /// Hands a parsed batch to the sealer.
    func deliver(_ batch: EncodedBatch, ticket: UInt64) {
        deliver([batch], ticket: ticket)
    }

    /// Hands a batch to the sealer that was parsed in several parts, of which the last says so.
    func deliver(_ batches: [EncodedBatch], ticket: UInt64) {
        state.update { state in
            for batch in batches { state.readyBytes += batch.bodies.count }
            state.ready[ticket] = .batches(batches)
        }
    }

    /// Takes what is ready, in order, at most about `byteLimit` bytes of bodies and one batch more.
    ///
    /// Waits `rest` unless `byteLimit` is reached before, the way is closed, or it is full and all
    /// on it is parsed: then nothing more comes before a commit, and the rest would only hold back
    /// the readers. Then waits on, at most `patience`, for a first batch. Empty when none came.
    func take(byteLimit: Int, notBefore rest: Duration, patience: Duration) -> Taken {
        if rest > .zero {
            _ = state.wait(timeout: rest) { state -> Bool? in
                let isParsed = UInt64(state.ready.count) == state.nextTicket - state.nextToSeal
                let isStuck = isParsed && !hasRoom(state)
                return state.readyBytes >= byteLimit || isStuck || state.isClosed ? true : nil
            }
        }
        let taken = state.wait(timeout: patience) { state -> Taken? in
            let taken = Handover.take(byteLimit: byteLimit, &state)
            let isDone = state.isClosed && state.nextToSeal == state.nextTicket
            return taken.batches.isEmpty && taken.terms == nil && !isDone ? nil : taken
        }
        return taken ?? Taken()
    }

    private static func take(byteLimit: Int, _ state: inout State) -> Taken {
        var taken = Taken()
        var bytes = 0
        while bytes < byteLimit, let next = state.ready.removeValue(forKey: state.nextToSeal) {
            state.nextToSeal += 1
            switch next {
            case .batches(let batches):
                for batch in batches {
                    state.readyBytes -= batch.bodies.count
                    bytes += batch.bodies.count
                }
                taken.batches += batches
            case .change(let terms):
                taken.terms = terms
                return taken
            }
        }
        return taken
    }

    /// Gives back the tickets of batches that are committed.
    func settle(_ batches: [EncodedBatch]) {
        state.update { state in
            for batch in batches where batch.isLast {
                state.unsettledBytes -= state.sizes.removeFirst() ?? 0
                state.unsettled[batch.input, default: 0] -= 1
            }
        }
    }

    /// True when nothing of this input is between reading and the disk.
    func isSettled(input: String) -> Bool {
        state.withLock { $0.unsettled[input, default: 0] == 0 }
    }

    /// Waits until all that this input gave is committed; false when the time is up first.
    func waitUntilSettled(input: String, timeout: Duration) -> Bool {
        state.wait(timeout: timeout) { $0.unsettled[input, default: 0] == 0 ? true : nil } ?? false
    }

    /// Lets nothing more in; what is on the way goes on.
    func close() {
        state.update { $0.isClosed = true }
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

/// A queue whose front is cheap to take.
private struct FirstInFirstOut<Element> {
    private var list: [Element?] = []
    private var start = 0

    var count: Int { list.count - start }

    mutating func append(_ element: Element) {
        list.append(element)
    }

    mutating func removeFirst() -> Element? {
        guard start < list.count else { return nil }
        defer {
            list[start] = nil
            start += 1
            if start > 64, start * 2 > list.count {
                list.removeFirst(start)
                start = 0
            }
        }
        return list[start]
    }
}
