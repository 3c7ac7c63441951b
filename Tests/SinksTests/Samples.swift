// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

/// Events made up for these tests.
enum Samples {
    static let stream = "idp1.example.com/main/00112233445566ff"

    /// A body with nothing that is not required.
    static func plain(_ number: Int) -> String {
        let id = "00000000000000000000000000" + String(100_000 + number)
        return
            "{\"action\":\"LoginSucceeded\",\"actor\":{\"id\":\"u-\(number)\",\"name\":\"alice\","
            + "\"type\":\"user\"},\"id\":\"\(id)\","
            + "\"observed\":\"2026-11-21T11:02:07.391552Z\",\"outcome\":\"success\","
            + "\"provider\":{\"host\":\"idp1.example.com\",\"product\":\"keycloak\","
            + "\"vendor\":\"Keycloak\"},\"schema\":\"1.0\",\"severity\":\"info\","
            + "\"time\":\"2026-11-21T11:02:07.118000Z\"}"
    }

    /// A body with a value in every field; those of closed lists and times are such words.
    static func full(
        action: String = "RoleGranted", target: String, actor: String, leavingOut: Set<Field> = []
    ) -> String {
        var members: [(group: String?, text: String)] = []
        for field in Field.allCases where !leavingOut.contains(field) {
            let value: String
            switch (field, field.entry.kind) {
            case (.action, _): value = "\"\(action)\""
            case (.outcome, _): value = "\"success\""
            case (.severity, _): value = "\"critical\""
            case (.actorType, _): value = "\"\(actor)\""
            case (.targetType, _): value = "\"\(target)\""
            case (.sourceIP, _): value = "\"203.0.113.9\""
            case (_, .time): value = "\"2026-11-21T11:02:07.\(100_000 + Int(field.rawValue))Z\""
            case (_, .text), (_, .word): value = "\"\(field.path)\""
            case (_, .integer): value = "\(100 + Int(field.rawValue))"
            case (_, .boolean): value = "true"
            case (_, .set): value = "[\"\(field.path) 1\",\"\(field.path) 2\"]"
            case (_, .map): value = "{\"k\":\"v\"}"
            }
            let group = field.entry.group.map { String(describing: $0) }
            let text = "\"\(field.entry.key)\":\(value)"
            if let group, members.last?.group == group {
                members[members.count - 1].text += "," + text
            } else {
                members.append((group, text))
            }
        }
        let parts = members.map { $0.group.map { "\"\($0)\":{" } ?? "" }
        let texts = zip(parts, members).map { $0 + $1.text + ($1.group == nil ? "" : "}") }
        return "{" + texts.joined(separator: ",") + "}"
    }

    static func id(_ number: Int) -> String {
        "00000000000000000000000000" + String(100_000 + number)
    }

    /// Seals bodies in groups of `size`, with a signature that nobody will ask about.
    static func batch(_ bodies: [String], first: UInt64 = 0, groupSize: Int = 3) -> SealedBatch {
        var batch = SealedBatch(
            stream: stream, keyID: 0x329f_d991, sinks: ["siem"], bodies: [], events: [],
            groups: [], positions: [], head: .zero)
        for body in bodies {
            let bytes = Array(body.utf8)
            batch.bodies += bytes
            let name = body.split(separator: "\"").dropFirst(3).first.map { String($0) } ?? ""
            batch.events.append(
                SealedEvent(
                    end: batch.bodies.count, leaf: SHA256.leaf(bytes.span),
                    action: Action(name: name) ?? .unclassified, severity: .info, sinkBits: 1))
        }
        var start = 0
        while start < bodies.count {
            let count = min(groupSize, bodies.count - start)
            batch.groups.append(
                SealedGroup(
                    first: first + UInt64(start), count: count, previous: .zero,
                    signature: [UInt8](repeating: 7, count: 64)))
            start += count
        }
        return batch
    }

    /// A delivery of `count` plain events.
    static func delivery(_ count: Int, first: Int = 0) -> DeliveryBatch {
        let bodies = (first..<first + count).map { plain($0) }
        return DeliveryBatch(
            batch: batch(bodies, first: UInt64(first)), events: Array(0..<count))
    }

    /// The lines that a format makes of a delivery.
    static func lines(_ delivery: DeliveryBatch, _ format: SinkFormat) -> [UInt8] {
        var rendering = EventRendering(format)
        var output = ByteWriter()
        delivery.forEach { _, batch, event in
            _ = rendering.append(batch, event: event, to: &output)
        }
        return output.makeArray()
    }

    /// Waits for the outcome of the only batch in flight.
    static func outcome(
        _ sink: any Sink, _ batch: DeliveryBatch
    ) -> DeliveryResult? {
        sink.deliver(batch, ticket: 1)
        for _ in 0..<20 {
            if let first = sink.outcomes(waitingAtMost: .seconds(1)).first { return first.result }
        }
        return nil
    }

    /// The error in the outcome of the only batch in flight; nil when it was delivered.
    static func failure(_ sink: any Sink, _ batch: DeliveryBatch) -> DeliveryError? {
        guard case .failure(let error)? = outcome(sink, batch) else { return nil }
        return error
    }

    /// The error in the outcome of plain events that a server answers in one way.
    static func failure(
        _ answer: FakeHTTPServer.Answer, _ count: Int,
        _ make: (FakeHTTPServer) throws -> any Sink
    ) throws -> DeliveryError? {
        let server = try FakeHTTPServer(always: answer)
        defer { server.stop() }
        let sink = try make(server)
        defer { sink.close() }
        return failure(sink, delivery(count))
    }

    /// Makes the sink that the text of one element of `sinks` describes without a mistake.
    static func sink(_ text: String) throws -> any Sink {
        let (read, problems) = configuration(text)
        #expect(problems == [])
        return try SinkCatalog.make(try #require(read))
    }

    /// Reads the text of one element of `sinks`.
    static func configuration(
        _ text: String
    ) -> (configuration: SinkConfiguration?, problems: [String]) {
        let problems = ConfigurationProblems()
        guard
            let node = ConfigurationLoader.load(
                Array(text.utf8), file: "agent.yaml", environment: ConfigurationEnvironment([:]),
                problems: problems)
        else { return (nil, problems.list.map(\.description)) }
        var reader = ConfigurationReader(node, problems)
        let configuration = SinkConfiguration(reading: &reader)
        return (configuration, problems.list.map(\.description))
    }
}

extension JSONDocument {
    /// The value at a dotted path.
    func value(at path: String) -> JSONDocument? {
        path.split(separator: ".").reduce(self) { $0?[String($1)] }
    }
}
