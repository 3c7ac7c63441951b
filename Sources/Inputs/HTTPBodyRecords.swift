// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Finds the records in the body of a request.
///
/// Only where values begin and end is looked at; what is inside is the parser's business, which
/// says of each record by itself what is wrong with it.
///
/// Lines are joined within a body, and a record ends with it: requests have no order among each
/// other and tell no sender, and one that waited for the next would not be answered before that.
struct HTTPBodyRecords: Sendable {
    /// Why a body has no records.
    enum Refusal: Error, Sendable, Hashable {
        /// More than the limit.
        case tooMany
        /// No JSON, as far as its brackets and commas tell; where that shows.
        case malformed(offset: Int, String)
    }

    /// Where the records are, in order; none of them empty.
    private(set) var records: [Record] = []
    private let countLimit: Int

    /// Looks through a body.
    init(
        _ body: [UInt8], form: HTTPRequestRules.Form, framing: RecordFraming = RecordFraming(),
        countLimit: Int
    ) throws(Refusal) {
        self.countLimit = countLimit
        let start = body.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        switch form {
        case .lines: try takeLines(body, start, framing)
        case .json: try takeValues(body, start)
        case .either:
            let first = body[start...].first { !HTTPBodyRecords.isSpace($0) }
            if first == nil || first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                try takeValues(body, start)
            } else {
                try takeLines(body, start, framing)
            }
        }
    }

    private mutating func add(_ range: Range<Int>) throws(Refusal) {
        guard records.count < countLimit else { throw .tooMany }
        records.append(
            Record(start: UInt32(range.lowerBound), count: UInt32(range.count), offset: 0))
    }

    // MARK: Lines

    private mutating func takeLines(
        _ body: [UInt8], _ start: Int, _ framing: RecordFraming
    ) throws(Refusal) {
        var lines = LinesOfBody(framing)
        var start = start
        while start < body.count {
            let end = body[start...].firstIndex(of: UInt8(ascii: "\n")) ?? body.count
            var last = end
            if last > start, body[last - 1] == UInt8(ascii: "\r") { last -= 1 }
            if last > start, !lines.joins(start..<last, of: body, to: &records) {
                try add(start..<last)
            }
            start = end + 1
        }
    }

    // MARK: JSON

    /// One array, whose elements are the records, or values one after the other.
    private mutating func takeValues(_ body: [UInt8], _ start: Int) throws(Refusal) {
        var index = HTTPBodyRecords.skipSpace(body, start)
        if index < body.count, body[index] == UInt8(ascii: "[") {
            index = HTTPBodyRecords.skipSpace(body, try takeArray(body, index + 1))
            guard index == body.count else {
                throw .malformed(offset: index, "something stands behind the array")
            }
            return
        }
        while index < body.count {
            let end = try HTTPBodyRecords.valueEnd(body, index)
            try add(index..<end)
            index = HTTPBodyRecords.skipSpace(body, end)
        }
    }

    /// Takes the elements up to the closing bracket and answers with what follows it.
    private mutating func takeArray(_ body: [UInt8], _ start: Int) throws(Refusal) -> Int {
        var index = HTTPBodyRecords.skipSpace(body, start)
        if index < body.count, body[index] == UInt8(ascii: "]") { return index + 1 }
        while true {
            let end = try HTTPBodyRecords.valueEnd(body, index)
            try add(index..<end)
            index = HTTPBodyRecords.skipSpace(body, end)
            guard index < body.count else {
                throw .malformed(offset: index, "the array does not end")
            }
            if body[index] == UInt8(ascii: "]") { return index + 1 }
            guard body[index] == UInt8(ascii: ",") else {
                throw .malformed(offset: index, "a comma is missing in the array")
            }
            index = HTTPBodyRecords.skipSpace(body, index + 1)
        }
    }

    /// Where the value that begins here ends.
    private static func valueEnd(_ body: [UInt8], _ start: Int) throws(Refusal) -> Int {
        guard start < body.count else { throw .malformed(offset: start, "a value is missing") }
        switch body[start] {
        case UInt8(ascii: "{"), UInt8(ascii: "["): return try bracketEnd(body, start)
        case UInt8(ascii: "\""): return try stringEnd(body, start)
        case _:
            var index = start
            while index < body.count, isBare(body[index]) { index += 1 }
            guard index > start else { throw .malformed(offset: start, "a value is missing") }
            return index
        }
    }

    private static func bracketEnd(_ body: [UInt8], _ start: Int) throws(Refusal) -> Int {
        // One bit a bracket: what is open, from the outside in.
        var open: [UInt8] = []
        var index = start
        while index < body.count {
            let byte = body[index]
            switch byte {
            case UInt8(ascii: "\""):
                index = try stringEnd(body, index)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard open.count < InputLimit.jsonDepthLimit else {
                    throw .malformed(offset: index, "more levels than \(InputLimit.jsonDepthLimit)")
                }
                open.append(byte)
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // In ASCII a closing bracket stands two behind its opening one.
                guard open.popLast() == byte - 2 else {
                    throw .malformed(offset: index, "a bracket closes what is not open")
                }
                if open.isEmpty { return index + 1 }
            case _: break
            }
            index += 1
        }
        throw .malformed(offset: index, "a bracket is not closed")
    }

    private static func stringEnd(_ body: [UInt8], _ start: Int) throws(Refusal) -> Int {
        var index = start + 1
        while index < body.count {
            if body[index] == UInt8(ascii: "\\") {
                index += 2
            } else if body[index] == UInt8(ascii: "\"") {
                return index + 1
            } else {
                index += 1
            }
        }
        throw .malformed(offset: body.count, "a string is not closed")
    }

    private static func skipSpace(_ body: [UInt8], _ start: Int) -> Int {
        var index = start
        while index < body.count, isSpace(body[index]) { index += 1 }
        return index
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
            || byte == UInt8(ascii: "\t")
    }

    /// What numbers and the words of JSON are made of.
    private static func isBare(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
    }
}

/// Decides which lines of a body belong to the record before.
private struct LinesOfBody: ~Copyable {
    private var joiner: LineJoiner
    private let lineLimit: Int
    private var lineCount = 0
    private var product: Int?
    /// True while the rest of a record that is too long is left out.
    private var skips = false

    init(_ framing: RecordFraming) {
        joiner = LineJoiner(framing)
        lineLimit = framing.recordLineLimit
    }

    /// Adds a line to the last record; false for one that begins a record.
    mutating func joins(
        _ line: Range<Int>, of body: [UInt8], to records: inout [Record]
    ) -> Bool {
        guard joiner.joins else { return false }
        if records.isEmpty || lineCount == 0 { product = nil }
        let plain = ANSI.stripped(Array(body[line]))
        let role =
            if let plain {
                joiner.role(plain.span, 0..<plain.count, product: &product)
            } else {
                joiner.role(body.span, line, product: &product)
            }
        let last = records.count - 1
        guard role == .continuation, last >= 0, lineCount > 0 || skips else {
            // Nothing goes on behind a line that is whole.
            (lineCount, skips) = (role == .whole ? 0 : 1, false)
            return false
        }
        guard !skips else { return true }
        lineCount += 1
        if lineCount > lineLimit {
            records[last].damage.insert(.cut)
            (lineCount, skips) = (0, true)
        } else {
            records[last].count = UInt32(line.upperBound) - records[last].start
        }
        return true
    }
}
