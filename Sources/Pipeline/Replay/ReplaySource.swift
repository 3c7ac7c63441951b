// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks

/// Where a replay's events come from: the ledger or a dead letter.
protocol ReplaySource {
    /// The next events as one request, with the number of their span.
    mutating func next(
        _ limits: SinkConfiguration.Batch, pausing: () -> Bool
    ) throws(PipelineError) -> ReplayStep
    /// Events of a span were refused for good.
    mutating func refuse(
        _ rejections: [Rejection], of batch: DeliveryBatch, span: UInt64, at now: Timestamp)
    /// All events of a span came to an outcome.
    mutating func settle(_ span: UInt64) throws(PipelineError)
    /// Nothing more is sent; what was settled must count from now on.
    mutating func finish() throws(PipelineError)
    /// Adds what the source knows: what it left out, and how far it is.
    func describe(_ tally: inout ReplayTally)
}

/// What a source answers with.
enum ReplayStep {
    /// A request.
    case batch(DeliveryBatch, span: UInt64)
    /// It has read for long enough; asked again, it goes on.
    case pause
    /// There is nothing more.
    case end
}

/// Selected events of the ledger, up to the sink's cursor: what is behind it comes by itself.
struct LedgerReplay: ReplaySource {
    /// The most bytes of whole frames that a request holds, but for the last one.
    private static let heldByteLimit = SealerLoop.commitByteLimit

    private let sink: String
    private let selection: LedgerSelection
    private var walk: LedgerWalk
    private var nextSpan: UInt64 = 0
    private var filtered = 0
    private var foreign = 0
    private var parts: [DeliveryBatch.Part] = []
    private var count = 0
    private var byteCount = 0
    // Whole frames are held for the events that go, however few they are.
    private var heldByteCount = 0
    // Events of the frame that was read last, and how many of them are taken.
    private var batch: SealedBatch?
    private var chosen: [Int] = []
    private var taken = 0

    init(sink: String, _ selection: LedgerSelection, _ walk: LedgerWalk) {
        self.sink = sink
        self.selection = selection
        self.walk = walk
    }

    mutating func next(
        _ limits: SinkConfiguration.Batch, pausing: () -> Bool
    ) throws(PipelineError) -> ReplayStep {
        while true {
            take(limits)
            let isFull = count >= limits.countLimit || byteCount >= limits.byteLimit
            if isFull || heldByteCount >= LedgerReplay.heldByteLimit { return close() }
            let isThere: Bool
            do throws(LedgerError) {
                isThere = try read()
            } catch {
                throw .stage(error)
            }
            guard isThere else { return parts.isEmpty ? .end : close() }
            if pausing() { return .pause }
        }
    }

    /// Reads one more frame; false at the end.
    private mutating func read() throws(LedgerError) -> Bool {
        guard let (batch, range) = try walk.next() else { return false }
        let selected = selection.events(of: batch, among: range)
        guard let index = batch.sinks.firstIndex(of: sink) else {
            foreign += selected.count
            return true
        }
        let bit: UInt64 = 1 << UInt64(index)
        chosen = selected.filter { batch.events[$0].sinkBits & bit != 0 }
        filtered += selected.count - chosen.count
        taken = 0
        self.batch = chosen.isEmpty ? nil : batch
        return true
    }

    private mutating func take(_ limits: SinkConfiguration.Batch) {
        guard let batch else { return }
        var events: [Int] = []
        while taken < chosen.count, count < limits.countLimit, byteCount < limits.byteLimit {
            events.append(chosen[taken])
            byteCount += batch.bodyRange(chosen[taken]).count
            count += 1
            taken += 1
        }
        if !events.isEmpty {
            parts.append(DeliveryBatch.Part(batch: batch, events: events))
            heldByteCount += batch.bodies.count
        }
        if taken == chosen.count { self.batch = nil }
    }

    private mutating func close() -> ReplayStep {
        defer {
            parts = []
            count = 0
            byteCount = 0
            heldByteCount = 0
            nextSpan += 1
        }
        return .batch(DeliveryBatch(parts: parts), span: nextSpan)
    }

    /// They stay in the ledger; those that were refused before rest in the dead letter already.
    func refuse(_: [Rejection], of _: DeliveryBatch, span _: UInt64, at _: Timestamp) {}
    func settle(_: UInt64) throws(PipelineError) {}
    func finish() throws(PipelineError) {}

    func describe(_ tally: inout ReplayTally) {
        tally.filtered = filtered
        tally.foreign = foreign
        tally.unreadable = walk.damagedCount
        tally.missing = walk.missingCount
        tally.progress = walk.progress
    }
}

/// The letters of a sink.
struct DeadLetterReplay: ReplaySource {
    private let letters: LetterReplay

    init(_ letters: LetterReplay) {
        self.letters = letters
    }

    func next(
        _ limits: SinkConfiguration.Batch, pausing: () -> Bool
    ) throws(PipelineError) -> ReplayStep {
        try orFail { () throws(SinkError) in
            while let (span, batch) = try letters.next(
                countLimit: limits.countLimit, byteLimit: limits.byteLimit)
            {
                if batch.count > 0 { return .batch(batch, span: span) }
                try letters.settle(span)
                if pausing() { return .pause }
            }
            return .end
        }
    }

    func refuse(
        _ rejections: [Rejection], of batch: DeliveryBatch, span: UInt64, at now: Timestamp
    ) {
        letters.refuse(rejections, of: batch, span: span, at: now)
    }

    func settle(_ span: UInt64) throws(PipelineError) {
        try orFail { () throws(SinkError) in try letters.settle(span) }
    }

    func finish() throws(PipelineError) {
        try orFail { () throws(SinkError) in try letters.finish() }
    }

    private func orFail<Value>(
        _ body: () throws(SinkError) -> Value
    ) throws(PipelineError) -> Value {
        do throws(SinkError) {
            return try body()
        } catch {
            throw .stage(error.description, exit: .inputOutput)
        }
    }

    func describe(_ tally: inout ReplayTally) {
        tally.unreadable = letters.unreadableCount
        tally.progress = letters.progress
    }
}
