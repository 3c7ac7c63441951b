// SPDX-License-Identifier: Apache-2.0
import Platform

/// Addresses of the Internet in the one form that RFC 5952 recommends.
enum AddressText {
    /// The longest text that can be an address, with brackets, port and zone.
    static let byteLimit = 64

    /// Appends the canonical form; false when the text is no address.
    ///
    /// `1.2.3.4:80`, `[::1]:80` and a zone behind `%` are taken apart; an IPv4 address inside IPv6
    /// is written as IPv4.
    static func append(_ text: Span<UInt8>, to output: inout ByteWriter) -> Bool {
        guard text.count >= 2, text.count <= byteLimit else { return false }
        if let four = readIPv4(text, 0..<text.count, allowsPort: true) {
            appendIPv4(four, to: &output)
            return true
        }
        var range = 0..<text.count
        if text[0] == 0x5B {
            guard let close = ByteSearch.first(0x5D, in: text) else { return false }
            guard close + 1 == text.count || text[close + 1] == 0x3A else { return false }
            range = 1..<close
        }
        if let zone = ByteSearch.first(0x25, in: text, range) { range = range.lowerBound..<zone }
        guard let groups = readIPv6(text, range) else { return false }
        appendIPv6(groups, to: &output)
        return true
    }

    /// True when the text is an IPv4 address in its one form, so that it can stay as it is.
    static func isCanonicalIPv4(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        readIPv4(text, range, allowsPort: false) != nil
    }

    private static func readIPv4(
        _ text: Span<UInt8>, _ range: Range<Int>, allowsPort: Bool
    ) -> UInt32? {
        var value: UInt32 = 0
        var part: UInt32 = 0
        var digits = 0
        var parts = 0
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = text[index]
            if ASCII.isDigit(byte) {
                // A leading zero means octal to some and decimal to others: no address.
                if digits > 0, part == 0 { return nil }
                part = part * 10 + UInt32(byte - 0x30)
                digits += 1
                if part > 255 { return nil }
            } else if byte == 0x2E, digits > 0, parts < 3 {
                value = value << 8 | part
                part = 0
                digits = 0
                parts += 1
            } else if byte == 0x3A, allowsPort, parts == 3, digits > 0 {
                guard isPort(text, index + 1..<range.upperBound) else { return nil }
                break
            } else {
                return nil
            }
            index += 1
        }
        return parts == 3 && digits > 0 ? value << 8 | part : nil
    }

    private static func isPort(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty, range.count <= 5 else { return false }
        for index in range where !ASCII.isDigit(text[index]) { return false }
        return true
    }

    private static func readIPv6(_ text: Span<UInt8>, _ range: Range<Int>) -> [8 of UInt16]? {
        var groups = [8 of UInt16](repeating: 0)
        var count = 0
        var gap = -1
        var index = range.lowerBound
        let end = range.upperBound
        guard range.count >= 2 else { return nil }
        if text[index] == 0x3A {
            guard text[index + 1] == 0x3A else { return nil }
            gap = 0
            index += 2
        }
        while index < end {
            guard count < 8 else { return nil }
            var value: UInt16 = 0
            let start = index
            while index < end, let digit = hex(text[index]) {
                guard index - start < 4 else { return nil }
                value = value << 4 | UInt16(digit)
                index += 1
            }
            if index < end, text[index] == 0x2E {
                guard count <= 6, let four = readIPv4(text, start..<end, allowsPort: false)
                else { return nil }
                groups[count] = UInt16(truncatingIfNeeded: four >> 16)
                groups[count + 1] = UInt16(truncatingIfNeeded: four)
                count += 2
                index = end
                break
            }
            guard index > start else { return nil }
            groups[count] = value
            count += 1
            guard index < end else { break }
            guard text[index] == 0x3A, index + 1 < end else { return nil }
            index += 1
            if text[index] == 0x3A {
                guard gap < 0 else { return nil }
                gap = count
                index += 1
            }
        }
        guard gap >= 0 ? count < 8 : count == 8 else { return nil }
        guard gap >= 0 else { return groups }
        var whole = [8 of UInt16](repeating: 0)
        for index in 0..<gap { whole[index] = groups[index] }
        for index in gap..<count { whole[8 - count + index] = groups[index] }
        return whole
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    private static func appendIPv4(_ value: UInt32, to output: inout ByteWriter) {
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            if shift < 24 { output.append(0x2E) }
            output.append(decimal: UInt64(value >> shift & 255))
        }
    }

    private static func appendIPv6(_ groups: [8 of UInt16], to output: inout ByteWriter) {
        var isMapped = groups[5] == 0xFFFF
        for index in 0..<5 where groups[index] != 0 { isMapped = false }
        if isMapped {
            appendIPv4(UInt32(groups[6]) << 16 | UInt32(groups[7]), to: &output)
            return
        }
        // The longest run of two zeros or more becomes `::`, the first of two equals.
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > best.count, end - index >= 2 { best = index..<end }
            index = max(end, index + 1)
        }
        index = 0
        while index < 8 {
            if !best.isEmpty, index == best.lowerBound {
                output.append("::")
                index = best.upperBound
                continue
            }
            if index > 0, index != best.upperBound || best.isEmpty { output.append(0x3A) }
            appendHex(groups[index], to: &output)
            index += 1
        }
    }

    private static func appendHex(_ value: UInt16, to output: inout ByteWriter) {
        var isLeading = true
        for shift in stride(from: UInt16(12), through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
            if isLeading, digit == 0, shift > 0 { continue }
            isLeading = false
            output.append(digit < 10 ? digit + 0x30 : digit - 10 + 0x61)
        }
    }
}
