// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Joins lines of several origins, which take turns, into records.
///
/// A record may consist of several lines, and a line of several pieces. Records are handed out in
/// the order of their first lines, and only up to a place that no record reaches across: who goes
/// on from there loses nothing and gets nothing twice. Whether a record is complete follows from
/// the lines themselves, their times included, so it does not depend on how they were read.
///
/// What waits is bounded: in bytes of the places that it spans, in lines that may come between, and
/// in time.
struct RecordJoiner: ~Copyable {
    /// When a record that is complete is handed out, of those that lie around one that is not.
    enum Patience {
        /// When no record reaches across the place behind it; what waits for too long is ended.
        case untilNoneReachesAcross
        /// The same, but when too much waits, what is complete goes before what is not: it comes
        /// again where somebody goes on from the first that waits.
        case whileThereIsRoom
        /// At once: nobody goes on from a place.
        case none
    }

    /// The records that are complete, in order; whoever joins takes them out.
    var finished: [RecordDraft] = []
    /// What is left out because a record was too long.
    var skip = LineSkip()

    private var joiner: LineJoiner
    private let wrappers: WrapperReader
    private let framing: RecordFraming
    private let patience: Patience
    /// Where too much waits, next time.
    private var roomEnd = 0
    private var drafts: [RecordDraft] = []
    /// The number of the first of `drafts`.
    private var base = 0
    private var lanes: [LineOrigin: Lane] = [:]
    private var lineNumber = 0
    /// What is decided now is decided by the bytes up to here.
    private var reach = 0

    /// What is known of the lines of one origin.
    private struct Lane {
        /// The record that may go on.
        var record: Int?
        /// The line of which more pieces come.
        var part: Int?
    }

    /// - Parameter wrappers: takes lines out of a second wrapper.
    init(_ framing: RecordFraming, wrappers: WrapperReader, patience: Patience) {
        self.framing = framing
        self.patience = patience
        self.wrappers = wrappers
        joiner = LineJoiner(framing)
    }

    /// Whether what lines say decides about where a record ends.
    var joins: Bool { joiner.joins }

    /// The first record that waits for more; nil when none does.
    var waiting: RecordDraft? { drafts.first }

    /// Whether a record of the origin may go on.
    func isOpen(_ origin: LineOrigin) -> Bool { lanes[origin]?.record != nil }

    /// Forgets all lines.
    mutating func begin(skip: LineSkip) {
        (finished, drafts, base, lanes, lineNumber) = ([], [], 0, [:], 0)
        self.skip = skip
    }

    // MARK: Lines

    /// Takes a line that begins at `place`; places only grow.
    mutating func take(_ piece: WrappedLine, at place: Int, damage: RecordDamage) {
        lineNumber += 1
        // What is closed here is closed before the line counts.
        reach = place - 1
        closeOutdated(at: piece.moment, place)
        let skipBefore = skip
        reach = place
        if isIdle, !piece.isPartial {
            var draft = RecordDraft(
                piece, at: place, lineNumber, damage: damage, skipBefore: skipBefore)
            draft.strip(wrappers)
            let plain = draft.plain ?? draft.text
            if !PrettyJSON.mayOpen(plain.span, 0, plain.count) { return finished.append(draft) }
        }
        var lane = lanes[piece.origin] ?? Lane()
        if let leftOut = skip.lanes[piece.origin], leftOut.part {
            let left = LaneSkip(part: piece.isPartial, continuation: leftOut.continuation)
            skip.lanes[piece.origin] = left == LaneSkip() ? nil : left
            return
        }
        let number: Int
        if let part = lane.part {
            number = part
            drafts[part - base].append(piece, at: place, lineNumber)
        } else {
            number = base + drafts.count
            drafts.append(
                RecordDraft(
                    piece, at: place, lineNumber, damage: damage, skipBefore: skipBefore))
        }
        lane.part = piece.isPartial ? number : nil
        lanes[piece.origin] = lane
        if !piece.isPartial {
            endLine(number)
        } else if drafts[number - base].byteCount > framing.recordByteLimit {
            lanes[piece.origin]?.part = nil
            endLine(number)
            skip.lanes[piece.origin, default: LaneSkip()].part = true
        }
        emitComplete()
    }

    /// Whether a whole line can be nothing but a record or the beginning of printed JSON.
    var isIdle: Bool { !joiner.joins && drafts.isEmpty && skip.lanes.isEmpty }

    /// Decides what a whole line is: a record, the first line of one, or one more of the one
    /// before.
    private mutating func endLine(_ number: Int) {
        let origin = drafts[number - base].origin
        var lane = lanes[origin] ?? Lane()
        drafts[number - base].strip(wrappers)
        let plain = drafts[number - base].plain ?? drafts[number - base].text
        let span = plain.span
        let line = 0..<span.count
        let isBlank = RecordSplitter.isBlank(span, 0, span.count)
        if let leftOut = skip.lanes[origin], leftOut.continuation {
            var product: Int?
            if joiner.role(span, line, product: &product) == .continuation {
                drafts[number - base].state = .dissolved
                return
            }
            skip.lanes[origin] = nil
            drafts[number - base].last = max(drafts[number - base].last, reach)
        }
        if let record = lane.record, drafts[record - base].depth > 0 {
            if PrettyJSON.belongs(span, line) {
                merge(number, into: record)
                drafts[record - base].depth += PrettyJSON.depth(span, line)
                if drafts[record - base].depth <= 0 { complete(origin, damage: []) }
                return
            }
            complete(origin, damage: .truncated)
            lane.record = nil
        }
        var role = LineJoiner.Role.whole
        if joiner.joins {
            var product = lane.record.flatMap { drafts[$0 - base].product }
            role = joiner.role(span, line, product: &product)
            drafts[number - base].product = product
        }
        if role == .continuation {
            if let record = lane.record { return merge(number, into: record) }
            role = .start
            if isBlank {
                drafts[number - base].state = .dissolved
                return
            }
        } else {
            complete(origin, damage: [])
        }
        open(number, origin, role, span)
    }

    /// Begins a record with a line.
    private mutating func open(
        _ number: Int, _ origin: LineOrigin, _ role: LineJoiner.Role, _ plain: Span<UInt8>
    ) {
        let isCut = drafts[number - base].damage.contains(.cut)
        let isTooLong = drafts[number - base].byteCount > framing.recordByteLimit
        lanes[origin]?.record = number
        if !isCut, PrettyJSON.mayOpen(plain, 0, plain.count) {
            drafts[number - base].depth = PrettyJSON.depth(plain, 0..<plain.count)
        }
        let isOpen = role == .start || drafts[number - base].depth > 0
        if isOpen, isTooLong { leaveOutRest(of: number) }
        if isTooLong { return complete(origin, damage: .cut) }
        if !isOpen { complete(origin, damage: []) }
    }

    /// Adds a line to the record before it.
    private mutating func merge(_ number: Int, into record: Int) {
        let line = drafts[number - base]
        drafts[number - base].state = .dissolved
        let isPrinted = drafts[record - base].depth > 0
        let limit = isPrinted ? framing.printedLineLimit : framing.recordLineLimit
        let isOneTooMany = drafts[record - base].lineCount >= limit
        if !isOneTooMany { drafts[record - base].append(line) }
        if isOneTooMany || drafts[record - base].byteCount > framing.recordByteLimit {
            complete(line.origin, damage: .cut)
            leaveOutRest(of: record)
        }
    }

    /// Leaves out what follows of a record. That is decided by the line at hand, so the record
    /// reaches to it: what is shown again is shown from behind this decision.
    private mutating func leaveOutRest(of number: Int) {
        skip.lanes[drafts[number - base].origin, default: LaneSkip()].continuation = true
        drafts[number - base].last = max(drafts[number - base].last, reach)
    }

    // MARK: Ends

    /// Ends the record of an origin that may go on.
    private mutating func complete(_ origin: LineOrigin, damage: RecordDamage) {
        guard let record = lanes[origin]?.record else { return }
        lanes[origin]?.record = nil
        drafts[record - base].damage.formUnion(damage)
        drafts[record - base].state = .complete
        if patience == .none { finish(record - base) }
    }

    /// Hands out a record before its turn.
    private mutating func finish(_ index: Int) {
        finished.append(drafts[index])
        drafts[index].dissolve()
    }

    /// Ends the line and the record of an origin, as far as they are there.
    mutating func end(_ origin: LineOrigin) {
        if let part = lanes[origin]?.part {
            lanes[origin]?.part = nil
            drafts[part - base].damage.insert(.truncated)
            endLine(part)
        }
        guard let record = lanes[origin]?.record else { return }
        complete(origin, damage: drafts[record - base].depth > 0 ? .truncated : [])
    }

    /// Cuts the record that a line without an end in the file itself belongs to, and leaves out the
    /// rest of both.
    mutating func cutFile() {
        complete(.file, damage: .cut)
        emitComplete()
        skip.isInLine = true
        if joiner.joins { skip.lanes[.file, default: LaneSkip()].continuation = true }
    }

    /// The origins as their records began, so that records end in this order.
    private var lanesInOrder: [(key: LineOrigin, value: Lane)] {
        func first(_ lane: Lane) -> Int { lane.record ?? lane.part ?? .max }
        return lanes.sorted { first($0.value) < first($1.value) }
    }

    /// Ends everything that waits, whatever is missing of it.
    mutating func completeAll() {
        for (origin, _) in lanesInOrder { end(origin) }
        emitComplete()
    }

    /// Ends records of whole lines. A line of which pieces are missing waits on, as it does in a
    /// file that nobody wrapped, unless its writer must have given it up.
    mutating func completeLines(now: Timestamp) {
        for (origin, lane) in lanesInOrder {
            if let part = lane.part, let time = drafts[part - base].lastMoment,
                abs(now.microseconds - time.microseconds)
                    < RecordJoiner.abandonedAfter
            {
                continue
            }
            end(origin)
        }
        emitComplete()
    }

    /// When the first record need not wait any longer; nil while none waits.
    var due: Timestamp? {
        var due: Int64?
        for draft in drafts where draft.state == .open {
            guard let last = draft.lastMoment else { continue }
            due = min(due ?? .max, last.microseconds &+ wait(draft))
        }
        return due.map(Timestamp.init(microseconds:))
    }

    /// Ends the records that have waited too long by now.
    mutating func expire(at moment: Timestamp) { closeOutdated(at: moment, reach) }

    /// Ends what has waited too long, judged by the line at `place`.
    private mutating func closeOutdated(at moment: Timestamp?, _ place: Int) {
        guard let waiting = drafts.first else { return }
        if place - waiting.start > RecordSplitter.wrappedByteLimit(framing.recordByteLimit) {
            if patience == .untilNoneReachesAcross { return completeAll() }
            makeRoom(place)
        }
        var isClosed = false
        // All of them: what a line ends must not depend on what else waits.
        for index in drafts.indices
        where drafts[index].state == .open && isOutdated(drafts[index], at: moment) {
            end(drafts[index].origin)
            isClosed = true
        }
        if isClosed { emitComplete() }
    }

    /// Hands out all that is complete, from time to time, and ends the rest if that is too much.
    private mutating func makeRoom(_ place: Int) {
        guard place > roomEnd else { return }
        roomEnd = place + framing.recordByteLimit
        for index in drafts.indices where drafts[index].state == .complete { finish(index) }
        // Records that overlap without end have no place between them to go on from: the first
        // that is open has to do, and shows the last lines of those before it again.
        let done = drafts.prefix { $0.state != .open }.count
        drafts.removeFirst(done)
        base += done
        let left = drafts.reduce(0) { $0 + $1.byteCount }
        if left > RecordSplitter.wrappedByteLimit(framing.recordByteLimit) { completeAll() }
    }

    private func isOutdated(_ draft: RecordDraft, at moment: Timestamp?) -> Bool {
        if lineNumber - draft.lastNumber > RecordJoiner.patienceLineCount { return true }
        guard let moment, let last = draft.lastMoment else { return false }
        return moment.microseconds &- last.microseconds > wait(draft)
    }

    /// How many microseconds a record waits for its next line.
    private func wait(_ draft: RecordDraft) -> Int64 {
        let isPart = lanes[draft.origin]?.part != nil
        let wait = framing.joinTimeout * (isPart ? RecordJoiner.partPatience : 1)
        return wait.wholeNanoseconds / 1000
    }

    /// Hands out what is complete up to a place that no record reaches across.
    private mutating func emitComplete() {
        var count = 0
        var last = -1
        for index in drafts.indices {
            guard drafts[index].state != .open else { break }
            last = max(last, drafts[index].last)
            if index + 1 == drafts.count || drafts[index + 1].start > last { count = index + 1 }
        }
        guard count > 0 else { return }
        for draft in drafts.prefix(count) where draft.state == .complete { finished.append(draft) }
        drafts.removeFirst(count)
        base += count
        // Nothing is open, so nothing is known of any origin.
        if drafts.isEmpty { lanes.removeAll(keepingCapacity: true) }
    }

    /// A record waits for more of its lines while others come, but no longer than for so many.
    private static let patienceLineCount = 1000
    /// A source is quiet and the last piece of a line so many microseconds old: no more will come.
    private static let abandonedAfter: Int64 = 30_000_000
    /// The pieces of a line follow each other at once, but for a writer that hesitates.
    private static let partPatience = 5
}
