// SPDX-License-Identifier: Apache-2.0
import CSimdJSON

/// A member's name with its hash, made once and looked up often.
public struct JSONKey: Sendable, Hashable {
    /// The name in UTF-8.
    public let bytes: [UInt8]
    /// What `JSONNode.keyHash` is for a member of this name.
    public let hash: UInt64

    /// Prepares a name.
    public init(_ name: String) {
        let bytes = Array(name.utf8)
        self.bytes = bytes
        hash = JSONKey.hash(bytes.span)
    }

    /// The hash that readers store beside every key.
    ///
    /// Different names may share it, and an attacker can make them do so: compare the bytes too.
    public static func hash(_ bytes: Span<UInt8>) -> UInt64 {
        // Safe because the function reads only the bytes it is given.
        bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return hashOfNothing }
            return sealtail_json_hash(start, buffer.count)
        }
    }

    private static let hashOfNothing: UInt64 = {
        var nothing: UInt8 = 0
        return sealtail_json_hash(&nothing, 0)
    }()
}

/// Why a document was refused.
public enum JSONRefusal: String, Sendable {
    case tooLong = "too_long"
    case noMemory = "no_memory"
    case tooDeep = "too_deep"
    case tooManyNodes = "too_many_nodes"
    case badUTF8 = "bad_utf8"
    /// A bad escape or half of a surrogate pair.
    case badString = "bad_string"
    case controlCharacter = "control_character"
    case unclosedString = "unclosed_string"
    /// A misspelt number, or one that neither 64 bits nor a double can hold.
    case badNumber = "bad_number"
    case empty
    case badSyntax = "bad_syntax"

    init(_ code: Int32) {
        switch code {
        case Int32(SEALTAIL_JSON_TOO_LONG): self = .tooLong
        case Int32(SEALTAIL_JSON_NO_MEMORY): self = .noMemory
        case Int32(SEALTAIL_JSON_TOO_DEEP): self = .tooDeep
        case Int32(SEALTAIL_JSON_TOO_MANY_NODES): self = .tooManyNodes
        case Int32(SEALTAIL_JSON_BAD_UTF8): self = .badUTF8
        case Int32(SEALTAIL_JSON_BAD_STRING): self = .badString
        case Int32(SEALTAIL_JSON_CONTROL_CHARACTER): self = .controlCharacter
        case Int32(SEALTAIL_JSON_UNCLOSED_STRING): self = .unclosedString
        case Int32(SEALTAIL_JSON_BAD_NUMBER): self = .badNumber
        case Int32(SEALTAIL_JSON_EMPTY): self = .empty
        default: self = .badSyntax
        }
    }
}

/// Reads JSON documents fast and strictly. One per thread; memory is used again.
public final class JSONReader {
    /// No longer document is read.
    public static let byteLimit = 64 << 20
    /// No document with more values is read.
    public static let nodeLimit = 1 << 20
    /// Containers may be nested this deep.
    public static let depthLimit = 128

    private let shim: Shim
    /// The document that `read` read last; empty after a refusal.
    public let tree: JSONTree
    /// Why `read` answered false.
    // Exclusivity need not be checked at each access: a reader serves one thread, as its tree does.
    @exclusivity(unchecked) public private(set) var refusal: JSONRefusal?

    /// Makes a reader; its memory grows with the longest document.
    public init(nodeLimit: Int = JSONReader.nodeLimit) {
        shim = Shim(nodeLimit: nodeLimit)
        tree = JSONTree(owner: shim)
    }

    /// Reads `bytes[range]` into `tree`; false, with a `refusal`, when it is not sound JSON.
    ///
    /// Bytes behind the range are looked at when they are there, but never taken for the document.
    /// Where too few are there, the document is copied first.
    public func read(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
            bug("a JSON document at \(range) of \(bytes.count) bytes")
        }
        let isPadded = bytes.count - range.upperBound >= shim.paddingByteCount
        var result = sealtail_json_tree()
        // Safe because the range was checked, and so were the bytes behind it.
        let code = bytes.withUnsafeBufferPointer { buffer in
            sealtail_json_read(
                shim.pointer, buffer.baseAddress?.advanced(by: range.lowerBound), range.count,
                isPadded ? 1 : 0, &result)
        }
        // Safe because both types have one layout (checked at start) and the shim keeps the
        // memory until the next read.
        let nodes = UnsafeRawPointer(result.nodes)?.assumingMemoryBound(to: JSONNode.self)
        tree.show(
            nodes, count: result.node_count, strings: result.strings,
            stringByteCount: result.string_byte_count, duplicateCount: result.duplicate_count)
        refusal = code == 0 ? nil : JSONRefusal(code)
        return code == 0
    }

    /// Reads a whole span.
    public func read(_ bytes: Span<UInt8>) -> Bool {
        read(bytes, 0..<bytes.count)
    }
}

/// Owns the C reader for as long as the reader or its tree is in use.
private final class Shim {
    // Safe because it is freed in deinit only, after the last reader and tree.
    let pointer: OpaquePointer
    let paddingByteCount = sealtail_json_padding()

    init(nodeLimit: Int) {
        guard JSONNode.isLayoutOfShim, MemoryLayout<sealtail_json_node>.stride == 40 else {
            bug("JSON nodes have another layout in C")
        }
        guard
            let pointer = sealtail_json_open(
                JSONReader.byteLimit, nodeLimit, JSONReader.depthLimit)
        else { bug("no memory for a JSON reader") }
        self.pointer = pointer
    }

    deinit {
        // Safe because nobody else holds the C reader any more.
        sealtail_json_close(pointer)
    }
}
