// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Finds the records in a block whose lines are wrapped, or coloured for a terminal.
///
/// Lines of several origins take turns in such a source, and a record may consist of several lines,
/// and a line of several pieces. Records are handed out in the order of their first lines, and only
/// up to a place that no record reaches across: what is behind it is shown again. So a single
/// offset is the position, and nothing is lost or given twice. Whether a record is complete follows
/// from the lines themselves, their times included, so it does not depend on where blocks end.
struct WrappedSplitter: ~Copyable {
    /// The records, in a block of their own, without padding.
    private(set) var cut = CutRecords()
    /// The block up to here is done with.
    private(set) var end = 0
    /// True when records wait for the line that shows their end.
    private(set) var isJoining = false
    /// True when a batch was full before the block was done with.
    private(set) var hasMore = false
    /// The first line that is not empty, without its end.
    private(set) var first: Range<Int>?

    private var wrappers: WrapperReader
    private var joiner: LineJoiner
    private let framing: RecordFraming
    private var drafts: [RecordDraft] = []
    /// The number of the first of `drafts`.
    private var base = 0
    private var lanes: [LineOrigin: Lane] = [:]
    private var skip = LineSkip()
    private var lineNumber = 0
    /// What is decided now is decided by the bytes up to here.
    private var reach = 0
    private var writer = CutWriter()

    /// What is known of the lines of one origin.
    private struct Lane {
        /// The record that may go on.
        var record: Int?
        /// The line of which more pieces come.
        var part: Int?
    }

    init(_ framing: RecordFraming) {
        self.framing = framing
        wrappers = WrapperReader(framing.wrapper, zone: framing.zone)
        joiner = LineJoiner(framing)
    }

    /// Finds the records of `bytes` from `start`, as `RecordSplitter.split` does.
    mutating func split(
        _ bytes: Span<UInt8>, from start: Int, origin: UInt64,
        skip leftOut: inout RecordSplitter.Skip, at ending: RecordSplitter.End, now: Timestamp
    ) {
        begin(start, origin, leftOut, now)
        var place = start
        if skip.isInLine {
            guard
                let feed = ByteSearch.first(
                    RecordSplitter.lineFeed, in: bytes, place..<bytes.count)
            else {
                end = bytes.count
                return
            }
            skip.isInLine = false
            place = feed + 1
        }
        takeLines(bytes, &place, start, ending)
        if !hasMore { finish(bytes, &place, ending) }
        if let waiting = drafts.first {
            end = waiting.start
            skip = waiting.skipBefore
            isJoining = !hasMore
        } else {
            end = place
        }
        leftOut = skip.form
        cut = writer.take()
    }

    private mutating func begin(
        _ start: Int, _ origin: UInt64, _ leftOut: RecordSplitter.Skip, _ now: Timestamp
    ) {
        (end, isJoining, hasMore, first) = (start, false, false, nil)
        (drafts, base, lanes, lineNumber) = ([], 0, [:], 0)
        skip = LineSkip(leftOut)
        wrappers.now = now
        writer = CutWriter(origin: origin, byteLimit: framing.recordByteLimit)
        cut = CutRecords()
    }

    private mutating func takeLines(
        _ bytes: Span<UInt8>, _ place: inout Int, _ start: Int, _ ending: RecordSplitter.End
    ) {
        while place < bytes.count {
            guard writer.recordCount < InputLimit.batchRecordLimit else {
                hasMore = true
                return
            }
            if bytes[place] == 0, lanes[.file]?.record == nil {
                let stop = RecordSplitter.skipZeros(bytes, place)
                if stop == bytes.count, place > start, ending != .flushAll { return }
                place = stop
                continue
            }
            guard
                let feed = ByteSearch.first(
                    RecordSplitter.lineFeed, in: bytes, place..<bytes.count)
            else { return }
            take(bytes, place..<feed)
            place = feed + 1
        }
    }

    /// Decides about what is left behind the last whole line.
    private mutating func finish(
        _ bytes: Span<UInt8>, _ place: inout Int, _ ending: RecordSplitter.End
    ) {
        let count = bytes.count
        let isHole = place < count && bytes[place] == 0 && lanes[.file]?.record == nil
        let mayBeWrapped =
            wrappers.isCertain
            || (wrappers.isActive && WrapperReader.mayBegin(bytes, place, count))
        let limit = framing.recordByteLimit
        let longest = mayBeWrapped ? RecordSplitter.wrappedByteLimit(limit) : limit
        if !isHole, count - place > longest {
            takeFile(bytes, place..<place + limit, damage: .cut)
            complete(.file, damage: .cut)
            emitComplete()
            skip.isInLine = true
            if joiner.joins { skip.lanes[.file, default: LaneSkip()].continuation = true }
            place = count
            // What waits would be shown again with ever more of the line.
            let most = 2 * RecordSplitter.wrappedByteLimit(limit)
            if let waiting = drafts.first, count - waiting.start > most { completeAll() }
            if ending != .flushAll { return }
        }
        switch ending {
        case .hold: return
        case .flushLines: return completeLines()
        case .flushAll:
            if place < count, !isHole { take(bytes, place..<count) }
            place = count
        }
        completeAll()
    }

    // MARK: Lines

    /// Takes a line, whoever wrapped it.
    private mutating func take(_ bytes: Span<UInt8>, _ line: Range<Int>) {
        guard let piece = wrappers.read(bytes, line) else {
            return takeFile(bytes, line, damage: [])
        }
        if lanes[.file] != nil { end(.file) }
        take(piece, bytes, line, damage: [])
    }

    /// Takes a line that nobody wrapped.
    private mutating func takeFile(
        _ bytes: Span<UInt8>, _ line: Range<Int>, damage: RecordDamage
    ) {
        let piece = WrappedLine(
            kind: nil, content: WrapperReader.copy(bytes, line), origin: .file)
        take(piece, bytes, line, damage: damage)
    }

    private mutating func take(
        _ piece: WrappedLine, _ bytes: Span<UInt8>, _ line: Range<Int>, damage: RecordDamage
    ) {
        lineNumber += 1
        if first == nil, !RecordSplitter.isBlank(bytes, line.lowerBound, line.upperBound) {
            first = RecordSplitter.withoutReturn(bytes, line)
        }
        // What is closed here is closed before the line counts.
        reach = line.lowerBound - 1
        closeOutdated(at: piece.time, line.lowerBound)
        let skipBefore = skip
        reach = line.lowerBound
        if isByItself(piece) {
            var draft = RecordDraft(
                piece, bytes, line, lineNumber, damage: damage, skipBefore: skipBefore)
            draft.strip(wrappers)
            let plain = draft.plain ?? draft.text
            if !PrettyJSON.mayOpen(plain.span, 0, plain.count) { return writer.append(draft) }
        }
        var lane = lanes[piece.origin] ?? Lane()
        if let leftOut = skip.lanes[piece.origin], leftOut.part {
            skip.lanes[piece.origin]?.part = piece.isPartial
            return
        }
        let number: Int
        if let part = lane.part {
            number = part
            drafts[part - base].append(piece, bytes, line, lineNumber)
        } else {
            number = base + drafts.count
            drafts.append(
                RecordDraft(piece, bytes, line, lineNumber, damage: damage, skipBefore: skipBefore))
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

    /// Whether a line can be nothing but a record or the beginning of printed JSON.
    private func isByItself(_ piece: WrappedLine) -> Bool {
        !joiner.joins && !piece.isPartial && drafts.isEmpty && skip.lanes.isEmpty
    }

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
        let isOneTooMany = drafts[record - base].lineCount >= framing.recordLineLimit
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
    }

    /// Ends the line and the record of an origin, as far as they are there.
    private mutating func end(_ origin: LineOrigin) {
        if let part = lanes[origin]?.part {
            lanes[origin]?.part = nil
            drafts[part - base].damage.insert(.truncated)
            endLine(part)
        }
        guard let record = lanes[origin]?.record else { return }
        complete(origin, damage: drafts[record - base].depth > 0 ? .truncated : [])
    }

    private mutating func completeAll() {
        for origin in Array(lanes.keys) { end(origin) }
        emitComplete()
    }

    /// Ends records of whole lines. A line of which pieces are missing waits on, as it does in a
    /// file that nobody wrapped, unless its writer must have given it up.
    private mutating func completeLines() {
        for (origin, lane) in Array(lanes) {
            if let part = lane.part, let time = drafts[part - base].lastTime,
                abs(wrappers.now.microseconds - time.microseconds)
                    < WrappedSplitter.abandonedAfter
            {
                continue
            }
            end(origin)
        }
        emitComplete()
    }

    /// Ends what has waited too long, judged by the line at `place`.
    private mutating func closeOutdated(at time: Timestamp?, _ place: Int) {
        guard let waiting = drafts.first else { return }
        if place - waiting.start > RecordSplitter.wrappedByteLimit(framing.recordByteLimit) {
            return completeAll()
        }
        var isClosed = false
        // All of them: what a line ends must not depend on what else waits.
        for index in drafts.indices
        where drafts[index].state == .open && isOutdated(drafts[index], at: time) {
            end(drafts[index].origin)
            isClosed = true
        }
        if isClosed { emitComplete() }
    }

    private func isOutdated(_ draft: RecordDraft, at time: Timestamp?) -> Bool {
        if lineNumber - draft.lastNumber > WrappedSplitter.patienceLineCount { return true }
        guard let time, let last = draft.lastTime else { return false }
        let isPart = lanes[draft.origin]?.part != nil
        return time.since(last)
            > framing.joinTimeout * (isPart ? WrappedSplitter.partPatience : 1)
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
        for draft in drafts.prefix(count) where draft.state == .complete { writer.append(draft) }
        drafts.removeFirst(count)
        base += count
    }

    /// A record waits for more of its lines while others come, but no longer than for so many.
    private static let patienceLineCount = 1000
    /// A source is quiet and the last piece of a line so many microseconds old: no more will come.
    private static let abandonedAfter: Int64 = 30_000_000
    /// The pieces of a line follow each other at once, but for a writer that hesitates.
    private static let partPatience = 5
}
