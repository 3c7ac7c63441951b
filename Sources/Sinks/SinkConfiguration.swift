// SPDX-License-Identifier: Apache-2.0
import Platform

/// What the user wrote about one sink, checked.
public struct SinkConfiguration: Sendable {
    /// The name of the sink in cursors, metrics and proofs: `[a-z0-9_]+`.
    public var id: String
    /// The word in `SinkCatalog`.
    public var type: String
    /// How an event is written.
    public var format: SinkFormat
    /// When a batch is full.
    public var batch: Batch
    /// How many batches may be under way at once.
    public var inFlight: Int
    /// How long to wait before the next try.
    public var retry: Retry
    /// The most bytes that rejected events may take.
    public var deadLetterByteLimit: Int
    /// The filter as it was written, for Sealing to read.
    public var filter: ConfigurationNode?
    /// What the type adds.
    public var options: any SinkOptions

    /// When a batch is full.
    public struct Batch: Sendable, Equatable {
        /// Bytes of bodies.
        public var byteLimit: Int
        /// Events.
        public var countLimit: Int
        /// The age of its oldest event.
        public var waitLimit: Duration

        /// What suits most receivers.
        public static let usual = Batch(
            byteLimit: 1 << 20, countLimit: 1000, waitLimit: .milliseconds(200))
    }

    /// How long to wait before the next try.
    public struct Retry: Sendable, Equatable {
        /// After the first failure.
        public var initial: Duration
        /// At most.
        public var longest: Duration
    }
}

/// How a sink writes an event.
public enum SinkFormat: String, Sendable, CaseIterable {
    /// The signed line itself.
    case canonical
    /// An Elastic Common Schema document around the signed bytes.
    case ecs
    /// An Open Cybersecurity Schema Framework event around the signed bytes.
    case ocsf
    /// ArcSight's Common Event Format, without the signed bytes.
    case cef
    /// IBM's Log Event Extended Format, without the signed bytes.
    case leef
}

/// The bounds of what may be written about a sink, and the defaults.
public enum SinkLimit {
    /// The longest id.
    public static let idByteLimit = 64
    /// `batch.max_bytes`.
    public static let batchByteCount = 4 << 10...64 << 20
    /// `batch.max_events`.
    public static let batchCount = 1...100_000
    /// `batch.max_wait`.
    public static let batchWait = Duration.zero...Duration.seconds(60)
    /// `in_flight`.
    public static let inFlight = 1...64
    /// `retry.initial`.
    public static let retryInitial = Duration.milliseconds(10)...Duration.seconds(600)
    /// `retry.max`.
    public static let retryLongest = Duration.milliseconds(10)...Duration.seconds(3600)
    /// `dead_letter.max_size`.
    public static let deadLetterByteCount = 64 << 10...1 << 40
    /// The data stream when none is named.
    public static let defaultIndex = "logs-oauth.audit-default"
    /// How many bytes of a request one byte of a body becomes at most, as a rule.
    static let renderedFactor = 4
    /// The longest name of an index that Elasticsearch takes.
    public static let indexByteLimit = 255
}

extension SinkConfiguration {
    /// The most bytes of memory that the sink takes when every batch, request and answer is as
    /// long as it can be.
    public var memoryByteLimit: Int {
        // Quotes that are escaped, mapped fields and proofs: a document around its signed bytes.
        batch.byteLimit * SinkLimit.renderedFactor
            + options.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    /// Reads one element of `sinks` and reports every mistake; then the value must not be used.
    public init(reading reader: inout ConfigurationReader) {
        id = SinkConfiguration.readID(&reader)
        type = reader.requiredString("type")
        let entry = SinkCatalog.entry(type)
        if entry == nil, !type.isEmpty {
            let known = SinkCatalog.types.joined(separator: ", ")
            reader.problem("type", "there is no sink of type \"\(type)\"; there are \(known)")
        }
        let formats = entry?.formats ?? SinkFormat.allCases
        format = reader.choice(
            "format", of: Dictionary(uniqueKeysWithValues: formats.map { ($0.rawValue, $0) }),
            default: formats[0])
        batch = SinkConfiguration.readBatch(&reader, entry?.batch ?? .usual)
        inFlight = reader.integer(
            "in_flight", in: SinkLimit.inFlight, default: entry?.inFlight ?? 4)
        retry = SinkConfiguration.readRetry(&reader)
        deadLetterByteLimit = SinkConfiguration.readDeadLetter(&reader)
        filter = reader.node("filter")

        options = entry?.readOptions(&reader) ?? NoSinkOptions(reading: &reader)
        // What a type does not use must not be there, whatever it says. Of a type that is not
        // there nothing is known.
        let own = entry?.keys ?? []
        for key in SinkCatalog.keys where !own.contains(key) {
            guard entry != nil else {
                reader.allow(key)
                continue
            }
            if reader.node(key) != nil {
                reader.problem(key, "does not go with type \(type); leave it out")
            }
        }
        reader.finish()
    }

    private static func readID(_ reader: inout ConfigurationReader) -> String {
        let id = reader.requiredString("id")
        let isPlain = id.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "_")
        }
        if !id.isEmpty, !isPlain || id.utf8.count > SinkLimit.idByteLimit {
            let limit = SinkLimit.idByteLimit
            reader.problem(
                "id", "must be 1 to \(limit) of a-z, 0-9 and _, is \"\(id)\"")
        }
        return id
    }

    private static func readBatch(_ reader: inout ConfigurationReader, _ usual: Batch) -> Batch {
        var batch = usual
        guard var child = reader.child("batch") else { return batch }
        batch.byteLimit = child.byteCount(
            "max_bytes", in: SinkLimit.batchByteCount, default: batch.byteLimit)
        batch.countLimit = child.integer(
            "max_events", in: SinkLimit.batchCount, default: batch.countLimit)
        batch.waitLimit = child.duration(
            "max_wait", in: SinkLimit.batchWait, default: batch.waitLimit)
        child.finish()
        return batch
    }

    private static func readRetry(_ reader: inout ConfigurationReader) -> Retry {
        var retry = Retry(initial: .milliseconds(500), longest: .seconds(60))
        guard var child = reader.child("retry") else { return retry }
        retry.initial = child.duration(
            "initial", in: SinkLimit.retryInitial, default: retry.initial)
        retry.longest = child.duration("max", in: SinkLimit.retryLongest, default: retry.longest)
        if retry.longest < retry.initial {
            child.problem("max", "must not be shorter than retry.initial")
        }
        child.finish()
        return retry
    }

    private static func readDeadLetter(_ reader: inout ConfigurationReader) -> Int {
        let fallback = 1 << 30
        guard var child = reader.child("dead_letter") else { return fallback }
        let limit = child.byteCount(
            "max_size", in: SinkLimit.deadLetterByteCount, default: fallback)
        child.finish()
        return limit
    }

}
