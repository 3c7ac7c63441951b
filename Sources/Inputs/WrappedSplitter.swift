// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Finds the records in a block whose lines are wrapped, or coloured for a terminal.
///
/// What is behind the last record that was handed out is shown again, so a single offset is the
/// position.
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
    private var joiner: RecordJoiner
    private let framing: RecordFraming
    private var writer = CutWriter()

    init(_ framing: RecordFraming) {
        self.framing = framing
        wrappers = WrapperReader(framing.wrapper, zone: framing.zone)
        joiner = RecordJoiner(
            framing, wrappers: wrappers, patience: .untilNoneReachesAcross)
    }

    /// Finds the records of `bytes` from `start`, as `RecordSplitter.split` does.
    mutating func split(
        _ bytes: Span<UInt8>, from start: Int, origin: UInt64,
        skip leftOut: inout RecordSplitter.Skip, at ending: RecordSplitter.End, now: Timestamp
    ) {
        begin(start, origin, leftOut, now)
        var place = start
        if joiner.skip.isInLine {
            guard
                let feed = ByteSearch.first(
                    RecordSplitter.lineFeed, in: bytes, place..<bytes.count)
            else {
                end = bytes.count
                return
            }
            joiner.skip.isInLine = false
            place = feed + 1
        }
        takeLines(bytes, &place, start, ending)
        if !hasMore { finish(bytes, &place, ending, now) }
        write()
        if let waiting = joiner.waiting {
            end = waiting.start
            leftOut = waiting.skipBefore.form
            isJoining = !hasMore
        } else {
            end = place
            leftOut = joiner.skip.form
        }
        cut = writer.take()
    }

    private mutating func begin(
        _ start: Int, _ origin: UInt64, _ leftOut: RecordSplitter.Skip, _ now: Timestamp
    ) {
        (end, isJoining, hasMore, first) = (start, false, false, nil)
        joiner.begin(skip: LineSkip(leftOut))
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
            if bytes[place] == 0, !joiner.isOpen(.file) {
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
        _ bytes: Span<UInt8>, _ place: inout Int, _ ending: RecordSplitter.End, _ now: Timestamp
    ) {
        let count = bytes.count
        let isHole = place < count && bytes[place] == 0 && !joiner.isOpen(.file)
        let mayBeWrapped =
            wrappers.isCertain
            || (wrappers.isActive && WrapperReader.mayBegin(bytes, place, count))
        let limit = framing.recordByteLimit
        let longest = mayBeWrapped ? RecordSplitter.wrappedByteLimit(limit) : limit
        if !isHole, count - place > longest {
            takeFile(bytes, place..<place + limit, damage: .cut)
            joiner.cutFile()
            place = count
            // What waits would be shown again with ever more of the line.
            let most = 2 * RecordSplitter.wrappedByteLimit(limit)
            if let waiting = joiner.waiting, count - waiting.start > most { joiner.completeAll() }
            if ending != .flushAll { return }
        }
        switch ending {
        case .hold: return
        case .flushLines: return joiner.completeLines(now: now)
        case .flushAll:
            if place < count, !isHole { take(bytes, place..<count) }
            place = count
        }
        joiner.completeAll()
    }

    // MARK: Lines

    /// Takes a line, whoever wrapped it.
    private mutating func take(_ bytes: Span<UInt8>, _ line: Range<Int>) {
        guard let piece = wrappers.read(bytes, line) else {
            return takeFile(bytes, line, damage: [])
        }
        joiner.end(.file)
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
        if first == nil, !RecordSplitter.isBlank(bytes, line.lowerBound, line.upperBound) {
            first = RecordSplitter.withoutReturn(bytes, line)
        }
        var piece = piece
        if piece.keepsLine { piece.line = WrapperReader.copy(bytes, line) }
        joiner.take(piece, at: line.lowerBound, damage: damage)
        write()
    }

    /// Writes what is complete.
    private mutating func write() {
        for draft in joiner.finished { writer.append(draft) }
        joiner.finished.removeAll(keepingCapacity: true)
    }
}
