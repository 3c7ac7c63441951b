// SPDX-License-Identifier: Apache-2.0
import Platform

/// Spells `/status.json` for a terminal: the verdict, the flow, a line for each input and sink.
struct StatusScreen {
    /// The most problems that are shown.
    static let problemLimit = 3
    /// How many samples a trace shows.
    static let traceLength = 24

    let isColored: Bool
    /// True to show what rates were, as far as this screen has seen them.
    var keepsTraces = false
    private var traces: [String: [Double]] = [:]
    private var isLost = false

    init(isColored: Bool) {
        self.isColored = isColored
    }

    private enum Tone: String {
        case good = "32", look = "33", bad = "31", soft = "2", strong = "1"
    }

    private func paint(_ text: String, _ tone: Tone) -> String {
        isColored ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// All of it; nil for a document that is none of an agent.
    mutating func lines(_ status: JSONDocument) -> [String]? {
        guard let name = status["agent"]?["name"]?.string, let verdict = status["verdict"],
            let sentence = verdict["sentence"]?.string, let now = status["now"]?.string
        else { return nil }
        isLost = false
        let version = status["agent"]?["version"]?.string ?? ""
        let uptime = Quantity.duration(status["agent"]?["uptime_seconds"]?.number)
        var lines = [
            "\(paint(ConfigurationText.printable(name), .strong))  "
                + paint("sealtail \(ConfigurationText.printable(version)), up \(uptime)", .soft)
        ]
        let (word, tone): (String, Tone) =
            switch verdict["state"]?.string {
            case "good": ("ok", .good)
            case "attention": ("look", .look)
            case _: ("trouble", .bad)
            }
        lines.append("\(paint(word, tone))  \(ConfigurationText.printable(sentence))")
        for reason in verdict["reasons"]?.array ?? [] {
            lines.append("    - " + ConfigurationText.printable(reason.string ?? ""))
        }
        lines += flow(status, now)
        lines += table(inputs(status["inputs"]?.array ?? [], now))
        lines += table(sinks(status["sinks"]?.array ?? []))
        lines += problems(status["problems"]?.array ?? [])
        return lines
    }

    /// What to show while nobody answers.
    mutating func lost(_ sentence: String, _ former: [String]) -> [String] {
        let head = paint(ConfigurationText.printable(sentence), .bad)
        defer { isLost = true }
        if former.isEmpty { return [head] }
        return [head] + (isLost ? Array(former.dropFirst()) : former)
    }

    // MARK: Parts

    private func flow(_ status: JSONDocument, _ now: String) -> [String] {
        let (sample, ledger, chain) = (status["sample"], status["ledger"], status["chain"])
        let read = (status["inputs"]?.array ?? []).reduce(0) {
            $0 + ($1["records_read"]?.number ?? 0)
        }
        let waiting = ledger?["events_waiting"]?.number ?? 0
        let (bytes, limit) = (ledger?["bytes"]?.number ?? 0, ledger?["max_bytes"]?.number ?? 1)
        let age = Quantity.duration(ledger?["oldest_undelivered_age_seconds"]?.number)
        return [
            label("read")
                + "\(Quantity.rate(sample?["records_per_second"]?.number)), "
                + "\(Quantity.count(read)) since the start",
            label("sealed")
                + "\(Quantity.rate(sample?["events_per_second"]?.number)), "
                + "\(Quantity.count(ledger?["events_committed"]?.number)) since the start",
            label("ledger")
                + "\(Quantity.bytes(bytes)) of \(Quantity.bytes(limit)), "
                + (waiting > 0
                    ? "\(Quantity.count(waiting)) waiting, the oldest for \(age)"
                    : "nothing waiting"),
            label("chain")
                + "next number \(Quantity.count(chain?["sequence_number"]?.number)), checkpoint "
                + Quantity.ago(chain?["checkpoint"]?.string, now),
        ]
    }

    private func label(_ word: String) -> String {
        paint(word.padded(to: 8), .soft)
    }

    /// Why a row is not good stands in the verdict.
    private typealias Row = (isGood: Bool, cells: [String])

    private mutating func inputs(_ list: [JSONDocument], _ now: String) -> [Row] {
        list.map { input in
            let id = ConfigurationText.printable(input["id"]?.string ?? "")
            let speed = input["records_per_second"]?.number
            let dropped =
                (input["records_dropped"]?.number ?? 0) + (input["elements_dropped"]?.number ?? 0)
            var cells = [
                "input", id, Quantity.rate(speed),
                "last " + Quantity.ago(input["last_record"]?.string, now),
                "unread " + Quantity.bytes(input["lag_bytes"]?.number ?? 0),
                "dropped " + Quantity.count(dropped),
            ]
            cells += trace("input." + id, speed)
            return (input["readable"]?.bool ?? false, cells)
        }
    }

    private mutating func sinks(_ list: [JSONDocument]) -> [Row] {
        list.map { sink in
            let id = ConfigurationText.printable(sink["id"]?.string ?? "")
            let speed = sink["delivered_per_second"]?.number
            var cells = [
                "sink", id, Quantity.rate(speed),
                "waiting " + Quantity.count(sink["events_waiting"]?.number),
                "latency " + Quantity.duration(sink["latency_seconds"]?.number),
                "dead letters " + Quantity.count(sink["dead_letter_events"]?.number),
            ]
            cells += trace("sink." + id, speed)
            return (sink["up"]?.bool ?? false, cells)
        }
    }

    private func table(_ rows: [Row]) -> [String] {
        let count = rows.map(\.cells.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { $0.cells[column].count }.max() ?? 0
        }
        return rows.map { row in
            var line = paint(row.cells[0].padded(to: 8), .soft)
            line += row.isGood ? paint("ok    ", .good) : paint("down  ", .bad)
            for column in 1..<count {
                line += row.cells[column].padded(to: widths[column] + 2)
            }
            return line.trimmingEnd()
        }
    }

    private func problems(_ list: [JSONDocument]) -> [String] {
        list.prefix(StatusScreen.problemLimit).map { problem in
            let fields = (problem["fields"]?.members ?? []).map { member in
                " \(ConfigurationText.printable(member.key))="
                    + ConfigurationText.printable(member.value.string ?? "")
            }
            let isError = problem["level"]?.string == "error"
            let time = ConfigurationText.printable(problem["last"]?.string ?? "").dropFirst(11)
                .prefix(8)
            let count = problem["count"]?.number ?? 1
            return label("log") + paint(isError ? "error  " : "warning", isError ? .bad : .look)
                + " \(time)Z \(ConfigurationText.printable(problem["message"]?.string ?? ""))"
                + fields.joined() + (count > 1 ? " (\(Quantity.count(count)) times)" : "")
        }
    }

    // MARK: Traces

    /// What a rate was, as bars that are as high as the highest one of the row.
    private mutating func trace(_ key: String, _ value: Double?) -> [String] {
        guard keepsTraces else { return [] }
        var values = traces[key] ?? []
        values.append(value ?? 0)
        traces[key] = values.suffix(StatusScreen.traceLength)
        let highest = max(values.max() ?? 0, 1)
        return [String(values.suffix(StatusScreen.traceLength).map { bar($0 / highest) })]
    }

    private func bar(_ share: Double) -> Character {
        let bars = Array("▁▂▃▄▅▆▇█")
        return bars[Int((min(max(share, 0), 1) * Double(bars.count - 1)).rounded())]
    }

    // MARK: Fitting

    /// The lines that fit, each cut at the right edge; colours do not count.
    static func fit(_ lines: [String], to size: Terminal.Size?) -> [String] {
        guard let size else { return lines }
        let kept = lines.count > size.rows ? lines.prefix(max(1, size.rows)) : lines[...]
        return kept.map { cut($0, to: size.columns) }
    }

    private static func cut(_ line: String, to columns: Int) -> String {
        var result = ""
        var (width, isEscape) = (0, false)
        for character in line {
            if character == "\u{1B}" { isEscape = true }
            guard isEscape || width < columns else { continue }
            result.append(character)
            if !isEscape { width += 1 } else if character == "m" { isEscape = false }
        }
        return result
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }

    fileprivate func trimmingEnd() -> String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
