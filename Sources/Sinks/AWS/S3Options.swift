// SPDX-License-Identifier: Apache-2.0
import Platform

/// What may be written about a sink of type `s3` beside the keys of all sinks.
struct S3Options: SinkOptions {
    static let keys =
        AWSOptions.keys + [
            "bucket", "prefix", "compression", "path_style", "object_lock", "storage_class",
            "server_side_encryption", "kms_key_id",
        ]

    /// How the service is reached.
    let aws: AWSOptions
    /// The bucket.
    let bucket: String
    /// What every key begins with.
    let prefix: String
    /// How objects are compressed.
    let compression: Compression
    /// True when the bucket is named in the path and not in the host.
    let usesPathStyle: Bool
    /// Until when nobody may delete an object.
    let lock: Lock?
    /// Header lines that are the same for all objects.
    let fixedHeaders: [(name: String, value: String)]

    /// How objects are compressed.
    enum Compression: String, CaseIterable {
        case gzip, zstd, none

        /// What a key ends with, and what the object is.
        var names: (suffix: String, mediaType: String) {
            switch self {
            case .gzip: (".ndjson.gz", "application/gzip")
            case .zstd: (".ndjson.zst", "application/zstd")
            case .none: (".ndjson", "application/x-ndjson")
            }
        }
    }

    /// Until when nobody may delete an object.
    struct Lock {
        /// As the header `x-amz-object-lock-mode` says it.
        let mode: Mode
        /// How long from the moment the object is sent.
        let retain: Duration

        enum Mode: String, CaseIterable {
            case governance, compliance
        }
    }

    private enum Encryption: String, CaseIterable {
        case aes256, kms
    }

    /// The longest prefix; a key may have 1024 bytes.
    static let prefixByteLimit = 512
    /// How long objects may be locked.
    static let lockTime = Duration.seconds(86_400)...Duration.seconds(100 * 366 * 86_400)

    init(reading reader: inout ConfigurationReader) {
        aws = AWSOptions(reading: &reader, service: "s3")
        let bucket = S3Options.readBucket(&reader)
        self.bucket = bucket
        prefix = S3Options.readPrefix(&reader)
        compression = reader.choice("compression", default: .gzip)
        // A certificate for *.s3.REGION.amazonaws.com does not cover a name with a point in it.
        usesPathStyle = reader.bool(
            "path_style", default: aws.isEndpointWritten || bucket.utf8.contains(0x2E))
        lock = S3Options.readLock(&reader)
        fixedHeaders = S3Options.readHeaders(&reader)
    }

    var tls: TLSOptions? { aws.http.tls }

    var answerTime: Duration { aws.http.timeout }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        aws.http.memoryByteLimit(batch: batch, inFlight: inFlight)
    }

    /// The endpoint that requests go to.
    var endpoint: Endpoint? {
        guard var endpoint = aws.http.endpoint else { return nil }
        if !usesPathStyle { endpoint.host = "\(bucket).\(endpoint.host)" }
        return endpoint
    }

    /// The path of a key, or of the bucket itself, as it is sent.
    func path(_ key: String = "") -> String {
        let key = PercentEncoding.encode(key, keeping: "/")
        guard usesPathStyle else { return "/" + key }
        return key.isEmpty ? "/\(bucket)" : "/\(bucket)/\(key)"
    }

    private static func readBucket(_ reader: inout ConfigurationReader) -> String {
        let bucket = reader.requiredString("bucket")
        guard !bucket.isEmpty else { return bucket }
        let isPlain = bucket.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || "-.".utf8.contains(byte)
        }
        let ends = [bucket.utf8.first, bucket.utf8.last]
        if !isPlain || !(3...63).contains(bucket.utf8.count) || bucket.contains("..")
            || ends.contains(where: { $0 == 0x2D || $0 == 0x2E })
        {
            reader.problem(
                "bucket",
                "must be 3 to 63 of a-z, 0-9, . and -, beginning and ending with a letter or "
                    + "digit, is \"\(bucket)\"")
        }
        return bucket
    }

    private static func readPrefix(_ reader: inout ConfigurationReader) -> String {
        let prefix = reader.string("prefix", default: "sealtail/")
        let isPlain = prefix.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || "/!-_.*'()=".utf8.contains(byte)
        }
        let parts = prefix.split(separator: "/", omittingEmptySubsequences: false)
        let isClear =
            !prefix.hasPrefix("/") && !parts.contains(".") && !parts.contains("..")
            && !prefix.contains("//")
        if !isPlain || !isClear || prefix.utf8.count > prefixByteLimit {
            reader.problem(
                "prefix",
                "must be up to \(prefixByteLimit) of a-z, A-Z, 0-9 and / ! - _ . * ' ( ) =, "
                    + "without a slash in front and without . or .. between slashes, is "
                    + "\"\(prefix)\"")
        }
        return prefix
    }

    private static func readLock(_ reader: inout ConfigurationReader) -> Lock? {
        guard var child = reader.child("object_lock") else { return nil }
        defer { child.finish() }
        let mode = child.choice("mode", of: Lock.Mode.self)
        if mode == nil, child.node("mode") == nil {
            child.problem("mode", "must be set: governance or compliance")
        }
        let retain = child.duration("retain", in: lockTime)
        if retain == nil, child.node("retain") == nil {
            child.problem("retain", "must be set, for example to 365d")
        }
        guard let mode, let retain else { return nil }
        return Lock(mode: mode, retain: retain)
    }

    private static func readHeaders(
        _ reader: inout ConfigurationReader
    ) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let storage = reader.string("storage_class") {
            let isWord = storage.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x5F }
            if !isWord || !(1...64).contains(storage.utf8.count) {
                reader.problem(
                    "storage_class", "must look like STANDARD_IA, is \"\(storage)\"")
            }
            headers.append(("X-Amz-Storage-Class", storage))
        }
        let encryption = reader.choice("server_side_encryption", of: Encryption.self)
        switch encryption {
        case .aes256: headers.append(("X-Amz-Server-Side-Encryption", "AES256"))
        case .kms: headers.append(("X-Amz-Server-Side-Encryption", "aws:kms"))
        case nil: break
        }
        if let key = reader.string("kms_key_id") {
            if encryption != .kms {
                reader.problem(
                    "kms_key_id", "goes with server_side_encryption: kms only; leave it out")
            }
            if key.isEmpty || !key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
                reader.problem("kms_key_id", "must be the id or the ARN of a key")
            }
            headers.append(("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", key))
        }
        return headers
    }
}
