// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct StandardOutputSinkTests {
    private struct Pipe {
        let reader: Int32
        let writer: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { throw SystemError(call: "pipe") }
            (reader, writer) = (ends[0], ends[1])
        }
    }

    private func sink(_ pipe: Pipe) throws -> StandardOutputSink {
        let configuration = try #require(
            Samples.configuration("{id: out, type: stdout}").configuration)
        return try StandardOutputSink(
            configuration, File(borrowing: pipe.writer, path: "standard output"))
    }

    /// Reads everything until the other end is closed.
    private func drain(_ reader: Int32, into target: Monitor<[UInt8]>) throws -> Platform.Thread {
        try Thread.start(name: "drain") {
            let file = File(borrowing: reader, path: "pipe")
            while true {
                var piece: [UInt8] = []
                guard let count = try? file.appendNext(to: &piece, count: 1 << 16), count > 0 else {
                    return
                }
                target.update { $0 += piece }
            }
        }
    }

    @Test func aReaderThatDoesNotReadBlocksNobody() throws {
        let pipe = try Pipe()
        let sink = try sink(pipe)
        sink.deliver(Samples.delivery(2000), ticket: 1)
        #expect(sink.outcomes(waitingAtMost: .milliseconds(20)).isEmpty)
        sink.wake()
        #expect(sink.outcomes(waitingAtMost: .seconds(60)).isEmpty)
        let received = Monitor([UInt8]())
        let thread = try drain(pipe.reader, into: received)
        let outcomes = sink.outcomes(waitingAtMost: .seconds(20))
        #expect(outcomes.count == 1)
        close(pipe.writer)
        thread.join()
        #expect(
            received.withLock { $0 } == Samples.lines(Samples.delivery(2000), .canonical))
        close(pipe.reader)
    }

    @Test func aReaderThatWentAwayIsAnAlarm() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = try Pipe()
        close(pipe.reader)
        guard
            case .alarm(let reason, .file)? = Samples.failure(
                try sink(pipe), Samples.delivery(1))
        else {
            Issue.record("no alarm")
            return
        }
        #expect(reason.contains("EPIPE"))
        close(pipe.writer)
    }
}
