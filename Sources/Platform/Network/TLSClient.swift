// SPDX-License-Identifier: Apache-2.0
import CSSL
import Glibc

/// The client's side of one connection under TLS 1.2 or later, for one thread. Nothing here waits.
public final class TLSClient {
    /// Whom to trust and who we are.
    public struct Settings: Sendable, Equatable {
        /// The authorities to trust, PEM, in place of the system's.
        public var authorities: [UInt8]?
        /// Our own certificate and those that lead to an authority, PEM.
        public var certificate: [UInt8]?
        /// The key of that certificate, PEM.
        public var key: Secret?
        /// SHA-256 of the public keys that the peer may have, in base64; any when empty.
        public var pins: [String] = []
        /// True when any certificate will do.
        public var isUnverified = false

        /// The system's authorities, no certificate of our own, full verification.
        public init() {}
    }

    /// How an attempt ended.
    public enum Outcome: Sendable, Hashable {
        /// It is done; of `read` and `write`, so many bytes.
        case done(Int)
        /// Nothing until the peer sends more.
        case needsRead
        /// Nothing until the peer takes what has to be sent first.
        case needsWrite
        /// The peer has ended the connection.
        case end
        /// The connection broke; why, in a few words.
        case broken(String)
        /// One side refuses the other: a certificate, an alert; why, in a few words.
        case refused(String)
    }

    // Safe because init makes it and deinit frees it.
    private let session: OpaquePointer
    private let file: File
    private let pins: [String]
    // Safe because init makes it and deinit frees it, after the session that points to it.
    private let wasAsked: UnsafeMutablePointer<Bool>

    /// X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, and the macros SSL_MODE_ENABLE_PARTIAL_WRITE and
    /// SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, which say that a write may take a part, and that the
    /// rest may come from another place in memory.
    private static let hostFlags: UInt32 = 4
    private static let modes = 1 | 2
    /// SSL_CTRL_SET_TLSEXT_HOSTNAME with TLSEXT_NAMETYPE_host_name.
    private static let setName: Int32 = 55

    /// Prepares TLS over a socket that is connected or about to be.
    ///
    /// - Parameter name: the host name or numeric address that the certificate must carry; a host
    ///   name is sent along as well (SNI, RFC 6066 §3).
    public init(
        _ settings: Settings, name: String, over file: File
    ) throws(CertificateError) {
        let context = try TLSClient.context(settings)
        // Safe because the session holds a reference of its own to the context.
        defer { SSL_CTX_free(context) }
        // Safe because the session is checked here and freed in deinit.
        guard let session = SSL_new(context), SSL_set_fd(session, file.descriptor) == 1 else {
            bug("no memory for a TLS connection")
        }
        self.session = session
        self.file = file
        pins = settings.pins
        // Safe because deinit frees it.
        wasAsked = .allocate(capacity: 1)
        wasAsked.initialize(to: false)
        SSL_set_ex_data(session, 0, wasAsked)
        SSL_set_connect_state(session)
        SSL_set_hostflags(session, TLSClient.hostFlags)
        // Safe because the parameters belong to the session, and the text lives for the call.
        if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1 { return }
        ERR_clear_error()
        // Safe because libssl copies the text, which ends with a zero.
        let isSent = Array(name.utf8CString).withUnsafeBufferPointer { text in
            SSL_ctrl(
                session, TLSClient.setName, 0,
                UnsafeMutableRawPointer(
                    mutating: text.baseAddress)) == 1
        }
        guard isSent, SSL_set1_host(session, name) == 1 else {
            bug("no memory for a TLS connection")
        }
    }

    deinit {
        // Safe because nobody else holds them.
        SSL_free(session)
        wasAsked.deallocate()
    }

    private static func context(
        _ settings: Settings
    ) throws(CertificateError) -> OpaquePointer {
        // Safe because the caller frees it, and this function where it throws.
        guard let context = SSL_CTX_new(TLS_client_method()) else { bug("no memory for TLS") }
        do throws(CertificateError) {
            try prepare(context, settings)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        return context
    }

    // Safe because the context is the caller's and alive.
    private static func prepare(
        _ context: OpaquePointer, _ settings: Settings
    ) throws(CertificateError) {
        ERR_clear_error()
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        _ = SSL_CTX_ctrl(context, SSL_CTRL_MODE, modes, nil)
        // Only asked when there is no certificate to answer with.
        SSL_CTX_set_client_cert_cb(context) { session, _, _ in
            // Safe because the place lives as long as the session.
            SSL_get_ex_data(session, 0)?.assumingMemoryBound(to: Bool.self).pointee = true
            return 0
        }
        SSL_CTX_set_verify(
            context, settings.isUnverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
        if let authorities = settings.authorities {
            let input = try PEMInput(authorities.span)
            while let certificate = try input.nextCertificate() {
                // Safe because the store counts a reference of its own.
                X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate)
                X509_free(certificate)
            }
        } else {
            SSL_CTX_set_default_verify_paths(context)
        }
        guard let certificate = settings.certificate, let key = settings.key else { return }
        try introduce(context, certificate, key)
    }

    // Safe because the context is the caller's and alive.
    /// Hands over our own certificate, what leads from it to an authority, and its key.
    private static func introduce(
        _ context: OpaquePointer, _ chain: [UInt8], _ key: Secret
    ) throws(CertificateError) {
        let input = try PEMInput(chain.span)
        guard let own = try input.nextCertificate() else {
            throw CertificateError(description: "holds no certificate in PEM")
        }
        SSL_CTX_use_certificate(context, own)
        X509_free(own)
        while let next = try input.nextCertificate() {
            // Safe because the context owns it from now on, unless it refuses.
            if SSL_CTX_ctrl(context, addToChain, 0, UnsafeMutableRawPointer(next)) != 1 {
                X509_free(next)
            }
        }
        let keys = try key.withBytes { (bytes) throws(CertificateError) in try PEMInput(bytes) }
        guard let pair = keys.privateKey() else {
            throw CertificateError(
                description: "holds no private key in PEM, or one with a password")
        }
        // Safe because the context counts a reference of its own.
        defer { EVP_PKEY_free(pair) }
        guard SSL_CTX_use_PrivateKey(context, pair) == 1 else {
            ERR_clear_error()
            throw CertificateError(description: "is not the key of the certificate")
        }
    }

    /// SSL_CTRL_EXTRA_CHAIN_CERT.
    private static let addToChain: Int32 = 14

    /// Goes on with the handshake.
    public func handshake() -> Outcome {
        ERR_clear_error()
        let result = SSL_do_handshake(session)
        guard result == 1 else { return outcome(result) }
        return look() ? .done(0) : .refused("its public key is none of the pins")
    }

    /// When the peer's certificate expires; nil before the handshake is done.
    public private(set) var peerExpiry: Timestamp?

    /// Looks at the peer's certificate; false when there are pins and none is that of its key.
    private func look() -> Bool {
        guard let certificate = SSL_get1_peer_certificate(session) else { return pins.isEmpty }
        // Safe because the reference is ours.
        defer { X509_free(certificate) }
        peerExpiry = CertificateChain.expiry(of: certificate)
        if pins.isEmpty { return true }
        return CertificateChain.pin(of: certificate).map { pins.contains($0) } ?? false
    }

    /// Takes a piece of what the peer has sent and forgets it; notes alerts and tickets.
    public func discard() -> Outcome {
        ERR_clear_error()
        var room = [UInt8](repeating: 0, count: TLSClient.pieceByteCount)
        // Safe because the call is told how much room there is.
        let result = SSL_read(session, &room, Int32(room.count))
        return result > 0 ? .done(Int(result)) : outcome(result)
    }

    private static let pieceByteCount = 4096

    /// Sends a part of the bytes, at least one.
    public func write(_ bytes: Span<UInt8>) -> Outcome {
        ERR_clear_error()
        // Safe because the buffer is alive during the call, which is told its length.
        let result = bytes.withUnsafeBytes { buffer in
            SSL_write(session, buffer.baseAddress, Int32(clamping: buffer.count))
        }
        return result > 0 ? .done(Int(result)) : outcome(result)
    }

    /// Tells the peer that nothing more comes; what it still sends can be read.
    public func finish() {
        ERR_clear_error()
        if SSL_is_init_finished(session) == 1 { _ = SSL_shutdown(session) }
    }

    /// How many bytes the kernel has taken, TLS's own ones included.
    public var sentByteCount: UInt64 { BIO_number_written(SSL_get_wbio(session)) }

    /// True when the peer has shown that it read our side of the handshake to its end, our
    /// certificate or its absence included.
    ///
    /// In TLS 1.2 the server's last message says so. In TLS 1.3 the client is done first; only a
    /// ticket, which not every server sends, tells that the server was done as well.
    public var isAccepted: Bool {
        guard SSL_is_init_finished(session) == 1 else { return false }
        if SSL_version(session) < TLS1_3_VERSION { return true }
        return SSL_get_session(session).map { SSL_SESSION_has_ticket($0) == 1 } ?? false
    }

    /// True when the peer asked for a certificate and there was none to show.
    public var lacksCertificate: Bool { wasAsked.pointee }

    private func outcome(_ result: Int32) -> Outcome {
        let number = errno
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: return .needsRead
        case SSL_ERROR_WANT_WRITE: return .needsWrite
        case SSL_ERROR_ZERO_RETURN: return .end
        case SSL_ERROR_SYSCALL:
            if number == 0 { return .end }
            let error = SystemError(call: "talk to", path: file.path, number: number)
            return .broken(error.description)
        default:
            return isCutOff ? .end : .refused(reason)
        }
    }

    /// The peer closed the connection without a farewell: SSL_R_UNEXPECTED_EOF_WHILE_READING.
    private var isCutOff: Bool { ERR_peek_error() & 0x7F_FFFF == 294 }

    private var reason: String {
        let words = TLSServer.lastError()
        let verdict = SSL_get_verify_result(session)
        guard verdict != X509_V_OK, !words.isEmpty, SSL_is_init_finished(session) == 0 else {
            return words.isEmpty ? "protocol error" : words
        }
        // Safe because libcrypto answers with a constant text.
        return "\(words): \(String(cString: X509_verify_cert_error_string(verdict)))"
    }
}
