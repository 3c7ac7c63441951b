// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

/// Where credentials come from, played by a server on loopback.
@Suite struct AWSClientTests {
    private static let stored = FakeHTTPServer.Answer.reply(200, "{}")

    private func document(_ id: String) -> String {
        "{\"AccessKeyId\":\"\(id)\",\"SecretAccessKey\":\"s3cr3t\",\"Token\":\"token-\(id)\","
            + "\"Expiration\":\"2099-01-01T00:00:00Z\"}"
    }

    private func sink(
        _ service: FakeHTTPServer, _ environment: [String: String]
    ) throws -> CloudWatchLogsSink {
        let (read, problems) = Samples.configuration(
            "{id: cloud, type: cloudwatch_logs, endpoint: '\(service.endpoint)', "
                + "region: eu-central-1, log_group: g}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? CloudWatchLogsOptions)
        return try CloudWatchLogsSink(
            configuration, options, environment: { environment[$0] })
    }

    private func keys(_ server: FakeHTTPServer) -> [String] {
        server.requests.map {
            let words = ($0.headers["authorization"] ?? "").split(separator: "=")
            return words.count > 1 ? String(words[1].prefix { $0 != "/" }) : ""
        }
    }

    @Test func anInstanceIsAskedWithASession() throws {
        let service = try FakeHTTPServer(always: Self.stored)
        let metadata = try FakeHTTPServer { [document = document("I")] request, _ in
            switch (request.method, request.path) {
            case ("PUT", "/latest/api/token"):
                return .reply(
                    request.headers["x-aws-ec2-metadata-token-ttl-seconds"] == nil ? 400 : 200,
                    "session-1")
            case _ where request.headers["x-aws-ec2-metadata-token"] != "session-1":
                return .reply(401)
            case ("GET", "/latest/meta-data/iam/security-credentials/"):
                return .reply(200, "audit-role\n")
            case ("GET", "/latest/meta-data/iam/security-credentials/audit-role"):
                return .reply(200, document)
            default: return .reply(404)
            }
        }
        defer {
            service.stop()
            metadata.stop()
        }
        let sink = try sink(service, ["AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.endpoint])
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(keys(service) == ["I", "I"])
        #expect(service.requests.first?.headers["x-amz-security-token"] == "token-I")
        #expect(metadata.requests.count == 3)
        #expect(metadata.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test func aContainersServiceIsAskedWithTheTokenOfAFile() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/token"
        try FileSystem.write(path, Array("pod-token\n".utf8).span)
        let service = try FakeHTTPServer(always: Self.stored)
        let metadata = try FakeHTTPServer { [document = document("C")] request, _ in
            let isGood =
                request.headers["authorization"] == "pod-token" && request.path == "/v1/x?a=b"
            return isGood ? .reply(200, document) : .reply(403)
        }
        defer {
            service.stop()
            metadata.stop()
        }
        let sink = try sink(
            service,
            [
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.endpoint + "/v1/x?a=b",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path,
            ])
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(keys(service) == ["C"])
    }

    @Test func aWebIdentityIsExchangedForARole() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/token"
        try FileSystem.write(path, Array("a.b=c".utf8).span)
        let service = try FakeHTTPServer(always: Self.stored)
        let tokens = try FakeHTTPServer(
            always: .reply(
                200,
                "<Credentials><AccessKeyId>W</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                    + "<SessionToken>t</SessionToken></Credentials>"))
        defer {
            service.stop()
            tokens.stop()
        }
        let sink = try sink(
            service,
            [
                "AWS_WEB_IDENTITY_TOKEN_FILE": path, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
                "AWS_ENDPOINT_URL_STS": tokens.endpoint,
            ])
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(keys(service) == ["W"])
        let request = try #require(tokens.requests.first)
        #expect(request.headers["authorization"] == nil)
        #expect(request.headers["content-type"] == "application/x-www-form-urlencoded")
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
                + "&RoleSessionName=sealtail&Version=2011-06-15&WebIdentityToken=a.b%3Dc")
    }

    @Test func aFileComesBeforeAServiceAndIsReadAgainWhenItsKeyIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/credentials"
        let write = { (id: String) in
            try FileSystem.write(
                path,
                Array("[default]\naws_access_key_id=\(id)\naws_secret_access_key=s\n".utf8).span)
        }
        try write("OLD")
        let service = try FakeHTTPServer { request, _ in
            let isOld = request.headers["authorization"]?.contains("Credential=OLD/") == true
            return isOld
                ? .reply(400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}")
                : Self.stored
        }
        defer { service.stop() }
        let sink = try sink(service, ["AWS_SHARED_CREDENTIALS_FILE": path])
        #expect(sink.probe()?.code == .authorization)
        try write("NEW")
        // What was refused is not used again, and the file is read at once.
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(keys(service) == ["OLD", "NEW"])
    }

    @Test func credentialsThatStayRefusedAreARetryOnceAndThenAnAlarm() throws {
        let service = try FakeHTTPServer(
            always: .reply(400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}"))
        defer { service.stop() }
        let sink = try sink(
            service, ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s3cr3t"])
        guard case .retry(nil, _, .authorization)? = Samples.failure(sink, Samples.delivery(1))
        else {
            Issue.record("no retry")
            return
        }
        guard case .alarm(let reason, .authorization)? = Samples.failure(sink, Samples.delivery(1))
        else {
            Issue.record("no alarm")
            return
        }
        #expect(!reason.contains("s3cr3t"))
    }

    @Test func withoutCredentialsNothingIsSentAndEveryPlaceIsNamed() throws {
        let service = try FakeHTTPServer(always: Self.stored)
        defer { service.stop() }
        let sink = try sink(
            service,
            ["HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"])
        guard case .alarm(let reason, .authorization)? = Samples.failure(sink, Samples.delivery(1))
        else {
            Issue.record("no alarm")
            return
        }
        #expect(reason.contains("/nonexistent/.aws/credentials"))
        #expect(service.requests.isEmpty)
    }

    @Test(arguments: [
        (FakeHTTPServer.Answer.reply(500, "s3cr3t"), true), (.close, true),
        (.reply(404, "s3cr3t"), false), (.reply(200, "s3cr3t"), false),
        (.reply(200, "{\"Code\":\"Failed\",\"Message\":\"s3cr3t\"}"), false),
    ])
    func aServiceThatDoesNotLendSaysNothingOfWhatItHolds(
        answer: FakeHTTPServer.Answer, isPassing: Bool
    ) throws {
        let service = try FakeHTTPServer(always: Self.stored)
        let metadata = try FakeHTTPServer(always: answer)
        defer {
            service.stop()
            metadata.stop()
        }
        let sink = try sink(
            service, ["AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.endpoint + "/x"])
        let found = try #require(Samples.failure(sink, Samples.delivery(1)))
        #expect(!found.sentence.contains("s3cr3t"))
        if case .retry = found { #expect(isPassing) } else { #expect(!isPassing) }
        #expect(found.code == .authorization)
    }

    @Test func batchesThatComeBeforeTheCredentialsWaitForThem() throws {
        let gate = Monitor(false)
        let service = try FakeHTTPServer(always: Self.stored)
        let metadata = try FakeHTTPServer { [document = document("C")] _, _ in
            _ = gate.wait(timeout: .seconds(20)) { $0 ? true : nil }
            return .reply(200, document)
        }
        defer {
            service.stop()
            metadata.stop()
        }
        let sink = try sink(
            service, ["AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.endpoint + "/x"])
        for ticket in 0..<3 {
            sink.deliver(Samples.delivery(1, first: ticket), ticket: UInt64(ticket))
        }
        #expect(sink.outcomes(waitingAtMost: .milliseconds(10)).isEmpty)
        #expect(service.requests.isEmpty)
        gate.update { $0 = true }
        var open: Set<UInt64> = [0, 1, 2]
        for _ in 0..<20 where !open.isEmpty {
            for (ticket, result) in sink.outcomes(waitingAtMost: .seconds(1)) {
                if case .success = result { open.remove(ticket) }
            }
        }
        #expect(open.isEmpty)
        #expect(metadata.requests.count == 1)
    }

    @Test func halfASourceIsAMistakeAtTheStart() throws {
        let service = try FakeHTTPServer(always: Self.stored)
        defer { service.stop() }
        #expect(throws: SinkError.self) { try sink(service, ["AWS_ACCESS_KEY_ID": "A"]) }
    }
}
