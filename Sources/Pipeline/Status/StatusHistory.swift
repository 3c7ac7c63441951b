// SPDX-License-Identifier: Apache-2.0
import Platform

/// The last ten minutes in numbers, for the plots of the status page. A pure value.
///
/// Each series is a ring of fixed size, made when its input or sink is seen first, so that nothing
/// is allocated afterwards; `seriesLimit` bounds all of them together.
struct StatusHistory: Sendable {
    /// The time between two samples.
    static let interval = Duration.seconds(2)
    /// How many samples are kept: ten minutes.
    static let sampleLimit = 300
    /// The most series, 96 kB together; what comes later has no plots.
    static let seriesLimit = 80

    /// What a series is about.
    enum Measure: String, Sendable, CaseIterable, Hashable {
        /// Records read, per second.
        case records
        /// Events sealed, per second.
        case events
        /// Bytes that the ledger takes.
        case bytes
        /// Events that a sink has not settled.
        case waiting
        /// Events delivered, per second.
        case delivered
        /// How long requests took in the mean, in seconds; no number where there was none.
        case latency
    }

    /// A series: of an input, of a sink, or of the agent.
    struct Name: Sendable, Hashable {
        enum Owner: Sendable, Hashable {
            case agent
            case input(String)
            case sink(String)
        }

        var owner: Owner
        var measure: Measure
    }

    /// Numbers that only go up, or a level.
    enum Reading: Sendable, Equatable {
        case count(Double)
        case level(Double)
        /// A sum of seconds over so many observations; both only go up.
        case mean(count: Double, sum: Double)
    }

    private struct Series: Sendable {
        var values = [Float](repeating: .nan, count: StatusHistory.sampleLimit)
        var former: Reading?
    }

    private var series: [Name: Series] = [:]
    private var last: MonotonicInstant?
    /// How many samples were taken since the start.
    private(set) var number = 0

    /// True when it is time for a sample.
    func isDue(at now: MonotonicInstant) -> Bool {
        last.map { now.duration(since: $0) >= StatusHistory.interval } ?? true
    }

    /// Takes a sample; moments that were missed are left empty.
    mutating func sample(_ readings: [(name: Name, reading: Reading)], at now: MonotonicInstant) {
        let elapsed = last.map { now.duration(since: $0).inSeconds } ?? 0
        let steps = Int((elapsed / StatusHistory.interval.inSeconds).rounded(.down))
        for _ in 1..<max(1, min(steps, StatusHistory.sampleLimit)) {
            advance()
        }
        advance()
        last = now
        for (name, reading) in readings { note(reading, name, elapsed: elapsed) }
        let names = Set(readings.map(\.name))
        if series.count > names.count { series = series.filter { names.contains($0.key) } }
    }

    private var slot: Int { (number + StatusHistory.sampleLimit - 1) % StatusHistory.sampleLimit }

    private mutating func advance() {
        number += 1
        for index in series.values.indices { series.values[index].values[slot] = .nan }
    }

    private mutating func note(_ reading: Reading, _ name: Name, elapsed: Double) {
        guard series[name] != nil || series.count < StatusHistory.seriesLimit else { return }
        let former = series[name]?.former
        series[name, default: Series()].values[slot] =
            Float(StatusHistory.value(reading, after: former, elapsed: elapsed))
        series[name]?.former = reading
    }

    private static func value(
        _ reading: Reading, after former: Reading?, elapsed: Double
    ) -> Double {
        switch (reading, former) {
        case (.level(let level), _): return level
        case (.count(let count), .count(let before)) where count >= before && elapsed > 0:
            return (count - before) / elapsed
        case (.mean(let count, let sum), .mean(let before, let sumBefore)) where count > before:
            return (sum - sumBefore) / (count - before)
        case (.count, _), (.mean, _): return .nan
        }
    }

    /// The newest value of a series; nil where there is none.
    func newest(_ owner: Name.Owner, _ measure: Measure) -> Double? {
        guard let value = series[Name(owner: owner, measure: measure)]?.values[slot], value.isFinite
        else { return nil }
        return Double(value)
    }

    /// The mean of the last minute of a series; nil where nothing is known of it.
    func mean(_ owner: Name.Owner, _ measure: Measure) -> Double? {
        let known = (values(owner, measure) ?? []).suffix(StatusHistory.minute).filter(\.isFinite)
        return known.isEmpty ? nil : Double(known.reduce(0, +)) / Double(known.count)
    }

    private static let minute = 30

    /// All values of a series, the oldest first; nil for an unknown one.
    func values(_ owner: Name.Owner, _ measure: Measure) -> [Float]? {
        guard let ring = series[Name(owner: owner, measure: measure)]?.values else { return nil }
        let count = min(number, StatusHistory.sampleLimit)
        let first = slot + 1 + StatusHistory.sampleLimit - count
        return (0..<count).map { ring[(first + $0) % StatusHistory.sampleLimit] }
    }

    /// Every series there is.
    var names: [Name] { Array(series.keys) }
}
