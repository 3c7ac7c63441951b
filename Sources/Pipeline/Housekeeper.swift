// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform

/// Deletes what was delivered and need not be kept, and makes cursors durable, once a second.
///
/// On a thread of its own: a disk that hangs must hold up neither signals nor metrics. When it
/// hangs for longer than `ProgressJudge.kernelLimit`, the watchdog is fed no more.
final class Housekeeper: Sendable {
    /// How often it looks.
    static let interval = Duration.seconds(1)

    /// Where it stands.
    let pulse = Pulse("housekeeping")

    private let ledger: Ledger
    private let log: Log
    private let isOver = Monitor(false)

    init(_ ledger: Ledger, log: Log) {
        self.ledger = ledger
        self.log = log
    }

    /// Works until `stop`.
    func run() {
        while isOver.wait(timeout: Housekeeper.interval, { $0 ? true : nil }) == nil {
            pulse.beat(.kernel)
            tidyUp()
            pulse.beat(.waiting)
        }
    }

    /// Makes `run` return after what is under way.
    func stop() { isOver.update { $0 = true } }

    private func tidyUp() {
        do throws(LedgerError) {
            try ledger.flushCursorsIfDue()
            try ledger.deleteDelivered(now: SystemClock().now())
        } catch {
            log.error("The ledger cannot be tidied up.", ["reason": error])
        }
    }
}
