// SPDX-License-Identifier: Apache-2.0
import Glibc
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
        let sink = try SinkCatalog.make(try #require(read))
        defer { sink.close() }
        return sink.probe()
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
        #expect(try probe(server.port, trust) != nil)
        try folder.write("broken.key", "no key")
        let broken =
            "cert_file: \(folder("agent.example.org.pem")), "
            + "key_file: \(folder("broken.key"))"
        #expect(try probe(server.port, "\(trust), \(broken)")?.code == .tls)
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

/// The openssl command as a maker of throw-away certificates and as a server.
private enum OpenSSLCommand {
    static let path = "/usr/bin/openssl"
    static var isThere: Bool { FileSystem.exists(path) }

    static func makeAuthority(_ folder: TemporaryFolder, _ name: String) throws {
        try run(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=\(name) authority", "-keyout", folder("\(name).key"),
                "-out", folder("\(name).pem"),
            ])
    }

    static func makeCertificate(
        _ folder: TemporaryFolder, _ name: String, signedBy authority: String
    ) throws {
        try run(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)",
                "-addext", "basicConstraints=critical,CA:FALSE",
                "-CA", folder("\(authority).pem"), "-CAkey", folder("\(authority).key"),
                "-keyout", folder("\(name).key"), "-out", folder("\(name).pem"),
            ])
    }

    private static func run(_ arguments: [String]) throws {
        let process = try start(arguments)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        #expect(status == 0, "openssl \(arguments.joined(separator: " "))")
    }

    fileprivate static func start(_ arguments: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var texts: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        texts.append(nil)
        defer { for text in texts { free(text) } }
        var process: pid_t = 0
        guard posix_spawn(&process, path, &actions, nil, texts, environ) == 0 else {
            throw SystemError(call: "start", path: path)
        }
        return process
    }

    /// `openssl s_server` on loopback, which answers every GET with a page about itself.
    final class Server {
        let port: Int
        private let process: pid_t

        init(_ folder: TemporaryFolder, _ name: String, _ more: [String] = []) throws {
            // Below the range from which the kernel gives ports to the other tests.
            port = Int.random(in: 15_000..<30_000)
            process = try OpenSSLCommand.start(
                [
                    "s_server", "-accept", "127.0.0.1:\(port)", "-cert", folder("\(name).pem"),
                    "-key", folder("\(name).key"), "-www", "-quiet",
                ] + more)
            try waitUntilItListens()
        }

        func stop() {
            kill(process, SIGKILL)
            var status: Int32 = 0
            waitpid(process, &status, 0)
        }

        private func waitUntilItListens() throws {
            let wanted = ":" + hex(port) + " "
            for _ in 0..<200 {
                let table = try FileSystem.read("/proc/net/tcp", byteLimit: 1 << 24)
                let text = String(decoding: table, as: UTF8.self)
                if text.contains("0100007F\(wanted)00000000:0000 0A") { return }
                usleep(20_000)
            }
            throw SystemError(call: "listen", path: OpenSSLCommand.path, number: ETIMEDOUT)
        }

        private func hex(_ port: Int) -> String {
            let digits = String(port, radix: 16, uppercase: true)
            return String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
}
