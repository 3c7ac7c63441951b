// SPDX-License-Identifier: Apache-2.0

/// Records that are made to cost a parser as much as they can, from one that it knows.
///
/// Whoever can choose a user name can write most of them into a log.
public enum HostileRecords {
    /// Sixteen records of about so many bytes, each a good one up to some point and then a flood.
    public static func make(from record: [UInt8], byteCount: Int) -> [[UInt8]] {
        let floods = [
            "a", " ", "=", ", ", "\"", "'", "\\", "{", "[", "|", "1", "a=b, ", "a=\"b\" ",
            "\"a\":\"b\",", "%20", "é\u{202E}",
        ]
        return floods.enumerated().map { index, flood in
            // The flood begins deep in the record, where a pattern has matched most of it.
            let kept = record.count * (index % 4 + 1) / 4
            var bytes = Array(record[..<kept])
            let unit = Array(flood.utf8)
            while bytes.count < byteCount { bytes += unit }
            return bytes + record[kept...]
        }
    }
}
