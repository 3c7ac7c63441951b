// SPDX-License-Identifier: Apache-2.0

// The memory behind the two pointers is owned either by `owner` (the fast reader) or by the two
// arrays (the lenient one), never by both.
/// The values of one JSON document, in document order, as a reader left them.
///
/// It belongs to its reader, and the reader's next `read` fills it anew: copy what is to stay. An
/// index out of range stops the process, as with an array.
public final class JSONTree {
    // Safe because `owner` keeps this memory as it is until the next `show`, and each index is
    // checked against the counts.
    // Exclusivity need not be checked at each access: a tree serves one thread, and while a
    // function looks at it none shows it anything else.
    @exclusivity(unchecked) private var nodes: UnsafePointer<JSONNode>?
    @exclusivity(unchecked) private var strings: UnsafePointer<UInt8>?
    @exclusivity(unchecked) private var stringByteCount = 0
    private let owner: AnyObject
    /// How many values there are; the first is the root.
    @exclusivity(unchecked) public private(set) var count = 0
    /// How many members have a key that came before in the same object.
    @exclusivity(unchecked) public private(set) var duplicateCount = 0

    init(owner: AnyObject) {
        self.owner = owner
    }

    /// Shows other memory, which must stay as it is, and be kept by `owner`, until the next call.
    func show(
        // Safe because the caller hands over `owner`, which keeps the memory alive.
        _ nodes: UnsafePointer<JSONNode>?, count: Int, strings: UnsafePointer<UInt8>?,
        stringByteCount: Int, duplicateCount: Int
    ) {
        self.nodes = nodes
        self.count = count
        self.strings = strings
        self.stringByteCount = stringByteCount
        self.duplicateCount = duplicateCount
    }

    /// The value at an index below `count`.
    @inline(__always)
    public subscript(index: Int) -> JSONNode {
        guard index >= 0, index < count, let nodes else { bug("JSON value \(index) of \(count)") }
        // Safe because the index was checked against the values that are there.
        return nodes[index]
    }

    /// All keys and strings as one run of bytes, to be cut with the nodes' ranges.
    @inline(__always)
    public func withStrings<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe because the owner keeps the bytes alive and unchanged during the call.
        try body(Span(_unsafeElements: UnsafeBufferPointer(start: strings, count: stringByteCount)))
    }

    /// All values and all their bytes at once, for walking a document without a call per value.
    @inline(__always)
    public func withContents<Result, Failure: Error>(
        _ body: (Span<JSONNode>, Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe because the owner keeps both runs alive and unchanged during the call.
        try body(
            Span(_unsafeElements: UnsafeBufferPointer(start: nodes, count: count)),
            Span(_unsafeElements: UnsafeBufferPointer(start: strings, count: stringByteCount)))
    }

    /// The bytes of a string (or the spelling of a big number); none for other values.
    @inline(__always)
    public func withString<Result, Failure: Error>(
        of index: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let range = self[index].stringRange
        return try withStrings { (all: Span<UInt8>) throws(Failure) -> Result in
            try body(all.extracting(range))
        }
    }

    /// The bytes of a member's key; none outside objects.
    @inline(__always)
    public func withKey<Result, Failure: Error>(
        of index: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let range = self[index].keyRange
        return try withStrings { (all: Span<UInt8>) throws(Failure) -> Result in
            try body(all.extracting(range))
        }
    }

    /// Whether a member's key is the given one.
    public func keyEquals(_ index: Int, _ key: JSONKey) -> Bool {
        let node = self[index]
        guard node.keyHash == key.hash else { return false }
        return withStrings { ByteSearch.equal($0, node.keyRange, key.bytes.span) }
    }

    /// A string (or the spelling of a big number) as text of its own; nil for other values.
    public func string(of index: Int) -> String? {
        switch self[index].kind {
        case .string, .bigNumber: withString(of: index) { String(copying: $0) }
        case .object, .array, .integer, .unsigned, .double, .true, .false, .null: nil
        }
    }

    /// A member's key as text of its own; empty outside objects.
    public func key(of index: Int) -> String {
        withKey(of: index) { String(copying: $0) }
    }

    /// The index of the first member of an object that has this key.
    public func member(_ key: JSONKey, of object: Int) -> Int? {
        let container = self[object]
        guard container.kind == .object else { return nil }
        return withContents { nodes, strings in
            var index = object + 1
            while index < container.next {
                if nodes[index].keyHash == key.hash,
                    ByteSearch.equal(strings, nodes[index].keyRange, key.bytes.span)
                {
                    return index
                }
                index = nodes[index].next
            }
            return nil
        }
    }

    /// The indexes of the values that an object or array holds directly.
    public func children(of container: Int) -> [Int] {
        var result = [Int]()
        let end = self[container].next
        var index = container + 1
        while index < end {
            result.append(index)
            index = self[index].next
        }
        return result
    }
}

extension String {
    /// Copies bytes that are meant to be UTF-8; what is not becomes U+FFFD.
    public init(copying bytes: Span<UInt8>) {
        // Safe because the buffer is only read, during the call.
        self = bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}
