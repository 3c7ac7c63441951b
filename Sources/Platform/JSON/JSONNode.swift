// SPDX-License-Identifier: Apache-2.0

/// What a JSON value is.
public enum JSONKind: UInt8, Sendable {
    // The numbers are those of the C shim.
    case object = 0
    case array, string, integer, unsigned, double
    case `true`, `false`, null
    /// A number that neither 64 bits nor a double can hold; its spelling is kept as a string is.
    case bigNumber
}

/// One value of a JSON document that was flattened in document order.
///
/// The places of strings count from the start of the tree's strings (`JSONTree.withStrings`).
public struct JSONNode: Sendable {
    // The C shim fills memory in this very layout; JSONReader compares the two at start.
    private var bits: UInt64 = 0
    /// The hash of the member's key (`JSONKey.hash`), 0 outside objects.
    public var keyHash: UInt64 = 0
    private var valueByteCount: UInt32 = 0
    private var keyOffset: UInt32 = 0
    private var keyByteCount: UInt32 = 0
    private var parentIndex: Int32 = -1
    private var nextIndex: Int32 = 0
    private var kindNumber: UInt8 = JSONKind.null.rawValue
    private var flags: UInt8 = 0
    private var depthNumber: UInt16 = 0

    /// What the value is.
    @inline(__always)
    public var kind: JSONKind { JSONKind(rawValue: kindNumber) ?? .null }
    /// The index of the object or array it is in, -1 for the root.
    @inline(__always)
    public var parent: Int { Int(parentIndex) }
    /// The index behind the value and everything in it.
    @inline(__always)
    public var next: Int { Int(nextIndex) }
    /// How many containers it is in.
    @inline(__always)
    public var depth: Int { Int(depthNumber) }
    /// How many values an object or array holds directly.
    @inline(__always)
    public var childCount: Int { kindNumber <= 1 ? Int(bits) : 0 }
    /// Where the key is; empty outside objects.
    @inline(__always)
    public var keyRange: Range<Int> {
        Int(keyOffset)..<(Int(keyOffset) &+ Int(keyByteCount))
    }
    /// Where the string, or the spelling of a big number, is; empty for everything else.
    @inline(__always)
    public var stringRange: Range<Int> {
        guard kindNumber == JSONKind.string.rawValue || kindNumber == JSONKind.bigNumber.rawValue
        else { return 0..<0 }
        return Int(bits)..<(Int(bits) &+ Int(valueByteCount))
    }
    /// The number of an `.integer`; nil for everything else.
    @inline(__always)
    public var integer: Int64? { kind == .integer ? Int64(bitPattern: bits) : nil }
    /// The number of an `.unsigned`, which is 2⁶³ or more; nil for everything else.
    @inline(__always)
    public var unsigned: UInt64? { kind == .unsigned ? bits : nil }
    /// The number of a `.double`; nil for everything else.
    @inline(__always)
    public var double: Double? { kind == .double ? Double(bitPattern: bits) : nil }
    /// A member whose key came before in the same object.
    @inline(__always)
    public var isDuplicate: Bool { flags & JSONNode.duplicateFlag != 0 }
    /// A container that was too deep to be kept; it looks empty.
    @inline(__always)
    public var isSkipped: Bool { flags & JSONNode.skippedFlag != 0 }

    /// A string whose end was missing; what there was of it is kept.
    @inline(__always)
    public var isIncomplete: Bool { flags & JSONNode.incompleteFlag != 0 }

    private static let duplicateFlag: UInt8 = 1
    private static let skippedFlag: UInt8 = 2
    private static let incompleteFlag: UInt8 = 4
}

extension JSONNode {
    init(kind: JSONKind, parent: Int, depth: Int) {
        kindNumber = kind.rawValue
        parentIndex = Int32(truncatingIfNeeded: parent)
        depthNumber = UInt16(truncatingIfNeeded: depth)
    }

    func changed(to kind: JSONKind) -> JSONNode {
        var node = self
        node.kindNumber = kind.rawValue
        return node
    }

    mutating func setKey(_ range: Range<Int>, hash: UInt64) {
        keyOffset = UInt32(truncatingIfNeeded: range.lowerBound)
        keyByteCount = UInt32(truncatingIfNeeded: range.count)
        keyHash = hash
    }

    mutating func setText(_ range: Range<Int>) {
        bits = UInt64(range.lowerBound)
        valueByteCount = UInt32(truncatingIfNeeded: range.count)
    }

    mutating func setBits(_ bits: UInt64) {
        self.bits = bits
    }

    mutating func setNext(_ index: Int) {
        nextIndex = Int32(truncatingIfNeeded: index)
    }

    mutating func addChild() {
        bits += 1
    }

    mutating func markDuplicate() {
        flags |= JSONNode.duplicateFlag
    }

    mutating func markSkipped() {
        flags |= JSONNode.skippedFlag
    }

    mutating func markIncomplete() {
        flags |= JSONNode.incompleteFlag
    }

    /// Whether this layout is the C shim's, field by field.
    static var isLayoutOfShim: Bool {
        MemoryLayout<JSONNode>.stride == 40
            && MemoryLayout<JSONNode>.offset(of: \.bits) == 0
            && MemoryLayout<JSONNode>.offset(of: \.keyHash) == 8
            && MemoryLayout<JSONNode>.offset(of: \.valueByteCount) == 16
            && MemoryLayout<JSONNode>.offset(of: \.keyOffset) == 20
            && MemoryLayout<JSONNode>.offset(of: \.keyByteCount) == 24
            && MemoryLayout<JSONNode>.offset(of: \.parentIndex) == 28
            && MemoryLayout<JSONNode>.offset(of: \.nextIndex) == 32
            && MemoryLayout<JSONNode>.offset(of: \.kindNumber) == 36
            && MemoryLayout<JSONNode>.offset(of: \.flags) == 37
            && MemoryLayout<JSONNode>.offset(of: \.depthNumber) == 38
    }
}
