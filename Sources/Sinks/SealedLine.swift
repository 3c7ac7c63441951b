// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Makes a batch of one out of a sealed line, as a dead letter or an export holds it.
struct SealedLine: ~Copyable {
    private static let mark = Array(",\"integrity\":{\"stream\":".utf8)

    private var rendering = CanonicalRendering()
    private var output = ByteWriter(capacity: 2048)

    /// The event of a line without its LF; nil when it would not give the very same line again.
    mutating func read(_ line: [UInt8]) -> SealedBatch? {
        let span = line.span
        guard let mark = SealedLine.lastMark(span), line.last == UInt8(ascii: "}"),
            let integrity = try? JSONDocument(
                reading: Array(line[mark + ",\"integrity\":".utf8.count..<line.count - 1])),
            let stream = integrity["stream"]?.string, let proof = integrity["proof"]?.string,
            let sequence = integrity["seq"]?.integer, sequence >= 0
        else { return nil }
        let body = Array(line[..<mark]) + [UInt8(ascii: "}")]
        guard let document = try? JSONDocument(reading: body),
            let action = document["action"]?.string.flatMap(Action.init(name:)),
            let severity = document["severity"]?.string.flatMap(SealedLine.severity)
        else { return nil }
        let event = SealedEvent(
            end: body.count, leaf: SHA256.leaf(body.span), action: action,
            severity: severity, sinkBits: 1)
        // Only its number is asked of the group; what else it knows stands in the proof.
        let group = SealedGroup(
            first: UInt64(sequence), count: 1, previous: .zero, signature: [])
        var batch = SealedBatch(
            stream: stream, keyID: 0, sinks: [], bodies: body, events: [event], groups: [group],
            positions: [], head: .zero)
        batch.proofs = [Array(proof.utf8)]
        output.removeAll()
        guard rendering.append(batch, event: 0, to: &output) else { return nil }
        output.truncate(to: output.count - 1)
        return output.makeArray() == line ? batch : nil
    }

    private static func severity(_ word: String) -> Severity? {
        Severity.allCases.first { String(describing: $0.word) == word }
    }

    /// Where `integrity` begins: the last member of the line, so its name comes last.
    private static func lastMark(_ line: Span<UInt8>) -> Int? {
        var found: Int?
        var from = 0
        while from < line.count,
            let hit = ByteSearch.first(mark.span, in: line, from..<line.count)
        {
            found = hit
            from = hit + mark.count
        }
        return found
    }
}
