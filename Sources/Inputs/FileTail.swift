// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// One file that is followed: where it stands, and what is known of it.
final class FileTail {
    /// The file, whatever its name.
    let number: FileNumber
    /// The path under which its content is or was written. Files of one lineage are read in turn.
    let lineage: String
    /// True when it was there when the input started, so `start_at` is about it.
    let isFromStart: Bool
    /// Where it was seen last.
    var path: String
    /// The descriptor, while it is open.
    var file: File?
    /// Where reading goes on. The key is zero until the first record was seen.
    var position: FilePosition
    /// The key as text, empty before there is one.
    var source = ""
    /// The source under which a batch was handed out last.
    var claimedSource = ""
    /// False until it was compared with what is known.
    var isRecognised = false
    /// What is left out at the position.
    var skip = RecordSplitter.Skip.nothing
    /// What is done with unfinished records.
    var ending = RecordSplitter.End.hold
    /// The size.
    var byteCount: UInt64
    /// When the content changed last, by the file's own clock.
    var modified: Timestamp
    /// Up to here the bytes were looked at.
    var examined: UInt64 = 0
    /// When it grew last.
    var lastGrowth: MonotonicInstant
    /// True when another file has its path, or none.
    var isRotated = false
    /// False when none of the input's patterns finds it any more.
    var isNamed = true
    /// True when its path is a symbolic link, so that its folder says nothing about it.
    var isLink = false
    /// True while lines of a record wait for the line that shows their end.
    var isJoining = false
    /// True while it waits to be read.
    var isQueued = false
    /// True while it is looked at again and again.
    var isPolled = false
    /// Why it cannot be read.
    var trouble: Trouble?
    /// What it adds to the lag of the input.
    var lag: UInt64 = 0

    /// Begins with a file of which nothing but its status is known.
    init(
        path: String, lineage: String, status: FileStatus, isFromStart: Bool,
        now: MonotonicInstant
    ) {
        number = FileNumber(status)
        self.lineage = lineage
        self.isFromStart = isFromStart
        self.path = path
        byteCount = UInt64(status.byteCount)
        modified = status.modified
        lastGrowth = now
        position = FilePosition(
            key: .zero, inode: status.inode, device: status.device, generation: 0,
            size: UInt64(status.byteCount), firstRecord: .zero, firstRecordByteCount: 0,
            tail: .zero, offset: 0, path: path)
    }

    /// True while there are bytes that nobody looked at.
    var hasUnread: Bool { byteCount > examined }

    /// Goes back to the first byte, as for content that was never seen.
    func restart(generation: UInt32, emptyTail: Digest) {
        position.key = .zero
        position.generation = generation
        position.offset = 0
        position.tail = emptyTail
        position.firstRecord = .zero
        position.firstRecordByteCount = 0
        source = ""
        examined = 0
        skip = .nothing
        ending = .hold
        isJoining = false
    }

    /// Why a file cannot be read, and when to try again.
    struct Trouble {
        var reason: String
        var delay: Duration
        var retry: MonotonicInstant

        /// The trouble after one more failure: each delay is twice the one before, up to a limit.
        static func after(
            _ earlier: Trouble?, reason: String, now: MonotonicInstant, timing: FileTiming
        ) -> Trouble {
            let delay = earlier.map { min($0.delay * 2, timing.longestRetry) } ?? timing.firstRetry
            return Trouble(reason: reason, delay: delay, retry: now.advanced(by: delay))
        }
    }
}

/// What to tell people about a file that cannot be read.
enum UnreadableReason {
    /// A sentence with the path, the reason and what to do, from the error and the file's status.
    static func sentence(_ path: String, _ error: SystemError, _ status: FileStatus?) -> String {
        guard error.isPermission else { return "\(error)." }
        guard let status else {
            return "\(path): permission denied; let the agent's user enter the folders above it."
        }
        let readableByGroup: UInt32 = 0o040
        let owner = "it belongs to user \(status.userID) and group \(status.groupID)"
        let way =
            status.permissions & readableByGroup != 0
            ? "add the agent's user to group \(status.groupID) and restart the agent"
            : "make it readable for a group the agent's user is in, or set an access list"
        return "\(path): permission denied; \(owner): \(way)."
    }
}
