// SPDX-License-Identifier: Apache-2.0
import Ledger

/// Turns damage that the ledger found into losses that are stated in the chain and in the sums.
final class LossReport: Sendable {
    private let ledger: Ledger
    private let accounts: Accounts
    // A sink whose cursor stood behind the damage at the start had those events already.
    private let startPlaces: [String: LedgerPlace]

    init(_ ledger: Ledger, sinks: [String], accounts: Accounts) {
        self.ledger = ledger
        self.accounts = accounts
        startPlaces = Dictionary(
            uniqueKeysWithValues: sinks.map { ($0, ledger.cursor(of: $0)?.place ?? .beginning) })
    }

    /// What was found since the last call; of events in it, sinks that waited for them are told.
    func take() -> [(count: UInt64, reason: String)] {
        state(ledger.takeDamage())
    }

    /// States damage that was found otherwise, as by the start.
    func state(_ list: [LedgerDamage]) -> [(count: UInt64, reason: String)] {
        list.filter { !$0.isTornTail }.compactMap { damage in
            let count = UInt64(damage.eventCount ?? 0)
            giveUp(count, at: damage)
            // What an earlier start had set aside, it had stated too.
            guard damage.isNew else { return nil }
            let reason =
                "damaged range of \(damage.byteCount) bytes in segment \(damage.segment) of the "
                + "ledger, set aside in quarantine"
            return (count, reason)
        }
    }

    private func giveUp(_ count: UInt64, at damage: LedgerDamage) {
        let place = LedgerPlace(segment: damage.segment, offset: UInt64(damage.offset))
        for (sink, start) in startPlaces where start <= place && count > 0 {
            accounts.update(sink: sink) { sums in
                sums.evicted += count
                if sums.waiting == 0 { sums.oldestWaiting = nil }
            }
        }
    }
}
