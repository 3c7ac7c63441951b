// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// A receiver of syslog on loopback.
final class SyslogReceiver: ContractReceiver {
    private let transport: String
    private let server: FakeStreamServer
    private let behaviour: Shared
    private let clock = PacedClock()
    private let tls: Certificates?

    /// What the server asks for each connection.
    private final class Shared: Sendable {
        private let value = Monitor(ReceiverBehaviour.take)
        func set(_ new: ReceiverBehaviour) { value.withLock { $0 = new } }
        var stream: FakeStreamServer.Behaviour {
            switch value.withLock({ $0 }) {
            case .reset: .reset(after: 1)
            case .halfClose: .halfClose(after: 1)
            case .beSlow: .readSlowly
            default: .read
            }
        }
    }

    /// Whom both sides trust; made once, because it takes a while.
    private struct Certificates: Sendable {
        let folder: TemporaryFolder
        static let shared = Result { try Certificates() }

        private init() throws {
            folder = try TemporaryFolder()
            try OpenSSLCommand.makeAuthority(folder, "ca")
            try OpenSSLCommand.makeCertificate(folder, "logs.example.org", signedBy: "ca")
        }
    }

    init(_ transport: String) throws {
        let behaviour = Shared()
        self.behaviour = behaviour
        self.transport = transport
        tls = transport == "tls" ? try Certificates.shared.get() : nil
        if transport == "udp" {
            server = try FakeStreamServer.datagrams()
        } else {
            let identity = try tls.map { tls in
                try TLSServer(
                    certificate: tls.folder("logs.example.org.pem"),
                    key: tls.folder("logs.example.org.key"), clientAuthorities: nil)
            }
            server = try FakeStreamServer(identity) { _ in behaviour.stream }
        }
    }

    func makeSink(_ format: SinkFormat, isImpatient: Bool) throws -> any Sink {
        let trust = tls.map { tls in
            ", tls: {ca_file: \(tls.folder("ca.pem")), server_name: logs.example.org}"
        }
        let (read, problems) = Samples.configuration(
            "{id: logs, type: syslog, transport: \(transport), format: \(format.rawValue), "
                + "endpoint: '127.0.0.1:\(server.port)', max_message_bytes: 8KiB\(trust ?? "")}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? SyslogOptions)
        return try SyslogSink(configuration, options, clock: clock)
    }

    func behave(_ new: ReceiverBehaviour) throws {
        behaviour.set(new)
        switch new {
        case .beAway:
            server.stop()
        default:
            server.stop()
            try server.comeBack()
        }
        // What breaks a connection comes before the time is up in which it counts as whole.
        switch new {
        case .reset, .halfClose, .beAway: clock.setPace(0.01)
        default: clock.setPace(PacedClock.usual)
        }
    }

    func arrived(_ count: Int) -> [String] {
        let clock = SystemClock()
        let deadline = clock.monotonic().advanced(by: .seconds(20))
        while messages.count < count, clock.monotonic() < deadline {
            _ = server.waitForBytes(server.received.count + 1, atMost: .milliseconds(50))
        }
        return messages
    }

    func stop() { server.stop() }

    private var messages: [String] {
        let whole =
            transport == "udp" ? server.datagrams : server.streams.flatMap { Self.frames($0) }
        return whole.map { message in
            let text = String(decoding: message, as: UTF8.self)
            let starts = ["{\"", "CEF:", "LEEF:"].compactMap { text.firstRange(of: $0) }
            return String(text[(starts.map(\.lowerBound).min() ?? text.startIndex)...])
        }
    }

    /// Octet counting: the length, a space, the message. What was cut off is left out.
    private static func frames(_ bytes: [UInt8]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var at = 0
        while let space = bytes[at...].firstIndex(of: 0x20),
            let count = Int(String(decoding: bytes[at..<space], as: UTF8.self)),
            space + 1 + count <= bytes.count
        {
            found.append(Array(bytes[space + 1..<space + 1 + count]))
            at = space + 1 + count
        }
        return found
    }
}

/// A clock that goes faster or slower than the machine's.
final class PacedClock: TimeSource {
    /// What a sink waits for without a need takes less time.
    static let usual = 5.0

    private struct Pace: Sendable {
        var factor = PacedClock.usual
        var since = SystemClock().monotonic()
        var past = Duration.zero

        func passed(at now: MonotonicInstant) -> Duration {
            past + now.duration(since: since) * factor
        }
    }

    private let start = SystemClock().monotonic()
    private let pace = Monitor(Pace())

    /// Goes on at another pace.
    func setPace(_ factor: Double) {
        let now = SystemClock().monotonic()
        pace.withLock { pace in
            pace.past = pace.passed(at: now)
            pace.since = now
            pace.factor = factor
        }
    }

    func now() -> Timestamp { SystemClock().now() }

    func monotonic() -> MonotonicInstant {
        let now = SystemClock().monotonic()
        return start.advanced(by: pace.withLock { $0.passed(at: now) })
    }
}
