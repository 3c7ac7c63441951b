// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sealing

/// What was done to an export, and the one word for it.
struct StreamAuditTests {
    private let key: SigningKey
    /// 0 start, 1..3, 4..8, 9, 10 checkpoint, 11..12, 13 stop, 14 checkpoint.
    private let first: TestStream
    private let second: TestStream

    init() throws {
        key = try SigningKey.generate(name: "idp1.example.com")
        first = try TestStream(
            key, epoch: "00000000000000aa", groups: [3, 5, 1, 0, 2])
        second = try TestStream(
            key, epoch: "00000000000000bb", groups: [2], after: first.end, tag: "b")
    }

    private func check(_ lines: [String]) -> VerificationReport {
        verify(lines, keys: [key.verifierKey])
    }

    private func without(_ numbers: ClosedRange<Int>) -> [String] {
        first.lines.enumerated().filter { !numbers.contains($0.offset) }.map(\.element)
    }

    @Test func wholeStreamsHaveNoFindings() {
        let report = check(first.lines + second.lines)
        #expect(report.found == [])
        #expect(report.noted == [])
        #expect(report.comparedRootCount == 3)
    }

    @Test func aDroppedGroupIsAGap() {
        #expect(check(without(4...8)).found == ["gap 4..8"])
        #expect(check(without(9...9)).found == ["gap 9"])
    }

    @Test func eventsDroppedFromAGroupAreMissing() {
        #expect(check(without(5...6)).found == ["missing 5..6"])
        #expect(check(without(4...4)).found == ["missing 4"])
        let report = check(without(3...5))
        #expect(report.found == ["missing 3", "missing 4..5"])
    }

    @Test func anAlteredEventIsInvalidAndNotMissingAsWell() {
        var lines = first.lines
        lines[5] = lines[5].replacing("failure", with: "success")
        let report = check(lines)
        #expect(report.found == ["invalid 5"])
        let finding = report.findings[0]
        #expect(finding.line == 6)
        #expect(finding.action == "LoginFailed")
        #expect(finding.id == "a5")
        #expect(finding.text.contains("line 6 stream idp1.example.com/main/00000000000000aa seq 5"))
        #expect(report.noted == ["not compared"])
        lines[9] = lines[9].replacing("failure", with: "success")
        #expect(check(lines).found == ["invalid 5", "invalid 9"])
    }

    @Test func aRenumberedEventIsInvalidAndItsPlaceMissing() {
        var lines = first.lines
        lines[5] = lines[5].replacing("\"seq\":5", with: "\"seq\":6")
        #expect(check(lines).found == ["invalid 6", "missing 5"])
        lines = first.lines
        lines[9] = lines[9].replacing("\"seq\":9", with: "\"seq\":700")
        #expect(check(lines).found == ["invalid 700", "gap 9"])
    }

    @Test func anEventFromAnotherStreamIsInvalidHere() {
        var lines = first.lines
        lines[2] = second.lines[2].replacing("00000000000000bb", with: "00000000000000aa")
        #expect(check(lines).found == ["invalid 2"])
    }

    @Test func theOrderOfLinesMeansNothing() {
        #expect(check((first.lines + second.lines).reversed()).found == [])
        #expect(check((second.lines + first.lines).shuffled()).found == [])
    }

    @Test func aLineThatCameTwiceIsANote() {
        let report = check(first.lines + [first.lines[4], first.lines[4]] + second.lines)
        #expect(report.found == [])
        #expect(report.noted == ["delivered twice 4"])
    }

    @Test func aCutAtTheHeadIsANote() {
        let report = check(without(0...3))
        #expect(report.found == [])
        #expect(report.noted == ["begins at 4", "not compared"])
    }

    @Test func aCutAtTheTailIsMissingWhereASuccessorKnowsIt() {
        let report = check(without(13...14) + second.lines)
        #expect(report.found == ["missing tail 13..14"])
        #expect(report.noted.contains("open 12"))
        let alone = check(without(13...14))
        #expect(alone.found == [])
        #expect(alone.noted == ["unproven 11..12", "open 12"])
    }

    @Test func anAbsentPredecessorIsAMissingStream() {
        #expect(check(second.lines).found == ["missing stream"])
    }

    @Test func twoHistoriesOfOneStreamAreAFork() throws {
        let other = try TestStream(
            key, epoch: "00000000000000aa", groups: [3, 5, 1, 0, 2], tag: "c")
        #expect(check(first.lines + other.lines).found.contains("fork 1..3"))
        // One group of the other history in place of ours does not follow, nor is it followed.
        var lines = without(4...8)
        lines += other.lines[4...8]
        #expect(check(lines).found.filter { $0.hasPrefix("chain break") }.count == 2)
        // Beside ours it is a fork.
        #expect(check(first.lines + other.lines[4...8]).found == ["chain break 4", "fork 4..8"])
    }

    @Test func aGroupThatContinuesARolledBackStreamIsAFork() throws {
        let rolledBack = try TestStream(
            key, epoch: "00000000000000aa", groups: [3, 2], tag: "a", closes: false)
        #expect(check(first.lines + rolledBack.lines[4...]).found == ["fork 4..8"])
    }

    @Test func twoSuccessorsOfOnePredecessorAreAFork() throws {
        let clone = try TestStream(
            key, epoch: "00000000000000cc", groups: [1], after: first.end, tag: "c")
        let report = check(first.lines + second.lines + clone.lines)
        #expect(report.found == ["fork"])
    }

    @Test func aSuccessorThatKnowsAnotherEndIsAFork() throws {
        guard case .stream(let name, let size, _) = first.end else { return }
        let head = SHA256.digest([1])
        for size in [size, size - 3] {
            let other = try TestStream(
                key, epoch: "00000000000000cc", groups: [1],
                after: .stream(name, size: size, head: head))
            #expect(check(first.lines + other.lines).found.contains("fork \(size - 1)"))
        }
    }

    @Test func eventsThatTheSuccessorDoesNotKnowAreANote() throws {
        let crashed = try TestStream(
            key, epoch: "00000000000000dd", groups: [3], closes: false)
        let longer = try TestStream(
            key, epoch: "00000000000000dd", groups: [3, 2], closes: false)
        let next = try TestStream(
            key, epoch: "00000000000000ee", groups: [1], after: crashed.end)
        let report = check(longer.lines + next.lines)
        #expect(report.found == [])
        #expect(report.noted.contains("delivered, then lost from the ledger 4..5"))
        let killed = check(crashed.lines + next.lines)
        #expect(killed.found == [])
        #expect(killed.noted == ["unproven 0..3", "open 3"])
    }

    @Test func aLostLedgerIsANote() throws {
        let stream = try TestStream(
            key, epoch: "00000000000000dd", groups: [], after: .lost)
        #expect(check(stream.lines).noted == ["predecessor lost 0"])
        #expect(stream.lines[0].contains("\"severity\":\"high\""))
    }

    @Test func aFirstGroupThatNamesOneBeforeItIsAChainBreak() throws {
        let digest = SHA256.digest([1])
        let body = Array(#"{"id":"x"}"#.utf8)
        let stream = "idp1.example.com/main/00000000000000aa"
        let leaf = SHA256.leaf(body.span)
        var statement = ByteWriter()
        Statement.write(
            stream: stream, keyID: key.keyID, first: 0, count: 1, previous: digest, root: leaf,
            to: &statement)
        let signature = statement.withBytes { key.sign($0) }
        let event = SealedEvent(
            end: body.count, leaf: leaf, action: .unclassified, severity: .info, sinkBits: 0)
        let group = SealedGroup(first: 0, count: 1, previous: digest, signature: signature)
        let batch = SealedBatch(
            stream: stream, keyID: key.keyID, sinks: [], bodies: body, events: [event],
            groups: [group], positions: [], head: .zero)
        #expect(check(lines(batch)).found == ["chain break 0"])
    }

    @Test func aCheckpointMustSpeakOfItsStreamItsPlaceAndItsEvents() throws {
        let stream = "idp1.example.com/main/00000000000000aa"
        let other = try SigningKey.generate(name: "idp2.example.com")
        let time = Timestamp(microseconds: 0)
        func check(_ note: (_ root: Digest) -> String) -> [String] {
            var sealer = Sealer(key: key, epoch: "00000000000000aa", sinks: [])
            var agent = AgentEvents(
                agentName: key.name, host: "h", stream: stream, version: "0.1.0")
            let start = sealer.sealAlone(
                agent.started(predecessor: .none, verifierKey: key.verifierKey, at: time))
            let text = note(start.events[0].leaf)
            let checkpoint = sealer.sealAlone(
                agent.checkpoint(note: text, filtered: [], rejected: [], lost: [], at: time))
            return verify(
                lines(start) + lines(checkpoint), keys: [key.verifierKey, other.verifierKey]
            ).found
        }
        func note(_ root: Digest, _ stream: String, _ size: UInt64, _ key: SigningKey) -> String {
            Checkpoint.note(stream: stream, size: size, root: root, key: key)
        }
        #expect(check { note($0, stream, 1, key) } == [])
        let bad: [(Digest) -> String] = [
            { _ in note(.zero, stream, 1, key) },
            { note($0, stream, 2, key) },
            { note($0, stream, 0, key) },
            { note($0, "idp1.example.com/main/00000000000000ab", 1, key) },
            { note($0, stream, 1, other) },
            { note($0, stream, 1, key) + "\n" },
            { note($0, stream, 1, key).replacing("\n1\n", with: "\n01\n") },
            { root in
                let good = note(root, stream, 1, key)
                return good + String(good.split(separator: "\n").last ?? "") + "\n"
            },
            { note($0, stream, 1, key).replacing("\u{2014}", with: "-") },
            { note($0, stream, 1, key).replacing("=\n\n", with: "\n\n") },
            { note($0, stream, 1, key).replacing("\n\n", with: "\nmore\n\n") },
            { _ in "" }, { _ in "nonsense" },
        ]
        for (index, text) in bad.enumerated() {
            #expect(check(text) == ["bad checkpoint 1"], "case \(index)")
        }
    }

    @Test func aKeyThatWasVouchedForIsTrustedFromThereOn() throws {
        let next = try SigningKey.generate(name: "idp1.example.com")
        let foreign = try SigningKey.generate(name: "idp2.example.com")
        for (heir, isTrusted) in [(next, true), (foreign, false)] {
            var sealer = Sealer(key: key, epoch: "00000000000000aa", sinks: [])
            var agent = AgentEvents(
                agentName: key.name, host: "h", stream: sealer.stream, version: "0.1.0")
            let time = Timestamp(microseconds: 0)
            var all = lines(
                sealer.sealAlone(
                    agent.started(predecessor: .none, verifierKey: key.verifierKey, at: time)))
            all += lines(sealer.sealAlone(agent.keyRotated(to: heir.verifierKey, at: time)))
            all += try TestStream(
                heir, epoch: "00000000000000bb", groups: [1], after: sealer.end
            ).lines
            #expect(check(all).findings.isEmpty == isTrusted)
            // An export may be sorted in any way.
            #expect(check(all.reversed()).findings.isEmpty == isTrusted)
        }
    }

    @Test func lostEventsAreSaidWithTheirNumberAndReason() throws {
        var agent = AgentEvents(
            agentName: key.name, host: "h", stream: first.stream, version: "0.1.0")
        let batch = agent.eventsLost(
            count: .max, reason: "truncated", at: Timestamp(microseconds: 0))
        let body = String(decoding: batch.bodies, as: UTF8.self)
        #expect(body.contains(#""agent":{"count":9007199254740991,"reason":"truncated"}"#))
        #expect(body.contains(#""error":{"code":"events_lost"}"#))
        #expect(body.contains(#""outcome":"failure""#))
        #expect(body.contains(#""severity":"high""#))
    }
}
