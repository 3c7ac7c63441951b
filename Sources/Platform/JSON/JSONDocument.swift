// SPDX-License-Identifier: Apache-2.0

/// A JSON document as a tree of Swift values, for the cold paths: answers of servers, `verify`.
public indirect enum JSONDocument: Sendable, Hashable {
    /// Members in the order of the text; a key may come twice unless the reader forbade it.
    case object([Member])
    case array([JSONDocument])
    case string(String)
    /// A number without fraction or exponent that 64 bits can hold.
    case integer(Int64)
    /// Any other number, as it was spelt.
    case number(String)
    case bool(Bool)
    case null

    /// One member of an object.
    public struct Member: Sendable, Hashable {
        /// The name.
        public var key: String
        /// The value.
        public var value: JSONDocument

        /// Pairs a name with a value.
        public init(key: String, value: JSONDocument) {
            self.key = key
            self.value = value
        }
    }

    /// Reads a document by RFC 8259; a key that comes again is kept, and the first one is found.
    public init(reading bytes: Span<UInt8>) throws(JSONError) {
        self = try StrictJSON.read(bytes, .standard)
    }

    /// Reads a document by RFC 8259.
    public init(reading bytes: [UInt8]) throws(JSONError) {
        self = try StrictJSON.read(bytes.span, .standard)
    }

    /// The value of the first member of that name; nil when this is no object or has none.
    public subscript(key: String) -> JSONDocument? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The element at a place; nil when this is no array or has fewer.
    public subscript(index: Int) -> JSONDocument? {
        guard case .array(let elements) = self, elements.indices.contains(index) else {
            return nil
        }
        return elements[index]
    }

    /// The text of a string; nil for everything else.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The value of an integer; nil for everything else.
    public var integer: Int64? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    /// The value of `true` or `false`; nil for everything else.
    public var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements of an array; nil for everything else.
    public var array: [JSONDocument]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members of an object; nil for everything else.
    public var members: [Member]? {
        guard case .object(let members) = self else { return nil }
        return members
    }
}
