// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Delivers to Amazon S3 and what speaks its language: each batch is one object of NDJSON.
///
/// The key of an object is made of its events alone, so a batch that is sent again overwrites
/// itself. After a crash batches may be cut in other places: then objects overlap, and the ids of
/// their events tell.
// Safe because one thread makes all calls but wake, which the client allows from any thread.
final class S3Sink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "s3", formats: [.canonical, .ecs, .ocsf],
        batch: SinkConfiguration.Batch(
            byteLimit: 8 << 20, countLimit: 100_000, waitLimit: .seconds(60)),
        promise: "An event counts as delivered when the object it is in is stored; after a crash "
            + "objects may overlap, with the same ids.",
        options: S3Options.self,
        make: { (configuration, options) throws(SinkError) in
            try S3Sink(configuration, options)
        })

    private let client: AWSClient
    private let options: S3Options
    private let gzip: GzipEncoder?
    private let zstd: ZstdEncoder?
    private var rendering: EventRendering
    private var lines = ByteWriter(capacity: 1 << 20)
    private var compressed: [UInt8] = []
    private var requests = OpenRequests()

    init(
        _ configuration: SinkConfiguration, _ options: S3Options,
        environment: (String) -> String? = { ProcessFacts.environment($0) }
    ) throws(SinkError) {
        self.options = options
        client = try AWSClient(
            configuration, options.aws, service: "s3", endpoint: options.endpoint,
            answerHeaders: ["etag"], environment: environment)
        rendering = EventRendering(configuration.format)
        gzip = options.compression == .gzip ? GzipEncoder(level: 1) : nil
        zstd = options.compression == .zstd ? ZstdEncoder(level: 3) : nil
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        lines.removeAll()
        let events = SentEvents(batch) { rendering.append($0, event: $1, to: &lines) }
        guard requests.begin(events, ticket: ticket) else { return }
        let key = ObjectKey.make(
            prefix: options.prefix, batch, suffix: options.compression.names.suffix)
        guard gzip != nil || zstd != nil else {
            lines.withBytes { put(key, $0, events.indices.count, ticket) }
            return
        }
        var bytes = compressed
        compressed = []
        bytes.removeAll(keepingCapacity: true)
        lines.withBytes { gzip?.compress($0, into: &bytes) }
        lines.withBytes { zstd?.compress($0, into: &bytes) }
        put(key, bytes.span, events.indices.count, ticket)
        compressed = bytes
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        requests.outcomes(
            of: client.finished(waitingAtMost: requests.patience(timeout)), result)
    }

    func wake() {
        client.wake()
    }

    func probe() -> DeliveryError? {
        let nothing: [UInt8] = []
        // Not HeadBucket, which asks for the same right and cannot say what is wrong.
        let question = SignatureV4.Request(
            method: "GET", path: options.path(),
            query: [("list-type", "2"), ("max-keys", "1"), ("prefix", options.prefix)],
            headers: [], payload: SHA256.digest(nothing))
        switch client.exchange(question, nothing) {
        case .success: return nil
        case .failure(let error): return error
        case .fault(let fault):
            guard fault.meaning == .forbidden else {
                return fault.refusal(eventCount: 0, readsEvents: false, at: client.now)
            }
            let locking = options.lock == nil ? "" : " and s3:PutObjectRetention"
            return .alarm(
                reason: "\(fault.sentence); looking takes s3:ListBucket on \(options.bucket), "
                    + "delivering takes s3:PutObject\(locking) on its objects",
                code: .authorization)
        }
    }

    var condition: SinkCondition { client.condition }

    func close() {
        client.close()
        requests.removeAll()
    }

    // MARK: Inside

    private func put(_ key: String, _ body: Span<UInt8>, _ count: Int, _ ticket: UInt64) {
        let digest = SHA256.digest(body)
        var headers = options.fixedHeaders
        headers.append(("Content-Type", options.compression.names.mediaType))
        // Both are wanted of an object that is to be locked.
        headers.append(("X-Amz-Checksum-Sha256", Base64.encode(digest.bytes)))
        headers.append(("X-Amz-Sdk-Checksum-Algorithm", "SHA256"))
        if let lock = options.lock {
            let until = client.now.advanced(by: lock.retain)
            headers.append(("X-Amz-Object-Lock-Mode", lock.mode.rawValue.uppercased()))
            headers.append(
                ("X-Amz-Object-Lock-Retain-Until-Date", "\(until.text.prefix(19))Z"))
        }
        let request = SignatureV4.Request(
            method: "PUT", path: options.path(key), headers: headers, payload: digest)
        client.send(request, body, eventCount: count, ticket: ticket)
    }

    private func result(
        _ request: SentEvents, _ outcome: AWSClient.Outcome
    ) -> DeliveryResult {
        switch outcome {
        case .failure(let error):
            return .failure(error)
        case .success(let answer):
            // Every store that has taken an object names its entity tag; a portal does not.
            guard answer.status == 200, answer.headers["etag"] != nil else {
                let reason = "this is no answer to PutObject: \(answer.sentence)"
                return .failure(.retry(after: nil, reason: reason, code: .answer))
            }
            return Rejection.result(request.rejections)
        case .fault(let fault):
            let error = fault.refusal(
                eventCount: request.indices.count, readsEvents: false, at: client.now)
            return .failure(request.blaming(error))
        }
    }
}

/// The names of objects.
enum ObjectKey {
    /// `PREFIX` `STREAM` `/` `FIRST` `-` `LAST` `-` `DIGEST` `SUFFIX`, a function of the events.
    ///
    /// The numbers have sixteen digits, so keys of a stream sort by number. The digest is of all
    /// streams, numbers and leaves, so two batches with one key hold the same events.
    static func make(
        prefix: String, _ batch: DeliveryBatch, suffix: String
    ) -> String {
        var first: UInt64 = 0
        var last: UInt64 = 0
        var state = SHA256()
        batch.forEach { index, sealed, event in
            last = sealed.firstSequence + UInt64(event)
            if index == 0 { first = last }
            state.update(Array("\(sealed.stream)\n\(last)\n".utf8).span)
            state.update(sealed.events[event].leaf)
        }
        let digest = state.finish().hex().prefix(16)
        let stream = batch.parts.first?.batch.stream ?? ""
        return "\(prefix)\(stream)/\(padded(first))-\(padded(last))-\(digest)\(suffix)"
    }

    private static func padded(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 16 - digits.utf8.count)) + digits
    }
}
