// SPDX-License-Identifier: Apache-2.0
import Platform

/// The sequences by which a terminal is told colours (ECMA-48, SGR) and to clear a line (EL).
///
/// Other sequences are content: they are not what a program writes for a terminal to look nice.
enum ANSI {
    static let escape: UInt8 = 0x1B

    /// Where a sequence ends that begins at `start`; nil when none does.
    static func end(_ bytes: Span<UInt8>, _ start: Int, _ limit: Int) -> Int? {
        guard start + 2 < limit, bytes[start] == escape, bytes[start + 1] == UInt8(ascii: "[")
        else { return nil }
        var place = start + 2
        while place < limit, isParameter(bytes[place]) { place += 1 }
        guard place < limit, bytes[place] == UInt8(ascii: "m") || bytes[place] == UInt8(ascii: "K")
        else { return nil }
        return place + 1
    }

    private static func isParameter(_ byte: UInt8) -> Bool {
        SyslogHeader.isDigit(byte) || byte == UInt8(ascii: ";") || byte == UInt8(ascii: ":")
    }

    /// Where the first byte stands that belongs to no sequence.
    @inline(__always)
    static func skip(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int {
        var place = range.lowerBound
        while place < range.upperBound, bytes[place] == escape,
            let next = end(bytes, place, range.upperBound)
        {
            place = next
        }
        return place
    }

    /// Appends the bytes without sequences.
    static func append(_ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout [UInt8]) {
        var place = range.lowerBound
        while place < range.upperBound {
            place = skip(bytes, place..<range.upperBound)
            guard place < range.upperBound else { return }
            // An escape here is no sequence.
            let next =
                ByteSearch.first(escape, in: bytes, place + 1..<range.upperBound)
                ?? range.upperBound
            for index in place..<next { output.append(bytes[index]) }
            place = next
        }
    }

    /// The bytes without sequences; nil when there is none.
    static func stripped(_ bytes: [UInt8]) -> [UInt8]? {
        guard ByteSearch.first(escape, in: bytes.span) != nil else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        append(bytes.span, 0..<bytes.count, to: &output)
        return output.count < bytes.count ? output : nil
    }
}
