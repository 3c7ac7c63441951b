// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Gathers records that come one by one, each with bytes of its own, into the block of a batch.
struct RecordCollector: Sendable {
    /// The records, in order.
    private(set) var records: [Record] = []
    /// How many of them were cut because they were too long.
    private(set) var cutCount: UInt64 = 0
    /// The bytes of the records.
    private(set) var recordByteCount = 0

    private var bytes: [UInt8] = []
    /// Where the names of the hosts stand that logged them, one each, empty where unknown.
    private var hosts: [Range<UInt32>] = []
    private var lastHost: Range<UInt32> = 0..<0
    /// When they were logged, one each.
    private var times: [Timestamp?] = []
    /// What the parser reads, one each; none while that is the records themselves.
    private var bodies: [Range<UInt32>] = []
    private let recordByteLimit: Int

    init(recordByteLimit: Int) {
        self.recordByteLimit = recordByteLimit
    }

    /// True when a batch should go on its way before more is added.
    var isFull: Bool {
        records.count >= InputLimit.batchRecordLimit || bytes.count >= InputLimit.blockByteCount
    }

    /// True when there is nothing to hand out.
    var isEmpty: Bool { records.isEmpty }

    /// Adds a record without its final LF or CRLF; over the limit it is cut and flagged.
    ///
    /// An empty one is no record: false.
    mutating func add(
        _ content: ArraySlice<UInt8>, offset: UInt64, host: ArraySlice<UInt8> = [],
        time: Timestamp? = nil, damage: RecordDamage = []
    ) -> Bool {
        var content = content
        if content.last == UInt8(ascii: "\n") {
            content = content.dropLast()
            if content.last == UInt8(ascii: "\r") { content = content.dropLast() }
        }
        guard !content.isEmpty else { return false }
        var damage = damage
        if content.count > recordByteLimit { damage.insert(.cut) }
        content = content.prefix(recordByteLimit)
        hosts.append(place(of: host))
        times.append(time)
        records.append(
            Record(
                start: UInt32(bytes.count), count: UInt32(content.count), offset: offset,
                damage: damage))
        recordByteCount += content.count
        bytes.append(contentsOf: content)
        if damage.contains(.cut) { cutCount += 1 }
        addBody(content)
        return true
    }

    /// Colours for a terminal are not for the parser.
    private mutating func addBody(_ content: ArraySlice<UInt8>) {
        let hasColours = ByteSearch.first(ANSI.escape, in: content.span) != nil
        guard hasColours || !bodies.isEmpty else { return }
        // From the first record with colours on, each has a body.
        for record in records[bodies.count...] {
            bodies.append(record.start..<record.start + record.count)
        }
        guard hasColours, let plain = ANSI.stripped(Array(content)) else { return }
        bodies[bodies.count - 1] = UInt32(bytes.count)..<UInt32(bytes.count + plain.count)
        bytes += plain
    }

    /// Gives a batch what is said of its records one by one.
    func complete(_ batch: inout RecordBatch) {
        batch.hosts = hosts
        batch.times = times
        batch.bodies = bodies
    }

    /// Puts the name of a host into the block, unless it is the one that was put there last.
    private mutating func place(of host: ArraySlice<UInt8>) -> Range<UInt32> {
        guard !host.isEmpty else { return 0..<0 }
        let last = Int(lastHost.lowerBound)..<Int(lastHost.upperBound)
        if !bytes[last].elementsEqual(host) {
            lastHost = UInt32(bytes.count)..<UInt32(bytes.count + host.count)
            bytes.append(contentsOf: host)
        }
        return lastHost
    }

    /// The block with its padding.
    func block() -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
    }
}
