// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What kind of number a family of metrics is, as Prometheus distinguishes them.
public enum MetricKind: String, Sendable {
    /// Only goes up, and begins at zero with the process.
    case counter
    /// Goes up and down.
    case gauge
    /// Counts observations by size.
    case histogram
}

/// Labels in the order they are printed. Values must come from a small, known set: the name of
/// an input or a sink, a bounded reason; never a path, a host or the text of an error.
public typealias MetricLabels = [(name: String, value: String)]

/// A number that only goes up. Any thread may add to it.
public final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    /// Adds to the number; one by default.
    public func add(_ more: Int = 1) {
        guard more >= 0 else { bug("a counter goes up only, not by \(more)") }
        count.wrappingAdd(UInt64(more), ordering: .relaxed)
    }

    /// The number now.
    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that goes up and down. Any thread may set it.
public final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    /// Replaces the number.
    public func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    /// Replaces the number.
    public func set(_ value: Int) {
        set(Double(value))
    }

    /// Replaces the number by 1 or 0.
    public func set(_ value: Bool) {
        set(value ? 1.0 : 0.0)
    }

    /// Adds to the number; a negative amount takes away.
    public func add(_ more: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + more).bitPattern
            let result = bits.compareExchange(expected: old, desired: new, ordering: .relaxed)
            if result.exchanged { return }
            old = result.original
        }
    }

    /// The number now.
    public var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// Counts observations by size. Any thread may observe; meant for once per batch or request.
public final class Histogram: Sendable {
    /// Upper bounds in seconds that suit an fsync or a request.
    public static let secondsBounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    struct State {
        var counts: [UInt64]
        var sum = 0.0
    }

    /// The upper bounds, ascending; what is larger than the last is counted too.
    public let bounds: [Double]
    private let state: Monitor<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Monitor(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    /// Counts one observation. What is no number is left out, because it would spoil the sum.
    public func observe(_ value: Double) {
        guard value.isFinite else { return }
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[index] += 1
            state.sum += value
        }
    }

    /// Counts one observation in seconds.
    public func observe(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        observe(Double(seconds) + Double(attoseconds) / 1e18)
    }

    /// How many observations there were, and their sum: both of one moment.
    public var total: (count: UInt64, sum: Double) {
        state.withLock { ($0.counts.reduce(0, &+), $0.sum) }
    }

    /// Counts per bucket, not summed up, and the sum: both of one moment.
    var snapshot: State { state.withLock { $0 } }
}

/// One number of a collected family.
public struct MetricSample: Sendable {
    /// The labels, in the order they are printed.
    public let labels: MetricLabels
    /// The number.
    public let value: Double

    /// A number with its labels.
    public init(_ labels: MetricLabels = [], _ value: Double) {
        self.labels = labels
        self.value = value
    }

    /// A whole number with its labels.
    public init(_ labels: MetricLabels = [], _ value: Int) {
        self.init(labels, Double(value))
    }
}

/// A family whose numbers are read at the moment of rendering, from one consistent snapshot.
public struct MetricFamily: Sendable {
    /// The name; the registry's prefix goes before it.
    public let name: String
    /// One sentence for people.
    public let help: String
    /// Counter or gauge.
    public let kind: MetricKind
    /// The numbers; the order does not matter.
    public let samples: [MetricSample]
    /// False for a name that all programs share, as `process_cpu_seconds_total`.
    public let hasPrefix: Bool

    /// A family of counters, whose name ends in `_total`, or of gauges.
    public init(
        _ name: String, help: String, kind: MetricKind, samples: [MetricSample],
        hasPrefix: Bool = true
    ) {
        guard kind == .gauge || kind == .counter && name.hasSuffix("_total") else {
            bug("the collected family \(name) must be a gauge or a counter ending in _total")
        }
        self.name = name
        self.help = help
        self.kind = kind
        self.samples = samples
        self.hasPrefix = hasPrefix
    }
}

/// All numbers the agent exports, and the page that Prometheus reads.
///
/// Asking twice for the same name and labels gives the same object, so that a reload goes on
/// counting. A wrong name, or a name used for two kinds, is a bug of ours and stops the process.
public final class MetricRegistry: Sendable {
    /// The most series of one family. Beyond it a number still works but is not printed;
    /// `metric_series_refused_total` counts such refusals.
    public static let seriesLimit = 2_000

    /// The content type of what `render` returns.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private struct Family {
        let help: String
        let kind: MetricKind
        var series: [String: Series] = [:]
    }

    private struct Series {
        let labels: MetricLabels
        let instrument: Instrument
    }

    private enum Instrument {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    private struct State {
        var families: [String: Family] = [:]
        var collectors: [@Sendable () -> [MetricFamily]] = []
    }

    private let prefix: String
    private let state = Monitor(State())
    private let refused: Counter

    /// An empty registry. The prefix goes before every name.
    public init(prefix: String = "sealtail_") {
        self.prefix = prefix
        refused = Counter()
        let name = "metric_series_refused_total"
        let help = "Series not exported because their family was full."
        state.withLock { state in
            state.families[prefix + name] = Family(
                help: help, kind: .counter,
                series: ["": Series(labels: [], instrument: .counter(refused))])
        }
    }

    /// The counter with this name, which ends in `_total`, and these labels.
    public func counter(_ name: String, help: String, labels: MetricLabels = []) -> Counter {
        guard name.hasSuffix("_total") else { bug("the counter \(name) must end in _total") }
        let instrument = register(name, help, .counter, labels) { .counter(Counter()) }
        guard case .counter(let counter) = instrument else { bug("\(name) is no counter") }
        return counter
    }

    /// The gauge with this name and these labels.
    public func gauge(_ name: String, help: String, labels: MetricLabels = []) -> Gauge {
        let instrument = register(name, help, .gauge, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = instrument else { bug("\(name) is no gauge") }
        return gauge
    }

    /// The histogram with this name and these labels; bounds ascend and are the same everywhere
    /// in a family.
    public func histogram(
        _ name: String, help: String, labels: MetricLabels = [],
        bounds: [Double] = Histogram.secondsBounds
    ) -> Histogram {
        let ascends = zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
        guard !bounds.isEmpty, ascends, bounds.allSatisfy(\.isFinite) else {
            bug("the bounds of \(name) must ascend")
        }
        let instrument = register(name, help, .histogram, labels) {
            .histogram(Histogram(bounds: bounds))
        }
        guard case .histogram(let histogram) = instrument else { bug("\(name) is no histogram") }
        return histogram
    }

    /// Adds families that a closure makes at each rendering, under a lock of its own if it needs
    /// one. The closure must not call this registry.
    public func collect(_ closure: @escaping @Sendable () -> [MetricFamily]) {
        state.withLock { $0.collectors.append(closure) }
    }

    /// Forgets every series with this label, as of a sink that a reload took away.
    public func remove(label name: String, value: String) {
        state.withLock { state in
            state.families = state.families.mapValues { family in
                var family = family
                family.series = family.series.filter { series in
                    !series.value.labels.contains { $0.name == name && $0.value == value }
                }
                return family
            }
        }
    }

    /// The page in Prometheus' text format 0.0.4. Families and series come in a fixed order.
    public func render() -> [UInt8] {
        let (families, collectors) = state.withLock { ($0.families, $0.collectors) }
        var page = MetricPage()
        for (name, family) in families {
            for series in family.series.values {
                add(series, to: &page, name, family)
            }
        }
        // Outside our lock, because a collector takes the lock of whoever owns the numbers.
        for collector in collectors {
            for family in collector() {
                let name = family.hasPrefix ? prefix + family.name : family.name
                check(name, [])
                for sample in family.samples {
                    check(name, sample.labels)
                    page.add(
                        name, help: family.help, kind: family.kind, labels: sample.labels,
                        value: sample.value)
                }
            }
        }
        return page.bytes()
    }

    private func add(
        _ series: Series, to page: inout MetricPage, _ name: String, _ family: Family
    ) {
        switch series.instrument {
        case .counter(let counter):
            page.add(
                name, help: family.help, kind: .counter, labels: series.labels,
                value: Double(counter.value))
        case .gauge(let gauge):
            page.add(
                name, help: family.help, kind: .gauge, labels: series.labels, value: gauge.value)
        case .histogram(let histogram):
            page.add(name, help: family.help, labels: series.labels, histogram: histogram)
        }
    }

    private func register(
        _ name: String, _ help: String, _ kind: MetricKind, _ labels: MetricLabels,
        _ make: () -> Instrument
    ) -> Instrument {
        let name = prefix + name
        check(name, labels)
        guard !help.isEmpty else { bug("the metric \(name) needs a help text") }
        let key = MetricPage.text(of: labels)
        return state.withLock { state in
            var family = state.families[name] ?? Family(help: help, kind: kind)
            guard family.kind == kind else { bug("\(name) is a \(family.kind) already") }
            if let series = family.series[key] { return series.instrument }
            let instrument = make()
            guard family.series.count < MetricRegistry.seriesLimit else {
                refused.add()
                return instrument
            }
            family.series[key] = Series(labels: labels, instrument: instrument)
            state.families[name] = family
            return instrument
        }
    }

    private func check(_ name: String, _ labels: MetricLabels) {
        guard MetricPage.isName(name) else { bug("\(name) is no name of a metric") }
        var seen: Set<String> = []
        for label in labels {
            let isReserved = label.name.hasPrefix("__") || label.name == "le"
            guard MetricPage.isName(label.name), !isReserved, seen.insert(label.name).inserted
            else { bug("\(label.name) is no name of a label, or is there twice") }
        }
    }
}
