// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

@testable import Ledger

/// One thing that is done to a ledger.
enum LedgerStep: Sendable, Equatable, CustomStringConvertible {
    case append(count: Int, file: UInt64, forgets: UInt64?)
    case appendAgents(count: Int)
    case advance(sink: String, count: Int)
    case second
    case deleteDelivered
    case restart
    case kill
    case powerCut(luck: UInt64)
    case failNextWrite
    case failNextSynchronization

    var description: String {
        switch self {
        case .append(let count, let file, let forgets):
            ".append(count: \(count), file: \(file), forgets: \(forgets.map { "\($0)" } ?? "nil"))"
        case .appendAgents(let count): ".appendAgents(count: \(count))"
        case .advance(let sink, let count): ".advance(sink: \"\(sink)\", count: \(count))"
        case .powerCut(let luck): ".powerCut(luck: \(luck))"
        case .second: ".second"
        case .deleteDelivered: ".deleteDelivered"
        case .restart: ".restart"
        case .kill: ".kill"
        case .failNextWrite: ".failNextWrite"
        case .failNextSynchronization: ".failNextSynchronization"
        }
    }

    /// Any step, as seeds give it.
    static func random(using generator: inout SeededGenerator) -> LedgerStep {
        switch Int.random(in: 0..<24, using: &generator) {
        case 0..<9:
            let file = UInt64.random(in: 1...4, using: &generator)
            let forgets = UInt64.random(in: 1...12, using: &generator)
            return .append(
                count: Int.random(in: 1...9, using: &generator), file: file,
                forgets: forgets <= 4 && forgets != file ? forgets : nil)
        case 9: return .appendAgents(count: Int.random(in: 1...2, using: &generator))
        case 10..<15:
            return .advance(
                sink: Bool.random(using: &generator) ? "siem" : "archive",
                count: Int.random(in: 1...20, using: &generator))
        case 15..<17: return .second
        case 17..<19: return .deleteDelivered
        case 19: return .restart
        case 20: return .kill
        case 21: return .powerCut(luck: generator.next())
        case 22: return .failNextWrite
        default: return .failNextSynchronization
        }
    }
}

/// Runs steps against a ledger and against plain arrays, and says where the two disagree.
///
/// It behaves as the agent does: a batch that was refused is appended again, and after a crash it
/// goes on with whatever the ledger says.
final class LedgerScript {
    static let sinks = ["siem", "archive"]

    private(set) var disk: MemoryDisk
    private(set) var violations: [String] = []
    private let configuration: LedgerConfiguration
    private let clock = StandingClock()
    private var maker: BatchMaker
    private var ledger: Ledger?

    // What the ledger has promised.
    private var bodies: [[UInt8]] = []
    private var head = Digest.zero
    private var offsets: [UInt64: UInt64] = [:]
    private var delivered: [String: UInt64] = [:]
    private var evicted: [String: UInt64] = [:]
    // How many were delivered when the cursors were last synchronised, and when last written.
    private var flushed: [String: UInt64] = [:]
    private var moved: [String: UInt64] = [:]
    // A batch that was refused: it may be there all the same after a crash.
    private var pending: (batch: SealedBatch, before: BatchMaker)?

    init(_ disk: MemoryDisk, _ configuration: LedgerConfiguration, seed: UInt64 = 1) {
        self.disk = disk
        self.configuration = configuration
        maker = BatchMaker(seed: seed)
        reopen()
    }

    /// Does everything in turn; stops when the power goes.
    func run(_ steps: [LedgerStep], isOff: () -> Bool = { false }) {
        for step in steps {
            if isOff() { return }
            perform(step)
        }
    }

    /// Says that something is not as it was promised.
    private func require(_ holds: Bool, _ sentence: @autoclosure () -> String) {
        if !holds { violations.append(sentence()) }
    }

    private func perform(_ step: LedgerStep) {
        switch step {
        case .append(let count, let file, let forgets):
            append(count, file: file, forgets: forgets, isAgents: false)
        case .appendAgents(let count): append(count, file: nil, forgets: nil, isAgents: true)
        case .advance(let sink, let count): advance(sink, count)
        case .second:
            clock.move(.seconds(1))
            noteFlush { ledger throws(LedgerError) in try ledger.flushCursorsIfDue() }
        case .deleteDelivered: _ = try? ledger?.deleteDelivered(now: clock.now())
        case .restart:
            noteFlush { ledger throws(LedgerError) in try ledger.close() }
            disk = disk.copy()
            reopen()
        case .kill:
            disk = disk.copy()
            reopen()
        case .powerCut(let luck): cutPower(luck: luck)
        case .failNextWrite, .failNextSynchronization:
            let wanted: MemoryDisk.Call = step == .failNextWrite ? .write : .synchronize
            disk.failOnce(wanted, MemoryDisk.Fault(number: 5, writtenByteCount: 100))
        }
        noteEvictions()
    }

    /// The machine goes down, and comes up again with what the disk kept.
    func cutPower(luck: UInt64) {
        var coin = SeededGenerator(seed: luck)
        // From nothing at all to everything.
        let share = Int.random(in: 0...4, using: &coin)
        cutPower { Int.random(in: 0..<4, using: &coin) < share }
    }

    /// The same, where `isKept` says of each piece of what was not synchronised if it is there.
    func cutPower(isKept: () -> Bool) {
        disk = disk.crash(isKept: isKept)
        moved = flushed
        reopen()
    }

    // MARK: Appending

    private func append(_ count: Int, file: UInt64?, forgets: UInt64?, isAgents: Bool) {
        guard let ledger else { return }
        if pending == nil {
            let before = maker
            var batch = maker.make(count: count, bodyByteLimit: 24)
            if let file { batch.positions = [filePosition(key: file, offset: maker.next)] }
            if let forgets { batch.forgotten = [filePosition(key: forgets, offset: 0).identity] }
            pending = (batch, before)
        }
        guard let batch = pending?.batch else { return }
        do {
            try ledger.append(batch, usingReserve: isAgents)
            commit(batch)
        } catch {
            require(error.isTemporary, "append is refused for good: \(error)")
        }
        require(
            ledger.statistics.byteCount <= configuration.byteLimit,
            "the ledger thinks that it has \(ledger.statistics.byteCount) bytes")
        require(segmentByteCount <= configuration.byteLimit, "\(segmentByteCount) bytes on disk")
    }

    private func commit(_ batch: SealedBatch) {
        for index in batch.events.indices {
            bodies.append(Array(batch.bodies[batch.bodyRange(index)]))
        }
        for case .file(let file) in batch.positions.map(\.place) {
            offsets[file.key.low] = file.offset
        }
        for identity in batch.forgotten { offsets[identity.key.low] = nil }
        head = batch.head
        pending = nil
    }

    private var segmentByteCount: Int {
        disk.paths.filter { $0.hasSuffix(".seg") || $0.hasSuffix("/reserve") }
            .reduce(0) { $0 + (disk[$1]?.count ?? 0) }
    }

    // MARK: Delivering

    private func advance(_ sink: String, _ count: Int) {
        guard let ledger, var cursor = ledger.cursor(of: sink) else { return }
        var rest = count
        do {
            while rest > 0, let frame = try ledger.read(from: cursor.place) {
                let left = frame.batch.events.count - Int(frame.place.index)
                let taken = min(rest, left)
                require(
                    frame.batch.firstSequence + UInt64(frame.place.index) == cursor.totals.offered,
                    "\(sink) gets number \(frame.batch.firstSequence) + \(frame.place.index) "
                        + "after \(cursor.totals.offered)")
                cursor.place =
                    taken == left
                    ? frame.next : frame.place.at(index: Int(frame.place.index) + taken)
                cursor.totals += SinkTotals(
                    offered: UInt64(taken), delivered: UInt64(taken))
                rest -= taken
            }
        } catch {
            require(error.isTemporary, "reading fails for good: \(error)")
        }
        delivered[sink] = max(delivered[sink] ?? 0, cursor.totals.delivered)
        do {
            if try ledger.advance(sink, to: cursor) {
                moved[sink] = ledger.cursor(of: sink)?.totals.delivered
            }
        } catch {
            // A write that was cut short spoils the slot of the moves since the last flush.
            moved = flushed
        }
    }

    /// From now on no power cut may take back what is delivered, if the ledger claims so.
    private func noteFlush(_ flush: (Ledger) throws(LedgerError) -> Void) {
        guard let ledger else { return }
        do {
            try flush(ledger)
        } catch {
            moved = flushed
            return
        }
        for sink in LedgerScript.sinks {
            flushed[sink] = ledger.cursor(of: sink)?.totals.delivered
        }
    }

    private func noteEvictions() {
        for eviction in ledger?.takeEvictions() ?? [] {
            require(configuration.whenFull == .dropOldest, "evicted without being asked to")
            evicted[eviction.sink, default: 0] += eviction.count
        }
    }

    // MARK: Starting

    private func reopen() {
        ledger = nil
        for attempt in 0..<3 {
            do {
                let (next, recovered) = try Ledger.open(
                    folder: "ledger", configuration: configuration, sinks: LedgerScript.sinks,
                    time: clock, storage: disk)
                ledger = next
                check(recovered)
                return
            } catch {
                require(error.isTemporary, "the start is refused: \(error)")
                if attempt == 2 { require(disk.isFailing, "the ledger does not open: \(error)") }
            }
        }
    }

    /// What a start finds must be what was promised, and at most what was refused.
    private func check(_ recovered: RecoveredState) {
        let claimed = UInt64(bodies.count)
        if let (batch, before) = pending {
            if recovered.nextSequence == claimed + UInt64(batch.events.count) {
                commit(batch)
            } else {
                maker = before
                pending = nil
            }
        }
        require(
            recovered.nextSequence == UInt64(bodies.count),
            "the next number is \(recovered.nextSequence), not \(bodies.count)")
        require(
            bodies.isEmpty || recovered.head == head, "the head of the chain is another one")
        var found: [UInt64: UInt64] = [:]
        for case .file(let file) in recovered.positions.map(\.place) {
            require(found[file.key.low] == nil, "a position is there twice")
            found[file.key.low] = file.offset
        }
        require(found == offsets, "positions are \(found), not \(offsets)")
        require(
            recovered.damage.allSatisfy { $0.isTornTail }, "damage is found: \(recovered.damage)")
        if recovered.lostCursors {
            // The very first write of a cursor may be torn; then the sink begins anew.
            require(delivered.values.allSatisfy { $0 == 0 }, "cursors are lost")
        }
        noteEvictions()
        checkSinks()
    }

    /// Every sink still gets exactly what it has not confirmed, and its sums are right.
    func checkSinks() {
        guard let ledger else { return }
        do {
            let all = try ledger.sequence()
            require(
                zip(all, all.dropFirst()).allSatisfy { $0 < $1 }, "the numbers are \(all)")
            for sink in LedgerScript.sinks { try checkSink(sink, ledger) }
        } catch {
            require(disk.isFailing, "reading fails: \(error)")
        }
        let damage = ledger.takeDamage()
        require(damage.allSatisfy { $0.isTornTail }, "damage is found while reading: \(damage)")
    }

    private func checkSink(_ sink: String, _ ledger: Ledger) throws {
        guard let cursor = ledger.cursor(of: sink) else {
            require(false, "\(sink) has no cursor")
            return
        }
        let totals = cursor.totals
        require(
            totals.offered == totals.delivered + totals.filtered + totals.evicted,
            "\(sink): the sums differ: \(totals)")
        require(
            totals.delivered <= delivered[sink] ?? 0,
            "\(sink): \(totals.delivered) delivered, only \(delivered[sink] ?? 0) were")
        require(
            totals.delivered >= moved[sink] ?? 0,
            "\(sink): \(totals.delivered) delivered, \(moved[sink] ?? 0) were written down")
        require(
            totals.evicted <= evicted[sink] ?? 0,
            "\(sink): \(totals.evicted) evicted, only \(evicted[sink] ?? 0) were")
        var expected = totals.offered
        for frame in try ledger.frames(from: cursor.place) {
            for index in Int(frame.place.index)..<frame.batch.events.count {
                let number = frame.batch.firstSequence + UInt64(index)
                require(number == expected, "\(sink) gets \(number) instead of \(expected)")
                guard number < bodies.count else { continue }
                require(
                    bodies[Int(number)] == Array(frame.batch.bodies[frame.batch.bodyRange(index)]),
                    "\(sink): the body of \(number) is another one")
                expected = number + 1
            }
        }
        require(expected == bodies.count, "\(sink) gets up to \(expected) of \(bodies.count)")
        let waiting = try ledger.countEvents(behind: cursor.place, sink: sink)
        require(
            totals.offered + waiting == bodies.count,
            "\(sink): \(totals.offered) offered and \(waiting) waiting of \(bodies.count)")
    }
}
