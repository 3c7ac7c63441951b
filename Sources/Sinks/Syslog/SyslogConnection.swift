// SPDX-License-Identifier: Apache-2.0
import Platform

/// A connection that stands: what is written to it, and how much of that its peer has taken.
final class SyslogConnection {
    /// What the peer's kernel has taken of what was written.
    enum Condition: Equatable {
        /// So many bytes are gone for good.
        case whole(acknowledged: UInt64)
        /// Nothing that is not confirmed yet can be relied on.
        case failed(DeliveryError)
    }

    let openedAt: MonotonicInstant
    /// Which of the contents of the files of `tls` it was made with.
    let version: Int
    private let file: File
    private let tls: TLSClient?
    private let isDatagram: Bool
    private var plainByteCount: UInt64 = 0
    // TLS may have to read before it can write, and the other way round.
    private var awaitsReading = false
    private var awaitsWriting = false

    init(
        _ file: File, _ tls: TLSClient?, _ transport: SyslogOptions.Transport, version: Int,
        openedAt: MonotonicInstant
    ) {
        self.file = file
        self.tls = tls
        self.version = version
        self.openedAt = openedAt
        isDatagram = transport == .udp
    }

    /// From when on a connection that is whole by then may be written to.
    ///
    /// A server of TLS 1.3 looks at our certificate, or for it, when we are already free to send,
    /// and what it reads then it drops. So there is time first for its alert, or its ticket.
    var trustedFrom: MonotonicInstant {
        guard let tls, !tls.isAccepted else { return openedAt }
        return openedAt.advanced(by: SyslogLimit.probationTime)
    }

    /// When the receiver's certificate expires.
    var peerExpiry: Timestamp? { tls?.peerExpiry }

    /// How many bytes the kernel has taken, TLS's own ones included.
    var sentByteCount: UInt64 { tls?.sentByteCount ?? plainByteCount }

    /// Adds the socket to those that are waited for.
    func addInterest(to poller: inout Poller, wantsToWrite: Bool) {
        let writes = awaitsWriting || wantsToWrite && !awaitsReading
        poller.add(file, toRead: true, toWrite: writes)
    }

    /// What became of bytes that were handed on.
    enum Written {
        /// So many of them were taken: none when there is no room.
        case bytes(Int)
        /// No datagram is as long as this.
        case tooLong
    }

    /// Hands on as many bytes as there is room for, of a datagram all or none.
    func write(_ bytes: Span<UInt8>) throws(DeliveryError) -> Written {
        guard let tls else { return try writePlain(bytes) }
        awaitsReading = false
        awaitsWriting = false
        switch tls.write(bytes.extracting(first: SyslogLimit.pieceByteCount)) {
        case .done(let count): return .bytes(count)
        case .needsRead: awaitsReading = true
        case .needsWrite: awaitsWriting = true
        case .end: throw Self.end(tls, "\(file.path): closed by the receiver")
        case .broken(let reason): throw Self.end(tls, reason)
        case .refused(let reason): throw Self.refusal(tls, file, reason)
        }
        return .bytes(0)
    }

    private func writePlain(_ bytes: Span<UInt8>) throws(DeliveryError) -> Written {
        do throws(SystemError) {
            let count = try ClientSocket.send(bytes, on: file)
            plainByteCount += UInt64(count)
            return .bytes(count)
        } catch {
            if error.isTooLong { return .tooLong }
            throw Self.lost(error)
        }
    }

    /// Reads what there is to read, which is nothing but ends, alerts and resets, and looks how
    /// much the peer has acknowledged.
    func condition() -> Condition {
        do throws(DeliveryError) {
            // The queue is looked at first: what is found out by reading is newer.
            let acknowledged = try acknowledgedByteCount()
            for _ in 0..<SyslogLimit.pieceCountLimit {
                if !(try takesWhatCame()) { break }
            }
            return .whole(acknowledged: acknowledged)
        } catch {
            return .failed(error)
        }
    }

    private func acknowledgedByteCount() throws(DeliveryError) -> UInt64 {
        do throws(SystemError) {
            let queued = UInt64(try ClientSocket.unacknowledgedByteCount(of: file))
            return isDatagram && queued > 0 ? 0 : sentByteCount - min(sentByteCount, queued)
        } catch {
            throw Self.lost(error)
        }
    }

    /// True when something came and there may be more.
    private func takesWhatCame() throws(DeliveryError) -> Bool {
        if let tls {
            switch tls.discard() {
            case .done: return true
            case .needsRead, .needsWrite: return false
            case .end: throw Self.end(tls, "\(file.path): closed by the receiver")
            case .broken(let reason): throw Self.end(tls, reason)
            case .refused(let reason): throw Self.refusal(tls, file, reason)
            }
        }
        let reception: ClientSocket.Reception
        do throws(SystemError) {
            reception = try ClientSocket.discard(from: file)
        } catch {
            throw Self.lost(error)
        }
        switch reception {
        case .bytes: return true
        case .nothing: return false
        case .end:
            // An empty datagram is no end.
            if isDatagram { return true }
            throw .retry(
                after: nil, reason: "\(file.path): closed by the receiver", code: .connection)
        }
    }

    // MARK: The end

    /// Says farewell; true when nothing is left to wait for.
    func finish() {
        tls?.finish()
        if !isDatagram { ClientSocket.finish(file) }
    }

    /// Whether the peer has ended its side as well.
    var isOver: Bool {
        if isDatagram { return true }
        if case .failed = condition() { return true }
        return false
    }

    private static func lost(_ error: SystemError) -> DeliveryError {
        .retry(after: nil, reason: "\(error)", code: .connection)
    }

    /// The connection is gone without a reason given, or because of our certificate.
    static func end(_ tls: TLSClient, _ reason: String) -> DeliveryError {
        if tls.lacksCertificate, !tls.isAccepted {
            return .alarm(
                reason: "\(reason); the receiver asked for a certificate, set tls.cert_file and "
                    + "tls.key_file", code: .tls)
        }
        return .retry(after: nil, reason: reason, code: .connection)
    }

    /// One side does not accept the other.
    static func refusal(_ tls: TLSClient, _ file: File, _ reason: String) -> DeliveryError {
        let hint =
            tls.lacksCertificate
            ? "; the receiver asked for a certificate, set tls.cert_file and tls.key_file" : ""
        return .alarm(reason: "\(file.path): TLS: \(reason)\(hint)", code: .tls)
    }
}
