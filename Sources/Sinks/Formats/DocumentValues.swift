// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes the values of mapped members that take more than copying.
///
/// The bytes are a body whose form was checked, but not of what kind each value is: whatever is of
/// another kind than the field's becomes JSON all the same.
struct DocumentValues {
    private var values: [Range<Int>] = []

    /// Writes the values of some fields as a set: sorted by their bytes, each one once.
    mutating func gather(
        _ sources: [Field], _ fields: borrowing BodyFields, _ bytes: Span<UInt8>,
        to output: inout ByteWriter
    ) {
        values.removeAll(keepingCapacity: true)
        for field in sources {
            guard let range = fields.range(of: field) else { continue }
            var at = values.count
            var isThere = false
            while at > 0, !isThere {
                let order = DocumentValues.compare(bytes, range, values[at - 1])
                if order == 0 { isThere = true }
                if order >= 0 { break }
                at -= 1
            }
            if !isThere { values.insert(range, at: at) }
        }
        for index in values.indices {
            output.append(index == 0 ? "[" : ",")
            output.append(bytes.extracting(values[index]))
        }
        output.append(UInt8(ascii: "]"))
    }

    // The closing quote is left out: it would order before some bytes that a name can hold.
    private static func compare(
        _ bytes: Span<UInt8>, _ left: Range<Int>, _ right: Range<Int>
    ) -> Int {
        let count = min(left.count, right.count) - 1
        var index = 1
        while index < count {
            let (a, b) = (bytes[left.lowerBound + index], bytes[right.lowerBound + index])
            if a != b { return a < b ? -1 : 1 }
            index += 1
        }
        return left.count == right.count ? 0 : left.count < right.count ? -1 : 1
    }

    // MARK: Moments

    /// Writes a moment as milliseconds since 1970, cut to the one before.
    static func milliseconds(
        _ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout ByteWriter
    ) {
        let microseconds = BodyText.time(bytes, range)?.microseconds ?? 0
        output.append(decimal: (microseconds - (microseconds % 1000 + 1000) % 1000) / 1000)
    }

    // MARK: Sets and maps

    /// Walks over the texts of a set, quotes included; over a value of another kind as a whole.
    static func forEachText(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void
    ) {
        var scanner = BodyScanner(at: range.lowerBound, end: range.upperBound)
        guard scanner.take(UInt8(ascii: "["), bytes) else { return body(range) }
        repeat {
            let start = scanner.at
            guard scanner.skipValue(bytes) else { return }
            body(start..<scanner.at)
        } while scanner.take(UInt8(ascii: ","), bytes)
    }

    /// Writes the first text of a set.
    static func first(_ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout ByteWriter) {
        var isWritten = false
        forEachText(bytes, range) { text in
            guard !isWritten else { return }
            isWritten = true
            output.append(bytes.extracting(text))
        }
    }

    /// Writes a set of texts as objects of OCSF that have nothing but an identifier.
    static func identifiers(
        _ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout ByteWriter
    ) {
        var isFirst = true
        forEachText(bytes, range) { text in
            output.append(isFirst ? "[{\"uid\":" : ",{\"uid\":")
            output.append(bytes.extracting(text))
            output.append(UInt8(ascii: "}"))
            isFirst = false
        }
        output.append(UInt8(ascii: "]"))
    }

    /// Writes a map of texts as a set of `key:value`.
    static func pairs(_ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout ByteWriter) {
        var scanner = BodyScanner(at: range.lowerBound, end: range.upperBound)
        output.append(UInt8(ascii: "["))
        guard scanner.take(UInt8(ascii: "{"), bytes) else {
            output.append(bytes.extracting(range))
            return output.append(UInt8(ascii: "]"))
        }
        repeat {
            let start = scanner.at
            guard scanner.skipValue(bytes), scanner.take(UInt8(ascii: ":"), bytes) else { break }
            let middle = scanner.at - 1
            guard scanner.skipValue(bytes) else { break }
            if start > range.lowerBound + 1 { output.append(UInt8(ascii: ",")) }
            output.append(bytes.extracting(start..<middle - 1))
            output.append(UInt8(ascii: ":"))
            let value = middle + 1..<scanner.at
            if bytes[value.lowerBound] == UInt8(ascii: "\"") {
                output.append(bytes.extracting(value.dropFirst().dropLast()))
            } else {
                output.append(escaped: bytes.extracting(value))
            }
            output.append(UInt8(ascii: "\""))
        } while scanner.take(UInt8(ascii: ","), bytes)
        output.append(UInt8(ascii: "]"))
    }

    // MARK: Factors

    /// A factor, known to OCSF or not.
    struct Kind {
        let known: OCSFWords.Factor?
    }

    /// What a quoted method of RFC 8176 is to OCSF; nil for what is no factor.
    static func factor(_ bytes: Span<UInt8>, _ method: Range<Int>) -> Kind? {
        if OCSFWords.noFactors.contains(where: { $0.isAll(of: method, bytes) }) { return nil }
        return Kind(known: OCSFWords.factors.first { $0.method.isAll(of: method, bytes) })
    }

    /// Writes the factors among some methods, each one once.
    static func factors(_ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout ByteWriter) {
        var written: UInt64 = 0
        var isFirst = true
        forEachText(bytes, range) { method in
            guard let kind = factor(bytes, method) else { return }
            let known = kind.known
            if let known {
                if written >> known.number & 1 == 1 { return }
                written |= 1 << known.number
            }
            output.append(isFirst ? "[{\"factor_type_id\":" : ",{\"factor_type_id\":")
            isFirst = false
            output.append(decimal: known?.number ?? 99)
            output.append(",\"factor_type\":")
            if let known {
                output.append(jsonWord: known.caption)
            } else {
                output.append(bytes.extracting(method))
            }
            output.append(UInt8(ascii: "}"))
        }
        output.append(UInt8(ascii: "]"))
    }
}

extension ByteWriter {
    @inline(__always)
    fileprivate mutating func append(jsonWord word: StaticString) {
        append(UInt8(ascii: "\""))
        append(word)
        append(UInt8(ascii: "\""))
    }
}

/// The form that OCSF 1.8 asks of an e-mail address (`email_t`).
enum EmailAddress {
    /// Whether a quoted text is an address; what JSON escapes is in none.
    static func isOne(_ quoted: Span<UInt8>) -> Bool {
        guard quoted.count > 2 else { return false }
        let text = 1..<quoted.count - 1
        guard let at = ByteSearch.first(UInt8(ascii: "@"), in: quoted, text),
            at > text.lowerBound
        else { return false }
        for index in text.lowerBound..<at where !isLocal(quoted[index]) { return false }
        let domain = at + 1..<text.upperBound
        guard let dot = ByteSearch.first(UInt8(ascii: "."), in: quoted, domain),
            dot > domain.lowerBound, dot + 1 < domain.upperBound
        else { return false }
        for index in domain where !isAlphanumeric(quoted[index]) {
            guard quoted[index] == UInt8(ascii: "-") || quoted[index] == UInt8(ascii: ".") else {
                return false
            }
        }
        return true
    }

    private static func isLocal(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || "!#$%&'*+,-./=?^_`{|}~".utf8.contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        byte >= 0x30 && byte <= 0x39 || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A
    }
}
