// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// An array that promises what the ledger promises.
private struct Model {
    struct Event: Equatable {
        let sequence: UInt64
        let body: [UInt8]
    }

    var events: [Event] = []
    var offset: UInt64?
    /// How many events each sink has confirmed, and how many of that are surely on disk.
    var confirmed = ["siem": 0, "archive": 0]
}

struct LedgerModelTests {
    @Test(arguments: 0..<24 as Range<UInt64>)
    func seededActionsAgreeWithAnArray(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var configuration = LedgerConfiguration.small(limit: 1 << 24)
        configuration.codec = seed % 2 == 0 ? .raw : .zstd
        var disk = MemoryDisk()
        let clock = StandingClock()
        var maker = BatchMaker(seed: seed)
        var model = Model()
        var ledger = try openLedger(disk, configuration, time: clock).ledger
        for step in 0..<64 {
            let comment: Comment = "seed \(seed), step \(step)"
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<4:
                let before = maker
                let batch = maker.make(
                    count: Int.random(in: 1...20, using: &generator), offset: UInt64(step))
                let isFailing = Int.random(in: 0..<6, using: &generator) == 0
                if isFailing {
                    disk.fail { call, _, _ in call == .synchronize ? .inputOutput : nil }
                }
                do {
                    try ledger.append(batch)
                    for index in batch.events.indices {
                        let body = Array(batch.bodies[batch.bodyRange(index)])
                        model.events.append(
                            .init(sequence: batch.firstSequence + UInt64(index), body: body))
                    }
                    model.offset = UInt64(step)
                } catch {
                    #expect(isFailing, comment)
                    maker = before
                }
                disk.heal()
            case 4..<6:
                try advance(ledger, &model, &generator, comment)
            case 6: clock.move(.seconds(1))
            case 7: try ledger.deleteDelivered(now: clock.now())
            default:
                if Bool.random(using: &generator) {
                    try ledger.close()
                } else {
                    disk = disk.crash()
                }
                let (next, recovered) = try openLedger(disk, configuration, time: clock)
                ledger = next
                #expect(recovered.nextSequence == UInt64(model.events.count), comment)
                let positions = model.offset.map { [filePosition(offset: $0)] } ?? []
                #expect(recovered.positions == positions, comment)
                #expect(recovered.damage.isEmpty && !recovered.lostCursors, comment)
            }
            guard step % 8 == 7 else { continue }
            for sink in ["siem", "archive"] {
                try compare(ledger, model, sink, comment)
            }
        }
    }

    /// Confirms some of what a sink has not confirmed yet.
    private func advance(
        _ ledger: Ledger, _ model: inout Model, _ generator: inout SeededGenerator,
        _ comment: Comment
    ) throws {
        let sink = Bool.random(using: &generator) ? "siem" : "archive"
        let cursor = try #require(ledger.cursor(of: sink))
        guard let frame = try ledger.read(from: cursor.place) else { return }
        let left = frame.batch.events.count - Int(frame.place.index)
        let count = Int.random(in: 1...left, using: &generator)
        let end = count == left ? frame.next : frame.place.at(index: Int(frame.place.index) + count)
        var totals = cursor.totals
        totals += SinkTotals(offered: UInt64(count), delivered: UInt64(count))
        try ledger.advance(sink, to: SinkCursor(place: end, totals: totals))
        #expect(ledger.cursor(of: sink)?.place == end, comment)
        model.confirmed[sink] = Int(totals.delivered)
    }

    /// What a sink still gets is exactly the rest of the array; never less than is unconfirmed.
    private func compare(
        _ ledger: Ledger, _ model: Model, _ sink: String, _ comment: Comment
    ) throws {
        let cursor = try #require(ledger.cursor(of: sink))
        var rest: [Model.Event] = []
        for frame in try ledger.frames(from: cursor.place) {
            for index in Int(frame.place.index)..<frame.batch.events.count {
                rest.append(
                    .init(
                        sequence: frame.batch.firstSequence + UInt64(index),
                        body: Array(frame.batch.bodies[frame.batch.bodyRange(index)])))
            }
        }
        let passed = Int(cursor.totals.delivered)
        #expect(passed <= model.confirmed[sink] ?? 0, comment)
        #expect(rest == Array(model.events.dropFirst(passed)), comment)
    }
}
