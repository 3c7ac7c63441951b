// SPDX-License-Identifier: Apache-2.0

/// Turns confirmations that arrive in any order into a cursor that never skips anything.
///
/// Each ticket stands for a run of events, begun in the order of the ledger. The cursor moves over
/// a run only when that run and all before it are settled. It decides only; it touches no disk.
public struct CursorTracker: Sendable {
    private struct Run {
        let end: LedgerPlace
        var open: Set<UInt64>
        var totals: SinkTotals
    }

    /// How far everything is settled.
    public private(set) var cursor: SinkCursor
    /// Where the run begun last ends; the next one begins there.
    public private(set) var end: LedgerPlace

    // Runs in order; settled ones at the front are removed at once. `firstRun` counts those.
    private var runs: [Run] = []
    private var firstRun = 0
    private var runOfTicket: [UInt64: Int] = [:]

    /// Goes on from a cursor.
    public init(from cursor: SinkCursor) {
        self.cursor = cursor
        end = cursor.place
    }

    /// Begins a run that ends before `end`.
    ///
    /// - Parameters:
    ///   - ticket: any number that is not in flight.
    ///   - end: behind the last run begun, or at the same place.
    ///   - offered: events of the run, those included that its filter leaves out.
    ///   - filtered: events that the filter leaves out.
    public mutating func begin(
        _ ticket: UInt64, through end: LedgerPlace, offered: Int, filtered: Int = 0
    ) {
        append(
            Run(
                end: end, open: [ticket],
                totals: SinkTotals(offered: UInt64(offered), filtered: UInt64(filtered))))
        runOfTicket[ticket] = firstRun + runs.count - 1
    }

    /// Passes a run of which nothing is to be delivered; answers like `settle`.
    public mutating func skip(
        through end: LedgerPlace, offered: Int, filtered: Int
    ) -> SinkCursor? {
        append(
            Run(
                end: end, open: [],
                totals: SinkTotals(offered: UInt64(offered), filtered: UInt64(filtered))))
        return advance()
    }

    /// A ticket came to its end: so many of its events were delivered, so many rejected.
    ///
    /// Answers with the new cursor when it moved. An unknown ticket changes nothing.
    ///
    /// - Parameter epochs: to which epochs the rejected ones belong.
    public mutating func settle(
        _ ticket: UInt64, delivered: Int, rejected: Int = 0, epochs: [EpochTotals] = []
    ) -> SinkCursor? {
        guard let run = runOfTicket.removeValue(forKey: ticket) else { return nil }
        let index = run - firstRun
        runs[index].open.remove(ticket)
        runs[index].totals += SinkTotals(
            delivered: UInt64(delivered), rejected: UInt64(rejected), epochs: epochs)
        return advance()
    }

    /// A ticket goes on as others, as after a partial answer: its run is settled when they are.
    ///
    /// What was settled of it already is counted now. Without others it is like `settle`.
    public mutating func replace(
        _ ticket: UInt64, by others: [UInt64], delivered: Int = 0, rejected: Int = 0,
        epochs: [EpochTotals] = []
    ) -> SinkCursor? {
        guard let run = runOfTicket[ticket] else { return nil }
        for other in others where other != ticket {
            runs[run - firstRun].open.insert(other)
            runOfTicket[other] = run
        }
        if others.contains(ticket) {
            runs[run - firstRun].totals += SinkTotals(
                delivered: UInt64(delivered), rejected: UInt64(rejected), epochs: epochs)
            return nil
        }
        return settle(ticket, delivered: delivered, rejected: rejected, epochs: epochs)
    }

    /// How many tickets are in flight.
    public var ticketCount: Int { runOfTicket.count }

    private mutating func append(_ run: Run) {
        precondition(run.end >= end)
        end = run.end
        runs.append(run)
    }

    private mutating func advance() -> SinkCursor? {
        let settled = runs.prefix { $0.open.isEmpty }
        guard let last = settled.last else { return nil }
        for run in settled { cursor.totals += run.totals }
        cursor.place = last.end
        firstRun += settled.count
        runs.removeFirst(settled.count)
        return cursor
    }
}
