// SPDX-License-Identifier: Apache-2.0
import Platform

/// One type of sink: what it is called, what may be written about it, how it is made.
public struct SinkEntry: Sendable {
    /// The word in `type`.
    public let type: String
    /// The formats it can write, the default first.
    public let formats: [SinkFormat]
    /// What it can promise about delivery, in one sentence for `sealtail check`.
    public let promise: String
    /// When a batch is full unless the user says otherwise.
    public let batch: SinkConfiguration.Batch
    /// How many batches are under way at once unless the user says otherwise.
    public let inFlight: Int
    /// The keys it uses beside those of all sinks.
    public let keys: [String]
    let readOptions: @Sendable (inout ConfigurationReader) -> any SinkOptions
    let make: @Sendable (SinkConfiguration) throws(SinkError) -> any Sink

    /// Describes a type of sink.
    ///
    /// - Parameter make: makes the sink; nothing is opened or connected by it. Throws when the
    ///   configuration names files that cannot be read.
    init<Options: SinkOptions>(
        type: String, formats: [SinkFormat], batch: SinkConfiguration.Batch = .usual,
        inFlight: Int = 4, promise: String, options: Options.Type,
        make: @escaping @Sendable (SinkConfiguration, Options) throws(SinkError) -> any Sink
    ) {
        self.type = type
        self.formats = formats
        self.promise = promise
        self.batch = batch
        self.inFlight = inFlight
        keys = Options.keys
        readOptions = { reader in Options(reading: &reader) }
        self.make = { (configuration) throws(SinkError) -> any Sink in
            guard let options = configuration.options as? Options else {
                bug("a sink of type \(type) with the options of another type")
            }
            return try make(configuration, options)
        }
    }
}

/// All types of sinks, sorted.
public enum SinkCatalog {
    /// One line each.
    public static let entries: [SinkEntry] = [
        CloudWatchLogsSink.entry,
        ElasticsearchSink.entry,
        FileSink.entry,
        HTTPSink.entry,
        KafkaSink.entry,
        OTLPSink.entry,
        S3Sink.entry,
        SplunkHECSink.entry,
        StandardOutputSink.entry,
        SyslogSink.entry,
    ]

    /// The words that `type` may be.
    public static var types: [String] { entries.map(\.type) }

    /// The keys that only some types use.
    static let keys = Set(entries.flatMap(\.keys)).sorted()

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

    /// What a type of sink can promise about delivery; nil for a type that is not there.
    public static func promise(of type: String) -> String? { entry(type)?.promise }

    static func entry(_ type: String) -> SinkEntry? {
        entries.first { $0.type == type }
    }
}
