// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Joins messages, which a journal or syslog brings one by one, into records: those of one origin,
/// as the lines of a file are joined and within the same limits.
///
/// A message gets a place, as lines have in a file. Places lie as far apart as messages take room
/// in memory, so that what is held is bounded as it is there.
struct MessageJoiner: ~Copyable {
    private var joiner: RecordJoiner
    /// Where the next message stands.
    private(set) var place = 0

    init(
        _ framing: RecordFraming, recordByteLimit: Int, patience: RecordJoiner.Patience
    ) {
        var framing = framing
        // What wraps a message was taken off by whoever reads it.
        framing.wrapper = .raw
        framing.recordByteLimit = recordByteLimit
        joiner = RecordJoiner(
            framing, wrappers: WrapperReader(.raw, zone: framing.zone), patience: patience)
    }

    /// The most bytes that wait.
    static func heldByteLimit(_ recordByteLimit: Int) -> Int {
        RecordSplitter.wrappedByteLimit(recordByteLimit) + recordByteLimit
    }

    /// True while a record waits for more, and with it what came after its first message.
    var isHolding: Bool { joiner.waiting != nil }

    /// The place of the first message that waits; what stands before is done with.
    var heldFrom: Int { joiner.waiting?.start ?? place }

    /// When the first record need not wait any longer; nil while none waits.
    var due: Timestamp? { joiner.due }

    /// True for a message that is a record whoever sent it. It is not to be added.
    func isRecord(_ message: ArraySlice<UInt8>) -> Bool {
        guard joiner.isIdle, let first = message.first, first != ANSI.escape else { return false }
        let span = message.span
        return !PrettyJSON.mayOpen(span, 0, span.count)
    }

    /// Adds a message.
    ///
    /// - Parameters:
    ///   - isPartial: true for a piece of a message that goes on with the next one of its origin.
    ///   - arrival: decides how long a record waits for more; its time does where this is nil.
    mutating func add(
        _ message: ArraySlice<UInt8>, of origin: LineOrigin, isPartial: Bool = false,
        host: ArraySlice<UInt8>, time: Timestamp?, arrival: Timestamp? = nil,
        damage: RecordDamage = []
    ) {
        let piece = WrappedLine(
            kind: nil, content: Array(MessageJoiner.withoutFeed(message)), origin: origin,
            isPartial: isPartial, host: Array(host), time: time, arrival: arrival)
        joiner.take(piece, at: place, damage: damage)
        place += message.count + MessageJoiner.overheadByteCount
        if joiner.skip.lanes.count > InputLimit.skippedOriginLimit { joiner.skip = LineSkip() }
    }

    /// Gives the next message another place than the last one.
    mutating func pass() { place += MessageJoiner.overheadByteCount }

    /// Takes out the records that are complete, in the order of their first messages.
    mutating func takeFinished() -> [RecordDraft] {
        defer { joiner.finished = [] }
        return joiner.finished
    }

    /// Ends the records that have waited too long by now.
    mutating func expire(at moment: Timestamp) { joiner.expire(at: moment) }

    /// Ends the records of whole messages: nothing came for so long.
    mutating func completeMessages(now: Timestamp) { joiner.completeLines(now: now) }

    /// Ends all records.
    mutating func completeAll() { joiner.completeAll() }

    private static func withoutFeed(_ message: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard message.last == RecordSplitter.lineFeed else { return message }
        let line = message.dropLast()
        return line.last == RecordSplitter.carriageReturn ? line.dropLast() : line
    }

    /// What a message that is held costs beside its bytes, about.
    private static let overheadByteCount = 512
}
