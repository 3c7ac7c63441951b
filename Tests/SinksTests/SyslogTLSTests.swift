// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What the syslog sink makes of certificates, on its side and on the receiver's.
@Suite(.enabled(if: OpenSSLCommand.isThere)) struct SyslogTLSTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeCertificate(folder, "logs.example.org", signedBy: "ca")
    }

    private func server(demandsCertificate: Bool = false) throws -> FakeStreamServer {
        let tls = try TLSServer(
            certificate: folder("logs.example.org.pem"), key: folder("logs.example.org.key"),
            clientAuthorities: demandsCertificate ? folder("ca.pem") : nil)
        return try FakeStreamServer(tls) { _ in .read }
    }

    private func sink(
        _ server: FakeStreamServer, _ tls: String, _ clock: any TimeSource = SystemClock()
    ) throws -> any Sink {
        let (read, problems) = Samples.configuration(
            "{id: logs, type: syslog, transport: tls, endpoint: '127.0.0.1:\(server.port)', "
                + "tls: {\(tls)}}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? SyslogOptions)
        return try SyslogSink(configuration, options, clock: clock)
    }

    private var trust: String { "ca_file: \(folder("ca.pem")), server_name: logs.example.org" }

    @Test func theFarewellIsSaid() throws {
        let server = try server()
        defer { server.stop() }
        let sink = try sink(server, trust)
        #expect(Samples.failure(sink, Samples.delivery(3)) == nil)
        sink.close()
        #expect(server.waitForEnds(1))
        // With a close_notify; a connection that is just cut is another end.
        #expect(server.ends == ["end"])
    }

    @Test func certificatesAreVerified() throws {
        let server = try server()
        defer { server.stop() }
        try OpenSSLCommand.makeAuthority(folder, "other")
        let (ca, other) = (folder("ca.pem"), folder("other.pem"))
        for (tls, words) in [
            ("ca_file: \(other), server_name: logs.example.org", "certificate"),
            ("server_name: logs.example.org", "certificate"),
            ("ca_file: \(ca), server_name: bad.example.org", "hostname mismatch"),
            ("ca_file: \(ca)", "IP address mismatch"),
        ] {
            guard
                case .alarm(let reason, .tls)? = Samples.failure(
                    try sink(server, tls), Samples.delivery(1))
            else {
                Issue.record("trusted with \(tls)")
                continue
            }
            #expect(reason.contains(words))
            #expect(try sink(server, tls).probe()?.code == .tls)
        }
        #expect(server.received == [])
        #expect(
            Samples.failure(try sink(server, "insecure_skip_verify: true"), Samples.delivery(1))
                == nil)
    }

    @Test func withoutTheCertificateThatIsDemandedNothingCountsAsDelivered() throws {
        let server = try server(demandsCertificate: true)
        defer { server.stop() }
        // However late the alert is, it comes before the time is up.
        let sink = try sink(server, trust, SlowClock())
        guard case .alarm(let reason, .tls)? = Samples.failure(sink, Samples.delivery(5)) else {
            Issue.record("delivered to a server that let nobody in")
            return
        }
        #expect(reason.contains("set tls.cert_file"))
        #expect(sink.probe()?.code == .tls)
        #expect(server.received == [])
    }

    @Test func aRenewedCertificateIsUsedByANewConnectionAndADamagedOneIsNot() throws {
        let server = try server(demandsCertificate: true)
        defer { server.stop() }
        try OpenSSLCommand.makeAuthority(folder, "other")
        try OpenSSLCommand.makeCertificate(folder, "agent.example.org", signedBy: "other")
        let clock = LeapingClock()
        let sink = try sink(
            server,
            "\(trust), cert_file: \(folder("agent.example.org.pem")), "
                + "key_file: \(folder("agent.example.org.key"))", clock)
        #expect(Samples.failure(sink, Samples.delivery(1))?.code == .tls)
        try OpenSSLCommand.makeCertificate(folder, "agent.example.org", signedBy: "ca")
        clock.leap(TLSMaterial.interval)
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(server.waitForBytes(1))
        #expect(sink.condition.certificateExpiry != nil)
        // The connection that stands is given up for the sake of another renewal.
        let before = server.connectionCount
        try OpenSSLCommand.makeCertificate(folder, "agent.example.org", signedBy: "ca")
        clock.leap(TLSMaterial.interval)
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(server.connectionCount == before + 1)
        #expect(server.waitForEnds(before))
        // What cannot be used is not, and that is said.
        try folder.write("agent.example.org.key", "no key")
        for _ in 0..<2 {
            clock.leap(TLSMaterial.interval)
            #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        }
        #expect(sink.condition.problem?.contains("agent.example.org.key") == true)
        #expect(server.connectionCount == before + 1)
    }

    @Test func aPinLetsOneKeyInAndNoOther() throws {
        let server = try server()
        defer { server.stop() }
        let wrong = Base64.encode([UInt8](repeating: 7, count: 32))
        guard
            case .alarm(let reason, .tls)? = Samples.failure(
                try sink(server, "\(trust), pin_sha256: '\(wrong)'"), Samples.delivery(1))
        else {
            Issue.record("a key that is no pin was let in")
            return
        }
        #expect(reason.contains("none of the pins"))
        #expect(server.received == [])
        let right = try OpenSSLCommand.publicKeyDigest(folder, "logs.example.org")
        let pinned = try sink(server, "\(trust), pin_sha256: ['\(wrong)', '\(right)']")
        #expect(Samples.failure(pinned, Samples.delivery(1)) == nil)
    }

    @Test func aReceiverWithoutTLSIsNotTalkedTo() throws {
        let server = try FakeStreamServer { _ in .close(after: 1) }
        defer { server.stop() }
        let error = Samples.failure(try sink(server, trust), Samples.delivery(1))
        #expect(error != nil)
        #expect(!String(decoding: server.received, as: UTF8.self).contains("LoginSucceeded"))
    }
}
