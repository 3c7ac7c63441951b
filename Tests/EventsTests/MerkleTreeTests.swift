// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

/// The definition of RFC 9162 §2.1.1, word for word, as the measure of the fast one.
private func definition(_ leaves: ArraySlice<Digest>) -> Digest {
    if leaves.count == 1, let only = leaves.first { return only }
    var split = 1
    while split * 2 < leaves.count { split *= 2 }
    return SHA256.node(
        definition(leaves.prefix(split)), definition(leaves.dropFirst(split)))
}

@Test func rootsAgreeWithTheDefinitionForEverySize() {
    let leaves = (0..<SealedGroup.countLimit).map { SHA256.digest([UInt8($0)].span) }
    var tree = MerkleTree()
    for count in 1...leaves.count {
        tree.build(leaves.prefix(count))
        #expect(tree.root == definition(leaves.prefix(count)))
    }
}

@Test func pathsLeadToTheRootForEveryLeafOfEverySize() {
    let leaves = (0..<SealedGroup.countLimit).map { SHA256.digest([UInt8($0)].span) }
    var tree = MerkleTree()
    for count in 1...leaves.count {
        tree.build(leaves.prefix(count))
        for leaf in 0..<count {
            var path = ByteWriter()
            tree.appendPath(of: leaf, to: &path)
            let root = climb(path.makeArray(), leaf, count, leaves[leaf])
            #expect(root == tree.root, "leaf \(leaf) of \(count)")
        }
    }
}

/// RFC 9162 §2.1.3.2.
private func climb(
    _ path: [UInt8], _ leaf: Int, _ count: Int, _ hash: Digest
) -> Digest? {
    var (node, last, result) = (leaf, count - 1, hash)
    for start in stride(from: 0, to: path.count, by: Digest.byteCount) {
        let sibling = Digest(bytes: path.span, at: start)
        if last == 0 { return nil }
        if node & 1 == 1 || node == last {
            result = SHA256.node(sibling, result)
            while node & 1 == 0, node != 0 {
                node >>= 1
                last >>= 1
            }
        } else {
            result = SHA256.node(result, sibling)
        }
        node >>= 1
        last >>= 1
    }
    return last == 0 ? result : nil
}
