// SPDX-License-Identifier: Apache-2.0
import Platform

/// One event as it is signed: the end of its body in the batch, its leaf, and what filters ask.
public struct EncodedEvent: Sendable {
    /// Where its body ends in `EncodedBatch.bodies`; it begins where the one before ends.
    public var end: Int
    /// SHA-256(0x00 ‖ body), RFC 9162 §2.1.1.
    public var leaf: Digest
    /// What happened.
    public var action: Action
    /// How it ended.
    public var outcome: Outcome
    /// How much attention it deserves.
    public var severity: Severity
    /// Why it failed, if it did.
    public var errorCode: ErrorCode?

    /// Describes one encoded event.
    public init(
        end: Int, leaf: Digest, action: Action, outcome: Outcome, severity: Severity,
        errorCode: ErrorCode?
    ) {
        self.end = end
        self.leaf = leaf
        self.action = action
        self.outcome = outcome
        self.severity = severity
        self.errorCode = errorCode
    }
}

/// Final bytes that are not numbered yet, as the parse workers hand them to the sealer.
public struct EncodedBatch: Sendable {
    /// The id of the input; `agent` for the agent's own events.
    public var input: String
    /// The parser that made the events.
    public var parser: String
    /// The bodies (RFC 8785), one behind the other.
    public var bodies: [UInt8]
    /// The events, in order.
    public var events: [EncodedEvent]
    /// Where the values stand in the bodies, of all events or of none.
    public var places = FieldPlaces()
    /// Of each event `provider.tenant` where it has one; empty when no filter asks for tenants.
    public var tenants: [String?]
    /// The places from which reading goes on after this batch.
    public var positions: [Position]
    /// What was gone before it could be read, up to `positions`.
    public var losses: [InputLoss] = []
    /// The files that are gone for good: their positions need not be kept any longer.
    public var forgotten: [Position.Identity] = []
    /// What became of the records.
    public var tally: RecordTally
    /// False when more follows of what was read at once, which goes into the same commit.
    public var isLast = true

    /// Gathers encoded events.
    public init(
        input: String, parser: String, bodies: [UInt8], events: [EncodedEvent],
        tenants: [String?] = [], positions: [Position], tally: RecordTally
    ) {
        self.input = input
        self.parser = parser
        self.bodies = bodies
        self.events = events
        self.tenants = tenants
        self.positions = positions
        self.tally = tally
    }
}

/// One signature and the run of events it speaks for.
public struct SealedGroup: Sendable, Equatable {
    /// The sequence number of its first event.
    public var first: UInt64
    /// How many events it holds, 1 to `SealedGroup.countLimit`.
    public var count: Int
    /// SHA-256 of the statement before it in the stream, zero for the first.
    public var previous: Digest
    /// Ed25519 over the statement, 64 bytes.
    public var signature: [UInt8]

    /// The most events that one signature speaks for.
    public static let countLimit = 64

    /// Describes one group.
    public init(first: UInt64, count: Int, previous: Digest, signature: [UInt8]) {
        self.first = first
        self.count = count
        self.previous = previous
        self.signature = signature
    }
}

/// What the ledger keeps of each event beside its body.
public struct SealedEvent: Sendable, Equatable {
    /// Where its body ends in `SealedBatch.bodies`; it begins where the one before ends.
    public var end: Int
    /// SHA-256(0x00 ‖ body).
    public var leaf: Digest
    /// What happened.
    public var action: Action
    /// How much attention it deserves.
    public var severity: Severity
    /// Bit i is set when the event goes to `SealedBatch.sinks[i]`.
    public var sinkBits: UInt64

    /// Describes one sealed event.
    public init(end: Int, leaf: Digest, action: Action, severity: Severity, sinkBits: UInt64) {
        self.end = end
        self.leaf = leaf
        self.action = action
        self.severity = severity
        self.sinkBits = sinkBits
    }
}

/// Numbered and signed events: what one commit writes, what the ledger reads, what sinks deliver.
public struct SealedBatch: Sendable {
    /// The stream of all events in it, `name/main/epoch`.
    public var stream: String
    /// The first four bytes of the key's C2SP hash, most significant first.
    public var keyID: UInt32
    /// The ids of the sinks, in the order of the bits of `SealedEvent.sinkBits`; at most 64.
    public var sinks: [String]
    /// The bodies, one behind the other.
    public var bodies: [UInt8]
    /// Where the values stand in the bodies, of all events or of none; never stored.
    public var places = FieldPlaces()
    /// The events, in the order of their numbers.
    public var events: [SealedEvent]
    /// The groups, in order; together they hold exactly `events`.
    public var groups: [SealedGroup]
    /// The trees of the groups, of all or of none; never stored.
    public var trees: [MerkleTree] = []
    /// The proof of each event as it was written before, of all events or of none; never stored.
    ///
    /// An event that comes out of a dead letter brings its own along: its neighbours in the group
    /// may be gone.
    public var proofs: [[UInt8]] = []
    /// The places from which reading goes on after this batch.
    public var positions: [Position]
    /// The files that are gone for good: their positions are not kept any longer.
    public var forgotten: [Position.Identity] = []
    /// SHA-256 of the last statement: the `previous` of the group that will follow.
    public var head: Digest

    /// The most sinks that one agent can have.
    public static let sinkCountLimit = 64

    /// Gathers sealed events.
    public init(
        stream: String, keyID: UInt32, sinks: [String], bodies: [UInt8], events: [SealedEvent],
        groups: [SealedGroup], positions: [Position], head: Digest
    ) {
        self.stream = stream
        self.keyID = keyID
        self.sinks = sinks
        self.bodies = bodies
        self.events = events
        self.groups = groups
        self.positions = positions
        self.head = head
    }

    /// The number of the first event.
    public var firstSequence: UInt64 { groups.first?.first ?? 0 }

    /// The range of an event's body in `bodies`.
    @inline(__always)
    public func bodyRange(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : events[index - 1].end)..<events[index].end
    }
}
