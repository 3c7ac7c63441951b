// SPDX-License-Identifier: Apache-2.0
import Platform

/// Compresses files that were put aside, piece by piece, and deletes those beyond `keep`.
///
/// A file is removed only when its compressed copy is safe on the disk; a crash in between leaves
/// both, and the next round makes the copy again.
final class FileArchive {
    /// How much of a file is compressed at once, so that delivery need not wait for the whole.
    static let pieceByteCount = 4 << 20
    /// What the name of a copy that is not whole ends in.
    static let partialEnding = ".partial"

    private let folder: String
    private let base: String
    private let rotation: FileRotation
    private var waiting: [String] = []
    private var copy: Copy?
    private let gzip = GzipEncoder(level: 1)
    private let zstd = ZstdEncoder(level: 3)

    private struct Copy {
        let name: String
        let source: File
        let target: File
        var offset = 0
    }

    /// Looks after the files beside `path`.
    init(path: String, rotation: FileRotation) {
        folder = FileSystem.folder(of: path)
        base = FileSystem.name(of: path)
        self.rotation = rotation
    }

    /// True when `proceed` has something to do.
    var isBusy: Bool { copy != nil || !waiting.isEmpty }

    /// Looks which files wait to be compressed; those beyond `keep` are deleted.
    func begin() throws(SystemError) {
        let names = try FileSystem.names(in: folder)
        let surplus = Set(rotation.surplus(names, base: base))
        for name in surplus { try FileSystem.remove(place(name)) }
        if !surplus.isEmpty { try FileSystem.synchronizeFolder(folder) }
        if copy.map({ surplus.contains($0.name) }) ?? false { copy = nil }
        waiting = rotation.uncompressed(names, base: base)
            .filter { $0 != copy?.name && !surplus.contains($0) }
    }

    /// Compresses one more piece. After an error the file waits for the next `begin`.
    func proceed() throws(SystemError) {
        do throws(SystemError) {
            try step()
        } catch {
            // On a full disk it would keep the room that the next events need.
            if let copy { try? FileSystem.remove(place(copy.name) + FileArchive.partialEnding) }
            copy = nil
            throw error
        }
    }

    private func step() throws(SystemError) {
        guard var current = copy else {
            guard !waiting.isEmpty else { return }
            return try open(waiting.removeFirst())
        }
        let piece = try current.source.read(
            count: FileArchive.pieceByteCount, at: current.offset)
        guard !piece.isEmpty else { return try finish(current) }
        var packed: [UInt8] = []
        // Both formats read one member or frame behind the other as one content.
        switch rotation.compression {
        case .zstd: zstd.compress(piece.span, into: &packed)
        case .gzip: gzip.compress(piece.span, into: &packed)
        case .none: bug("a file is compressed that is not to be")
        }
        try current.target.writeNext(packed.span)
        current.offset += piece.count
        copy = current
    }

    private func open(_ name: String) throws(SystemError) {
        let partial = place(name) + FileArchive.partialEnding
        copy = Copy(
            name: name, source: try File(place(name), .read, .noFollow),
            target: try File(
                partial, .write, [.create, .truncate, .noFollow],
                permissions: FileSink.permissions))
    }

    private func finish(_ done: Copy) throws(SystemError) {
        let whole = place(done.name)
        try done.target.synchronize()
        try FileSystem.rename(
            whole + FileArchive.partialEnding, to: whole + rotation.compression.ending)
        try FileSystem.synchronizeFolder(folder)
        try FileSystem.remove(whole)
        copy = nil
    }

    private func place(_ name: String) -> String { folder + "/" + name }
}
