// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Verifies an export line by line: each event by itself, and at the end all streams.
///
/// The order of lines means nothing. Input of any kind gives remarks, never a trap. Memory grows
/// by about 40 bytes an event and 150 bytes a group, whatever the events hold, and while lines wait
/// for a key to be vouched for, by theirs.
public struct SealVerifier: ~Copyable {
    /// Runs the mapping of an event carried in a document of another model again: the names of the
    /// fields of the document that differ from it or are foreign to it, or nil where the mapping's
    /// version is not known.
    public typealias MappingComparison =
        (_ form: CarriedForm, _ signedBytes: [UInt8], _ document: [UInt8]) -> [String]?

    private var keys: TrustedKeys
    private let sink: String?
    private let filter: SinkFilter?
    private let comparison: MappingComparison?
    private var reader = SignedEventReader()
    private var statement = ByteWriter(capacity: 512)
    private var tree = GroupTree()
    private var current: CurrentGroup?
    private var streams: [StreamHistory] = []
    private var streamIndex: [[UInt8]: Int] = [:]
    private var groupIndex: [Digest: GroupPlace] = [:]
    private var signatures: [UInt8] = []
    private var settlements = SinkSettlements()
    private var uncomparedCount = 0
    private var partial: [UInt8] = []
    private var isSkipping = false
    private var deferred = DeferredLines()
    private var line = 0
    private var file: String?
    private var report = VerificationReport()

    private static let signatureByteCount = 64

    /// The group of the event before, whose tree is in `tree`.
    private struct CurrentGroup {
        var stream: [UInt8]
        var place: GroupPlace
        var first: UInt64
        var count: Int
        /// The text of the proof before the path and behind it.
        var head: [UInt8]
        var tail: [UInt8]
    }

    private struct GroupPlace {
        var stream: Int
        var group: Int
    }

    /// Lines signed by a key that a later line may vouch for, to be read again when all are read.
    private struct DeferredLines {
        var lines: [(file: String?, line: Int, text: [UInt8])] = []
        var byteCount = 0
        /// False at the end, when no more keys are to come.
        var isOpen = true
    }

    /// Trusts `keys` and nothing else.
    ///
    /// - Parameters:
    ///   - keys: the verifier keys that were pinned; a key that one of them vouches for in a
    ///     verified AgentKeyRotated is trusted too, wherever in the export that stands, as long as
    ///     not more than `VerificationLimit.deferredByteCount` of its events come before it.
    ///   - sink: the id of the sink whose copy this is; absent events are then summed up and
    ///     compared with what the checkpoints account for.
    ///   - filter: the filter of that sink; an event that it would have left out is foreign.
    ///   - comparison: runs the mapping of carried events again; without it their mapped fields
    ///     are not compared, and a note says so.
    public init(
        keys: [VerifierKey], sink: String? = nil, filter: SinkFilter? = nil,
        comparison: MappingComparison? = nil
    ) {
        self.keys = TrustedKeys(keys)
        self.sink = sink
        self.filter = filter
        self.comparison = comparison
    }

    // MARK: Lines

    /// Takes the next bytes of an export, cut anywhere.
    public mutating func feed(_ bytes: Span<UInt8>) {
        var start = 0
        while let end = ByteSearch.first(0x0A, in: bytes, start..<bytes.count) {
            if partial.isEmpty, !isSkipping {
                read(bytes.extracting(start..<end))
            } else {
                keep(bytes.extracting(start..<end))
                readPartial()
            }
            start = end + 1
        }
        keep(bytes.extracting(start..<bytes.count))
    }

    /// Begins another file of the export, whose name remarks give; its lines count from 1.
    ///
    /// The last line of the file before need not end in LF.
    public mutating func beginFile(_ name: String) {
        if !partial.isEmpty || isSkipping { readPartial() }
        file = name
        line = 0
    }

    /// Ends the export and says what it was worth.
    public mutating func finish() -> VerificationReport {
        if !partial.isEmpty || isSkipping { readPartial() }
        readDeferred()
        report.streamCount = streams.count { !$0.groups.isEmpty }
        if uncomparedCount > 0 {
            report.note(
                VerificationRemark(
                    .notCompared,
                    "the fields beside the signed bytes in \(uncomparedCount) mapped documents; "
                        + "only the signed bytes were verified"))
        }
        var audit = StreamAudit(
            streams: streams, sink: sink, filter: filter, settlements: settlements,
            report: report)
        return audit.run()
    }

    private mutating func keep(_ bytes: Span<UInt8>) {
        guard !isSkipping else { return }
        if partial.count + bytes.count > VerificationLimit.lineByteCount {
            isSkipping = true
            partial.removeAll()
        } else if bytes.count > 0 {
            partial.append(copying: bytes)
        }
    }

    private mutating func readPartial() {
        if isSkipping {
            isSkipping = false
            line += 1
            report.eventCount += 1
            reader.forget()
            reject(Objection("it is longer than \(VerificationLimit.lineByteCount) bytes"))
            return
        }
        let text = partial
        partial.removeAll(keepingCapacity: true)
        read(text.span)
    }

    private mutating func read(_ text: Span<UInt8>) {
        line += 1
        guard !SealVerifier.isBlank(text) else { return }
        report.eventCount += 1
        judge(text)
    }

    private mutating func judge(_ text: Span<UInt8>) {
        do {
            try reader.read(text)
            try verify()
            report.validCount += 1
        } catch {
            let byteCount = deferred.byteCount + text.count
            if error.lacksKey, deferred.isOpen, byteCount <= VerificationLimit.deferredByteCount {
                deferred.lines.append((file, line, Array(copying: text)))
                deferred.byteCount = byteCount
            } else {
                reject(error)
            }
        }
    }

    /// Reads the deferred lines again, as long as one of them vouches for another key.
    private mutating func readDeferred() {
        var keyCount: Int?
        while !deferred.lines.isEmpty {
            deferred.isOpen = keys.count != keyCount
            keyCount = keys.count
            let lines = deferred.lines
            deferred.lines = []
            deferred.byteCount = 0
            for entry in lines {
                (file, line) = (entry.file, entry.line)
                judge(entry.text.span)
            }
        }
    }

    private static func isBlank(_ text: Span<UInt8>) -> Bool {
        for index in text.indices where text[index] != 0x20 && text[index] != 0x0D {
            return false
        }
        return true
    }

    private mutating func reject(_ objection: Objection) {
        let claim = reader.claim
        var stream: String?
        if let bytes = claim.stream {
            stream = String(decoding: bytes, as: UTF8.self)
            if let sequence = claim.sequence, let place = place(ofStream: bytes) {
                streams[place].claims.append(sequence)
            }
        }
        report.find(
            VerificationRemark(
                .invalid, stream: stream, range: claim.sequence.map { $0...$0 }, file: file,
                line: line, id: reader.id, action: reader.action, objection.reason))
    }

    // MARK: One event

    private mutating func verify() throws(Objection) {
        guard let stream = reader.claim.stream, let sequence = reader.claim.sequence,
            let text = reader.claim.proof
        else { throw Objection("there is no integrity") }
        let leaf = SHA256.leaf(reader.signedBytes.span)
        let place: GroupPlace
        if let known = try verifyInCurrentGroup(stream, sequence, text, leaf) {
            place = known
        } else {
            place = try verifyAlone(stream, sequence, text, leaf)
        }
        let isNew = streams[place.stream].add(sequence, leaf: leaf, group: place.group)
        compareMapping(sequence, place)
        guard isNew else { return }
        noteAgentEvent(sequence, place.stream)
        if isLeftOut { streams[place.stream].leftOut.append((sequence, line, file)) }
    }

    /// True when the filter would not have let the event pass. Of a word that is not known here,
    /// from a schema to come, nothing is claimed.
    private var isLeftOut: Bool {
        guard let filter, let action = reader.action.flatMap({ Action(name: $0) }) else {
            return false
        }
        let words = (outcome: reader.text(nil, "outcome"), severity: reader.text(nil, "severity"))
        guard
            let outcome = Outcome.allCases.first(where: { "\($0.word)" == words.outcome }),
            let severity = Severity.allCases.first(where: { "\($0.word)" == words.severity })
        else { return false }
        let code = reader.text("error", "code")
        let errorCode = code.flatMap { ErrorCode(word: $0) }
        guard (code == nil) == (errorCode == nil) else { return false }
        return !filter.matches(
            action, outcome, severity, errorCode, tenant: reader.text("provider", "tenant"))
    }

    /// Verifies an event of the same group as the one before it: the statement and its signature
    /// are known, so only the way from the leaf to a node that is certain is left.
    private mutating func verifyInCurrentGroup(
        _ stream: [UInt8], _ sequence: UInt64, _ text: [UInt8], _ leaf: Digest
    ) throws(Objection) -> GroupPlace? {
        guard let current, current.stream == stream,
            text.count >= current.head.count + current.tail.count,
            ByteSearch.hasPrefix(current.head.span, text.span),
            ByteSearch.hasPrefix(
                current.tail.span, text.span, at: text.count - current.tail.count)
        else { return nil }
        guard sequence >= current.first, sequence < current.first + UInt64(current.count) else {
            throw SealVerifier.outside
        }
        let path = try Proof.path(
            text.span.extracting(current.head.count..<text.count - current.tail.count))
        try tree.walk(
            leaf: leaf, index: Int(sequence - current.first), count: current.count, path: path)
        return current.place
    }

    private mutating func verifyAlone(
        _ stream: [UInt8], _ sequence: UInt64, _ text: [UInt8], _ leaf: Digest
    ) throws(Objection) -> GroupPlace {
        let proof = try Proof(text.span)
        guard sequence >= proof.first, sequence < proof.first + UInt64(proof.count) else {
            throw SealVerifier.outside
        }
        let name = String(decoding: stream, as: UTF8.self)
        guard let (keyName, _) = StreamName.split(name) else {
            throw Objection("the stream is not <name>/main/<epoch>")
        }
        let identity = KeyIdentity(name: keyName, keyID: proof.keyID)
        guard let key = keys[identity] else {
            throw Objection(
                "no trusted key \(KeyText.hex(proof.keyID)) speaks for \(keyName)",
                lacksKey: keys.speak(for: keyName))
        }
        current = nil
        tree.removeAll()
        try tree.walk(
            leaf: leaf, index: Int(sequence - proof.first), count: proof.count, path: proof.path)
        Statement.write(
            stream: name, keyID: proof.keyID, first: proof.first, count: proof.count,
            previous: proof.previous, root: tree.root, to: &statement)
        let digest = statement.withBytes { SHA256.digest($0) }
        let known = groupIndex[digest]
        if known.map({ !isSignature(proof.signature, of: $0) }) ?? true {
            report.signatureCheckCount += 1
            guard statement.withBytes({ key.verify(proof.signature, $0) }) else {
                throw Objection("the body, its place or its proof was altered")
            }
        }
        tree.accept()
        let place = known ?? addGroup(proof, digest, stream)
        current = CurrentGroup(
            stream: stream, place: place, first: proof.first, count: proof.count,
            head: Array(text[..<proof.pathRange.lowerBound]),
            tail: Array(text[proof.pathRange.upperBound...]))
        return place
    }

    private static let outside = Objection("seq is outside the group that the proof speaks of")

    private func isSignature(_ signature: [UInt8], of place: GroupPlace) -> Bool {
        guard let start = streams[place.stream].groups[place.group].signatureStart else {
            return false
        }
        return ByteSearch.equal(
            signatures.span, start..<start + SealVerifier.signatureByteCount, signature.span)
    }

    private mutating func addGroup(
        _ proof: Proof, _ digest: Digest, _ stream: [UInt8]
    ) -> GroupPlace {
        guard let stream = place(ofStream: stream) else { bug("a verified stream has no name") }
        var group = HistoryGroup(
            first: proof.first, count: proof.count, previous: proof.previous, statement: digest)
        if proof.count > 1 {
            group.signatureStart = signatures.count
            signatures += proof.signature
        }
        let place = GroupPlace(stream: stream, group: streams[stream].groups.count)
        streams[stream].groups.append(group)
        groupIndex[digest] = place
        report.groupCount += 1
        return place
    }

    private mutating func place(ofStream bytes: [UInt8]) -> Int? {
        if let known = streamIndex[bytes] { return known }
        let name = String(decoding: bytes, as: UTF8.self)
        guard let (keyName, epoch) = StreamName.split(name) else { return nil }
        streamIndex[bytes] = streams.count
        streams.append(StreamHistory(name: name, keyName: keyName, epoch: epoch))
        return streams.count - 1
    }

    // MARK: What the events say

    private mutating func compareMapping(_ sequence: UInt64, _ place: GroupPlace) {
        guard reader.form != .canonical else { return }
        guard let fields = comparison?(reader.form, reader.signedBytes, reader.document) else {
            uncomparedCount += 1
            return
        }
        guard !fields.isEmpty else { return }
        report.find(
            VerificationRemark(
                .unsigned, stream: streams[place.stream].name, range: sequence...sequence,
                file: file, line: line, id: reader.id, action: reader.action,
                fields.joined(separator: ", ")))
    }

    private mutating func noteAgentEvent(_ sequence: UInt64, _ stream: Int) {
        switch reader.agentAction {
        case "AgentStarted":
            guard let text = reader.text("agent", "predecessor") else { return }
            streams[stream].predecessor = Predecessor(text: text)
        case "AgentStopped":
            streams[stream].stopNumbers.insert(sequence)
        case "AgentKeyRotated":
            // A key is trusted as far as the key that vouches for it: for the same name.
            guard let text = reader.text("agent", "vkey"),
                let key = try? VerifierKey(text: text), key.name == streams[stream].keyName
            else { return }
            keys.insert(key)
        case "CheckpointSigned":
            noteCheckpoint(sequence, stream)
        default: return
        }
    }

    private mutating func noteCheckpoint(_ sequence: UInt64, _ stream: Int) {
        streams[stream].checkpointNumbers.insert(sequence)
        let name = streams[stream].name
        func find(_ reason: String, _ report: inout VerificationReport) {
            report.find(
                VerificationRemark(
                    .badCheckpoint, stream: name, range: sequence...sequence, file: file,
                    line: line, reason))
        }
        guard let note = reader.text("agent", "checkpoint") else {
            return find("there is no note in it", &report)
        }
        let checkpoint: Checkpoint
        do {
            checkpoint = try Checkpoint(note: note, trusting: keys)
        } catch {
            return find(error.description, &report)
        }
        guard checkpoint.stream == name, checkpoint.signer.name == streams[stream].keyName else {
            return find("the note speaks of another stream", &report)
        }
        guard checkpoint.size == sequence else {
            return find("the note speaks of \(checkpoint.size) events", &report)
        }
        let filtered = reader.texts("agent", "filtered")
        streams[stream].checkpoints.append(
            HistoryCheckpoint(size: sequence, root: checkpoint.root, filtered: filtered))
        guard let sink else { return }
        settlements.add(reader.texts("agent", "rejected"), reader.texts("agent", "lost"), of: sink)
    }
}
