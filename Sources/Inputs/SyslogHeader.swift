// SPDX-License-Identifier: Apache-2.0

/// What stands before the message of a syslog line, by RFC 5424, RFC 3164 or what passes for it.
///
/// Reading is total: what is not understood belongs to the message.
struct SyslogHeader: Sendable, Hashable {
    /// The host that logged it; nil when it is not said.
    var host: Range<Int>?
    /// The program that logged it; nil when it is not said.
    var application: Range<Int>?
    /// The number of its process; nil when it is not said.
    var process: Range<Int>?
    /// When it was logged; nil when it is not said.
    var time: Range<Int>?
    /// The message itself, for the parser.
    var message: Range<Int>

    /// Tells apart whose messages are, among those of one sender: by host, program and process.
    func origin(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var name: [UInt8] = []
        for part in [host, application, process] {
            if let part { name += bytes[part] }
            name.append(0)
        }
        return name
    }

    /// Reads the header of a message.
    init(_ bytes: ArraySlice<UInt8>) {
        var reader = SyslogReader(bytes)
        message = bytes.startIndex..<bytes.endIndex
        guard reader.takePriority() else { return }
        message = reader.index..<bytes.endIndex
        var modern = reader
        if modern.take(UInt8(ascii: "1")), modern.take(UInt8(ascii: " ")),
            let header = SyslogHeader(modern: &modern)
        {
            self = header
            return
        }
        guard let time = reader.takeOldTime() else {
            message = reader.index..<bytes.endIndex
            return
        }
        self = SyslogHeader(old: &reader, time: time)
    }

    /// True for a name or an address, and not for the beginning of a message such as `{"a":1}` or
    /// `type=X`.
    static func isHost(_ word: ArraySlice<UInt8>) -> Bool {
        !word.isEmpty && word.count <= InputLimit.hostByteLimit
            && word.allSatisfy { byte in
                SyslogReader.isWord(byte)
                    || [".", "-", "_", ":", "%"].contains(UnicodeScalar(byte))
            }
    }

    /// Reads a line of a file, which may have lost its priority; nil when it has no header.
    ///
    /// - Parameter isCertain: trusts a time and a host alone. Else a program has to be named as
    ///   well, or CEF or LEEF to follow, so that a product's own line is not taken apart.
    init?(ofFile bytes: ArraySlice<UInt8>, isCertain: Bool) {
        var reader = SyslogReader(bytes)
        if reader.takePriority() {
            self.init(bytes)
            guard message.lowerBound > reader.index else { return nil }
            return
        }
        guard let time = reader.takeOldTime() else { return nil }
        self.init(old: &reader, time: time)
        guard isCertain || isTelling(bytes) else { return nil }
        guard message.lowerBound > time.upperBound + 1 else { return nil }
    }

    /// Whether there is more than a time and a word.
    private func isTelling(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let host, let time else { return false }
        let word = String(decoding: bytes[host], as: UTF8.self).lowercased()
        guard !SyslogHeader.levels.contains(word), word != "-" else { return false }
        let isOld = WrapperTime.months.contains { bytes[time].starts(with: $0) }
        let isModern = WrapperTime.read(Array(bytes[time]).span, 0..<time.count) != nil
        guard isOld || isModern else { return false }
        return application != nil
            || ["CEF:", "LEEF:"].contains { bytes[message].starts(with: $0.utf8) }
    }

    /// Words that stand behind the time in lines of programs, where syslog has the host.
    private static let levels: Set<String> = [
        "trace", "debug", "info", "notice", "warn", "warning", "error", "err", "severe", "critical",
        "crit", "fatal", "alert", "emerg", "panic", "audit",
    ]

    static func isDigit(_ byte: UInt8) -> Bool { SyslogReader.isDigit(byte) }

    static func isWord(_ byte: UInt8) -> Bool { SyslogReader.isWord(byte) }

    /// RFC 5424, behind the version: nil when it is not that.
    private init?(modern reader: inout SyslogReader) {
        guard let time = reader.takeToken(),
            SyslogReader.isNil(time, in: reader.bytes)
                || reader.isTime(time),
            let host = reader.takeToken(), let application = reader.takeToken(),
            let process = reader.takeToken(), reader.takeToken() != nil,
            reader.takeStructuredData()
        else { return nil }
        self.time = SyslogReader.isNil(time, in: reader.bytes) ? nil : time
        let isNamed = !SyslogReader.isNil(host, in: reader.bytes)
        self.host = isNamed && SyslogHeader.isHost(reader.bytes[host]) ? host : nil
        self.application = SyslogReader.isNil(application, in: reader.bytes) ? nil : application
        self.process = SyslogReader.isNil(process, in: reader.bytes) ? nil : process
        _ = reader.take(UInt8(ascii: " "))
        reader.takeByteOrderMark()
        message = reader.index..<reader.bytes.endIndex
    }

    /// RFC 3164, behind the time: what is missing is missing.
    private init(old reader: inout SyslogReader, time: Range<Int>) {
        let end = reader.bytes.endIndex
        self.time = time
        message = reader.index..<end
        var ahead = reader
        // A first word that ends like a tag is one: the sender left its host out.
        if let tag = ahead.takeTag() {
            (application, process) = tag
            message = ahead.index..<end
            return
        }
        guard let host = reader.takeToken(), SyslogHeader.isHost(reader.bytes[host]) else {
            return
        }
        self.host = host
        message = reader.index..<end
        guard let tag = reader.takeTag() else { return }
        (application, process) = tag
        message = reader.index..<end
    }
}

/// Goes through the bytes of a message from the front.
private struct SyslogReader {
    let bytes: ArraySlice<UInt8>
    private(set) var index: Int

    /// RFC 3164 allows 32 characters; real programs have longer names.
    static let tagByteLimit = 128

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    private var byte: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

    mutating func take(_ expected: UInt8) -> Bool {
        guard byte == expected else { return false }
        index += 1
        return true
    }

    /// `<0>` to `<191>`.
    mutating func takePriority() -> Bool {
        var ahead = self
        guard ahead.take(UInt8(ascii: "<")) else { return false }
        var number = 0
        var digits = 0
        while let byte = ahead.byte, SyslogReader.isDigit(byte), digits < 4 {
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
            digits += 1
            ahead.index += 1
        }
        guard (1...3).contains(digits), number <= 191, ahead.take(UInt8(ascii: ">")) else {
            return false
        }
        self = ahead
        return true
    }

    /// Everything up to a space, and the space; nil when there is none.
    mutating func takeToken() -> Range<Int>? {
        guard let end = bytes[index...].firstIndex(of: UInt8(ascii: " ")), end > index else {
            return nil
        }
        defer { index = end + 1 }
        return index..<end
    }

    /// `-`, or `[id name="value" …]` one after the other; escapes count as RFC 5424 says.
    mutating func takeStructuredData() -> Bool {
        if take(UInt8(ascii: "-")) { return byte == nil || byte == UInt8(ascii: " ") }
        guard byte == UInt8(ascii: "[") else { return false }
        while take(UInt8(ascii: "[")) {
            var isQuoted = false
            var isEscaped = false
            var isClosed = false
            while let byte, !isClosed {
                index += 1
                if isEscaped {
                    isEscaped = false
                } else if isQuoted && byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isQuoted.toggle()
                } else if !isQuoted && byte == UInt8(ascii: "]") {
                    isClosed = true
                }
            }
            guard isClosed else { return false }
        }
        return byte == nil || byte == UInt8(ascii: " ")
    }

    mutating func takeByteOrderMark() {
        if bytes[index...].starts(with: [0xEF, 0xBB, 0xBF]) { index += 3 }
    }

    /// `Nov  1 09:08:07 `, perhaps with a year, or a time of RFC 3339 as rsyslog forwards it.
    mutating func takeOldTime() -> Range<Int>? {
        let start = index
        var ahead = self
        if let token = ahead.takeToken(), isTime(token) {
            self = ahead
            return token
        }
        ahead = self
        guard let month = ahead.takeToken(), SyslogReader.isMonth(bytes[month]) else {
            return nil
        }
        _ = ahead.take(UInt8(ascii: " "))
        guard let day = ahead.takeToken(), bytes[day].allSatisfy(SyslogReader.isDigit) else {
            return nil
        }
        guard var time = ahead.takeToken() else { return nil }
        if time.count == 4, bytes[time].allSatisfy(SyslogReader.isDigit) {
            guard let next = ahead.takeToken() else { return nil }
            time = next
        }
        let clock = Array(bytes[time])
        guard clock.count >= 8, clock[2] == UInt8(ascii: ":"), clock[5] == UInt8(ascii: ":")
        else { return nil }
        self = ahead
        return start..<time.upperBound
    }

    /// `2026-11-21T…`.
    func isTime(_ token: Range<Int>) -> Bool {
        let text = Array(bytes[token])
        return text.count >= 20 && text[4] == UInt8(ascii: "-") && text[7] == UInt8(ascii: "-")
            && text[10] == UInt8(ascii: "T") && SyslogReader.isDigit(text[0])
    }

    /// `name:`, `name[123]:` and the spaces behind it; nil when the next word is nothing like it.
    mutating func takeTag() -> (name: Range<Int>, process: Range<Int>?)? {
        var ahead = self
        while let byte = ahead.byte, SyslogReader.isTagByte(byte) { ahead.index += 1 }
        let tag = index..<ahead.index
        guard !tag.isEmpty, tag.count <= SyslogReader.tagByteLimit else { return nil }
        var process: Range<Int>?
        if ahead.take(UInt8(ascii: "[")) {
            let start = ahead.index
            while let byte = ahead.byte, byte != UInt8(ascii: "]"), byte != UInt8(ascii: " ") {
                ahead.index += 1
            }
            process = start..<ahead.index
            guard ahead.take(UInt8(ascii: "]")) else { return nil }
        }
        guard ahead.take(UInt8(ascii: ":")) else { return nil }
        // A colon inside a word ends no tag.
        guard ahead.byte == nil || ahead.byte == UInt8(ascii: " ") else { return nil }
        _ = ahead.take(UInt8(ascii: " "))
        self = ahead
        return (tag, process)
    }

    static func isNil(_ token: Range<Int>, in bytes: ArraySlice<UInt8>) -> Bool {
        token.count == 1 && bytes[token.lowerBound] == UInt8(ascii: "-")
    }

    private static func isTagByte(_ byte: UInt8) -> Bool {
        isWord(byte) || ["-", "_", ".", "/", "@"].contains(UnicodeScalar(byte))
    }

    static func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func isMonth(_ word: ArraySlice<UInt8>) -> Bool {
        WrapperTime.months.contains { $0.elementsEqual(word) }
    }
}
