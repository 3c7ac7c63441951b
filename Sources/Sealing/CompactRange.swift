// SPDX-License-Identifier: Apache-2.0
import Platform

/// The RFC 9162 §2.1 tree over a growing list of leaves, held as at most 64 hashes.
///
/// For each bit that is set in the number of leaves it keeps the root of one complete subtree, the
/// largest and oldest first. A leaf costs one hash on average.
struct CompactRange {
    private var complete = [Digest](repeating: .zero, count: CompactRange.levelLimit)
    /// How many leaves there are.
    private(set) var count: UInt64 = 0

    private static let levelLimit = 64

    /// Appends one leaf.
    @inline(__always)
    mutating func append(_ leaf: Digest) {
        append(leaf, level: 0)
    }

    /// Appends the root of a complete subtree of 2^level leaves.
    ///
    /// The number of leaves before it must be a multiple of 2^level.
    @inline(__always)
    mutating func append(_ root: Digest, level start: Int) {
        precondition(count & (1 << UInt64(start) - 1) == 0)
        var node = root
        var level = start
        while count >> UInt64(level) & 1 == 1 {
            node = SHA256.node(complete[level], node)
            level += 1
        }
        complete[level] = node
        count += 1 << UInt64(start)
    }

    /// The root over all leaves; SHA-256 of nothing where there are none.
    var root: Digest {
        guard count > 0 else { return SHA256.digest([]) }
        var level = count.trailingZeroBitCount
        var node = complete[level]
        level += 1
        while level < CompactRange.levelLimit, count >> UInt64(level) != 0 {
            if count >> UInt64(level) & 1 == 1 { node = SHA256.node(complete[level], node) }
            level += 1
        }
        return node
    }
}
