// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A group of which at least one event was verified.
struct HistoryGroup {
    /// The number of its first event.
    var first: UInt64
    /// How many events it was sealed with.
    var count: Int
    /// What it says the statement before it was.
    var previous: Digest
    /// The hash of its own statement.
    var statement: Digest
    /// Bit i is set when its event i is present.
    var present: UInt64 = 0
    /// Where its signature is kept, for groups of more than one event.
    var signatureStart: Int?

    /// The number behind its last event.
    var end: UInt64 { first + UInt64(count) }
}

/// A checkpoint event that was verified, and whose note was.
struct HistoryCheckpoint {
    /// The event's own number, which is the size of the note.
    var size: UInt64
    /// The root of the note.
    var root: Digest
    /// `agent.filtered`, as it stands there.
    var filtered: [String]
}

/// What is known of one stream while lines are read: about 40 bytes an event, 150 a group.
struct StreamHistory {
    struct Leaf {
        var sequence: UInt64
        var hash: Digest
    }

    /// The name of the stream.
    let name: String
    /// The name of the key that speaks for it.
    let keyName: String
    /// The epoch.
    let epoch: String
    /// The groups, in the order in which they were first seen.
    var groups: [HistoryGroup] = []
    /// The leaves of all valid events, each once.
    var leaves: [Leaf] = []
    /// The numbers that invalid events claim; sorted by the audit.
    var claims: [UInt64] = []
    /// The checkpoints.
    var checkpoints: [HistoryCheckpoint] = []
    /// The events that the filter of the sink would have left out, and where they stood.
    var leftOut: [(sequence: UInt64, line: Int, file: String?)] = []
    /// The numbers of checkpoint events, also of those whose note is bad.
    var checkpointNumbers: Set<UInt64> = []
    /// The numbers of AgentStopped events.
    var stopNumbers: Set<UInt64> = []
    /// What its AgentStarted says of the stream before.
    var predecessor: Predecessor?
    /// How many events came again.
    var repeatCount = 0
    /// The first number that came again.
    var firstRepeat: UInt64?

    init(name: String, keyName: String, epoch: String) {
        self.name = name
        self.keyName = keyName
        self.epoch = epoch
    }

    /// Takes in a valid event.
    ///
    /// - Parameter group: its group's place in `groups`.
    mutating func add(_ sequence: UInt64, leaf: Digest, group: Int) -> Bool {
        let bit: UInt64 = 1 << (sequence - groups[group].first)
        guard groups[group].present & bit == 0 else {
            repeatCount += 1
            if firstRepeat == nil { firstRepeat = sequence }
            return false
        }
        groups[group].present |= bit
        leaves.append(Leaf(sequence: sequence, hash: leaf))
        return true
    }
}
