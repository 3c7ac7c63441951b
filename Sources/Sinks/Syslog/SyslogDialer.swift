// SPDX-License-Identifier: Apache-2.0
import Platform

/// Makes connections to the receiver: looks up its name, connects, agrees on TLS. Nothing waits.
///
/// The name is looked up for each connection, one lookup at a time: an attempt that has run out of
/// time leaves its lookup to the next one.
final class SyslogDialer {
    /// How far an attempt is.
    enum Progress {
        case underWay
        case connected(SyslogConnection)
        case failed(DeliveryError)
    }

    /// The files of `tls`; nil without TLS.
    private(set) var material: TLSMaterial?
    private let options: SyslogOptions
    private let bell: Bell
    private let place: String
    private var lookup: NameLookup?
    private var addresses: [SocketAddress] = []
    private var file: File?
    private var tls: TLSClient?
    private var awaitsWriting = true
    private var deadline: MonotonicInstant?
    private var addressDeadline = MonotonicInstant(nanoseconds: 0)
    private var failure: DeliveryError?

    init(
        _ options: SyslogOptions, bell: Bell, sink: String, at now: MonotonicInstant
    ) throws(SinkError) {
        self.options = options
        if let tls = options.tls { material = try TLSMaterial(tls, sink: sink, at: now) }
        self.bell = bell
        place = "\(options.host):\(options.port)"
    }

    /// Reads the files of `tls` again when it is time to.
    func refresh(at now: MonotonicInstant) {
        material?.refresh(at: now)
    }

    /// Forgets the attempt, but for a lookup that is under way.
    func stop() {
        addresses.removeAll()
        file = nil
        tls = nil
        deadline = nil
        failure = nil
    }

    /// Adds what the attempt waits for, and says until when it does at most.
    func addInterest(to poller: inout Poller) -> MonotonicInstant? {
        guard let deadline else { return nil }
        guard let file else { return deadline }
        poller.add(file, toRead: !awaitsWriting, toWrite: awaitsWriting)
        return min(deadline, addressDeadline)
    }

    /// Begins an attempt or goes on with it, as far as it goes without waiting.
    func proceed(at now: MonotonicInstant) -> Progress {
        let end = deadline ?? now.advanced(by: SyslogLimit.connectTime)
        deadline = end
        if now >= end { return giveUp(failure ?? timeout("no connection")) }
        do throws(DeliveryError) {
            if addresses.isEmpty, file == nil {
                guard try look() else { return .underWay }
            }
            return try connect(at: now)
        } catch {
            return giveUp(error)
        }
    }

    private func giveUp(_ error: DeliveryError) -> Progress {
        stop()
        return .failed(error)
    }

    private func timeout(_ words: String) -> DeliveryError {
        .retry(after: nil, reason: "\(place): \(words) in time", code: .timeout)
    }

    // MARK: The name

    /// True when there are addresses to connect to.
    private func look() throws(DeliveryError) -> Bool {
        if lookup == nil {
            do throws(SystemError) {
                lookup = try NameLookup(
                    host: options.host, port: options.port,
                    forDatagrams: options.transport == .udp, bell: bell)
            } catch {
                throw .retry(after: nil, reason: "\(error)", code: .name)
            }
        }
        guard let outcome = lookup?.outcome else {
            failure = timeout("the name was not resolved")
            return false
        }
        lookup = nil
        switch outcome {
        case .addresses(let found):
            addresses = found
            return true
        case .failed(let words):
            throw .retry(after: nil, reason: "\(place): \(words)", code: .name)
        }
    }

    // MARK: Connecting

    /// Goes from one address to the next until one answers.
    private func connect(at now: MonotonicInstant) throws(DeliveryError) -> Progress {
        while true {
            if let file {
                if now >= addressDeadline {
                    failure = timeout("no answer of \(file.path)")
                } else if isConnected(file) {
                    return try agree(file, at: now)
                } else if self.file != nil {
                    return .underWay
                }
            }
            file = nil
            guard !addresses.isEmpty else { throw failure ?? timeout("no connection") }
            open(addresses.removeFirst(), at: now)
        }
    }

    private func open(_ address: SocketAddress, at now: MonotonicInstant) {
        addressDeadline = now.advanced(
            by: addresses.isEmpty ? SyslogLimit.connectTime : SyslogLimit.addressTime)
        awaitsWriting = true
        do throws(SystemError) {
            file = try ClientSocket.connect(
                to: address, forDatagrams: options.transport == .udp)
        } catch {
            failure = .retry(after: nil, reason: "\(error)", code: .connection)
        }
    }

    /// False as well, without a file any more, when it did not connect and never will.
    private func isConnected(_ candidate: File) -> Bool {
        do throws(SystemError) {
            return try ClientSocket.isConnected(candidate)
        } catch {
            failure = .retry(after: nil, reason: "\(error)", code: .connection)
            file = nil
            return false
        }
    }

    // MARK: TLS

    private func agree(_ file: File, at now: MonotonicInstant) throws(DeliveryError) -> Progress {
        guard let settings else { return connected(file, nil, at: now) }
        let session: TLSClient
        if let tls {
            session = tls
        } else {
            do throws(CertificateError) {
                let name = options.tls?.serverName ?? options.host
                session = try TLSClient(settings, name: name, over: file)
            } catch {
                throw .alarm(reason: "tls: a file \(error)", code: .tls)
            }
            tls = session
            // From now on the address has answered; what is left is the time of the attempt.
            addressDeadline = MonotonicInstant(nanoseconds: .max)
        }
        switch session.handshake() {
        case .done: return connected(file, session, at: now)
        case .needsRead: awaitsWriting = false
        case .needsWrite: awaitsWriting = true
        case .end:
            throw SyslogConnection.end(session, "\(file.path): closed during the handshake")
        case .broken(let reason):
            throw SyslogConnection.end(session, reason)
        case .refused(let reason):
            throw SyslogConnection.refusal(session, file, reason)
        }
        return .underWay
    }

    private var settings: TLSClient.Settings? {
        guard let tls = options.tls, let content = material?.content else { return nil }
        var settings = TLSClient.Settings()
        settings.authorities = content.authorities
        settings.certificate = content.certificate
        settings.key = content.key
        settings.pins = tls.pins
        settings.isUnverified = tls.isUnverified
        return settings
    }

    private func connected(
        _ file: File, _ session: TLSClient?, at now: MonotonicInstant
    ) -> Progress {
        stop()
        return .connected(
            SyslogConnection(
                file, session, options.transport, version: material?.version ?? 0, openedAt: now))
    }
}
