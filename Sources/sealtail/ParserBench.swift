// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform

/// Measures what records cost in a parser, in processor time of one thread.
struct ParserBench {
    private let program: ParserProgram
    /// How long each figure is measured.
    private static let measuringTime = Duration.milliseconds(200)
    /// How many records go into a batch.
    private static let batchCount = 1_000

    /// The bytes of a hostile record.
    private static let hostileByteCount = 64 << 10

    init(_ program: ParserProgram) {
        self.program = program
    }

    /// A line for each format that some of the records have.
    func rows(_ records: [[UInt8]]) -> [String] {
        var parser = RecordParser(program: program, context: ParseCommand.publicContext(.utc))
        var byFormat: [String: [[UInt8]]] = [:]
        for record in records {
            let format = parser.explain(Self.batch([record])).explanation.format
            let isJSON = record.first == UInt8(ascii: "{") || record.first == UInt8(ascii: "[")
            if let format {
                byFormat[format + (isJSON ? ", JSON" : ""), default: []].append(record)
            }
        }
        return byFormat.sorted { $0.key < $1.key }.map { format, records in
            let usual = cost(&parser, Self.repeated(records))
            let worst = worst(&parser, records)
            let byteCount = records.reduce(0) { $0 + $1.count } / records.count
            return "\(program.name) \(format): \(records.count) of \(byteCount) B, "
                + "\(Self.text(usual.record)) "
                + "\(Self.text(usual.event)), \(Self.text(worst.cost)) \(worst.matchCount)"
        }
    }

    /// The same records again and again, as many as a batch has.
    private static func repeated(_ records: [[UInt8]]) -> [[UInt8]] {
        (0..<batchCount).map { records[$0 % records.count] }
    }

    /// Processor time a record, and an event.
    private func cost(
        _ parser: inout RecordParser, _ records: [[UInt8]]
    ) -> (record: Duration, event: Duration) {
        let batch = Self.batch(records)
        _ = parser.parse(batch)
        let start = SystemClock.threadTime()
        var count = 0
        var eventCount = 0
        var used = Duration.zero
        while used < Self.measuringTime {
            eventCount += parser.parse(batch).events.count
            count += records.count
            used = SystemClock.threadTime() - start
        }
        return (used / count, used / max(eventCount, 1))
    }

    private func worst(
        _ parser: inout RecordParser, _ records: [[UInt8]]
    ) -> (cost: Duration, matchCount: Int) {
        var worst = (cost: Duration.zero, matchCount: 0)
        // The longest record goes furthest into a parser.
        guard let longest = records.max(by: { $0.count < $1.count }) else { return worst }
        for record in HostileRecords.make(
            from: longest, byteCount: Self.hostileByteCount)
        {
            let start = SystemClock.threadTime()
            _ = parser.parse(Self.batch([record]))
            worst.cost = max(worst.cost, SystemClock.threadTime() - start)
            worst.matchCount = max(worst.matchCount, parser.effort.matchCount)
        }
        return worst
    }

    private static func batch(_ records: [[UInt8]]) -> RecordBatch {
        var bytes: [UInt8] = []
        var places: [Record] = []
        for record in records {
            places.append(
                Record(
                    start: UInt32(bytes.count), count: UInt32(record.count),
                    offset: UInt64(bytes.count)))
            bytes += record
        }
        bytes += [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        return RecordBatch(
            input: "bench", source: "bench", path: nil, observed: SystemClock().now(),
            bytes: bytes, records: places, positions: [])
    }

    /// Microseconds with two decimals.
    private static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let hundredths = seconds * 100_000_000 + attoseconds / 10_000_000_000
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
