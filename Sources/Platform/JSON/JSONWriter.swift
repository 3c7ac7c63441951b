// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON document member by member, for the few places that tell of the agent itself.
///
/// Members stand in the order of the calls; that no name comes twice is the caller's part.
public struct JSONWriter: ~Copyable {
    private var bytes = ByteWriter()
    private var needsComma = false

    /// Begins a document.
    public init() {}

    /// The document.
    public consuming func makeArray() -> [UInt8] { bytes.makeArray() }

    /// Writes an object, as a member where it is named.
    public mutating func object(_ name: String? = nil, _ members: (inout JSONWriter) -> Void) {
        nest(name, "{", "}", members)
    }

    /// Writes an array, as a member where it is named.
    public mutating func array(_ name: String? = nil, _ elements: (inout JSONWriter) -> Void) {
        nest(name, "[", "]", elements)
    }

    /// Writes an array of texts as a member.
    public mutating func member(_ name: String, _ texts: [String]) {
        array(name) { writer in
            for text in texts { writer.element(text) }
        }
    }

    /// Writes a text as a member; null where there is none.
    public mutating func member(_ name: String, _ text: String?) {
        begin(name)
        if let text { bytes.append(jsonString: text) } else { bytes.append("null") }
    }

    /// Writes a time as RFC 3339 as a member; null where there is none.
    public mutating func member(_ name: String, _ moment: Timestamp?) {
        member(name, moment?.text)
    }

    /// Writes true or false as a member.
    public mutating func member(_ name: String, _ value: Bool) {
        begin(name)
        bytes.append(value ? "true" : "false")
    }

    /// Writes a whole number as a member.
    public mutating func member(_ name: String, _ value: Int) {
        begin(name)
        bytes.append(decimal: Int64(value))
    }

    /// Writes a whole number as a member.
    public mutating func member(_ name: String, _ value: UInt64) {
        begin(name)
        bytes.append(decimal: value)
    }

    /// Writes a number with three decimals at most; null for what is none.
    public mutating func member(_ name: String, _ value: Double?) {
        begin(name)
        number(value ?? .nan)
    }

    /// Writes a text into an array.
    public mutating func element(_ text: String) {
        begin(nil)
        bytes.append(jsonString: text)
    }

    /// Writes a number into an array, with three decimals at most; null for what is none.
    public mutating func element(_ value: Double) {
        begin(nil)
        number(value)
    }

    private mutating func number(_ value: Double) {
        guard value.isFinite, value.magnitude < 1e15 else { return bytes.append("null") }
        let thousandths = (value * 1000).rounded()
        if thousandths.truncatingRemainder(dividingBy: 1000) == 0 {
            bytes.append(decimal: Int64(thousandths / 1000))
        } else {
            bytes.append((thousandths / 1000).description)
        }
    }

    private mutating func begin(_ name: String?) {
        if needsComma { bytes.append(",") }
        needsComma = true
        guard let name else { return }
        bytes.append(jsonString: name)
        bytes.append(":")
    }

    private mutating func nest(
        _ name: String?, _ start: StaticString, _ end: StaticString,
        _ content: (inout JSONWriter) -> Void
    ) {
        begin(name)
        bytes.append(start)
        needsComma = false
        content(&self)
        bytes.append(end)
        needsComma = true
    }
}
