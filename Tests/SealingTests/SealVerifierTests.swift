// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

struct SealVerifierTests {
    @Test func theSignedExamplesAreAsSealed() throws {
        let key = try SealFixture.verifierKey()
        let lines = try SealFixture.lines("stream-a.ndjson") + SealFixture.lines("stream-b.ndjson")
        for order in [lines, lines.reversed(), lines.shuffled()] {
            let report = verify(order, keys: [key])
            #expect(report.found == [])
            #expect(report.isClean)
            #expect(report.eventCount == 81)
            #expect(report.validCount == 81)
            #expect(report.groupCount == 11)
            #expect(report.streamCount == 2)
            #expect(report.comparedRootCount == 3)
        }
        #expect(verify(lines, keys: [key]).signatureCheckCount == 11)
    }

    @Test(arguments: ["stream-a-ecs.ndjson", "stream-a-ocsf.ndjson"])
    func documentsAroundTheSignedBytesAreVerified(_ name: String) throws {
        let report = verify(try SealFixture.lines(name), keys: [try SealFixture.verifierKey()])
        #expect(report.found == [])
        #expect(report.validCount == 7)
        #expect(report.comparedRootCount == 2)
        #expect(report.noted.contains("not compared"))
    }

    @Test func linesCarriedAsTextAreVerified() throws {
        let key = try SealFixture.verifierKey()
        let plain = try SealFixture.lines("stream-a.ndjson")
        let ecs = try SealFixture.lines("stream-a-ecs.ndjson")
        func wrapped(_ line: String, _ before: String, _ after: String) -> String {
            var writer = ByteWriter()
            writer.append(before)
            writer.append(jsonString: line)
            writer.append(after)
            return writer.makeString()
        }
        let forms = [
            plain.map { wrapped($0, #"{"time":1795258920.118,"event":"#, "}") },
            plain.map { wrapped($0, #"{"preview":false,"result":{"_raw":"#, "}}") },
            ecs.map { #"{"_index":"x","_score":1.5,"_source":"# + $0 + "}" },
            ecs.map { wrapped($0, #"{"event":"#, "}") },
        ]
        for form in forms {
            let report = verify(form, keys: [key])
            #expect(report.found == [])
            #expect(report.validCount == 7)
        }
    }

    /// The nodes of one text were looked up in the next one, which is shorter.
    @Test func textsInsideTextsWithoutEndAreInvalidAndNoTrap() throws {
        let key = try SealFixture.verifierKey()
        for (depth, isValid) in [(1, true), (2, true), (3, false), (6, false)] {
            var line = try SealFixture.lines("stream-a.ndjson")[0]
            for _ in 0..<depth {
                var writer = ByteWriter()
                writer.append(#"{"event":"#)
                writer.append(jsonString: line)
                writer.append(#","index":"oauth"}"#)
                line = writer.makeString()
            }
            let report = verify([line], keys: [key])
            #expect(report.validCount == (isValid ? 1 : 0), "depth \(depth)")
            #expect(report.found.isEmpty == isValid, "depth \(depth)")
        }
    }

    /// What was said of it was the place of the event before.
    @Test func aLineThatIsTooLongNamesNoOtherEvent() throws {
        var verifier = SealVerifier(keys: [try SealFixture.verifierKey()])
        verifier.feed(Array((try SealFixture.lines("stream-a.ndjson")[0] + "\n").utf8).span)
        let part = [UInt8](repeating: 0x78, count: VerificationLimit.lineByteCount)
        for _ in 0..<2 { verifier.feed(part.span) }
        let report = verifier.finish()
        let remark = try #require(report.findings.first)
        #expect(remark.word == .invalid && remark.line == 2)
        #expect(remark.stream == nil && remark.range == nil)
        #expect(remark.id == nil && remark.action == nil)
    }

    @Test func mappedFieldsAreComparedByWhatTheCallerBrings() throws {
        let lines = try SealFixture.lines("stream-a-ecs.ndjson")
        let key = try SealFixture.verifierKey()
        let clean = verify(lines, keys: [key]) { _, _, _ in [] }
        #expect(clean.found == [])
        #expect(!clean.noted.contains("not compared"))
        let spoiled = verify(lines, keys: [key]) { form, signed, document in
            #expect(form == .ecs)
            #expect(signed.count < document.count)
            return signed.starts(with: Array("{\"action\":\"LoginFailed\"".utf8))
                ? ["user.name", "x"] : []
        }
        #expect(spoiled.found == ["added or altered, unsigned 2"])
        #expect(spoiled.findings.first?.detail == "user.name, x")
    }

    @Test func otherSpellingsOfTheSameEventAreValid() throws {
        let line = try SealFixture.lines("stream-a.ndjson")[1]
        let spaced = line.replacing("\":", with: "\" : ").replacing(",\"", with: " , \"")
        #expect(spaced != line)
        let report = verify([spaced], keys: [try SealFixture.verifierKey()])
        #expect(report.found == [])
        #expect(report.validCount == 1)
    }

    @Test func aKeyThatIsNotTrustedVerifiesNothing() throws {
        let lines = try SealFixture.lines("stream-a.ndjson")
        let other = try SigningKey.generate(name: "idp1.example.com").verifierKey
        let report = verify(lines, keys: [other])
        #expect(report.validCount == 0)
        #expect(report.findingCount == 7)
        #expect(report.findings[0].text.contains("no trusted key 329fd991 speaks for idp1"))
        #expect(!verify([], keys: [other]).isClean)
    }

    @Test func theKeyOfANameDoesNotSpeakForALongerName() throws {
        let key = try SigningKey.generate(name: "a")
        let forged = try TestStream(key, epoch: "00000000000000ab", groups: [1]).lines
            .map { $0.replacing("\"a/main/", with: "\"a/b/main/") }
        let report = verify(forged, keys: [key.verifierKey])
        #expect(report.validCount == 0)
        #expect(report.findings.allSatisfy { $0.word == .invalid })
    }

    @Test func everyBitOfProofAndBodyCounts() throws {
        let key = try SigningKey.generate(name: "idp1.example.com")
        let lines = try TestStream(key, epoch: "00000000000000ab", groups: [3]).lines
        let batch = Array(lines[1...3])
        #expect(verify(batch, keys: [key.verifierKey]).found == [])
        for (place, line) in batch.enumerated() {
            var verifier = SealVerifier(keys: [key.verifierKey])
            // A neighbour before it puts the group's tree into the verifier's memory.
            let neighbour = Array((batch[(place + 1) % 3] + "\n").utf8)
            let original = Array(line.utf8)
            for offset in original.indices {
                for bit in UInt8(0)..<8 {
                    var bytes = original
                    bytes[offset] ^= 1 << bit
                    if bit % 2 == 0 { verifier.feed(neighbour.span) }
                    verifier.feed((bytes + [0x0A]).span)
                }
            }
            let report = verifier.finish()
            #expect(report.validCount == original.count * 4, "\(line)")
            // A flip that gives LF cuts the line, and both halves are invalid.
            #expect(report.eventCount - report.validCount >= original.count * 8)
        }
    }

    @Test func aProofHasOneSpellingOnly() throws {
        let key = try SealFixture.verifierKey()
        let lines = try SealFixture.lines("stream-b.ndjson")
        let line = lines[9]
        let integrity = proof(line)
        let text = try #require(integrity.split(separator: "\"").last { $0.contains(".") })
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        #expect(parts.count == 7)
        func with(_ place: Int, _ change: (String) -> String) -> String {
            var changed = parts
            changed[place] = change(changed[place])
            return body(line)
                + integrity.replacing(
                    String(text), with: changed.joined(separator: "."))
        }
        let hash = String(repeating: "A", count: 43)
        let bad = [
            with(0) { _ in "2" }, with(0) { _ in "" }, with(1) { "0" + $0 }, with(1) { "+" + $0 },
            with(2) { "0" + $0 }, with(2) { _ in "65" }, with(2) { _ in "0" },
            with(3) { $0.uppercased() }, with(3) { String($0.dropLast()) },
            with(4) { _ in hash }, with(4) { $0 + "=" }, with(4) { _ in "" },
            // 192 bytes are a multiple of three, so a further hash is spelled behind them.
            with(5) { $0 + hash }, with(5) { String($0.dropLast(43)) }, with(5) { _ in "" },
            with(5) { $0 + "AAAA" }, with(6) { $0 + "==" }, with(6) { String($0.dropLast()) },
            with(6) { $0 + ".x" }, with(6) { $0 + "." },
            line.replacing("\"seq\":", with: "\"x\":1,\"seq\":"),
            line.replacing("\"seq\":9", with: "\"seq\":\"9\""),
            line.replacing("\"seq\":9", with: "\"seq\":9.0"),
            line.replacing("\"integrity\"", with: "\"integrit\""),
        ]
        for (index, changed) in bad.enumerated() {
            #expect(changed != line)
            for before in [[], [lines[10]]] {
                let report = verify(before + [changed], keys: [key])
                #expect(report.findings.first?.word == .invalid, "case \(index)")
                #expect(report.validCount == before.count, "case \(index)")
            }
        }
        #expect(verify([line], keys: [key]).validCount == 1)
    }

    @Test func groupsOfEverySizeAreValidAndTheirEventsAreBoundToTheirPlace() throws {
        let key = try SigningKey.generate(name: "idp1.example.com")
        for size in 1...64 {
            let lines = try TestStream(
                key, epoch: "00000000000000ab", groups: [size, 65 - size], closes: false
            ).lines
            #expect(verify(lines, keys: [key.verifierKey]).found == [])
            #expect(verify(lines.reversed(), keys: [key.verifierKey]).found == [])
            guard size > 1 else { continue }
            // An event under the number and the proof of its neighbour.
            let swapped = body(lines[1]) + proof(lines[2])
            let report = verify([lines[0], lines[1], swapped], keys: [key.verifierKey])
            #expect(report.findings.first?.word == .invalid)
        }
    }

    @Test func randomCommitsGiveWhatAnybodyCanVerify() throws {
        var numbers = SeededNumbers(7)
        let key = try SigningKey.generate(name: "idp1.example.com")
        for _ in 0..<20 {
            var sealer = Sealer(key: key, epoch: "00000000000000ab", sinks: [])
            var all: [String] = []
            for _ in 0..<Int.random(in: 1...6, using: &numbers) {
                let batches = try (0..<Int.random(in: 1...3, using: &numbers)).map { _ in
                    try encoded(
                        (0..<Int.random(in: 0...150, using: &numbers)).map { _ in
                            Array("{\"id\":\"\(UInt64.random(in: 0...9, using: &numbers))\"}".utf8)
                        })
                }
                let batch = sealer.seal(batches)
                #expect(batch.events.count == batches.reduce(0) { $0 + $1.events.count })
                #expect(batch.groups.allSatisfy { (1...64).contains($0.count) })
                #expect(batch.groups.reduce(0) { $0 + $1.count } == batch.events.count)
                all += lines(batch)
            }
            let report = verify(all, keys: [key.verifierKey])
            #expect(report.found == [])
            #expect(report.validCount == all.count)
        }
    }

    private func body(_ line: String) -> String { line.range(upTo: ",\"integrity\":") ?? "" }

    private func proof(_ line: String) -> String {
        String(line.dropFirst(body(line).count))
    }
}

extension String {
    /// The text with every occurrence of one part replaced by another.
    func replacing(_ part: String, with other: String) -> String {
        let bytes = Array(utf8)
        let needle = Array(part.utf8)
        var result: [UInt8] = []
        var at = 0
        while let found = ByteSearch.first(needle, in: bytes.span, at..<bytes.count) {
            result += bytes[at..<found] + other.utf8
            at = found + needle.count
        }
        return String(decoding: result + bytes[at...], as: UTF8.self)
    }
}
