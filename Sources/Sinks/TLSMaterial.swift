// SPDX-License-Identifier: Apache-2.0
import Platform

/// The files of a `tls` block as they were last found good, kept in step with the disk.
///
/// Certificates are renewed while the agent runs, by programs that do not know it. Whoever makes
/// connections calls `refresh` before each and now and then, and uses what stands here.
struct TLSMaterial {
    /// How often the files are read again.
    static let interval = Duration.seconds(2)
    /// The longest file that is read; a system's whole list of authorities has a fifth of it.
    static let byteLimit = 1 << 20

    /// What the three files hold.
    struct Content: Equatable {
        /// The authorities to trust in place of the system's, in PEM.
        var authorities: [UInt8]?
        /// The agent's own certificate and those that lead to an authority, in PEM.
        var certificate: [UInt8]?
        /// Its key, in PEM.
        var key: Secret?
        /// When the first of the agent's own certificates expires.
        var expiry: Timestamp?
    }

    /// What connections use.
    private(set) var content: Content
    /// Counts the changes of `content`.
    private(set) var version = 0
    /// Why `content` is older than what is on the disk; nil when it is not.
    ///
    /// Said only of what is found twice, so that files which are replaced one after the other
    /// are no problem.
    private(set) var problem: String?

    private let options: TLSOptions
    private var suspicion: String?
    private var nextLook: MonotonicInstant

    /// Reads the files; throws a sentence about the one that cannot be used.
    init(
        _ options: TLSOptions, sink: String, at now: MonotonicInstant
    ) throws(SinkError) {
        self.options = options
        nextLook = now.advanced(by: TLSMaterial.interval)
        do throws(Unusable) {
            content = try TLSMaterial.read(options)
        } catch {
            throw SinkError(sink: sink, error.sentence)
        }
    }

    /// Reads the files again when it is time to, and takes them over when all of them are good.
    mutating func refresh(at now: MonotonicInstant) {
        guard now >= nextLook else { return }
        nextLook = now.advanced(by: TLSMaterial.interval)
        guard options.namesFiles else { return }
        do throws(Unusable) {
            let found = try TLSMaterial.read(options)
            suspicion = nil
            problem = nil
            guard found != content else { return }
            content = found
            version += 1
        } catch {
            problem = error.sentence == suspicion ? error.sentence : nil
            suspicion = error.sentence
        }
    }

    private struct Unusable: Error {
        var sentence: String
    }

    private static func read(_ options: TLSOptions) throws(Unusable) -> Content {
        var content = Content()
        if let path = options.authorityFile {
            let (bytes, _) = try readCertificates("ca_file", path)
            content.authorities = bytes
        }
        guard let path = options.certificateFile, let keyPath = options.keyFile else {
            return content
        }
        let (certificate, chain) = try readCertificates("cert_file", path)
        var bytes = try readFile("key_file", keyPath)
        let key = Secret(wiping: &bytes)
        do throws(CertificateError) {
            try CertificateChain.check(key: key, of: certificate)
        } catch {
            throw Unusable(
                sentence: "tls.key_file: \(keyPath) \(error); name the key of tls.cert_file")
        }
        content.certificate = certificate
        content.key = key
        content.expiry = chain.expiry
        return content
    }

    private static func readCertificates(
        _ name: String, _ path: String
    ) throws(Unusable) -> ([UInt8], CertificateChain) {
        let bytes = try readFile(name, path)
        do throws(CertificateError) {
            return (bytes, try CertificateChain(pem: bytes))
        } catch {
            throw Unusable(
                sentence: "tls.\(name): \(path) \(error); name a file with certificates in PEM")
        }
    }

    private static func readFile(_ name: String, _ path: String) throws(Unusable) -> [UInt8] {
        do throws(SystemError) {
            return try FileSystem.read(path, byteLimit: byteLimit)
        } catch {
            throw Unusable(sentence: "tls.\(name): \(error); \(error.advice)")
        }
    }
}
