// SPDX-License-Identifier: Apache-2.0

/// What checkpoints state of the events that a sink did not get, by the epoch of those events.
///
/// The statements may lag and count up, so the highest one for an epoch is the newest.
struct SinkSettlements {
    private var rejected: [String: UInt64] = [:]
    private var lost: [String: UInt64] = [:]

    /// Takes in `agent.rejected` and `agent.lost` of one checkpoint.
    mutating func add(_ rejected: [String], _ lost: [String], of sink: String) {
        SinkSettlements.add(rejected, of: sink, to: &self.rejected)
        SinkSettlements.add(lost, of: sink, to: &self.lost)
    }

    func rejected(in epoch: String) -> UInt64 { rejected[epoch] ?? 0 }
    func lost(in epoch: String) -> UInt64 { lost[epoch] ?? 0 }

    /// What `agent.filtered` of a checkpoint states for a sink: the digest of its filter and how
    /// many events that left out; nil where the sink has no entry.
    static func filter(
        _ entries: [String], of sink: String
    ) -> (digest: String, count: UInt64)? {
        for entry in entries {
            let parts = entry.split(separator: " ", omittingEmptySubsequences: false)
            if parts.count == 3, parts[0] == sink {
                return (String(parts[1]), ProofText.decimal(String(parts[2])) ?? 0)
            }
        }
        return nil
    }

    private static func add(
        _ entries: [String], of sink: String, to counts: inout [String: UInt64]
    ) {
        for entry in entries {
            let parts = entry.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == sink,
                let count = ProofText.decimal(String(parts[2]))
            else { continue }
            counts[String(parts[1]), default: 0] = max(counts[String(parts[1])] ?? 0, count)
        }
    }
}
