// SPDX-License-Identifier: Apache-2.0
import CSSL
import Glibc

/// Why TLS cannot be offered with the files that are configured.
public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file that was refused.
    public let path: String
    /// What is wrong with it, in the words of libssl, and what to do.
    public let reason: String

    /// A bounded word for metrics.
    public var code: String { "tls" }

    /// One sentence with the place.
    public var description: String { "\(path): \(reason)" }
}

// Safe because a context of libssl is counted and locked by itself, and it is never changed after
// init has made it.
/// The server's side of TLS: a certificate, its key, and whom to let in. TLS 1.2 at the least.
public final class TLSServer: @unchecked Sendable {
    // Safe because init makes it and deinit frees it; connections hold references of their own.
    fileprivate let context: OpaquePointer
    /// When the first certificate of the chain expires.
    public let expiry: Timestamp

    /// SSL_OP_IGNORE_UNEXPECTED_EOF, _NO_COMPRESSION and _NO_RENEGOTIATION, which are macros that
    /// Swift cannot see. A peer that ends the connection without saying so in TLS ends it all the
    /// same; what was cut off is seen by the framing above.
    private static let options: UInt64 = 1 << 7 | 1 << 17 | 1 << 30

    /// Reads the files, PEM all of them.
    ///
    /// With `clientAuthorities` only clients with a certificate signed by one of them are let in.
    public init(
        certificate: String, key: String, clientAuthorities: String? = nil
    ) throws(TLSError) {
        expiry = try TLSServer.expiry(of: certificate)
        // Safe because the context is checked here and freed in deinit or on failure below.
        guard let context = SSL_CTX_new(TLS_server_method()) else { bug("no memory for TLS") }
        self.context = context
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        SSL_CTX_set_options(context, TLSServer.options)
        // A key with a password must not make libssl ask for it on a terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        // Without a name libssl refuses to resume sessions of clients with certificates.
        let name = Array("sealtail".utf8)
        _ = SSL_CTX_set_session_id_context(context, name, UInt32(name.count))
        // The buffers of a silent connection are given back.
        _ = SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
            throw TLSServer.failure(certificate, "cannot be used as a certificate chain in PEM")
        }
        guard SSL_CTX_use_PrivateKey_file(context, key, X509_FILETYPE_PEM) == 1 else {
            throw TLSServer.failure(key, "cannot be used as the key of \(certificate)")
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            throw TLSServer.failure(key, "is not the key of \(certificate)")
        }
        guard let clientAuthorities else { return }
        guard SSL_CTX_load_verify_file(context, clientAuthorities) == 1,
            let names = SSL_load_client_CA_file(clientAuthorities)
        else { throw TLSServer.failure(clientAuthorities, "cannot be used as authorities in PEM") }
        SSL_CTX_set_client_CA_list(context, names)
        SSL_CTX_set_verify(
            context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    }

    deinit {
        // Safe because nobody else holds this reference.
        SSL_CTX_free(context)
    }

    private static func expiry(of path: String) throws(TLSError) -> Timestamp {
        let bytes = try HTTPServer.Certificate.bytes(of: path)
        do throws(CertificateError) {
            return try CertificateChain(pem: bytes).expiry
        } catch {
            throw TLSError(
                path: path,
                reason: "cannot be used as a certificate chain in PEM, because it \(error); name "
                    + "another file")
        }
    }

    private static func failure(_ path: String, _ sentence: String) -> TLSError {
        let reason = TLSServer.lastError()
        return TLSError(
            path: path,
            reason: sentence + (reason.isEmpty ? "" : " (\(reason))") + "; name another file")
    }

    /// What libssl noted first, and a clean slate.
    static func lastError() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return "" }
        // Safe because libssl answers with constant texts or NULL.
        if let text = ERR_reason_error_string(code) { return String(cString: text) }
        var room = [CChar](repeating: 0, count: 256)
        // Safe because the call is told how much room there is, and ends the text with a zero.
        ERR_error_string_n(code, &room, room.count)
        return String(
            decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// One connection under TLS, for one thread.
public struct TLSConnection: ~Copyable {
    /// How an attempt to read ended.
    public enum Outcome: Sendable, Hashable {
        /// So many bytes came.
        case bytes(Int)
        /// Nothing until the peer sends more.
        case needsRead
        /// Nothing until the peer takes what has to be sent first.
        case needsWrite
        /// The peer has ended the connection.
        case end
        /// The connection cannot go on; why, in a few words.
        case failed(String)
    }

    // Safe because init makes it and deinit frees it; a value that cannot be copied has one owner.
    private let session: OpaquePointer
    private let file: File

    /// Wraps an accepted connection; the handshake is done by the first reads.
    public init(_ server: TLSServer, over file: File) {
        // Safe because the session is checked here and freed in deinit.
        guard let session = SSL_new(server.context), SSL_set_fd(session, file.descriptor) == 1
        else {
            bug("no memory for a TLS connection")
        }
        SSL_set_accept_state(session)
        self.session = session
        self.file = file
    }

    deinit {
        // Safe because nobody else holds the session. The farewell is sent when there is room.
        ERR_clear_error()
        if SSL_is_init_finished(session) == 1 { _ = SSL_shutdown(session) }
        SSL_free(session)
    }

    /// Appends at most so many bytes of what the peer has sent; never waits.
    public mutating func read(into bytes: inout [UInt8], count: Int) -> Outcome {
        ERR_clear_error()
        var result: Int32 = 0
        bytes.append(addingCapacity: count) { output in
            output.withUnsafeMutableBufferPointer { buffer, used in
                guard let start = buffer.baseAddress else { return }
                // Safe because `count` bytes are free behind what is used.
                result = SSL_read(session, start + used, Int32(clamping: count))
                if result > 0 { used += Int(result) }
            }
        }
        if result > 0 { return .bytes(Int(result)) }
        let number = errno
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: return .needsRead
        case SSL_ERROR_WANT_WRITE: return .needsWrite
        case SSL_ERROR_ZERO_RETURN: return .end
        case SSL_ERROR_SYSCALL:
            let error = SystemError(call: "read", number: number)
            return number == 0 ? .end : .failed(error.code)
        default:
            let reason = TLSServer.lastError()
            return .failed(reason.isEmpty ? "protocol error" : reason)
        }
    }
}
