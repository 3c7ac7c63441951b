// SPDX-License-Identifier: Apache-2.0
import Platform

/// The inner nodes of a small Merkle tree as RFC 9162 §2.1 defines it, for roots and paths.
///
/// Splitting at the largest power of two below n is the same as pairing neighbours level by level
/// and carrying an odd last node up unchanged, which is how it is built here.
public struct MerkleTree: Sendable {
    // All levels one behind the other, leaves first, root last. A level has half as many nodes as
    // the one before, rounded up.
    private var nodes: [Digest] = []
    private var leafCount = 0

    /// Makes a tree without leaves.
    public init() {}

    /// Builds the tree over `leaves`, in place of what was there.
    ///
    /// - Parameter leaves: leaf hashes, at least one.
    public mutating func build(_ leaves: ArraySlice<Digest>) {
        nodes.removeAll(keepingCapacity: true)
        leafCount = leaves.count
        precondition(leafCount > 0)
        nodes.reserveCapacity(2 * leafCount + 8)
        nodes.append(contentsOf: leaves)
        var level = 0..<leafCount
        while level.count > 1 {
            var at = level.lowerBound
            while at + 1 < level.upperBound {
                nodes.append(SHA256.node(nodes[at], nodes[at + 1]))
                at += 2
            }
            if at < level.upperBound { nodes.append(nodes[at]) }
            level = level.upperBound..<nodes.count
        }
    }

    /// The root over all leaves.
    public var root: Digest { nodes[nodes.count - 1] }

    /// Appends the sibling hashes of a leaf, from the leaf to the root.
    public func appendPath(of leaf: Int, to output: inout ByteWriter) {
        var index = leaf
        var start = 0
        var count = leafCount
        while count > 1 {
            let sibling = index ^ 1
            if sibling < count { output.append(nodes[start + sibling]) }
            index >>= 1
            start += count
            count = (count + 1) / 2
        }
    }
}

/// Writes the `integrity` member of sealed events.
///
/// One writer serves one thread; walking a batch in order builds the tree of each group once.
public struct IntegrityWriter: ~Copyable {
    private var tree = MerkleTree()
    private var stream = ""
    private var group: SealedGroup?
    private var groupStart = 0
    private var path = ByteWriter(capacity: 6 * Digest.byteCount)
    // The parts of a proof before and behind its path.
    private var groupTexts = ByteWriter(capacity: 256)
    private var prefixByteCount = 0

    /// Makes a writer.
    public init() {}

    /// Appends `{"stream":…,"seq":…,"proof":…}` of one event.
    public mutating func append(
        _ batch: borrowing SealedBatch, event index: Int, to output: inout ByteWriter
    ) {
        output.append("{\"stream\":")
        output.append(jsonString: batch.stream)
        output.append(",\"seq\":")
        output.append(decimal: batch.firstSequence + UInt64(index))
        output.append(",\"proof\":\"")
        appendProof(batch, event: index, to: &output)
        output.append("\"}")
    }

    /// Appends the proof alone, the opaque text of seven parts.
    public mutating func appendProof(
        _ batch: borrowing SealedBatch, event index: Int, to output: inout ByteWriter
    ) {
        if !batch.proofs.isEmpty {
            output.append(batch.proofs[index])
            return
        }
        guard select(batch, event: index) else { return }
        groupTexts.withBytes { texts in
            output.append(texts.extracting(0..<prefixByteCount))
        }
        path.removeAll()
        tree.appendPath(of: index - groupStart, to: &path)
        path.withBytes { output.append(base64URL: $0) }
        groupTexts.withBytes { texts in
            output.append(texts.extracting(prefixByteCount..<texts.count))
        }
    }

    /// Writes what the proofs of all events of a group share: all but the path.
    private mutating func writeGroupTexts(_ group: SealedGroup, keyID: UInt32) {
        groupTexts.removeAll()
        groupTexts.append("1.")
        groupTexts.append(decimal: group.first)
        groupTexts.append(".")
        groupTexts.append(decimal: Int64(group.count))
        groupTexts.append(".")
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            groupTexts.append(hex: UInt8(truncatingIfNeeded: keyID >> shift))
        }
        groupTexts.append(".")
        path.removeAll()
        path.append(group.previous)
        path.withBytes { groupTexts.append(base64URL: $0) }
        groupTexts.append(".")
        prefixByteCount = groupTexts.count
        groupTexts.append(".")
        groupTexts.append(base64URL: group.signature.span)
    }

    private mutating func select(
        _ batch: borrowing SealedBatch, event index: Int
    ) -> Bool {
        let sequence = batch.firstSequence + UInt64(index)
        if let group, stream == batch.stream, sequence >= group.first,
            sequence < group.first + UInt64(group.count)
        {
            groupStart = Int(group.first) - Int(batch.firstSequence)
            return true
        }
        // Groups are in order and contiguous, so the one that holds the number is found by halves.
        var low = 0
        var high = batch.groups.count
        while low < high {
            let middle = (low + high) / 2
            let candidate = batch.groups[middle]
            if sequence >= candidate.first + UInt64(candidate.count) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < batch.groups.count else { return false }
        let found = batch.groups[low]
        groupStart = Int(found.first - batch.firstSequence)
        if batch.trees.count == batch.groups.count {
            tree = batch.trees[low]
        } else {
            let leaves = batch.events[groupStart..<groupStart + found.count].map(\.leaf)
            tree.build(leaves[...])
        }
        group = found
        stream = batch.stream
        writeGroupTexts(found, keyID: batch.keyID)
        return true
    }
}
