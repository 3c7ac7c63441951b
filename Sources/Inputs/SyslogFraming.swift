// SPDX-License-Identifier: Apache-2.0
import Events

/// Finds the messages in the bytes of one connection, RFC 6587.
///
/// The first bytes decide for the whole connection: a number, a space and a `<` begin a message of
/// so many bytes (octet counting); anything else is lines, which end with LF, CRLF or a zero byte.
struct SyslogFraming: Sendable {
    /// One message as it came, without what separates it from the next.
    struct Message: Sendable, Hashable {
        /// The bytes: header and all, but no more than the limit.
        var bytes: [UInt8]
        /// What is known to be wrong with it.
        var damage: RecordDamage = []
    }

    /// Why a connection cannot be understood any longer.
    struct Fault: Error, Sendable, Hashable {}

    private enum Mode {
        case undecided, counted, lines
    }

    /// The digits of a length: RFC 5425 has no limit, nobody means more.
    private static let digitLimit = 10

    private var mode = Mode.undecided
    private var buffer: [UInt8] = []
    private var start = 0
    /// Where the search for the end of a line goes on.
    private var searched = 0
    /// Bytes of a message that was cut, still to come.
    private var skipCount = 0
    private var isSkippingLine = false
    private let byteLimit: Int

    /// - Parameter byteLimit: the most bytes of a message, header included.
    init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    /// The bytes that wait for more.
    var unfinishedByteCount: Int { buffer.count - start }

    /// Takes what was read from the connection.
    mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeFirst(start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message; nil until more bytes come. Throws when the framing is broken.
    mutating func next() throws(Fault) -> Message? {
        while true {
            guard skip() else { return nil }
            switch mode {
            case .undecided:
                guard decide() else { return nil }
            case .counted:
                guard let message = try nextCounted() else { return nil }
                if !message.bytes.isEmpty { return message }
            case .lines:
                guard let message = nextLine() else { return nil }
                if !message.bytes.isEmpty { return message }
            }
        }
    }

    /// What is left when the connection has ended; nil when that is nothing.
    mutating func finish() -> Message? {
        defer { reset() }
        guard !isSkippingLine, skipCount == 0, start < buffer.count else { return nil }
        if mode == .counted {
            guard case .some(.some(let header)) = try? length() else { return nil }
            let bytes = Array(buffer[header.end...].prefix(byteLimit))
            return bytes.isEmpty ? nil : Message(bytes: bytes, damage: .truncated)
        }
        let bytes = Array(buffer[start...].prefix(byteLimit))
        return Message(bytes: bytes, damage: bytes.count < buffer.count - start ? .cut : [])
    }

    /// Gives up waiting for the rest of the message at hand: what is there becomes a cut message,
    /// and the rest is left out when it comes. Nil when nothing is there.
    mutating func cut() -> Message? {
        guard mode != .undecided, skipCount == 0, !isSkippingLine else { return nil }
        if mode == .counted {
            guard case .some(.some(let header)) = try? length() else { return nil }
            let bytes = Array(buffer[header.end...])
            guard !bytes.isEmpty, bytes.count < header.count else { return nil }
            skipCount = header.count - bytes.count
            drop(to: buffer.count)
            return Message(bytes: bytes, damage: .cut)
        }
        let bytes = Array(buffer[start...])
        guard !bytes.isEmpty else { return nil }
        isSkippingLine = true
        drop(to: buffer.count)
        return Message(bytes: bytes, damage: .cut)
    }

    // MARK: Parts

    /// Leaves out what belongs to a message that was cut; false when more of that is to come.
    private mutating func skip() -> Bool {
        if skipCount > 0 {
            let count = min(skipCount, buffer.count - start)
            skipCount -= count
            drop(to: start + count)
            return skipCount == 0
        }
        guard isSkippingLine else { return true }
        guard let end = lineEnd() else {
            drop(to: buffer.count)
            return false
        }
        drop(to: end + 1)
        isSkippingLine = false
        return true
    }

    /// Looks at the first bytes; false when there are too few to tell.
    private mutating func decide() -> Bool {
        var index = start
        while index < buffer.count, SyslogFraming.isSeparator(buffer[index]) { index += 1 }
        drop(to: index)
        guard start < buffer.count else { return false }
        var end = start
        while end < buffer.count, SyslogFraming.isDigit(buffer[end]) { end += 1 }
        let count = end - start
        if count == 0 || count > SyslogFraming.digitLimit || buffer[start] == UInt8(ascii: "0") {
            mode = .lines
        } else if end + 1 < buffer.count {
            let isCounted = buffer[end] == UInt8(ascii: " ") && buffer[end + 1] == UInt8(ascii: "<")
            mode = isCounted ? .counted : .lines
        } else if end < buffer.count, buffer[end] != UInt8(ascii: " ") {
            mode = .lines
        } else {
            return false
        }
        return true
    }

    /// The length of the counted message at hand and where its bytes begin; nil until it is there.
    private func length() throws(Fault) -> (count: Int, end: Int)? {
        var index = start
        var count = 0
        while index < buffer.count, SyslogFraming.isDigit(buffer[index]) {
            guard index - start < SyslogFraming.digitLimit else { throw Fault() }
            count = count * 10 + Int(buffer[index] - UInt8(ascii: "0"))
            index += 1
        }
        guard index < buffer.count else { return nil }
        guard buffer[index] == UInt8(ascii: " "), index > start, count > 0 else { throw Fault() }
        return (count, index + 1)
    }

    private mutating func nextCounted() throws(Fault) -> Message? {
        // Some senders end a counted message with a line feed of its own.
        while start < buffer.count, SyslogFraming.isSeparator(buffer[start]) { drop(to: start + 1) }
        guard start < buffer.count, let header = try length() else { return nil }
        let available = buffer.count - header.end
        if header.count > byteLimit, available >= byteLimit {
            let bytes = Array(buffer[header.end..<header.end + byteLimit])
            skipCount = header.count - byteLimit
            drop(to: header.end + byteLimit)
            return Message(bytes: bytes, damage: .cut)
        }
        guard available >= header.count else { return nil }
        let bytes = Array(buffer[header.end..<header.end + header.count])
        drop(to: header.end + header.count)
        return Message(bytes: bytes)
    }

    private mutating func nextLine() -> Message? {
        if let end = lineEnd() {
            let whole = buffer[start..<end]
            let isLong = whole.count > byteLimit
            var bytes = Array(whole.prefix(byteLimit))
            if !isLong, bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            drop(to: end + 1)
            return Message(bytes: bytes, damage: isLong ? .cut : [])
        }
        guard buffer.count - start > byteLimit else { return nil }
        let bytes = Array(buffer[start..<start + byteLimit])
        isSkippingLine = true
        drop(to: start + byteLimit)
        return Message(bytes: bytes, damage: .cut)
    }

    /// Where the line at hand ends; what was searched is not searched again.
    private mutating func lineEnd() -> Int? {
        var index = max(start, searched)
        while index < buffer.count {
            if buffer[index] == UInt8(ascii: "\n") || buffer[index] == 0 { return index }
            index += 1
        }
        searched = index
        return nil
    }

    private mutating func drop(to index: Int) {
        start = index
        searched = max(searched, index)
        guard start == buffer.count else { return }
        buffer.removeAll(keepingCapacity: buffer.capacity <= InputLimit.connectionReadByteCount)
        start = 0
        searched = 0
    }

    private mutating func reset() {
        drop(to: buffer.count)
        mode = .undecided
        skipCount = 0
        isSkippingLine = false
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == 0
    }
}
