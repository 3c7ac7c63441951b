// SPDX-License-Identifier: Apache-2.0
import Platform

/// Which batches may count as delivered, as far as syslog lets that be known.
///
/// There is no acknowledgement in syslog. A batch counts as delivered when the peer's kernel has
/// acknowledged its last byte and the connection has stayed whole for a while after that.
struct SyslogWindow {
    private struct Entry {
        let ticket: UInt64
        let end: UInt64
        var acknowledgedAt: MonotonicInstant?
    }

    private var entries: [Entry] = []
    private var acknowledged: UInt64 = 0
    private var movedAt = MonotonicInstant(nanoseconds: 0)

    /// True when all that was sent is settled.
    var isEmpty: Bool { entries.isEmpty }

    /// The tickets of what is not settled, in order.
    var tickets: [UInt64] { entries.map(\.ticket) }

    /// Notes that there is something to send after a pause.
    mutating func begin(at now: MonotonicInstant) { movedAt = now }

    /// Notes that the last byte of a batch is the `end`th of the connection.
    mutating func sent(_ ticket: UInt64, end: UInt64) {
        entries.append(Entry(ticket: ticket, end: end, acknowledgedAt: nil))
    }

    /// The batches that may count as delivered now, in order, when the connection is whole.
    mutating func settle(acknowledged count: UInt64, at now: MonotonicInstant) -> [UInt64] {
        if count > acknowledged {
            acknowledged = count
            movedAt = now
        }
        for index in entries.indices
        where entries[index].acknowledgedAt == nil && entries[index].end <= count {
            entries[index].acknowledgedAt = now
        }
        let settled = entries.prefix { entry in due(entry).map { now >= $0 } ?? false }
        entries.removeFirst(settled.count)
        return settled.map(\.ticket)
    }

    /// When to look again; nil when there is nothing to look for.
    func nextLook(at now: MonotonicInstant) -> MonotonicInstant? {
        guard let first = entries.first else { return nil }
        return due(first) ?? now.advanced(by: SyslogLimit.lookTime)
    }

    /// True when the peer has taken nothing for too long although there is something for it.
    func isStalled(hasMore: Bool, at now: MonotonicInstant) -> Bool {
        (hasMore || entries.contains { $0.acknowledgedAt == nil })
            && now >= movedAt.advanced(by: SyslogLimit.stallTime)
    }

    private func due(_ entry: Entry) -> MonotonicInstant? {
        entry.acknowledgedAt?.advanced(by: SyslogLimit.settleTime)
    }
}
