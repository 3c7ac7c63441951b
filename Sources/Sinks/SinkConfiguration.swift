// SPDX-License-Identifier: Apache-2.0
import Platform

/// What the user wrote about one sink, checked.
public struct SinkConfiguration: Sendable {
    /// The name of the sink in cursors, metrics and proofs: `[a-z0-9_]+`.
    public var id: String
    /// The word in `SinkCatalog`.
    public var type: String
    /// Where an HTTP sink delivers to; nil for sinks without one.
    public var endpoint: Endpoint?
    /// How an event is written.
    public var format: SinkFormat
    /// How the agent says who it is.
    public var authentication: Authentication?
    /// How TLS is done.
    public var tls: TLS
    /// Whether request bodies are compressed.
    public var compression: Compression
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
    /// The data stream or index that documents go to.
    public var index: String
    /// The file that is written; empty for sinks without one.
    public var path: String

    /// Where an HTTP sink delivers to.
    public struct Endpoint: Sendable, Equatable {
        /// True for `https`.
        public var isSecure: Bool
        /// The name or address, an IPv6 address without brackets.
        public var host: String
        /// The port, from the scheme where none was written.
        public var port: Int
        /// The path in front of what the sink adds, without a slash at its end.
        public var path: String
    }

    /// How the agent says who it is.
    public enum Authentication: Sendable, Equatable {
        /// `Authorization: ApiKey …`.
        case apiKey(Secret)
        /// `Authorization: Basic …`.
        case basic(username: String, password: Secret)
        /// `Authorization: Bearer …`.
        case bearer(Secret)
    }

    /// How TLS is done.
    public struct TLS: Sendable, Equatable {
        /// The authorities to trust in place of the system's.
        public var authorityFile: String?
        /// The agent's own certificate.
        public var certificateFile: String?
        /// The key of that certificate.
        public var keyFile: String?
        /// The name that the certificate of the far side must carry, where it is not the host's.
        public var serverName: String?
        /// True when any certificate will do.
        public var isUnverified = false

        /// The system's authorities, no certificate of our own, full verification.
        public init() {}
    }

    /// Whether request bodies are compressed.
    public enum Compression: String, Sendable, CaseIterable {
        case gzip, none
    }

    /// When a batch is full.
    public struct Batch: Sendable, Equatable {
        /// Bytes of bodies.
        public var byteLimit: Int
        /// Events.
        public var countLimit: Int
        /// The age of its oldest event.
        public var waitLimit: Duration
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
        let rendered = batch.byteLimit * SinkLimit.renderedFactor
        let answer = HTTPLimit.answerByteCount(eventCount: batch.countLimit)
        return endpoint == nil ? rendered : rendered + inFlight * (rendered + answer)
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
        batch = SinkConfiguration.readBatch(&reader)
        inFlight = reader.integer("in_flight", in: SinkLimit.inFlight, default: 4)
        retry = SinkConfiguration.readRetry(&reader)
        deadLetterByteLimit = SinkConfiguration.readDeadLetter(&reader)
        filter = reader.node("filter")

        // What a type does not use must not be there, whatever it says.
        func uses(_ key: SinkEntry.Key) -> Bool { entry?.keys.contains(key) ?? true }
        endpoint = nil
        if uses(.http) {
            endpoint = SinkConfiguration.readEndpoint(&reader)
            authentication = SinkConfiguration.readAuthentication(&reader)
            tls = SinkConfiguration.readTLS(&reader, isSecure: endpoint?.isSecure)
            compression = reader.choice("compression", default: .gzip)
        } else {
            SinkConfiguration.refuse(
                ["endpoint", "auth", "tls", "compression"], type, &reader)
            authentication = nil
            tls = TLS()
            compression = .none
        }
        if uses(.index) {
            index = SinkConfiguration.readIndex(&reader)
        } else {
            SinkConfiguration.refuse(["index"], type, &reader)
            index = SinkLimit.defaultIndex
        }
        path = ""
        if entry?.keys.contains(.path) ?? false {
            path = reader.requiredString("path")
            if !path.isEmpty, !path.hasPrefix("/") {
                reader.problem("path", "must begin with /, is \"\(path)\"")
            }
        } else if entry != nil {
            SinkConfiguration.refuse(["path"], type, &reader)
        } else {
            reader.allow("path")
        }
        reader.finish()
    }

    private static func refuse(
        _ keys: [String], _ type: String, _ reader: inout ConfigurationReader
    ) {
        for key in keys where reader.node(key) != nil {
            reader.problem(key, "does not go with type \(type); leave it out")
        }
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

    private static func readBatch(_ reader: inout ConfigurationReader) -> Batch {
        var batch = Batch(byteLimit: 1 << 20, countLimit: 1000, waitLimit: .milliseconds(200))
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

    private static func readAuthentication(
        _ reader: inout ConfigurationReader
    ) -> Authentication? {
        guard var child = reader.child("auth") else { return nil }
        defer { child.finish() }
        let apiKey = child.secret("api_key")
        let bearer = child.secret("bearer")
        var basic: Authentication?
        if var pair = child.child("basic") {
            let username = pair.requiredString("username")
            if username.utf8.contains(UInt8(ascii: ":")) {
                pair.problem("username", "must not hold a colon")
            }
            if let password = pair.secret("password") {
                basic = .basic(username: username, password: password)
            } else if pair.node("password") == nil {
                pair.problem("password", "must be set")
            }
            pair.finish()
        }
        let found = [apiKey.map { Authentication.apiKey($0) }, bearer.map { .bearer($0) }, basic]
            .compactMap { $0 }
        if found.count > 1 {
            reader.problem("auth", "must hold one of api_key, basic, bearer, not several")
        }
        for secret in [apiKey, bearer].compactMap({ $0 }) where !isHeaderText(secret) {
            reader.problem("auth", "must not hold line breaks or other control characters")
        }
        return found.first
    }

    // A line break inside a header would begin another header.
    private static func isHeaderText(_ secret: Secret) -> Bool {
        secret.withBytes { bytes in
            for index in bytes.indices where bytes[index] < 0x20 || bytes[index] == 0x7F {
                return false
            }
            return true
        }
    }

    private static func readTLS(_ reader: inout ConfigurationReader, isSecure: Bool?) -> TLS {
        var tls = TLS()
        guard var child = reader.child("tls") else { return tls }
        if isSecure == false {
            reader.problem("tls", "goes with an endpoint that begins with https:// only")
        }
        tls.authorityFile = child.string("ca_file")
        tls.certificateFile = child.string("cert_file")
        tls.keyFile = child.string("key_file")
        tls.serverName = child.string("server_name")
        tls.isUnverified = child.bool("insecure_skip_verify", default: false)
        if (tls.certificateFile == nil) != (tls.keyFile == nil) {
            child.problem(
                tls.keyFile == nil ? "cert_file" : "key_file",
                "cert_file and key_file go together; set both or none")
        }
        if let name = tls.serverName, Endpoint(text: "https://\(name)")?.host != name {
            child.problem("server_name", "must be a host name, is \"\(name)\"")
        }
        child.finish()
        return tls
    }

    private static func readEndpoint(_ reader: inout ConfigurationReader) -> Endpoint? {
        let text = reader.requiredString("endpoint")
        guard !text.isEmpty else { return nil }
        if let endpoint = Endpoint(text: text) { return endpoint }
        reader.problem(
            "endpoint",
            "must look like https://host:port/path, without user, query or fragment, is "
                + (reader.node("endpoint")?.shown ?? "empty"))
        return nil
    }

    private static func readIndex(_ reader: inout ConfigurationReader) -> String {
        let index = reader.string("index", default: SinkLimit.defaultIndex)
        let isPlain = index.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && !(0x41...0x5A).contains(byte)
                && !"\\/*?\"<>|,#:".utf8.contains(byte)
        }
        let first = index.utf8.first ?? UInt8(ascii: "-")
        if !isPlain || "-_+.".utf8.contains(first) || index.utf8.count > SinkLimit.indexByteLimit {
            reader.problem(
                "index",
                "must be the name of a data stream, as \(SinkLimit.defaultIndex), is "
                    + (reader.node("index")?.shown ?? "empty"))
        }
        return index
    }
}
