// SPDX-License-Identifier: Apache-2.0

/// A time zone that cannot be used.
public struct ZoneError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The zone or file that was asked for.
    public let name: String
    /// What is wrong with it.
    public let reason: String

    /// One sentence with a way out.
    public var description: String {
        "time zone \"\(name)\": \(reason); use a name as Europe/Berlin, or UTC"
    }
}

/// The rules by which a place's clocks differ from UTC, from the system's tzdata (RFC 9636).
public struct Zone: Sendable {
    /// Where the system keeps its zones.
    public static let systemFolder = "/usr/share/zoneinfo"
    /// The file of the machine's own zone.
    public static let systemFile = "/etc/localtime"
    /// No zone file is longer.
    public static let fileByteLimit = 1 << 20
    /// UTC itself.
    public static let utc = Zone(fixedOffset: 0)

    /// What a local time, which says no offset, means in UTC.
    public enum LocalTime: Sendable, Hashable {
        /// It comes once; seconds east of UTC.
        case once(Int)
        /// Clocks went back over it: the offsets of its first and its second coming.
        case twice(first: Int, second: Int)
        /// Clocks jumped over it: the offsets before and after the jump.
        case never(before: Int, after: Int)
    }

    /// The name it was asked for by.
    public let name: String
    private let moments: [Int64]
    private let offsets: [Int32]
    private let firstOffset: Int
    private let rule: ZoneRule?

    /// A zone that is always the same number of seconds east of UTC.
    public init(fixedOffset seconds: Int) {
        name = seconds == 0 ? "UTC" : "UTC\(seconds < 0 ? "" : "+")\(seconds)s"
        moments = []
        offsets = []
        firstOffset = seconds
        rule = nil
    }

    /// Reads a zone by its name, as `Europe/Berlin`. `UTC` works without any file.
    public init(named name: String, folder: String = Zone.systemFolder) throws(ZoneError) {
        guard name != "UTC", name != "Etc/UTC", name != "Z" else {
            self = Zone.utc
            return
        }
        let isPlain = name.utf8.allSatisfy { byte in
            byte >= 0x30 && byte <= 0x39 || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A
                || "/_+-".utf8.contains(byte)
        }
        guard isPlain, !name.isEmpty, !name.hasPrefix("/"), name.utf8.count <= 64 else {
            throw ZoneError(name: name, reason: "that is no name of a zone")
        }
        try self.init(file: folder + "/" + name, name: name)
    }

    /// Reads the machine's own zone.
    public static func system() throws(ZoneError) -> Zone {
        FileSystem.exists(systemFile) ? try Zone(file: systemFile, name: "local") : utc
    }

    /// Reads a TZif file.
    public init(file: String, name: String) throws(ZoneError) {
        let bytes: [UInt8]
        do {
            bytes = try FileSystem.read(file, byteLimit: Zone.fileByteLimit)
        } catch {
            let reason = error.isNotFound ? "there is no \(file)" : error.description
            throw ZoneError(name: name, reason: reason)
        }
        try self.init(bytes: bytes, name: name)
    }

    /// Reads the content of a TZif file.
    public init(bytes: [UInt8], name: String) throws(ZoneError) {
        var reader = ZoneFile(bytes: bytes)
        guard let table = reader.read() else {
            throw ZoneError(name: name, reason: "its file is damaged or of an unknown version")
        }
        self.name = name
        moments = table.moments
        offsets = table.offsets
        firstOffset = table.firstOffset
        rule = table.footer.isEmpty ? nil : ZoneRule(table.footer)
        if rule == nil, !table.footer.isEmpty {
            throw ZoneError(name: name, reason: "its rule \"\(table.footer)\" cannot be read")
        }
    }

    /// Seconds east of UTC at a moment.
    public func offset(at moment: Timestamp) -> Int {
        offset(atSecond: Zone.seconds(moment.microseconds))
    }

    /// What a local time means; `local` counts as if the local time were UTC.
    public func meaning(ofLocal local: Timestamp) -> LocalTime {
        let second = Zone.seconds(local.microseconds)
        // Within a day on either side there is at most one change of clocks.
        let before = offset(atSecond: second - 86_400)
        let after = offset(atSecond: second + 86_400)
        guard before != after else { return .once(before) }
        let isBefore = offset(atSecond: second - Int64(before)) == before
        let isAfter = offset(atSecond: second - Int64(after)) == after
        switch (isBefore, isAfter) {
        case (true, true): return .twice(first: before, second: after)
        case (true, false): return .once(before)
        case (false, true): return .once(after)
        case (false, false): return .never(before: before, after: after)
        }
    }

    /// The moment of a local time, for callers that must decide.
    ///
    /// A time that comes twice is taken for its first coming; one that never comes is read with
    /// the offset from before the jump.
    public func moment(ofLocal local: Timestamp) -> Timestamp {
        let offset: Int
        switch meaning(ofLocal: local) {
        case .once(let only): offset = only
        case .twice(let first, _): offset = first
        case .never(let before, _): offset = before
        }
        return Timestamp(microseconds: local.microseconds - Int64(offset) * 1_000_000)
    }

    private func offset(atSecond second: Int64) -> Int {
        guard let last = moments.last else { return rule?.offset(at: second) ?? firstOffset }
        if second >= last, let rule { return rule.offset(at: second) }
        var low = 0
        var high = moments.count
        while low < high {
            let middle = (low + high) / 2
            if moments[middle] <= second { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? firstOffset : Int(offsets[low - 1])
    }

    private static func seconds(_ microseconds: Int64) -> Int64 {
        microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000
    }
}

/// Reads the layout of RFC 9636: a header and a block with 32-bit times, the same with 64-bit
/// times, and a footer with the rule for the time after.
private struct ZoneFile {
    struct Table {
        var moments: [Int64] = []
        var offsets: [Int32] = []
        var firstOffset = 0
        var footer = ""
    }

    private struct Counts {
        var universal, standard, leap, time, type, letter: Int
    }

    let bytes: [UInt8]
    private var index = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func read() -> Table? {
        guard let first = readHeader() else { return nil }
        let skipped =
            first.time * 5 + first.type * 6 + first.letter + first.leap * 8 + first.standard
            + first.universal
        guard index + skipped <= bytes.count else { return nil }
        index += skipped
        guard let counts = readHeader() else { return nil }
        return readBlock(counts)
    }

    private mutating func readHeader() -> Counts? {
        guard index + 44 <= bytes.count,
            Array(bytes[index..<(index + 4)]) == Array("TZif".utf8),
            bytes[index + 4] >= UInt8(ascii: "2")
        else { return nil }
        index += 20
        var counts = [Int]()
        for _ in 0..<6 { counts.append(Int(readNumber(4))) }
        guard counts.allSatisfy({ $0 >= 0 && $0 <= Zone.fileByteLimit }) else { return nil }
        return Counts(
            universal: counts[0], standard: counts[1], leap: counts[2], time: counts[3],
            type: counts[4], letter: counts[5])
    }

    private mutating func readBlock(_ counts: Counts) -> Table? {
        let byteCount =
            counts.time * 9 + counts.type * 6 + counts.letter + counts.leap * 12 + counts.standard
            + counts.universal
        guard counts.type > 0, index + byteCount <= bytes.count else { return nil }
        let end = index + byteCount
        var table = Table()
        for _ in 0..<counts.time { table.moments.append(readNumber(8)) }
        let types = (0..<counts.time).map { _ in Int(readNumber(1) & 0xFF) }
        var typeOffsets = [Int32]()
        for _ in 0..<counts.type {
            typeOffsets.append(Int32(truncatingIfNeeded: readNumber(4)))
            index += 2
        }
        guard types.allSatisfy({ $0 < typeOffsets.count }),
            typeOffsets.allSatisfy({ abs(Int($0)) < 200_000 }),
            zip(table.moments, table.moments.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        table.offsets = types.map { typeOffsets[$0] }
        table.firstOffset = Int(typeOffsets[0])
        let footer = bytes[end...]
        guard footer.count >= 2, footer.first == 0x0A,
            let last = footer.dropFirst().firstIndex(of: 0x0A)
        else { return nil }
        table.footer = String(decoding: bytes[(end + 1)..<last], as: UTF8.self)
        return table
    }

    /// A signed number, most significant byte first; the caller has checked that it is there.
    private mutating func readNumber(_ byteCount: Int) -> Int64 {
        var value: Int64 = bytes[index] >= 0x80 ? -1 : 0
        for offset in 0..<byteCount { value = value << 8 | Int64(bytes[index + offset]) }
        index += byteCount
        return value
    }
}
