// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What a new stream says about the one before it.
public enum Predecessor: Sendable, Equatable {
    /// There is none: key and ledger are both new.
    case none
    /// There must have been one, because the key is not new, but the ledger that knew it is gone.
    case lost
    /// The stream, how many events it has, and SHA-256 of its last statement.
    case stream(String, size: UInt64, head: Digest)

    /// The text of `agent.predecessor`.
    public var text: String {
        switch self {
        case .none: "none"
        case .lost: "lost"
        case .stream(let stream, let size, let head):
            "\(stream) \(size) \(Base64.encode(head.bytes))"
        }
    }

    /// Reads the text of `agent.predecessor`; nil when it is not spelled exactly.
    init?(text: String) {
        switch text {
        case "none": self = .none
        case "lost": self = .lost
        default:
            let parts = text.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, StreamName.split(String(parts[0])) != nil,
                let size = ProofText.decimal(String(parts[1])),
                let head = Base64.decode(String(parts[2])).flatMap({ Digest($0) })
            else { return nil }
            self = .stream(String(parts[0]), size: size, head: head)
        }
    }
}

/// Makes the five events by which the agent speaks of itself, ready to be sealed.
///
/// Their ids count up within the stream, checkpoints included, so there is one maker for each
/// stream and every event that it makes must be sealed in that stream, in order.
public struct AgentEvents: ~Copyable {
    /// How many events were made so far.
    public private(set) var count: UInt64 = 0

    private let stream: String
    private let host: String
    private let version: String
    private var encoder: BodyEncoder

    /// The input that the agent's own events count for.
    public static let input = "agent"

    /// Speaks for the agent `agentName` on `host` in `stream`; `version` is that of the software.
    public init(agentName: String, host: String, stream: String, version: String) {
        self.stream = stream
        self.host = host
        self.version = version
        encoder = BodyEncoder(agentName: agentName, tenants: false)
    }

    /// The stream was opened; always its first event.
    ///
    /// A lost predecessor makes it severe: somebody should look where the ledger went.
    public mutating func started(
        predecessor: Predecessor, verifierKey: VerifierKey, at time: Timestamp
    ) -> EncodedBatch {
        var draft = Draft(.agentStarted, time)
        if predecessor == .lost { draft.severity = .high }
        draft.set(.agentPredecessor, predecessor.text)
        draft.set(.agentVersion, version)
        draft.set(.agentVerifierKey, verifierKey.text)
        return finish(&draft)
    }

    /// The stream is closed in order; the last checkpoint follows.
    public mutating func stopped(reason: String, at time: Timestamp) -> EncodedBatch {
        var draft = Draft(.agentStopped, time)
        draft.set(.agentReason, reason)
        return finish(&draft)
    }

    /// All events so far have been signed together.
    ///
    /// - Parameters:
    ///   - note: what `Sealer.checkpointNote` gave, with nothing sealed in between.
    ///   - filtered: what `Sealer.filteredEntries` gave.
    ///   - rejected: `<sink id> <epoch> <count>` for each sink and epoch that must be stated.
    ///   - lost: the same for what was lost on the way to a sink.
    public mutating func checkpoint(
        note: String, filtered: [String], rejected: [String], lost: [String], at time: Timestamp
    ) -> EncodedBatch {
        var draft = Draft(.checkpointSigned, time)
        draft.set(.agentCheckpoint, note)
        draft.set(.agentFiltered, filtered)
        draft.set(.agentRejected, rejected)
        draft.set(.agentLost, lost)
        return finish(&draft)
    }

    /// Records or events were lost: how many, and what is known about it.
    public mutating func eventsLost(
        count: UInt64, reason: String, at time: Timestamp
    ) -> EncodedBatch {
        var draft = Draft(.agentEventsLost, time)
        draft.errorCode = .eventsLost
        let bounded = min(count, AgentEvents.countLimit)
        draft.set(FieldValue(.agentCount, .integer, payload: bounded))
        draft.set(.agentReason, reason)
        return finish(&draft)
    }

    /// The next stream will be signed with another key, which the present one vouches for.
    public mutating func keyRotated(to next: VerifierKey, at time: Timestamp) -> EncodedBatch {
        var draft = Draft(.agentKeyRotated, time)
        draft.set(.agentVerifierKey, next.text)
        return finish(&draft)
    }

    /// The largest integer that every JSON reader reads exactly.
    private static let countLimit: UInt64 = 1 << 53 - 1

    private mutating func finish(_ draft: inout Draft) -> EncodedBatch {
        draft.set(.providerVendor, "Sealtail")
        draft.set(.providerProduct, "sealtail")
        draft.set(.providerVersion, version)
        draft.set(.providerHost, host)
        draft.set(.actorName, "sealtail")
        draft.setWord(.actorType, "system")
        draft.setWord(.targetType, "agent")
        draft.set(.targetID, stream)
        let batch = draft.batch(source: stream, position: count)
        count += 1
        return encoder.encode(batch)
    }

    /// One event while its fields are gathered.
    private struct Draft {
        let action: Action
        let time: Timestamp
        var severity: Severity
        var errorCode: ErrorCode?
        private var values: [FieldValue] = []
        private var scratch: [UInt8] = []

        init(_ action: Action, _ time: Timestamp) {
            self.action = action
            self.time = time
            severity = action.entry.severity
        }

        mutating func set(_ field: Field, _ text: String) {
            guard !text.isEmpty else { return }
            let start = scratch.count
            scratch += text.utf8
            set(
                FieldValue(field, .scratch, offset: start, count: scratch.count - start))
        }

        mutating func set(_ field: Field, _ members: [String]) {
            guard !members.isEmpty else { return }
            let start = scratch.count
            let sorted = Set(members).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for member in sorted {
                let length = UInt32(member.utf8.count)
                for shift in stride(from: UInt32(0), through: 24, by: 8) {
                    scratch.append(UInt8(truncatingIfNeeded: length >> shift))
                }
                scratch += member.utf8
            }
            set(FieldValue(field, .set, offset: start, count: scratch.count - start))
        }

        mutating func set(_ value: FieldValue) {
            values.append(value)
        }

        mutating func setWord(_ field: Field, _ word: String) {
            let words = field.entry.words
            guard let index = words.firstIndex(where: { String(describing: $0) == word }) else {
                bug("\(field.path) has no word \(word)")
            }
            set(FieldValue(field, .word, payload: UInt64(index)))
        }

        mutating func batch(source: String, position: UInt64) -> EventBatch {
            let outcome = action.entry.outcomes[0]
            set(FieldValue(.action, .word, payload: UInt64(action.rawValue)))
            set(FieldValue(.outcome, .word, payload: UInt64(outcome.rawValue)))
            set(FieldValue(.severity, .word, payload: UInt64(severity.rawValue)))
            if let errorCode {
                set(FieldValue(.errorCode, .word, payload: UInt64(errorCode.rawValue)))
            }
            let moment = UInt64(bitPattern: time.microseconds)
            set(FieldValue(.time, .time, payload: moment))
            set(FieldValue(.observed, .time, payload: moment))
            values.sort { $0.field < $1.field }
            let records = RecordBatch(
                input: AgentEvents.input, source: source, path: nil, observed: time,
                bytes: [UInt8](repeating: 0, count: RecordBatch.paddingByteCount),
                records: [Record(start: 0, count: 0, offset: position)], positions: [])
            var tally = RecordTally()
            tally.events = 1
            let event = Event(
                action: action, outcome: outcome, severity: severity, errorCode: errorCode,
                record: 0, ordinal: 0, values: values.indices)
            return EventBatch(
                records: records, parser: AgentEvents.input, scratch: scratch, values: values,
                events: [event], tally: tally)
        }
    }
}
