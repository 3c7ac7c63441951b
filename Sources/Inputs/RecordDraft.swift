// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A record in the making, out of lines that were wrapped.
struct RecordDraft {
    /// Whether it may grow.
    enum State {
        case open, complete
        /// It went into the record before it, or is none.
        case dissolved
    }

    /// Where its first line begins in the block, and its last.
    let start: Int
    var last: Int
    /// Whose it is.
    let origin: LineOrigin
    /// What was wrapped, its lines with a line feed between them.
    private(set) var text: [UInt8]
    /// The same without colours, and without what else wrapped it, where there is such.
    private(set) var plain: [UInt8]?
    /// The lines as they were read, where they are the record.
    private(set) var lines: [UInt8]
    /// The host that logged it.
    private(set) var host: [UInt8]
    /// When it was logged.
    let time: Timestamp?
    /// When its last line came.
    private(set) var lastMoment: Timestamp?
    /// The number of its last line.
    private(set) var lastNumber: Int
    private(set) var lineCount = 1
    /// Who wrapped it; nil when nobody did.
    let kind: WrappedLine.Kind?
    /// What was left out when its first line came.
    let skipBefore: LineSkip
    var damage: RecordDamage
    var state = State.open
    /// The product whose it is, where that is found out from the lines.
    var product: Int?
    /// How many brackets of printed JSON are open.
    var depth = 0

    init(
        _ piece: WrappedLine, at place: Int, _ number: Int, damage: RecordDamage,
        skipBefore: LineSkip
    ) {
        start = place
        last = place
        origin = piece.origin
        text = piece.content
        lines = piece.line
        host = piece.host
        time = piece.time
        lastMoment = piece.moment
        lastNumber = number
        kind = piece.kind
        self.skipBefore = skipBefore
        self.damage = damage
    }

    /// The bytes that count for the limit of a record.
    var byteCount: Int { max(text.count, lines.count) }

    /// Adds the next piece of its line.
    mutating func append(_ piece: WrappedLine, at place: Int, _ number: Int) {
        text += piece.content
        lines += piece.line
        (last, lastNumber) = (place, number)
        lastMoment = piece.moment ?? lastMoment
    }

    /// Adds a line.
    mutating func append(_ line: RecordDraft) {
        if plain != nil || line.plain != nil {
            plain = (plain ?? text) + [RecordSplitter.lineFeed] + (line.plain ?? line.text)
        }
        text.append(RecordSplitter.lineFeed)
        text += line.text
        if kind?.keepsLine == true {
            lines.append(RecordSplitter.lineFeed)
            lines += line.lines
        }
        lineCount += 1
        (last, lastNumber) = (max(last, line.last), line.lastNumber)
        lastMoment = line.lastMoment ?? lastMoment
        damage.formUnion(line.damage)
    }

    /// Leaves nothing but its place, for it was handed out.
    mutating func dissolve() {
        state = .dissolved
        (text, plain, lines, host) = ([], nil, [], [])
    }

    /// Takes the colours out of a line that is whole, and it out of the wrappers within the first.
    mutating func strip(_ wrappers: WrapperReader) {
        plain = ANSI.stripped(text)
        guard kind != nil else { return }
        for _ in 1..<InputLimit.wrapperLimit {
            let content = plain ?? text
            guard let inner = wrappers.readInner(content.span) else { return }
            plain = ANSI.stripped(inner.content) ?? inner.content
            if host.isEmpty { host = inner.host }
        }
    }
}

/// Writes records into a block of their own.
struct CutWriter {
    private var cut = CutRecords()
    private let origin: UInt64
    private let byteLimit: Int
    private var lastHost: Range<UInt32> = 0..<0
    private var hasHosts = false
    private var hasBodies = false
    private var hasTimes = false

    init(origin: UInt64 = 0, byteLimit: Int = 0) {
        self.origin = origin
        self.byteLimit = byteLimit
    }

    /// How many records were written.
    var recordCount: Int { cut.records.count }

    /// Writes one, unless it is empty.
    mutating func append(_ draft: RecordDraft) {
        let keepsLine = draft.kind?.keepsLine == true
        var damage = draft.damage
        var record = CutWriter.withoutReturn(keepsLine ? draft.lines[...] : draft.text[...])
        if record.count > byteLimit {
            damage.insert(.cut)
            record = record.prefix(byteLimit)
        }
        guard !record.isEmpty, !CutWriter.withoutReturn(draft.text[...]).isEmpty else { return }
        let place = write(record)
        cut.records.append(
            Record(
                start: place.lowerBound, count: UInt32(place.count),
                offset: origin + UInt64(draft.start), damage: damage))
        let body = CutWriter.withoutReturn((draft.plain ?? draft.text)[...]).prefix(byteLimit)
        if draft.plain == nil, !keepsLine {
            cut.bodies.append(place)
        } else if draft.plain == nil, draft.lineCount == 1, record.count >= body.count,
            record.suffix(body.count).elementsEqual(body)
        {
            cut.bodies.append(place.upperBound - UInt32(body.count)..<place.upperBound)
            hasBodies = true
        } else {
            cut.bodies.append(write(body))
            hasBodies = true
        }
        cut.times.append(draft.time)
        if draft.time != nil { hasTimes = true }
        appendHost(draft.host)
    }

    /// The records and their block, without padding.
    mutating func take() -> CutRecords {
        var result = cut
        cut = CutRecords()
        if !hasHosts { result.hosts = [] }
        if !hasBodies { result.bodies = [] }
        if !hasTimes { result.times = [] }
        return result
    }

    private mutating func appendHost(_ host: [UInt8]) {
        guard !host.isEmpty else { return cut.hosts.append(0..<0) }
        let last = Int(lastHost.lowerBound)..<Int(lastHost.upperBound)
        if !cut.bytes[last].elementsEqual(host) { lastHost = write(host[...]) }
        cut.hosts.append(lastHost)
        hasHosts = true
    }

    private mutating func write(_ bytes: ArraySlice<UInt8>) -> Range<UInt32> {
        let start = UInt32(cut.bytes.count)
        cut.bytes += bytes
        return start..<UInt32(cut.bytes.count)
    }

    private static func withoutReturn(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        text.last == RecordSplitter.carriageReturn ? text.dropLast() : text
    }
}

/// What is left out of a source, for each origin of lines, because a record was too long.
struct LineSkip: Sendable, Hashable {
    /// Everything to the end of the line.
    var isInLine = false
    /// What is left out of the lines of an origin.
    var lanes: [LineOrigin: LaneSkip] = [:]

    init() {}

    /// What the simple forms mean for lines of any origin.
    init(_ skip: RecordSplitter.Skip) {
        switch skip {
        case .nothing: break
        case .line: isInLine = true
        case .lineAndContinuation, .continuation:
            isInLine = skip == .lineAndContinuation
            lanes[.file] = LaneSkip(continuation: true)
        case .lines(let own): self = own
        }
    }

    /// The simple form where there is one.
    var form: RecordSplitter.Skip {
        let lanes = lanes.filter { $0.value != LaneSkip() }
        if lanes.isEmpty { return isInLine ? .line : .nothing }
        if lanes == [.file: LaneSkip(continuation: true)] {
            return isInLine ? .lineAndContinuation : .continuation
        }
        var own = self
        own.lanes = lanes
        return .lines(own)
    }

    /// Every line that begins no record, of whichever output.
    static var continuations: LineSkip {
        var skip = LineSkip()
        for origin in [LineOrigin.file, .standardOutput, .standardError] {
            skip.lanes[origin] = LaneSkip(continuation: true)
        }
        return skip
    }
}

/// What is left out of the lines of one origin.
struct LaneSkip: Sendable, Hashable {
    /// The pieces of a line up to its last.
    var part = false
    /// Every line that begins no record.
    var continuation = false
}
