// SPDX-License-Identifier: Apache-2.0
import Platform

/// One type of sink: what it is called, what may be written about it, how it is made.
public struct SinkEntry: Sendable {
    /// Keys that only some types use.
    public enum Key: Sendable {
        /// `endpoint`, `auth`, `tls` and `compression`.
        case http
        /// `index`.
        case index
        /// `path`.
        case path
    }

    /// The word in `type`.
    public let type: String
    /// The formats it can write, the default first.
    public let formats: [SinkFormat]
    /// The keys it uses beside those of all sinks.
    public let keys: Set<Key>
    /// What it can promise about delivery, in one sentence for `sealtail check`.
    public let promise: String
    let make: @Sendable (SinkConfiguration) throws(SinkError) -> any Sink
}

/// All types of sinks, sorted.
public enum SinkCatalog {
    /// One line each.
    public static let entries: [SinkEntry] = [
        ElasticsearchSink.entry,
        FileSink.entry,
        StandardOutputSink.entry,
    ]

    /// The words that `type` may be.
    public static var types: [String] { entries.map(\.type) }

    /// Makes the sink that a configuration describes; nothing is opened or connected yet.
    ///
    /// Throws when the configuration names files that cannot be read, or a type that is not there.
    public static func make(_ configuration: SinkConfiguration) throws(SinkError) -> any Sink {
        guard let entry = entry(configuration.type) else {
            let known = types.joined(separator: ", ")
            throw SinkError(
                sink: configuration.id,
                "there is no sink of type \"\(configuration.type)\"; there are \(known)")
        }
        return try entry.make(configuration)
    }

    static func entry(_ type: String) -> SinkEntry? {
        entries.first { $0.type == type }
    }
}
