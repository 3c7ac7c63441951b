// SPDX-License-Identifier: Apache-2.0
import Platform

@testable import Sinks

/// Tries what a sink promises to the thread that owns it, whatever the far side is.
struct TicketTrial {
    /// Where every wait ends that should not have lasted.
    private static let patience = Duration.seconds(20)

    private let sink: any Sink
    private let clock = SystemClock()

    init(_ sink: any Sink) { self.sink = sink }

    /// Delivers all batches at once: each comes to one outcome, none before.
    func violations(_ batches: [DeliveryBatch]) -> [String] {
        var found: [String] = []
        if !sink.outcomes(waitingAtMost: .milliseconds(1)).isEmpty {
            found.append("an outcome without a delivery")
        }
        var open: Set<UInt64> = []
        for (index, batch) in batches.enumerated() {
            let ticket = UInt64(1000 - index)
            open.insert(ticket)
            sink.deliver(batch, ticket: ticket)
        }
        let deadline = clock.monotonic().advanced(by: TicketTrial.patience)
        while !open.isEmpty, clock.monotonic() < deadline {
            for (ticket, result) in sink.outcomes(waitingAtMost: .seconds(1)) {
                if open.remove(ticket) == nil { found.append("ticket \(ticket) came twice") }
                if case .failure(let error) = result {
                    found.append("ticket \(ticket) failed: \(error.sentence)")
                }
            }
        }
        if !open.isEmpty { found.append("no outcome for \(open.sorted())") }
        return found
    }

    /// A wake ends the call that waits, or else the next one.
    func violationsOfWaking() -> [String] {
        var found: [String] = []
        let start = clock.monotonic()
        sink.wake()
        _ = sink.outcomes(waitingAtMost: TicketTrial.patience)
        if clock.monotonic().duration(since: start) >= TicketTrial.patience {
            found.append("wake before outcomes was lost")
        }
        let middle = clock.monotonic()
        let sink = sink
        let waker = try? Thread.start(name: "contract-waker") { sink.wake() }
        _ = sink.outcomes(waitingAtMost: TicketTrial.patience)
        waker?.join()
        if clock.monotonic().duration(since: middle) >= TicketTrial.patience {
            found.append("wake did not end a waiting outcomes")
        }
        // The waker may have come first; its sign must not be left for what follows.
        _ = sink.outcomes(waitingAtMost: .milliseconds(1))
        return found
    }

    /// What is under way at the end has no outcome, and the end may come twice.
    func violationsOfClosing(_ batch: DeliveryBatch) -> [String] {
        sink.deliver(batch, ticket: 99)
        sink.close()
        let late = sink.outcomes(waitingAtMost: .milliseconds(1))
        sink.wake()
        sink.close()
        return late.isEmpty ? [] : ["an outcome after close"]
    }
}
