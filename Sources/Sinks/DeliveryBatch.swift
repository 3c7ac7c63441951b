// SPDX-License-Identifier: Apache-2.0
import Events

extension SealedBatch {
    /// The agent that sealed the events: a stream is `name/main/epoch`, and a name may have slashes
    /// of its own.
    var agentName: String {
        stream.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
            .joined(separator: "/")
    }
}

/// Sealed events on their way to one sink: some events of some batches, in the order of delivery.
///
/// An event is named by its index, from 0 to `count`, whichever part holds it.
public struct DeliveryBatch: Sendable {
    /// Events of one sealed batch.
    public struct Part: Sendable {
        /// The batch as the ledger holds it.
        public var batch: SealedBatch
        /// Which of its events are to be delivered, as indices of `SealedBatch.events`.
        public var events: [Int]

        /// Picks events of a batch.
        public init(batch: SealedBatch, events: [Int]) {
            self.batch = batch
            self.events = events
        }
    }

    /// The parts, in order.
    public let parts: [Part]
    /// How many events there are in all parts.
    public let count: Int
    /// How many bytes the bodies of these events have together.
    public let bodyByteCount: Int

    /// Gathers parts; an empty part counts for nothing.
    public init(parts: [Part]) {
        self.parts = parts.filter { !$0.events.isEmpty }
        var count = 0
        var bodyByteCount = 0
        for part in parts {
            count += part.events.count
            for event in part.events { bodyByteCount += part.batch.bodyRange(event).count }
        }
        self.count = count
        self.bodyByteCount = bodyByteCount
    }

    /// Takes some events of one batch.
    public init(batch: SealedBatch, events: [Int]) {
        self.init(parts: [Part(batch: batch, events: events)])
    }

    /// The events at these indices, which must be in rising order.
    public func selecting(_ indices: [Int]) -> DeliveryBatch {
        var selected: [Part] = []
        var at = 0
        var start = 0
        for part in parts {
            let end = start + part.events.count
            var events: [Int] = []
            while at < indices.count, indices[at] < end {
                events.append(part.events[indices[at] - start])
                at += 1
            }
            if !events.isEmpty { selected.append(Part(batch: part.batch, events: events)) }
            start = end
        }
        return DeliveryBatch(parts: selected)
    }

    /// Two batches with half of the events each, in order; a batch of one has an empty second half.
    public func halves() -> (DeliveryBatch, DeliveryBatch) {
        let middle = (count + 1) / 2
        return (selecting(Array(0..<middle)), selecting(Array(middle..<count)))
    }

    /// Calls `body` with each event in order: its index here, its batch and its index there.
    public func forEach<Failure: Error>(
        _ body: (_ index: Int, _ batch: borrowing SealedBatch, _ event: Int) throws(Failure) -> Void
    ) throws(Failure) {
        var index = 0
        for part in parts {
            for event in part.events {
                try body(index, part.batch, event)
                index += 1
            }
        }
    }
}
