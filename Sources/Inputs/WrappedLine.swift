// SPDX-License-Identifier: Apache-2.0
import Platform

/// A line as somebody put it who passed it on: a container runtime, syslog, a journal.
struct WrappedLine {
    /// Who wrapped it.
    enum Kind: Sendable, Hashable {
        case docker, cri, syslog, compose, journal

        /// Whether the record itself, which the id is made of, is the line as it was read. Else
        /// the record is what was wrapped.
        var keepsLine: Bool {
            switch self {
            case .syslog, .compose: true
            case .docker, .cri, .journal: false
            }
        }
    }

    /// Who wrapped it; nil when nobody did.
    var kind: Kind?
    /// What was wrapped, without the end of the line.
    var content: [UInt8]
    /// Whose line it is. Only lines of one origin are joined.
    var origin: LineOrigin
    /// True for a piece of a line that goes on with the next piece of the same origin.
    var isPartial = false
    /// The host that logged it; empty when it is not said.
    var host: [UInt8] = []
    /// When it was logged; nil when it is not said.
    var time: Timestamp?
    /// When it came, where that and not `time` decides how long a record waits for more.
    var arrival: Timestamp?
    /// The line as it was read, where that is the record.
    var line: [UInt8] = []

    /// When it came, as far as how long a record waits for more is concerned.
    var moment: Timestamp? { arrival ?? time }

    /// Whether the record is the line as it was read.
    var keepsLine: Bool { kind?.keepsLine ?? false }
}

/// Where a line comes from, among others in the same file.
enum LineOrigin: Sendable, Hashable {
    /// The file itself.
    case file
    /// An output of a container.
    case standardOutput, standardError
    /// A program on a host, or a container of several.
    case named([UInt8])
}

/// Recognises wrapped lines. What it does not know for certain is a line by itself.
struct WrapperReader: Sendable {
    private let framing: InputConfiguration.Framing
    /// For times without a zone.
    private let zone: Zone
    /// For times without a year.
    var now = Timestamp(microseconds: 0)

    init(_ framing: InputConfiguration.Framing, zone: Zone) {
        self.framing = framing
        self.zone = zone
    }

    /// Whether lines may be wrapped at all.
    var isActive: Bool { framing != .raw }

    /// Whether each line is looked at closely; else only one that may begin a wrapper.
    var isCertain: Bool { framing != .raw && framing != .auto }

    /// Reads a line without its line feed; nil when it is not wrapped.
    func read(_ bytes: Span<UInt8>, _ line: Range<Int>) -> WrappedLine? {
        var line = line
        if line.count > 1, bytes[line.upperBound - 1] == UInt8(ascii: "\r") {
            line = line.lowerBound..<line.upperBound - 1
        }
        switch framing {
        case .raw: return nil
        case .docker: return WrapperReader.docker(bytes, line)
        case .cri: return WrapperReader.cri(bytes, line)
        case .syslog: return syslog(bytes, line, isCertain: true)
        case .compose: return WrapperReader.compose(bytes, line, isCertain: true)
        case .journal: return WrapperReader.journal(bytes, line)
        case .auto:
            guard WrapperReader.mayBegin(bytes, line.lowerBound, line.upperBound) else {
                return nil
            }
            return recognise(bytes, line)
        }
    }

    /// Reads what stood in a wrapper, for it may be wrapped itself: a program in a container writes
    /// lines of syslog, or rsyslog passes on the files of a container. Deeper is not looked, and a
    /// piece of a line stays what it is. Nil when it is not wrapped or the wrapper was named.
    func readInner(_ content: Span<UInt8>) -> WrappedLine? {
        guard framing == .auto, WrapperReader.mayBegin(content, 0, content.count),
            let inner = recognise(content, 0..<content.count), inner.kind != .compose,
            !inner.isPartial, !inner.content.isEmpty
        else { return nil }
        return inner
    }

    /// A line whose first bytes allow it to be wrapped.
    private func recognise(_ bytes: Span<UInt8>, _ line: Range<Int>) -> WrappedLine? {
        switch bytes[line.lowerBound] {
        case UInt8(ascii: "{"):
            return WrapperReader.docker(bytes, line) ?? WrapperReader.journal(bytes, line)
        case UInt8(ascii: "<"):
            return syslog(bytes, line, isCertain: false)
        default:
            return WrapperReader.cri(bytes, line)
                ?? WrapperReader.compose(bytes, line, isCertain: false)
                ?? syslog(bytes, line, isCertain: false)
        }
    }

    // MARK: A glance

    /// Whether the first bytes of a line allow it to be wrapped; nearly all lines end here.
    @inline(__always)
    static func mayBegin(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        guard end - start >= shortestByteCount else { return false }
        switch bytes[start] {
        case UInt8(ascii: "{"): return mayBeginObject(bytes, start)
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return (end - start > 20 && bytes[start + 10] == UInt8(ascii: "T"))
                || mayBeginName(bytes, start, end)
        case UInt8(ascii: "<"): return SyslogHeader.isDigit(bytes[start + 1])
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            ANSI.escape:
            return bytes[start + 3] == UInt8(ascii: " ") || mayBeginName(bytes, start, end)
        default: return false
        }
    }

    /// `{"log":` of Docker, and `{"_…` or `{"M…` of a journal, whose names are upper case.
    private static func mayBeginObject(_ bytes: Span<UInt8>, _ start: Int) -> Bool {
        var place = start + 1
        if bytes[place] == UInt8(ascii: " ") { place += 1 }
        guard bytes[place] == UInt8(ascii: "\"") else { return false }
        switch bytes[place + 1] {
        case UInt8(ascii: "_"), UInt8(ascii: "A")...UInt8(ascii: "Z"): return true
        case UInt8(ascii: "l"):
            return bytes[place + 2] == UInt8(ascii: "o") && bytes[place + 3] == UInt8(ascii: "g")
                && bytes[place + 4] == UInt8(ascii: "\"")
        default: return false
        }
    }

    /// `name-1  | `, perhaps in colour.
    private static func mayBeginName(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        var place = ANSI.skip(bytes, start..<end)
        let limit = min(end, place + nameByteLimit)
        while place < limit, isNameByte(bytes[place]) { place += 1 }
        guard place < limit, bytes[place] == UInt8(ascii: " ") else { return false }
        while place < limit, bytes[place] == UInt8(ascii: " ") { place += 1 }
        return place < limit && bytes[place] == UInt8(ascii: "|")
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        SyslogHeader.isWord(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            || byte == UInt8(ascii: ".")
    }

    /// No wrapper is shorter.
    private static let shortestByteCount = 7
    /// The longest name of a container, with the blanks that line it up with others.
    static let nameByteLimit = 200
}

// MARK: Runtimes

extension WrapperReader {
    /// The lines of Docker's `json-file`: exactly `log`, `stream` and `time`, and `attrs` where the
    /// operator asked for it.
    static func docker(_ bytes: Span<UInt8>, _ line: Range<Int>) -> WrappedLine? {
        var members = JSONMembers(bytes, line)
        var log: Range<Int>?
        var origin: LineOrigin?
        var time: Range<Int>?
        while let (key, value) = members.next(bytes) {
            if JSONMembers.isName(bytes, key, "log"), log == nil {
                log = JSONMembers.text(bytes, value)
                guard log != nil else { return nil }
            } else if JSONMembers.isName(bytes, key, "stream"), origin == nil {
                origin = JSONMembers.text(bytes, value).flatMap { outputName(bytes, $0) }
                guard origin != nil else { return nil }
            } else if JSONMembers.isName(bytes, key, "time"), time == nil {
                time = JSONMembers.text(bytes, value)
                guard time != nil else { return nil }
            } else if !JSONMembers.isName(bytes, key, "attrs") {
                return nil
            }
        }
        guard members.isWhole, let log, let origin, let time,
            let moment = WrapperTime.read(bytes, time),
            var content = JSONMembers.unescape(bytes, log)
        else { return nil }
        let isPartial = content.last != UInt8(ascii: "\n")
        if !isPartial {
            content.removeLast()
            if content.last == UInt8(ascii: "\r") { content.removeLast() }
        }
        return WrappedLine(
            kind: .docker, content: content, origin: origin, isPartial: isPartial, time: moment)
    }

    /// `2026-11-20T08:00:00.123456789Z stdout F message`, as containerd and CRI-O write it.
    static func cri(_ bytes: Span<UInt8>, _ line: Range<Int>) -> WrappedLine? {
        guard let timeEnd = blank(bytes, line.lowerBound, line.upperBound),
            let outputEnd = blank(bytes, timeEnd + 1, line.upperBound),
            let origin = outputName(bytes, timeEnd + 1..<outputEnd),
            let time = WrapperTime.read(bytes, line.lowerBound..<timeEnd)
        else { return nil }
        let tag = outputEnd + 1
        // An empty message may have lost the blank before it.
        let tagEnd = blank(bytes, tag, line.upperBound) ?? line.upperBound
        guard tag < tagEnd else { return nil }
        let isPartial = bytes[tag] == UInt8(ascii: "P")
        guard isPartial || bytes[tag] == UInt8(ascii: "F"),
            tagEnd == tag + 1 || bytes[tag + 1] == UInt8(ascii: ":")
        else { return nil }
        let start = min(tagEnd + 1, line.upperBound)
        var content = copy(bytes, start..<line.upperBound)
        if !isPartial, content.last == UInt8(ascii: "\r") { content.removeLast() }
        return WrappedLine(
            kind: .cri, content: content, origin: origin, isPartial: isPartial, time: time)
    }

    /// `name-1  | message`, as `docker compose logs` prints it. Without certainty the name has to
    /// end in the number of the container, or to be one that somebody gave it: in small letters,
    /// with the two blanks or more that are put behind each name.
    static func compose(
        _ bytes: Span<UInt8>, _ line: Range<Int>, isCertain: Bool
    ) -> WrappedLine? {
        let start = ANSI.skip(bytes, line)
        let limit = min(line.upperBound, start + nameByteLimit)
        var place = start
        while place < limit, isNameByte(bytes[place]) { place += 1 }
        let name = start..<place
        let blanks = place
        while place < limit, bytes[place] == UInt8(ascii: " ") { place += 1 }
        guard !name.isEmpty, place > blanks, place < limit, bytes[place] == UInt8(ascii: "|"),
            isCertain
                || (hasLetter(bytes, name)
                    && (endsInNumber(bytes, name)
                        || (place - blanks > 1 && isGivenName(bytes, name))))
        else { return nil }
        place = ANSI.skip(bytes, place + 1..<line.upperBound)
        if place < line.upperBound {
            guard bytes[place] == UInt8(ascii: " ") else { return nil }
            place = ANSI.skip(bytes, place + 1..<line.upperBound)
        }
        return WrappedLine(
            kind: .compose, content: copy(bytes, place..<line.upperBound),
            origin: .named(copy(bytes, name)))
    }

    private static func endsInNumber(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        var place = name.upperBound
        while place > name.lowerBound, SyslogHeader.isDigit(bytes[place - 1]) { place -= 1 }
        guard place < name.upperBound, place > name.lowerBound + 1 else { return false }
        return bytes[place - 1] == UInt8(ascii: "-") || bytes[place - 1] == UInt8(ascii: "_")
    }

    /// A date is no name.
    private static func hasLetter(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        name.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[$0] | 0x20) }
    }

    private static func isGivenName(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        !name.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(bytes[$0]) }
    }

    private static func outputName(_ bytes: Span<UInt8>, _ range: Range<Int>) -> LineOrigin? {
        if ByteSearch.equal(bytes, range, outputNames.0.span) { return .standardOutput }
        if ByteSearch.equal(bytes, range, outputNames.1.span) { return .standardError }
        return nil
    }

    private static let outputNames = (Array("stdout".utf8), Array("stderr".utf8))

    /// Where the next blank is; nil when there is none.
    private static func blank(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        guard start < end else { return nil }
        return ByteSearch.first(UInt8(ascii: " "), in: bytes, start..<end)
    }

    static func copy(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
        [UInt8](capacity: range.count) { output in
            for index in range { output.append(bytes[index]) }
        }
    }
}

// MARK: Journal and syslog

extension WrapperReader {
    /// The lines of `journalctl -o json`: an object with `MESSAGE` and `__REALTIME_TIMESTAMP`.
    static func journal(_ bytes: Span<UInt8>, _ line: Range<Int>) -> WrappedLine? {
        guard ByteSearch.first(journalTime, in: bytes, line) != nil else { return nil }
        var members = JSONMembers(bytes, line)
        var content: [UInt8]?
        var time: Timestamp?
        var host: [UInt8] = []
        var origin: [UInt8] = []
        while let (key, value) = members.next(bytes) {
            if JSONMembers.isName(bytes, key, "MESSAGE") {
                content = JSONMembers.bytes(bytes, value)
            } else if JSONMembers.isName(bytes, key, "__REALTIME_TIMESTAMP") {
                time = JSONMembers.number(bytes, value).flatMap(WrapperTime.moment)
            } else if JSONMembers.isName(bytes, key, "_HOSTNAME") {
                host = JSONMembers.bytes(bytes, value) ?? []
                origin += host + [0]
            } else if JSONMembers.isName(bytes, key, "_PID")
                || JSONMembers.isName(bytes, key, "_SYSTEMD_UNIT")
            {
                origin += copy(bytes, value) + [0]
            }
        }
        guard members.isWhole, let time, var content else { return nil }
        if content.last == UInt8(ascii: "\n") { content.removeLast() }
        if !SyslogHeader.isHost(host[...]) { host = [] }
        return WrappedLine(
            kind: .journal, content: content, origin: .named(origin), host: host, time: time)
    }

    private static let journalTime = Array("\"__REALTIME_TIMESTAMP\"".utf8)

    /// RFC 5424 and RFC 3164, also as rsyslog writes them to files, without the priority.
    private func syslog(
        _ bytes: Span<UInt8>, _ line: Range<Int>, isCertain: Bool
    ) -> WrappedLine? {
        let copy = WrapperReader.copy(bytes, line)
        guard let header = SyslogHeader(ofFile: copy[...], isCertain: isCertain) else { return nil }
        let span = copy.span
        let host = header.host.map { Array(copy[$0]) } ?? []
        let origin = (header.host ?? header.message).lowerBound..<header.message.lowerBound
        return WrappedLine(
            kind: .syslog, content: Array(copy[header.message]),
            origin: .named(header.host == nil ? [] : Array(copy[origin])), host: host,
            time: header.time.flatMap { WrapperTime.read(span, $0, zone: zone, now: now) })
    }
}
