// SPDX-License-Identifier: Apache-2.0
import Platform

/// Moments as AWS and HTTP write them.
enum WrittenTime {
    /// `2026-11-21T11:02:07Z`, with any number of digits behind a point; nil for anything else.
    static func internet(_ written: String) -> Timestamp? {
        let text = Array(written.utf8)
        let count = text.count
        guard count >= 20, count <= 40, text[count - 1] == UInt8(ascii: "Z"),
            text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
            text[10] == UInt8(ascii: "T"), text[13] == UInt8(ascii: ":"),
            text[16] == UInt8(ascii: ":"),
            let year = number(text, 0..<4), let month = number(text, 5..<7),
            let day = number(text, 8..<10), let hour = number(text, 11..<13),
            let minute = number(text, 14..<16), let second = number(text, 17..<19)
        else { return nil }
        var microsecond = 0
        if count > 20 {
            guard text[19] == UInt8(ascii: "."), count > 21,
                number(text, 20..<min(count - 1, 26)) != nil
            else { return nil }
            for at in 20..<26 {
                let digit = at < count - 1 ? Int(text[at] - UInt8(ascii: "0")) : 0
                microsecond = microsecond * 10 + digit
            }
        }
        return moment(year, month, day, hour, minute, second, microsecond)
    }

    /// The date of RFC 9110 §5.6.7, `Sat, 21 Nov 2026 11:02:07 GMT`; nil for its old forms.
    static func http(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[0].hasSuffix(","), words[5] == "GMT",
            let month = months.firstIndex(of: String(words[2])),
            let day = Int(words[1]), let year = Int(words[3])
        else { return nil }
        let time = words[4].split(separator: ":").map { Int($0) ?? -1 }
        guard time.count == 3 else { return nil }
        return moment(year, month + 1, day, time[0], time[1], time[2], 0)
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func moment(
        _ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int, _ second: Int,
        _ microsecond: Int
    ) -> Timestamp? {
        guard (0...9999).contains(year), (1...12).contains(month),
            (1...CivilDate.dayCount(ofMonth: month, year: year)).contains(day),
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        return Timestamp(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second,
            microsecond: microsecond)
    }

    private static func number(_ text: [UInt8], _ range: Range<Int>) -> Int? {
        var value = 0
        for at in range {
            guard (0x30...0x39).contains(text[at]) else { return nil }
            value = value * 10 + Int(text[at] - 0x30)
        }
        return value
    }
}
