// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Ledger
import Platform
import Testing

@testable import Pipeline

struct StatusReportTests {
    private func report(
        _ change: (inout StatusReport) -> Void = { _ in }
    ) -> StatusReport {
        var accounts = Accounts.Snapshot()
        var input = Accounts.InputSums()
        input.read = 10
        input.parsed = 6
        input.ignored = ["start": 3]
        input.inFlight = 1
        input.parsers = ["keycloak": Accounts.ParserSums(events: 6, unclassified: 2, ignored: 3)]
        accounts.inputs = ["idp": input]
        var sink = Accounts.SinkSums()
        sink.offered = 8
        sink.delivered = 8
        accounts.sinks = ["siem": sink, "archive": sink]
        accounts.sealed = 8
        accounts.sequence = 8
        accounts.chain = ("idp1.example.com/main/0011", "idp1.example.com+aa+key")
        var ledger = LedgerStatistics()
        ledger.byteLimit = 1000
        var state = InputState()
        state.fileCount = 1
        var report = StatusReport(
            name: "idp1.example.com", started: Timestamp(microseconds: 0), uptime: .seconds(90),
            now: Timestamp(microseconds: 90_000_000),
            monotonic: MonotonicInstant(nanoseconds: 90_000_000_000), accounts: accounts,
            inputs: [
                StatusReport.Input(id: "idp", type: "file", parser: "keycloak", state: state)
            ],
            sinks: [
                StatusReport.Sink(id: "siem", type: "elasticsearch", format: "ecs"),
                StatusReport.Sink(id: "archive", type: "file", format: "canonical"),
            ],
            ledger: ledger, stall: nil, reasons: [], warnings: [], problems: [],
            history: StatusHistory())
        change(&report)
        return report
    }

    private func document(_ report: StatusReport) throws -> JSONDocument {
        try JSONDocument(reading: report.json())
    }

    @Test func aHealthyAgentIsSaidToBeWell() {
        let verdict = report().verdict
        #expect(verdict.state == .good && verdict.reasons.isEmpty)
        #expect(verdict.sentence == "All is well: 1 input, a ledger that commits, 2 sinks up.")
    }

    @Test func everyReasonIsThereTheGravestFirst() {
        let verdict = report {
            $0.stall = "the sealer has not moved for 90 s"
            $0.reasons = ["ledger: no space left"]
            $0.warnings = ["sinks.siem: tls.insecure_skip_verify is on"]
        }.verdict
        #expect(verdict.state == .trouble)
        #expect(verdict.sentence == "Stuck: the sealer has not moved for 90 s.")
        #expect(
            verdict.reasons == [
                "the sealer has not moved for 90 s", "ledger: no space left",
                "sinks.siem: tls.insecure_skip_verify is on",
            ])
        let unready = report { $0.reasons = ["a", "b"] }.verdict
        #expect(unready.state == .trouble && unready.sentence == "Not ready: 2 reasons.")
    }

    @Test func whatIsWorthALookIsNamed() {
        let cases: [(String, (inout StatusReport) -> Void)] = [
            (
                "sinks.siem: HTTP 503",
                {
                    $0.accounts.sinks["siem"]?.isUp = false
                    $0.accounts.sinks["siem"]?.problem = "HTTP 503"
                }
            ),
            ("sinks.siem: 3 events in the dead letter", { $0.sinks[0].deadLetterCount = 3 }),
            ("sinks.siem: 2 events lost", { $0.accounts.sinks["siem"]?.evicted = 2 }),
            (
                "a certificate expires in 13 days",
                {
                    $0.accounts.sinks["siem"]?.certificateExpiry =
                        $0.now.advanced(by: .seconds(86_400 * 13 + 5))
                }
            ),
            (
                "a certificate expired",
                { $0.accounts.sinks["siem"]?.certificateExpiry = Timestamp(microseconds: 1) }
            ),
            (
                "agent.listen: a certificate expires in 1 day",
                { $0.listenerExpiry = $0.now.advanced(by: .seconds(86_400 + 5)) }
            ),
            ("inputs.idp: 4 dropped", { $0.accounts.inputs["idp"]?.dropped = ["bad": 4] }),
            ("inputs.idp: no file", { $0.inputs[0].state.fileCount = 0 }),
            (
                "inputs.idp: 1 loss before",
                {
                    $0.accounts.inputs["idp"]?.losses = [
                        "truncated": Accounts.LossSums(count: 1, bytes: 9, records: 0)
                    ]
                }
            ),
            ("configuration: the file last read", { $0.isConfigurationTaken = false }),
            (
                "ledger: 90 % of max_size",
                {
                    $0.ledger.byteCount = 900
                    $0.accounts.sinks["siem"]?.offered = 9
                }
            ),
        ]
        for (words, change) in cases {
            let verdict = report(change).verdict
            #expect(verdict.state == .attention, "\(words)")
            #expect(verdict.reasons.count == 1 && verdict.reasons[0].contains(words))
            #expect(verdict.sentence == "Working, with 1 thing to look at.")
        }
    }

    @Test func aDistantCertificateAndAFullButDeliveredLedgerAreNoMatter() {
        let verdict = report {
            $0.accounts.sinks["siem"]?.certificateExpiry = $0.now.advanced(
                by: .seconds(86_400 * 30))
            $0.ledger.byteCount = 990
        }.verdict
        #expect(verdict.state == .good)
    }

    @Test func theDocumentHasEveryMemberThatIsDocumented() throws {
        let document = try document(report())
        let members = (document.members ?? []).map(\.key)
        #expect(
            members == [
                "format", "agent", "now", "verdict", "sample", "inputs", "ledger", "sinks",
                "chain", "problems",
            ])
        let input = document["inputs"]?[0]
        #expect(input?["records_read"]?.integer == 10)
        #expect(input?["records_in_flight"]?.integer == 1)
        #expect(input?["events_unclassified"]?.integer == 2)
        #expect(input?["records_ignored"]?.integer == 3)
        #expect(input?["last_record"] == .null)
        #expect(document["chain"]?["sequence_number"]?.integer == 8)
        #expect(document["chain"]?["verifier_key"]?.string == "idp1.example.com+aa+key")
        #expect(document["agent"]?["uptime_seconds"]?.integer == 90)
        #expect(document["verdict"]?["ready"]?.bool == true)
        #expect(document["sinks"]?[1]?["format"]?.string == "canonical")
        #expect(document["sinks"]?[0]?["latency_seconds"] == .null)
    }

    @Test func aSentenceOfWhateverCharactersStaysOneText() throws {
        let evil = "\"}</script><b>\u{1B}[2J\\\u{2028}"
        let document = try document(
            report {
                $0.accounts.sinks["siem"]?.isUp = false
                $0.accounts.sinks["siem"]?.problem = evil
            })
        #expect(document["sinks"]?[0]?["problem"]?.string == evil)
    }

    @Test func theHistoryHasASeriesForEachInputAndSink() throws {
        var history = StatusHistory()
        for second in [0, 2] {
            history.sample(
                StatusReport.readings(
                    report().accounts, report().ledger, requests: [("siem", 1, 0.5)]),
                at: MonotonicInstant(nanoseconds: Int64(second) * 1_000_000_000))
        }
        let document = try JSONDocument(
            reading: history.json(started: Timestamp(microseconds: 0)))
        #expect(document["number"]?.integer == 2)
        #expect(document["agent"]?["records"]?.array == [.null, .integer(0)])
        #expect(document["inputs"]?["idp"]?["records"]?.array?.count == 2)
        #expect(document["sinks"]?["siem"]?["waiting"]?.array == [.integer(0), .integer(0)])
        #expect(document["sinks"]?["siem"]?["latency"]?.array == [.null, .null])
        #expect(document["sinks"]?["archive"]?["delivered"]?.array?.count == 2)
    }
}

struct StatusPageTests {
    private let html = String(decoding: PackageResources.status_html, as: UTF8.self)

    @Test func thePolicyNamesTheStyleAndTheScriptOfThePage() {
        let page = StatusPage(html: Array("<style>a{}</style><script>1</script>".utf8))
        // printf 'a{}' | openssl dgst -sha256 -binary | base64, and the same of 1.
        #expect(
            page.answer.fields[1].contains(
                "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"))
        #expect(
            page.answer.fields[1].contains(
                "script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"))
        #expect(!page.answer.fields[1].contains("unsafe"))
    }

    @Test func thePageNeedsNothingFromOutsideAndNothingThatThePolicyForbids() {
        #expect(html.components(of: "<style>") == 1 && html.components(of: "<script>") == 1)
        #expect(html.components(of: "<script") == 1 && html.components(of: "<style") == 1)
        for forbidden in [
            " style=\"", " onclick", " onload", "innerHTML", "eval(", "import(", "//cdn",
        ] {
            #expect(html.components(of: forbidden) == 0, "\(forbidden)")
        }
        // The one address is the name of a language, which nobody looks up.
        let addresses = html.components(of: "http://") + html.components(of: "https://")
        #expect(addresses == html.components(of: "http://www.w3.org/2000/svg"))
        #expect(html.utf8.count < 64 << 10)
    }
}

extension String {
    fileprivate func components(of part: String) -> Int {
        var (count, rest) = (0, self[...])
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
