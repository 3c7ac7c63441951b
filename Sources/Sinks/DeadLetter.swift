// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Where events rest that a receiver will never take: one file a sink, one JSON object a line.
///
/// Each line holds the sink, the time, the reason and the whole sealed line as a string, so that
/// it can be verified and delivered again (here on two lines):
///
///     {"sink":"siem","time":"2026-11-21T11:02:07.118000Z","code":"refused",
///      "reason":"…","event":"…"}
///
/// Where the ledger is encrypted, such a line rests in a box instead, with the same key:
///
///     {"sink":"siem","key":"a1b2c3d4","box":"…"}
public final class DeadLetter: Sendable {
    let sink: String
    let path: String
    let folder: String
    private let byteLimit: Int
    let encryption: EncryptionKeyRing?
    // Held by what writes for as long as that takes, on a disk that may be slow.
    private let state: Monitor<State>
    // What those see who only look.
    private let shown: Monitor<State>

    struct State {
        var file: File?
        var byteCount = 0
        var count = 0
        /// The most bytes that found no room, and whose events wait for it; nil when none do.
        var refusedByteCount: Int?
    }

    /// One rejected event, as it rests.
    public struct Entry: Sendable, Equatable {
        /// When it was rejected.
        public var time: String
        /// The bounded word for the reason.
        public var code: String
        /// The receiver's own words.
        public var reason: String
        /// The sealed line, without its LF.
        public var line: String
        /// Where the next entry begins.
        public var end: Int
    }

    /// The longest entry that is read: the escapes of a line may double it.
    private static let entryByteLimit = 4 << 20
    static let pieceByteCount = 1 << 20

    /// Prepares the dead letter of a sink; the file is made with the first rejection.
    ///
    /// A half line that a crash left is cut off. Throws when there is a file that cannot be used.
    ///
    /// - Parameter encryption: encrypts what is appended from now on, and reads what was.
    public init(
        folder: String, sink: String, byteLimit: Int, encryption: EncryptionKeyRing? = nil
    ) throws(SinkError) {
        self.sink = sink
        self.encryption = encryption
        self.folder = folder
        self.byteLimit = byteLimit
        path = folder + "/" + sink + ".ndjson"
        var state = State()
        if FileSystem.exists(path) {
            do throws(SystemError) {
                let file = try File(path, .readWrite, permissions: 0o600)
                (state.count, state.byteCount) = try Self.survey(file)
                if try file.status().byteCount > state.byteCount {
                    try file.truncate(to: state.byteCount)
                }
                state.file = file
            } catch {
                throw SinkError(sink: sink, "dead_letter: \(error); \(error.advice)")
            }
        }
        self.state = Monitor(state)
        shown = Monitor(state)
    }

    /// How many bytes the file has. Waits for no disk.
    public var byteCount: Int { shown.withLock { $0.byteCount } }

    /// How many events rest in the file; 0 when somebody has moved it away.
    ///
    /// Does not wait for what is being written.
    public var count: Int {
        let present = shown.withLock { $0 }
        return present.file.map(isNamed) == true ? present.count : 0
    }

    /// Runs `body` while nobody else writes, and shows what it leaves.
    func change<Result>(_ body: (inout State) -> sending Result) -> sending Result {
        state.withLock { state in
            defer { show(state) }
            return body(&state)
        }
    }

    /// Lets everybody see this.
    func show(_ state: State) { shown.withLock { $0 = state } }

    /// Appends rejected events and returns when they are safe against power loss.
    ///
    /// - Parameters:
    ///   - rejections: indices into `batch` with their reasons, in rising order.
    ///   - batch: the events as they were to be delivered.
    ///   - now: the time of the rejection.
    ///
    /// Throws, and appends nothing, when it is full or the disk refuses: the events must then not
    /// count as rejected.
    public func append(
        _ rejections: [Rejection], of batch: DeliveryBatch, at now: Timestamp
    ) throws(SinkError) {
        let lines = render(rejections, of: batch, at: now)
        let failure = change { state -> SinkError? in
            do throws(SystemError) {
                let file = try open(&state)
                guard state.byteCount + lines.count <= byteLimit else {
                    state.refusedByteCount = max(state.refusedByteCount ?? 0, lines.count)
                    return SinkError(
                        sink: sink,
                        "dead_letter.max_size: \(path) is full; look why events are refused, then "
                            + "send them again with sealtail replay --dead-letter, move the "
                            + "file away, or raise the limit")
                }
                try file.write(lines.span, at: state.byteCount)
                try file.synchronizeData()
                state.byteCount += lines.count
                state.count += rejections.count
                return nil
            } catch {
                // A half line must not stay: the next try begins where this one began. Should the
                // cut fail too, the next try writes over it, and the next start cuts it.
                try? state.file?.truncate(to: state.byteCount)
                return SinkError(sink: sink, "dead_letter: \(error); \(error.advice)")
            }
        }
        if let failure { throw failure }
    }

    /// True when events wait for room in it.
    public var isFull: Bool { shown.withLock { $0.refusedByteCount != nil } }

    /// True, once, when what found no room would find it now: letters were sent again, or the
    /// file was moved away.
    public func takeRoom() -> Bool {
        change { state in
            guard let byteCount = state.refusedByteCount else { return false }
            let isMoved = state.file.map { !isNamed($0) } ?? true
            guard isMoved || state.byteCount + byteCount <= byteLimit else { return false }
            state.refusedByteCount = nil
            return true
        }
    }

    /// Reads the entry that begins at `offset`, 0 for the first one; nil behind the last one.
    ///
    /// Blank lines, as editors leave them, are passed over.
    public func entry(at offset: Int) throws(SinkError) -> Entry? {
        guard let file = shown.withLock({ $0.file }) else { return nil }
        var start = offset
        var line: [UInt8] = []
        do throws(SystemError) {
            while line.isEmpty {
                line = try Self.line(file, at: start)
                guard line.isEmpty else { break }
                guard try Self.isBlank(file, at: start) else { return nil }
                start += 1
            }
        } catch {
            throw SinkError(sink: sink, "dead_letter: \(error); \(error.advice)")
        }
        return try entry(line, at: start)
    }

    /// Reads an entry out of its line.
    func entry(_ line: [UInt8], at offset: Int) throws(SinkError) -> Entry {
        let place = "dead_letter: \(path): the line at byte \(offset)"
        let clear: [UInt8]
        switch Self.clear(line, keys: encryption) {
        case .clear(let bytes): clear = bytes
        case .locked(let name):
            throw SinkError(
                sink: sink, "\(place) needs the key \(name); name it in ledger.encryption")
        case .damaged:
            throw SinkError(sink: sink, "\(place) is damaged; restore it from a copy")
        }
        guard let document = try? JSONDocument(reading: clear),
            let event = document["event"]?.string
        else { throw SinkError(sink: sink, "\(place) is damaged; restore it from a copy") }
        return Entry(
            time: document["time"]?.string ?? "", code: document["code"]?.string ?? "",
            reason: document["reason"]?.string ?? "", line: event, end: offset + line.count + 1)
    }

    /// A line of a dead letter, for those who read one without an agent.
    public enum Line: Sendable, Equatable {
        /// The line as it would rest without encryption.
        case clear([UInt8])
        /// It is encrypted with a key that was not given, named by its eight digits.
        case locked(String)
        /// It is no line of a dead letter, or it was changed.
        case damaged
    }

    /// Turns a line, without its LF, into the clear line; one that is clear stays as it is.
    public static func clear(_ line: [UInt8], keys: EncryptionKeyRing?) -> Line {
        guard let document = try? JSONDocument(reading: line) else { return .damaged }
        guard let box = document["box"]?.string else { return .clear(line) }
        guard let name = document["key"]?.string, let sink = document["sink"]?.string,
            let id = UInt32(name, radix: 16), let bytes = Base64.decode(box, .urlSafe)
        else { return .damaged }
        guard let key = keys?.key(id) else { return .locked(name) }
        return EncryptedLine.open(bytes, label: sink, key: key).map { .clear($0) } ?? .damaged
    }

    // MARK: Inside

    private func open(_ state: inout State) throws(SystemError) -> File {
        // Moved away by hand, as the message about the full file proposes: begin a new one.
        if let file = state.file, try file.status().linkCount > 0, isNamed(file) { return file }
        try FileSystem.createFolders(folder, permissions: 0o700)
        let file = try File(path, .readWrite, .create, permissions: 0o600)
        try FileSystem.synchronizeFolder(folder)
        (state.count, state.byteCount) = try Self.survey(file)
        state.file = file
        return file
    }

    func isNamed(_ file: File) -> Bool {
        guard let named = try? FileSystem.status(path), let open = try? file.status() else {
            return false
        }
        return named.inode == open.inode && named.device == open.device
    }

    /// How many whole lines a file has, and where the last one ends.
    static func survey(_ file: File) throws(SystemError) -> (count: Int, byteCount: Int) {
        var count = 0
        var end = 0
        var offset = 0
        while true {
            let piece = try file.read(count: pieceByteCount, at: offset)
            if piece.isEmpty { return (count, end) }
            for index in piece.indices where piece[index] == UInt8(ascii: "\n") {
                count += 1
                end = offset + index + 1
            }
            offset += piece.count
        }
    }

    /// True for a line without a byte; false where no line ends any more.
    static func isBlank(_ file: File, at offset: Int) throws(SystemError) -> Bool {
        try file.read(count: 1, at: offset) == [UInt8(ascii: "\n")]
    }

    static func line(_ file: File, at offset: Int) throws(SystemError) -> [UInt8] {
        var line: [UInt8] = []
        while line.count < entryByteLimit {
            let start = line.count
            let count = try file.append(
                to: &line, count: min(1 << 16, entryByteLimit - start), at: offset + start)
            if let end = ByteSearch.first(
                UInt8(ascii: "\n"), in: line.span, start..<line.count)
            {
                return Array(line[..<end])
            }
            if count == 0 { return [] }
        }
        return line
    }

    func render(
        _ rejections: [Rejection], of batch: DeliveryBatch, at now: Timestamp
    ) -> [UInt8] {
        var output = ByteWriter(capacity: 4096)
        var entry = ByteWriter(capacity: 4096)
        var line = ByteWriter(capacity: 2048)
        var rendering = CanonicalRendering()
        var next = 0
        batch.forEach { index, sealed, event in
            guard next < rejections.count, rejections[next].index == index else { return }
            line.removeAll()
            if rendering.append(sealed, event: event, to: &line) {
                line.truncate(to: line.count - 1)
            } else {
                line.append(sealed.bodies, sealed.bodyRange(event))
            }
            entry.removeAll()
            entry.append("{\"sink\":")
            entry.append(jsonString: sink)
            entry.append(",\"time\":\"")
            entry.append(now)
            entry.append("\",\"code\":")
            entry.append(jsonString: rejections[next].code.rawValue)
            entry.append(",\"reason\":")
            entry.append(jsonString: rejections[next].reason)
            entry.append(",\"event\":")
            line.withBytes { entry.append(jsonString: $0) }
            entry.append("}")
            append(entry, to: &output)
            next += 1
        }
        return output.makeArray()
    }

    /// Appends one line, encrypted where there is a key.
    private func append(_ entry: borrowing ByteWriter, to output: inout ByteWriter) {
        if let key = encryption?.current {
            let box = entry.withBytes { EncryptedLine.seal($0, label: sink, key: key) }
            output.append("{\"sink\":")
            output.append(jsonString: sink)
            output.append(",\"key\":\"\(key.name)\",\"box\":\"")
            output.append(base64URL: box.span)
            output.append("\"}\n")
        } else {
            entry.withBytes { output.append($0) }
            output.append("\n")
        }
    }
}
