// SPDX-License-Identifier: Apache-2.0
import CCrypto
import Glibc

/// Why certificates or a key in PEM cannot be used: the end of a sentence that names the file.
public struct CertificateError: Error, Sendable, Equatable, CustomStringConvertible {
    /// As `is not the key of the certificate`.
    public let description: String
}

/// Certificates as they stand in a PEM file, to be looked at; nothing is verified by it.
public struct CertificateChain: Sendable, Equatable {
    /// How many certificates there are; at least one.
    public let count: Int
    /// When the first of them to expire expires.
    public let expiry: Timestamp

    /// Reads all certificates of a text, and passes over everything else in it.
    ///
    /// Throws when there is none, or one is damaged.
    public init(pem: [UInt8]) throws(CertificateError) {
        let input = try PEMInput(pem.span)
        var count = 0
        var expiry = Timestamp.latest
        while let certificate = try input.nextCertificate() {
            // Safe because the certificate belongs to this turn of the loop alone.
            defer { X509_free(certificate) }
            guard let end = CertificateChain.expiry(of: certificate) else {
                throw CertificateError(description: "holds a certificate without an end")
            }
            expiry = min(expiry, end)
            count += 1
        }
        guard count > 0 else {
            throw CertificateError(description: "holds no certificate in PEM")
        }
        self.count = count
        self.expiry = expiry
    }

    /// SHA-256 of the public key of the first certificate of a text, in base64, as RFC 7469 has it.
    public static func pin(pem: [UInt8]) throws(CertificateError) -> String {
        let input = try PEMInput(pem.span)
        guard let certificate = try input.nextCertificate() else {
            throw CertificateError(description: "holds no certificate in PEM")
        }
        // Safe because nobody else holds the certificate.
        defer { X509_free(certificate) }
        guard let pin = pin(of: certificate) else {
            throw CertificateError(description: "holds a certificate without a key")
        }
        return pin
    }

    // Safe because the certificate is the caller's and alive.
    /// The pin of a certificate of libcrypto.
    static func pin(of certificate: OpaquePointer) -> String? {
        // Safe because libcrypto allocates the bytes and says how many they are.
        var start: UnsafeMutablePointer<UInt8>?
        let count = Int(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &start))
        guard count > 0, let start else { return nil }
        defer { CRYPTO_free(start, nil, 0) }
        // Safe because the bytes outlive the copy.
        let bytes = Array(UnsafeBufferPointer(start: start, count: count))
        return Base64.encode(SHA256.digest(bytes).bytes)
    }

    // Safe because the certificate is the caller's and alive.
    /// When a certificate of libcrypto expires.
    static func expiry(of certificate: OpaquePointer) -> Timestamp? {
        var time = tm()
        guard ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 else { return nil }
        return Timestamp(
            year: Int(time.tm_year) + 1900, month: Int(time.tm_mon) + 1, day: Int(time.tm_mday),
            hour: Int(time.tm_hour), minute: Int(time.tm_min), second: Int(time.tm_sec))
    }

    /// Throws unless `key` is a private key in PEM without a password, and that of the first
    /// certificate in `pem`.
    public static func check(key: Secret, of pem: [UInt8]) throws(CertificateError) {
        let certificates = try PEMInput(pem.span)
        guard let certificate = try certificates.nextCertificate() else {
            throw CertificateError(description: "belongs to no certificate")
        }
        // Safe because nobody else holds the certificate.
        defer { X509_free(certificate) }
        let input = try key.withBytes { (bytes) throws(CertificateError) in try PEMInput(bytes) }
        guard let pair = input.privateKey() else {
            throw CertificateError(
                description: "holds no private key in PEM, or one with a password")
        }
        // Safe because nobody else holds the key.
        defer { EVP_PKEY_free(pair) }
        guard X509_check_private_key(certificate, pair) == 1 else {
            ERR_clear_error()
            throw CertificateError(description: "is not the key of the certificate")
        }
    }
}

/// A text in PEM that libcrypto reads piece by piece.
struct PEMInput: ~Copyable {
    // Safe because init makes it and deinit frees it; a value that cannot be copied has one owner.
    private let input: OpaquePointer

    /// Copies the text.
    init(_ bytes: Span<UInt8>) throws(CertificateError) {
        guard bytes.count <= Int(Int32.max), let input = BIO_new(BIO_s_mem()) else {
            throw CertificateError(description: "is too long")
        }
        bytes.withUnsafeBufferPointer { buffer in
            // Safe because the call copies the bytes; it can only run out of memory.
            _ = BIO_write(input, buffer.baseAddress, Int32(buffer.count))
        }
        self.input = input
    }

    deinit {
        // Safe because nobody else holds it.
        BIO_free(input)
    }

    /// The next certificate, which the caller frees; nil behind the last one.
    func nextCertificate() throws(CertificateError) -> OpaquePointer? {
        ERR_clear_error()
        // Safe because the callback gives no password, hence touches none of its arguments.
        if let found = PEM_read_bio_X509(input, nil, { _, _, _, _ in 0 }, nil) { return found }
        let reason = ERR_GET_REASON(ERR_peek_last_error())
        ERR_clear_error()
        guard reason == PEM_R_NO_START_LINE else {
            throw CertificateError(description: "holds a certificate that is damaged")
        }
        return nil
    }

    /// The first private key, which the caller frees; nil when there is none without a password.
    func privateKey() -> OpaquePointer? {
        ERR_clear_error()
        defer { ERR_clear_error() }
        // Safe because the callback gives no password, so that nobody is asked on a terminal.
        return PEM_read_bio_PrivateKey(input, nil, { _, _, _, _ in 0 }, nil)
    }
}
