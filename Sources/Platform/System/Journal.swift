// SPDX-License-Identifier: Apache-2.0
import CSystemd
import Glibc

// Safe because libsystemd wants one thread at a time, not one thread for ever, and the owner of a
// journal uses it under a lock of its own.
/// The entries of a systemd journal, read in order by libsystemd.
///
/// It belongs to one thread at a time: the caller sees to that.
public final class Journal: @unchecked Sendable {
    /// Which journal files are read.
    public enum Source: Sendable, Hashable {
        /// Those of this machine.
        case machine
        /// Those below a folder, as `/var/log/journal` of a host that a container sees.
        case folder(String)
        /// These files and no others.
        case files([String])
    }

    /// How a step to the next entry ended.
    public enum Step: Sendable, Hashable {
        /// There is one more entry, and it is now at hand.
        case entry
        /// There is none yet.
        case end
    }

    /// What has happened to the files since the last look.
    public enum Change: Sendable, Hashable {
        /// Nothing, or entries were added.
        case none
        /// Files came or went: a place must be looked up again.
        case files
    }

    /// What the member at hand says.
    public enum Field: Sendable, Hashable {
        /// Its value; true when it was longer than asked for.
        case value([UInt8], isCut: Bool)
        /// The entry has no such member.
        case missing
        /// The entry is there and cannot be read.
        case damaged
    }

    // Safe because init opens it, deinit closes it, and nobody else holds it.
    private let handle: OpaquePointer
    private let name: String

    /// Opens the files, before the first entry.
    public init(_ source: Source) throws(SystemError) {
        var handle: OpaquePointer?
        let result: Int32
        switch source {
        case .machine:
            name = "the journal"
            // Safe because the pointer outlives the call.
            result = sd_journal_open(&handle, Int32(SD_JOURNAL_LOCAL_ONLY))
        case .folder(let folder):
            name = folder
            // Safe because the pointer outlives the call.
            result = sd_journal_open_directory(&handle, folder, 0)
        case .files(let files):
            name = files.joined(separator: ", ")
            let copies = files.map { strdup($0) }
            defer { copies.forEach { free($0) } }
            var list = copies.map { UnsafePointer($0) } + [nil]
            // Safe because the list ends with NULL and libsystemd copies the paths.
            result = sd_journal_open_files(&handle, &list, 0)
        }
        guard result >= 0, let handle else {
            throw SystemError(call: "open", path: name, number: -result)
        }
        self.handle = handle
    }

    deinit {
        // Safe because the handle is closed once, here.
        sd_journal_close(handle)
    }

    // MARK: What is wanted

    /// Shows only entries that have one of these values for each field that is named.
    public func match(_ field: String, _ values: [String]) throws(SystemError) {
        for value in values {
            let text = Array("\(field)=\(value)".utf8)
            // Safe because libsystemd copies the bytes before it returns.
            let result = text.withUnsafeBytes {
                sd_journal_add_match(handle, $0.baseAddress, $0.count)
            }
            try check(result, "match \(field) in")
        }
    }

    /// Members longer than this may come shorter than they are.
    public func limitFields(to byteCount: Int) throws(SystemError) {
        try check(sd_journal_set_data_threshold(handle, byteCount), "set a limit for")
    }

    // MARK: Going

    /// Goes on to the next entry.
    public func next() throws(SystemError) -> Step {
        try check(sd_journal_next(handle), "read") > 0 ? .entry : .end
    }

    /// Goes back to the entry before.
    public func previous() throws(SystemError) -> Step {
        try check(sd_journal_previous(handle), "read") > 0 ? .entry : .end
    }

    /// Goes before the first entry.
    public func seekToHead() throws(SystemError) {
        try check(sd_journal_seek_head(handle), "seek in")
    }

    /// Goes behind the last entry; only `previous` may follow.
    public func seekToTail() throws(SystemError) {
        try check(sd_journal_seek_tail(handle), "seek in")
    }

    /// Goes near the entry of a cursor; the next step shows it, or what is closest when it is gone.
    public func seek(to cursor: String) throws(SystemError) {
        try check(sd_journal_seek_cursor(handle, cursor), "seek in")
    }

    /// Goes before the first entry that is not older.
    public func seek(to time: Timestamp) throws(SystemError) {
        let microseconds = UInt64(max(0, time.microseconds))
        try check(sd_journal_seek_realtime_usec(handle, microseconds), "seek in")
    }

    // MARK: The entry at hand

    /// The name of the entry's place.
    public func cursor() throws(SystemError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        // Safe because the text is copied and freed once, here.
        try check(sd_journal_get_cursor(handle, &text), "tell the place in")
        guard let text else { bug("a cursor without text") }
        defer { free(text) }
        return String(cString: text)
    }

    /// True when the entry at hand is the one of the cursor.
    public func isAt(_ cursor: String) throws(SystemError) -> Bool {
        try check(sd_journal_test_cursor(handle, cursor), "compare the place in") > 0
    }

    /// When the entry was received.
    public func time() throws(SystemError) -> Timestamp {
        var microseconds: UInt64 = 0
        // Safe because the number outlives the call.
        try check(sd_journal_get_realtime_usec(handle, &microseconds), "tell the time in")
        return Timestamp(microseconds: Int64(clamping: microseconds))
    }

    /// A member of the entry, at most so many bytes of it.
    public func field(_ field: String, byteLimit: Int) throws(SystemError) -> Field {
        var start: UnsafeRawPointer?
        var count = 0
        // Safe because libsystemd keeps the bytes until the next call, and they are copied here.
        let result = sd_journal_get_data(handle, field, &start, &count)
        if result == -ENOENT { return hasDamagedMember() ? .damaged : .missing }
        if Journal.isDamage(-result) { return .damaged }
        try check(result, "read \(field) in")
        // The bytes begin with the name and an equals sign.
        let skip = field.utf8.count + 1
        guard let start, count >= skip else { return .damaged }
        // Safe because libsystemd says how many bytes there are.
        let bytes = UnsafeRawBufferPointer(start: start + skip, count: count - skip)
        return .value(Array(bytes.prefix(byteLimit)), isCut: bytes.count > byteLimit)
    }

    /// Members of the entry, at most so many bytes of each; empty where there is none, or it cannot
    /// be read.
    public func fields(_ names: [String], byteLimit: Int) throws(SystemError) -> [[UInt8]] {
        var values = [[UInt8]](repeating: [], count: names.count)
        let signs = names.map { Array("\($0)=".utf8) }
        sd_journal_restart_data(handle)
        while true {
            var start: UnsafeRawPointer?
            var count = 0
            // Safe because libsystemd keeps the bytes until the next call; they are copied here.
            let result = sd_journal_enumerate_available_data(handle, &start, &count)
            try check(result, "read members in")
            guard result > 0, let start else { return values }
            let member = UnsafeRawBufferPointer(start: start, count: count)
            for (index, sign) in signs.enumerated()
            where values[index].isEmpty && member.starts(with: sign) {
                values[index] = Array(member.dropFirst(sign.count).prefix(byteLimit))
            }
        }
    }

    /// libsystemd leaves out members that it cannot read, so a missing one may be a damaged one.
    private func hasDamagedMember() -> Bool {
        sd_journal_restart_data(handle)
        while true {
            var start: UnsafeRawPointer?
            var count = 0
            // Safe because both outlive the call and the bytes are not looked at.
            let result = sd_journal_enumerate_data(handle, &start, &count)
            if result == 0 { return false }
            if result < 0 { return true }
        }
    }

    /// True for the failures that a damaged file is answered with.
    public static func isDamage(_ error: SystemError) -> Bool { isDamage(error.number) }

    private static func isDamage(_ number: Int32) -> Bool {
        // What a damaged, torn or oddly compressed object is answered with.
        [EBADMSG, EADDRNOTAVAIL, EPROTONOSUPPORT, E2BIG, ENOBUFS, EIO].contains(number)
    }

    // MARK: Waiting

    /// What becomes readable when the files change; nil where the kernel does not say.
    public func changes() -> File? {
        let descriptor = sd_journal_get_fd(handle)
        return descriptor < 0 ? nil : File(borrowing: descriptor, path: name)
    }

    /// Looks at what became readable.
    public func process() throws(SystemError) -> Change {
        let result = try check(sd_journal_process(handle), "look after")
        return Int(result) == SD_JOURNAL_INVALIDATE ? .files : .none
    }

    @discardableResult
    private func check(_ result: Int32, _ call: String) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(call: call, path: name, number: -result) }
        return result
    }
}

/// What can be read out of the text of a journal's cursor.
public struct JournalCursor: Sendable, Hashable {
    /// The writer that numbered the entry.
    public var writer: String
    /// Its number with that writer.
    public var number: UInt64
    /// When it was received.
    public var time: Timestamp

    /// Reads `s=…;i=…;…;t=…;…`; nil for anything else.
    public init?(_ text: String) {
        var parts: [Substring: Substring] = [:]
        for part in text.split(separator: ";") {
            guard let equals = part.firstIndex(of: "=") else { return nil }
            parts[part[..<equals]] = part[part.index(after: equals)...]
        }
        guard let writer = parts["s"], let number = parts["i"].flatMap({ UInt64($0, radix: 16) }),
            let time = parts["t"].flatMap({ Int64($0, radix: 16) })
        else { return nil }
        self.writer = String(writer)
        self.number = number
        self.time = Timestamp(microseconds: time)
    }
}
