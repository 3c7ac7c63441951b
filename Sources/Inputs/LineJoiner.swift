// SPDX-License-Identifier: Apache-2.0
import Platform

/// How the lines of one product are told from others, and where its records begin.
public struct ProductLines: Sendable {
    /// Lines of the product match one of these.
    public var recognition: [RegularExpression]
    /// Finds the first line of a record; nil when each line is one.
    public var recordStart: RegularExpression?

    /// Describes a product.
    public init(recognition: [RegularExpression], recordStart: RegularExpression?) {
        self.recognition = recognition
        self.recordStart = recordStart
    }
}

/// Decides for each line, one after the other, whether it begins a record.
struct LineJoiner: ~Copyable {
    /// What a line is.
    enum Role: Sendable, Hashable {
        /// A record by itself.
        case whole
        /// The first line of a record that may go on.
        case start
        /// A line that belongs to the one before.
        case continuation
    }

    /// Whether lines are joined by what they say; else only pretty-printed JSON is.
    let joins: Bool

    private let recordStart: RegularExpression?
    private let products: [ProductLines]
    private let byteLimit: Int
    /// The product that is asked first, because it knew a line last.
    private var latest = 0
    private let match = Match()

    init(_ framing: RecordFraming) {
        recordStart = framing.recordStart
        products = framing.products
        byteLimit = framing.recordByteLimit
        joins = framing.joinsLines
    }

    /// What a line is, without its line feed.
    ///
    /// - Parameter product: which product the record is of that is open, nil when there is none or
    ///   that is not known; then that of this line.
    mutating func role(_ bytes: Span<UInt8>, _ line: Range<Int>, product: inout Int?) -> Role {
        if !products.isEmpty { return recognisedRole(bytes, line, &product) }
        guard let recordStart else {
            return PrettyJSON.belongs(bytes, line) ? .continuation : .whole
        }
        guard recordStart.match(bytes, line, into: match) else { return .continuation }
        return isWhole(bytes, line) ? .whole : .start
    }

    private mutating func recognisedRole(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ product: inout Int?
    ) -> Role {
        if isWhole(bytes, line) { return .whole }
        if LineJoiner.isIndented(bytes, line) {
            // Whatever the product, except where its records begin like that.
            guard let known = product, let start = products[known].recordStart else {
                return product == nil ? .continuation : .whole
            }
            return start.match(bytes, line, into: match) ? .start : .continuation
        }
        if let known = product, isKnown(bytes, line, products[known]) {
            return role(bytes, line, of: known)
        }
        let first = latest
        for turn in -1..<products.count {
            let index = turn < 0 ? first : turn
            guard index != product, turn != first, isKnown(bytes, line, products[index]) else {
                continue
            }
            let role = role(bytes, line, of: index)
            // The middle of a record of another product is one of the record at hand.
            if role == .continuation, product != nil { continue }
            (product, latest) = (index, index)
            return role
        }
        guard let known = product else { return .start }
        return role(bytes, line, of: known)
    }

    /// What the line is as one of this product.
    private func role(_ bytes: Span<UInt8>, _ line: Range<Int>, of index: Int) -> Role {
        guard let start = products[index].recordStart else { return .whole }
        return start.match(bytes, line, into: match) ? .start : .continuation
    }

    private func isKnown(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ product: ProductLines
    ) -> Bool {
        for expression in product.recognition
        where expression.match(bytes, line, into: match) {
            return true
        }
        return false
    }

    /// True for a line that is a JSON object from its first byte to its last: nothing can belong to
    /// it that follows, so it need not wait and a stray line behind it is a record of its own.
    private func isWhole(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
        guard line.count > 1, bytes[line.lowerBound] == UInt8(ascii: "{") else { return false }
        var last = line.upperBound - 1
        if last > line.lowerBound, bytes[last] == RecordSplitter.carriageReturn { last -= 1 }
        return last > line.lowerBound && bytes[last] == UInt8(ascii: "}")
            && line.count <= byteLimit
    }

    /// Lines that go on with the one before in nearly every log: indented ones, and the causes of
    /// a Java exception.
    private static func isIndented(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
        guard let first = line.first else { return true }
        switch bytes[first] {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), RecordSplitter.carriageReturn: return true
        case UInt8(ascii: "C"): return ByteSearch.hasPrefix(cause.span, bytes, at: first)
        default: return false
        }
    }

    private static let cause = Array("Caused by: ".utf8)
}

/// JSON that a program printed over several lines.
enum PrettyJSON {
    /// Whether a line is the first of such a value: a bracket that opens, nothing or a member
    /// behind it, and a bracket that opens at the end.
    @inline(__always)
    static func mayOpen(_ bytes: Span<UInt8>, _ start: Int, _ feed: Int) -> Bool {
        guard feed > start, isBracket(bytes[start]) else { return false }
        return opens(bytes, start, feed)
    }

    private static func opens(_ bytes: Span<UInt8>, _ start: Int, _ feed: Int) -> Bool {
        var last = feed - 1
        while last > start, isBlank(bytes[last]) { last -= 1 }
        guard isBracket(bytes[last]) else { return false }
        guard last > start else { return true }
        var second = start + 1
        while second < last, isBlank(bytes[second]) { second += 1 }
        if bytes[second] == UInt8(ascii: "\"") { return true }
        return bytes[start] == UInt8(ascii: "[") && isBracket(bytes[second])
    }

    /// Whether a line may go on with such a value: it is indented, closes or is empty.
    @inline(__always)
    static func belongs(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
        guard line.lowerBound < line.upperBound else { return true }
        let byte = bytes[line.lowerBound]
        return isBlank(byte) || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
    }

    /// How many more brackets a line opens than it closes. A text ends with its line.
    static func depth(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Int {
        var depth = 0
        var isText = false
        var isEscaped = false
        for index in line {
            let byte = bytes[index]
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return depth
    }

    @inline(__always)
    private static func isBracket(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[")
    }

    @inline(__always)
    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}
