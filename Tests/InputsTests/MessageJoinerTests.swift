// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct MessageJoinerTests {
    private static func joiner(
        _ patience: RecordJoiner.Patience, lineLimit: Int = 100
    ) throws -> MessageJoiner {
        let framing = RecordFraming(
            recordStart: try RegularExpression("^[0-9]"), recordLineLimit: lineLimit)
        return MessageJoiner(framing, recordByteLimit: 1024, patience: patience)
    }

    private static func add(
        _ text: String, of origin: String, to joiner: inout MessageJoiner, second: Int64 = 0
    ) -> [RecordDraft] {
        joiner.add(
            Array(text.utf8)[...], of: .named(Array(origin.utf8)), host: [], time: nil,
            arrival: Timestamp(microseconds: second * 1_000_000))
        return joiner.takeFinished()
    }

    private static func text(_ draft: RecordDraft) -> String {
        String(decoding: draft.text, as: UTF8.self)
    }

    /// Two senders whose records never leave a gap between them, for as long as one likes.
    @Test(arguments: [RecordJoiner.Patience.none, .whileThereIsRoom])
    func recordsThatOverlapWithoutEndStayWholeAndDoNotPileUp(
        patience: RecordJoiner.Patience
    ) throws {
        var joiner = try Self.joiner(patience)
        var texts: [String] = []
        var longest = 0
        var starts: [Int] = []
        for number in 0..<4000 {
            let origin = number % 2 == 0 ? "a" : "b"
            let other = number % 2 == 0 ? "b" : "a"
            for draft in Self.add("\(number)", of: origin, to: &joiner) {
                texts.append(Self.text(draft))
            }
            for draft in Self.add(" of \(number - 1)", of: other, to: &joiner) {
                texts.append(Self.text(draft))
            }
            longest = max(longest, joiner.place - joiner.heldFrom)
            starts.append(joiner.heldFrom)
        }
        joiner.completeAll()
        texts += joiner.takeFinished().map(Self.text)
        #expect(Set(texts).count == texts.count && texts.count == 4001)
        #expect((0..<3999).allSatisfy { texts.contains("\($0)\n of \($0)") })
        #expect(starts == starts.sorted())
        // The place to go on from follows at a distance that has a bound.
        #expect(longest < 3 * MessageJoiner.heldByteLimit(1024))
    }

    @Test func whatManySendersLeaveOpenHasABound() throws {
        var joiner = try Self.joiner(.none)
        var held = 0
        for number in 0..<3000 {
            held += 1
            let line = "1" + String(repeating: "x", count: 900)
            held -= Self.add(line, of: "sender \(number)", to: &joiner).count
            #expect(held * 900 < 2 * MessageJoiner.heldByteLimit(1024))
        }
        #expect(held > 0)
    }

    @Test func whatIsTooLongIsCutAndTheRestLeftOut() throws {
        var joiner = try Self.joiner(.none, lineLimit: 3)
        var drafts: [RecordDraft] = []
        for line in ["1", " a", " b", " c", " d", "2", " e", "3"] {
            drafts += Self.add(line, of: "a", to: &joiner)
        }
        #expect(drafts.map(Self.text) == ["1\n a\n b", "2\n e"])
        #expect(drafts.map { $0.damage.contains(.cut) } == [true, false])
    }

    @Test func aRecordEndsWhenItsTimeIsOver() throws {
        var joiner = try Self.joiner(.none)
        #expect(Self.add("1", of: "a", to: &joiner, second: 1).isEmpty)
        let due = joiner.due
        #expect(due == Timestamp(microseconds: 2_000_000))
        joiner.expire(at: Timestamp(microseconds: 2_000_000))
        let isHolding = joiner.isHolding
        #expect(isHolding)
        #expect(Self.add("2", of: "b", to: &joiner, second: 3).map(Self.text) == ["1"])
        joiner.expire(at: Timestamp(microseconds: 4_000_001))
        #expect(joiner.takeFinished().map(Self.text) == ["2"])
        let (isEmpty, nothing) = (!joiner.isHolding, joiner.due)
        #expect(isEmpty && nothing == nil)
    }
}
