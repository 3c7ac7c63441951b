// SPDX-License-Identifier: Apache-2.0

/// Spells numbers in Prometheus' text format 0.0.4:
///
///     # HELP sealtail_records_read_total Records read.
///     # TYPE sealtail_records_read_total counter
///     sealtail_records_read_total{input="keycloak"} 12
///
/// A family must stand in one piece, so that families are gathered first and spelled at the end.
struct MetricPage {
    private struct Family {
        let help: String
        let kind: MetricKind
        /// The lines of a series, by the text of its labels.
        var series: [String: String] = [:]
    }

    private var families: [String: Family] = [:]

    /// Adds a counter or a gauge. A series that is there already stays as it is.
    mutating func add(
        _ name: String, help: String, kind: MetricKind, labels: MetricLabels, value: Double
    ) {
        let text = MetricPage.text(of: labels)
        insert(name, help, kind, text, "\(name)\(text) \(MetricPage.text(of: value))\n")
    }

    /// Adds a histogram: its buckets summed up, the sum and the count.
    mutating func add(
        _ name: String, help: String, labels: MetricLabels, histogram: Histogram
    ) {
        let snapshot = histogram.snapshot
        var lines = ""
        var total: UInt64 = 0
        for (bound, count) in zip(histogram.bounds + [.infinity], snapshot.counts) {
            total += count
            let bucket = MetricPage.text(of: labels + [("le", MetricPage.text(of: bound))])
            lines += "\(name)_bucket\(bucket) \(total)\n"
        }
        let text = MetricPage.text(of: labels)
        lines += "\(name)_sum\(text) \(MetricPage.text(of: snapshot.sum))\n"
        lines += "\(name)_count\(text) \(total)\n"
        insert(name, help, .histogram, text, lines)
    }

    /// The whole page, families by name and series by labels.
    func bytes() -> [UInt8] {
        var page = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            page += "# HELP \(name) \(MetricPage.escaped(family.help, quotes: false))\n"
            page += "# TYPE \(name) \(family.kind.rawValue)\n"
            for (_, lines) in family.series.sorted(by: { $0.key < $1.key }) { page += lines }
        }
        return Array(page.utf8)
    }

    private mutating func insert(
        _ name: String, _ help: String, _ kind: MetricKind, _ labels: String, _ lines: String
    ) {
        var family = families[name] ?? Family(help: help, kind: kind)
        guard family.kind == kind else { bug("\(name) is a \(family.kind) and a \(kind)") }
        if family.series[labels] == nil { family.series[labels] = lines }
        families[name] = family
    }

    /// `{input="keycloak",reason="too_long"}`, or nothing without labels.
    static func text(of labels: MetricLabels) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    /// Whole numbers without a fraction, the rest as short as it reads back exactly.
    static func text(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { String($0) } ?? value.description
    }

    /// Letters, digits and `_`, not beginning with a digit.
    static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
        }
    }

    /// The format escapes these three and nothing else; quotes only in label values.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
