// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Numbers, chains and signs the events of one stream, in groups of 1 to 64.
///
/// It cannot be copied, because two copies would sign two histories of one stream.
public struct Sealer: ~Copyable {
    /// The key that signs.
    public let key: SigningKey
    /// The name of the stream, `<name>/main/<epoch>`.
    public let stream: String
    /// The number that the next event gets.
    public private(set) var nextSequence: UInt64 = 0
    /// SHA-256 of the last statement, thirty-two zero bytes before the first.
    public private(set) var head = Digest.zero

    private let sinks: [String]
    private let filters: [SinkFilter?]
    private let allSinkBits: UInt64
    private let hasFilter: Bool
    private var filteredCounts: [UInt64]
    private var tree = CompactRange()
    private var statement = ByteWriter(capacity: 512)

    /// Begins a stream.
    ///
    /// - Parameters:
    ///   - key: signs groups and checkpoints; its name begins the name of the stream.
    ///   - epoch: sixteen lower-case hexadecimal digits, new for every stream.
    ///   - sinks: at most 64 ids in the order of the sink bits, each with its filter if it has one.
    public init(key: SigningKey, epoch: String, sinks: [(id: String, filter: SinkFilter?)]) {
        guard StreamName.isEpoch(epoch) else { bug("an epoch that is not 16 digits") }
        guard sinks.count <= SealedBatch.sinkCountLimit else { bug("\(sinks.count) sinks") }
        self.key = key
        stream = StreamName.make(name: key.name, epoch: epoch)
        self.sinks = sinks.map(\.id)
        filters = sinks.map(\.filter)
        hasFilter = sinks.contains { $0.filter != nil }
        allSinkBits = sinks.count == 64 ? .max : 1 << UInt64(sinks.count) - 1
        filteredCounts = [UInt64](repeating: 0, count: sinks.count)
    }

    /// True when the tenants of events must be known to evaluate the filters.
    public var needsTenants: Bool { filters.contains { $0?.needsTenants ?? false } }

    /// Seals all events of the batches, in order, in groups as large as they can be.
    ///
    /// When more than one group is needed the first one is cut so that the others begin at a
    /// multiple of 64: their roots are then nodes of the stream's tree and need not be made twice.
    public mutating func seal(_ batches: [EncodedBatch]) -> SealedBatch {
        let limit = SealedGroup.countLimit
        return seal(batches) { next, waiting in
            guard waiting > limit else { return waiting }
            return limit - Int(next % UInt64(limit))
        }
    }

    /// Seals each event as a group of its own, as the agent's own events are.
    public mutating func sealAlone(_ batch: EncodedBatch) -> SealedBatch {
        seal([batch]) { _, _ in 1 }
    }

    /// Seals events in groups whose sizes `size` chooses from the next number and what waits.
    mutating func seal(
        _ batches: [EncodedBatch], size: (_ next: UInt64, _ waiting: Int) -> Int
    ) -> SealedBatch {
        var positions = PositionMerger()
        var count = 0
        var byteCount = 0
        for batch in batches {
            count += batch.events.count
            byteCount += batch.bodies.count
            positions.add(batch.positions)
        }
        var events: [SealedEvent] = []
        events.reserveCapacity(count)
        var bodies: [UInt8] = []
        // The bodies of a single batch are handed on; several are laid one behind the other.
        let isSingle = batches.count == 1
        if !isSingle { bodies.reserveCapacity(byteCount) }
        for batch in batches {
            append(batch, offset: bodies.count, to: &events)
            if isSingle { bodies = batch.bodies } else { bodies += batch.bodies }
        }
        let leaves = events.map(\.leaf)
        var groups: [SealedGroup] = []
        groups.reserveCapacity(count / SealedGroup.countLimit + 2)
        var trees: [MerkleTree] = []
        trees.reserveCapacity(groups.capacity)
        var at = 0
        while at < count {
            let groupCount = size(nextSequence, count - at)
            guard groupCount > 0, groupCount <= min(count - at, SealedGroup.countLimit) else {
                bug("a group of \(groupCount) events")
            }
            var groupTree = MerkleTree()
            groupTree.build(leaves[at..<at + groupCount])
            groups.append(sign(events, at..<at + groupCount, root: groupTree.root))
            trees.append(groupTree)
            at += groupCount
        }
        var sealed = SealedBatch(
            stream: stream, keyID: key.keyID, sinks: sinks, bodies: bodies, events: events,
            groups: groups, positions: positions.positions, head: head)
        sealed.forgotten = batches.flatMap(\.forgotten)
        sealed.trees = trees
        sealed.places = .joined(batches.map { ($0.places, $0.events.count) })
        return sealed
    }

    /// The signed note over all events sealed so far; its size is the number of the next event.
    public func checkpointNote() -> String {
        Checkpoint.note(
            stream: stream, size: nextSequence, root: tree.root, key: key)
    }

    /// What `agent.filtered` of a checkpoint holds: `<sink id> <filter digest> <count>` for each
    /// sink that has a filter, the count being that of all events it has left out so far.
    public var filteredEntries: [String] {
        zip(filters, filteredCounts).compactMap { filter, count in
            filter.map { "\($0.sink) \($0.digest) \(count)" }
        }
    }

    /// Where the stream ends by now, for the `AgentStarted` of its successor.
    public var end: Predecessor {
        .stream(stream, size: nextSequence, head: head)
    }

    private mutating func append(
        _ batch: EncodedBatch, offset: Int, to events: inout [SealedEvent]
    ) {
        for index in batch.events.indices {
            let event = batch.events[index]
            var bits = allSinkBits
            if hasFilter {
                let tenant = batch.tenants.isEmpty ? nil : batch.tenants[index]
                bits = filter(event, tenant)
            }
            events.append(
                SealedEvent(
                    end: offset + event.end, leaf: event.leaf, action: event.action,
                    severity: event.severity, sinkBits: bits))
        }
    }

    private mutating func filter(_ event: EncodedEvent, _ tenant: String?) -> UInt64 {
        var bits = allSinkBits
        for index in filters.indices {
            guard let filter = filters[index], !filter.matches(event: event, tenant: tenant)
            else { continue }
            bits &= ~(1 << UInt64(index))
            filteredCounts[index] += 1
        }
        return bits
    }

    private mutating func sign(
        _ events: [SealedEvent], _ range: Range<Int>, root: Digest
    ) -> SealedGroup {
        let first = nextSequence
        if range.count == SealedGroup.countLimit, first % UInt64(SealedGroup.countLimit) == 0 {
            tree.append(
                root, level: SealedGroup.countLimit.trailingZeroBitCount)
        } else {
            for index in range { tree.append(events[index].leaf) }
        }
        Statement.write(
            stream: stream, keyID: key.keyID, first: first, count: range.count, previous: head,
            root: root, to: &statement)
        let signature = statement.withBytes { key.sign($0) }
        let group = SealedGroup(
            first: first, count: range.count, previous: head, signature: signature)
        head = statement.withBytes { SHA256.digest($0) }
        nextSequence += UInt64(range.count)
        return group
    }
}

extension SealedBatch {
    /// Joins sealed pieces of one stream that follow one another into one, for one commit.
    ///
    /// - Parameter pieces: at least one, in the order in which they were sealed.
    public static func merge(_ pieces: [SealedBatch]) -> SealedBatch {
        guard var result = pieces.first, let last = pieces.last else { bug("nothing to merge") }
        guard pieces.count > 1 else { return result }
        var positions = PositionMerger()
        positions.add(result.positions)
        var next = result.firstSequence + UInt64(result.events.count)
        for piece in pieces.dropFirst() {
            positions.add(piece.positions)
            result.forgotten += piece.forgotten
            guard !piece.events.isEmpty else { continue }
            if result.events.isEmpty { next = piece.firstSequence }
            guard piece.stream == result.stream, piece.firstSequence == next else {
                bug("sealed pieces that do not follow one another")
            }
            let offset = result.bodies.count
            result.bodies += piece.bodies
            result.events.reserveCapacity(result.events.count + piece.events.count)
            for event in piece.events {
                var moved = event
                moved.end += offset
                result.events.append(moved)
            }
            result.groups += piece.groups
            result.trees += piece.trees
            next += UInt64(piece.events.count)
        }
        result.places = .joined(pieces.map { ($0.places, $0.events.count) })
        if result.trees.count != result.groups.count { result.trees = [] }
        result.positions = positions.positions
        result.head = last.head
        return result
    }
}

/// Keeps of each input and file the position that came last.
private struct PositionMerger {
    private(set) var positions: [Position] = []
    private var places: [Position.Identity: Int] = [:]

    mutating func add(_ more: [Position]) {
        for position in more {
            if let place = places[position.identity] {
                positions[place] = position
            } else {
                places[position.identity] = positions.count
                positions.append(position)
            }
        }
    }
}
