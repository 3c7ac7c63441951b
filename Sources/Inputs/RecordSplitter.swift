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
    /// True when whole lines of a record wait for the line that shows their end.
    private(set) var isJoining = false

    private let framing: RecordFraming
    private let match = Match()

    init(_ framing: RecordFraming) {
        self.framing = framing
    }

    /// Finds the records of `bytes` from `start`, which is where a record begins, or skipped bytes.
    ///
    /// `origin` is the place of the block's first byte in the source.
    mutating func split(
        _ bytes: Span<UInt8>, from start: Int, origin: UInt64, skip: inout Skip, at ending: End
    ) {
        records = []
        isJoining = false
        end = start
        if framing.recordStart == nil {
            splitLines(bytes, origin, &skip, ending)
        } else {
            joinLines(bytes, origin, &skip, ending)
        }
    }

    /// Replaces what is left of a block behind `end` by the padding that a batch promises.
    ///
    /// Nobody else may hold the block, or all of it is copied.
    func trim(_ block: inout [UInt8]) {
        block.removeLast(block.count - end)
        block.append(addingCapacity: RecordBatch.paddingByteCount) { padding in
            for _ in 0..<RecordBatch.paddingByteCount { padding.append(0) }
        }
    }

    // MARK: Lines

    private mutating func splitLines(
        _ bytes: Span<UInt8>, _ origin: UInt64, _ skip: inout Skip, _ ending: End
    ) {
        let limit = framing.recordByteLimit
        let count = bytes.count
        guard var place = skipLine(bytes, &skip) else { return }
        skip = .nothing
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
            appendLine(bytes, place, feed, origin)
            place = feed + 1
        }
        end = place
        let rest = count - place
        guard rest > 0, records.count < InputLimit.batchRecordLimit, bytes[place] != 0 else {
            return
        }
        if rest > limit {
            append(place, limit, origin, .cut)
            skip = .line
            end = count
        } else if case .flushAll = ending {
            appendLine(bytes, place, count, origin)
            end = count
        }
    }

    /// Appends the line in `start..<feed` unless it is empty.
    @inline(__always)
    private mutating func appendLine(
        _ bytes: Span<UInt8>, _ start: Int, _ feed: Int, _ origin: UInt64
    ) {
        var length = feed - start
        if length > 0, bytes[feed - 1] == RecordSplitter.carriageReturn { length -= 1 }
        guard length > 0 else { return }
        if length > framing.recordByteLimit {
            append(start, framing.recordByteLimit, origin, .cut)
        } else {
            append(start, length, origin, [])
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
        case .nothing, .continuation:
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
            if isStart(bytes, place, feed) {
                appendJoined(bytes, first, place, origin)
                (first, lineCount, skip) = (place, 0, .nothing)
                if isWhole(bytes, place, feed) {
                    appendLine(bytes, place, feed, origin)
                    first = nil
                    place = feed + 1
                    continue
                }
            } else if first == nil, skip == .nothing, !RecordSplitter.isBlank(bytes, place, feed) {
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
        if records.count < InputLimit.batchRecordLimit {
            finishJoining(bytes, &first, &place, origin, &skip, ending)
        }
        isJoining = first != nil
        end = first ?? place
    }

    /// Decides about the record that is still open and the line without an end, from `place`.
    private mutating func finishJoining(
        _ bytes: Span<UInt8>, _ first: inout Int?, _ place: inout Int, _ origin: UInt64,
        _ skip: inout Skip, _ ending: End
    ) {
        let count = bytes.count
        let limit = framing.recordByteLimit
        // Zeros that may be filled yet.
        if first == nil, place < count, bytes[place] == 0 { return }
        if count - place > limit {
            // The line alone is too long. Its beginning decides which record it belongs to.
            if first != nil, isStart(bytes, place, place + limit) {
                appendJoined(bytes, first, place, origin)
                first = nil
            }
            let isLeftOut =
                first == nil && skip == .continuation
                && !isStart(bytes, place, place + limit)
            if !isLeftOut { append(first ?? place, limit, origin, .cut) }
            (first, place, skip) = (nil, count, .lineAndContinuation)
            return
        }
        switch ending {
        case .hold:
            return
        case .flushLines:
            appendJoined(bytes, first, place, origin)
        case .flushAll:
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
        guard let expression = framing.recordStart else { return true }
        return expression.match(bytes, start..<feed, into: match)
    }

    /// True for a line that is a JSON object from its first byte to its last: nothing can belong to
    /// it that follows, so it need not wait and a stray line behind it is a record of its own.
    private func isWhole(_ bytes: Span<UInt8>, _ start: Int, _ feed: Int) -> Bool {
        var last = feed - 1
        if last > start, bytes[last] == RecordSplitter.carriageReturn { last -= 1 }
        return last > start && bytes[start] == UInt8(ascii: "{")
            && bytes[last] == UInt8(ascii: "}") && feed - start <= framing.recordByteLimit
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

    private static func isBlank(_ bytes: Span<UInt8>, _ start: Int, _ feed: Int) -> Bool {
        feed == start || (feed == start + 1 && bytes[start] == carriageReturn)
    }

    private static func skipZeros(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var place = start
        while place < bytes.count, bytes[place] == 0 { place += 1 }
        return place
    }

    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
}
