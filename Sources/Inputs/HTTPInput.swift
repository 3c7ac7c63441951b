// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization

/// Receives records by HTTP: JSON, lines of JSON, or plain lines, one request at a time or many.
///
/// A request is answered 200 only when all its records are committed, so a sender that keeps what
/// was not answered loses nothing. While the pipeline is full, requests are answered 429.
public final class HTTPInput: Input {
    /// The id of the input, as configured.
    public let id: String

    private typealias Queue = HTTPRequestQueue<HTTPExchange>

    /// How long a request waits for its commit before it is told to come again.
    static let commitPatience = Duration.seconds(30)

    private let options: HTTPInputConfiguration
    private let place: ListenerConfiguration
    private let recordByteLimit: Int
    private let source: String
    private let clock: any TimeSource
    private let door: HTTPDoor
    private let bell: Bell
    private let servers: Monitor<Servers>
    private let snapshot: HTTPInputSnapshot
    private let isClosed = Atomic(false)

    private struct Servers {
        var current: HTTPServer?
        /// Serves the connections it has under the certificate before.
        var former: HTTPServer?
    }

    /// Listens from now on; a request waits until `next` has taken it and its commit was told.
    public init(
        _ configuration: InputConfiguration, framing: RecordFraming = RecordFraming(),
        context: InputContext
    ) throws(InputError) {
        guard let place = configuration.http.listener else { bug("an HTTP input without place") }
        id = configuration.id
        options = configuration.http
        self.place = place
        recordByteLimit = configuration.recordByteLimit
        source = context.stream + " " + configuration.id
        clock = context.clock
        do throws(SystemError) {
            bell = try Bell()
        } catch {
            throw .system(input: configuration.id, error)
        }
        var number: UInt64 = 0
        for position in context.positions where position.input == configuration.id {
            if case .count(let count) = position.place { number = max(number, count) }
        }
        snapshot = HTTPInputSnapshot(at: context.clock.monotonic())
        door = HTTPDoor(
            configuration.http, framing: framing, number: number, bell: bell,
            clock: context.clock, snapshot: snapshot)
        let certificate = try HTTPInput.certificate(place.tls, configuration.id)
        do throws(SystemError) {
            let server = try HTTPServer(
                place.address, HTTPInput.options(configuration.http, certificate), door.handler)
            servers = Monitor(Servers(current: server))
            snapshot.show(certificate)
        } catch {
            throw .system(input: configuration.id, error)
        }
    }

    /// The port, also where the kernel chose it.
    var port: UInt16 { servers.withLock { $0.current?.port ?? 0 } }

    private static func options(
        _ configuration: HTTPInputConfiguration, _ certificate: HTTPServer.Certificate?
    ) -> HTTPServer.Options {
        var options = HTTPServer.Options()
        options.connectionLimit = configuration.connectionLimit
        options.silence = configuration.idleLimit
        options.bodyByteLimit = configuration.bodyByteLimit
        options.memoryByteLimit = configuration.bodyByteLimit * InputLimit.bodyCount
        options.busy = HTTPDoor.full
        options.certificate = certificate
        return options
    }

    /// Reads certificate and key, and sees to it that they belong together.
    private static func certificate(
        _ files: ListenerConfiguration.TLSFiles?, _ id: String
    ) throws(InputError) -> HTTPServer.Certificate? {
        guard let files else { return nil }
        do throws(TLSError) {
            return try HTTPServer.Certificate(chain: files.certificate, key: files.key)
        } catch {
            throw .tls(input: id, error)
        }
    }

    // MARK: Input

    /// The records of the requests that have come; nil when there are none in time.
    public func next(waitingAtMost timeout: Duration) throws(InputError) -> RecordBatch? {
        if isClosed.load(ordering: .acquiring) { return nil }
        door.turnAwayOverdue(after: HTTPInput.commitPatience)
        if let batch = batch() { return batch }
        _ = bell.wait(timeout: timeout)
        if isClosed.load(ordering: .acquiring) { return nil }
        return batch()
    }

    private func batch() -> RecordBatch? {
        var collector = RecordCollector(recordByteLimit: recordByteLimit)
        let number = door.take(into: &collector)
        guard !collector.isEmpty else { return nil }
        let now = clock.now()
        snapshot.count(collector, at: now, clock.monotonic())
        var batch = RecordBatch(
            input: id, source: source, path: nil, observed: now, bytes: collector.block(),
            records: collector.records,
            positions: [Position(input: id, place: .count(number))])
        batch.naming = .eventIDs(source: id)
        return batch
    }

    /// Answers the requests whose records are all safe.
    public func committed(through position: Position) {
        guard case .count(let count) = position.place else { return }
        door.committed(count)
    }

    /// Makes a `next` that waits return.
    public func wake() { bell.ring() }

    /// Ends receiving: what is not committed is answered 503, and so is what comes.
    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        bell.ring()
        door.close()
        let servers = servers.withLock { servers in
            defer { servers = Servers() }
            return servers
        }
        servers.current?.stop()
        servers.former?.stop()
    }

    /// Reads certificate and key again, for connections to come.
    public func reload() {
        guard place.tls != nil, !isClosed.load(ordering: .acquiring) else { return }
        do throws(InputError) {
            let certificate = try HTTPInput.certificate(place.tls, id)
            let former = try servers.withLock { servers throws(InputError) -> HTTPServer? in
                guard let current = servers.current else { return nil }
                let former = servers.former
                do throws(SystemError) {
                    servers.current = try current.succeeded(
                        by: HTTPInput.options(options, certificate), door.handler)
                } catch {
                    throw .system(input: id, error)
                }
                servers.former = current
                return former
            }
            former?.stop()
            snapshot.tell(nil)
            snapshot.show(certificate)
        } catch {
            snapshot.tell("\(error); the certificate before stays in use")
        }
    }

    /// How the input is doing.
    public var state: InputState { snapshot.state }
}

/// What is known of an HTTP input, for any thread.
final class HTTPInputSnapshot: Sendable {
    private let value = Monitor(InputState())

    var state: InputState { value.withLock { $0 } }

    init(at instant: MonotonicInstant) {
        value.withLock { $0.quietSince = instant }
    }

    func count(_ collector: RecordCollector, at now: Timestamp, _ instant: MonotonicInstant) {
        value.withLock { state in
            state.recordCount += UInt64(collector.records.count)
            state.readByteCount += UInt64(collector.recordByteCount)
            state.cutRecordCount += collector.cutCount
            state.lastRecord = now
            state.quietSince = instant
        }
    }

    /// Takes note of the certificate that clients see by now.
    func show(_ certificate: HTTPServer.Certificate?) {
        value.withLock { $0.certificateExpiry = certificate?.expiry }
    }

    /// Keeps a sentence until the next one.
    func tell(_ reason: String?) {
        value.withLock { $0.reasons = reason.map { [$0] } ?? [] }
    }
}
