// SPDX-License-Identifier: Apache-2.0

/// What is to be stated of one sink and one epoch: events that its receiver refused for good, and
/// events that were lost on the way to it.
struct Settlement: Sendable, Equatable {
    let sink: String
    /// The sixteen digits of the stream that the events belong to.
    let epoch: String
    var rejected: UInt64 = 0
    var lost: UInt64 = 0
}

/// Decides which settlements a checkpoint states: those that have changed, and in the first
/// checkpoint of a stream all of them. What is zero is never stated. A pure value.
///
/// The counts are cumulative and come from beside the cursors, so they survive a restart and a
/// later statement replaces an earlier one.
struct SettlementStatement: Sendable {
    private struct Key: Hashable {
        let sink: String
        let epoch: String
    }

    private var statedRejections: [Key: UInt64] = [:]
    private var statedLosses: [Key: UInt64] = [:]

    /// A new stream was opened, whose first checkpoint states everything again.
    mutating func streamOpened() {
        statedRejections = [:]
        statedLosses = [:]
    }

    /// The entries of `agent.rejected` and `agent.lost` for the checkpoint that is signed now.
    mutating func next(_ settlements: [Settlement]) -> StreamKeeper.Settlements {
        var entries = StreamKeeper.Settlements()
        for settlement in settlements {
            let key = Key(sink: settlement.sink, epoch: settlement.epoch)
            let mark = "\(settlement.sink) \(settlement.epoch)"
            if settlement.rejected > statedRejections[key] ?? 0 {
                statedRejections[key] = settlement.rejected
                entries.rejected.append("\(mark) \(settlement.rejected)")
            }
            if settlement.lost > statedLosses[key] ?? 0 {
                statedLosses[key] = settlement.lost
                entries.lost.append("\(mark) \(settlement.lost)")
            }
        }
        return entries
    }
}
