// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

@testable import Ledger

/// Random numbers that a seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A clock that stands still until it is moved.
final class StandingClock: TimeSource {
    private let microseconds = Monitor<Int64>(1_795_258_927_000_000)

    func now() -> Timestamp { Timestamp(microseconds: microseconds.withLock { $0 }) }
    func monotonic() -> MonotonicInstant {
        MonotonicInstant(nanoseconds: microseconds.withLock { $0 } * 1000)
    }

    func move(_ duration: Duration) {
        microseconds.withLock { $0 += duration.wholeNanoseconds / 1000 }
    }
}

/// Makes sealed batches whose numbers go on, as the sealer does.
struct BatchMaker {
    var generator: SeededGenerator
    var stream = "idp1.example.com/main/0123456789abcdef"
    var next: UInt64 = 0
    var head = Digest.zero
    var sinks = ["siem", "archive"]
    // Letters one by one cost more than all that the ledger does with them.
    private static let letters: [UInt8] = {
        var generator = SeededGenerator(seed: 0)
        return (0..<1 << 16).map { _ in UInt8.random(in: 97...122, using: &generator) }
    }()

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    mutating func make(count: Int, bodyByteLimit: Int = 60, offset: UInt64? = nil) -> SealedBatch {
        var bodies = [UInt8]()
        var events = [SealedEvent]()
        for _ in 0..<count {
            let padding = Int.random(in: 0...bodyByteLimit, using: &generator)
            let start = Int.random(in: 0...BatchMaker.letters.count - padding, using: &generator)
            let body =
                Array("{\"n\":\(next + UInt64(events.count)),\"x\":\"".utf8)
                + BatchMaker.letters[start..<start + padding] + Array("\"}".utf8)
            bodies += body
            events.append(
                SealedEvent(
                    end: bodies.count, leaf: SHA256.leaf(body.span),
                    action: Action.allCases.randomElement(using: &generator) ?? .loginSucceeded,
                    severity: Severity.allCases.randomElement(using: &generator) ?? .info,
                    sinkBits: UInt64.random(in: 0...3, using: &generator)))
        }
        var groups = [SealedGroup]()
        var rest = count
        while rest > 0 {
            let size = min(rest, SealedGroup.countLimit)
            groups.append(
                SealedGroup(
                    first: next, count: size, previous: head,
                    signature: (0..<64).map { _ in UInt8.random(in: 0...255, using: &generator) }))
            head = SHA256.digest(head.bytes.span)
            next += UInt64(size)
            rest -= size
        }
        let positions = offset.map { [filePosition(offset: $0)] } ?? []
        return SealedBatch(
            stream: stream, keyID: 0x0102_0304, sinks: sinks, bodies: bodies, events: events,
            groups: groups, positions: positions, head: head)
    }
}

/// A position in a file of the input `keycloak`.
func filePosition(key: UInt64 = 0xA1, offset: UInt64) -> Position {
    Position(
        input: "keycloak",
        place: .file(
            FilePosition(
                key: FileKey(high: 0x0011_2233_4455_6677, low: key), inode: 4711, device: 2049,
                generation: 1, size: offset + 10, firstRecord: .zero, firstRecordByteCount: 80,
                tail: .zero, offset: offset, path: "/var/log/keycloak/keycloak.log")))
}

extension SealedBatch {
    /// Whether every part is the same.
    func isSame(as other: SealedBatch) -> Bool {
        stream == other.stream && keyID == other.keyID && sinks == other.sinks
            && bodies == other.bodies && events == other.events && groups == other.groups
            && positions == other.positions && head == other.head
    }
}

extension LedgerConfiguration {
    /// Small segments, so that tests see many.
    static func small(
        segment: Int = 4096, limit: Int = 1 << 20, codec: FrameCodec = .raw
    ) -> LedgerConfiguration {
        var configuration = LedgerConfiguration()
        configuration.segmentByteCount = segment
        configuration.byteLimit = limit
        configuration.codec = codec
        configuration.retention = .zero
        return configuration
    }
}

extension Ledger {
    /// Every frame from a place to the end.
    func frames(from place: LedgerPlace = .beginning) throws -> [LedgerFrame] {
        var frames = [LedgerFrame]()
        var place = place
        while let frame = try read(from: place) {
            frames.append(frame)
            place = frame.next
        }
        return frames
    }

    /// The sequence numbers of all events from a place to the end.
    func sequence(from place: LedgerPlace = .beginning) throws -> [UInt64] {
        try frames(from: place).flatMap { frame in
            (Int(frame.place.index)..<frame.batch.events.count).map {
                frame.batch.firstSequence + UInt64($0)
            }
        }
    }
}

/// A ledger on a disk in memory.
func openLedger(
    _ disk: MemoryDisk, _ configuration: LedgerConfiguration = .small(),
    sinks: [String] = ["siem", "archive"], time: any TimeSource = StandingClock()
) throws -> (ledger: Ledger, recovered: RecoveredState) {
    try Ledger.open(
        folder: "ledger", configuration: configuration, sinks: sinks, time: time, storage: disk)
}

/// How long the tests go on that could go on for ever: FUZZ_SECONDS, else not at all. SEED says
/// where they begin.
struct FuzzTime {
    let seed: UInt64
    private let end: MonotonicInstant
    private let clock = SystemClock()

    init() {
        let seconds = ProcessFacts.environment("FUZZ_SECONDS").flatMap { Int($0) } ?? 0
        seed = ProcessFacts.environment("SEED").flatMap { UInt64($0) } ?? 1_000_000
        end = clock.monotonic().advanced(by: .seconds(seconds))
    }

    var goesOn: Bool { clock.monotonic() < end }
}
