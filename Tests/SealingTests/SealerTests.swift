// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

struct SealerTests {
    private func bodies(_ count: Int) throws -> EncodedBatch {
        try encoded((0..<count).map { Array("{\"id\":\"\($0)\",\"severity\":\"low\"}".utf8) })
    }

    private func sealer() throws -> Sealer {
        Sealer(
            key: try SealFixture.key(), epoch: "00000000000000aa",
            sinks: [(id: "a", filter: nil), (id: "b", filter: nil)])
    }

    @Test func whatWaitsIsOneGroupUpToSixtyFour() throws {
        var sealer = try sealer()
        #expect(sealer.seal([try bodies(1)]).groups.map(\.count) == [1])
        #expect(sealer.seal([try bodies(5), try bodies(3)]).groups.map(\.count) == [8])
        #expect(sealer.seal([try bodies(64)]).groups.map(\.count) == [64])
        #expect(sealer.seal([try bodies(0)]).groups == [])
        #expect(sealer.seal([]).events.isEmpty)
        let next = sealer.nextSequence
        #expect(next == 73)
    }

    @Test func largeCommitsAreCutAtMultiplesOfSixtyFour() throws {
        var sealer = try sealer()
        #expect(sealer.seal([try bodies(200)]).groups.map(\.count) == [64, 64, 64, 8])
        let next = sealer.seal([try bodies(200)])
        #expect(next.groups.map(\.count) == [56, 64, 64, 16])
        #expect(next.firstSequence == 200)
        #expect(next.groups.map(\.first) == [200, 256, 320, 384])
    }

    @Test func theTreeOfTheStreamIsTheSameHoweverGroupsAreCut() throws {
        var numbers = SeededNumbers(11)
        for _ in 0..<20 {
            var sealer = try sealer()
            var leaves: [Digest] = []
            for _ in 0..<Int.random(in: 1...5, using: &numbers) {
                let batch = sealer.seal([
                    try bodies(Int.random(in: 0...300, using: &numbers))
                ])
                leaves += batch.events.map(\.leaf)
                guard !leaves.isEmpty else { continue }
                var tree = MerkleTree()
                tree.build(leaves[...])
                let lines = sealer.checkpointNote().split(separator: "\n")
                #expect(lines[1] == "\(leaves.count)")
                #expect(lines[2] == Base64.encode(tree.root.bytes))
            }
        }
    }

    @Test func bodiesKeepTheirBytesAndSinksTheirBits() throws {
        var filter = FilterConfiguration()
        filter.minimumSeverity = .medium
        var sealer = Sealer(
            key: try SealFixture.key(), epoch: "00000000000000aa",
            sinks: [
                (id: "a", filter: nil), (id: "b", filter: SinkFilter(sink: "b", filter)),
            ])
        let (one, two) = (try bodies(3), try bodies(2))
        let batch = sealer.seal([one, two])
        #expect(batch.bodies == one.bodies + two.bodies)
        #expect(batch.events.map(\.sinkBits) == [1, 1, 1, 1, 1])
        #expect(batch.events.map(\.leaf) == one.events.map(\.leaf) + two.events.map(\.leaf))
        #expect(batch.bodyRange(3) == one.bodies.count..<one.bodies.count + two.events[0].end)
        #expect(sealer.filteredEntries == ["b \(filter.digest) 5"])
    }

    @Test func tenantsAreAskedForAndHandedToTheFilter() throws {
        var configuration = FilterConfiguration()
        configuration.tenants = ["payments"]
        var sealer = Sealer(
            key: try SealFixture.key(), epoch: "00000000000000aa",
            sinks: [(id: "a", filter: SinkFilter(sink: "a", configuration))])
        let needsTenants = sealer.needsTenants
        #expect(needsTenants)
        var batch = try bodies(3)
        batch.tenants = ["payments", nil, "other"]
        #expect(sealer.seal([batch]).events.map(\.sinkBits) == [1, 0, 0])
    }

    @Test func ofEachInputTheLastPositionIsKept() throws {
        var sealer = try sealer()
        func batch(_ input: String, _ count: UInt64) throws -> EncodedBatch {
            var batch = try bodies(1)
            batch.positions = [Position(input: input, place: .count(count))]
            return batch
        }
        let one = sealer.seal([try batch("x", 1), try batch("y", 5), try batch("x", 2)])
        let wanted = [
            Position(input: "x", place: .count(2)), Position(input: "y", place: .count(5)),
        ]
        #expect(one.positions == wanted)
        let two = sealer.seal([try batch("y", 6)])
        let merged = SealedBatch.merge([one, two])
        #expect(
            merged.positions == [
                Position(input: "x", place: .count(2)), Position(input: "y", place: .count(6)),
            ])
    }

    @Test func mergedPiecesAreWhatOneCommitWouldHaveBeen() throws {
        let key = try SealFixture.key()
        var sealer = try sealer()
        let pieces = [
            sealer.sealAlone(try bodies(2)), sealer.seal([try bodies(70)]), sealer.seal([]),
            sealer.seal([try bodies(3)]),
        ]
        let merged = SealedBatch.merge(pieces)
        #expect(merged.events.count == 75)
        #expect(merged.groups.reduce(0) { $0 + $1.count } == 75)
        let head = sealer.head
        #expect(merged.head == head)
        #expect(lines(merged) == pieces.flatMap { lines($0) })
        #expect(verify(lines(merged), keys: [key.verifierKey]).found == [])
    }

    @Test func theAgentsEventsHaveIDsThatCountUp() throws {
        var agent = AgentEvents(
            agentName: "a", host: "h", stream: "a/main/00000000000000aa", version: "1")
        let time = Timestamp(microseconds: 0)
        let ids = try (0..<5).map { _ in
            try JSONText(bytes: agent.stopped(reason: "x", at: time).bodies)["id"]
        }
        #expect(Set(ids).count == 5)
        let count = agent.count
        #expect(count == 5)
    }
}

struct CheckpointScheduleTests {
    private func moment(_ seconds: Int) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: 0).advanced(by: .seconds(seconds))
    }

    @Test func anIdleStreamIsCheckpointedEveryQuarterOfAnHour() {
        var schedule = CheckpointSchedule(at: moment(0))
        #expect(!schedule.isDue(at: moment(899)))
        #expect(schedule.wait(at: moment(899)) == .seconds(1))
        #expect(schedule.isDue(at: moment(900)))
        schedule.signed(at: moment(900))
        #expect(!schedule.isDue(at: moment(1799)))
        #expect(schedule.wait(at: moment(2000)) == .zero)
    }

    @Test func aBusyStreamIsCheckpointedEveryMinute() {
        var schedule = CheckpointSchedule(at: moment(0))
        schedule.sealed()
        #expect(!schedule.isDue(at: moment(59)))
        #expect(schedule.isDue(at: moment(60)))
        schedule.signed(at: moment(61))
        #expect(!schedule.isDue(at: moment(500)))
        schedule.sealed()
        #expect(schedule.isDue(at: moment(500)))
    }

    @Test func aNewSegmentBeginsWithACheckpoint() {
        var schedule = CheckpointSchedule(at: moment(0))
        schedule.segmentOpened()
        #expect(schedule.isDue(at: moment(0)))
        #expect(schedule.wait(at: moment(0)) == .zero)
        schedule.signed(at: moment(0))
        #expect(!schedule.isDue(at: moment(1)))
    }
}
