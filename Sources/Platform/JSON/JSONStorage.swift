// SPDX-License-Identifier: Apache-2.0

/// The values and strings that the lenient reader writes; the memory is used again.
final class JSONStorage {
    // Safe because both blocks are owned here alone, every access is checked against the counts,
    // and what lies below a count is initialised.
    private var nodes: UnsafeMutablePointer<JSONNode>
    private var strings: UnsafeMutablePointer<UInt8>
    private var nodeCapacity = 64
    private var stringCapacity = 1024
    private(set) var nodeCount = 0
    private(set) var stringByteCount = 0

    init() {
        nodes = .allocate(capacity: nodeCapacity)
        strings = .allocate(capacity: stringCapacity)
    }

    deinit {
        nodes.deallocate()
        strings.deallocate()
    }

    func removeAll() {
        nodeCount = 0
        stringByteCount = 0
    }

    func show(in tree: JSONTree, duplicateCount: Int) {
        tree.show(
            nodes, count: nodeCount, strings: strings, stringByteCount: stringByteCount,
            duplicateCount: duplicateCount)
    }

    subscript(index: Int) -> JSONNode {
        get {
            check(index)
            return nodes[index]
        }
        set {
            check(index)
            nodes[index] = newValue
        }
    }

    func append(_ node: JSONNode) {
        if nodeCount == nodeCapacity {
            // Safe because the new block is as large as asked and the old one is copied, then
            // freed; JSONNode is a trivial type, so copying its memory is enough.
            let larger = UnsafeMutablePointer<JSONNode>.allocate(capacity: nodeCapacity * 2)
            larger.update(from: nodes, count: nodeCount)
            nodes.deallocate()
            nodes = larger
            nodeCapacity *= 2
        }
        nodes[nodeCount] = node
        nodeCount += 1
    }

    func append(_ byte: UInt8) {
        reserve(1)
        strings[stringByteCount] = byte
        stringByteCount += 1
    }

    func append(_ bytes: Span<UInt8>) {
        reserve(bytes.count)
        // Safe because room was reserved and the source lives for the call.
        bytes.withUnsafeBufferPointer { source in
            if let start = source.baseAddress {
                (strings + stringByteCount).update(from: start, count: source.count)
            }
        }
        stringByteCount += bytes.count
    }

    func withStrings<Result>(_ range: Range<Int>, _ body: (Span<UInt8>) -> Result) -> Result {
        if range.upperBound > stringByteCount { bug("JSON text at \(range)") }
        // Safe because the range was checked against what is filled.
        let part = UnsafeBufferPointer(start: strings + range.lowerBound, count: range.count)
        return body(Span(_unsafeElements: part))
    }

    private func reserve(_ more: Int) {
        guard stringCapacity - stringByteCount < more else { return }
        stringCapacity = max(stringCapacity * 2, stringByteCount + more)
        // Safe because the new block is as large as asked and the old one is copied, then freed.
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: stringCapacity)
        larger.update(from: strings, count: stringByteCount)
        strings.deallocate()
        strings = larger
    }

    private func check(_ index: Int) {
        if index < 0 || index >= nodeCount { bug("JSON value \(index) of \(nodeCount)") }
    }
}
