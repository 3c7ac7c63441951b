// SPDX-License-Identifier: Apache-2.0

/// Finds the records in the body of a request.
///
/// Only where values begin and end is looked at; what is inside is the parser's business, which
/// says of each record by itself what is wrong with it.
struct HTTPBodyRecords: Sendable {
    /// Why a body has no records.
    enum Refusal: Error, Sendable, Hashable {
        /// More than the limit.
        case tooMany
        /// No JSON, as far as its brackets and commas tell; where that shows.
        case malformed(offset: Int, String)
    }

    /// Where the records are, in order; none of them empty.
    private(set) var ranges: [Range<Int>] = []
    private let countLimit: Int

    /// Looks through a body.
    init(
        _ body: [UInt8], form: HTTPRequestRules.Form, countLimit: Int
    ) throws(Refusal) {
        self.countLimit = countLimit
        let start = body.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        switch form {
        case .lines: try takeLines(body, start)
        case .json: try takeValues(body, start)
        case .either:
            let first = body[start...].first { !HTTPBodyRecords.isSpace($0) }
            if first == nil || first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                try takeValues(body, start)
            } else {
                try takeLines(body, start)
            }
        }
    }

    private mutating func add(_ range: Range<Int>) throws(Refusal) {
        guard ranges.count < countLimit else { throw .tooMany }
        ranges.append(range)
    }

    // MARK: Lines

    private mutating func takeLines(_ body: [UInt8], _ start: Int) throws(Refusal) {
        var start = start
        while start < body.count {
            let end = body[start...].firstIndex(of: UInt8(ascii: "\n")) ?? body.count
            var last = end
            if last > start, body[last - 1] == UInt8(ascii: "\r") { last -= 1 }
            if last > start { try add(start..<last) }
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
