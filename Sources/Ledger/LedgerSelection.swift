// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Which events of a ledger are meant. A pure value.
public enum LedgerSelection: Sendable, Hashable {
    /// Events that happened in a span of time, by their own `time`: the first moment belongs to
    /// it, the last does not. Nil leaves an end open.
    case time(since: Timestamp?, until: Timestamp?)
    /// Events with these numbers in one stream.
    case numbers(stream: String, ClosedRange<UInt64>)

    /// The events of a batch that are meant, out of some of them.
    public func events(of batch: SealedBatch, among range: Range<Int>) -> [Int] {
        switch self {
        case .numbers(let stream, let numbers):
            guard batch.stream == stream else { return [] }
            let first = batch.firstSequence
            return range.filter { numbers.contains(first + UInt64($0)) }
        case .time(nil, nil): return Array(range)
        case .time(let since, let until):
            let (since, until) = (since.map(Self.bytes), until.map(Self.bytes))
            let bodies = batch.bodies.span
            var found: [Int] = []
            for event in range {
                guard let time = EventTime.bytes(of: bodies.extracting(batch.bodyRange(event)))
                else { continue }
                // All times have one form, so their texts are ordered as they are.
                if let since, time.lexicographicallyPrecedes(since) { continue }
                if let until, !time.lexicographicallyPrecedes(until) { continue }
                found.append(event)
            }
            return found
        }
    }

    private static func bytes(_ time: Timestamp) -> [UInt8] { Array(time.text.utf8) }
}

/// Finds the time of an event in its body.
enum EventTime {
    private static let name = Array("\"time\":\"".utf8)

    /// The canonical text of the member `time` of the object itself, not of one inside it.
    static func bytes(of body: Span<UInt8>) -> [UInt8]? {
        var depth = 0
        var at = 0
        while at < body.count {
            switch body[at] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\""):
                if depth == 1, let time = time(at, body) { return time }
                guard let end = end(of: at, body) else { return nil }
                at = end
            default: break
            }
            at += 1
        }
        return nil
    }

    private static func time(_ at: Int, _ body: Span<UInt8>) -> [UInt8]? {
        let start = at + name.count
        let end = start + Timestamp.textByteCount
        guard end < body.count, body[end] == UInt8(ascii: "\""),
            ByteSearch.equal(body.extracting(at..<start), name.span)
        else { return nil }
        return Array(copying: body.extracting(start..<end))
    }

    /// Where the quote is that ends the text that begins with the quote at `at`.
    private static func end(of at: Int, _ body: Span<UInt8>) -> Int? {
        var from = at + 1
        while let quote = ByteSearch.first(UInt8(ascii: "\""), in: body, from..<body.count) {
            var slash = quote
            while slash > from, body[slash - 1] == UInt8(ascii: "\\") { slash -= 1 }
            if (quote - slash) % 2 == 0 { return quote }
            from = quote + 1
        }
        return nil
    }
}
