// SPDX-License-Identifier: Apache-2.0

/// Reads configuration files into a tree of nodes.
public enum ConfigurationLoader {
    /// Reads a file, merges `conf.d/*.yaml` beside it, and fills in `${…}`.
    ///
    /// The fragments are merged in the order of their names: mappings merge key by key, lists
    /// append, and a scalar set twice is taken from the later file. Every node keeps the place
    /// in the file it came from. Returns nil when a file could not be read as YAML; a tree with
    /// other problems still comes back, so that all of them can be reported at once.
    public static func load(
        _ path: String, environment: ConfigurationEnvironment = .process,
        problems: ConfigurationProblems
    ) -> ConfigurationNode? {
        merged(path, problems).map {
            ConfigurationSubstitution(environment, problems).substitute($0)
        }
    }

    /// Reads and merges as `load` does and leaves `${…}` as it is written; nil when a file is no
    /// YAML.
    public static func outline(_ path: String) -> ConfigurationNode? {
        merged(path, ConfigurationProblems())
    }

    private static func merged(
        _ path: String, _ problems: ConfigurationProblems
    ) -> ConfigurationNode? {
        var trees = [read(path, problems: problems)]
        for fragment in fragments(beside: path, problems: problems) {
            trees.append(read(fragment, problems: problems))
        }
        let merge = ConfigurationMerge(problems)
        var merged: ConfigurationNode?
        for tree in trees {
            guard let tree else { return nil }
            merged = merged.map { merge.merge($0, tree) } ?? tree
        }
        return merged
    }

    /// Fills in `${…}` in bytes that are already in memory; the file name is for problems only.
    public static func load(
        _ bytes: [UInt8], file: String, environment: ConfigurationEnvironment,
        problems: ConfigurationProblems
    ) -> ConfigurationNode? {
        let tree = YAMLReader.read(
            bytes, file: file, problems: problems, keepingSubstitutionsWhole: true)
        return tree.map { ConfigurationSubstitution(environment, problems).substitute($0) }
    }

    /// Reads plain YAML without `${…}`, as parser definitions are written.
    ///
    /// Returns nil, with a problem recorded, when the bytes are not one whole document. Duplicate
    /// keys, aliases and tags are problems too, and a tree still comes back.
    ///
    /// - Parameter leftOut: keys of the top whose values are only gone over for being YAML, and are
    ///   null in the tree.
    public static func parse(
        _ bytes: [UInt8], file: String, leavingOut leftOut: Set<String> = [],
        problems: ConfigurationProblems
    ) -> ConfigurationNode? {
        YAMLReader.read(
            bytes, file: file, problems: problems, keepingSubstitutionsWhole: false,
            leavingOut: leftOut)
    }

    private static func read(
        _ path: String, problems: ConfigurationProblems
    ) -> ConfigurationNode? {
        do throws(ConfigurationFile.Refusal) {
            let file = try ConfigurationFile(path, byteLimit: ConfigurationLimit.fileByteLimit)
            return YAMLReader.read(
                file.bytes, file: path, problems: problems, keepingSubstitutionsWhole: true)
        } catch {
            problems.add(file: path, error.reason)
            return nil
        }
    }

    private static func fragments(
        beside path: String, problems: ConfigurationProblems
    ) -> [String] {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[...$0]) + "conf.d" } ?? "conf.d"
        var names: [String] = []
        do throws(ConfigurationFile.Refusal) {
            names = try ConfigurationFile.names(in: folder)
        } catch {
            problems.add(file: folder, error.reason)
        }
        for name in names where name.hasSuffix(".yml") {
            problems.add(
                file: folder + "/" + name, "is not read; end the name in .yaml, or remove it")
        }
        let fragments = names.filter { $0.hasSuffix(".yaml") }.map { folder + "/" + $0 }
        guard fragments.count <= ConfigurationLimit.fragmentLimit else {
            problems.add(
                file: folder,
                "holds \(fragments.count) files, \(ConfigurationLimit.fragmentLimit) are "
                    + "allowed; put more into one file")
            return []
        }
        return fragments
    }
}

/// Lays one tree over another.
struct ConfigurationMerge {
    private let problems: ConfigurationProblems

    init(_ problems: ConfigurationProblems) {
        self.problems = problems
    }

    /// The earlier tree with everything the later one adds or overrides.
    func merge(_ earlier: ConfigurationNode, _ later: ConfigurationNode) -> ConfigurationNode {
        var result = earlier
        switch (earlier.content, later.content) {
        case (_, .null): return earlier
        case (.null, _), (.scalar, .scalar): return later
        case (.sequence(let first), .sequence(let second)):
            result.content = .sequence(first + second)
        case (.mapping(let first), .mapping(let second)):
            var entries = first
            for entry in second {
                let index = first.firstIndex { $0.key.scalar == entry.key.scalar }
                if let index {
                    entries[index].value = merge(entries[index].value, entry.value)
                } else {
                    entries.append(entry)
                }
            }
            result.content = .mapping(entries)
        case (.scalar, _), (.sequence, _), (.mapping, _):
            let place = "\(earlier.file):\(earlier.line)"
            problems.add(
                at: later,
                "is \(later.shown), but \(place) has \(earlier.shown) there; write the same kind")
        }
        return result
    }
}
