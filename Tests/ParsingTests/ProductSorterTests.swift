// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

struct ProductSorterTests {
    private static let shared = ParserLibrary.load(
        directories: [Shipped.root + "/parsers"],
        only: ["keycloak", "canaille", "oidc_json", "okta"], problems: ConfigurationProblems())
    private let library = ProductSorterTests.shared

    private func batch(_ texts: [String]) -> RecordBatch {
        var bytes: [UInt8] = []
        var records: [Record] = []
        for text in texts {
            let count = UInt32(text.utf8.count)
            records.append(
                Record(start: UInt32(bytes.count), count: count, offset: UInt64(bytes.count)))
            bytes += Array(text.utf8)
        }
        bytes += [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        return RecordBatch(
            input: "i", source: "s", path: nil, observed: Timestamp(microseconds: 0),
            bytes: bytes, records: records, positions: [])
    }

    private func runs(_ texts: [String]) -> [(name: String?, records: Range<Int>, known: Int)] {
        let parsers = library.bySpecificity
        var sorter = ProductSorter(parsers: parsers)
        return sorter.runs(of: batch(texts)).map { run in
            (run.parser.map { parsers[$0].name }, run.records, run.knownCount)
        }
    }

    private let keycloak =
        "2026-11-20 08:00:00,123 WARN  [org.keycloak.events] (executor-thread-1) type=LOGIN_ERROR"
    private let canaille =
        "[2026-11-20 08:00:00,123] - 192.0.2.1 - SECURITY in logging: Successful login"
    @Test func neighboursOfOneProductAreOneRun() {
        let runs = runs([keycloak, "what", keycloak, canaille, canaille])
        #expect(runs.map(\.name) == ["keycloak", "canaille"])
        #expect(runs.map(\.records) == [0..<3, 3..<5])
        #expect(runs.map(\.known) == [2, 2])
    }

    @Test func nothingIsGuessedBeforeAProductIsKnown() {
        let runs = runs(["what", "who", canaille])
        #expect(runs.map(\.name) == [nil, "canaille"])
        #expect(runs.map(\.records) == [0..<2, 2..<3])
    }

    @Test func genericParsersComeLast() {
        #expect(library.bySpecificity.last?.name == "oidc_json")
    }

    @Test func anEmptyBatchIsOneRun() {
        #expect(runs([]).map(\.records) == [0..<0])
    }

    @Test func theFirstLineOfARecordIsEnough() {
        #expect(runs([keycloak + "\n\tat org.example.X\n"]).map(\.name) == ["keycloak"])
    }

    @Test func printedJSONAndListsAreRecognisedAsOnOneLine() {
        let line =
            #"{"uuid":"x","published":"2026-11-20T08:00:00.000Z","eventType":"user.session.start","#
            + #""version":"0","severity":"INFO","displayMessage":"d","actor":{"id":"i","#
            + #""type":"User"},"outcome":{"result":"SUCCESS"},"transaction":{"type":"WEB"}}"#
        let isKnown = runs([line]).first?.name == "okta"
        #expect(isKnown)
        let printed = line.replacing(",", with: ",\n  ").replacing("{", with: "{\n  ")
        #expect(runs([printed]).map(\.name) == ["okta"])
        #expect(runs(["[" + line + "," + line + "]"]).map(\.name) == ["okta"])
    }
}
