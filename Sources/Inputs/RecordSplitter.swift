// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Finds the records in a block of bytes.
///
/// It keeps nothing between blocks: what it does not hand out has to be shown again, at the
/// beginning of the next block and with more behind it. Only `Skip` has to be carried along.
struct RecordSplitter: ~Copyable {
    /// What is left out because a record was too long.
    enum Skip: Sendable, Hashable {
        /// Nothing.
        case nothing
        /// Everything to the end of the line.
        case line
        /// Everything to the end of the line, then every line that begins no record.
        case lineAndContinuation
        /// Every line that begins no record.
        case continuation
        /// What is left out depends on the origin of a line.
        case lines(LineSkip)
    }

    /// What happens to bytes at the end that may go on.
    enum End: Sendable {
        /// They wait for more.
        case hold
        /// A joined record of whole lines is complete; an unfinished line waits.
        case flushLines
        /// Nothing more comes: an unfinished line is a record as well.
        case flushAll
    }

    /// The records, in order.
    var records: [Record] = []
    /// The block up to here is done with, records handed out or bytes left out.
    private(set) var end = 0
    /// True when records wait for the line that shows their end.
    private(set) var isJoining = false
    /// True when more may be found in the block, from `end`.
    private(set) var hasMore = false
    /// Where in the block the first line of the first record stands; nil before there is one.
    private(set) var first: Range<Int>?

    private let framing: RecordFraming
    private let wrappers: WrapperReader
    private var joiner: LineJoiner
    private var product: Int?
    private var wrapped: WrappedSplitter
    /// Set while the records are in a block of their own.
    private var own: CutRecords?
    private let clock: any TimeSource

    init(_ framing: RecordFraming, clock: any TimeSource = SystemClock()) {
        self.framing = framing
        self.clock = clock
        wrappers = WrapperReader(framing.wrapper, zone: framing.zone)
        joiner = LineJoiner(framing)
        wrapped = WrappedSplitter(framing)
    }

    /// Finds the records of `bytes` from `start`, which is where a record begins, or skipped bytes.
    ///
    /// `origin` is the place of the block's first byte in the source.
    mutating func split(
        _ bytes: Span<UInt8>, from start: Int, origin: UInt64, skip: inout Skip, at ending: End
    ) {
        (records, isJoining, hasMore, first, own, product) = ([], false, false, nil, nil, nil)
        end = start
        if !needsUnwrapping(bytes, skip) {
            if joiner.joins {
                joinLines(bytes, origin, &skip, ending)
            } else {
                splitLines(bytes, origin, &skip, ending)
            }
            if records.count >= InputLimit.batchRecordLimit { hasMore = true }
            first = records.first?.range
            guard records.isEmpty, hasMore else { return }
        }
        unwrap(bytes, origin, &skip, ending)
    }

    /// Whether lines have to be looked at one by one from the first.
    private func needsUnwrapping(_ bytes: Span<UInt8>, _ skip: Skip) -> Bool {
        if case .lines = skip { return true }
        return wrappers.isCertain
            || ByteSearch.first(ANSI.escape, in: bytes, end..<bytes.count) != nil
    }

    private mutating func unwrap(
        _ bytes: Span<UInt8>, _ origin: UInt64, _ skip: inout Skip, _ ending: End
    ) {
        wrapped.split(
            bytes, from: end, origin: origin, skip: &skip, at: ending, now: clock.now())
        end = wrapped.end
        records = wrapped.cut.records
        isJoining = wrapped.isJoining
        hasMore = wrapped.hasMore
        first = wrapped.first
        own = wrapped.cut
    }

    /// Whether the line is wrapped, so that what follows is another's work.
    @inline(__always)
    private mutating func stops(_ bytes: Span<UInt8>, _ place: Int, _ feed: Int) -> Bool {
        guard wrappers.isActive, WrapperReader.mayBegin(bytes, place, feed) else { return false }
        guard wrappers.read(bytes, place..<feed) != nil else { return false }
        hasMore = true
        return true
    }

    /// The records with their block, which gets the padding that a batch promises in place of what
    /// is behind `end`.
    ///
    /// Nobody else may hold the block, or all of it is copied.
    mutating func take(from block: inout [UInt8]) -> CutRecords {
        var cut = own ?? CutRecords()
        own = nil
        if cut.records.isEmpty {
            block.removeLast(block.count - end)
            swap(&cut.bytes, &block)
            cut.records = records
        }
        cut.bytes.append(addingCapacity: RecordBatch.paddingByteCount) { padding in
            for _ in 0..<RecordBatch.paddingByteCount { padding.append(0) }
        }
        return cut
    }

    /// The longest line that may turn out to be wrapped: escapes and the wrapper need room.
    static func wrappedByteLimit(_ recordByteLimit: Int) -> Int {
        2 * recordByteLimit + (64 << 10)
    }

    // MARK: Lines

    private mutating func splitLines(
        _ bytes: Span<UInt8>, _ origin: UInt64, _ skip: inout Skip, _ ending: End
    ) {
        let count = bytes.count
        guard var place = skipLine(bytes, &skip) else { return }
        while place < count, records.count < InputLimit.batchRecordLimit {
            // A writer that went on at its old place after a truncation leaves a hole of zeros.
            if bytes[place] == 0 {
                let stop = RecordSplitter.skipZeros(bytes, place)
                if isRoomToCome(from: place, to: stop, count, ending) { break }
                place = stop
                continue
            }
            guard let feed = ByteSearch.first(RecordSplitter.lineFeed, in: bytes, place..<count)
            else { break }
            if skip == .continuation {
                if PrettyJSON.belongs(bytes, place..<feed) {
                    place = feed + 1
                    continue
                }
                skip = .nothing
            }
            if stops(bytes, place, feed) { break }
            if PrettyJSON.mayOpen(bytes, place, feed) {
                guard let next = takePretty(bytes, place, feed, origin, &skip, ending) else {
                    break
                }
                place = next
                continue
            }
            appendLine(bytes, place, feed, origin)
            place = feed + 1
        }
        end = place
        if !hasMore, !isJoining { finishLines(bytes, origin, &skip, ending) }
    }

    /// Decides about the line without an end, from `end`.
    private mutating func finishLines(
        _ bytes: Span<UInt8>, _ origin: UInt64, _ skip: inout Skip, _ ending: End
    ) {
        let (place, count, limit) = (end, bytes.count, framing.recordByteLimit)
        guard place < count, records.count < InputLimit.batchRecordLimit, bytes[place] != 0 else {
            return
        }
        let isLeftOut = skip == .continuation && PrettyJSON.belongs(bytes, place..<count)
        if count - place > longestLine(bytes, place) {
            if !isLeftOut { append(place, limit, origin, .cut) }
            skip = isLeftOut ? .lineAndContinuation : .line
            end = count
        } else if case .flushAll = ending {
            if stops(bytes, place, count) { return }
            if !isLeftOut { appendLine(bytes, place, count, origin) }
            end = count
        }
    }

    /// How long a line may become before it is cut without its end.
    private func longestLine(_ bytes: Span<UInt8>, _ place: Int) -> Int {
        let limit = framing.recordByteLimit
        let mayBeWrapped =
            wrappers.isActive && WrapperReader.mayBegin(bytes, place, bytes.count)
        return mayBeWrapped ? RecordSplitter.wrappedByteLimit(limit) : limit
    }

    /// Takes a record of printed JSON, whose first line is `start..<feed`, and says where it ends;
    /// nil when it waits for more.
    private mutating func takePretty(
        _ bytes: Span<UInt8>, _ start: Int, _ feed: Int, _ origin: UInt64, _ skip: inout Skip,
        _ ending: End
    ) -> Int? {
        let limit = framing.recordByteLimit
        var depth = PrettyJSON.depth(bytes, start..<feed)
        var last = start..<feed
        var lineCount = 1
        while depth > 0, last.upperBound - start <= limit {
            let next = last.upperBound + 1
            guard next < bytes.count,
                let feed = ByteSearch.first(
                    RecordSplitter.lineFeed, in: bytes, next..<bytes.count)
            else { return endPretty(bytes, start, next, origin, &skip, ending) }
            guard PrettyJSON.belongs(bytes, next..<feed) else {
                appendLine(bytes, start, last.upperBound, origin, .truncated)
                return next
            }
            lineCount += 1
            if lineCount > framing.printedLineLimit {
                append(start, min(limit, last.upperBound - start), origin, .cut)
                skip = .continuation
                return feed + 1
            }
            last = next..<feed
            depth += PrettyJSON.depth(bytes, last)
        }
        if lineCount > 1 || depth > 0, last.upperBound - start > limit { skip = .continuation }
        appendLine(bytes, start, last.upperBound, origin)
        return last.upperBound + 1
    }

    /// The same when the block ends before the JSON does; `next` is where the next line begins.
    private mutating func endPretty(
        _ bytes: Span<UInt8>, _ start: Int, _ next: Int, _ origin: UInt64, _ skip: inout Skip,
        _ ending: End
    ) -> Int? {
        let (count, limit) = (bytes.count, framing.recordByteLimit)
        let belongs = next < count && PrettyJSON.belongs(bytes, next..<count)
        if next < count, !belongs {
            appendLine(bytes, start, next - 1, origin, .truncated)
            return next
        }
        if count - next > limit {
            append(start, limit, origin, .cut)
            skip = .lineAndContinuation
            return count
        }
        switch ending {
        case .hold:
            isJoining = true
            return nil
        case .flushLines:
            appendLine(bytes, start, next - 1, origin, .truncated)
            return next
        case .flushAll:
            let stop = next < count ? count : next - 1
            let depth = PrettyJSON.depth(bytes, start..<stop)
            appendLine(bytes, start, stop, origin, depth > 0 ? .truncated : [])
            return max(next, stop)
        }
    }

    /// Appends the line in `start..<feed` unless it is empty.
    @inline(__always)
    private mutating func appendLine(
        _ bytes: Span<UInt8>, _ start: Int, _ feed: Int, _ origin: UInt64,
        _ damage: RecordDamage = []
    ) {
        var length = feed - start
        if length > 0, bytes[feed - 1] == RecordSplitter.carriageReturn { length -= 1 }
        guard length > 0 else { return }
        if length > framing.recordByteLimit {
            append(start, framing.recordByteLimit, origin, damage.union(.cut))
        } else {
            append(start, length, origin, damage)
        }
    }

    @inline(__always)
    private mutating func append(
        _ start: Int, _ count: Int, _ origin: UInt64, _ damage: RecordDamage
    ) {
        records.append(
            Record(
                start: UInt32(start), count: UInt32(count), offset: origin + UInt64(start),
                damage: damage))
    }

    /// Where the skipped line ends; nil when it goes on, and then all bytes are done with.
    private mutating func skipLine(_ bytes: Span<UInt8>, _ skip: inout Skip) -> Int? {
        switch skip {
        case .nothing, .continuation, .lines:
            return end
        case .line, .lineAndContinuation:
            guard
                let feed = ByteSearch.first(
                    RecordSplitter.lineFeed, in: bytes, end..<bytes.count)
            else {
                end = bytes.count
                return nil
            }
            skip = skip == .line ? .nothing : .continuation
            return feed + 1
        }
    }

    /// Whether zeros at the end may be room that a writer made and will fill.
    ///
    /// A block of nothing but zeros is passed over all the same: whoever reads decides about it.
    private func isRoomToCome(
        from start: Int, to stop: Int, _ count: Int, _ ending: End
    ) -> Bool {
        if case .flushAll = ending { return false }
        return stop == count && start > end
    }

    // MARK: Joined lines

    private mutating func joinLines(
        _ bytes: Span<UInt8>, _ origin: UInt64, _ skip: inout Skip, _ ending: End
    ) {
        let count = bytes.count
        guard var place = skipLine(bytes, &skip) else { return }
        var first: Int?
        var lineCount = 0
        while place < count, records.count < InputLimit.batchRecordLimit {
            if first == nil, bytes[place] == 0 {
                let stop = RecordSplitter.skipZeros(bytes, place)
                if isRoomToCome(from: place, to: stop, count, ending) { break }
                place = stop
                continue
            }
            guard let feed = ByteSearch.first(RecordSplitter.lineFeed, in: bytes, place..<count)
            else { break }
            if stops(bytes, place, feed) {
                appendJoined(bytes, first, place, origin)
                first = nil
                break
            }
            if first == nil { product = nil }
            let role = joiner.role(bytes, place..<feed, product: &product)
            let isStray =
                role == .continuation && first == nil && skip == .nothing
                && !RecordSplitter.isBlank(bytes, place, feed)
            if role != .continuation {
                appendJoined(bytes, first, place, origin)
                (first, skip) = (nil, .nothing)
            }
            if role != .continuation || isStray {
                if PrettyJSON.mayOpen(bytes, place, feed) {
                    guard let next = takePretty(bytes, place, feed, origin, &skip, ending) else {
                        break
                    }
                    place = next
                    continue
                }
                if role == .whole {
                    appendLine(bytes, place, feed, origin)
                    place = feed + 1
                    continue
                }
                (first, lineCount) = (place, 0)
            }
            lineCount += 1
            if let begin = first,
                feed - begin > framing.recordByteLimit
                    || lineCount > framing.recordLineLimit
            {
                // The line that is one too many is left out with those behind it.
                let last = lineCount > framing.recordLineLimit ? place - 1 : feed
                append(begin, min(framing.recordByteLimit, last - begin), origin, .cut)
                (first, skip) = (nil, .continuation)
            }
            place = feed + 1
        }
        if records.count < InputLimit.batchRecordLimit, !hasMore, !isJoining {
            finishJoining(bytes, &first, lineCount, &place, origin, &skip, ending)
        }
        if first != nil { isJoining = true }
        end = first ?? place
    }

    /// Decides about the record that is still open and the line without an end, from `place`.
    private mutating func finishJoining(
        _ bytes: Span<UInt8>, _ first: inout Int?, _ lineCount: Int, _ place: inout Int,
        _ origin: UInt64, _ skip: inout Skip, _ ending: End
    ) {
        let count = bytes.count
        let limit = framing.recordByteLimit
        if first == nil { product = nil }
        // Zeros that may be filled yet.
        if first == nil, place < count, bytes[place] == 0 { return }
        if count - place > longestLine(bytes, place) {
            // The line alone is too long. Its beginning decides which record it belongs to.
            if first != nil, isStart(bytes, place, place + limit) {
                appendJoined(bytes, first, place, origin)
                first = nil
            }
            let isLeftOut =
                first == nil && skip == .continuation
                && !isStart(bytes, place, place + limit)
            if let begin = first, lineCount >= framing.recordLineLimit {
                // It is one line too many as well, and left out as it would be with its end.
                append(begin, min(limit, place - 1 - begin), origin, .cut)
            } else if !isLeftOut {
                append(first ?? place, limit, origin, .cut)
            }
            (first, place, skip) = (nil, count, .lineAndContinuation)
            return
        }
        switch ending {
        case .hold:
            return
        case .flushLines:
            appendJoined(bytes, first, place, origin)
        case .flushAll:
            if place < count, stops(bytes, place, count) {
                appendJoined(bytes, first, place, origin)
                first = nil
                return
            }
            if place < count, isStart(bytes, place, count) {
                appendJoined(bytes, first, place, origin)
                first = place
            } else if first == nil, skip == .nothing {
                first = place
            }
            appendJoined(bytes, first, count, origin)
            place = count
        }
        first = nil
    }

    private mutating func isStart(_ bytes: Span<UInt8>, _ start: Int, _ feed: Int) -> Bool {
        joiner.role(bytes, start..<feed, product: &product) != .continuation
    }

    /// Appends the lines in `start..<stop` as one record, without the last line's end.
    private mutating func appendJoined(
        _ bytes: Span<UInt8>, _ start: Int?, _ stop: Int, _ origin: UInt64
    ) {
        guard let start, start < stop else { return }
        let feed = bytes[stop - 1] == RecordSplitter.lineFeed ? stop - 1 : stop
        appendLine(bytes, start, feed, origin)
    }

    // MARK: The beginning of a source

    /// Where the first record of a source begins, given its first bytes.
    ///
    /// It leaves out exactly what `split` leaves out in front of a record: holes and empty lines.
    static func firstRecordStart(_ bytes: Span<UInt8>) -> Int {
        var place = 0
        while place < bytes.count {
            if bytes[place] == 0 || bytes[place] == lineFeed {
                place += 1
            } else if bytes[place] == carriageReturn, place + 1 < bytes.count,
                bytes[place + 1] == lineFeed
            {
                place += 2
            } else {
                return place
            }
        }
        return place
    }

    static func isBlank(_ bytes: Span<UInt8>, _ start: Int, _ feed: Int) -> Bool {
        feed == start || (feed == start + 1 && bytes[start] == carriageReturn)
    }

    /// A line without the carriage return before its line feed.
    static func withoutReturn(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Range<Int> {
        guard line.count > 1, bytes[line.upperBound - 1] == carriageReturn else { return line }
        return line.lowerBound..<line.upperBound - 1
    }

    static func skipZeros(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var place = start
        while place < bytes.count, bytes[place] == 0 { place += 1 }
        return place
    }

    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
}
