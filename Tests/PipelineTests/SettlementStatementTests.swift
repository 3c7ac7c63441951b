// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Pipeline

private let epoch = "5f1e0c2ab77d4e10"

private func settlement(_ rejected: UInt64, lost: UInt64 = 0, sink: String = "siem") -> Settlement {
    Settlement(sink: sink, epoch: epoch, rejected: rejected, lost: lost)
}

@Test func whatHasNotChangedIsStatedOnceInAStream() {
    var statement = SettlementStatement()
    #expect(statement.next([settlement(3)]).rejected == ["siem \(epoch) 3"])
    #expect(statement.next([settlement(3)]).rejected.isEmpty)
    #expect(statement.next([settlement(4)]).rejected == ["siem \(epoch) 4"])
}

/// After a restart the first checkpoint said nothing of earlier rejections, so that a verifier of
/// the sink's copy took refused events for deleted ones.
@Test func firstCheckpointOfAStreamStatesEverythingAgain() {
    var statement = SettlementStatement()
    _ = statement.next([settlement(3, lost: 2)])
    statement.streamOpened()
    let entries = statement.next([settlement(3, lost: 2)])
    #expect(entries.rejected == ["siem \(epoch) 3"])
    #expect(entries.lost == ["siem \(epoch) 2"])
}

@Test func zeroIsNeverStated() {
    var statement = SettlementStatement()
    let entries = statement.next([settlement(0), settlement(0, lost: 7, sink: "other")])
    #expect(entries.rejected.isEmpty)
    #expect(entries.lost == ["other \(epoch) 7"])
}

/// A cursor can fall back at a kill; a count that was stated must never seem to shrink.
@Test func countThatFallsIsNotStated() {
    var statement = SettlementStatement()
    _ = statement.next([settlement(9)])
    #expect(statement.next([settlement(5)]).rejected.isEmpty)
    #expect(statement.next([settlement(10)]).rejected == ["siem \(epoch) 10"])
}
