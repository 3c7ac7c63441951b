// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// One thing that happened in a watched folder or to a watched file.
public struct WatchEvent: Sendable, Hashable {
    /// What happened; several kinds can come in one event.
    public struct Kinds: OptionSet, Sendable, Hashable {
        /// One bit for each kind.
        public let rawValue: UInt32

        /// Combines kinds.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// Bytes were written, or the file was cut.
        public static let modified = Kinds(rawValue: 1)
        /// A name appeared in the folder.
        public static let created = Kinds(rawValue: 2)
        /// A name went from the folder.
        public static let removed = Kinds(rawValue: 4)
        /// A name left by renaming; the event of the new name has the same cookie.
        public static let movedFrom = Kinds(rawValue: 8)
        /// A name came by renaming.
        public static let movedTo = Kinds(rawValue: 16)
        /// The watched thing itself was removed.
        public static let selfRemoved = Kinds(rawValue: 32)
        /// The watched thing itself was renamed.
        public static let selfMoved = Kinds(rawValue: 64)
        /// Events were lost: look at everything again. It belongs to no watch.
        public static let overflow = Kinds(rawValue: 128)
        /// The watch is gone, because what it watched is, or because it was removed.
        public static let ended = Kinds(rawValue: 256)
        /// Permissions, owner or link count changed.
        public static let attributes = Kinds(rawValue: 512)

        /// What a folder of log files is watched for.
        public static let folder: Kinds = [
            .modified, .created, .removed, .movedFrom, .movedTo, .selfRemoved, .selfMoved,
        ]
    }

    /// The number that `add` gave; -1 for an overflow.
    public var watch: Int
    /// What happened.
    public var kinds: Kinds
    /// The same in the two events of one renaming, otherwise 0.
    public var cookie: UInt32
    /// The name inside the folder; empty when it is about the watched thing itself.
    public var name: String
}

/// Waits for changes in folders by inotify(7).
///
/// One thread adds and waits; `wake` may be called from any. inotify sees nothing of what other
/// machines do on network file systems, so callers look for themselves from time to time.
public final class DirectoryWatcher: Sendable {
    /// Bytes of events that are fetched from the kernel at once.
    public static let bufferByteCount = 64 << 10

    private let file: File
    private let bell: Bell

    /// Opens the watcher; throws EMFILE when this user has no instance left, so poll instead.
    public init() throws(SystemError) {
        let descriptor = sealtail_watch_open()
        guard descriptor >= 0 else { throw SystemError(call: "open inotify") }
        file = File(adopting: descriptor, path: "inotify")
        bell = try Bell()
    }

    /// Watches a folder or file and returns the number that its events carry.
    ///
    /// The same path gives the same number. Throws ENOSPC when this user has no watch left (see
    /// /proc/sys/fs/inotify/max_user_watches): the caller polls that path instead.
    public func add(
        _ path: String, _ kinds: WatchEvent.Kinds = .folder
    ) throws(SystemError) -> Int {
        let watch = sealtail_watch_add(file.descriptor, path, kinds.rawValue)
        guard watch >= 0 else { throw SystemError(call: "watch", path: path) }
        return Int(watch)
    }

    /// Stops a watch; fine when it is gone already.
    public func remove(_ watch: Int) {
        _ = sealtail_watch_remove(file.descriptor, Int32(truncatingIfNeeded: watch))
    }

    /// Waits for events, at most this long; nil waits for ever.
    ///
    /// Comes back with none when the time is up, after `wake`, or after a signal.
    public func wait(timeout: Duration?) throws(SystemError) -> [WatchEvent] {
        var ready: Int32 = 0
        // Safe because `ready` outlives the call.
        let result = sealtail_wait_readable(
            file.descriptor, bell.descriptor, timeout.map { max(0, $0.wholeNanoseconds) } ?? -1,
            &ready)
        if result < 0, errno != EINTR { throw SystemError(call: "wait for", path: file.path) }
        if ready & 2 != 0 { bell.silence() }
        guard ready & 1 != 0 else { return [] }
        var buffer = [UInt8]()
        do {
            _ = try file.appendNext(to: &buffer, count: DirectoryWatcher.bufferByteCount)
        } catch  where error.number == EAGAIN {
            return []
        }
        return DirectoryWatcher.events(in: buffer)
    }

    /// Sleeps whatever happens in the folders; true, at once, after `wake`.
    public func rest(_ duration: Duration) -> Bool {
        bell.wait(timeout: duration)
    }

    /// Ends the wait or rest of the other thread, or its next one.
    public func wake() {
        bell.ring()
    }

    private static func events(in buffer: [UInt8]) -> [WatchEvent] {
        var events = [WatchEvent]()
        var offset = 0
        buffer.withUnsafeBufferPointer { bytes in
            var event = sealtail_watch_event()
            // Safe because the function checks every length against the buffer's, and the name
            // is copied while the buffer is alive.
            while sealtail_watch_event_at(bytes.baseAddress, bytes.count, offset, &event) != 0 {
                let start = UnsafeRawPointer(event.name)
                let name = UnsafeRawBufferPointer(start: start, count: event.name_count)
                events.append(
                    WatchEvent(
                        watch: Int(event.watch), kinds: WatchEvent.Kinds(rawValue: event.kinds),
                        cookie: event.cookie, name: String(decoding: name, as: UTF8.self)))
                offset = event.next_offset
            }
        }
        return events
    }
}
