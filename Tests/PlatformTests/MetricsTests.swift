// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct MetricsTests {
    private let registry = MetricRegistry(prefix: "x_")

    private func page() -> String {
        let text = String(decoding: registry.render(), as: UTF8.self)
        let own =
            "# HELP x_metric_series_refused_total Series not exported because their family "
            + "was full.\n# TYPE x_metric_series_refused_total counter\n"
            + "x_metric_series_refused_total 0\n"
        guard let end = text.range(ofText: own) else { return text }
        return text.replacing(end)
    }

    @Test func familiesAndSeriesComeInAFixedOrderWithHelpAndType() {
        registry.gauge("waiting", help: "Events waiting.", labels: [("sink", "siem")]).set(3)
        let counter = registry.counter(
            "read_total", help: "Records read.", labels: [("input", "b"), ("reason", "z")])
        counter.add()
        counter.add(4)
        registry.counter(
            "read_total", help: "Records read.", labels: [("input", "a"), ("reason", "z")]
        ).add(2)
        #expect(
            page() == """
                # HELP x_read_total Records read.
                # TYPE x_read_total counter
                x_read_total{input="a",reason="z"} 2
                x_read_total{input="b",reason="z"} 5
                # HELP x_waiting Events waiting.
                # TYPE x_waiting gauge
                x_waiting{sink="siem"} 3

                """)
    }

    @Test func helpAndLabelValuesAreEscaped() {
        registry.gauge("g", help: "A \"b\" \\ c\nd", labels: [("l", "a\"b\\c\nd")]).set(true)
        #expect(
            page() == """
                # HELP x_g A "b" \\\\ c\\nd
                # TYPE x_g gauge
                x_g{l="a\\"b\\\\c\\nd"} 1

                """)
    }

    @Test func numbersAreSpelledAsPrometheusReadsThem() {
        let gauge = registry.gauge("g", help: "G.")
        let spelled: [(Double, String)] = [
            (0, "0"), (-0.0, "0"), (1.5, "1.5"), (-2, "-2"), (1e-7, "1e-07"), (0.1, "0.1"),
            (1_763_722_800, "1763722800"), (1e300, "1e+300"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (9_007_199_254_740_992, "9007199254740992"),
        ]
        for (value, text) in spelled {
            gauge.set(value)
            #expect(page().hasSuffix("\nx_g \(text)\n"))
        }
    }

    @Test func aHistogramSumsItsBucketsUp() {
        let histogram = registry.histogram(
            "delivery_seconds", help: "D.", labels: [("sink", "a")], bounds: [0.1, 1])
        histogram.observe(0.1)
        histogram.observe(.milliseconds(500))
        histogram.observe(0.25)
        histogram.observe(7)
        histogram.observe(.nan)
        #expect(
            page() == """
                # HELP x_delivery_seconds D.
                # TYPE x_delivery_seconds histogram
                x_delivery_seconds_bucket{sink="a",le="0.1"} 1
                x_delivery_seconds_bucket{sink="a",le="1"} 3
                x_delivery_seconds_bucket{sink="a",le="+Inf"} 4
                x_delivery_seconds_sum{sink="a"} 7.85
                x_delivery_seconds_count{sink="a"} 4

                """)
    }

    @Test func askingTwiceGivesTheSameObject() {
        let first = registry.counter("a_total", help: "A.", labels: [("l", "v")])
        first.add(2)
        let second = registry.counter("a_total", help: "A.", labels: [("l", "v")])
        second.add(3)
        #expect(first === second)
        #expect(first.value == 5)
    }

    @Test func aCollectorGivesOneSnapshotAndMergesIntoItsFamily() {
        registry.counter("read_total", help: "Read.", labels: [("input", "b")]).add(1)
        registry.collect {
            [
                MetricFamily(
                    "read_total", help: "Read.", kind: .counter,
                    samples: [
                        MetricSample([("input", "c")], 30), MetricSample([("input", "a")], 10),
                        MetricSample([("input", "b")], 99),
                    ]),
                MetricFamily("up", help: "Up.", kind: .gauge, samples: [MetricSample([], 0.5)]),
                MetricFamily("none", help: "None.", kind: .gauge, samples: []),
            ]
        }
        #expect(
            page() == """
                # HELP x_read_total Read.
                # TYPE x_read_total counter
                x_read_total{input="a"} 10
                x_read_total{input="b"} 1
                x_read_total{input="c"} 30
                # HELP x_up Up.
                # TYPE x_up gauge
                x_up 0.5

                """)
    }

    @Test func aFullFamilyRefusesSeriesAndCountsThem() {
        for index in 0..<MetricRegistry.seriesLimit + 2 {
            registry.gauge("g", help: "G.", labels: [("l", "\(index)")]).set(1)
        }
        let text = String(decoding: registry.render(), as: UTF8.self)
        #expect(
            text.split(separator: "\n").filter { $0.hasPrefix("x_g{") }.count
                == MetricRegistry.seriesLimit)
        #expect(text.contains("x_metric_series_refused_total 2\n"))
    }

    @Test func whatAReloadTookAwayIsNoLongerPrinted() {
        registry.gauge("up", help: "U.", labels: [("sink", "old")]).set(1)
        registry.gauge("up", help: "U.", labels: [("sink", "new")]).set(1)
        registry.gauge("alone", help: "U.", labels: [("sink", "old")]).set(1)
        registry.remove(label: "sink", value: "old")
        #expect(page() == "# HELP x_up U.\n# TYPE x_up gauge\nx_up{sink=\"new\"} 1\n")
    }

    @Test func manyThreadsLoseNoIncrement() throws {
        let counter = registry.counter("a_total", help: "A.")
        let gauge = registry.gauge("b", help: "B.")
        let histogram = registry.histogram("c_seconds", help: "C.")
        let threads = try (0..<4).map { number in
            try Thread.start(name: "metric\(number)") {
                for _ in 0..<5_000 {
                    counter.add()
                    gauge.add(0.5)
                    histogram.observe(0.5)
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(counter.value == 20_000)
        #expect(gauge.value == 10_000)
        #expect(page().contains("x_c_seconds_count 20000\n"))
    }
}

extension String {
    fileprivate func range(ofText text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) {
                return start..<index(start, offsetBy: text.count)
            }
            start = index(after: start)
        }
        return nil
    }

    fileprivate func replacing(_ range: Range<String.Index>) -> String {
        String(self[..<range.lowerBound]) + String(self[range.upperBound...])
    }
}
