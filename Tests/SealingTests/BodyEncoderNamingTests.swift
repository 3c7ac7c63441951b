// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

/// What the id of an event is made of, for records whose place is not a number.
struct BodyEncoderNamingTests {
    private static let block = Array("one two event-7".utf8)

    private func ids(_ naming: RecordNaming, hasOwnIDs: Bool) -> [String] {
        let block = BodyEncoderNamingTests.block
        var batch = RecordBatch(
            input: "in", source: "the source", path: nil,
            observed: Timestamp(microseconds: 0),
            bytes: block + [UInt8](repeating: 0, count: RecordBatch.paddingByteCount),
            records: [
                Record(start: 0, count: 3, offset: 5), Record(start: 4, count: 3, offset: 6),
            ], positions: [])
        batch.naming = naming
        var values: [FieldValue] = []
        var events: [Event] = []
        for record in 0..<2 {
            let start = values.count
            values.append(FieldValue(.time, .time, payload: 0))
            values.append(FieldValue(.observed, .time, payload: 0))
            // The second one has an id of its own.
            if hasOwnIDs, record == 1 {
                values.append(FieldValue(.providerEventID, .block, offset: 8, count: 7))
            }
            events.append(
                Event(
                    action: .unclassified, outcome: .unknown, severity: .info, errorCode: nil,
                    record: record, ordinal: 0, values: start..<values.count))
        }
        let batchOfEvents = EventBatch(
            records: batch, parser: "p", scratch: [], constants: [], values: values,
            events: events, tally: RecordTally())
        var encoder = BodyEncoder(agentName: "a.example.com", tenants: false)
        let encoded = encoder.encode(batchOfEvents)
        let text = String(decoding: encoded.bodies, as: UTF8.self)
        return text.split(separator: "\"id\":\"").dropFirst().map { String($0.prefix(32)) }
    }

    private func id(_ source: String, _ position: String, _ record: String) -> String {
        let bytes = Array(record.utf8)
        let checksum = CRC32C.checksum(bytes.span)
        let digits = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: checksum >> UInt32($0)) }
        let text =
            "sealtail-id/v1\na.example.com\n\(source)\n\(position)\n0\n" + Hex.encode(digits)
        let whole = Array(text.utf8)
        return String(SHA256.digest(whole.span).hex().prefix(32))
    }

    @Test func offsetsAreTheRule() {
        #expect(
            ids(.offset, hasOwnIDs: true)
                == [id("the source", "5", "one"), id("the source", "6", "two")])
    }

    @Test func cursorsStandInPlaceOfOffsets() {
        #expect(
            ids(.cursors(["s=1;i=2", "s=1;i=3"]), hasOwnIDs: true)
                == [id("the source", "s=1;i=2", "one"), id("the source", "s=1;i=3", "two")])
    }

    @Test func theLogsOwnIDCountsWhereThereIsOne() {
        #expect(
            ids(.eventIDs(source: "in"), hasOwnIDs: true)
                == [id("the source", "5", "one"), id("in", "event-7", "two")])
        #expect(
            ids(.eventIDs(source: "in"), hasOwnIDs: false)
                == [id("the source", "5", "one"), id("the source", "6", "two")])
    }
}
