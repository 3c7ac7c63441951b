// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// One file that is followed: where it stands, and what is known of it.
final class FileTail {
    /// The file, whatever its name.
    let number: FileNumber
    /// The path under which its content is or was written.
    var firstName: String
    /// What its name and those of its siblings have in common. Rotated files of one lineage are
    /// read one after the other, and before those that are being written.
    var lineage: String
    /// True when it was there when the input started, so `start_at` is about it.
    let isFromStart: Bool
    /// Where it was seen last.
    var path: String
    /// The open file.
    var file: FileContent?
    /// For a compressed file, how it was when its content was measured; nil for others.
    var measured: Stored?
    /// Where reading goes on. The key is zero until the first record was seen.
    var position: FilePosition
    /// The key as text, empty before there is one.
    var source = ""
    /// The source under which a batch was handed out last.
    var claimedSource = ""
    /// False until it was compared with what is known.
    var isRecognised = false
    /// True when it held nothing when it was found out what it is.
    var isBegunEmpty = false
    /// True while it is too early to find out what it is; nobody waits for it.
    var isHeld = false
    /// True while it is being found out what it is.
    var isInQuestion = false
    /// The file it is a copy of, as far as it goes. It is not read while that one is there.
    var original: FileTail?
    /// Which of the original's contents it is a copy of.
    var originalContent = 0
    /// Where the content of the original was left, once that is gone.
    var inherited: FilePosition?
    /// Where its last content was left, if it had another one before.
    var lastEnded: FilePosition?
    /// How many contents the file has had, as far as was seen.
    var contentCount = 0
    /// What is left out at the position.
    var skip = RecordSplitter.Skip.nothing
    /// What is done with unfinished records.
    var ending = RecordSplitter.End.hold
    /// The size.
    var byteCount: UInt64
    /// The size at the last look that found the content to be the one that was read before.
    var certainByteCount: UInt64 = 0
    /// The size from which it shrank, when an end may be gone of which nothing was read; else 0.
    var cutFrom: UInt64 = 0
    /// When the content changed last, by the file's own clock.
    var modified: Timestamp
    /// The same at the last look that found the content to be the one that was read before.
    var certainModified: Timestamp
    /// How many names the file has.
    var linkCount: UInt64 = 1
    /// Places that reading came past, to recognise a copy that ends before the position.
    var checkpoints: [Checkpoint] = []
    /// The bytes that were handed out or left out on purpose since it was recognised, counted apart
    /// from the position; and where that count began.
    var passed: (from: UInt64, count: UInt64) = (0, 0)
    /// Up to here the bytes were looked at.
    var examined: UInt64 = 0
    /// When it grew last.
    var lastGrowth: MonotonicInstant
    /// True when another file has its path, or none.
    var isRotated = false
    /// False when none of the input's patterns finds it any more.
    var isNamed = true
    /// False when its path does not lead to it: it has another name, in another folder, or none.
    var isReachable = true
    /// True when its path is a symbolic link, so that its folder says nothing about it.
    var isLink = false
    /// Where the link led when it was found.
    var target: String?
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
    /// Whether it counts among the files with something left to hand out.
    var isUnread = false

    /// Begins with a file of which nothing but its status is known.
    init(
        path: String, firstName: String, status: FileStatus, isFromStart: Bool,
        now: MonotonicInstant
    ) {
        number = FileNumber(status)
        self.firstName = firstName
        lineage = RotatedName.root(of: firstName)
        self.isFromStart = isFromStart
        self.path = path
        byteCount = UInt64(status.byteCount)
        modified = status.modified
        certainModified = status.modified
        lastGrowth = now
        position = FilePosition(
            key: .zero, inode: status.inode, device: status.device, generation: 0,
            size: UInt64(status.byteCount), firstRecord: .zero, firstRecordByteCount: 0,
            tail: .zero, offset: 0, path: path)
    }

    /// True while there are bytes that nobody looked at.
    var hasUnread: Bool { original == nil && byteCount > examined }

    /// Whether it is known what it is, and that it is to be read.
    var isBegun: Bool { isRecognised && original == nil }

    /// Whether rotation, or a copy of its log, may have made its name.
    var hasRotatedName: Bool {
        RotatedName.base(of: path) != nil || RotatedName.rootBeforeExtension(of: path) != nil
    }

    /// Whether it is a compressed file, as far as is known.
    var isCompressed: Bool { measured != nil }

    /// Whether its bytes are to be handed out and are not yet.
    var isWaiting: Bool {
        guard original == nil, trouble == nil else { return false }
        return hasUnread || isJoining || (isRotated && byteCount > position.offset)
    }

    /// Takes note of the position as one that reading came past.
    func addCheckpoint() {
        checkpoints.append(Checkpoint(offset: position.offset, tail: position.tail))
        guard checkpoints.count > FileTail.checkpointLimit else { return }
        // Every other one of the older half goes, so that some reach far back.
        let half = FileTail.checkpointLimit / 2
        let older = checkpoints[..<half].enumerated().filter { $0.offset % 2 == 0 }
        checkpoints = older.map(\.element) + checkpoints[half...]
    }

    private static let checkpointLimit = 32

    /// Goes back to the first byte, as for content that was never seen.
    func restart(generation: UInt32, emptyTail: Digest) {
        contentCount += 1
        position.key = .zero
        // A copy that was read on may have carried the number of its original.
        (position.inode, position.device) = (number.inode, number.device)
        position.generation = generation
        position.offset = 0
        position.tail = emptyTail
        position.firstRecord = .zero
        position.firstRecordByteCount = 0
        source = ""
        examined = 0
        certainByteCount = 0
        cutFrom = 0
        checkpoints = []
        passed = (0, 0)
        skip = .nothing
        ending = .hold
        isJoining = false
    }

    /// Goes on at a position of known content.
    func resume(_ known: FilePosition, skip: RecordSplitter.Skip) {
        position = known
        source = known.key.text
        claimedSource = source
        self.skip = skip
        examined = known.offset
        certainByteCount = known.offset
        checkpoints = []
        passed = (known.offset, 0)
        ending = .hold
        isJoining = false
    }

    /// A place that reading came past, and the bytes before it.
    struct Checkpoint: Sendable, Hashable {
        var offset: UInt64
        var tail: Digest
    }

    /// How a compressed file was stored when its content was measured.
    struct Stored: Sendable, Hashable {
        var byteCount: Int
        var modified: Timestamp
        /// False when its end has not been written yet.
        var isWhole: Bool
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
            return "\(path): permission denied; let the agent's user enter the folders above it "
                + "(chmod o+x or setfacl)."
        }
        let readableByGroup: UInt32 = 0o040
        let group = AccountNames.group(status.groupID) ?? String(status.groupID)
        let owner = AccountNames.user(status.userID) ?? String(status.userID)
        let agent =
            AccountNames.user(ProcessFacts.effectiveUserID)
            ?? String(ProcessFacts.effectiveUserID)
        let way =
            status.permissions & readableByGroup != 0
            ? "add user \(agent) to group \(group) and restart the agent"
            : "make it readable for its group (chmod g+r) and add user \(agent) to group "
                + "\(group), or let setfacl name user \(agent)"
        return "\(path): permission denied; it belongs to user \(owner) and group \(group): "
            + "\(way)."
    }
}
