// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct SyslogSinkTests {
    private func sink(
        _ port: Int, _ transport: String = "tcp", _ more: String = ""
    ) throws -> any Sink {
        try Samples.sink(
            "{id: logs, type: syslog, transport: \(transport), "
                + "endpoint: '127.0.0.1:\(port)'\(more)}"
        )
    }

    /// What the server has received once it has as much as was sent.
    private func received(_ server: FakeStreamServer, _ expected: [[UInt8]]) -> [UInt8] {
        _ = server.waitForBytes(expected.reduce(0) { $0 + $1.count })
        return server.received
    }

    /// The messages of a delivery without what a transport puts around them.
    private func messages(_ delivery: DeliveryBatch) throws -> [[UInt8]] {
        let options = try options("transport: tcp, endpoint: 'h:1'")
        var rendering = SyslogMessage(.canonical, options)
        var messages: [[UInt8]] = []
        delivery.forEach { _, batch, event in
            var output = ByteWriter()
            #expect(rendering.append(batch, event: event, to: &output))
            messages.append(output.makeArray())
        }
        return messages
    }

    private func options(_ text: String) throws -> SyslogOptions {
        let (read, problems) = Samples.configuration("{id: logs, type: syslog, \(text)}")
        #expect(problems == [])
        return try #require(read?.options as? SyslogOptions)
    }

    private func counted(_ delivery: DeliveryBatch) throws -> [UInt8] {
        try messages(delivery).flatMap { Array("\($0.count) ".utf8) + $0 }
    }

    // MARK: Good receivers

    @Test func lineFeedsEndMessagesWhereThatIsWanted() throws {
        let server = try FakeStreamServer { _ in .read }
        defer { server.stop() }
        let batch = Samples.delivery(3)
        #expect(Samples.failure(try sink(server.port, "tcp", ", framing: lf"), batch) == nil)
        let expected = Array(try messages(batch).map { $0 + [10] }.joined())
        #expect(received(server, [expected]) == expected)
    }

    @Test func moreThanTheSocketHasRoomForArrives() throws {
        let server = try FakeStreamServer { _ in .read }
        defer { server.stop() }
        let batch = Samples.delivery(12_000)
        #expect(Samples.failure(try sink(server.port), batch) == nil)
        let bytes = try counted(batch)
        #expect(received(server, [bytes]) == bytes)
    }

    /// For each of them the name is looked up, so a receiver that moves is found again.
    @Test func anOldConnectionIsMadeAnewAndAYoungOneIsKept() throws {
        let server = try FakeStreamServer { _ in .read }
        defer { server.stop() }
        let clock = LeapingClock()
        let (read, _) = Samples.configuration(
            "{id: logs, type: syslog, transport: tcp, endpoint: 'localhost:\(server.port)', "
                + "connection_age: 100s}")
        let configuration = try #require(read)
        let sink = try SyslogSink(
            configuration, try #require(configuration.options as? SyslogOptions), clock: clock)
        for (leap, connections) in [(0, 1), (50, 1), (60, 2), (50, 2), (60, 3)] {
            clock.leap(.seconds(leap))
            #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
            #expect(server.connectionCount == connections)
        }
    }

    // MARK: Receivers that fail

    @Test func nobodyThereIsARetry() throws {
        let server = try FakeStreamServer { _ in .read }
        server.stop()
        let sink = try sink(server.port)
        let error = Samples.failure(sink, Samples.delivery(1))
        #expect(error?.code == .connection)
        #expect(error?.sentence.contains("127.0.0.1:\(server.port)") == true)
        #expect(sink.probe()?.code == .connection)
    }

    @Test func aConnectionThatEndedWhileNothingWasSentIsMadeAnew() throws {
        let server = try FakeStreamServer { number in number == 0 ? .close(after: 0) : .read }
        defer { server.stop() }
        let sink = try sink(server.port)
        _ = sink.probe()
        #expect(server.waitForEnds(1))
        // Somebody who waits is told of the end of a connection, and forgets it without a word.
        #expect(sink.outcomes(waitingAtMost: .milliseconds(50)).isEmpty)
        #expect(Samples.failure(sink, Samples.delivery(1)) == nil)
        #expect(server.connectionCount == 2)
    }

    @Test func aNameThatNobodyKnowsIsSaid() throws {
        let sink = try Samples.sink(
            "{id: logs, type: syslog, transport: tcp, endpoint: 'no-such-host.invalid:514'}")
        #expect(sink.probe()?.code == .name)
        let error = Samples.failure(sink, Samples.delivery(1))
        #expect(error?.code == .name)
        #expect(error?.sentence.contains("no-such-host.invalid:514") == true)
    }

    @Test func aMessageThatIsTooLongIsRejectedAndTheOthersGo() throws {
        let server = try FakeStreamServer.datagrams()
        defer { server.stop() }
        let long = Samples.plain(2).replacing(
            "\"alice\"", with: "\"\(String(repeating: "a", count: 3000))\"")
        let batch = DeliveryBatch(
            batch: Samples.batch([Samples.plain(1), long, Samples.plain(3)]),
            events: [0, 1, 2])
        let sink = try sink(server.port, "udp", ", max_message_bytes: 2KiB")
        guard
            case .partial([], let reject, nil)? = Samples.failure(sink, batch)
        else {
            Issue.record("no rejection")
            return
        }
        #expect(reject.map(\.index) == [1])
        #expect(reject[0].code == .size)
        #expect(reject[0].reason.contains("more than max_message_bytes, 2048"))
        #expect(server.waitForDatagrams(2))
        #expect(server.datagrams.allSatisfy { $0.count < 2 << 10 })
    }

    @Test func aBatchOfNothingButMessagesThatAreTooLongNeedsNoReceiver() throws {
        let sink = try sink(9, "udp", ", max_message_bytes: 480")
        guard case .partial([], let reject, nil)? = Samples.failure(sink, Samples.delivery(2))
        else {
            Issue.record("no rejection")
            return
        }
        #expect(reject.map(\.index) == [0, 1])
    }
}
