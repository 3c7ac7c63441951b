// SPDX-License-Identifier: Apache-2.0

/// A YAML value that knows where it was written: file, line, column and key path.
///
/// A node prints its value only when that value came from the file itself. What was put in from
/// a secret file or a credential prints as `***`, in descriptions and in mirrors.
public struct ConfigurationNode: Sendable {
    /// How a scalar was written. `null` and `true` mean something only when they are plain.
    public enum ScalarStyle: Sendable, Equatable {
        case plain
        case quoted
    }

    /// The value itself. A mapping keeps the order of the file and holds each key once.
    public indirect enum Content: Sendable {
        case null
        case scalar(String, ScalarStyle)
        case sequence([ConfigurationNode])
        case mapping([(key: ConfigurationNode, value: ConfigurationNode)])
    }

    /// The file as the caller named it.
    public let file: String
    /// The first line is 1. Zero means the file as a whole.
    public let line: Int
    /// The first column is 1 and counts characters, not bytes.
    public let column: Int
    /// The way to this node inside its own file, for example `sinks[0].timeout`; empty at the top.
    public let keyPath: String
    /// The value.
    public var content: Content
    /// True when any part of the value came from a secret file or a credential.
    public var isSecret: Bool
    /// True when the value could not be filled in. That was reported, and further problems about
    /// the value are left out, because they would only follow from it.
    public internal(set) var isBroken = false

    /// True when this value or one inside it could not be filled in.
    public var holdsBroken: Bool {
        isBroken || (elements ?? []).contains(where: \.holdsBroken)
            || (entries ?? []).contains { $0.value.holdsBroken }
    }

    /// Makes a node by hand; the loader makes all others.
    public init(
        file: String, line: Int, column: Int, keyPath: String, content: Content,
        isSecret: Bool = false
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.keyPath = keyPath
        self.content = content
        self.isSecret = isSecret
    }

    /// The text of a scalar; nil for anything else.
    public var scalar: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return text
    }

    /// The elements of a sequence; nil for anything else.
    public var elements: [ConfigurationNode]? {
        guard case .sequence(let elements) = content else { return nil }
        return elements
    }

    /// The entries of a mapping in the order of the file; nil for anything else.
    public var entries: [(key: ConfigurationNode, value: ConfigurationNode)]? {
        guard case .mapping(let entries) = content else { return nil }
        return entries
    }

    /// True for an empty value, `~` and `null`. A reader treats such a key as left out.
    public var isNull: Bool {
        guard case .null = content else { return false }
        return true
    }

    /// The value of a key of this mapping; nil when there is none or this is no mapping.
    public subscript(key: String) -> ConfigurationNode? {
        entries?.first { $0.key.scalar == key }?.value
    }

    /// The value as a problem quotes it: short, without control characters, `***` for a secret.
    public var shown: String {
        if isSecret { return "***" }
        switch content {
        case .null: return "empty"
        case .scalar(let text, _): return ConfigurationText.quoted(text)
        case .sequence: return "a list"
        case .mapping: return "a mapping"
        }
    }

    /// The key path of a member of this mapping.
    func path(of key: String) -> String {
        ConfigurationNode.join(keyPath, key)
    }

    /// A member's path, cut at a named length: a deep file with long keys and many values would
    /// otherwise need far more memory for the paths than it has bytes itself.
    static func join(_ path: String, _ key: String) -> String {
        let isPlain =
            !key.isEmpty
            && key.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        let spelled = isPlain ? key : ConfigurationText.quoted(key)
        return path.isEmpty ? spelled : extend(path, "." + spelled)
    }

    /// An element's path, cut at the same length.
    static func join(_ path: String, _ index: Int) -> String {
        extend(path, "[\(index)]")
    }

    private static func extend(_ path: String, _ part: String) -> String {
        if path.hasSuffix("…") { return path }
        let byteCount = path.utf8.count + part.utf8.count
        return byteCount > ConfigurationLimit.keyPathByteLimit ? path + "…" : path + part
    }
}

extension ConfigurationNode: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The tree on one line, with `***` for secrets.
    public var description: String {
        if isSecret { return "***" }
        switch content {
        case .null: return "null"
        case .scalar(let text, _): return ConfigurationText.quoted(text)
        case .sequence(let elements):
            return "[" + elements.map(\.description).joined(separator: ", ") + "]"
        case .mapping(let entries):
            let parts = entries.map { $0.key.description + ": " + $0.value.description }
            return "{" + parts.joined(separator: ", ") + "}"
        }
    }

    /// The same as `description`, so that a debugger prints no secret either.
    public var debugDescription: String { description }

    /// Shows the description only, because a mirror of the members would show secrets.
    public var customMirror: Mirror { Mirror(self, children: ["value": description]) }
}
