// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Sends events to a receiver of syslog, RFC 5424, over TLS, TCP or UDP.
///
/// Syslog has no acknowledgement. What can be known is asked for: that the peer's kernel has taken
/// every byte, and that neither an alert nor a reset nor an end came for a while after. What was
/// under way when a connection fails is sent again, with the same ids.
// Safe because one thread makes all calls but wake, which rings a bell that any thread may ring.
final class SyslogSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "syslog", formats: [.canonical, .ecs, .ocsf, .cef, .leef],
        batch: SinkConfiguration.Batch(
            byteLimit: 2 << 20, countLimit: 4000, waitLimit: .milliseconds(200)),
        promise: "Syslog has no acknowledgement: an event counts as delivered when the receiver's "
            + "kernel has taken it (over UDP: when it was sent) and no alert, reset or end came "
            + "for a while; what the receiver loses after that, nobody tells.",
        options: SyslogOptions.self
    ) { (configuration, options) throws(SinkError) in try SyslogSink(configuration, options) }

    /// A rendered batch on its way out.
    private struct Outgoing {
        let ticket: UInt64
        let bytes: [UInt8]
        /// Where each message ends in `bytes`, and the event it is made of.
        let messages: [(end: Int, index: Int)]
        var writtenByteCount = 0
        var writtenMessageCount = 0
    }

    private let options: SyslogOptions
    private let bell: Bell
    private let dialer: SyslogDialer
    private let clock: any TimeSource
    private var rendering: SyslogMessage
    private var message = ByteWriter(capacity: 4096)
    private var queue: [Outgoing] = []
    private var rejections: [UInt64: [Rejection]] = [:]
    private var settled: [DeliveryOutcome] = []
    private var connection: SyslogConnection?
    private var window = SyslogWindow()
    private var resumesAt = MonotonicInstant(nanoseconds: 0)
    private var departing: (connection: SyslogConnection, until: MonotonicInstant)?

    init(
        _ configuration: SinkConfiguration, _ options: SyslogOptions,
        clock: any TimeSource = SystemClock()
    ) throws(SinkError) {
        do throws(SystemError) {
            bell = try Bell()
        } catch {
            throw SinkError(sink: configuration.id, "\(error)")
        }
        self.options = options
        self.clock = clock
        dialer = try SyslogDialer(
            options, bell: bell, sink: configuration.id, at: clock.monotonic())
        rendering = SyslogMessage(configuration.format, options)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        var output = ByteWriter(capacity: batch.bodyByteCount * 2)
        var messages: [(end: Int, index: Int)] = []
        var refused: [Rejection] = []
        batch.forEach { index, sealed, event in
            message.removeAll()
            guard rendering.append(sealed, event: event, to: &message) else {
                return refused.append(.unrenderable(index))
            }
            guard message.count <= options.messageByteLimit else {
                return refused.append(
                    tooLong(index, "more than max_message_bytes, \(options.messageByteLimit)"))
            }
            appendFramed(to: &output)
            messages.append((output.count, index))
        }
        guard !messages.isEmpty else {
            return settled.append((ticket, Rejection.result(refused)))
        }
        if queue.isEmpty, window.isEmpty { window.begin(at: clock.monotonic()) }
        rejections[ticket] = refused
        queue.append(Outgoing(ticket: ticket, bytes: output.makeArray(), messages: messages))
    }

    private func appendFramed(to output: inout ByteWriter) {
        switch options.transport {
        case .udp:
            message.withBytes { output.append($0) }
        case .tcp where options.framing == .lineFeed:
            message.withBytes { output.append($0) }
            output.append("\n")
        case .tcp, .tls:
            // RFC 5425 §4.3: MSG-LEN SP SYSLOG-MSG.
            output.append(decimal: Int64(message.count))
            output.append(" ")
            message.withBytes { output.append($0) }
        }
    }

    private func tooLong(_ index: Int, _ words: String) -> Rejection {
        Rejection(
            index: index, reason: "the message has \(message.count) bytes, \(words)", code: .size)
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        let deadline = clock.monotonic().advanced(by: timeout)
        while true {
            let now = clock.monotonic()
            proceed(at: now)
            if !settled.isEmpty || now >= deadline { break }
            // The bell rings for a name that was resolved as well; then the caller comes back.
            if wait(until: deadline, from: now) { break }
        }
        defer { settled.removeAll(keepingCapacity: true) }
        return settled
    }

    func wake() {
        bell.ring()
    }

    func probe() -> DeliveryError? {
        let deadline = clock.monotonic()
            .advanced(by: SyslogLimit.connectTime + SyslogLimit.probationTime)
        while true {
            let now = clock.monotonic()
            if let connection {
                if case .failed(let error) = connection.condition() {
                    self.connection = nil
                    return error
                }
                if now >= connection.trustedFrom { return nil }
            } else {
                switch dialer.proceed(at: now) {
                case .underWay: break
                case .connected(let made): connection = made
                case .failed(let error): return error
                }
            }
            _ = wait(until: min(deadline, now.advanced(by: SyslogLimit.settleTime)), from: now)
        }
    }

    var condition: SinkCondition {
        let expiries = [dialer.material?.content.expiry, connection?.peerExpiry]
        return SinkCondition(
            certificateExpiry: expiries.compactMap { $0 }.min(),
            problem: dialer.material?.problem)
    }

    func close() {
        queue.removeAll()
        rejections.removeAll()
        settled.removeAll()
        window = SyslogWindow()
        dialer.stop()
        if let connection { depart(connection, at: clock.monotonic()) }
        while let leaving = departing {
            let now = clock.monotonic()
            dropDeparted(at: now)
            if departing != nil { _ = wait(until: leaving.until, from: now) }
        }
    }

    // MARK: Going on

    /// Does all that can be done without waiting.
    private func proceed(at now: MonotonicInstant) {
        dropDeparted(at: now)
        dialer.refresh(at: now)
        if let connection, isAged(connection, at: now), window.isEmpty,
            queue.first?.writtenByteCount ?? 0 == 0
        {
            depart(connection, at: now)
        }
        if connection == nil, !queue.isEmpty {
            switch dialer.proceed(at: now) {
            case .underWay: return
            case .connected(let made):
                connection = made
                window = SyslogWindow()
                window.begin(at: now)
            case .failed(let error): return fail(error)
            }
        }
        guard let connection else { return }
        do throws(DeliveryError) {
            try write(connection, at: now)
        } catch {
            return fail(error)
        }
        // Read after writing, so that a connection that ended meanwhile settles nothing.
        switch connection.condition() {
        case .failed(let error):
            return fail(error)
        case .whole(let acknowledged):
            for ticket in window.settle(acknowledged: acknowledged, at: now) { settle(ticket) }
        }
        if window.isStalled(hasMore: !queue.isEmpty, at: now) {
            let reason = "\(options.host):\(options.port): the receiver takes nothing any more"
            return fail(.retry(after: nil, reason: reason, code: .timeout))
        }
    }

    private func settle(_ ticket: UInt64) {
        let refused = rejections.removeValue(forKey: ticket) ?? []
        settled.append((ticket, Rejection.result(refused.sorted { $0.index < $1.index })))
    }

    /// Nothing that is not settled can be relied on: all of it has to be sent again.
    private func fail(_ error: DeliveryError) {
        connection = nil
        for ticket in window.tickets + queue.map(\.ticket) {
            settled.append((ticket, .failure(error)))
        }
        window = SyslogWindow()
        queue.removeAll()
        rejections.removeAll()
    }

    /// Whether a connection has to be made anew: it is old, or was made with old certificates.
    private func isAged(_ connection: SyslogConnection, at now: MonotonicInstant) -> Bool {
        now >= connection.openedAt.advanced(by: options.connectionAge)
            || connection.version != dialer.material?.version ?? 0
    }

    private func depart(_ connection: SyslogConnection, at now: MonotonicInstant) {
        connection.finish()
        self.connection = nil
        departing = (connection, now.advanced(by: SyslogLimit.farewellTime))
    }

    private func dropDeparted(at now: MonotonicInstant) {
        guard let leaving = departing, now >= leaving.until || leaving.connection.isOver else {
            return
        }
        departing = nil
    }

    // MARK: Writing

    private func write(
        _ connection: SyslogConnection, at now: MonotonicInstant
    ) throws(DeliveryError) {
        while let first = queue.first, mayWrite(first, connection, at: now) {
            let hasMoved =
                options.transport == .udp
                ? try writeDatagrams(connection, at: now) : try writeStream(connection)
            if queue[0].writtenByteCount == queue[0].bytes.count {
                window.sent(queue.removeFirst().ticket, end: connection.sentByteCount)
            } else if !hasMoved {
                return
            }
        }
    }

    /// Nothing goes over a connection that cannot be trusted yet; one that is to be closed takes
    /// what was begun and nothing new.
    private func mayWrite(
        _ outgoing: Outgoing, _ connection: SyslogConnection, at now: MonotonicInstant
    ) -> Bool {
        now >= resumesAt && now >= connection.trustedFrom
            && (outgoing.writtenByteCount > 0 || !isAged(connection, at: now))
    }

    /// True when some bytes were taken.
    private func writeStream(_ connection: SyslogConnection) throws(DeliveryError) -> Bool {
        let start = queue[0].writtenByteCount
        let bytes = queue[0].bytes
        guard
            case .bytes(let count) = try connection.write(
                bytes.span.extracting(start..<bytes.count))
        else { return false }
        queue[0].writtenByteCount += count
        return count > 0
    }

    /// True when a burst was sent as a whole.
    private func writeDatagrams(
        _ connection: SyslogConnection, at now: MonotonicInstant
    ) throws(DeliveryError) -> Bool {
        let outgoing = queue[0]
        var start = outgoing.writtenByteCount
        let burstEnd = start + SyslogLimit.burstByteCount
        for (end, index) in outgoing.messages[outgoing.writtenMessageCount...] {
            guard start < burstEnd else {
                resumesAt = now.advanced(by: SyslogLimit.lookTime)
                return false
            }
            switch try connection.write(outgoing.bytes.span.extracting(start..<end)) {
            case .bytes(0): return false
            case .bytes: break
            case .tooLong:
                let reason = "a message of \(end - start) bytes fits in no datagram on this way"
                rejections[outgoing.ticket, default: []].append(
                    Rejection(index: index, reason: reason, code: .size))
            }
            start = end
            queue[0].writtenByteCount = end
            queue[0].writtenMessageCount += 1
        }
        return true
    }

    // MARK: Waiting

    /// Waits for the socket, the bell or the next thing to look at; true when the bell was rung.
    private func wait(until deadline: MonotonicInstant, from now: MonotonicInstant) -> Bool {
        var poller = Poller()
        var end = deadline
        if let connection {
            let wantsToWrite = queue.first.map { mayWrite($0, connection, at: now) } ?? false
            connection.addInterest(to: &poller, wantsToWrite: wantsToWrite)
            if let look = window.nextLook(at: now) { end = min(end, look) }
            // A receiver that stalls is noticed although nothing happens on the socket.
            if !queue.isEmpty { end = min(end, now.advanced(by: SyslogLimit.settleTime)) }
            let aged = connection.openedAt.advanced(by: options.connectionAge)
            for moment in [resumesAt, connection.trustedFrom, aged] where moment > now {
                end = min(end, moment)
            }
        } else if let attempt = dialer.addInterest(to: &poller) {
            end = min(end, attempt)
        }
        if let departing {
            departing.connection.addInterest(to: &poller, wantsToWrite: false)
            end = min(end, departing.until)
        }
        return poller.wait(bell, timeout: end.duration(since: now))
    }
}
