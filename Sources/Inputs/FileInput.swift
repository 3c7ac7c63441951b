// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization

/// Follows log files by shell patterns, through rotation, truncation and restarts.
///
/// The thread that calls `next` does all the work; there is no other. See `FileFollower`.
public final class FileInput: Input {
    /// The id of the input, as configured.
    public let id: String

    private let source: WatchSource
    let follower: Monitor<FileFollower>
    private let snapshot: Monitor<InputState>
    private let isClosed = Atomic(false)

    /// Prepares to follow the files. They are looked for at the first `next`.
    public convenience init(
        _ configuration: InputConfiguration, framing: RecordFraming, context: InputContext
    ) throws(InputError) {
        try self.init(
            configuration, framing: framing, context: context, timing: FileTiming(),
            isWatching: true)
    }

    init(
        _ configuration: InputConfiguration, framing: RecordFraming, context: InputContext,
        timing: FileTiming, isWatching: Bool,
        reportsChanges: @escaping @Sendable (String) -> Bool = FileSystem.reportsChanges
    ) throws(InputError) {
        id = configuration.id
        do throws(SystemError) {
            source = try WatchSource(isWatching: isWatching, reportsChanges: reportsChanges)
        } catch {
            throw .system(input: configuration.id, error)
        }
        let watch = FolderWatch(source)
        follower = Monitor(
            FileFollower(
                configuration, framing: framing, context: context, timing: timing, watch: watch))
        snapshot = Monitor(InputState())
    }

    /// The next records, all of one file; nil when there are none in time.
    ///
    /// What is wrong with a file is no error: it is said in `state` and tried again.
    public func next(waitingAtMost timeout: Duration) throws(InputError) -> RecordBatch? {
        guard !isClosed.load(ordering: .acquiring) else { return nil }
        return follower.withLock { follower in
            let batch = follower.next(waitingAtMost: timeout)
            let state = follower.currentState()
            snapshot.withLock { $0 = state }
            return batch
        }
    }

    /// Whether a file was put aside by rotation, by its name and what stands beside it: reading the
    /// file that it was reads it too.
    public static func isRotated(_ path: String) -> Bool {
        if RotatedName.isForeign(path) || RotatedName.isCompressed(path) { return true }
        return RotatedName.base(of: path).map(FileSystem.exists) ?? false
    }

    /// Does nothing: nobody waits for an answer.
    public func committed(through position: Position) {
        // A file needs no answer: the position itself is its memory.
    }

    /// Makes a `next` that waits return.
    public func wake() {
        source.wake()
    }

    /// Ends reading and closes every file.
    public func close() {
        isClosed.store(true, ordering: .releasing)
        source.wake()
        follower.withLock { $0.close() }
    }

    /// How the input was doing after the last `next`.
    public var state: InputState {
        snapshot.withLock { $0 }
    }
}
