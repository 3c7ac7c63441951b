// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct S3SinkTests {
    private let stored = FakeHTTPServer.Answer.reply(200, headers: ["ETag": "\"1\""])

    private func sink(
        _ server: FakeHTTPServer, _ more: String = "compression: none"
    ) throws -> any Sink {
        try Samples.sink(
            "{id: store, type: s3, endpoint: '\(server.endpoint)', region: eu-central-1, "
                + "bucket: audit, auth: {access_key_id: A, secret_access_key: s3cr3t, "
                + "session_token: t0k3n}, \(more)}")
    }

    private func failure(_ answer: FakeHTTPServer.Answer, _ count: Int) throws -> DeliveryError? {
        try Samples.failure(answer, count) { try sink($0) }
    }

    /// Delivers one batch and gives back the request that came.
    private func request(
        _ more: String, _ batch: DeliveryBatch = Samples.delivery(2)
    ) throws -> FakeHTTPServer.Request {
        let server = try FakeHTTPServer(always: stored)
        defer { server.stop() }
        let sink = try sink(server, more)
        defer { sink.close() }
        #expect(Samples.failure(sink, batch) == nil)
        return try #require(server.requests.first)
    }

    @Test func aRequestIsSignedOverItsBody() throws {
        let request = try request("compression: none")
        let digest = SHA256.digest(request.body)
        #expect(request.method == "PUT")
        #expect(request.headers["x-amz-content-sha256"] == digest.hex())
        #expect(request.headers["x-amz-checksum-sha256"] == Base64.encode(digest.bytes))
        #expect(request.headers["x-amz-security-token"] == "t0k3n")
        #expect(request.headers["content-type"] == "application/x-ndjson")
        #expect(request.headers["expect"] == nil)
        let signed =
            "content-type;host;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date;"
            + "x-amz-sdk-checksum-algorithm;x-amz-security-token"
        #expect(request.headers["authorization"]?.contains("SignedHeaders=\(signed), ") == true)
    }

    @Test func aRepeatHasTheSameKeyAndAnotherBatchAnother() throws {
        let keys = try [
            Samples.delivery(2), Samples.delivery(2), Samples.delivery(3),
            Samples.delivery(2, first: 1),
            Samples.delivery(4).selecting([0, 3]), Samples.delivery(4).selecting([0, 1, 3]),
        ].map { try request("compression: none", $0).path }
        #expect(keys[0] == keys[1])
        #expect(Set(keys).count == 5)
        let stream = "/audit/sealtail/\(Samples.stream)/"
        #expect(keys.allSatisfy { $0.hasPrefix(stream) && $0.hasSuffix(".ndjson") })
        #expect(keys[0].dropFirst(stream.count).prefix(34) == "0000000000000000-0000000000000001-")
        #expect(keys[4].dropFirst(stream.count).prefix(34) == "0000000000000000-0000000000000003-")
    }

    @Test func aBatchOfSeveralStreamsSaysSoInItsDigestAlone() {
        var other = Samples.batch([Samples.plain(0)])
        other.stream = "idp1.example.com/main/ffeeddccbbaa9988"
        let first = Samples.batch([Samples.plain(0)])
        let key = { (parts: [SealedBatch]) in
            ObjectKey.make(
                prefix: "", DeliveryBatch(parts: parts.map { .init(batch: $0, events: [0]) }),
                suffix: "")
        }
        #expect(key([first, other]).hasPrefix(Samples.stream))
        #expect(Set([key([first, other]), key([first, first]), key([other, first])]).count == 3)
    }

    @Test(arguments: [
        ("gzip", ".ndjson.gz", [0x1F, 0x8B]), ("zstd", ".ndjson.zst", [0x28, 0xB5]),
    ])
    func objectsAreCompressedAndNamedSo(name: String, suffix: String, magic: [UInt8]) throws {
        let batch = Samples.delivery(50)
        let request = try request("compression: \(name)", batch)
        #expect(request.path.hasSuffix(suffix))
        #expect(request.headers["content-type"] == "application/\(name)")
        #expect(request.headers["content-encoding"] == nil)
        #expect(Array(request.body.prefix(2)) == magic)
        var unpacked: [UInt8] = []
        let isGzip = name == "gzip"
        let decompressor = Decompressor(isGzip ? .gzip : .zstd)
        var at = 0
        while at < request.body.count {
            let step = try decompressor.decompress(
                request.body.span, from: at, room: 1 << 20, into: &unpacked)
            at += step.readCount
        }
        #expect(unpacked == Samples.lines(batch, .canonical))
    }

    @Test func headersSayHowObjectsAreKept() throws {
        let request = try request(
            "object_lock: {mode: compliance, retain: 365d}, server_side_encryption: kms, "
                + "kms_key_id: 'arn:aws:kms:x', storage_class: STANDARD_IA, prefix: 'a/b=c-'")
        #expect(request.path.hasPrefix("/audit/a/b%3Dc-\(Samples.stream)/"))
        #expect(request.headers["x-amz-object-lock-mode"] == "COMPLIANCE")
        let until = try #require(
            request.headers["x-amz-object-lock-retain-until-date"].flatMap {
                WrittenTime.internet($0)
            })
        let sent = try #require(request.headers["x-amz-date"])
        #expect(SignatureV4.time(until.advanced(by: .seconds(-365 * 86_400))) == sent)
        #expect(request.headers["x-amz-server-side-encryption"] == "aws:kms")
        #expect(
            request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:x")
        #expect(request.headers["x-amz-storage-class"] == "STANDARD_IA")
    }

    @Test func theBucketIsInTheHostWhereThatIsWanted() throws {
        let read = try #require(
            Samples.configuration("{id: s, type: s3, region: eu-central-1, bucket: audit}")
                .configuration)
        let options = try #require(read.options as? S3Options)
        #expect(options.endpoint?.host == "audit.s3.eu-central-1.amazonaws.com")
        #expect(options.path("a b") == "/a%20b")
        let pointed = try #require(
            Samples.configuration("{id: s, type: s3, region: eu-central-1, bucket: au.dit}")
                .configuration?.options as? S3Options)
        #expect(pointed.endpoint?.host == "s3.eu-central-1.amazonaws.com")
        #expect(pointed.path("a") == "/au.dit/a")
        #expect(pointed.path() == "/au.dit")
    }

    @Test(arguments: [
        FakeHTTPServer.Answer.reply(200, "<html>welcome</html>"), .reply(204), .reply(200),
        .reply(202, headers: ["ETag": "\"1\""]),
    ])
    func anAnswerWithoutAnEntityTagNeverDelivers(answer: FakeHTTPServer.Answer) throws {
        guard case .retry(_, _, .answer)? = try failure(answer, 1) else {
            Issue.record("taken for an answer")
            return
        }
    }

    @Test(arguments: [
        ("NoSuchBucket", 404, DeliveryCode.place), ("AccessDenied", 403, .authorization),
        ("InvalidRequest", 400, .place), ("SignatureDoesNotMatch", 403, .authorization),
        ("PermanentRedirect", 301, .place),
    ])
    func whatNeedsSomebodyToActIsAnAlarm(code: String, status: Int, expected: DeliveryCode) throws {
        let found = try failure(
            .reply(status, "<Error><Code>\(code)</Code><Message>no</Message></Error>"), 1)
        guard case .alarm(let reason, let code)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(code == expected)
        #expect(!reason.contains("s3cr3t") && !reason.contains("t0k3n"))
    }

    @Test(arguments: [
        ("SlowDown", 503), ("InternalError", 500), ("RequestTimeout", 400), ("BadDigest", 400),
    ])
    func whatPassesIsARetry(code: String, status: Int) throws {
        let found = try failure(.reply(status, "<Error><Code>\(code)</Code></Error>"), 3)
        guard case .retry? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
    }

    @Test func tooLargeIsSplitDownToTheEvent() throws {
        let answer = FakeHTTPServer.Answer.reply(400, "<Error><Code>EntityTooLarge</Code></Error>")
        guard case .split(_, .size)? = try failure(answer, 2) else {
            Issue.record("not split")
            return
        }
        guard case .partial([], let reject, nil)? = try failure(answer, 1) else {
            Issue.record("not rejected")
            return
        }
        #expect(reject.map(\.index) == [0])
    }

    @Test func anEventThatCannotBeRenderedIsRejectedAndTheOthersGo() throws {
        let server = try FakeHTTPServer(always: stored)
        defer { server.stop() }
        let bodies = ["x", Samples.plain(1), Samples.plain(2)]
        let batch = DeliveryBatch(batch: Samples.batch(bodies), events: [0, 1, 2])
        #expect(
            Samples.failure(try sink(server), batch)
                == .partial(retry: [], reject: [.unrenderable(0)], after: nil))
        #expect(server.requests.first?.body.filter { $0 == 0x0A }.count == 2)
    }

    @Test func theProbeListsAndStoresNothing() throws {
        let server = try FakeHTTPServer { request, number in
            number == 0
                ? .reply(200, "<ListBucketResult/>")
                : .reply(403, "<Error><Code>AccessDenied</Code></Error>")
        }
        defer { server.stop() }
        let sink = try sink(server, "object_lock: {mode: governance, retain: 1d}")
        #expect(sink.probe() == nil)
        #expect(server.requests.first?.method == "GET")
        #expect(
            server.requests.first?.path == "/audit?list-type=2&max-keys=1&prefix=sealtail%2F")
        let sentence = try #require(sink.probe()).sentence
        #expect(sentence.contains("s3:ListBucket on audit"))
        #expect(sentence.contains("s3:PutObject and s3:PutObjectRetention"))
    }

    @Test(arguments: [
        ("bucket: Audit", "bucket"), ("bucket: a", "bucket"), ("bucket: a..b", "bucket"),
        ("prefix: /a", "prefix"), ("prefix: a/../b", "prefix"), ("prefix: 'a b'", "prefix"),
        ("compression: lz4", "compression"), ("object_lock: {mode: governance}", "object_lock"),
        ("object_lock: {mode: forever, retain: 1d}", "object_lock"),
        ("object_lock: {mode: governance, retain: 1h}", "object_lock"),
        ("storage_class: cold", "storage_class"), ("kms_key_id: k", "kms_key_id"),
        ("server_side_encryption: rot13", "server_side_encryption"),
        ("log_group: g", "log_group"),
    ])
    func mistakesAreNamed(line: String, key: String) throws {
        let (_, problems) = Samples.configuration(
            """
            id: store
            type: s3
            region: eu-central-1
            \(line.hasPrefix("bucket") ? "" : "bucket: audit")
            \(line)
            """)
        #expect(!problems.isEmpty)
        #expect(problems.allSatisfy { $0.contains(key) }, "\(problems)")
    }
}
