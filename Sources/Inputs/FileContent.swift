// SPDX-License-Identifier: Apache-2.0
import Platform

/// An open file as its writer wrote it: what rotation compressed is read as it was before.
///
/// It is used by one thread. A compressed content is read from its beginning to its end; going
/// back further than `keptByteCount` begins again.
final class FileContent {
    /// What lies at the end of a compressed content.
    enum End: Sendable, Hashable {
        /// The end that its writer made.
        case whole
        /// Nothing yet: it is being written, or its writer was stopped.
        case open
        /// Bytes that are not of the format.
        case damaged
    }

    /// The file itself.
    let file: File
    /// The format it is compressed in; nil for a file that is as it was written.
    let format: Decompressor.Format?

    private var decompressor: Decompressor?
    private var compressed: [UInt8] = []
    private var compressedStart = 0
    private var fileOffset = 0
    private var isBetweenFrames = true
    private var window: [UInt8] = []
    private var windowStart = 0
    private(set) var end = End.open

    private static let keptByteCount = 1 << 20
    private static let pieceByteCount = 128 << 10
    /// How many bytes show what a file is.
    static let headByteCount = 4

    /// Opens a file and finds out what it is.
    convenience init(_ path: String) throws(SystemError) {
        try self.init(File(path, .read, .nonBlocking))
    }

    /// Wraps an open file.
    init(_ file: File) throws(SystemError) {
        self.file = file
        let head = try file.read(count: FileContent.headByteCount, at: 0)
        format = Decompressor.Format(head: head.span)
    }

    /// The bytes of memory that the content takes now.
    var heldByteCount: Int { window.count + compressed.count }

    /// Whether it is compressed.
    var isCompressed: Bool { format != nil }

    /// What the kernel says about the file.
    func status() throws(SystemError) -> FileStatus { try file.status() }

    /// Up to `count` bytes of the content at `offset`; fewer at its end, none behind it.
    func read(count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        _ = try append(to: &bytes, count: count, at: offset)
        return bytes
    }

    /// Appends up to `count` bytes of the content from `offset` and says how many it got.
    func append(
        to bytes: inout [UInt8], count: Int, at offset: Int
    ) throws(SystemError) -> Int {
        guard format != nil else { return try file.append(to: &bytes, count: count, at: offset) }
        try decompress(from: offset, to: offset + count)
        let start = min(max(offset - windowStart, 0), window.count)
        let stop = min(start + count, window.count)
        bytes.append(contentsOf: window[start..<stop])
        return stop - start
    }

    /// How many bytes the content has: of a compressed one as many as can be read.
    func byteCount() throws(SystemError) -> UInt64 {
        try byteCount(within: .max) ?? 0
    }

    /// The same, but nil when more than so many bytes must be read for it; the next call goes on.
    func byteCount(within limit: Int) throws(SystemError) -> UInt64? {
        guard format != nil else { return UInt64(try file.status().byteCount) }
        let start = windowStart + window.count
        var target = start
        while target - start < limit {
            target += FileContent.pieceByteCount
            try decompress(from: target, to: target)
            let reached = windowStart + window.count
            if reached < target { return UInt64(reached) }
        }
        return nil
    }

    /// Where bytes begin that were written, at or behind `offset`; nil when only a hole is left.
    func nextData(from offset: Int) -> Int? {
        format == nil ? file.nextData(from: offset) : offset
    }

    // MARK: Decompressing

    /// Makes the window reach from `start`, or what is kept before it, to `stop` or the end.
    private func decompress(from start: Int, to stop: Int) throws(SystemError) {
        if start < windowStart { restart() }
        while windowStart + window.count < stop, end == .open {
            trim(to: start - FileContent.keptByteCount)
            guard try step() else { break }
        }
        trim(to: start - FileContent.keptByteCount)
    }

    private func restart() {
        decompressor = nil
        compressed = []
        (compressedStart, fileOffset, windowStart) = (0, 0, 0)
        window = []
        isBetweenFrames = true
        end = .open
    }

    /// Drops the window's bytes before a place, when they are many.
    private func trim(to place: Int) {
        let surplus = place - windowStart
        guard surplus > FileContent.pieceByteCount else { return }
        let count = min(surplus, window.count)
        window.removeFirst(count)
        windowStart += count
    }

    /// Reads and decompresses a piece; false when nothing more is there.
    private func step() throws(SystemError) -> Bool {
        if compressedStart == compressed.count {
            compressed.removeAll(keepingCapacity: true)
            compressedStart = 0
        }
        if compressed.count < FileContent.headByteCount || compressedStart == compressed.count {
            fileOffset += try file.append(
                to: &compressed, count: FileContent.pieceByteCount, at: fileOffset)
        }
        if isBetweenFrames, try !beginFrame() { return false }
        guard let decompressor else { return false }
        let before = window.count
        let step: Decompressor.Step
        do {
            step = try decompressor.decompress(
                compressed.span, from: compressedStart, room: FileContent.pieceByteCount,
                into: &window)
        } catch {
            end = .damaged
            return false
        }
        compressedStart += step.readCount
        isBetweenFrames = step.isFrameEnd
        return step.isFrameEnd || step.readCount > 0 || window.count > before
    }

    /// Begins the next frame; false when there is none, or not yet.
    private func beginFrame() throws(SystemError) -> Bool {
        if compressed.count - compressedStart < FileContent.headByteCount {
            compressed.removeFirst(compressedStart)
            compressedStart = 0
            fileOffset += try file.append(
                to: &compressed, count: FileContent.pieceByteCount, at: fileOffset)
        }
        let isFirst = decompressor == nil
        guard compressed.count > compressedStart else {
            if !isFirst { end = .whole }
            return false
        }
        let head = Array(compressed[compressedStart...].prefix(FileContent.headByteCount))
        guard Decompressor.Format(head: head.span) == format, let format else {
            // What follows a whole frame and is none counts as padding, as gzip(1) sees it.
            end = isFirst ? .damaged : .whole
            return false
        }
        decompressor = Decompressor(format)
        isBetweenFrames = false
        return true
    }
}
