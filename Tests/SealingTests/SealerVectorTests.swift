// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

struct SealerVectorTests {
    /// Cuts bodies into groups of the given sizes and writes the lines.
    private func sealed(
        _ bodies: [[UInt8]], epoch: String, groups: [Int]
    ) throws -> (lines: [String], notes: [String]) {
        var sealer = Sealer(key: try SealFixture.key(), epoch: epoch, sinks: [])
        var lines: [String] = []
        var notes: [String] = []
        var at = 0
        for count in groups {
            notes.append(sealer.checkpointNote())
            let batch = try encoded(Array(bodies[at..<at + count]))
            lines += SealingTests.lines(sealer.seal([batch]) { _, waiting in waiting })
            at += count
        }
        #expect(at == bodies.count)
        return (lines, notes)
    }

    @Test func theBodiesOfTheFirstStreamGiveItsLinesAndItsCheckpoint() throws {
        let bodies = try SealFixture.lines("stream-a-bodies.ndjson").compactMap { canonical($0) }
        let (lines, notes) = try sealed(
            bodies, epoch: "5f1e0c2ab77d4e10", groups: [1, 1, 2, 1, 1, 1])
        #expect(lines == (try SealFixture.lines("stream-a.ndjson")))
        #expect(notes[3] == (try SealFixture.text("checkpoint.txt")))
    }

    @Test func theBodiesOfTheSecondStreamGiveItsLines() throws {
        let expected = try SealFixture.lines("stream-b.ndjson")
        let bodies = expected.compactMap { line -> [UInt8]? in
            let bytes = Array(line.utf8)
            let mark = Array(",\"integrity\":".utf8)
            guard let end = ByteSearch.first(mark, in: bytes.span, 0..<bytes.count) else {
                return nil
            }
            return bytes[..<end] + [UInt8(ascii: "}")]
        }
        let (lines, notes) = try sealed(
            bodies, epoch: "00112233445566ff", groups: [1, 3, 5, 64, 1])
        #expect(lines == expected)
        let last = try JSONText(bytes: agentPart(bodies[73]))
        #expect(notes[4] == last["checkpoint"])
    }

    private func agentPart(_ body: [UInt8]) throws -> [UInt8] {
        var document = StrictDocument()
        try document.read(body.span)
        let member = document.member("agent", of: 0, body.span)
        let node = try #require(member)
        var writer = ByteWriter()
        _ = document.write(node, body.span, to: &writer)
        return writer.makeArray()
    }

    @Test func theAgentsOwnEventsAreThoseOfTheFirstStream() throws {
        let key = try SealFixture.key()
        let expected = try SealFixture.lines("stream-a.ndjson").compactMap { line -> String? in
            line.range(upTo: ",\"integrity\":").map { $0 + "}" }
        }
        var sealer = Sealer(key: key, epoch: "5f1e0c2ab77d4e10", sinks: [])
        var agent = AgentEvents(
            agentName: key.name, host: key.name, stream: sealer.stream, version: "0.1.0")
        let started = agent.started(
            predecessor: .none, verifierKey: key.verifierKey,
            at: Timestamp(year: 2026, month: 11, day: 21, hour: 11, minute: 2))
        #expect(String(decoding: started.bodies, as: UTF8.self) == expected[0])
        _ = sealer.sealAlone(started)
        _ = sealer.sealAlone(try encoded([Array(expected[1].utf8)]))
        _ = sealer.seal([try encoded([Array(expected[2].utf8), Array(expected[3].utf8)])])
        let filtered = ["siem_b eb91487279cbb351 1"]
        let checkpoint = agent.checkpoint(
            note: sealer.checkpointNote(), filtered: filtered, rejected: [], lost: [],
            at: Timestamp(year: 2026, month: 11, day: 21, hour: 11, minute: 3, second: 42))
        #expect(String(decoding: checkpoint.bodies, as: UTF8.self) == expected[4])
        _ = sealer.sealAlone(checkpoint)
        let time = Timestamp(year: 2026, month: 11, day: 21, hour: 11, minute: 4)
        let stopped = agent.stopped(reason: "SIGTERM", at: time)
        #expect(String(decoding: stopped.bodies, as: UTF8.self) == expected[5])
        _ = sealer.sealAlone(stopped)
        let last = agent.checkpoint(
            note: sealer.checkpointNote(), filtered: filtered, rejected: [], lost: [], at: time)
        #expect(String(decoding: last.bodies, as: UTF8.self) == expected[6])
        #expect(last.tally.events == 1)
        #expect(last.input == "agent")
    }

    @Test func theEndOfTheFirstStreamIsWhatTheSecondNamesAsPredecessor() throws {
        let bodies = try SealFixture.lines("stream-a-bodies.ndjson").compactMap { canonical($0) }
        var sealer = Sealer(
            key: try SealFixture.key(), epoch: "5f1e0c2ab77d4e10", sinks: [])
        for count in [0..<1, 1..<2, 2..<4, 4..<5, 5..<6, 6..<7] {
            _ = sealer.seal([try encoded(Array(bodies[count]))])
        }
        let first = try #require(try SealFixture.lines("stream-b.ndjson").first)
        #expect(first.contains("\"predecessor\":\"\(sealer.end.text)\""))
        #expect(Predecessor(text: sealer.end.text) == sealer.end)
    }

    @Test func idsComeFromTheRecordAndItsPlace() throws {
        for entry in try JSONText.list("ids.json") {
            let record = Array(entry["record"].utf8)
            let range = Record(
                start: 0, count: UInt32(record.count), offset: entry.number("position"))
            let values = [
                FieldValue(.action, .word, payload: UInt64(Action.unclassified.rawValue)),
                FieldValue(.time, .time, payload: 0),
            ]
            let event = Event(
                action: .unclassified, outcome: .unknown, severity: .info, errorCode: nil,
                record: 0, ordinal: Int(entry.number("ordinal")), values: values.indices)
            let batch = EventBatch(
                records: RecordBatch(
                    input: "keycloak", source: entry["source"], path: nil,
                    observed: Timestamp(microseconds: 0),
                    bytes: record + [UInt8](repeating: 0, count: RecordBatch.paddingByteCount),
                    records: [range], positions: []),
                parser: "keycloak", values: values, events: [event])
            var encoder = BodyEncoder(agentName: entry["agent_name"], tenants: false)
            let body = try JSONText(bytes: encoder.encode(batch).bodies)
            #expect(body["id"] == entry["id"])
        }
    }
}

extension String {
    /// What stands before a mark; nil where it does not occur.
    func range(upTo mark: String) -> String? {
        let bytes = Array(utf8)
        let needle = Array(mark.utf8)
        return ByteSearch.first(needle, in: bytes.span, 0..<bytes.count)
            .map { String(decoding: bytes[..<$0], as: UTF8.self) }
    }
}
