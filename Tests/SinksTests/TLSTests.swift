// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What curl, OpenSSL and the configuration make of certificates, against `openssl s_server`.
@Suite(.enabled(if: OpenSSLCommand.isThere)) struct TLSTests {
    private func probe(_ port: Int, _ tls: String, host: String = "127.0.0.1") throws
        -> DeliveryError?
    {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: 'https://\(host):\(port)', tls: {\(tls)}}")
        #expect(problems == [])
        let options = try #require(read?.options as? ElasticsearchOptions)
        let client = try HTTPClient(sink: "siem", options.http, headers: [], inFlight: 1)
        defer { client.close() }
        client.get("/", ticket: 1)
        if case .failure(let error) = client.answer(to: 1) { return error }
        return nil
    }

    @Test func certificatesAreVerified() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeAuthority(folder, "other")
        try OpenSSLCommand.makeCertificate(folder, "receiver.example.org", signedBy: "ca")
        let server = try OpenSSLCommand.Server(folder, "receiver.example.org")
        defer { server.stop() }
        let (ca, other) = (folder("ca.pem"), folder("other.pem"))
        let name = "server_name: receiver.example.org"
        #expect(try probe(server.port, "ca_file: \(ca), \(name)") == nil)

        guard case .alarm(let reason, .tls)? = try probe(server.port, name) else {
            Issue.record("an unknown authority was trusted")
            return
        }
        #expect(reason.contains("certificate"))
        #expect(try probe(server.port, "ca_file: \(other), \(name)")?.code == .tls)
        #expect(try probe(server.port, "ca_file: \(ca)")?.code == .tls)
        #expect(
            try probe(server.port, "ca_file: \(ca), server_name: bad.example.org")?.code == .tls)
        #expect(try probe(server.port, "insecure_skip_verify: true") == nil)
    }

    @Test func aServerThatAsksForACertificateGetsIt() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeCertificate(folder, "receiver.example.org", signedBy: "ca")
        try OpenSSLCommand.makeCertificate(folder, "agent.example.org", signedBy: "ca")
        let server = try OpenSSLCommand.Server(
            folder, "receiver.example.org",
            ["-Verify", "1", "-verify_return_error", "-CAfile", folder("ca.pem")])
        defer { server.stop() }
        let trust = "ca_file: \(folder("ca.pem")), server_name: receiver.example.org"
        let identity =
            "cert_file: \(folder("agent.example.org.pem")), "
            + "key_file: \(folder("agent.example.org.key"))"
        #expect(try probe(server.port, "\(trust), \(identity)") == nil)
        // With TLS 1.3 the refusal comes when the client takes the connection for made.
        for version in ["-tls1_2", "-tls1_3"] {
            let strict = try OpenSSLCommand.Server(
                folder, "receiver.example.org",
                [version, "-Verify", "1", "-verify_return_error", "-CAfile", folder("ca.pem")])
            defer { strict.stop() }
            guard case .alarm(_, .tls)? = try probe(strict.port, trust) else {
                Issue.record("nobody is told of the missing certificate with \(version)")
                continue
            }
        }
        try folder.write("broken.key", "no key")
        let broken =
            "cert_file: \(folder("agent.example.org.pem")), "
            + "key_file: \(folder("broken.key"))"
        let error = #expect(throws: SinkError.self) {
            try probe(server.port, "\(trust), \(broken)")
        }
        #expect(error?.sentence.contains("holds no private key") == true)
    }

    @Test func aPinNamesTheKeyThatTheServerHas() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeCertificate(folder, "receiver.example.org", signedBy: "ca")
        let server = try OpenSSLCommand.Server(folder, "receiver.example.org")
        defer { server.stop() }
        let trust = "ca_file: \(folder("ca.pem")), server_name: receiver.example.org"
        let pin = try OpenSSLCommand.publicKeyDigest(folder, "receiver.example.org")
        let other = try OpenSSLCommand.publicKeyDigest(folder, "ca")
        #expect(try probe(server.port, "\(trust), pin_sha256: \(pin)") == nil)
        #expect(try probe(server.port, "\(trust), pin_sha256: [\(other), \(pin)]") == nil)
        for options in [trust, "insecure_skip_verify: true"] {
            guard
                case .alarm(_, .tls)? = try probe(server.port, "\(options), pin_sha256: \(other)")
            else {
                Issue.record("another key than the pinned one was taken with \(options)")
                continue
            }
        }
    }

    @Test func theFirstCertificateToExpireIsKnown() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        for (name, days) in [("receiver.example.org", 3), ("long", 9), ("short", 1)] {
            try OpenSSLCommand.makeCertificate(folder, name, signedBy: "ca", days: days)
        }
        let server = try OpenSSLCommand.Server(
            folder, "receiver.example.org", ["-CAfile", folder("ca.pem"), "-verify", "1"])
        defer { server.stop() }
        func expiry(_ identity: String) throws -> (Timestamp?, Timestamp?) {
            let (read, problems) = Samples.configuration(
                "{id: siem, type: elasticsearch, endpoint: 'https://127.0.0.1:\(server.port)', "
                    + "tls: {ca_file: \(folder("ca.pem")), server_name: receiver.example.org, "
                    + "cert_file: \(folder(identity + ".pem")), "
                    + "key_file: \(folder(identity + ".key"))}}")
            #expect(problems == [])
            let options = try #require(read?.options as? ElasticsearchOptions)
            let client = try HTTPClient(sink: "siem", options.http, headers: [], inFlight: 1)
            defer { client.close() }
            let before = client.condition.certificateExpiry
            client.get("/", ticket: 1)
            #expect(try client.answer(to: 1).get().status == 200)
            return (before, client.condition.certificateExpiry)
        }
        func end(_ name: String) throws -> Timestamp {
            try CertificateChain(
                pem: FileSystem.read(folder(name + ".pem"), byteLimit: 1 << 20)
            ).expiry
        }
        #expect(try expiry("long") == (end("long"), end("receiver.example.org")))
        #expect(try expiry("short") == (end("short"), end("short")))
    }

    @Test func olderVersionsOfTLSAreRefused() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeCertificate(folder, "receiver.example.org", signedBy: "ca")
        let server = try OpenSSLCommand.Server(
            folder, "receiver.example.org", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
        defer { server.stop() }
        #expect(try probe(server.port, "insecure_skip_verify: true")?.code == .tls)
    }

    @Test func aNameThatNobodyKnowsIsSaid() throws {
        let found = try probe(443, "insecure_skip_verify: true", host: "no-such-host.invalid")
        #expect(found?.code == .name)
        #expect(found?.sentence.contains("no-such-host.invalid") == true)
    }
}
