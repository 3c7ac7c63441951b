// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Where records come from.
///
/// One thread calls `next` and `committed`; `wake`, `close` and `state` may be used from any.
public protocol Input: AnyObject, Sendable {
    /// The id of the input, as configured.
    var id: String { get }

    /// Waits for records at most this long; nil when there are none or after `wake` and `close`.
    ///
    /// A batch without records holds a position alone, which is to be kept like any other.
    /// Records are handed out once; after a start they go on from the positions that were given.
    func next(waitingAtMost timeout: Duration) throws(InputError) -> RecordBatch?

    /// The records that waited for more to come; nil when there are none. Nothing is read for it.
    ///
    /// Asked once, when reading ends, of inputs that cannot read anything twice.
    func remainder() -> RecordBatch?

    /// Takes note that everything up to the position is safe, so an upstream may be answered.
    func committed(through position: Position)

    /// Makes a `next` that waits return soon.
    func wake()

    /// Reads again what the configuration names and others renew, as certificates. From any thread;
    /// what cannot be used leaves the old in place, and `state` says why.
    func reload()

    /// Ends reading: a waiting `next` returns, later ones answer nil at once.
    func close()

    /// How the input is doing. Never waits for a read.
    var state: InputState { get }
}

extension Input {
    /// Nothing: most inputs read what waited again after a start.
    public func remainder() -> RecordBatch? { nil }

    /// Does nothing: most inputs name nothing that others renew.
    public func reload() {}
}

/// How an input is doing, at one moment.
public struct InputState: Sendable, Hashable {
    /// The most sentences in `reasons`.
    public static let reasonLimit = 20

    /// False when something that should be read cannot be read; `reasons` says what and why.
    public var isReadable = true
    /// Sentences for people, each with a way out, at most `reasonLimit`.
    public var reasons: [String] = []
    /// True when the input has ended and will give nothing more.
    public var isFinished = false
    /// True when changes are found by looking again and again, not told by the kernel.
    public var isPolling = false
    /// The files that are followed.
    public var fileCount = 0
    /// The files that cannot be read.
    public var unreadableFileCount = 0
    /// The files that are open.
    public var openFileCount = 0
    /// The bytes that are there and not yet handed out, over all files.
    public var lagByteCount: UInt64 = 0
    /// The bytes of the source behind the records that were handed out, since the start.
    public var readByteCount: UInt64 = 0
    /// The records that were handed out since the start.
    public var recordCount: UInt64 = 0
    /// The records that were cut because they were too long.
    public var cutRecordCount: UInt64 = 0
    /// How often a file was found to have other content than before.
    public var truncationCount: UInt64 = 0
    /// The bytes known to have been truncated or deleted before they were read.
    public var lostByteCount: UInt64 = 0
    /// True while there is something to hand out that can be read: unread bytes, a record that
    /// waits for its end to show, the unfinished last line of a file that was rotated away.
    ///
    /// Together with `quietSince` it says whether an input is done for now: nothing unread, and
    /// nobody wrote for a while.
    public var hasUnread = false
    /// When something was last seen to appear, grow or shrink; nil before the first look, and for
    /// inputs that cannot tell.
    public var quietSince: MonotonicInstant?
    /// What became of the contents of files that came to an end.
    public var audit = InputAudit()
    /// When the last record was handed out.
    public var lastRecord: Timestamp?
    /// When the first of the certificates that the input shows to clients expires; nil where it has
    /// none.
    public var certificateExpiry: Timestamp?

    /// The state before anything was read.
    public init() {}
}

/// The bytes of file contents that came to an end, by what became of them.
///
/// A content ends when its file is truncated, or was deleted or rotated and is let go. Then
/// `byteCount = passedByteCount + lostByteCount`, counted on two ways; what is missing in that sum
/// is `unaccountedByteCount`, and anything but 0 is a mistake of the agent.
public struct InputAudit: Sendable, Hashable {
    /// The contents that ended.
    public var contentCount: UInt64 = 0
    /// The bytes they had, as far as was seen.
    public var byteCount: UInt64 = 0
    /// The bytes that were handed out, or left out on purpose: empty lines, holes, what is behind
    /// the limit of a record.
    public var passedByteCount: UInt64 = 0
    /// The bytes that were gone before they could be read.
    public var lostByteCount: UInt64 = 0
    /// The bytes of which nobody knows what became of them.
    public var unaccountedByteCount: UInt64 = 0

    /// Nothing has ended yet.
    public init() {}
}
