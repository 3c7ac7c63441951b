// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks
import TestSupport
import Testing

@testable import Pipeline

struct LedgerReplayTests {
    private static let stream = "idp1.example.com/main/00000000000000aa"
    private static let all = LedgerSelection.numbers(stream: stream, 0...UInt64.max)

    /// A ledger of frames, each of so many events of so many bytes; those that bits name go out.
    private func walk(
        _ folder: TemporaryFolder, frames: [(count: Int, byteCount: Int, bits: UInt64)],
        sinks: [String] = ["siem"]
    ) throws -> LedgerWalk {
        let configuration = PipelineFixture.configuration(
            """
            inputs: [{id: idp, type: stdin, parser: keycloak}]
            sinks: [{id: siem, type: stdout}]
            """)
        let (ledger, _) = try Ledger.open(
            directory: folder("state"), configuration: configuration.ledger, sinks: sinks)
        var next: UInt64 = 0
        for frame in frames {
            var batch = SealedBatch(
                stream: LedgerReplayTests.stream, keyID: 1, sinks: sinks, bodies: [], events: [],
                groups: [
                    SealedGroup(
                        first: next, count: frame.count, previous: .zero,
                        signature: [UInt8](repeating: 0, count: 64))
                ], positions: [], head: .zero)
            for event in 0..<frame.count {
                batch.bodies += [UInt8](repeating: 0x20, count: frame.byteCount)
                batch.events.append(
                    SealedEvent(
                        end: batch.bodies.count, leaf: .zero, action: .loginFailed,
                        severity: .low, sinkBits: frame.bits >> UInt64(event) & 1))
            }
            next += UInt64(frame.count)
            try ledger.append(batch)
        }
        try ledger.close()
        return try LedgerWalk(
            directory: folder("state"), until: LedgerPlace(segment: UInt64.max))
    }

    /// The numbers of the events of each request.
    private func requests(
        _ source: inout LedgerReplay, _ limits: SinkConfiguration.Batch = .usual
    ) throws -> [[UInt64]] {
        var requests: [[UInt64]] = []
        while case .batch(let batch, let span) = try source.next(limits, pausing: { false }) {
            #expect(span == UInt64(requests.count))
            var numbers: [UInt64] = []
            batch.forEach { _, sealed, event in numbers.append(sealed.firstSequence + UInt64(event))
            }
            requests.append(numbers)
        }
        return requests
    }

    @Test func whatWasFilteredStaysSoAndIsCounted() throws {
        let folder = try TemporaryFolder()
        let walk = try walk(folder, frames: [(4, 10, 0b1011), (3, 10, 0), (2, 10, 0b11)])
        var source = LedgerReplay(sink: "siem", LedgerReplayTests.all, walk)
        #expect(try requests(&source) == [[0, 1, 3, 7, 8]])
        var tally = ReplayTally()
        source.describe(&tally)
        #expect(tally.filtered == 4 && tally.foreign == 0)
        #expect(tally.progress == 1)
    }

    @Test func aSinkThatWasNotThereIsSentNothing() throws {
        let folder = try TemporaryFolder()
        let walk = try walk(folder, frames: [(4, 10, 0b1111)], sinks: ["other"])
        var source = LedgerReplay(sink: "siem", LedgerReplayTests.all, walk)
        #expect(try requests(&source) == [])
        var tally = ReplayTally()
        source.describe(&tally)
        #expect(tally.filtered == 0 && tally.foreign == 4)
    }

    @Test func requestsKeepTheLimitsOfTheSink() throws {
        let folder = try TemporaryFolder()
        let walk = try walk(folder, frames: [(5, 10, 31), (2, 10, 3)])
        var source = LedgerReplay(sink: "siem", LedgerReplayTests.all, walk)
        var few = SinkConfiguration.Batch.usual
        few.countLimit = 3
        #expect(try requests(&source, few) == [[0, 1, 2], [3, 4, 5], [6]])
        let again = try LedgerWalk(
            directory: folder("state"), until: LedgerPlace(segment: UInt64.max))
        source = LedgerReplay(sink: "siem", LedgerReplayTests.all, again)
        var short = SinkConfiguration.Batch.usual
        short.byteLimit = 20
        #expect(try requests(&source, short) == [[0, 1], [2, 3], [4, 5], [6]])
    }

    @Test func aRequestDoesNotHoldManyFramesForAFewEvents() throws {
        let folder = try TemporaryFolder()
        // Each frame has half a commit, and one event of it goes.
        let walk = try walk(
            folder, frames: Array(repeating: (count: 32, byteCount: 16 << 10, bits: 1), count: 5))
        var source = LedgerReplay(sink: "siem", LedgerReplayTests.all, walk)
        #expect(try requests(&source) == [[0, 32], [64, 96], [128]])
    }
}
