// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sealing

/// Whatever comes in, verification ends with a report and calls nothing valid that is not.
struct SealVerifierMutationTests {
    @Test(arguments: [UInt64(1), 2, 3])
    func mutatedExportsNeverTrapAndNeverPass(_ seed: UInt64) throws {
        var numbers = SeededNumbers(seed)
        let names = [
            "stream-a.ndjson", "stream-b.ndjson", "stream-a-ecs.ndjson", "stream-a-ocsf.ndjson",
        ]
        let lines = try names.flatMap { try SealFixture.lines($0) }.map { Array($0.utf8) }
        let signed = Set(try lines.compactMap { try signedPart($0) })
        let key = try SealFixture.verifierKey()
        for round in 0..<60 {
            var verifier = SealVerifier(keys: [key], sink: round % 2 == 0 ? nil : "siem_b") {
                _, signedBytes, _ in
                // What is handed on has been verified.
                #expect(signed.contains(signedBytes))
                return []
            }
            for _ in 0..<40 {
                var line = lines.randomElement(using: &numbers) ?? []
                for _ in 0..<Int.random(in: 0...3, using: &numbers) {
                    mutate(&line, lines, &numbers)
                }
                line.append(0x0A)
                // Cut anywhere, as a pipe does.
                let cut = Int.random(in: 0...line.count, using: &numbers)
                verifier.feed(line.span.extracting(0..<cut))
                verifier.feed(line.span.extracting(cut..<line.count))
            }
            let report = verifier.finish()
            #expect(report.validCount + count(.invalid, report) == report.eventCount)
            #expect(!report.text.isEmpty)
            #expect(canonical(report.json) != nil, "the report itself is sound JSON")
        }
    }

    @Test func notANumberNorALengthCanBreakIt() throws {
        let line = try SealFixture.lines("stream-a.ndjson")[2]
        let huge = ["9007199254740991", "9999999999999999", "99999999999999999999", "-1", "1e9"]
        for number in huge {
            for (old, new) in [
                ("\"seq\":2", "\"seq\":\(number)"), ("\"1.2.2.", "\"1.\(number).2."),
                ("\"1.2.2.", "\"1.2.\(number)."), ("\"1.2.2.", "\"\(number).2.2."),
            ] {
                let report = verify(
                    [line.replacing(old, with: new)], keys: [try SealFixture.verifierKey()])
                #expect(report.found.count == 1)
            }
        }
        var verifier = SealVerifier(keys: [])
        let block = [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)
        for _ in 0..<6 { verifier.feed(block.span) }
        verifier.feed(Array("\n{}\n\n \r\nx".utf8).span)
        let report = verifier.finish()
        #expect(report.eventCount == 3)
        #expect(report.findings[0].detail.contains("longer than"))
        #expect(report.findings.map(\.line) == [1, 2, 5])
    }

    @Test func remarksAreFitForATerminal() {
        let line = """
            {"action":"\\u001b[2J","id":"\\u202e","integrity":{"proof":"x","seq":1,"stream":"\\u0007"}}
            """
        let report = verify([line], keys: [])
        #expect(report.findingCount == 1)
        let text = report.text
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
        #expect(!text.unicodeScalars.contains("\u{202e}"))
    }

    private func count(
        _ word: VerificationRemark.Word, _ report: VerificationReport
    ) -> Int {
        report.findings.count { $0.word == word }
    }

    private func signedPart(_ line: [UInt8]) throws -> [UInt8]? {
        var reader = SignedEventReader()
        try reader.read(line.span)
        return reader.signedBytes
    }

    private func mutate(
        _ line: inout [UInt8], _ lines: [[UInt8]], _ numbers: inout SeededNumbers
    ) {
        guard !line.isEmpty else { return }
        let at = Int.random(in: 0..<line.count, using: &numbers)
        let end = min(line.count, at + Int.random(in: 1...40, using: &numbers))
        switch Int.random(in: 0..<7, using: &numbers) {
        case 0: line[at] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
        case 1: line.removeSubrange(at..<end)
        case 2: line.insert(contentsOf: line[at..<end], at: at)
        case 3: line.insert(UInt8.random(in: 0...255, using: &numbers), at: at)
        case 4: line.removeLast(line.count - at)
        case 5:
            let other = lines.randomElement(using: &numbers) ?? []
            let from = min(at, other.count)
            line = Array(line[..<at]) + other[from...]
        default:
            let marks = Array("{}[]\":,\\0-.ué".utf8)
            line[at] = marks.randomElement(using: &numbers) ?? 0
        }
    }
}
