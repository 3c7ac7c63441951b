// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization

/// Receives syslog messages, RFC 5424 and RFC 3164, by UDP, TCP or TLS; the records are the
/// messages without their headers.
///
/// Nobody is answered, so what was read and not committed is gone after a crash. While the
/// pipeline is full nothing is read: TCP senders wait, and datagrams that the kernel has to drop
/// meanwhile are stated as a loss.
public final class SyslogInput: Input {
    /// The id of the input, as configured.
    public let id: String
    /// The port, also where the kernel chose it.
    let port: UInt16

    private let options: SyslogConfiguration
    private let files: ListenerConfiguration.TLSFiles?
    private let recordByteLimit: Int
    private let zone: Zone
    private let joins: Bool
    private let source: String
    private let clock: any TimeSource
    private let bell: Bell
    private let listener: File
    private let tls: Monitor<TLSServer?>
    private let serving: Monitor<Serving>
    private let snapshot = Monitor(InputState())
    private let isClosed = Atomic(false)

    /// What the thread that reads keeps between two calls.
    private struct Serving: ~Copyable {
        var number: UInt64
        var joiner: MessageJoiner
        /// How long the input has waited with nothing to read. Records wait for more of their lines
        /// by this clock: it stands still while the pipeline is full.
        var idleTime = Timestamp(microseconds: 0)
        var connections: [SyslogConnection] = []
        var poller = Poller()
        /// Which connection is asked first, so that none is always last.
        var turn = 0
        /// Connections are not accepted before.
        var acceptAt: MonotonicInstant?
        var datagrams: DatagramBuffer?
        var droppedCount: UInt32 = 0
        var lostCount: UInt64 = 0
    }

    /// Listens from now on; nothing is read before `next`.
    public init(
        _ configuration: InputConfiguration, framing: RecordFraming = RecordFraming(),
        context: InputContext
    ) throws(InputError) {
        guard let place = configuration.syslog.listener else { bug("a syslog input without place") }
        id = configuration.id
        options = configuration.syslog
        files = place.tls
        recordByteLimit = configuration.recordByteLimit
        zone = framing.zone
        joins = framing.joinsLines
        source = context.stream + " " + configuration.id
        clock = context.clock
        do throws(SystemError) {
            bell = try Bell()
            listener =
                options.transport == .udp
                ? try Socket.datagrams(place.address, receiveBuffer: options.receiveBuffer)
                : try Socket.listen(place.address)
        } catch {
            throw .system(input: configuration.id, error)
        }
        port = Socket.port(of: listener)
        let server = try SyslogInput.server(place.tls, configuration.id)
        snapshot.withLock { $0.certificateExpiry = server?.expiry }
        tls = Monitor(server)
        var number: UInt64 = 0
        for position in context.positions where position.input == configuration.id {
            if case .count(let count) = position.place { number = max(number, count) }
        }
        var serving = Serving(
            number: number,
            joiner: MessageJoiner(
                framing, recordByteLimit: configuration.recordByteLimit, patience: .none))
        if options.transport == .udp { serving.datagrams = DatagramBuffer() }
        self.serving = Monitor(serving)
        snapshot.withLock { $0.quietSince = clock.monotonic() }
        guard options.transport == .udp else { return }
        let kept = Socket.receiveBuffer(of: listener)
        if kept < options.receiveBuffer {
            tell(
                "the kernel keeps \(kept) bytes of datagrams, not \(options.receiveBuffer); raise "
                    + "net.core.rmem_max, or lower receive_buffer")
        }
    }

    private static func server(
        _ files: ListenerConfiguration.TLSFiles?, _ id: String
    ) throws(InputError) -> TLSServer? {
        guard let files else { return nil }
        do throws(TLSError) {
            return try TLSServer(
                certificate: files.certificate, key: files.key,
                clientAuthorities: files.clientAuthorities)
        } catch {
            throw .tls(input: id, error)
        }
    }

    /// The next messages; nil when none came in time.
    public func next(waitingAtMost timeout: Duration) throws(InputError) -> RecordBatch? {
        let deadline = clock.monotonic().advanced(by: timeout)
        do throws(SystemError) {
            return try serving.withLock { (serving) throws(SystemError) -> RecordBatch? in
                try next(&serving, until: deadline)
            }
        } catch {
            throw .system(input: id, error)
        }
    }

    /// Does nothing: syslog has no answer to give.
    public func committed(through position: Position) {
        // A sender of syslog waits for nothing.
    }

    /// Makes a `next` that waits return.
    public func wake() { bell.ring() }

    /// Ends reading; connections end with the input.
    public func close() {
        isClosed.store(true, ordering: .releasing)
        bell.ring()
    }

    /// Reads certificate and key again, for connections to come.
    public func reload() {
        guard files != nil else { return }
        do throws(InputError) {
            let server = try SyslogInput.server(files, id)
            tls.withLock { $0 = server }
            snapshot.withLock { state in
                state.reasons = []
                state.certificateExpiry = server?.expiry
            }
        } catch {
            tell("\(error); the certificate before stays in use")
        }
    }

    /// How the input is doing.
    public var state: InputState { snapshot.withLock { $0 } }

    /// Keeps a sentence until the next one.
    private func tell(_ reason: String) {
        snapshot.withLock { $0.reasons = [reason] }
    }

    // MARK: Turns

    private func next(
        _ serving: inout Serving, until deadline: MonotonicInstant
    ) throws(SystemError) -> RecordBatch? {
        while !isClosed.load(ordering: .acquiring) {
            var collector = RecordCollector(recordByteLimit: recordByteLimit)
            if serving.datagrams != nil {
                try receive(&serving, into: &collector)
            } else {
                collect(&serving, into: &collector)
            }
            serving.joiner.expire(at: serving.idleTime)
            takeFinished(&serving, &collector)
            if let batch = batch(&serving, collector) { return batch }
            var left = deadline.duration(since: clock.monotonic())
            if left <= .zero { return nil }
            if let due = serving.joiner.due {
                // One more than it may wait: then it has waited too long.
                let rest = due.microseconds - serving.idleTime.microseconds + 1
                left = min(left, .microseconds(max(1, rest)))
            }
            let start = clock.monotonic()
            if try wait(&serving, left) { return nil }
            let waited = clock.monotonic().duration(since: start).wholeNanoseconds / 1000
            serving.idleTime = Timestamp(microseconds: serving.idleTime.microseconds + waited)
        }
        return nil
    }

    /// What waited for more lines.
    public func remainder() -> RecordBatch? {
        serving.withLock { serving in
            var collector = RecordCollector(recordByteLimit: recordByteLimit)
            serving.joiner.completeAll()
            takeFinished(&serving, &collector)
            return batch(&serving, collector)
        }
    }

    /// Moves the records that are complete into a batch.
    private func takeFinished(_ serving: inout Serving, _ collector: inout RecordCollector) {
        for draft in serving.joiner.takeFinished() {
            _ = collector.add(
                draft.text[...], offset: serving.number + UInt64(collector.records.count),
                host: draft.host[...], time: draft.time, damage: draft.damage)
        }
    }

    private func batch(_ serving: inout Serving, _ collector: RecordCollector) -> RecordBatch? {
        let isHolding = serving.joiner.isHolding
        snapshot.withLock { $0.hasUnread = isHolding }
        guard !collector.isEmpty || serving.lostCount > 0 else { return nil }
        let now = clock.now()
        serving.number += UInt64(collector.records.count)
        var batch = RecordBatch(
            input: id, source: source, path: nil, observed: now, bytes: collector.block(),
            records: collector.records,
            positions: [Position(input: id, place: .count(serving.number))])
        collector.complete(&batch)
        if serving.lostCount > 0 {
            batch.losses = [
                InputLoss(path: nil, reason: .datagram, recordCount: serving.lostCount)
            ]
            serving.lostCount = 0
        }
        snapshot.withLock { state in
            state.recordCount += UInt64(collector.records.count)
            state.readByteCount += UInt64(collector.recordByteCount)
            state.cutRecordCount += collector.cutCount
            guard !collector.isEmpty else { return }
            state.lastRecord = now
            state.quietSince = clock.monotonic()
        }
        return batch
    }

    /// Adds a message to the batch, or to what waits for more lines.
    ///
    /// - Parameters:
    ///   - sender: who sent it.
    ///   - connection: where it came; nil for a datagram.
    private func add(
        _ message: ArraySlice<UInt8>, _ damage: RecordDamage, from sender: [UInt8],
        _ connection: SyslogConnection?, _ serving: inout Serving,
        _ collector: inout RecordCollector
    ) {
        let header = SyslogHeader(message)
        let host = header.host.map { message[$0] } ?? []
        let content = message[header.message]
        let time = time(header, message)
        guard !serving.joiner.isRecord(content) else {
            _ = collector.add(
                content, offset: serving.number + UInt64(collector.records.count), host: host,
                time: time, damage: damage)
            return
        }
        var origin = sender + header.origin(message)
        if joins, header.message == message.indices, let last = connection?.lastOrigin {
            origin = last
        }
        connection?.lastOrigin = origin
        serving.joiner.add(
            content, of: .named(origin), host: host, time: time, arrival: serving.idleTime,
            damage: damage)
        takeFinished(&serving, &collector)
    }

    /// When the sender says that it was logged.
    private func time(_ header: SyslogHeader, _ message: ArraySlice<UInt8>) -> Timestamp? {
        guard let time = header.time else { return nil }
        return WrapperTime.read(
            message[time].span, 0..<time.count, zone: zone, now: clock.now())
    }

    // MARK: Datagrams

    private func receive(
        _ serving: inout Serving, into collector: inout RecordCollector
    ) throws(SystemError) {
        while !collector.isFull {
            let count = try serving.datagrams?.receive(from: listener) ?? 0
            for index in 0..<count {
                guard let datagram = serving.datagrams?.datagram(index) else { continue }
                let end = datagram.lastIndex { $0 != 0 } ?? datagram.startIndex - 1
                add(
                    datagram[datagram.startIndex..<end + 1], [],
                    from: serving.datagrams?.sender(index) ?? [], nil, &serving, &collector)
            }
            if count < Socket.datagramCountLimit { break }
        }
        // The kernel counts to 2^32 and begins again.
        let dropped = Socket.droppedDatagrams(of: listener)
        serving.lostCount += UInt64(dropped &- serving.droppedCount)
        serving.droppedCount = dropped
    }

    // MARK: Connections

    /// Takes the messages that are whole, of all connections in turn.
    private func collect(_ serving: inout Serving, into collector: inout RecordCollector) {
        let count = serving.connections.count
        for step in 0..<count {
            let connection = serving.connections[(serving.turn + step) % count]
            take(from: connection, &serving, &collector)
            if collector.isFull {
                serving.turn = (serving.turn + step) % count
                return
            }
        }
        serving.turn += 1
        let ended = serving.connections.filter(\.isEnded)
        for connection in ended {
            if let rest = connection.framing.finish() {
                add(rest, of: connection, &serving, &collector)
            }
        }
        if !ended.isEmpty { serving.connections.removeAll(where: \.isEnded) }
        cutLongest(&serving, &collector)
    }

    private func add(
        _ message: SyslogFraming.Message, of connection: SyslogConnection,
        _ serving: inout Serving, _ collector: inout RecordCollector
    ) {
        add(
            message.bytes[...], message.damage, from: Array(connection.file.path.utf8), connection,
            &serving, &collector)
    }

    private func take(
        from connection: SyslogConnection, _ serving: inout Serving,
        _ collector: inout RecordCollector
    ) {
        do throws(SyslogFraming.Fault) {
            while !collector.isFull, let message = try connection.framing.next() {
                add(message, of: connection, &serving, &collector)
            }
        } catch {
            // Where one message ends nobody knows, so nobody knows where the next begins.
            connection.drop()
            tell("\(connection.file.path): the octet counts are wrong; the connection was closed")
        }
    }

    /// Keeps the memory for unfinished messages bounded: the longest becomes a cut record.
    private func cutLongest(_ serving: inout Serving, _ collector: inout RecordCollector) {
        var total = serving.connections.reduce(0) { $0 + $1.framing.unfinishedByteCount }
        while total > InputLimit.unfinishedByteLimit {
            guard
                let longest = serving.connections.max(by: {
                    $0.framing.unfinishedByteCount < $1.framing.unfinishedByteCount
                }), let message = longest.framing.cut()
            else { return }
            total -= message.bytes.count
            add(message, of: longest, &serving, &collector)
        }
    }

    /// Waits for bytes and reads them; true when somebody woke the input.
    private func wait(_ serving: inout Serving, _ left: Duration) throws(SystemError) -> Bool {
        let now = clock.monotonic()
        let mayAccept =
            serving.connections.count < options.connectionLimit
            && now >= serving.acceptAt ?? now
        serving.poller.removeAll()
        let isListening = serving.datagrams != nil || mayAccept
        serving.poller.add(listener, toRead: isListening)
        var hasMore = false
        for connection in serving.connections {
            serving.poller.add(
                connection.file, toRead: true, toWrite: connection.needsWrite)
            if connection.hasMore { hasMore = true }
        }
        let isRung = serving.poller.wait(bell, timeout: hasMore ? .zero : left)
        if serving.datagrams != nil { return isRung }
        for (index, connection) in serving.connections.enumerated() {
            if serving.poller.isReady(index + 1) || connection.hasMore {
                if let failure = connection.read(at: clock.monotonic()) {
                    tell("\(connection.file.path): the connection failed: \(failure)")
                }
            } else {
                endIfSilent(connection, at: now)
            }
        }
        if isListening, serving.poller.isReady(0) { accept(&serving) }
        return isRung
    }

    private func endIfSilent(_ connection: SyslogConnection, at now: MonotonicInstant) {
        let silence = now.duration(since: connection.lastActive)
        let isShaking = files != nil && !connection.hasSpoken
        if silence > (isShaking ? InputLimit.handshakeLimit : options.idleLimit) {
            connection.end()
        }
    }

    private func accept(_ serving: inout Serving) {
        let server = tls.withLock { $0 }
        let byteLimit = recordByteLimit + InputLimit.syslogHeaderByteLimit
        do throws(SystemError) {
            while serving.connections.count < options.connectionLimit {
                guard let file = try Socket.accept(listener) else { break }
                serving.connections.append(
                    SyslogConnection(
                        file, tls: server, byteLimit: byteLimit, at: clock.monotonic()))
            }
            serving.acceptAt = nil
        } catch {
            serving.acceptAt = clock.monotonic().advanced(by: .seconds(1))
            tell("\(error); raise the limit of open files (LimitNOFILE)")
        }
        let count = serving.connections.count
        if count >= options.connectionLimit {
            tell("all \(count) connections are taken; raise max_connections")
        }
        snapshot.withLock { $0.openFileCount = count }
    }
}
