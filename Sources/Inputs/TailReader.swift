// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Reads a file at its position: the shell around `RecordSplitter`.
///
/// Every read begins with the bytes before the offset, at most `FilePosition.tailByteLimit`, and
/// compares them, so content that took the place of other content is noticed before any of it is
/// handed out.
struct TailReader: ~Copyable {
    /// What a read came to.
    enum Outcome {
        /// Records, and whether there may be more behind them.
        case records(CutRecords, mayGoOn: Bool)
        /// Bytes were left out, no record was found yet.
        case advanced
        /// No whole record is there.
        case waiting
        /// The bytes before the offset are others.
        case changed
    }

    /// The digest of no bytes, the tail at the beginning of a file.
    let emptyTail: Digest

    private let input: String
    private let framing: RecordFraming
    private var splitter: RecordSplitter

    init(input: String, framing: RecordFraming) {
        self.input = input
        self.framing = framing
        splitter = RecordSplitter(framing)
        emptyTail = SHA256.digest([])
    }

    // MARK: Reading on

    /// Reads the records at the position and moves it behind them.
    mutating func read(_ tail: FileTail, _ file: FileContent) throws(SystemError) -> Outcome {
        if try peekFindsNothing(tail, file) { return .waiting }
        let lead = min(Int(tail.position.offset), FilePosition.tailByteLimit)
        let base = Int(tail.position.offset) - lead
        let available = max(0, Int(tail.byteCount) - Int(tail.position.offset))
        // A little more than is known to be there, so that the end shows itself.
        var wanted = lead + min(available + TailReader.surplus, InputLimit.blockByteCount)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(wanted + RecordBatch.paddingByteCount)
        _ = try file.append(to: &bytes, count: wanted, at: base)
        guard bytes.count >= lead, digest(bytes, 0..<lead) == tail.position.tail else {
            return .changed
        }
        var skip = tail.skip
        while true {
            let isAtEnd = bytes.count < wanted
            skip = tail.skip
            splitter.split(
                bytes.span, from: lead, origin: UInt64(base), skip: &skip,
                at: isAtEnd ? tail.ending : .hold)
            if isAtEnd || splitter.end > lead { break }
            // Not one whole record: show twice as much, until the limit of a record ends it.
            let more = max(InputLimit.blockByteCount, bytes.count)
            _ = try file.append(to: &bytes, count: more, at: base + bytes.count)
            wanted += more
        }
        tail.skip = skip
        tail.isJoining = splitter.isJoining
        tail.examined = UInt64(base + bytes.count)
        tail.certainByteCount = max(tail.byteCount, tail.examined)
        // At the end the size is what was read: it may be less than the last status said.
        if bytes.count < wanted, tail.examined < tail.byteCount { tail.cutFrom = tail.byteCount }
        tail.byteCount = bytes.count < wanted ? tail.examined : max(tail.byteCount, tail.examined)
        let isRoomToCome =
            bytes.count < wanted && splitter.records.isEmpty && splitter.end == bytes.count
            && bytes.count > lead && bytes.last == 0
        if isRoomToCome, case .hold = tail.ending { return .waiting }
        guard let mayGoOn = advance(tail, bytes, lead: lead, base: base, wanted: wanted) else {
            return .waiting
        }
        guard !splitter.records.isEmpty else { return .advanced }
        return .records(splitter.take(from: &bytes), mayGoOn: mayGoOn)
    }

    /// Moves the position behind the records and says whether more may follow; nil when the block
    /// held nothing to be done with.
    private func advance(
        _ tail: FileTail, _ block: borrowing [UInt8], lead: Int, base: Int, wanted: Int
    ) -> Bool? {
        let end = splitter.end
        guard end > lead else { return nil }
        let mayGoOn = block.count == wanted || splitter.hasMore
        if mayGoOn { tail.examined = UInt64(base + end) }
        let tailCount = min(base + end, FilePosition.tailByteLimit)
        tail.position.offset = UInt64(base + end)
        tail.position.size = tail.byteCount
        tail.position.tail = digest(block, end - tailCount..<end)
        tail.passed.count += UInt64(end - lead)
        tail.addCheckpoint()
        if let first = splitter.first, tail.position.key == .zero {
            name(tail, block, first)
        }
        return mayGoOn
    }

    /// Whether a long unfinished line is still without an end, found out by its new bytes alone.
    private func peekFindsNothing(
        _ tail: FileTail, _ file: FileContent
    ) throws(SystemError) -> Bool {
        let known = tail.examined - min(tail.examined, tail.position.offset)
        guard known > TailReader.peekFrom, tail.skip == .nothing, case .hold = tail.ending,
            known < framing.recordByteLimit
        else { return false }
        let room = framing.recordByteLimit - Int(known)
        let bytes = try file.read(
            count: min(room, InputLimit.blockByteCount), at: Int(tail.examined))
        guard bytes.count < room,
            ByteSearch.first(RecordSplitter.lineFeed, in: bytes.span) == nil
        else { return false }
        tail.examined += UInt64(bytes.count)
        tail.byteCount = max(tail.byteCount, tail.examined)
        return true
    }

    /// Gives the content its key, from its first record; where lines are wrapped, from the first.
    private func name(_ tail: FileTail, _ block: borrowing [UInt8], _ first: Range<Int>) {
        let count = min(first.count, FileKey.firstRecordByteLimit)
        let start = first.lowerBound
        tail.position.firstRecord = digest(block, start..<start + count)
        tail.position.firstRecordByteCount = UInt16(count)
        makeKey(tail)
    }

    /// Makes the key from the facts in the position.
    func makeKey(_ tail: FileTail) {
        tail.position.key = FileKey(
            input: input, inode: tail.position.inode, generation: tail.position.generation,
            firstRecord: tail.position.firstRecord)
        tail.source = tail.position.key.text
    }

    // MARK: Recognising

    /// What the bytes of a file say about a position.
    func examine(
        _ position: FilePosition, _ file: FileContent, byteCount: UInt64
    ) throws(SystemError) -> FileRecognition.Candidate {
        var candidate = FileRecognition.Candidate(
            position: position, isSameHead: false, isSameTail: false)
        candidate.isSameHead = try isSameHead(position, file)
        guard position.offset <= byteCount else { return candidate }
        candidate.isSameTail = try isSame(position.tail, before: position.offset, file)
        return candidate
    }

    /// Whether the bytes before an offset are those of a digest.
    func isSame(
        _ tail: Digest, before offset: UInt64, _ file: FileContent
    ) throws(SystemError) -> Bool {
        let count = min(Int(offset), FilePosition.tailByteLimit)
        let bytes = try file.read(count: count, at: Int(offset) - count)
        return bytes.count == count && SHA256.digest(bytes) == tail
    }

    /// Where reading goes on in a copy of known content: at the position, or at the copy's end when
    /// that comes before; nil when it is no copy.
    ///
    /// A copy that ends early is recognised by the places that reading came past.
    func placeInCopy(
        _ position: FilePosition, _ checkpoints: [FileTail.Checkpoint], _ file: FileContent
    ) throws(SystemError) -> FilePosition? {
        guard position.firstRecordByteCount > 0, try isSameHead(position, file) else { return nil }
        if try isSame(position.tail, before: position.offset, file) { return position }
        let size = try file.byteCount()
        guard size < position.offset,
            let checkpoint = checkpoints.last(where: { $0.offset <= size }),
            try isSame(checkpoint.tail, before: checkpoint.offset, file)
        else { return nil }
        var place = position
        let count = min(Int(size), FilePosition.tailByteLimit)
        let bytes = try file.read(count: count, at: Int(size) - count)
        place.tail = SHA256.digest(bytes)
        (place.offset, place.size) = (size, size)
        return place
    }

    /// Whether a file holds the bytes of another one as far as it goes: at its beginning and at its
    /// end.
    func isCopy(
        _ file: FileContent, of original: FileContent
    ) throws(SystemError) -> Bool {
        let common = Int(try file.byteCount())
        guard common > 0, try original.byteCount() >= UInt64(common) else { return false }
        let count = min(common, TailReader.shortHead)
        for start in [0, common - count] {
            let bytes = try file.read(count: count, at: start)
            guard bytes.count == count, try original.read(count: count, at: start) == bytes
            else { return false }
        }
        return true
    }

    /// Moves a position that stands in a hole to where the hole ends.
    func passHole(_ tail: FileTail, _ file: FileContent) throws(SystemError) {
        guard tail.skip == .nothing, !file.isCompressed, tail.position.offset > 0 else { return }
        let offset = Int(tail.position.offset)
        let before = try file.read(count: 1, at: offset - 1)
        guard before == [0] else { return }
        // No data at all behind it: the file ends in the hole.
        let size = Int(tail.byteCount)
        let place = min(file.nextData(from: offset) ?? size, size)
        guard place > offset else { return }
        let count = min(place, FilePosition.tailByteLimit)
        let bytes = try file.read(count: count, at: place - count)
        guard bytes.count == count else { return }
        tail.position.offset = UInt64(place)
        tail.position.tail = SHA256.digest(bytes)
        tail.passed.count += UInt64(place - offset)
        tail.examined = max(tail.examined, tail.position.offset)
    }

    private func isSameHead(_ position: FilePosition, _ file: FileContent) throws(SystemError)
        -> Bool
    {
        let count = Int(position.firstRecordByteCount)
        var bytes = try file.read(count: TailReader.shortHead, at: 0)
        var start = RecordSplitter.firstRecordStart(bytes.span)
        if start + count > bytes.count, bytes.count == TailReader.shortHead {
            bytes = try file.read(count: InputLimit.headByteLimit, at: 0)
            start = RecordSplitter.firstRecordStart(bytes.span)
        }
        guard start + count <= bytes.count else { return false }
        return digest(bytes, start..<start + count) == position.firstRecord
    }

    /// Whether the position stands in a line that was cut, so that its rest is left out.
    ///
    /// A position stands in the middle of a line in two cases: the line was cut at the limit, or it
    /// was handed out unfinished, and then it is not longer than the limit.
    func skip(at offset: UInt64, _ file: FileContent) throws(SystemError) -> RecordSplitter.Skip {
        let limit = framing.recordByteLimit
        let count = min(Int(offset), limit)
        let bytes = try file.read(count: count, at: Int(offset) - count)
        guard offset > limit, bytes.count == count,
            ByteSearch.last(RecordSplitter.lineFeed, in: bytes.span, 0..<count) == nil
        else { return .nothing }
        return framing.joinsLines ? .lineAndContinuation : .line
    }

    /// Puts a file that is read from its end behind its last whole line.
    mutating func skipToEnd(_ tail: FileTail, _ file: FileContent) throws(SystemError) {
        let size = Int(tail.byteCount)
        let count = min(size, framing.recordByteLimit)
        let bytes = try file.read(count: count, at: size - count)
        guard bytes.count == count else { return }
        let last = ByteSearch.last(RecordSplitter.lineFeed, in: bytes.span, 0..<count)
        guard last != nil || size > count else { return }
        let offset = last.map { size - count + $0 + 1 } ?? size
        // The first record of the content names it, although it is not handed out.
        let isRead = try nameByHead(tail, file)
        guard isRead else { return }
        tail.skip = .nothing
        let tailCount = min(offset, FilePosition.tailByteLimit)
        let before = try file.read(count: tailCount, at: offset - tailCount)
        tail.position.offset = UInt64(offset)
        tail.position.tail = SHA256.digest(before)
        tail.examined = UInt64(offset)
        if framing.joinsLines {
            tail.skip = framing.wrapper == .raw ? .continuation : .lines(.continuations)
        }
        if last == nil { tail.skip = framing.joinsLines ? .lineAndContinuation : .line }
    }

    /// Names the content by the first record in it; false when there is none.
    private mutating func nameByHead(
        _ tail: FileTail, _ file: FileContent
    ) throws(SystemError) -> Bool {
        tail.ending = .flushLines
        defer { tail.ending = .hold }
        while true {
            let outcome = try read(tail, file)
            switch outcome {
            case .records: return true
            case .advanced: continue
            case .waiting, .changed: return false
            }
        }
    }

    private func digest(_ bytes: borrowing [UInt8], _ range: Range<Int>) -> Digest {
        SHA256.digest(bytes.span.extracting(range))
    }

    /// How many bytes more than are known to be there a read asks for.
    private static let surplus = 4096
    /// An unfinished line longer than this is not read again as a whole for each new piece.
    private static let peekFrom = UInt64(64 << 10)
    /// How much of a file is read to compare its first record in the common case.
    private static let shortHead = 4096
}
