// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Tells which product each record is of, where several may write into one log. One serves one
/// thread.
///
/// The product of the record before is asked first, then the others, those for one product before
/// generic ones. A record that nobody knows is taken for one of the product before it, which
/// ignores it or goes on with it.
public struct ProductSorter: ~Copyable {
    /// Neighbouring records of one product.
    public struct Run: Sendable, Hashable {
        /// The number of its parser; nil while no product was recognised.
        public var parser: Int?
        /// The records.
        public var records: Range<Int>
        /// How many of them the product knows itself.
        public var knownCount: Int
    }

    /// How much of a record is looked at.
    public static let byteLimit = 16 << 10

    private let parsers: [ParserOutline]
    private let match = Match()
    private var latest: Int?
    private var compact: [UInt8] = []

    /// Tells the lines of these parsers apart, the more specific first.
    public init(parsers: [ParserOutline]) {
        self.parsers = parsers
    }

    /// The records of a batch, in order and none twice; an empty batch gives one run of no record.
    public mutating func runs(of batch: RecordBatch) -> [Run] {
        var runs: [Run] = []
        let block = batch.bytes.span
        for index in batch.records.indices {
            let known = product(block, batch.body(of: index))
            let parser = known ?? latest
            latest = parser
            let knownCount = known == nil ? 0 : 1
            if let last = runs.last, last.parser == parser {
                runs[runs.count - 1].records = last.records.lowerBound..<index + 1
                runs[runs.count - 1].knownCount += knownCount
            } else {
                runs.append(
                    Run(parser: parser, records: index..<index + 1, knownCount: knownCount))
            }
        }
        if runs.isEmpty { runs.append(Run(parser: latest, records: 0..<0, knownCount: 0)) }
        return runs
    }

    /// Which product knows a record; nil when none does.
    private mutating func product(_ block: Span<UInt8>, _ body: Range<Int>) -> Int? {
        let whole =
            body.lowerBound..<min(body.upperBound, body.lowerBound + ProductSorter.byteLimit)
        guard !whole.isEmpty else { return nil }
        guard let feed = ByteSearch.first(ProductSorter.lineFeed, in: block, whole) else {
            return product(of: block, whole)
        }
        let first = block[whole.lowerBound]
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            ProductSorter.compact(block, whole, into: &compact)
            let text = compact
            return product(of: text.span, 0..<text.count)
        }
        return product(of: block, whole.lowerBound..<feed) ?? product(of: block, whole)
    }

    private func product(of text: Span<UInt8>, _ range: Range<Int>) -> Int? {
        // A list is of the product of its first element.
        var range = range
        if range.count > 1, text[range.lowerBound] == UInt8(ascii: "["),
            text[range.lowerBound + 1] == UInt8(ascii: "{")
        {
            range = range.lowerBound + 1..<range.upperBound
        }
        if let latest, !parsers[latest].isGeneric, isKnown(text, range, latest) { return latest }
        for index in parsers.indices where isKnown(text, range, index) { return index }
        return nil
    }

    private func isKnown(_ text: Span<UInt8>, _ range: Range<Int>, _ index: Int) -> Bool {
        for expression in parsers[index].lines
        where expression.match(text, range, into: match) {
            return true
        }
        return false
    }

    /// Printed JSON as it would stand on one line.
    private static func compact(
        _ bytes: Span<UInt8>, _ range: Range<Int>, into output: inout [UInt8]
    ) {
        output.removeAll(keepingCapacity: true)
        var isText = false
        var isEscaped = false
        for index in range {
            let byte = bytes[index]
            if !isText, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { continue }
            output.append(byte)
            if isEscaped {
                isEscaped = false
            } else if isText, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isText.toggle()
            }
        }
    }

    private static let lineFeed: UInt8 = 0x0A
}

extension ParserLibrary {
    /// All parsers, those for one product before generic ones.
    public var bySpecificity: [ParserOutline] {
        let all = names.compactMap { outline(named: $0) }
        return all.filter { !$0.isGeneric } + all.filter(\.isGeneric)
    }
}

extension [ParserOutline] {
    /// Which parsers know the lines of a sample, the surest first, with the share they know.
    ///
    /// A parser for a product comes before a generic one that knows the same lines.
    public func recognise(sample: [[UInt8]]) -> [(name: String, confidence: Double)] {
        guard !sample.isEmpty else { return [] }
        let match = Match()
        var result: [(name: String, confidence: Double, isGeneric: Bool)] = []
        for parser in self {
            let known = sample.count { line in
                parser.lines.contains {
                    $0.match(line.span, 0..<line.count, into: match)
                }
            }
            guard known > 0 else { continue }
            result.append((parser.name, Double(known) / Double(sample.count), parser.isGeneric))
        }
        return result.sorted { left, right in
            if left.isGeneric != right.isGeneric { return right.isGeneric }
            if left.confidence != right.confidence { return left.confidence > right.confidence }
            return left.name < right.name
        }.map { ($0.name, $0.confidence) }
    }
}

/// What becomes of records while no product was recognised.
public enum Unrecognised {
    /// The reason by which they are ignored.
    public static let reason = "unrecognised"
    /// What stands in place of the parser's name.
    public static let parser = "auto"

    /// The batch without events.
    public static func ignore(_ batch: RecordBatch) -> EventBatch {
        var tally = RecordTally()
        tally.read = batch.records.count
        if tally.read > 0 { tally.ignored[reason] = tally.read }
        for record in batch.records {
            tally.bytes += Int(record.count)
            if record.damage.contains(.cut) { tally.truncated += 1 }
        }
        return EventBatch(records: batch, parser: parser, tally: tally)
    }
}
