// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

@testable import Sealing

/// The signed examples of the format: two streams of one agent, their key, and single values.
enum SealFixture {
    static func bytes(_ name: String) throws -> [UInt8] {
        let folder = FileSystem.folder(of: FileSystem.folder(of: "\(#filePath)"))
        return try FileSystem.read("\(folder)/Fixtures/seal/\(name)", byteLimit: 1 << 20)
    }

    static func text(_ name: String) throws -> String {
        String(decoding: try bytes(name), as: UTF8.self)
    }

    static func lines(_ name: String) throws -> [String] {
        try text(name).split(separator: "\n").map(String.init)
    }

    static func key() throws -> SigningKey {
        try SigningKey(text: try JSONText("key.json")["key_file"])
    }

    static func verifierKey() throws -> VerifierKey {
        try VerifierKey(text: try JSONText("key.json")["verifier_key"])
    }
}

/// One flat JSON object of texts and integers.
struct JSONText {
    private let bytes: [UInt8]
    private var document = StrictDocument()

    init(_ name: String) throws {
        try self.init(bytes: SealFixture.bytes(name))
    }

    init(line: String) throws {
        try self.init(bytes: Array(line.utf8))
    }

    init(bytes: [UInt8]) throws {
        self.bytes = bytes
        try document.read(bytes.span)
    }

    /// All objects of a file that is a list of them.
    static func list(_ name: String) throws -> [JSONText] {
        let bytes = try SealFixture.bytes(name)
        var document = StrictDocument()
        try document.read(bytes.span)
        return try document.children(of: 0).map { node in
            var writer = ByteWriter()
            _ = document.write(node, bytes.span, to: &writer)
            return try JSONText(bytes: writer.makeArray())
        }
    }

    subscript(key: StaticString) -> String {
        document.text(document.member(key, of: 0, bytes.span), bytes.span) ?? ""
    }

    func number(_ key: StaticString) -> UInt64 {
        document.integer(document.member(key, of: 0, bytes.span), bytes.span) ?? .max
    }
}

/// The bytes of a JSON text as RFC 8785 writes it; nil when it is refused.
func canonical(_ text: String) -> [UInt8]? {
    canonical(Array(text.utf8))
}

/// The bytes of a JSON text as RFC 8785 writes it; nil when it is refused.
func canonical(_ bytes: [UInt8]) -> [UInt8]? {
    var document = StrictDocument()
    guard (try? document.read(bytes.span)) != nil else { return nil }
    var writer = ByteWriter()
    return document.write(0, bytes.span, to: &writer) ? writer.makeArray() : nil
}

/// Bodies that are ready to be sealed.
func encoded(_ bodies: [[UInt8]]) throws -> EncodedBatch {
    var all: [UInt8] = []
    var events: [EncodedEvent] = []
    for body in bodies {
        all += body
        let fact = try JSONText(bytes: body)
        events.append(
            EncodedEvent(
                end: all.count, leaf: SHA256.leaf(body.span),
                action: Action(name: fact["action"]) ?? .unclassified,
                outcome: Outcome.allCases.first { "\($0.word)" == fact["outcome"] } ?? .unknown,
                severity: Severity.allCases.first { "\($0.word)" == fact["severity"] } ?? .info,
                errorCode: nil))
    }
    return EncodedBatch(
        input: "test", parser: "test", bodies: all, events: events, positions: [],
        tally: RecordTally())
}

/// The lines that a sink in canonical format writes, without their LF.
func lines(_ batch: SealedBatch) -> [String] {
    var integrity = IntegrityWriter()
    return batch.events.indices.map { index in
        var writer = ByteWriter()
        let range = batch.bodyRange(index)
        writer.append(batch.bodies, range.lowerBound..<range.upperBound - 1)
        writer.append(",\"integrity\":")
        integrity.append(batch, event: index, to: &writer)
        writer.append("}")
        return writer.makeString()
    }
}

/// What verification says about some lines.
func verify(
    _ lines: [String], keys: [VerifierKey], sink: String? = nil, filter: SinkFilter? = nil,
    comparison: SealVerifier.MappingComparison? = nil
) -> VerificationReport {
    var verifier = SealVerifier(keys: keys, sink: sink, filter: filter, comparison: comparison)
    for line in lines { verifier.feed(Array((line + "\n").utf8).span) }
    return verifier.finish()
}

extension VerificationReport {
    /// The findings, each as its word with its numbers: `missing 3..4`.
    var found: [String] { findings.map(VerificationReport.brief) }
    /// The notes, each as its word with its numbers.
    var noted: [String] { notes.map(VerificationReport.brief) }

    private static func brief(_ remark: VerificationRemark) -> String {
        guard let range = remark.range else { return remark.word.rawValue }
        return range.count == 1
            ? "\(remark.word.rawValue) \(range.lowerBound)"
            : "\(remark.word.rawValue) \(range.lowerBound)..\(range.upperBound)"
    }
}

/// Random numbers that come again with the same seed.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// A whole stream as an agent makes it, for tests to spoil.
struct TestStream {
    let key: SigningKey
    let stream: String
    var lines: [String] = []
    private(set) var end = Predecessor.none

    /// Makes a stream: AgentStarted, the groups, and AgentStopped and CheckpointSigned at the end.
    ///
    /// - Parameters:
    ///   - groups: the sizes of the groups; 0 stands for a checkpoint.
    ///   - tag: makes the bodies differ from those of another stream.
    init(
        _ key: SigningKey, epoch: String, groups: [Int], after predecessor: Predecessor = .none,
        tag: String = "a", sinks: [(id: String, filter: SinkFilter?)] = [], closes: Bool = true,
        rejected: [String] = [], lost: [String] = []
    ) throws {
        self.key = key
        var sealer = Sealer(key: key, epoch: epoch, sinks: sinks)
        stream = sealer.stream
        var agent = AgentEvents(
            agentName: key.name, host: key.name, stream: sealer.stream, version: "0.1.0")
        let time = Timestamp(microseconds: 1_795_258_920_000_000)
        var pieces = [
            sealer.sealAlone(
                agent.started(predecessor: predecessor, verifierKey: key.verifierKey, at: time))
        ]
        func checkpoint(_ sealer: inout Sealer, _ agent: inout AgentEvents) -> SealedBatch {
            sealer.sealAlone(
                agent.checkpoint(
                    note: sealer.checkpointNote(), filtered: sealer.filteredEntries,
                    rejected: rejected, lost: lost, at: time))
        }
        for count in groups {
            if count == 0 {
                pieces.append(checkpoint(&sealer, &agent))
                continue
            }
            let bodies = (0..<count).map { index in
                let number = sealer.nextSequence + UInt64(index)
                let severity = number % 3 == 0 ? "low" : "info"
                return Array(
                    """
                    {"action":"LoginFailed","id":"\(tag)\(number)","outcome":"failure",\
                    "severity":"\(severity)"}
                    """.utf8)
            }
            pieces.append(sealer.seal([try encoded(bodies)]) { _, waiting in waiting })
        }
        if closes {
            pieces.append(sealer.sealAlone(agent.stopped(reason: "SIGTERM", at: time)))
            pieces.append(checkpoint(&sealer, &agent))
        }
        lines = pieces.flatMap { SealingTests.lines($0) }
        end = sealer.end
    }
}
