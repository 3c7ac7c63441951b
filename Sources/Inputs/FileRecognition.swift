// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What tells one file from every other one while the machine runs.
struct FileNumber: Sendable, Hashable {
    var inode: UInt64
    var device: UInt64

    init(inode: UInt64, device: UInt64) {
        self.inode = inode
        self.device = device
    }

    init(_ status: FileStatus) {
        self.init(inode: status.inode, device: status.device)
    }
}

/// What a file turns out to be when it is opened, given what was read before.
enum FileOrigin: Sendable, Hashable {
    /// Known content: reading goes on at the position.
    case resumed(FilePosition)
    /// Content that was never seen, with the generation that keeps its key apart from others.
    case fresh(generation: UInt32)
    /// A known file with other content than before, or less of it than was read.
    case truncated(from: FilePosition, generation: UInt32)
}

/// Decides what a file is. Pure: the shell brings what the disk says.
struct FileRecognition {
    /// A position that names the file's inode, and what the bytes say about it.
    struct Candidate: Sendable {
        var position: FilePosition
        /// The file begins with the first record of the position.
        var isSameHead: Bool
        /// The bytes before the offset of the position are the same.
        var isSameTail: Bool
    }

    /// Decides by inode first and content second; the device number only breaks a tie, because it
    /// may be another one after each start of the machine.
    ///
    /// The generation rises with every new content of an inode, whether the file was truncated
    /// or removed and its inode used again, so that no two contents share a key.
    static func decide(
        byteCount: UInt64, device: UInt64, candidates: [Candidate], lastGeneration: UInt32?
    ) -> FileOrigin {
        let same = candidates.filter { candidate in
            candidate.isSameHead && candidate.isSameTail
                && candidate.position.offset <= byteCount
                && isLatest(candidate.position, candidates)
        }
        if let best = same.max(by: { isWeaker($0.position, $1.position, device) }) {
            return .resumed(best.position)
        }
        let highest = candidates.map(\.position.generation).max()
        guard let last = [highest, lastGeneration].compactMap({ $0 }).max() else {
            return .fresh(generation: 0)
        }
        let shortened = candidates.filter { $0.isSameHead || $0.position.offset > byteCount }
            .map(\.position)
        if let best = shortened.max(by: { isWeaker($0, $1, device) }) {
            return .truncated(from: best, generation: last &+ 1)
        }
        return .fresh(generation: last &+ 1)
    }

    /// Whether no later content of the inode is known: what was there before a truncation may come
    /// again, and is new all the same.
    private static func isLatest(_ position: FilePosition, _ candidates: [Candidate]) -> Bool {
        candidates.allSatisfy {
            $0.position.device != position.device
                || $0.position.generation <= position.generation
        }
    }

    private static func isWeaker(
        _ left: FilePosition, _ right: FilePosition, _ device: UInt64
    ) -> Bool {
        if (left.device == device) != (right.device == device) { return right.device == device }
        if left.generation != right.generation { return left.generation < right.generation }
        return left.offset < right.offset
    }
}

/// What became of a file that is followed, by its size and what is known of its bytes.
enum FileChange: Sendable, Hashable {
    /// There is nothing to do.
    case nothing
    /// There may be something to read; the bytes before the offset are checked on the way.
    case readable
    /// The end is gone, of which nothing was read, or the content is another one: the bytes before
    /// the offset will tell.
    case cut
    /// The content is another one; so many bytes were seen but never read.
    case truncated(lostByteCount: UInt64)

    /// Decides from the size the file had, the size it has, and how far it was read and looked at.
    static func decide(
        oldByteCount: UInt64, byteCount: UInt64, offset: UInt64, examined: UInt64,
        isModified: Bool
    ) -> FileChange {
        if byteCount < offset || (offset == 0 && byteCount < oldByteCount) {
            return .truncated(lostByteCount: oldByteCount > offset ? oldByteCount - offset : 0)
        }
        if byteCount < oldByteCount { return .cut }
        if byteCount > examined || isModified { return .readable }
        return .nothing
    }
}
