// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform
import Testing

@testable import Pipeline

private let library = ParserLibrary.load(
    directories: [PipelineFixture.root + "/parsers"], only: ["keycloak", "canaille"],
    problems: ConfigurationProblems())

private func automatic() throws -> InputPlan {
    let privacy = PrivacyPolicy(
        key: Secret([UInt8](repeating: 0, count: PrivacyPolicy.keyByteCount)))
    var plan = InputPlan(
        id: "idp", parsers: library.bySpecificity,
        context: ParseContext(timezone: .utc, labels: [:], tenant: nil, privacy: privacy))
    plan.isAutomatic = true
    return plan
}

private func batch(_ lines: [String]) -> RecordBatch {
    var bytes: [UInt8] = []
    var records: [Record] = []
    for line in lines {
        records.append(
            Record(
                start: UInt32(bytes.count), count: UInt32(line.utf8.count),
                offset: UInt64(bytes.count)))
        bytes += Array(line.utf8) + [0x0A]
    }
    let position = Position(input: "idp", place: .count(UInt64(lines.count)))
    bytes += [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
    return RecordBatch(
        input: "idp", source: "s", path: nil, observed: Timestamp(microseconds: 0), bytes: bytes,
        records: records, positions: [position])
}

private func work(_ batch: RecordBatch) throws -> [EncodedBatch] {
    let handover = Handover(plans: [try automatic()])
    _ = handover.push(batch, input: "idp")
    handover.close()
    var worker = ParseWorker(
        handover: handover, agentName: "a", pulse: Pulse("a worker"),
        log: Log(level: .error, format: .text))
    worker.run()
    return handover.take(byteLimit: 1 << 20, notBefore: .zero, patience: .zero).batches
}

private let keycloak =
    "2026-11-20 08:00:00,123 WARN  [org.keycloak.events] (executor-thread-1) type=\"LOGIN_ERROR\", "
    + "realmId=\"r\", clientId=\"c\", userId=\"null\", ipAddress=\"192.0.2.1\", "
    + "error=\"user_not_found\""
private let canaille =
    "[2026-11-20 08:00:00,123] - 192.0.2.1 - SECURITY in logging: Failed password "
    + "authentication for mina"

@Test func recordsOfTwoProductsInOneLogGoToTheirParsers() throws {
    let parts = try work(batch(["what is this", keycloak, "\tat nothing", canaille, keycloak]))
    #expect(parts.map(\.parser) == ["auto", "keycloak", "canaille", "keycloak"])
    #expect(parts.map(\.tally.read) == [1, 2, 1, 1])
    #expect(parts[0].tally.ignored == [Unrecognised.reason: 1])
    #expect(parts.map(\.isLast) == [false, false, false, true])
    #expect(parts.map { $0.positions.count } == [0, 0, 0, 1])
    // The ids do not depend on what else is in the batch.
    let alone = try work(batch([keycloak]))
    #expect(alone.map(\.parser) == ["keycloak"])
    #expect(alone[0].events.count == 1)
}

@Test func aBatchWithoutRecordsKeepsItsPositions() throws {
    let parts = try work(batch([]))
    #expect(parts.count == 1)
    #expect(parts.first?.isLast == true)
    #expect(parts.first?.positions.count == 1)
}
