// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The nodes of one group's tree that are known to belong under its signed root.
///
/// The first event of a group brings a whole path to the root. Once the signature over that root
/// has been checked, every hash of the path is certain, and another event of the group needs
/// hashing only up to the first node that is certain; what is above must merely be equal.
struct GroupTree {
    private var nodes = [Digest](
        repeating: .zero, count: GroupTree.levelCount * SealedGroup.countLimit)
    private var certain = [UInt64](repeating: 0, count: GroupTree.levelCount)
    private var walked: [(level: Int, index: Int, node: Digest)] = []
    /// The root that the last walk ended at.
    private(set) var root = Digest.zero

    // 64 leaves make seven levels, the root included.
    private static let levelCount = 7

    /// Forgets what is certain, for another group.
    mutating func removeAll() {
        for level in certain.indices { certain[level] = 0 }
    }

    /// Walks from a leaf to the root, RFC 9162 §2.1.3.2.
    ///
    /// Throws when the path is too long, too short or contradicts what is certain. Nothing becomes
    /// certain before `accept`, unless the walk itself reached what is.
    mutating func walk(
        leaf: Digest, index start: Int, count: Int, path: [Digest]
    ) throws(Objection) {
        walked.removeAll(keepingCapacity: true)
        var node = leaf
        var index = start
        var width = count
        var level = 0
        var used = 0
        var isCertain = false
        while true {
            if !isCertain {
                if isKnown(level, index) {
                    guard self[level, index] == node else { throw GroupTree.mismatch }
                    isCertain = true
                } else {
                    walked.append((level, index, node))
                }
            }
            guard width > 1 else { break }
            let sibling = index ^ 1
            if sibling < width {
                guard used < path.count else { throw Objection("the path is too short") }
                let other = path[used]
                used += 1
                if isKnown(level, sibling) {
                    guard self[level, sibling] == other else { throw GroupTree.mismatch }
                } else {
                    // Nodes become certain in pairs, so beside a certain one none is unknown.
                    if isCertain { throw GroupTree.mismatch }
                    walked.append((level, sibling, other))
                }
                if !isCertain {
                    node =
                        index & 1 == 1 ? SHA256.node(other, node) : SHA256.node(node, other)
                }
            }
            index >>= 1
            width = (width + 1) / 2
            level += 1
        }
        guard used == path.count else { throw Objection("the path is too long") }
        if isCertain { accept() } else { root = node }
    }

    /// Makes all nodes of the last walk certain, because its root is the signed one.
    mutating func accept() {
        for entry in walked {
            nodes[entry.level * SealedGroup.countLimit + entry.index] = entry.node
            certain[entry.level] |= 1 << UInt64(entry.index)
        }
        walked.removeAll(keepingCapacity: true)
    }

    private static let mismatch = Objection("the body, its place or its proof was altered")

    private func isKnown(_ level: Int, _ index: Int) -> Bool {
        certain[level] >> UInt64(index) & 1 == 1
    }

    private subscript(level: Int, index: Int) -> Digest {
        nodes[level * SealedGroup.countLimit + index]
    }
}
