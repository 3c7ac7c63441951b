// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Which values stand in the columns of a text.
struct ColumnPlan: Sendable {
    /// What parts the columns.
    var separator: [UInt8]
    /// What may stand around a column, twice for itself inside; nil for nothing.
    var quote: UInt8?
    /// The fewest columns of a text that is meant.
    var leastCount: Int
    /// Of each column the values that it gives.
    var slots: [[Int32]]
}

extension RecordParser {
    /// The text of a value, or of the record when no value is named.
    private mutating func source(
        _ from: Int32?, _ record: Record, _ block: Span<UInt8>
    ) -> Slot? {
        let source = from.map { slot($0) } ?? text(of: record, block)
        return source.isText ? source : nil
    }

    /// Gives a value a part of a text, unless it has one already.
    private mutating func put(
        _ range: Range<Int>, of source: Slot, _ number: Int, _ block: Span<UInt8>
    ) {
        if slots[number].stamp == stamp, slots[number].form != .nothing { return }
        let start = source.offset + range.lowerBound
        slots[number] = part(start..<start + range.count, of: source, block)
    }

    // MARK: logfmt

    /// Splits `key=value key="value"`; false when not a single pair is there.
    mutating func splitLogfmt(
        _ from: Int32?, _ table: Int, _ record: Record, _ block: Span<UInt8>
    ) -> Bool {
        guard let source = source(from, record, block) else { return false }
        parts.removeAll(keepingCapacity: true)
        if !findPairs(source, block) { damage.insert(.truncated) }
        for index in stride(from: 0, to: parts.count, by: 2) {
            let (key, value) = (parts[index], parts[index + 1])
            let start = source.offset + key.lowerBound
            let found = find(start..<start + key.count, of: source, Int(table), block)
            guard found >= 0 else { continue }
            if slots[found].stamp == stamp, slots[found].form != .nothing {
                damage.insert(.duplicateKey)
                // A value that its logger put into quotes cannot have made a key of its own.
                let isQuoted = withText(source, block) { text, place in
                    text[place.lowerBound + value.lowerBound - 1] == 0x22
                        || (!value.isEmpty && text[place.lowerBound + value.lowerBound] == 0x22)
                }
                if !isQuoted { damage.insert(.suspectedInjection) }
                continue
            }
            putUnescaped(value, of: source, found, block)
        }
        return !parts.isEmpty
    }

    /// The name whose key a part of a text is, -1 for none.
    private mutating func find(
        _ key: Range<Int>, of source: Slot, _ table: Int, _ block: Span<UInt8>
    ) -> Int {
        if source.form == .block { return program.logfmtTables[table].find(block, key) ?? -1 }
        return RecordParser.find(key, scratch, program.logfmtTables, table)
    }

    private static func find(
        _ key: Range<Int>, _ text: borrowing ByteWriter, _ tables: [TextTable], _ table: Int
    ) -> Int {
        text.withBytes { tables[table].find($0, key) ?? -1 }
    }

    /// Puts the ranges of keys and values into `parts`, by turns; a value in quotes has them. False
    /// when the last value has no end.
    private mutating func findPairs(_ source: Slot, _ block: Span<UInt8>) -> Bool {
        if source.form == .block {
            return LogfmtScanner.scan(block.extracting(source.range), into: &parts)
        }
        return RecordParser.findPairs(scratch, source.range, into: &parts)
    }

    private static func findPairs(
        _ text: borrowing ByteWriter, _ range: Range<Int>, into parts: inout [Range<Int>]
    ) -> Bool {
        text.withBytes { LogfmtScanner.scan($0.extracting(range), into: &parts) }
    }

    private mutating func putUnescaped(
        _ value: Range<Int>, of source: Slot, _ number: Int, _ block: Span<UInt8>
    ) {
        let isQuoted =
            value.count >= 2
            && withText(source, block) { text, place in
                text[place.lowerBound + value.lowerBound] == 0x22
            }
        guard isQuoted else { return put(value, of: source, number, block) }
        let inside = value.lowerBound + 1..<value.upperBound - 1
        let part = Slot.text(
            source.form, source.offset + inside.lowerBound, inside.count, stamp: stamp)
        guard withText(part, block, { ByteSearch.first(0x5C, in: $0, $1) != nil }) else {
            return put(inside, of: source, number, block)
        }
        copyToWork(part, block)
        let start = scratch.count
        RecordParser.unescape(work, to: &scratch)
        slots[number] = .text(.scratch, start, scratch.count - start, stamp: stamp)
    }

    private static func unescape(
        _ text: borrowing ByteWriter, to target: inout ByteWriter
    ) {
        text.withBytes { LogfmtScanner.unescape($0, to: &target) }
    }

    // MARK: Columns

    /// Splits a text into columns; false when there are too few.
    mutating func splitColumns(
        _ from: Int32?, _ number: Int, _ record: Record, _ block: Span<UInt8>
    ) -> Bool {
        guard let source = source(from, record, block) else { return false }
        let plan = program.columnPlans[number]
        parts.removeAll(keepingCapacity: true)
        findColumns(source, plan, block)
        guard parts.count >= plan.leastCount else { return false }
        for (index, part) in parts.enumerated() where index < plan.slots.count {
            for slot in plan.slots[index] {
                putColumn(part, of: source, Int(slot), plan.quote, block)
            }
        }
        return true
    }

    private mutating func findColumns(
        _ source: Slot, _ plan: ColumnPlan, _ block: Span<UInt8>
    ) {
        if source.form == .block {
            ColumnSplitter.split(block.extracting(source.range), plan, into: &parts)
        } else {
            RecordParser.findColumns(scratch, source.range, plan, into: &parts)
        }
    }

    private static func findColumns(
        _ text: borrowing ByteWriter, _ range: Range<Int>, _ plan: ColumnPlan,
        into parts: inout [Range<Int>]
    ) {
        text.withBytes { ColumnSplitter.split($0.extracting(range), plan, into: &parts) }
    }

    private mutating func putColumn(
        _ column: Range<Int>, of source: Slot, _ number: Int, _ quote: UInt8?,
        _ block: Span<UInt8>
    ) {
        let isQuoted =
            column.count >= 2
            && withText(source, block) { text, place in
                text[place.lowerBound + column.lowerBound] == quote
                    && text[place.lowerBound + column.upperBound - 1] == quote
            }
        guard let quote, isQuoted else { return put(column, of: source, number, block) }
        let inside = column.lowerBound + 1..<column.upperBound - 1
        let part = Slot.text(
            source.form, source.offset + inside.lowerBound, inside.count, stamp: stamp)
        guard withText(part, block, { ByteSearch.first(quote, in: $0, $1) != nil }) else {
            return put(inside, of: source, number, block)
        }
        copyToWork(part, block)
        let start = scratch.count
        RecordParser.undouble(work, quote, to: &scratch)
        slots[number] = .text(.scratch, start, scratch.count - start, stamp: stamp)
    }

    private static func undouble(
        _ text: borrowing ByteWriter, _ quote: UInt8, to target: inout ByteWriter
    ) {
        text.withBytes { ColumnSplitter.undouble($0, quote, to: &target) }
    }
}

/// Finds the columns of a text, without the blanks around them.
enum ColumnSplitter {
    /// The most columns.
    static let columnLimit = 256

    static func split(_ text: Span<UInt8>, _ plan: ColumnPlan, into parts: inout [Range<Int>]) {
        var start = 0
        while parts.count < columnLimit {
            var from = start
            while from < text.count, text[from] == 0x20 { from += 1 }
            let end: Int
            if let quote = plan.quote, from < text.count, text[from] == quote {
                end = separator(text, closing(text, from, quote), plan.separator)
            } else {
                end = separator(text, start, plan.separator)
            }
            var last = end
            while last > from, text[last - 1] == 0x20 { last -= 1 }
            parts.append(min(from, last)..<last)
            guard end < text.count else { return }
            start = end + plan.separator.count
        }
    }

    /// Where the next separator stands, or the text ends.
    private static func separator(_ text: Span<UInt8>, _ start: Int, _ separator: [UInt8]) -> Int {
        ByteSearch.first(separator, in: text, min(start, text.count)..<text.count) ?? text.count
    }

    /// Behind the quote that closes the one at `opening`; behind that one when nothing closes it.
    private static func closing(_ text: Span<UInt8>, _ opening: Int, _ quote: UInt8) -> Int {
        var index = opening + 1
        while index < text.count, let hit = ByteSearch.first(quote, in: text, index..<text.count) {
            guard hit + 1 < text.count, text[hit + 1] == quote else { return hit + 1 }
            index = hit + 2
        }
        return opening + 1
    }

    /// Writes two quotes in a row as one.
    static func undouble(_ text: Span<UInt8>, _ quote: UInt8, to target: inout ByteWriter) {
        var index = 0
        while index < text.count {
            target.append(text[index])
            let isPair =
                text[index] == quote && index + 1 < text.count && text[index + 1] == quote
            index += isPair ? 2 : 1
        }
    }
}

/// Finds the pairs of `key=value key="quoted value"`, as logfmt and Go's loggers write them.
enum LogfmtScanner {
    /// The most pairs.
    static let pairLimit = 256

    /// Appends the ranges of keys and values by turns; false when the last value has no end.
    static func scan(_ text: Span<UInt8>, into parts: inout [Range<Int>]) -> Bool {
        var index = 0
        while index < text.count, parts.count < 2 * pairLimit {
            while index < text.count, text[index] <= 0x20 { index += 1 }
            let start = index
            while index < text.count, isKeyByte(text[index]) { index += 1 }
            guard index < text.count, index > start, text[index] == 0x3D else {
                // No key: what is written here belongs to nobody.
                while index < text.count, text[index] > 0x20 { index += 1 }
                continue
            }
            let key = start..<index
            index += 1
            let value = index
            if index < text.count, text[index] == 0x22 {
                guard let end = closing(text, index) else { return false }
                index = end
            } else {
                while index < text.count, text[index] > 0x20 { index += 1 }
            }
            parts.append(key)
            parts.append(value..<index)
        }
        return true
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte != 0x3D && byte != 0x22 && byte < 0x7F
    }

    /// Behind the quote that closes the one at `opening`.
    private static func closing(_ text: Span<UInt8>, _ opening: Int) -> Int? {
        var index = opening + 1
        while index < text.count {
            if text[index] == 0x22 { return index + 1 }
            index += text[index] == 0x5C ? 2 : 1
        }
        return nil
    }

    /// Writes what the escapes of a text mean, as Go's `strconv.Quote` makes them.
    static func unescape(_ text: Span<UInt8>, to target: inout ByteWriter) {
        var index = 0
        let end = text.count
        while index < end {
            let byte = text[index]
            guard byte == 0x5C, index + 1 < end else {
                target.append(byte)
                index += 1
                continue
            }
            let kind = text[index + 1]
            index += 2
            switch kind {
            case UInt8(ascii: "n"): target.append(0x0A)
            case UInt8(ascii: "t"): target.append(0x09)
            case UInt8(ascii: "r"): target.append(0x0D)
            case UInt8(ascii: "x"):
                appendCode(text, &index, end, digits: 2, isByte: true, to: &target)
            case UInt8(ascii: "u"):
                appendCode(text, &index, end, digits: 4, isByte: false, to: &target)
            case UInt8(ascii: "U"):
                appendCode(text, &index, end, digits: 8, isByte: false, to: &target)
            default: target.append(kind)
            }
        }
    }

    /// A byte or character by its number; U+FFFD for what is none.
    private static func appendCode(
        _ text: Span<UInt8>, _ index: inout Int, _ end: Int, digits: Int, isByte: Bool,
        to target: inout ByteWriter
    ) {
        var code: UInt32 = 0
        let limit = min(end, index + digits)
        while index < limit, let digit = hexValue(text[index]) {
            code = code &<< 4 | digit
            index += 1
        }
        // A byte above 0x7F alone is no UTF-8.
        let isGood = isByte ? code < 0x80 : true
        let scalar = isGood ? Unicode.Scalar(code) : nil
        target.append(String(Character(scalar ?? "\u{FFFD}")))
    }

    private static func hexValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x37)
        case 0x61...0x66: UInt32(byte - 0x57)
        default: nil
        }
    }
}
