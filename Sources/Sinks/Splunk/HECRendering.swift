// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes events as `/services/collector/event` takes them, one object behind the other.
///
/// `{"time":1795258927.118000,"host":"…","source":"…","sourcetype":"…","event":"…"}`: the event is
/// the rendered line as a JSON string, so what Splunk keeps as `_raw` is that line byte for byte.
/// One rendering serves one thread.
struct HECRendering: ~Copyable {
    private var rendering: EventRendering
    private var fields = BodyFields()
    private var line = ByteWriter(capacity: 4096)
    // What stands between the host and the event.
    private let origin: [UInt8]
    // The stream of the last event, and the agent's name in it as a JSON string.
    private var stream = ""
    private var agent: [UInt8] = []

    init(_ format: SinkFormat, source: String, sourceType: String, index: String?) {
        rendering = EventRendering(format)
        var origin = ByteWriter()
        origin.append(",\"source\":")
        origin.append(jsonString: source)
        origin.append(",\"sourcetype\":")
        origin.append(jsonString: sourceType)
        if let index {
            origin.append(",\"index\":")
            origin.append(jsonString: index)
        }
        origin.append(",\"event\":")
        self.origin = origin.makeArray()
    }

    /// Appends one event and an LF.
    ///
    /// False, with nothing appended, when the body is not what this agent writes.
    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        let bytes = batch.bodies.span
        line.removeAll()
        guard fields.read(batch, event: event), let place = fields.range(of: .time),
            let time = HECRendering.time(bytes, place),
            rendering.append(batch, event: event, to: &line)
        else { return false }
        // Escaping nearly doubles the quotes of the line.
        output.reserve(line.count * 2 + origin.count + HECRendering.overheadByteCount)
        output.append("{\"time\":")
        if time < 0 { output.append(UInt8(ascii: "-")) }
        output.append(decimal: time.magnitude / 1_000_000)
        output.append(UInt8(ascii: "."))
        output.append(padded: Int(time.magnitude % 1_000_000), width: 6)
        output.append(",\"host\":")
        if let host = fields.range(of: .providerHost) {
            output.append(bytes.extracting(host))
        } else {
            if batch.stream != stream {
                stream = batch.stream
                var name = ByteWriter()
                name.append(jsonString: batch.agentName)
                agent = name.makeArray()
            }
            output.append(agent)
        }
        output.append(origin)
        // Without the LF of the line.
        line.withBytes { output.append(jsonString: $0.extracting(0..<$0.count - 1)) }
        output.append("}\n")
        return true
    }

    private static let overheadByteCount = 512

    /// Microseconds since 1970, of a canonical time with its quotes; nil for anything else.
    static func time(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        guard range.count == Timestamp.textByteCount + 2 else { return nil }
        let start = range.lowerBound + 1
        var isPlain = bytes[start + 26] == UInt8(ascii: "Z")
        let moment = Timestamp(
            year: number(bytes, start, 4, &isPlain), month: number(bytes, start + 5, 2, &isPlain),
            day: number(bytes, start + 8, 2, &isPlain),
            hour: number(bytes, start + 11, 2, &isPlain),
            minute: number(bytes, start + 14, 2, &isPlain),
            second: number(bytes, start + 17, 2, &isPlain),
            microsecond: number(bytes, start + 20, 6, &isPlain))
        return isPlain ? moment.microseconds : nil
    }
    private static func number(
        _ bytes: Span<UInt8>, _ start: Int, _ count: Int, _ isPlain: inout Bool
    ) -> Int {
        var value = 0
        for at in start..<start + count {
            let digit = bytes[at] &- 0x30
            if digit > 9 { isPlain = false }
            value = value * 10 + Int(digit)
        }
        return value
    }
}
