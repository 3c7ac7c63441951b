// SPDX-License-Identifier: Apache-2.0
import Platform

/// The bounds of one PutLogEvents request, from the API reference of CloudWatch Logs.
enum LogEventLimit {
    /// All messages in UTF-8, with `overheadByteCount` for each.
    static let byteCount = 1_048_576
    /// What each event counts beside its message.
    static let overheadByteCount = 26
    /// Events.
    static let count = 10_000
    /// From the oldest to the newest.
    static let span = Duration.seconds(86_400)
    /// The longest message: one event must fit into a request.
    static let messageByteCount = byteCount - overheadByteCount
}

/// The events of one PutLogEvents request, in the order of time that the service asks for.
struct LogEvents {
    private struct Entry {
        let index: Int
        let milliseconds: Int64
        let message: Range<Int>
    }

    private var entries: [Entry] = []
    private var byteCount = 0

    /// Takes an event whose message stands in this range of the bytes that `append` is given.
    mutating func add(index: Int, at time: Timestamp, message: Range<Int>) {
        // Rounded down also before 1970.
        let milliseconds = (time.microseconds - (time.microseconds < 0 ? 999 : 0)) / 1000
        entries.append(Entry(index: index, milliseconds: milliseconds, message: message))
        byteCount += message.count + LogEventLimit.overheadByteCount
    }

    /// True when there is none.
    var isEmpty: Bool { entries.isEmpty }

    /// The indices of the events in the order of the request; call `sort` before.
    var order: [Int] { entries.map(\.index) }

    /// Orders by time; events of one millisecond keep their order.
    mutating func sort() {
        entries.sort { ($0.milliseconds, $0.index) < ($1.milliseconds, $1.index) }
    }

    /// Why these are too many for one request; nil when they are not. Call `sort` before.
    var excess: String? {
        if entries.count > LogEventLimit.count {
            return "\(entries.count) events: a request takes \(LogEventLimit.count)"
        }
        if byteCount > LogEventLimit.byteCount {
            return "\(byteCount) bytes of events: a request takes \(LogEventLimit.byteCount)"
        }
        guard let first = entries.first, let last = entries.last else { return nil }
        let span = Duration.milliseconds(last.milliseconds - first.milliseconds)
        return span > LogEventLimit.span
            ? "the events lie more than 24 hours apart: a request takes those of a day" : nil
    }

    /// Appends the body of the request.
    func append(
        group: String, stream: String, lines: borrowing ByteWriter, to body: inout ByteWriter
    ) {
        body.append("{\"logGroupName\":")
        body.append(jsonString: group)
        body.append(",\"logStreamName\":")
        body.append(jsonString: stream)
        body.append(",\"logEvents\":[")
        lines.withBytes { bytes in
            for (number, entry) in entries.enumerated() {
                body.append(number == 0 ? "{\"timestamp\":" : ",{\"timestamp\":")
                body.append(decimal: entry.milliseconds)
                body.append(",\"message\":")
                body.append(jsonString: bytes.extracting(entry.message))
                body.append(UInt8(ascii: "}"))
            }
        }
        body.append("]}")
    }

    /// What an answer may have beside the events that it refuses.
    private static let known = ["nextSequenceToken", "rejectedEntityInfo"]

    /// The events that an answer of status 200 refuses; nil when it is no answer.
    ///
    /// `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":2,…}}` counts places in the request: an
    /// end is the first place that is not refused, a start the first one that is.
    static func rejections(_ body: [UInt8], order: [Int]) -> [Rejection]? {
        guard let document = try? JSONDocument(reading: body), document.members != nil,
            document["__type"] == nil
        else { return nil }
        guard let found = document["rejectedLogEventsInfo"] else {
            // Whoever has something else to say is not the service.
            let isEmpty = document.members?.isEmpty == true
            return isEmpty || known.contains { document[$0] != nil } ? [] : nil
        }
        let count = order.count
        let place = { (key: String, otherwise: Int) -> Int in
            found[key]?.integer.map { Int(max(0, min(Int64(count), $0))) } ?? otherwise
        }
        let old = place("tooOldLogEventEndIndex", 0)
        let expired = place("expiredLogEventEndIndex", 0)
        let new = max(place("tooNewLogEventStartIndex", count), max(old, expired))
        let ranges = [
            (0..<old, "CloudWatch Logs: older than 14 days"),
            (old..<max(old, expired), "CloudWatch Logs: older than the log group keeps events"),
            (new..<count, "CloudWatch Logs: more than 2 hours ahead of the service's clock"),
        ]
        return ranges.flatMap { range, reason in
            range.map { Rejection(index: order[$0], reason: reason, code: .refused) }
        }
    }
}
