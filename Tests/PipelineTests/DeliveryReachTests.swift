// SPDX-License-Identifier: Apache-2.0
import Ledger
import Testing

@testable import Pipeline

private func place(_ offset: UInt64, segment: UInt64 = 1, index: UInt32 = 0) -> LedgerPlace {
    LedgerPlace(segment: segment, offset: offset, index: index)
}

/// A slow sink found a frame damaged on disk that a fast one had delivered from memory; the events
/// counted as lost for both, and the sums of the fast one did not add up any more.
@Test func sinkThatHadTheFrameHasLostNothing() {
    var reach = DeliveryReach(from: place(100))
    reach.read(place(100), asked: place(100), end: place(200))
    reach.read(place(200), asked: place(200), end: place(300))
    #expect(!reach.lacks(place(100)))
    #expect(!reach.lacks(place(200)))
    #expect(reach.lacks(place(300)))
}

@Test func sinkThatPassedOverTheFrameHasLostIt() {
    var reach = DeliveryReach(from: place(100))
    reach.read(place(300), asked: place(100), end: place(400))
    reach.read(place(400), asked: place(400), end: place(500))
    #expect(reach.lacks(place(100)))
    #expect(reach.lacks(place(200)))
    #expect(!reach.lacks(place(300)))
    #expect(!reach.lacks(place(400)))
}

@Test func gapReachesOverTheEndOfASegment() {
    var reach = DeliveryReach(from: place(100))
    reach.read(place(64, segment: 3), asked: place(900), end: place(164, segment: 3))
    #expect(reach.lacks(place(950)))
    #expect(reach.lacks(place(64, segment: 2)))
    #expect(!reach.lacks(place(64, segment: 3)))
}

@Test func whatLiesBeforeTheStartWasDeliveredBefore() {
    let reach = DeliveryReach(from: place(500, index: 3))
    #expect(!reach.lacks(place(400)))
    #expect(reach.lacks(place(500)))
}

@Test func oldestGapsAreForgotten() {
    var reach = DeliveryReach(from: place(0))
    for number in 0...UInt64(DeliveryReach.gapLimit) {
        reach.read(place(number * 10 + 5), asked: place(number * 10), end: place(number * 10 + 10))
    }
    #expect(!reach.lacks(place(1)))
    #expect(reach.lacks(place(11)))
}
