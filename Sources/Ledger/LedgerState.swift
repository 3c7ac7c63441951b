// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What is known of a segment without opening it.
struct SegmentEntry: Equatable {
    let number: UInt64
    /// The room that it takes.
    var byteCount: Int
    /// Where its first batch begins, where that is known.
    var start: Int?
    /// Where its last batch ends, once nothing is appended any more and somebody has been there.
    var end: Int?
    /// The last write before this start.
    var modified: Timestamp
    /// When it was first seen that all sinks have passed it.
    var passed: Timestamp?
}

/// What readers and the writer share. Nothing in it blocks, so the lock around it is short.
struct LedgerState {
    var segments: [SegmentEntry] = []
    /// The segment that is appended to.
    var active: UInt64?
    /// Behind the last committed frame of it; readers see nothing beyond.
    var committedEnd = 0
    var recent = RecentFrames()
    var cursors: [String: CursorState] = [:]
    var statistics = LedgerStatistics()
    var isClosed = false
    var damage = DamageList()
    var handles: [UInt64: any LedgerFile] = [:]
    /// The size of the reserve; 0 when there is none.
    var reserveByteCount = 0
    /// Segments whose files are being removed.
    var going: Set<UInt64> = []
    /// How many events named each sink, up to the last commit; nil when that is not known.
    var counts: [String: UInt64]?
    var evictions: [LedgerEviction] = []
    /// Places that the disk refused to read, and since when.
    var unreadable: [LedgerPlace: MonotonicInstant] = [:]
    /// True when a cursor has moved since the last synchronisation.
    var areCursorsMoved = false
    var cursorsSynchronized: MonotonicInstant?
    var isPastFirstDeletion = false

    /// A sink's cursor in memory.
    struct CursorState {
        var cursor: SinkCursor
        var isDirty: Bool
        /// False for a sink that is no longer configured: it holds no segment back.
        let isConfigured: Bool
    }

    /// The most places of which it is remembered that they could not be read.
    static let unreadableLimit = 64
    /// The most segments kept open for reading.
    static let handleLimit = 8

    /// Where the next frame is to be looked for.
    enum Lookup {
        case frame(LedgerFrame)
        case file(SegmentEntry, limit: Int?)
        case end
    }

    /// Moves `place` to where a frame may begin at or behind it.
    func find(_ place: inout LedgerPlace) -> Lookup {
        while true {
            guard let index = firstSegment(from: place.segment) else { return .end }
            let entry = segments[index]
            if entry.number > place.segment { place = LedgerPlace(segment: entry.number) }
            if let start = entry.start, place.offset < UInt64(start) {
                place = LedgerPlace(segment: entry.number, offset: UInt64(start))
            }
            let limit = entry.number == active ? committedEnd : entry.end
            if let limit, place.offset >= UInt64(limit) {
                guard index + 1 < segments.count else { return .end }
                place = LedgerPlace(segment: segments[index + 1].number)
                continue
            }
            if let frame = recent.frame(at: place) { return .frame(frame) }
            return .file(entry, limit: limit)
        }
    }

    /// Takes note of how far a sink has read, when it reads from memory.
    mutating func note(_ reader: String, _ lookup: Lookup, at place: LedgerPlace) {
        switch lookup {
        case .frame(let frame): recent.follow(reader, at: frame.next)
        case .end: recent.follow(reader, at: place)
        case .file: recent.leave(reader)
        }
    }

    private func firstSegment(from number: UInt64) -> Int? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < segments.count ? low : nil
    }

    /// The place of a segment in `segments`.
    func index(of number: UInt64) -> Int? {
        guard let index = firstSegment(from: number), segments[index].number == number else {
            return nil
        }
        return index
    }

    /// The place that every configured sink has reached; nil when no sink is configured.
    var slowest: LedgerPlace? {
        cursors.values.filter(\.isConfigured).map(\.cursor.place).min()
    }

    /// The room that all segments and the reserve take.
    var byteCount: Int { segments.reduce(reserveByteCount) { $0 + $1.byteCount } }

    /// What was written and some configured sink has not passed yet.
    var undeliveredByteCount: Int {
        guard let slowest else { return 0 }
        return segments.reduce(0) { sum, entry in
            guard entry.number >= slowest.segment else { return sum }
            let end = entry.number == active ? committedEnd : entry.end ?? entry.byteCount
            let isReached = entry.number == slowest.segment
            let begin = max(isReached ? Int(clamping: slowest.offset) : 0, entry.start ?? 0)
            return sum + max(0, end - begin)
        }
    }

    /// Keeps a file open for the next read of the same segment.
    mutating func keep(_ file: any LedgerFile, of number: UInt64) {
        if handles.count >= LedgerState.handleLimit, handles[number] == nil {
            // The lowest number is the one that readers leave behind first.
            if let lowest = handles.keys.min() { handles[lowest] = nil }
        }
        handles[number] = file
    }

    /// Forgets a segment whose file is gone.
    mutating func forget(_ number: UInt64) {
        segments.removeAll { $0.number == number }
        handles[number] = nil
    }
}

/// Damage that was found and not yet reported; each range counts once.
struct DamageList {
    /// The most ranges that are remembered.
    static let countLimit = 4096

    private struct Start: Hashable {
        let segment: UInt64
        let offset: Int
    }

    private var known: Set<Start> = []
    private var unreported: [LedgerDamage] = []

    /// False when the range is known; from then on it is.
    mutating func insert(segment: UInt64, offset: Int) -> Bool {
        guard known.count < DamageList.countLimit else { return false }
        return known.insert(Start(segment: segment, offset: offset)).inserted
    }

    mutating func append(_ damage: LedgerDamage) {
        unreported.append(damage)
    }

    /// What was found since the last call.
    mutating func take() -> [LedgerDamage] {
        defer { unreported = [] }
        return unreported
    }
}
