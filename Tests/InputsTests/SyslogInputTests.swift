// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Inputs

/// Over real sockets on loopback.
struct SyslogInputTests {
    private func input(
        _ transport: SyslogConfiguration.Transport = .tcp, positions: [Position] = [],
        recordByteLimit: Int = 4096, framing: RecordFraming = RecordFraming(),
        _ change: (inout SyslogConfiguration) -> Void = { _ in }
    ) throws -> SyslogInput {
        var configuration = InputConfiguration(
            id: "in", kind: .syslog, recordByteLimit: recordByteLimit)
        configuration.syslog.transport = transport
        configuration.syslog.listener = ListenerConfiguration(
            address: try #require(ListenAddress("127.0.0.1:0")))
        change(&configuration.syslog)
        return try SyslogInput(
            configuration, framing: framing,
            context: InputContext(stream: "host/0123", positions: positions))
    }

    /// Records begin with a digit, and the last line of one waits no longer than that.
    private static func joining(_ wait: Duration = .seconds(20)) throws -> RecordFraming {
        RecordFraming(recordStart: try RegularExpression("^\\d"), joinTimeout: wait)
    }

    @Test func linesOfOneProgramAreJoinedAndThoseOfOthersStandBetween() throws {
        let input = try input(framing: Self.joining())
        let one = try LoopbackClient(input.port)
        let two = try LoopbackClient(input.port)
        try one.send("<13>Nov 21 10:00:00 h a[1]: 1 x\n<13>Nov 21 10:00:00 h a[2]: 2 y\n")
        #expect(try input.next(waitingAtMost: .milliseconds(200)) == nil)
        #expect(input.state.hasUnread)
        try two.send("<13>Nov 21 10:00:00 h a[1]: 3 z\n")
        try one.send("<13>Nov 21 10:00:00 h a[1]:  at x\n<14>1 - h a 2 - -  at y\n")
        // A sender that breaks a message at its line feeds puts no header before the rest.
        try one.send(" still y\n<13>Nov 21 10:00:00 h a[1]: 4\n<13>Nov 21 10:00:00 h a[2]: 5\n")
        try two.send("<13>Nov 21 10:00:00 h a[1]: 6\n")
        let batches = try read(input, 3)
        #expect(Set(texts(batches)) == ["1 x\n at x", "2 y\n at y\n still y", "3 z"])
        #expect(batches.flatMap(\.records).map(\.offset) == [0, 1, 2])
        #expect(batches.last?.positions == [Position(input: "in", place: .count(3))])
        // What waits when reading ends is handed out, for nobody sends it again.
        let rest = try #require(input.remainder())
        #expect(Set(texts([rest])) == ["4", "5", "6"])
        #expect(rest.positions == [Position(input: "in", place: .count(6))])
        #expect(input.remainder() == nil)
    }

    @Test func aRecordWaitsForItsNextLineNoLongerThanItsTime() throws {
        let input = try input(framing: Self.joining(.milliseconds(50)))
        let client = try LoopbackClient(input.port)
        try client.send("<13>Nov 21 10:00:00 h a: 1\n<13>Nov 21 10:00:00 h a:  more\n")
        #expect(texts(try read(input, 1)) == ["1\n more"])
        #expect(!input.state.hasUnread)
    }

    @Test func datagramsOfTwoSendersAreNotJoined() throws {
        let input = try input(.udp, framing: Self.joining())
        let one = try LoopbackClient(input.port, .datagram)
        let two = try LoopbackClient(input.port, .datagram)
        try one.send("<13>Nov 21 10:00:00 h a: 1")
        try two.send("<13>Nov 21 10:00:00 h a: 2")
        try one.send("<13>Nov 21 10:00:00 h a:  one")
        try two.send("<13>Nov 21 10:00:00 h a:  two")
        _ = try input.next(waitingAtMost: .milliseconds(200))
        let rest = try #require(input.remainder())
        #expect(texts([rest]) == ["1\n one", "2\n two"])
    }

    @Test func datagramsAreRecordsWithoutTheirHeaders() throws {
        let input = try input(.udp)
        let client = try LoopbackClient(input.port, .datagram)
        try client.send("<13>Nov 21 10:00:00 h app: one\n")
        try client.send("<34>1 2026-11-21T10:00:00Z h app - - - two\0")
        try client.send("plain")
        let batches = try read(input, 3)
        #expect(texts(batches) == ["one", "two", "plain"])
        #expect(batches.flatMap(\.records).map(\.offset) == [0, 1, 2])
        #expect(batches.first?.source == "host/0123 in")
        #expect(batches.last?.positions == [Position(input: "in", place: .count(3))])
    }

    @Test func datagramsThatTheKernelDropsAreALoss() throws {
        let input = try input(.udp) { $0.receiveBuffer = 64 << 10 }
        let client = try LoopbackClient(input.port, .datagram)
        let payload = "<13>" + String(repeating: "x", count: 2000)
        let sent = 2000
        for _ in 0..<sent { try client.send(payload) }
        var batches = try read(input, 1)
        while let batch = try input.next(waitingAtMost: .milliseconds(100)) {
            batches.append(batch)
        }
        let read = batches.reduce(0) { $0 + $1.records.count }
        let lost = batches.flatMap(\.losses).reduce(0) { $0 + $1.recordCount }
        #expect(lost > 0)
        #expect(UInt64(read) + lost == UInt64(sent))
        #expect(batches.flatMap(\.losses).allSatisfy { $0.reason == .datagram })
    }

    @Test func bothFramingsWorkSideBySide() throws {
        let input = try input()
        let counted = try LoopbackClient(input.port)
        let lines = try LoopbackClient(input.port)
        try counted.send("14 <13>multi\nline")
        try lines.send("<13>Nov 21 10:00:00 h a: first\n<13>sec")
        #expect(Set(texts(try read(input, 2))) == ["multi\nline", "first"])
        try lines.send("ond\n")
        #expect(texts(try read(input, 1)) == ["second"])
        lines.finish()
        #expect(try input.next(waitingAtMost: .milliseconds(100)) == nil)
        #expect(input.state.recordCount == 3)
    }

    @Test func aConnectionThatEndsGivesItsLastLine() throws {
        let input = try input()
        let client = try LoopbackClient(input.port)
        try client.send("<13>one\n<13>two")
        client.finish()
        #expect(texts(try read(input, 2)) == ["one", "two"])
    }

    @Test func overLongMessagesAreCutAndFlagged() throws {
        let input = try input(recordByteLimit: 1024)
        let client = try LoopbackClient(input.port)
        try client.send("<13>" + String(repeating: "x", count: 50_000) + "\n<13>next\n")
        let batches = try read(input, 2)
        #expect(texts(batches).map(\.utf8.count) == [1024, 4])
        #expect(batches.flatMap(\.records).map { $0.damage.contains(.cut) } == [true, false])
        #expect(input.state.cutRecordCount == 1)
    }

    @Test func moreConnectionsThanAllowedWaitForTheirTurn() throws {
        let input = try input { $0.connectionLimit = 1 }
        let first = try LoopbackClient(input.port)
        try first.send("<13>first\n")
        #expect(texts(try read(input, 1)) == ["first"])
        let second = try LoopbackClient(input.port)
        try second.send("<13>second\n")
        #expect(try input.next(waitingAtMost: .milliseconds(100)) == nil)
        #expect(input.state.reasons.first?.contains("max_connections") ?? false)
        first.finish()
        #expect(texts(try read(input, 1)) == ["second"])
    }

    @Test func aSilentConnectionIsClosed() throws {
        let input = try input { $0.idleLimit = .milliseconds(50) }
        let client = try LoopbackClient(input.port)
        try client.send("<13>first\n")
        #expect(texts(try read(input, 1)) == ["first"])
        for _ in 0..<4 { _ = try input.next(waitingAtMost: .milliseconds(30)) }
        #expect(client.receive() == "")
        #expect(input.state.recordCount == 1)
    }

    @Test func brokenFramingEndsOneConnectionAndIsSaid() throws {
        let input = try input()
        let broken = try LoopbackClient(input.port)
        let good = try LoopbackClient(input.port)
        try broken.send("6 <1>abcgarbage")
        #expect(texts(try read(input, 1)) == ["abc"])
        try good.send("<13>good\n")
        #expect(texts(try read(input, 1)) == ["good"])
        #expect(broken.receive() == "")
        #expect(input.state.reasons.first?.contains("octet counts") ?? false)
    }

    @Test func whileNobodyReadsTheSenderWaits() throws {
        let count = 300
        let input = try input(recordByteLimit: 64 << 10)
        let port = input.port
        let isDone = Atomic(false)
        let sender = try Thread.start(name: "sender") {
            defer { isDone.store(true, ordering: .releasing) }
            guard let client = try? LoopbackClient(port) else { return }
            // More than all buffers of the kernel between the two hold.
            let message = "50004 <13>" + String(repeating: "x", count: 50_000)
            for _ in 0..<count { guard (try? client.send(message)) != nil else { return } }
        }
        var total = 0
        for _ in 0..<3 { total += try read(input, 1).reduce(0) { $0 + $1.records.count } }
        let wasDone = isDone.load(ordering: .acquiring)
        #expect(!wasDone)
        while total < count, let batch = try input.next(waitingAtMost: .seconds(5)) {
            #expect(batch.bytes.count <= InputLimit.blockByteCount + (65 << 10))
            total += batch.records.count
        }
        sender.join()
        #expect(total == count)
        #expect(input.state.cutRecordCount == 0)
    }

    @Test func wrongCertificatesAreRefusedWithTheFile() throws {
        let folder = try TemporaryFolder()
        try folder.write("server.pem", "no certificate")
        #expect {
            try input(.tls) { options in
                options.listener?.tls = .init(
                    certificate: folder("server.pem"), key: folder("server.key"))
            }
        } throws: { error in
            "\(error)".contains(folder("server.pem")) && "\(error)".contains("certificate chain")
        }
    }

    @Test(arguments: [SyslogConfiguration.Transport.tcp, .udp])
    func theContractOfInputsHolds(transport: SyslogConfiguration.Transport) throws {
        var port: UInt16 = 0
        var clients: [LoopbackClient] = []
        let contract = InputContract(
            make: { positions in
                let made = try input(transport, positions: positions)
                port = made.port
                return ContractInput(made)
            },
            feed: { text in
                let client = try LoopbackClient(port, transport == .udp ? .datagram : .stream)
                clients.append(client)
                if transport == .tcp { return try client.send(text) }
                for line in text.split(separator: "\n") { try client.send(String(line)) }
            })
        #expect(try contract.failures() == [])
    }
}
