// SPDX-License-Identifier: Apache-2.0
import Platform

/// The limits of what the verifier reads.
enum StrictLimit {
    /// The deepest nesting of containers.
    static let depth = 64
    /// The most members of an object that are sorted by insertion.
    static let insertionCount = 64
    /// The largest integer, and with a minus the smallest, that every JSON reader reads exactly.
    static let integer: UInt64 = 1 << 53 - 1
}

/// Why a text is no document that could have been signed.
struct StrictRefusal: Error, Equatable {
    /// What is wrong, going on after «the text is refused: ».
    let reason: String
    /// Where, counted in bytes from 0.
    let offset: Int
}

/// A JSON document read without any tolerance, so that it has one meaning only.
///
/// Refused are duplicate members at any level, ill-formed UTF-8, unpaired surrogates and anything
/// RFC 8259 does not allow. A document can be written again as RFC 8785 writes it; then every
/// number must be spelled `0|-?[1-9][0-9]*` and lie within ±(2^53 − 1).
///
/// The bytes are not kept: the caller hands them in again, unchanged, with every question.
struct StrictDocument {
    enum Kind: UInt8 {
        case object, array, string, number, literal
    }

    struct Node {
        var kind: Kind
        /// As RFC 8785 would write it, its key included, so that it can be copied.
        var isCanonical = true
        /// The key stands for itself, without escapes.
        var hasPlainKey = true
        /// A string without escapes, or a number spelled as a canonical integer.
        var isPlain = true
        /// The value as it is spelled, quotes included.
        var start: Int32
        var end: Int32 = 0
        /// The key as it is spelled, without quotes; empty outside objects.
        var keyStart: Int32 = 0
        var keyEnd: Int32 = 0
        /// The index behind the value and all that is in it.
        var next: Int32 = 0

        var range: Range<Int> { Int(start)..<Int(end) }
        var keyRange: Range<Int> { Int(keyStart)..<Int(keyEnd) }
    }

    private(set) var nodes: [Node] = []
    private var spaceCount = 0
    // The members of the outermost object in their order, which the line of an event needs twice.
    private var rootOrder: [Int] = []

    /// Reads a document in place of the one before.
    mutating func read(_ bytes: Span<UInt8>) throws(StrictRefusal) {
        nodes.removeAll(keepingCapacity: true)
        rootOrder.removeAll(keepingCapacity: true)
        spaceCount = 0
        guard bytes.count < Int32.max else { throw StrictRefusal(reason: "too long", offset: 0) }
        var at = 0
        skipSpace(bytes, &at)
        try readValue(bytes, &at, key: Key(), depth: 0)
        skipSpace(bytes, &at)
        guard at == bytes.count else {
            throw StrictRefusal(reason: "text behind the document", offset: at)
        }
    }

    // MARK: Asking

    func kind(_ node: Int) -> Kind { nodes[node].kind }

    /// The indices of the values in a container.
    func children(of node: Int) -> [Int] {
        var result: [Int] = []
        result.reserveCapacity(childCount(of: node))
        var child = node + 1
        let end = Int(nodes[node].next)
        while child < end {
            result.append(child)
            child = Int(nodes[child].next)
        }
        return result
    }

    /// The number of values in a container.
    func childCount(of node: Int) -> Int {
        var count = 0
        var child = node + 1
        let end = Int(nodes[node].next)
        while child < end {
            count += 1
            child = Int(nodes[child].next)
        }
        return count
    }

    /// The value of a member of an object; nil when there is none or `node` is no object.
    func member(_ key: StaticString, of node: Int, _ bytes: Span<UInt8>) -> Int? {
        guard nodes[node].kind == .object else { return nil }
        var child = node + 1
        let end = Int(nodes[node].next)
        while child < end {
            if isKey(key, of: child, bytes) { return child }
            child = Int(nodes[child].next)
        }
        return nil
    }

    /// The UTF-8 of a string without its escapes; nil when `node` is no string.
    func string(_ node: Int?, _ bytes: Span<UInt8>) -> [UInt8]? {
        guard let node, nodes[node].kind == .string else { return nil }
        let range = nodes[node].range
        return decoded(bytes, range.lowerBound + 1..<range.upperBound - 1, nodes[node].isPlain)
    }

    /// The text of a string; nil when `node` is no string.
    func text(_ node: Int?, _ bytes: Span<UInt8>) -> String? {
        string(node, bytes).map { String(decoding: $0, as: UTF8.self) }
    }

    /// An integer that is not negative, spelled exactly; nil for anything else.
    func integer(_ node: Int?, _ bytes: Span<UInt8>) -> UInt64? {
        guard let node, nodes[node].kind == .number, nodes[node].isPlain else { return nil }
        return ProofText.decimal(bytes.extracting(nodes[node].range))
    }

    private func isKey(_ key: StaticString, of node: Int, _ bytes: Span<UInt8>) -> Bool {
        let range = nodes[node].keyRange
        if !nodes[node].hasPlainKey {
            // Comparing strings would take canonically equivalent keys for the same.
            let name = key.withUTF8Buffer { Array($0) }
            return decoded(bytes, range, false) == name
        }
        guard range.count == key.utf8CodeUnitCount else { return false }
        return key.withUTF8Buffer { name in
            var at = range.lowerBound
            for byte in name {
                if bytes[at] != byte { return false }
                at += 1
            }
            return true
        }
    }

    // MARK: Writing

    /// Appends a value as RFC 8785 writes it.
    ///
    /// - Parameter leavingOut: a member of `node` itself that is not written.
    /// - Returns: false when a number has another spelling than the canonical one of an integer.
    func write(
        _ node: Int, leavingOut: Int? = nil, _ bytes: Span<UInt8>, to output: inout ByteWriter
    ) -> Bool {
        switch nodes[node].kind {
        case .literal:
            output.append(bytes.extracting(nodes[node].range))
            return true
        case .number:
            guard nodes[node].isPlain else { return false }
            output.append(bytes.extracting(nodes[node].range))
            return true
        case .string:
            guard let string = string(node, bytes) else { return false }
            output.append(jsonString: string.span)
            return true
        case .array:
            var separator = UInt8(ascii: "[")
            for child in children(of: node) {
                output.append(separator)
                separator = UInt8(ascii: ",")
                if nodes[child].isCanonical {
                    output.append(bytes.extracting(nodes[child].range))
                } else if !write(child, bytes, to: &output) {
                    return false
                }
            }
            if separator == UInt8(ascii: "[") { output.append("[") }
            output.append("]")
            return true
        case .object:
            return writeObject(node, leavingOut, bytes, to: &output)
        }
    }

    private func writeObject(
        _ node: Int, _ leavingOut: Int?, _ bytes: Span<UInt8>, to output: inout ByteWriter
    ) -> Bool {
        var separator = UInt8(ascii: "{")
        for child in sortedChildren(of: node, bytes) where child != leavingOut {
            output.append(separator)
            separator = UInt8(ascii: ",")
            let entry = nodes[child]
            if entry.isCanonical {
                output.append(bytes.extracting(Int(entry.keyStart) - 1..<Int(entry.end)))
                continue
            }
            output.append(jsonString: decoded(bytes, entry.keyRange, entry.hasPlainKey).span)
            output.append(":")
            if !write(child, bytes, to: &output) { return false }
        }
        if separator == UInt8(ascii: "{") { output.append("{") }
        output.append("}")
        return true
    }

    private func sortedChildren(of node: Int, _ bytes: Span<UInt8>) -> [Int] {
        if node == 0, !rootOrder.isEmpty { return rootOrder }
        var children = children(of: node)
        // Objects are short and nearly in order, so each member is put in its place in turn.
        if children.count <= StrictLimit.insertionCount {
            for index in children.indices.dropFirst() {
                let child = children[index]
                var place = index
                while place > 0, order(child, children[place - 1], bytes) == .before {
                    children[place] = children[place - 1]
                    place -= 1
                }
                children[place] = child
            }
        } else {
            children.sort { order($0, $1, bytes) == .before }
        }
        return children
    }

    private enum Order {
        case before, same, behind
    }

    /// How the keys of two members stand to each other, as RFC 8785 orders them.
    @inline(__always)
    private func order(_ left: Int, _ right: Int, _ bytes: Span<UInt8>) -> Order {
        guard nodes[left].hasPlainKey, nodes[right].hasPlainKey else {
            return slowOrder(left, right, bytes)
        }
        let (a, b) = (nodes[left].keyRange, nodes[right].keyRange)
        for index in 0..<min(a.count, b.count) {
            let (x, y) = (bytes[a.lowerBound + index], bytes[b.lowerBound + index])
            if x | y >= 0x80 { return slowOrder(left, right, bytes) }
            if x != y { return x < y ? .before : .behind }
        }
        return a.count < b.count ? .before : a.count == b.count ? .same : .behind
    }

    private func slowOrder(_ left: Int, _ right: Int, _ bytes: Span<UInt8>) -> Order {
        let (a, b) = (key(of: left, bytes), key(of: right, bytes))
        if a == b { return .same }
        return StrictDocument.precedes(a, b) ? .before : .behind
    }

    private func key(of node: Int, _ bytes: Span<UInt8>) -> [UInt8] {
        decoded(bytes, nodes[node].keyRange, nodes[node].hasPlainKey)
    }

    // RFC 8785 orders by UTF-16 code units, which differs from the order of bytes above U+FFFF.
    private static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        if left.allSatisfy({ $0 < 0x80 }), right.allSatisfy({ $0 < 0x80 }) {
            return left.lexicographicallyPrecedes(right)
        }
        return String(decoding: left, as: UTF8.self).utf16
            .lexicographicallyPrecedes(String(decoding: right, as: UTF8.self).utf16)
    }

    // MARK: Reading

    /// What is known of a member before its value is read.
    private struct Key {
        var start: Int32 = 0
        var end: Int32 = 0
        var isPlain = true
        /// As RFC 8785 writes it, with nothing between it and the value but the colon.
        var isCanonical = true
    }

    private mutating func readValue(
        _ bytes: Span<UInt8>, _ at: inout Int, key: Key, depth: Int
    ) throws(StrictRefusal) {
        guard at < bytes.count else { throw StrictRefusal(reason: "it ends early", offset: at) }
        var node = Node(kind: .literal, start: Int32(at))
        node.keyStart = key.start
        node.keyEnd = key.end
        node.hasPlainKey = key.isPlain
        node.isCanonical = key.isCanonical
        switch bytes[at] {
        case UInt8(ascii: "{"):
            node.kind = .object
            return try readContainer(&node, bytes, &at, depth: depth)
        case UInt8(ascii: "["):
            node.kind = .array
            return try readContainer(&node, bytes, &at, depth: depth)
        case UInt8(ascii: "\""):
            let spelling = try StringSpelling.read(bytes, &at)
            node.kind = .string
            node.isPlain = spelling.isPlain
            if !spelling.isCanonical { node.isCanonical = false }
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            node.kind = .number
            node.isPlain = try NumberSpelling.read(bytes, &at)
            if !node.isPlain { node.isCanonical = false }
        default:
            try readLiteral(bytes, &at)
        }
        node.end = Int32(at)
        node.next = Int32(nodes.count + 1)
        nodes.append(node)
    }

    private mutating func readContainer(
        _ node: inout Node, _ bytes: Span<UInt8>, _ at: inout Int, depth: Int
    ) throws(StrictRefusal) {
        guard depth < StrictLimit.depth else {
            throw StrictRefusal(reason: "nested too deep", offset: at)
        }
        let index = nodes.count
        let isObject = node.kind == .object
        let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        let spacesBefore = spaceCount
        var isInOrder = true
        nodes.append(node)
        at += 1
        skipSpace(bytes, &at)
        var previous = index
        if at < bytes.count, bytes[at] == close {
            at += 1
        } else {
            while true {
                let child = nodes.count
                let key = isObject ? try readKey(bytes, &at) : Key()
                try readValue(bytes, &at, key: key, depth: depth + 1)
                if isObject, isInOrder, previous > index {
                    isInOrder = order(previous, child, bytes) == .before
                }
                previous = child
                if !nodes[child].isCanonical { node.isCanonical = false }
                skipSpace(bytes, &at)
                guard at < bytes.count else {
                    throw StrictRefusal(reason: "it ends early", offset: at)
                }
                let byte = bytes[at]
                at += 1
                if byte == close { break }
                guard byte == UInt8(ascii: ",") else {
                    throw StrictRefusal(reason: "a comma is missing", offset: at - 1)
                }
                skipSpace(bytes, &at)
            }
        }
        if !isInOrder || spaceCount != spacesBefore { node.isCanonical = false }
        node.end = Int32(at)
        node.next = Int32(nodes.count)
        nodes[index] = node
        if !isInOrder { try refuseDuplicates(in: index, bytes) }
    }

    /// Reads a member's name and the colon; `at` is left on the value.
    private mutating func readKey(
        _ bytes: Span<UInt8>, _ at: inout Int
    ) throws(StrictRefusal) -> Key {
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
            throw StrictRefusal(reason: "a member's name is missing", offset: at)
        }
        let spacesBefore = spaceCount
        var key = Key(start: Int32(at + 1))
        let spelling = try StringSpelling.read(bytes, &at)
        key.end = Int32(at - 1)
        skipSpace(bytes, &at)
        guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else {
            throw StrictRefusal(reason: "a colon is missing", offset: at)
        }
        at += 1
        skipSpace(bytes, &at)
        key.isPlain = spelling.isPlain
        key.isCanonical = spelling.isCanonical && spaceCount == spacesBefore
        return key
    }

    private mutating func refuseDuplicates(
        in node: Int, _ bytes: Span<UInt8>
    ) throws(StrictRefusal) {
        let sorted = sortedChildren(of: node, bytes)
        for index in sorted.indices.dropFirst()
        where order(sorted[index - 1], sorted[index], bytes) == .same {
            throw StrictRefusal(
                reason: "a member comes twice", offset: Int(nodes[sorted[index]].keyStart))
        }
        if node == 0 { rootOrder = sorted }
    }

    private func readLiteral(_ bytes: Span<UInt8>, _ at: inout Int) throws(StrictRefusal) {
        for word in StrictDocument.literals
        where ByteSearch.hasPrefix(word.span, bytes, at: at) {
            at += word.count
            return
        }
        throw StrictRefusal(reason: "no JSON value", offset: at)
    }

    private static let literals = [Array("true".utf8), Array("false".utf8), Array("null".utf8)]

    @inline(__always)
    private mutating func skipSpace(_ bytes: Span<UInt8>, _ at: inout Int) {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x09, 0x0A, 0x0D:
                at += 1
                spaceCount += 1
            default: return
            }
        }
    }

    private func decoded(_ bytes: Span<UInt8>, _ range: Range<Int>, _ isPlain: Bool) -> [UInt8] {
        isPlain
            ? Array(copying: bytes.extracting(range)) : StringSpelling.decode(bytes, range)
    }
}
