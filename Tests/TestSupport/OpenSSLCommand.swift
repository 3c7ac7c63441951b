// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

/// The openssl command as a maker of throw-away certificates and as a server.
public enum OpenSSLCommand {
    /// Where it is looked for.
    public static let path = "/usr/bin/openssl"
    /// Whether it is installed.
    public static var isThere: Bool { FileSystem.exists(path) }

    /// Makes `NAME.pem` and `NAME.key` of an authority.
    public static func makeAuthority(_ folder: TemporaryFolder, _ name: String) throws {
        try run(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "60", "-subj", "/CN=\(name) authority", "-keyout", folder("\(name).key"),
                "-out", folder("\(name).pem"),
            ])
    }

    /// Makes `NAME.pem` and `NAME.key` of a server or client, valid for so many days.
    public static func makeCertificate(
        _ folder: TemporaryFolder, _ name: String, signedBy authority: String, days: Int = 2
    ) throws {
        try run(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "\(days)", "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)",
                "-addext", "basicConstraints=critical,CA:FALSE",
                "-CA", folder("\(authority).pem"), "-CAkey", folder("\(authority).key"),
                "-keyout", folder("\(name).key"), "-out", folder("\(name).pem"),
            ])
    }

    /// The SHA-256 of the public key of `NAME.pem`, in base64, as a pin has it.
    public static func publicKeyDigest(_ folder: TemporaryFolder, _ name: String) throws -> String {
        try run([
            "pkey", "-in", folder("\(name).key"), "-pubout", "-outform", "DER",
            "-out", folder("\(name).der"),
        ])
        let bytes = try FileSystem.read(folder("\(name).der"), byteLimit: 1 << 16)
        return Base64.encode(SHA256.digest(bytes).bytes)
    }

    /// Runs the command; throws when it does not end well.
    public static func run(_ arguments: [String]) throws {
        try run(path, arguments)
    }

    /// Runs another command; throws when it does not end well.
    public static func run(_ path: String, _ arguments: [String]) throws {
        let process = try start(path, arguments)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        guard status == 0 else { throw SystemError(call: "run", path: path, number: EINVAL) }
    }

    fileprivate static func start(_ path: String, _ arguments: [String]) throws -> pid_t {
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
    public final class Server {
        /// The port it listens on.
        public let port: Int
        private let process: pid_t

        /// Starts it with a certificate of the folder; ends when it listens.
        public init(_ folder: TemporaryFolder, _ name: String, _ more: [String] = []) throws {
            // Below the range from which the kernel gives ports to the other tests.
            port = Int.random(in: 15_000..<30_000)
            process = try OpenSSLCommand.start(
                OpenSSLCommand.path,
                [
                    "s_server", "-accept", "127.0.0.1:\(port)", "-cert", folder("\(name).pem"),
                    "-key", folder("\(name).key"), "-www", "-quiet",
                ] + more)
            try waitUntilItListens()
        }

        /// Ends it.
        public func stop() {
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
