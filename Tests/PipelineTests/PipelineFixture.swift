// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Sealing
import Sinks
import Testing

@testable import Pipeline

/// What several tests of the pipeline need: a parser, a key, a configuration.
enum PipelineFixture {
    /// The repository, found from this file.
    static let root: String = {
        var folder = #filePath
        for _ in 0..<3 { folder = FileSystem.folder(of: folder) }
        return folder
    }()

    /// Events of one byte each, sealed for a sink `s`, to be delivered.
    static func delivery(_ count: Int) -> DeliveryBatch {
        let events = (0..<count).map {
            SealedEvent(
                end: $0 + 1, leaf: .zero, action: .loginFailed, severity: .low, sinkBits: 1)
        }
        let sealed = SealedBatch(
            stream: "a/main/0000000000000000", keyID: 0, sinks: ["s"],
            bodies: [UInt8](repeating: 0x7B, count: count), events: events, groups: [],
            positions: [], head: .zero)
        return DeliveryBatch(batch: sealed, events: Array(0..<count))
    }

    /// The parsers that are shipped.
    static let library = ParserLibrary.load(
        directories: [root + "/parsers"], only: ["keycloak"],
        problems: ConfigurationProblems())

    /// A key of its own.
    static let key: SigningKey = makeKey()

    /// Another key with the same name.
    static func makeKey() -> SigningKey {
        guard let key = try? SigningKey.generate(name: "idp1.example.com") else { bug("no key") }
        return key
    }

    /// A plan for the input `idp`.
    static func plan(_ generation: UInt64 = 0) -> InputPlan {
        guard let parser = library.outline(named: "keycloak") else { bug("no parser") }
        let privacy = PrivacyPolicy(
            key: Secret([UInt8](repeating: 0, count: PrivacyPolicy.keyByteCount)))
        return InputPlan(
            id: "idp", parsers: [parser],
            context: ParseContext(timezone: .utc, labels: [:], tenant: nil, privacy: privacy),
            generation: generation)
    }

    /// A configuration, which must have no mistake.
    static func configuration(_ text: String) -> AgentConfiguration {
        let problems = ConfigurationProblems()
        let node = ConfigurationLoader.parse(
            Array(text.utf8), file: "agent.yaml", problems: problems)
        guard let node else { bug("no YAML: \(problems.list)") }
        let configuration = AgentConfiguration(
            reading: node, hostName: "host.example.com", problems: problems)
        if !problems.isEmpty { bug("mistakes: \(problems.list)") }
        return configuration
    }
}

/// A clock that stands still until a test moves it.
final class FakeClock: TimeSource {
    private let state: Monitor<(now: Timestamp, monotonic: MonotonicInstant)>

    init(at seconds: Int64 = 0) {
        state = Monitor(
            (
                Timestamp(microseconds: seconds * 1_000_000),
                MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
            ))
    }

    func now() -> Timestamp { state.withLock { $0.now } }
    func monotonic() -> MonotonicInstant { state.withLock { $0.monotonic } }

    /// Lets time pass.
    func advance(by duration: Duration) {
        state.withLock { $0.monotonic = $0.monotonic.advanced(by: duration) }
    }
}
