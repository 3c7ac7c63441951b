// SPDX-License-Identifier: Apache-2.0
import Platform

/// The repository that holds this test.
struct SourceTree {
    /// The most bytes of one file that are read.
    private static let fileByteLimit = 4 << 20

    let root: String

    init() {
        // The file may have been compiled through a link from somewhere else.
        var folder = (try? FileSystem.resolved(#filePath)) ?? #filePath
        // Tests/TidyTests/SourceTree.swift lies three levels below the root.
        for _ in 0..<3 { folder = FileSystem.folder(of: folder) }
        root = folder
    }

    /// The source files below a folder whose names end in one of the endings, by path.
    func files(below folder: String, endings: [String] = [".swift"]) throws -> [SourceFile] {
        try paths(below: folder, endings: endings).map { path in
            let bytes = try FileSystem.read(
                root + "/" + path, byteLimit: SourceTree.fileByteLimit)
            return SourceFile(path, String(decoding: bytes, as: UTF8.self))
        }
    }

    /// The names of files in one folder with an ending, without it; none when it is missing.
    func names(in folder: String, ending: String) throws -> [String] {
        guard FileSystem.exists(root + "/" + folder) else { return [] }
        return try FileSystem.names(in: root + "/" + folder)
            .filter { $0.hasSuffix(ending) && !$0.hasPrefix(".") }
            .map { String($0.dropLast(ending.count)) }
    }

    /// The folders of `Sources` that make C visible to Swift.
    func cLibraries() throws -> [String] {
        try FileSystem.names(in: root + "/Sources").filter { name in
            let folder = root + "/Sources/" + name
            return FileSystem.exists(folder + "/module.modulemap")
                || FileSystem.exists(folder + "/include")
        }
    }

    private func paths(below folder: String, endings: [String]) throws -> [String] {
        var paths: [String] = []
        for name in try FileSystem.names(in: root + "/" + folder) where !name.hasPrefix(".") {
            let path = folder + "/" + name
            // The link status, so that a link cannot lead out of the repository.
            switch try FileSystem.linkStatus(root + "/" + path).kind {
            case .directory: paths += try self.paths(below: path, endings: endings)
            case .regular:
                if endings.contains(where: { name.hasSuffix($0) }) { paths.append(path) }
            case .symbolicLink, .pipe, .socket, .device, .other: continue
            }
        }
        return paths
    }
}
