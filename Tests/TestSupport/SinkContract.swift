// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Sinks

/// What every sink promises, tried on one of them.
public struct SinkContract {
    /// Where every wait ends that should not have lasted.
    private static let patience = Duration.seconds(20)

    private let sink: any Sink
    private let batches: [DeliveryBatch]
    private let received: () -> [UInt8]
    private let expected: [[UInt8]]

    /// Prepares the trial.
    ///
    /// - Parameters:
    ///   - sink: a new sink whose far side takes everything.
    ///   - batches: what is delivered; their order at the far side does not matter.
    ///   - expected: of each batch the exact bytes that must arrive together.
    ///   - received: all bytes that have arrived.
    public init(
        _ sink: any Sink, batches: [DeliveryBatch], expected: [[UInt8]],
        received: @escaping () -> [UInt8]
    ) {
        self.sink = sink
        self.batches = batches
        self.expected = expected
        self.received = received
    }

    /// Runs the trial to its end, which closes the sink, and says which promises were broken.
    public func violations() -> [String] {
        var found: [String] = []
        if !sink.outcomes(waitingAtMost: .milliseconds(1)).isEmpty {
            found.append("an outcome without a delivery")
        }
        found += deliveryViolations()
        found += wakeViolations()
        sink.deliver(batches[0], ticket: 99)
        sink.close()
        if !sink.outcomes(waitingAtMost: .milliseconds(1)).isEmpty {
            found.append("an outcome after close")
        }
        sink.wake()
        sink.close()
        return found
    }

    private func deliveryViolations() -> [String] {
        var found: [String] = []
        var open: Set<UInt64> = []
        for (index, batch) in batches.enumerated() {
            let ticket = UInt64(1000 - index)
            open.insert(ticket)
            sink.deliver(batch, ticket: ticket)
        }
        let clock = SystemClock()
        let deadline = clock.monotonic().advanced(by: SinkContract.patience)
        while !open.isEmpty, clock.monotonic() < deadline {
            for (ticket, result) in sink.outcomes(waitingAtMost: .seconds(1)) {
                if open.remove(ticket) == nil { found.append("ticket \(ticket) came twice") }
                if case .failure(let error) = result {
                    found.append("ticket \(ticket) failed: \(error.sentence)")
                }
            }
        }
        if !open.isEmpty { found.append("no outcome for \(open.sorted())") }
        let bytes = received()
        for (index, piece) in expected.enumerated()
        where ByteSearch.first(piece, in: bytes.span, 0..<bytes.count) == nil {
            found.append("batch \(index) did not arrive byte for byte")
        }
        let expectedByteCount = expected.reduce(0) { $0 + $1.count }
        if bytes.count != expectedByteCount {
            found.append("\(bytes.count) bytes arrived, not \(expectedByteCount)")
        }
        return found
    }

    private func wakeViolations() -> [String] {
        var found: [String] = []
        let clock = SystemClock()
        let start = clock.monotonic()
        sink.wake()
        _ = sink.outcomes(waitingAtMost: SinkContract.patience)
        if clock.monotonic().duration(since: start) >= SinkContract.patience {
            found.append("wake before outcomes was lost")
        }
        let middle = clock.monotonic()
        let sink = sink
        let waker = try? Thread.start(name: "contract-waker") { sink.wake() }
        _ = sink.outcomes(waitingAtMost: SinkContract.patience)
        waker?.join()
        if clock.monotonic().duration(since: middle) >= SinkContract.patience {
            found.append("wake did not end a waiting outcomes")
        }
        // The waker may have come first; its sign must not be left for what follows.
        _ = sink.outcomes(waitingAtMost: .milliseconds(1))
        return found
    }
}
