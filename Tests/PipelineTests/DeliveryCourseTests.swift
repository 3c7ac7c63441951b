// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Sinks
import Testing

@testable import Ledger
@testable import Pipeline

/// A sink that was named again ran over all that had come in between without looking around, and
/// did so again after each start, because its cursor stayed behind.
@Test func framesThatDoNotNameTheSinkArePassedBitByBit() throws {
    let sink = try #require(
        PipelineFixture.configuration(
            """
            inputs: [{id: idp, type: stdin, parser: keycloak}]
            sinks: [{id: siem, type: stdout}]
            """
        ).sinks.first)
    let batch = PipelineFixture.delivery(3).parts[0].batch
    let start = LedgerPlace(segment: 1)
    var course = DeliveryCourse(from: SinkCursor(place: start), configuration: sink)
    for number in 0..<10_000 as Range<UInt64> where !course.isFull {
        let frame = LedgerFrame(
            place: LedgerPlace(segment: 1, offset: number),
            next: LedgerPlace(segment: 1, offset: number + 1), batch: batch)
        course.frame = frame
        course.open(frame, sink: "siem")
        course.takeEvents()
    }
    #expect(course.isFull)
    let place = course.place
    #expect(place > start)
    let span = course.closeSpan()
    #expect(span?.cursor == SinkCursor(place: place))
    #expect(!course.isFull)
    #expect(course.plan.isIdle)
}
