// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Parsing
import Platform

/// Something that was lost, as `AgentEventsLost` states it.
struct LossStatement: Sendable, Equatable {
    /// How many records or events; 0 where nobody can know.
    var count: UInt64
    /// What is known about it.
    var reason: String

    /// What an input found gone before it could read it.
    init(_ loss: InputLoss, input: String) {
        count = loss.recordCount
        let what = LossStatement.amount(loss)
        let place = loss.path.map { "\($0): " } ?? ""
        let how =
            switch loss.reason {
            case .truncated: "truncated before they were read"
            case .deleted: "deleted before they were read"
            case .vanished: "no longer in the journal when reading went on"
            case .datagram: "dropped by the kernel, because they came too fast"
            case .excess:
                "behind the first \(RecordParser.eventCountLimit) events of their list left out"
            }
        reason = "inputs.\(input): \(place)\(what) \(how)"
    }

    /// What the ledger gave up to make room; nil when the sink would have got nothing of it.
    init?(_ eviction: LedgerEviction) {
        guard eviction.count > 0 else { return nil }
        count = eviction.count
        reason =
            "sinks.\(eviction.sink): the ledger was full, and ledger.when_full says drop_oldest: "
            + "events of \(eviction.stream) were given up undelivered"
    }

    init(count: UInt64, reason: String) {
        self.count = count
        self.reason = reason
    }

    private static func amount(_ loss: InputLoss) -> String {
        switch (loss.recordCount, loss.byteCount) {
        case (0, 0): loss.reason == .datagram ? "datagrams" : "records"
        case (0, let bytes): "\(bytes) bytes"
        case (let records, 0): "\(records) records"
        case (let records, let bytes): "\(records) records in \(bytes) bytes"
        }
    }
}

/// Turns what the ledger lost, by damage or to make room, into statements for the chain.
///
/// Damage is counted in the sums here; what was evicted stands beside the cursor already, and the
/// delivery loop takes it over from there.
final class LossReport: Sendable {
    private let ledger: Ledger
    private let accounts: Accounts
    private let roster: Roster
    // Stated by the next commit.
    private let statedNext = Monitor<[LedgerDamage]>([])

    init(_ ledger: Ledger, roster: Roster, accounts: Accounts) {
        self.ledger = ledger
        self.roster = roster
        self.accounts = accounts
    }

    /// What was found since the last call; of events in it, sinks that waited for them are told.
    func take() -> [LossStatement] {
        state(ledger.takeDamage()) + ledger.takeEvictions().compactMap(LossStatement.init)
    }

    /// States damage that was found otherwise, as by the start.
    func state(_ list: [LedgerDamage]) -> [LossStatement] {
        let list = list.filter { !$0.isTornTail }
        for damage in list { giveUp(UInt64(damage.eventCount ?? 0), at: damage) }
        // What an earlier start had set aside is stated, or among what it left to state.
        return stateOnly(list.filter(\.isNew))
    }

    /// States damage that an earlier start had found, and had counted.
    func stateOnly(_ list: [LedgerDamage]) -> [LossStatement] {
        statedNext.withLock { $0 += list }
        return list.map { damage in
            LossStatement(
                count: UInt64(damage.eventCount ?? 0), reason: LossReport.reason(damage))
        }
    }

    /// Takes note that what was handed out last is committed.
    func committed() {
        let stated = statedNext.withLock { list in
            defer { list = [] }
            return list
        }
        if !stated.isEmpty { ledger.noteStated(stated) }
    }

    private static func reason(_ damage: LedgerDamage) -> String {
        let place = "segment \(damage.segment) of the ledger"
        switch damage.kind {
        case .corrupt:
            return "damaged range of \(damage.byteCount) bytes in \(place), set aside in quarantine"
        case .unreadable:
            return "\(place): the disk refuses to read \(damage.byteCount) bytes"
        case .missing:
            return "\(place): its file is gone"
        }
    }

    private func giveUp(_ count: UInt64, at damage: LedgerDamage) {
        let place = LedgerPlace(segment: damage.segment, offset: UInt64(damage.offset))
        guard count > 0 else { return }
        for loop in roster.deliveries where loop.lacks(place) {
            accounts.update(sink: loop.id) { $0.damaged += count }
        }
    }
}
