// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The entries of a journal on their way to become records.
///
/// The place to go on from never passes an entry that waits: what is held when the agent ends is
/// read again, and becomes the same record under the same cursor.
struct JournalRecords: ~Copyable {
    /// The records that are complete.
    private(set) var collector: RecordCollector
    /// The cursors of their first entries.
    private(set) var cursors: [String] = []
    /// The last entry before which nothing waits; nil before the first.
    private(set) var cursor: String?

    private var joiner: MessageJoiner
    private let recordByteLimit: Int
    /// The entries from the first one that waits on.
    private var held: [Held] = []

    /// An entry that waits, or comes after one that does.
    private struct Held {
        var place: Int
        var cursor: String
        var number: UInt64
    }

    /// An entry.
    struct Entry {
        var message: [UInt8]
        var isCut: Bool
        var cursor: String
        var host: [UInt8]
    }

    /// Whose an entry is, among others in the same journal.
    struct Origin {
        /// The service, the process and the output.
        var name: [UInt8]
        /// True when the message goes on with the next entry.
        var isPartial: Bool
    }

    init(_ framing: RecordFraming, recordByteLimit: Int, cursor: String?) {
        joiner = MessageJoiner(
            framing, recordByteLimit: recordByteLimit, patience: .whileThereIsRoom)
        collector = RecordCollector(recordByteLimit: recordByteLimit)
        self.recordByteLimit = recordByteLimit
        self.cursor = cursor
    }

    /// True while entries wait.
    var isHolding: Bool { joiner.isHolding }

    /// Whether an origin has to be found out for a message.
    func needsOrigin(_ message: [UInt8]) -> Bool {
        message.count >= Journal.shortestPiece || !joiner.isRecord(message[...])
    }

    /// Adds an entry.
    ///
    /// - Parameter origin: nil where none was needed.
    mutating func add(_ entry: Entry, of origin: Origin?) {
        let parts = JournalCursor(entry.cursor)
        guard let origin, origin.isPartial || !joiner.isRecord(entry.message[...]) else {
            cursor = entry.cursor
            return append(
                entry.message[...], cursor: entry.cursor, number: parts?.number ?? 0,
                host: entry.host[...], time: parts?.time, damage: entry.isCut ? .cut : [])
        }
        held.append(
            Held(place: joiner.place, cursor: entry.cursor, number: parts?.number ?? 0))
        joiner.add(
            entry.message[...], of: .named(origin.name), isPartial: origin.isPartial,
            host: entry.host[...], time: parts?.time, damage: entry.isCut ? .cut : [])
        release()
    }

    /// Goes past an entry that is no record.
    mutating func pass(_ cursor: String) {
        guard isHolding else { return self.cursor = cursor }
        held.append(Held(place: joiner.place, cursor: cursor, number: 0))
        joiner.pass()
    }

    /// Begins behind an entry.
    mutating func begin(behind cursor: String) { self.cursor = cursor }

    /// Ends the records of whole messages: nothing came for so long.
    mutating func completeMessages(now: Timestamp) {
        joiner.completeMessages(now: now)
        release()
    }

    /// Ends all records.
    mutating func completeAll() {
        joiner.completeAll()
        release()
    }

    /// Forgets the records that are complete, which are on their way.
    mutating func removeComplete() {
        collector = RecordCollector(recordByteLimit: recordByteLimit)
        cursors = []
    }

    /// Takes over what is complete, and with it the place to go on from.
    private mutating func release() {
        for draft in joiner.takeFinished() {
            guard let index = index(of: draft.start) else { bug("a record without an entry") }
            append(
                draft.text[...], cursor: held[index].cursor, number: held[index].number,
                host: draft.host[...], time: draft.time, damage: draft.damage)
        }
        let from = joiner.heldFrom
        let done = held.prefix { $0.place < from }
        guard let last = done.last else { return }
        cursor = last.cursor
        held.removeFirst(done.count)
    }

    /// The entry at a place; places only grow.
    private func index(of place: Int) -> Int? {
        var (low, high) = (0, held.count)
        while low < high {
            let middle = (low + high) / 2
            if held[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return low < held.count && held[low].place == place ? low : nil
    }

    private mutating func append(
        _ message: ArraySlice<UInt8>, cursor: String, number: UInt64, host: ArraySlice<UInt8>,
        time: Timestamp?, damage: RecordDamage
    ) {
        let isRecord = collector.add(
            message, offset: number, host: host, time: time, damage: damage)
        if isRecord { cursors.append(cursor) }
    }
}

extension Journal {
    /// No message shorter than this is taken for a piece of one: journald cuts at `LineMax=`, 48
    /// KiB unless it is set, and Docker at 16 KiB.
    static let shortestPiece = 1 << 10

    /// Whose the entry at hand is: a service, a process, one of its outputs or a container, and
    /// whether its message is a piece of a longer one.
    func origin() throws(SystemError) -> JournalRecords.Origin {
        let names = [
            "_HOSTNAME", "_SYSTEMD_UNIT", "_PID", "_STREAM_ID", "CONTAINER_ID_FULL", "_LINE_BREAK",
            "CONTAINER_PARTIAL_MESSAGE",
        ]
        let values = try fields(names, byteLimit: InputLimit.hostByteLimit)
        return JournalRecords.Origin(
            name: Array(values.prefix(5).joined(separator: [0])),
            isPartial: values[5].elementsEqual("line-max".utf8)
                || values[6].elementsEqual("true".utf8))
    }
}
